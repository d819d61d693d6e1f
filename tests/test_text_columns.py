"""Texts and dates through schema, made-up rows, behaviour and the summary of the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from behaviour import examine_behaviour
from behaviour_text import with_typos
from explanation_reading import times_of
from report_types import BehaviourCase, BehaviourVerdict, RunConfig
from schema_inference import schema_from_sample
from schema_merge import merge_schemas
from schema_utils import Kind, Schema
from synthetic_data import generate
from table_summary import summarise_table
from tests.local_model import LocalModel, RefusingModel

TEXTS = ["free cash prize now", "see you at lunch today", "win a free prize", "lunch at noon"] * 20
LABELS = ["spam", "ham", "spam", "ham"] * 20


def trained(*steps: Any) -> LocalModel:
    return RefusingModel(make_pipeline(*steps, LogisticRegression()).fit(TEXTS, LABELS))


def schema_of(model: LocalModel, sample: pd.DataFrame | None = None) -> Schema:
    known = None if sample is None else schema_from_sample(sample)
    return merge_schemas(None, None, known, model.info).schema


@pytest.mark.parametrize(
    "vectorizer",
    [TfidfVectorizer(), CountVectorizer(ngram_range=(1, 2)), TfidfVectorizer(stop_words="english")],
)
def test_made_up_text_uses_only_words_of_the_vocabulary(vectorizer: Any) -> None:
    """Every word of synthetic text is in the vocabulary, and texts are not all alike."""
    model = trained(vectorizer)
    texts = generate(schema_of(model), 200, 3).iloc[:, 0]
    words = set(" ".join(model.estimator[0].vocabulary_).split())
    assert set(" ".join(texts).split()) <= words
    assert texts.nunique() > 100


def test_frequent_words_are_drawn_as_often_as_idf_says() -> None:
    """Shares of words are proportional to the document frequencies behind the weights."""
    model = trained(TfidfVectorizer())
    (told,) = model.info.features
    counts = np.asarray(CountVectorizer(binary=True).fit_transform(TEXTS).sum(axis=0)).ravel()
    frequency = dict(zip(sorted(model.estimator[0].vocabulary_), counts, strict=True))
    expected = np.array([1 + frequency[str(word)] for word in told.categories or []], dtype=float)
    assert told.frequencies == pytest.approx((expected / expected.sum()).tolist(), abs=1e-6)


def test_made_up_texts_are_as_long_as_the_samples() -> None:
    """With a sample, synthetic texts have the sample's words and numbers of words."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(4, 40, 300)
    sample = pd.DataFrame({"note": [" ".join(rng.choice(list("abcdefgh"), n)) for n in sizes]})
    schema = schema_from_sample(sample)
    lengths = generate(schema, 2000, 1)["note"].str.split().map(len)
    assert schema.inputs[0].kind is Kind.TEXT
    for share in (0.1, 0.5, 0.9):
        assert lengths.quantile(share) == pytest.approx(np.quantile(sizes, share), abs=2)


def test_letters_and_hashes_are_no_words() -> None:
    """A vectoriser of letters or hashes names no words; made-up text then is plain English."""
    for vectorizer in (TfidfVectorizer(analyzer="char"), HashingVectorizer(n_features=64)):
        (told,) = trained(vectorizer).info.features
        assert (told.kind, told.categories) == ("text", None)


def test_a_union_of_vectorisers_takes_text() -> None:
    """Words and letters side by side are one text column, alone and in a column transformer."""
    parts = [("c", TfidfVectorizer(analyzer="char_wb")), ("w", TfidfVectorizer())]
    assert trained(FeatureUnion(parts)).info.input_form == "text"
    table = pd.DataFrame({"size": np.arange(80.0), "note": TEXTS})
    columns = [("t", FeatureUnion(parts), "note"), ("n", StandardScaler(), ["size"])]
    pipeline = make_pipeline(ColumnTransformer(columns), LogisticRegression()).fit(table, LABELS)
    told = {each.name: each for each in LocalModel(pipeline).info.features}
    assert told["note"].kind == "text"
    assert "prize" in (told["note"].categories or [])


def test_short_texts_that_repeat_are_text_where_the_model_says_so() -> None:
    """What a vectoriser reads is text, though the sample looks like categories."""
    model = trained(TfidfVectorizer())
    (feature,) = schema_of(model, pd.DataFrame({"message": ["yes", "no"] * 40})).inputs
    assert (feature.name, feature.kind) == ("message", Kind.TEXT)
    assert "prize" in (feature.categories or [])


# --- behaviour -------------------------------------------------------------------------------


def cases(model: LocalModel, table: pd.DataFrame) -> dict[str, BehaviourCase]:
    section = examine_behaviour(model, table, schema_of(model, table), RunConfig(seed=0))
    return {case.id: case for case in section.cases}


def test_odd_texts_are_tried() -> None:
    """Empty, long, foreign, marked-up, shouted and misspelled texts each get a verdict."""
    found = cases(trained(TfidfVectorizer()), pd.DataFrame({"message": TEXTS}))
    assert found["empty_text"].verdict is BehaviourVerdict.SILENT
    assert found["other_script"].verdict is BehaviourVerdict.SILENT
    assert found["long_text"].verdict is BehaviourVerdict.HANDLED
    assert found["capitals"].verdict is BehaviourVerdict.HANDLED  # tf-idf folds them
    assert {"markup", "text_typos"} <= found.keys()


def test_capitals_matter_to_a_model_that_tells_them_apart() -> None:
    """A vectoriser with lowercase=False loses its words to capitals, and the share is told."""
    model = trained(CountVectorizer(lowercase=False))
    (found,) = [cases(model, pd.DataFrame({"message": TEXTS}))["capitals"]]
    block = pd.DataFrame({"message": TEXTS[:20]})
    shouted = model.predict(block.apply(lambda texts: texts.str.upper())).y_pred
    share = float((shouted != model.predict(block).y_pred).mean())
    assert found.verdict is BehaviourVerdict.SILENT
    assert found.affected_share == share > 0
    assert f"{share:.0%} of the answers" in found.why


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # scikit-learn scales missing times
def test_odd_dates_are_tried() -> None:
    """Dates of other centuries are answered silently."""
    table = pd.DataFrame({"on": pd.date_range("2020", periods=60), "x": np.arange(60.0)})
    columns = [("d", StandardScaler(), ["on"]), ("n", StandardScaler(), ["x"])]
    pipeline = make_pipeline(ColumnTransformer(columns), LinearRegression()).fit(table, table["x"])
    found = cases(RefusingModel(pipeline), table)
    assert found["far_dates"].verdict is BehaviourVerdict.SILENT
    assert "no_date" in found


@given(st.text(alphabet="abc xyz.-é"))
def test_typos_move_letters_and_lose_none(text: str) -> None:
    """A misspelled text has the same characters, and the same number of words."""
    odd = with_typos(text)
    assert sorted(odd) == sorted(text)
    assert len(odd.split()) == len(text.split())


# --- dates in the summary --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "labels"),
    [(4000, ["2020", "2021"]), (200, ["2020-01", "2020-02"]), (10, ["2020-01-01", "2020-01-02"])],
)
def test_dates_are_counted_by_year_month_or_day(days: int, labels: list[str]) -> None:
    """A column of dates has its ends and counts that add up, in order of time."""
    column = pd.Series(pd.date_range("2020-01-01", periods=days + 1), name="on")
    (summary,) = summarise_table(column.to_frame(), Schema())
    assert (summary.first, summary.last) == ("2020-01-01", str(column.iloc[-1].date()))
    assert summary.histogram.labels[:2] == labels
    assert sum(summary.histogram.counts) == days + 1
    assert summary.histogram.labels == sorted(summary.histogram.labels)


def test_dates_in_an_explanation_are_times_and_other_texts_are_not() -> None:
    """Only a column of nothing but dates is drawn along a time axis."""
    assert times_of(["2021-03-04", "2021-03-04T05:00:00"]) == [1614816000.0, 1614834000.0]
    assert times_of(["2021-03-04", "soon"]) is None
    assert times_of(["2021-99-99"]) is None
    assert times_of([1.0, 2.0]) is None
