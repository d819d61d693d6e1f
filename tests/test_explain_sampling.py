"""Enumeration is exact; sampling lies within its standard error and keeps to the time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explain_columns import HybridPool
from explain_outputs import OutputView
from explain_request import Request
from explain_sampling import (
    BlackBox,
    TooSlowError,
    coalition_weights,
    enumerate_coalitions,
    sample_pairs,
)
from tests.shapley_reference import FunctionModel, shapley_by_definition


def product(frame: pd.DataFrame) -> Any:
    """Return a function with interactions of up to four columns."""
    cells = frame.to_numpy(dtype=float)
    return cells[:, 0] * cells[:, 1] + np.sin(cells.sum(axis=1)) + (cells[:, 2] > 0)


def pairwise(frame: pd.DataFrame) -> Any:
    """Return a function without interactions beyond pairs."""
    cells = frame.to_numpy(dtype=float)
    return cells[:, 0] * cells[:, 1] - 2 * cells[:, 2] * cells[:, 3] + cells[:, 1] ** 3


def setting(
    function: Callable[[pd.DataFrame], Any],
    *,
    n_rows: int = 20,
    n_background: int = 30,
    columns: int = 5,
    seconds: float = 5.0,
    target: float = 0.05,
    seconds_per_row: float = 0.0,
) -> tuple[BlackBox, Request]:
    """Return a function on random rows as a black box."""
    rng = np.random.default_rng(1)
    cells = rng.normal(size=(n_rows + n_background, columns))
    frame = pd.DataFrame(cells, columns=[f"c{at}" for at in range(columns)])
    model = FunctionModel(function, seconds_per_row)
    view = OutputView("pred", ("y",))
    outputs = np.asarray(function(frame), dtype=float)[:, None]
    box = BlackBox(model, view, HybridPool(frame), n_rows, np.arange(columns), outputs)
    rows, background = frame.iloc[:n_rows], frame.iloc[n_rows:]
    return box, Request(model, rows, background, seconds, target=target)


@given(n_players=st.integers(1, 7))
@settings(deadline=None)
def test_weights_share_the_whole_among_the_players(n_players: int) -> None:
    """The values of any game sum to the worth of all minus the worth of none."""
    masks, weights = coalition_weights(n_players)
    worth = np.random.default_rng(n_players).normal(size=len(masks))
    assert (worth @ weights).sum() == pytest.approx(worth[-1] - worth[0])


def test_enumeration_is_the_definition() -> None:
    """All coalitions with all background rows give the exact values."""
    box, request = setting(product, n_rows=3, n_background=6)
    expected = shapley_by_definition(product, request.rows, request.background)
    found = enumerate_coalitions(box, request)
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    assert found.error is None
    assert box.evaluations == 3 * 6 * 2**5


def test_enumeration_stops_when_the_time_is_over() -> None:
    """A slow model has fewer rows explained, at least one batch of them."""
    box, request = setting(product, n_rows=200, n_background=50, seconds=0.05, seconds_per_row=1e-5)
    found = enumerate_coalitions(box, request)
    assert 0 < len(found.values) < 200


def test_sampled_values_lie_within_their_error() -> None:
    """Errors in units of the standard error behave like a normal variable, or smaller."""
    box, request = setting(product)
    truth = shapley_by_definition(product, request.rows, request.background)
    found = sample_pairs(box, request, rows_per_second=1e6)
    assert found.error is not None
    ratio = np.abs(found.values - truth) / np.maximum(found.error, 1e-12)
    assert np.mean(ratio < 2) > 0.92
    assert ratio.max() < 5


def test_sampled_values_sum_to_the_output() -> None:
    """Base and values add up exactly, though each is an estimate (efficiency)."""
    box, request = setting(product)
    found = sample_pairs(box, request, rows_per_second=1e6)
    total = box.background.mean(axis=0) + found.values.sum(axis=1)
    np.testing.assert_allclose(total, box.outputs[:20], atol=1e-12)


def test_one_background_row_and_pairs_only_is_exact() -> None:
    """Walking an order both ways leaves no error where columns interact in pairs at most."""
    box, request = setting(pairwise, n_background=1)
    truth = shapley_by_definition(pairwise, request.rows, request.background)
    found = sample_pairs(box, request, rows_per_second=1e6)
    np.testing.assert_allclose(found.values, truth, atol=1e-9)


def test_more_time_gives_less_error() -> None:
    """A smaller target takes more samples and leaves a smaller error."""
    rough = sample_pairs(*setting(product, target=0.3), rows_per_second=1e6)
    fine = sample_pairs(*setting(product, target=0.05), rows_per_second=1e6)
    assert fine.pairs > rough.pairs
    assert fine.relative_error < 0.06 < rough.relative_error


def uneven(frame: pd.DataFrame) -> Any:
    """Return a function that is a sum in half of the table and a product in the other."""
    cells = frame.to_numpy(dtype=float)
    return np.where(np.abs(cells[:, 0]) > 0.7, 9 * cells[:, 1:].prod(axis=1), cells.sum(axis=1))


def test_samples_go_where_values_are_least_certain() -> None:
    """Rows get unequal numbers of samples, more where a single one varies more."""
    found = sample_pairs(*setting(uneven, target=0.1), rows_per_second=1e6)
    least, most = found.pair_range
    assert most > 1.5 * least
    assert least <= found.pairs <= most


def test_a_column_without_influence_gets_zero_with_zero_error() -> None:
    """Dummy: the fifth column is never used."""
    found = sample_pairs(*setting(pairwise), rows_per_second=1e6)
    assert found.error is not None
    assert np.abs(found.values[:, 4]).max() < 1e-12
    assert found.error[:, 4].max() < 1e-12


def test_sampling_keeps_to_the_time() -> None:
    """A slow model is asked no more often than the time allows."""
    box, request = setting(product, seconds=0.4, target=1e-6, seconds_per_row=2e-5)
    found = sample_pairs(box, request, rows_per_second=4e4)
    assert isinstance(box.model, FunctionModel)
    assert box.model.rows * 2e-5 < 0.8  # seconds in the model, fewer the slower the machine
    assert found.pairs >= 8


def test_few_rows_are_explained_when_the_model_is_slow() -> None:
    """Rows are given up before samples per row."""
    box, request = setting(product, seconds=1.0)
    found = sample_pairs(box, request, rows_per_second=900)
    assert 10 <= len(found.values) < 20


def test_a_model_too_slow_is_refused_in_plain_words() -> None:
    """The message says how many predictions are needed and how many fit."""
    box, request = setting(product, seconds=1.0)
    with pytest.raises(TooSlowError, match=r"10 rows need at least 320 predictions, about \d+ fit"):
        sample_pairs(box, request, rows_per_second=50)
