"""The whole pipeline on real model files, each held by a process of its own."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeRegressor

from base_types import Status
from errors import RunCancelledError
from isolation import IsolationReport
from pipeline import run_tests
from report_types import RunConfig, RunRequest, RunStatus, Stage, TestReport, Verdict
from sandbox import WorkerParent
from schema_utils import Feature, Schema
from settings import Settings
from tests.model_zoo import ZOO, Specimen

QUICK = ("random forest", "mixed pipeline", "linear regression", "k-means", "two labels out")


@pytest.fixture
def run(workers: WorkerParent, tmp_path: Path) -> Callable[..., TestReport]:
    """Write a model (and a sample) to files and test them."""

    def run(model: Any, sample: pd.DataFrame | None = None, **options: Any) -> TestReport:
        path = tmp_path / "model.pkl"
        path.write_bytes(model if isinstance(model, bytes) else pickle.dumps(model))
        sample_path = None
        if sample is not None:
            sample_path = tmp_path / "sample.csv"
            sample.to_csv(sample_path, index=False)
        hand = options.pop("hand_schema", None)
        request = RunRequest(
            model_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            model_name="model.pkl",
            sample_name=None if sample is None else "sample.csv",
            hand_schema=hand,
            config=RunConfig(**{"latency_seconds": 0.05, "explain_seconds": 1.0, **options}),
        )
        return run_tests(
            request,
            run_id="test",
            model_path=path,
            sample_path=sample_path,
            workers=workers,
            settings=Settings(model_policy=policy),
            save_data=lambda data, _name: hashlib.sha256(data).hexdigest(),
        )

    policy: Any = "standard"
    return run


def test_a_run_refuses_weaker_isolation_than_demanded(
    workers: WorkerParent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under MONITOR_REQUIRE_ISOLATION=full no model is loaded where something could get through."""
    weak = IsolationReport("partial", ("limits",), ("connect by TCP",))
    monkeypatch.setattr(workers, "isolation", weak)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(ZOO["linear regression"]().model))
    report = run_tests(
        RunRequest(model_sha256="0" * 64, model_name="model.pkl"),
        run_id="test",
        model_path=path,
        sample_path=None,
        workers=workers,
        settings=Settings(require_isolation="full"),
        save_data=lambda data, _name: hashlib.sha256(data).hexdigest(),
    )
    assert report.model.status is Status.FAILED
    assert "full isolation is required; here it is partial" in str(report.model.reason)


def run_specimen(run: Callable[..., TestReport], specimen: Specimen) -> TestReport:
    return run(specimen.model, specimen.sample, target=specimen.target)


def failed_stages(report: TestReport) -> dict[str, str | None]:
    return {
        record.stage.value: record.reason
        for record in report.stages
        if record.status is Status.FAILED
    }


@pytest.mark.parametrize("name", QUICK)
def test_a_model_goes_through_every_stage(run: Callable[..., TestReport], name: str) -> None:
    """A usual kind of model ends with no failed stage and a verdict."""
    report = run_specimen(run, ZOO[name]())
    assert failed_stages(report) == {}
    assert report.status is RunStatus.DONE
    assert report.verdict.verdict is not Verdict.SKIP


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ZOO if name not in QUICK])
def test_every_kind_of_model_goes_through(run: Callable[..., TestReport], name: str) -> None:
    """No kind of model of the zoo has a failed stage; what makes no sense is skipped."""
    report = run_specimen(run, ZOO[name]())
    assert failed_stages(report) == {}
    for section in (report.quality, report.explanations, report.drift):
        assert section.status is Status.OK or section.reason


@pytest.mark.parametrize("name", ["random forest", "mixed pipeline"])
def test_without_a_sample_rows_are_made_from_the_model(
    run: Callable[..., TestReport], name: str
) -> None:
    """A model alone is tested on synthetic rows, and quality says what it lacks."""
    report = run(ZOO[name]().model, n_rows=120)
    assert failed_stages(report) == {}
    assert report.data.source == "synthetic"
    assert report.data.n_rows == 120
    assert not report.quality.has_labels


def test_accuracy_equals_scikit_learns(run: Callable[..., TestReport]) -> None:
    """The accuracy in the report is accuracy_score of the same rows."""
    specimen = ZOO["decision tree"]()
    sample = specimen.sample.sample(frac=1.0, random_state=0)
    shuffled = sample.assign(label=specimen.sample["label"].to_numpy())
    report = run(specimen.model, shuffled, target="label")
    expected = accuracy_score(
        shuffled["label"], specimen.model.predict(shuffled.drop(columns="label"))
    )
    accuracy = next(item for item in report.quality.metrics if item.name == "accuracy")
    assert accuracy.estimate.value == pytest.approx(expected, abs=1e-12)


def timeless(report: TestReport) -> dict[str, Any]:
    """Return the numbers of a report that do not depend on the clock or on the machine's load."""
    kept = report.model_dump(
        include={"quality", "behaviour", "drift", "data", "schema_", "explanations"}
    )
    for section in kept.values():
        section.pop("seconds", None)
        section.pop("seconds_used", None)
    return kept


@pytest.mark.parametrize("name", ["random forest", "mixed pipeline", "neural network"])
def test_the_same_request_gives_the_same_numbers(run: Callable[..., TestReport], name: str) -> None:
    """Two runs with one seed agree in every number but the timings."""
    specimen = ZOO[name]()
    first, second = (
        run(specimen.model, specimen.sample, target=specimen.target, explain_seconds=30.0)
        for _ in range(2)
    )
    assert timeless(first) == timeless(second)


def test_several_targets_and_weights_of_a_sample(run: Callable[..., TestReport]) -> None:
    """Several answers are judged as scikit-learn does it, weighed by a column that is no input."""
    inputs = ZOO["linear regression"]().sample.drop(columns="label")
    both = np.column_stack([inputs["bmi"] * 100, inputs["age"] + inputs["bp"]])
    model = DecisionTreeRegressor(max_depth=3, random_state=0).fit(inputs, both)
    weights = np.arange(len(inputs)) % 5
    sample = inputs.assign(one=both[:, 0], two=both[:, 1], w=weights)
    report = run(model, sample, targets=["one", "two"], weight_column="w")
    assert failed_stages(report) == {}
    assert [column.name for column in report.data.columns] == list(inputs.columns)
    found = next(item for item in report.quality.metrics if item.name == "r2")
    expected = r2_score(both, model.predict(inputs), sample_weight=weights)
    assert found.estimate.value == pytest.approx(expected, abs=1e-12)
    assert report.quality.details is not None
    assert report.quality.details.weight_column == "w"
    assert {item.output for item in report.quality.details.outputs} == {"one", "two"}


def test_a_weight_column_that_is_missing_fails_quality_only(
    run: Callable[..., TestReport],
) -> None:
    """Unweighted numbers never stand in for weighted ones: the section says what is missing."""
    specimen = ZOO["decision tree"]()
    report = run(specimen.model, specimen.sample, target="label", weight_column="w")
    assert set(failed_stages(report)) == {"quality"}
    assert "no column 'w'" in (report.quality.reason or "")


def test_a_model_that_answers_nan_fails_a_check_of_its_own(run: Callable[..., TestReport]) -> None:
    """Answers without an error that are all NaN are told as such, not as a lack of labels."""
    specimen = ZOO["linear regression"]()
    specimen.model.intercept_ = np.nan
    report = run(specimen.model, specimen.sample, target="label")
    check = next(item for item in report.verdict.checks if item.id == "quality.answers")
    assert (check.verdict, check.value) == (Verdict.FAIL, 1.0)
    assert check.title == "No answer is a number"


def test_a_report_survives_json(run: Callable[..., TestReport]) -> None:
    """A report read back from its JSON is the report, and the JSON has no NaN."""
    report = run_specimen(run, ZOO["random forest"]())
    text = report.model_dump_json(by_alias=True)
    json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} in the JSON"))
    assert TestReport.model_validate_json(text) == report


def test_a_file_that_is_no_model_is_a_failed_load(run: Callable[..., TestReport]) -> None:
    """A pickled list ends in a report that says what it is; nothing else is lost."""
    report = run(pickle.dumps([1, 2, 3]), ZOO["random forest"]().sample, target="label")
    assert report.status is RunStatus.DONE
    assert report.model.status is Status.FAILED
    assert "list" in (report.model.reason or "")
    assert report.verdict.verdict is Verdict.FAIL
    assert report.data.n_rows > 0
    assert report.quality.status is Status.SKIPPED


def test_a_hand_made_schema_wins(run: Callable[..., TestReport]) -> None:
    """What the user types about a column decides the rows made for it."""
    hand = Schema(features=[Feature(name="petal width (cm)", minimum=100.0, maximum=101.0)])
    report = run(ZOO["decision tree"]().model, n_rows=50, hand_schema=hand)
    column = next(item for item in report.data.columns if item.name == "petal width (cm)")
    assert column.minimum is not None
    assert column.minimum >= 100.0


def test_dates_of_unknown_order_are_told_though_the_run_reads_them(
    run: Callable[..., TestReport],
) -> None:
    """The data check of a run looks at dates as the sample writes them, not as they were read."""
    sample = pd.DataFrame({"on": ["01/03/2024", "02/03/2024", "04/05/2024"] * 40, "n": range(120)})
    encode = make_column_transformer((OneHotEncoder(), ["on"]), remainder="passthrough")
    model = make_pipeline(encode, DecisionTreeRegressor()).fit(sample, sample["n"])
    report = run(model, sample, stages=[])
    assert report.data.source == "sample"
    assert report.validation is not None
    told = {check.id: check.found for check in report.validation.checks}
    assert "day/month/year or month/day/year 120 times" in told["date_forms"]


def test_a_sample_without_the_models_columns_is_explained(run: Callable[..., TestReport]) -> None:
    """Columns that do not match are named, and synthetic rows keep the test going."""
    sample = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    report = run(ZOO["decision tree"]().model, sample)
    assert report.data.source == "synthetic"
    assert "petal" in " ".join(report.data.warnings)


def test_names_made_of_digits_reach_the_model_as_it_knows_them(
    run: Callable[..., TestReport],
) -> None:
    """A model of postal codes as texts is measured on a CSV, where they look like numbers."""
    rng = np.random.default_rng(0)
    zips = rng.choice(["02139", "10001", "94110"], 200)
    table = pd.DataFrame({"zip": zips, "rooms": rng.integers(1, 6, 200)})
    price = 10.0 * (table["zip"] == "02139") + table["rooms"]
    steps = make_column_transformer((OneHotEncoder(), ["zip"]), remainder="passthrough")
    model = make_pipeline(steps, DecisionTreeRegressor()).fit(table, price)
    report = run(model, table.assign(price=price), target="price", stages=["quality"])
    r2 = next(item for item in report.quality.metrics if item.name == "r2")
    assert (report.data.source, r2.estimate.value) == ("sample", 1.0)


def test_switched_off_stages_are_skipped(run: Callable[..., TestReport]) -> None:
    """A stage that was not asked for says so."""
    stages = [stage for stage in Stage if stage is not Stage.DRIFT]
    report = run(ZOO["decision tree"]().model, n_rows=50, stages=stages)
    assert report.drift.status is Status.SKIPPED
    assert report.drift.reason == "Switched off for this run."


def test_a_run_can_be_cancelled(workers: WorkerParent, tmp_path: Path) -> None:
    """Cancelling raises at the next step."""
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(ZOO["decision tree"]().model))
    with pytest.raises(RunCancelledError):
        run_tests(
            RunRequest(model_sha256="0" * 64, model_name="model.pkl"),
            run_id="test",
            model_path=path,
            sample_path=None,
            workers=workers,
            settings=Settings(),
            save_data=lambda data, _name: hashlib.sha256(data).hexdigest(),
            cancelled=lambda: True,
        )
