"""Synthetic tables follow their schema and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from errors import SchemaError
from schema_utils import Feature, Kind, Schema
from synthetic_data import MAX_WORDS, generate, nearest_correlation

N = 20_000


def draw(n_rows: int = N, seed: int = 1, **fields: Any) -> pd.Series:
    feature = Feature(name="x", **fields)
    return generate(Schema(features=[feature]), n_rows, seed)["x"]


def test_a_schema_of_endless_texts_gives_long_ones() -> None:
    """However many words a text is said to have, what is made of it stays small."""
    texts = draw(3, kind="text", quantiles=[1e300, 1e300])
    assert [len(text.split()) for text in texts] == [MAX_WORDS] * 3


@pytest.mark.parametrize(
    ("fields", "law"),
    [
        ({"distribution": "uniform", "minimum": 2, "maximum": 5}, stats.uniform(2, 3)),
        ({"distribution": "normal", "parameters": {"mean": 3, "std": 2}}, stats.norm(3, 2)),
        (
            {"distribution": "normal", "parameters": {"mean": 0, "std": 1}, "minimum": 0.5},
            stats.truncnorm(0.5, np.inf),
        ),
        (
            {"distribution": "lognormal", "parameters": {"mean": 1, "sigma": 0.5}},
            stats.lognorm(0.5, scale=np.e),
        ),
        (
            {"distribution": "exponential", "parameters": {"scale": 3, "loc": 1}},
            stats.expon(1, 3),
        ),
        (
            {"distribution": "exponential", "parameters": {"scale": 2}, "maximum": 3},
            stats.truncexpon(1.5, scale=2),
        ),
        (
            {"distribution": "beta", "parameters": {"a": 2, "b": 5}, "minimum": 1, "maximum": 4},
            stats.beta(2, 5, loc=1, scale=3),
        ),
        ({"minimum": -1, "maximum": 1}, stats.uniform(-1, 2)),
        ({}, stats.norm()),
        (
            {"distribution": "empirical", "quantiles": [0, 1, 4], "minimum": 0.5},
            stats.rv_histogram((np.array([1.0, 2.0]), np.array([0.5, 1.0, 4.0])), density=False),
        ),
    ],
)
def test_continuous_distributions(fields: dict[str, Any], law: Any) -> None:
    """Every continuous distribution passes a Kolmogorov-Smirnov test against SciPy's."""
    assert stats.kstest(draw(**fields), law.cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("fields", "shares"),
    [
        (
            {"kind": "float", "distribution": "poisson", "parameters": {"rate": 3.5}},
            {k: stats.poisson(3.5).pmf(k) for k in range(9)},
        ),
        (
            {"distribution": "poisson", "parameters": {"rate": 2}, "minimum": 1, "maximum": 3},
            {k: stats.poisson(2).pmf(k) / sum(stats.poisson(2).pmf([1, 2, 3])) for k in (1, 2, 3)},
        ),
        (
            {"kind": "integer", "minimum": 1, "maximum": 6},
            dict.fromkeys(range(1, 7), 1 / 6),
        ),
        (
            {"kind": "categorical", "categories": ["a", "b", "c"], "frequencies": [0.2, 0, 0.8]},
            {"a": 0.2, "b": 0.0, "c": 0.8},
        ),
        ({"kind": "boolean", "frequencies": [0.3, 0.7]}, {False: 0.3, True: 0.7}),
        ({"kind": "categorical", "categories": [1, 2]}, {1: 0.5, 2: 0.5}),
        ({"distribution": "constant", "parameters": {"value": 7}}, {7: 1.0}),
    ],
)
def test_discrete_distributions(fields: dict[str, Any], shares: dict[Any, float]) -> None:
    """Observed shares lie within four standard errors of the stated ones."""
    column = draw(**fields)
    for value, share in shares.items():
        error = 4 * np.sqrt(share * (1 - share) / N) + 1e-12
        assert abs((column == value).mean() - share) <= error, value


def _features() -> list[Feature]:
    return [
        Feature(name="a", minimum=0, maximum=1),
        Feature(name="b", kind=Kind.INTEGER, minimum=0, maximum=9, missing_rate=0.2),
        Feature(name="c", kind=Kind.CATEGORICAL, categories=["x", "y"]),
        Feature(name="t", kind=Kind.TEXT),
        Feature(name="d", kind=Kind.DATETIME),
    ]


def test_a_feature_does_not_depend_on_the_others() -> None:
    """Reordering or removing features leaves the other columns as they are."""
    whole = generate(Schema(features=_features()), 200, 3)
    fewer = generate(Schema(features=_features()[::-2]), 200, 3)
    pd.testing.assert_frame_equal(fewer, whole[["d", "c", "a"]])


def test_more_rows_keep_the_first_ones() -> None:
    """A longer table begins with the shorter one."""
    schema = Schema(features=_features())
    pd.testing.assert_frame_equal(generate(schema, 500, 3).head(50), generate(schema, 50, 3))


def test_the_seed_decides() -> None:
    """Equal seeds give equal tables, other seeds other ones; columns differ from each other."""
    schema = Schema(features=[Feature(name=name, minimum=0, maximum=1) for name in "ab"])
    first, again, other = (generate(schema, 100, seed) for seed in (5, 5, 6))
    pd.testing.assert_frame_equal(first, again)
    assert not (first == other).any(axis=None)
    assert not (first["a"] == first["b"]).any()


def test_streams_are_independent() -> None:
    """Without correlation, no pair of 20 columns is rank-correlated."""
    schema = Schema(features=[Feature(name=f"f{i}") for i in range(20)])
    matrix = generate(schema, N, 0).corr(method="spearman").to_numpy()
    assert np.abs(matrix[np.triu_indices(20, 1)]).max() < 4.5 / np.sqrt(N)


def test_missing_rate_leaves_the_values_alone() -> None:
    """Blanking out rows keeps the other rows' values and hits the stated share."""
    full, holed = draw(minimum=0, maximum=1), draw(minimum=0, maximum=1, missing_rate=0.3)
    assert abs(holed.isna().mean() - 0.3) < 4 * np.sqrt(0.21 / N)
    assert (holed.dropna() == full[holed.notna()]).all()


def test_outliers_lie_one_to_three_widths_outside() -> None:
    """The stated share lies outside the range, at the stated distance."""
    column = draw(minimum=10, maximum=20, outlier_rate=0.05)
    outside = column[~column.between(10, 20)]
    assert abs(len(outside) / N - 0.05) < 4 * np.sqrt(0.05 * 0.95 / N)
    assert (outside.between(-20, 0) | outside.between(30, 50)).all()


def test_correlation_is_kept_and_the_marginals_too() -> None:
    """A Gaussian copula gives rank correlation 6/pi asin(r/2) and leaves each distribution."""
    features = [
        Feature(name="a", distribution="normal", parameters={"mean": 5, "std": 2}),
        Feature(name="b", distribution="exponential", parameters={"scale": 1}),
    ]
    matrix = [[1.0, 0.7], [0.7, 1.0]]
    schema = Schema(features=features, correlation=matrix, correlation_names=["b", "a"])
    frame = generate(schema, N, 2)
    expected = 6 / np.pi * np.arcsin(0.7 / 2)
    assert abs(frame.corr(method="spearman").iloc[0, 1] - expected) < 0.02
    assert stats.kstest(frame["a"], stats.norm(5, 2).cdf).pvalue > 0.01
    assert stats.kstest(frame["b"], stats.expon().cdf).pvalue > 0.01


def test_an_impossible_correlation_becomes_the_nearest_possible() -> None:
    """A matrix with a negative eigenvalue is repaired: ones on the diagonal, none negative."""
    matrix = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    repaired, root = nearest_correlation(matrix)
    np.testing.assert_allclose(np.diag(repaired), 1.0)
    np.testing.assert_allclose(root @ root.T, repaired)
    assert np.linalg.eigvalsh(repaired).min() > -1e-12


def test_dtypes() -> None:
    """Columns have the dtypes that pandas gives them when it reads a file."""
    frame = generate(Schema(features=_features()), 20, 0)
    kinds = {name: frame[name].dtype.kind for name in frame}
    assert kinds["a"] == kinds["b"] == "f"  # b has missing values
    assert kinds["d"] == "M"
    assert str(frame["c"].dtype) == str(frame["t"].dtype) == "str"


def test_text_is_made_of_the_words_given() -> None:
    """Texts have 3 to 12 words, all of them from the feature's list."""
    texts = draw(300, kind="text", categories=["spam", "ham"])
    assert {word for text in texts for word in text.split()} == {"spam", "ham"}
    assert texts.str.split().map(len).between(3, 12).all()


def test_the_target_is_drawn_only_when_asked() -> None:
    """The target is no input; include_target puts it last."""
    target = Feature(name="y", kind=Kind.CATEGORICAL, categories=["n", "p"], is_target=True)
    schema = Schema(features=[target, Feature(name="a")])
    assert list(generate(schema, 5, 0)) == ["a"]
    assert list(generate(schema, 5, 0, include_target=True)) == ["a", "y"]


@pytest.mark.parametrize(
    "fields",
    [
        {"distribution": "normal", "parameters": {"mean": 0, "std": 1}, "minimum": 100},
        {"distribution": "constant", "parameters": {"value": 5}, "maximum": 4},
        {"distribution": "uniform", "parameters": {"low": 5, "high": 6}, "maximum": 4},
    ],
)
def test_a_distribution_outside_the_range_is_an_error(fields: dict[str, Any]) -> None:
    """A distribution without values in the range is refused, naming the feature."""
    with pytest.raises(SchemaError, match="'x', field 'distribution'"):
        draw(10, **fields)


@given(
    kind=st.sampled_from([Kind.FLOAT, Kind.INTEGER]),
    low=st.floats(-1e12, 1e12),
    width=st.floats(1, 1e12),
    n_rows=st.integers(0, 50),
)
@settings(max_examples=80)
def test_values_stay_in_the_range(kind: Kind, low: float, width: float, n_rows: int) -> None:
    """Whatever the range, every value is inside and the table has the rows asked for."""
    column = draw(n_rows, kind=kind, minimum=low, maximum=low + width)
    assert len(column) == n_rows
    assert column.between(low, low + width).all()


def test_speed() -> None:
    """100,000 rows of 20 mixed, correlated columns take little processor time."""
    import time

    numbers = [Feature(name=f"n{i}", quantiles=[0, 1, 3, 9], missing_rate=0.1) for i in range(14)]
    labels = [
        Feature(name=f"c{i}", kind=Kind.CATEGORICAL, categories=list("abcdef")) for i in range(6)
    ]
    matrix = np.full((14, 14), 0.5) + 0.5 * np.eye(14)
    names = [feature.name for feature in numbers]
    schema = Schema(features=numbers + labels, correlation=matrix.tolist(), correlation_names=names)
    start = time.process_time()
    assert generate(schema, 100_000, 0).shape == (100_000, 20)
    assert time.process_time() - start < 3  # 0.2 is usual
