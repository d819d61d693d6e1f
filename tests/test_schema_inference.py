"""What a sample says of its columns, and which one holds the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import pandas as hp
from scipy import stats

from errors import DataError
from model_types import ModelFeature, ModelInfo, Task
from schema_inference import MAX_CATEGORIES, copula_correlation, guess_target, schema_from_sample
from schema_utils import Kind, check_schema
from synthetic_data import generate

TEXTS = [f"the parcel number {i} never arrived at our house" for i in range(8)]


def info(names: list[str] | None, n_features: int | None = None, **fields: object) -> ModelInfo:
    features = [ModelFeature(name=name) for name in names or []]
    known = names is not None
    return ModelInfo.model_validate(
        {
            "task": Task.BINARY,
            "estimator": "Test",
            "features": features,
            "n_features": n_features if n_features is not None else len(features),
            "feature_names_known": known,
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("a", [1.5, 2.5], Kind.FLOAT),
        ("a", [1.0, 2.0], Kind.FLOAT),
        ("a", [1, 2, 2], Kind.INTEGER),
        ("a", [1.0, None, 2.0], Kind.INTEGER),
        ("zip_code", [10115, 10117], Kind.CATEGORICAL),
        ("a", [True, False], Kind.BOOLEAN),
        ("a", [True, None, False], Kind.BOOLEAN),
        ("a", ["x", "y", None], Kind.CATEGORICAL),
        ("a", ["2024-01-05", "2024-02-06"], Kind.DATETIME),
        ("a", ["05.01.2024", "16.02.2024"], Kind.DATETIME),
        ("a", pd.to_datetime(["2024-01-05", "2024-02-06"]), Kind.DATETIME),
        ("a", TEXTS, Kind.TEXT),
        ("a", [None, None], Kind.FLOAT),
    ],
)
def test_kinds(name: str, values: list[object], kind: Kind) -> None:
    """Each column gets the type that a person would give it."""
    schema = schema_from_sample(pd.DataFrame({name: values}))
    assert schema.features[0].kind is kind
    assert check_schema(schema) == []


def test_numbers_get_range_and_quantiles() -> None:
    """Quantiles are NumPy's at 0, 1, …, 100 percent; missing rates are shares of the rows."""
    values = np.random.default_rng(0).gamma(2, 3, 500)
    frame = pd.DataFrame({"a": np.where(np.arange(500) < 50, np.nan, values)})
    feature = schema_from_sample(frame).features[0]
    np.testing.assert_allclose(
        feature.quantiles or [], np.percentile(values[50:], np.arange(101)), rtol=1e-12
    )
    assert (feature.minimum, feature.maximum) == (values[50:].min(), values[50:].max())
    assert feature.missing_rate == 0.1


def test_categories_get_frequencies() -> None:
    """Frequencies are observed shares, most frequent first."""
    feature = schema_from_sample(pd.DataFrame({"a": ["x", "y", "y", "y"]})).features[0]
    assert feature.categories == ["y", "x"]
    assert feature.frequencies == [0.75, 0.25]


def test_many_categories_are_capped_with_a_note() -> None:
    """At most 200 categories are kept, and the note says which part of the rows they cover."""
    frame = pd.DataFrame({"a": [f"c{i}" for i in range(1000)]})
    feature = schema_from_sample(frame).features[0]
    assert len(feature.categories or []) == MAX_CATEGORIES
    assert sum(feature.frequencies or []) == pytest.approx(1)
    assert "1,000 categories" in feature.notes[0]


def test_dates_are_seconds() -> None:
    """The range of a datetime is in seconds since 1970, UTC."""
    feature = schema_from_sample(pd.DataFrame({"a": ["1970-01-02", "1970-01-03"]})).features[0]
    assert (feature.minimum, feature.maximum) == (86_400, 172_800)


def test_synthetic_rows_look_like_the_sample() -> None:
    """Distribution and rank correlation of the sample come back in the synthetic rows."""
    rng = np.random.default_rng(1)
    x = rng.gamma(2, 3, 3000)
    frame = pd.DataFrame({"x": x, "y": np.log(x) + rng.normal(0, 0.5, 3000)})
    drawn = generate(schema_from_sample(frame), 3000, 0)
    assert stats.ks_2samp(frame["x"], drawn["x"]).pvalue > 0.01
    before, after = (stats.spearmanr(t["x"], t["y"]).statistic for t in (frame, drawn))
    assert before == pytest.approx(after, abs=0.03)


def test_copula_correlation_is_that_of_normal_scores() -> None:
    """It recovers the correlation behind monotone transforms, as SciPy's scores do."""
    normal = np.random.default_rng(2).multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 4000)
    frame = pd.DataFrame({"a": np.exp(normal[:, 0]), "b": normal[:, 1] ** 3})
    scores = np.asarray(stats.norm.ppf(stats.rankdata(frame, axis=0) / 4001))
    expected = stats.pearsonr(scores[:, 0], scores[:, 1]).statistic
    assert copula_correlation(frame)[0][1] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("columns", "model", "target"),
    [
        (["a", "b", "target"], info(["a", "b"]), "target"),
        (["a", "b", "Survived"], info(["a", "b"]), "Survived"),
        (["a", "b", "weight"], info(["a", "b"]), "weight"),
        (["a", "b"], info(["a", "b"]), None),
        (["a", "target"], info(["a", "target"]), None),
        (["a", "b", "c", "d"], info(["a", "b"]), None),
        (["a", "b", "price"], info(["a", "b"], output_names=["b", "price"]), "price"),
        (["a", "y"], None, "y"),
        (["a", "b"], None, None),
        (["a", "b", "c"], info(None, 2), "c"),
        (["a", "class", "c"], info(None, 2), "class"),
        (["a", "b", "y"], info(None, 3), None),
    ],
)
def test_guess_target(columns: list[str], model: ModelInfo | None, target: str | None) -> None:
    """The target is found by name or as the one column left over, never among the inputs."""
    frame = pd.DataFrame([[5.0, 1.0, 4.0, 2.0][: len(columns)]] * 3, columns=columns)
    assert guess_target(frame, model) == target


def test_the_target_is_no_input() -> None:
    """The target is marked, last, and not in the correlation."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), columns=["y", "a", "b"])
    schema = schema_from_sample(frame, "y")
    assert [feature.name for feature in schema.inputs] == ["a", "b"]
    assert schema.target is not None
    assert schema.target.name == "y"
    assert schema.correlation_names == ["a", "b"]


def test_an_unknown_target_is_told() -> None:
    """The error names the target and the columns that exist."""
    with pytest.raises(DataError, match="'z' is no column of the sample; its columns are a"):
        schema_from_sample(pd.DataFrame({"a": [1]}), "z")


_frames = hp.data_frames(
    [
        hp.column("f", elements=st.floats(allow_nan=True, allow_infinity=True, width=32)),
        hp.column("i", elements=st.integers(-(2**60), 2**60), dtype=np.int64),
        hp.column("s", elements=st.text(max_size=6) | st.none(), dtype=object),
        hp.column("m", elements=st.booleans() | st.integers(0, 3) | st.none(), dtype=object),
    ],
    index=hp.range_indexes(min_size=1, max_size=20),
)


@given(_frames)
def test_any_table_gives_a_schema_to_draw_from(frame: pd.DataFrame) -> None:
    """Whatever the table, its schema is valid and rows can be drawn from it."""
    schema = schema_from_sample(frame)
    assert check_schema(schema) == []
    assert generate(schema, 5, 0).shape == (5, 4)
