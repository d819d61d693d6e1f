"""Five usual models, each through the whole pipeline: no failed stage, and sensible numbers."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits, load_wine
from sklearn.ensemble import GradientBoostingRegressor, IsolationForest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import reports
from base_types import Status
from example_tables import houses, messages
from pipeline import run_tests
from report_types import RunConfig, RunRequest, TestReport
from sandbox import WorkerParent
from settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture
def tested(workers: WorkerParent, tmp_path: Path) -> Callable[..., TestReport]:
    """Write a model and a sample to files and test them."""

    def run(model: Any, sample: pd.DataFrame | None, target: str | None) -> TestReport:
        path, table = tmp_path / "model.pkl", tmp_path / "sample.csv"
        path.write_bytes(pickle.dumps(model))
        if sample is not None:
            sample.to_csv(table, index=False)
        return run_tests(
            RunRequest(
                model_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                model_name="model.pkl",
                sample_name=None if sample is None else "sample.csv",
                config=RunConfig(target=target, latency_seconds=0.05, explain_seconds=1.0),
            ),
            run_id="test",
            model_path=path,
            sample_path=None if sample is None else table,
            workers=workers,
            settings=Settings(),
            save_data=lambda data, _name: hashlib.sha256(data).hexdigest(),
        )

    return run


def assert_whole(report: TestReport) -> None:
    """Every stage succeeded, and the report can be written for people."""
    assert {s.stage: s.reason for s in report.stages if s.status is Status.FAILED} == {}
    assert report.data.source == "sample"
    assert report.quality.status is report.explanations.status is Status.OK
    assert "<html" in reports.render_html(report)


def metric(report: TestReport, name: str) -> float:
    found = next(each.estimate.value for each in report.quality.metrics if each.name == name)
    assert found is not None
    return found


def spam() -> Any:
    table = messages()
    return make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)).fit(
        table["message"], table["label"]
    )


def test_a_spam_classifier(tested: Callable[..., TestReport]) -> None:
    """Raw text goes in; words are explained as scikit-learn's coefficients say."""
    model = spam()
    report = tested(model, messages(300, seed=1), "label")
    assert_whole(report)
    assert metric(report, "balanced_accuracy") > 0.9
    (words,) = report.explanations.texts
    assert (words.method, words.output) == ("linear", "spam")
    effects = {item.word: item.effect for item in words.importance}
    for word, effect in effects.items():
        assert np.sign(effect) == np.sign(model[-1].coef_[0][model[0].vocabulary_[word]])
    message = next(column for column in report.data.columns if column.name == "message")
    assert message.mean is None
    assert "because of the word" in reports.render_html(report)


def test_a_spam_classifier_alone(tested: Callable[..., TestReport]) -> None:
    """Without a sample its texts are made up of its own vocabulary."""
    report = tested(spam(), None, None)
    assert {s.stage: s.reason for s in report.stages if s.status is Status.FAILED} == {}
    assert report.explanations.texts[0].importance


def test_a_churn_pipeline(tested: Callable[..., TestReport]) -> None:
    """Numbers with gaps, names, yes and no, and a comment in words, side by side."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "months": rng.integers(1, 70, 600).astype(float),
            "charge": rng.normal(60, 20, 600).round(2),
            "contract": rng.choice(["monthly", "yearly", "two years"], 600, p=[0.5, 0.3, 0.2]),
            "paperless": rng.choice(["yes", "no"], 600),
        }
    )
    table.loc[::15, "charge"] = np.nan
    wishes = 0.03 * table["charge"].fillna(60) - 0.05 * table["months"]
    leaves = wishes + 1.5 * (table["contract"] == "monthly") + rng.normal(0, 0.5, 600) > 1
    table["comment"] = [
        " ".join(
            rng.choice(("too expensive bad slow" if bad else "very good fast fine").split(), 5)
        )
        for bad in leaves ^ (rng.random(600) < 0.3)
    ]
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["months", "charge"]),
            ("names", OneHotEncoder(handle_unknown="ignore"), ["contract", "paperless"]),
            ("words", TfidfVectorizer(), "comment"),
        ]
    )
    churn = np.where(leaves, "leaves", "stays")
    model = make_pipeline(columns, LogisticRegression()).fit(table[:400], churn[:400])
    report = tested(model, table[400:].assign(churn=churn[400:]), "churn")
    assert_whole(report)
    assert set(report.explanations.columns) == set(table.columns)
    (texts,) = report.explanations.texts
    assert texts.column == "comment"
    assert {"expensive", "bad", "slow"} & {item.word for item in texts.importance[:8]}


def test_a_house_price_model(tested: Callable[..., TestReport]) -> None:
    """A regression with dates takes dates from a CSV and is explained by them."""
    table = houses()
    columns = ColumnTransformer(
        [
            ("numbers", "passthrough", ["living_area", "rooms", "garden"]),
            ("names", OneHotEncoder(), ["district"]),
            ("dates", StandardScaler(), ["sold_on"]),
        ]
    )
    inputs = table.drop(columns="price")
    boosting = GradientBoostingRegressor(n_estimators=60, random_state=0)
    model = make_pipeline(columns, boosting).fit(inputs[:500], table["price"][:500])
    report = tested(model, table[500:], "price")
    assert_whole(report)
    assert metric(report, "r2") > 0.9
    day = next(column for column in report.data.columns if column.name == "sold_on")
    assert (day.kind, day.mean) == ("datetime", None)
    assert str(day.first).startswith("201")
    cells = [row["sold_on"] for row in report.explanations.rows]
    assert all(isinstance(cell, str) and len(cell) == 10 for cell in cells)
    assert {"far_dates", "no_date"} <= {case.id for case in report.behaviour.cases}


def test_a_digits_classifier(tested: Callable[..., TestReport]) -> None:
    """Sixty-four columns and ten classes: a report of each class."""
    bunch = load_digits(as_frame=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    model.fit(bunch.data[:1200], bunch.target[:1200])
    report = tested(model, bunch.data[1200:].assign(digit=bunch.target[1200:]), "digit")
    assert_whole(report)
    assert len(report.quality.per_class) == len(report.explanations.outputs) == 10
    assert metric(report, "accuracy") > 0.85


def test_an_isolation_forest(tested: Callable[..., TestReport]) -> None:
    """An outlier detector has no accuracy, and everything else."""
    inputs = load_wine(as_frame=True).data
    model = IsolationForest(contamination=0.1, random_state=0).fit(inputs)
    report = tested(model, inputs, None)
    assert_whole(report)
    assert not report.quality.has_labels
