"""Two samples in one order: nothing is rounded, lost or swapped, whatever floats they hold."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import drift_order
from drift_merge import Merged, merge
from drift_merge_many import LONGEST, merge_many
from drift_order import Floats, blocks, in_order, runs

LARGEST = 1e140
"""Beyond it columns have no values: see ``drift_profiles.LARGEST``."""

TINIEST = 5e-324


def neighbours(value: float) -> st.SearchStrategy[float]:
    """Return the float itself and the nearest above and below."""
    return st.sampled_from([value, np.nextafter(value, np.inf), np.nextafter(value, -np.inf)])


corners = st.sampled_from(
    [0.0, -0.0, TINIEST, -TINIEST, 2.0**53, 2.0**53 + 2, -1.5, 1.5, LARGEST, -LARGEST, 0.1]
)
floats = st.one_of(
    corners,
    corners.flatmap(neighbours),
    st.floats(-LARGEST, LARGEST),
    st.floats(-100, 100, width=32),
    st.integers(-3, 3).map(float),
).filter(lambda value: abs(value) <= LARGEST)
samples = st.lists(floats, min_size=1, max_size=30).map(lambda values: np.sort(np.array(values)))
spread = st.lists(
    st.one_of(st.integers(-4, 4).map(float), st.floats(-9, 9).filter(lambda x: abs(x) > 1e-3)),
    min_size=1,
    max_size=30,
).map(lambda values: np.sort(np.array(values)))


@given(samples, samples, st.sampled_from([4, 40_000]))
@example(np.array([-0.0, 0.0]), np.array([0.0]), 4)
@example(np.array([1.0]), np.array([np.nextafter(1.0, 2.0)]), 4)
def test_blocks_in_order_are_all_values_in_order(old: Floats, new: Floats, size: int) -> None:
    """Block after block gives what sorting all values gives, each with the sample it is from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift_order, "BLOCK", size)
        parts = [in_order(*block) for block in blocks(old, new)]
    values = np.concatenate([part[0] for part in parts])
    is_current = np.concatenate([part[1] for part in parts])
    np.testing.assert_array_equal(values, np.sort(np.concatenate((old, new))))
    np.testing.assert_array_equal(values[is_current == 0], old)
    np.testing.assert_array_equal(values[is_current == 1], new)


@given(samples, samples)
def test_a_block_is_of_one_sign_and_below_the_next(old: Floats, new: Floats) -> None:
    """What ``in_order`` needs of a block, and what lets sums run from block to block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift_order, "BLOCK", 6)
        parts = [np.concatenate(block) for block in blocks(old, new)]
    assert all((part < 0).all() or (part >= 0).all() for part in parts)
    assert all(a.max() < b.min() for a, b in pairwise(parts))
    together = np.concatenate(parts)
    if len(np.unique(together)) == len(together):
        assert max(map(len, parts)) <= 6


@given(samples)
def test_runs_are_the_distinct_values_with_their_counts(sample: Floats) -> None:
    """As numpy.unique tells them; nothing where repeating is rare."""
    often = np.repeat(sample, 20)
    found = runs(often)
    assert found is not None
    values, counts = np.unique(often, return_counts=True)
    np.testing.assert_array_equal(found[0], values)
    np.testing.assert_array_equal(found[1], counts)
    assert runs(np.arange(50.0)) is None


def by_definition(old: Floats, new: Floats) -> dict[str, float]:
    """Compute every sum of ``Merged`` value by value in exact fractions, as its docstring says."""
    n, m = len(old), len(new)
    total = n + m
    values = sorted({*old.tolist(), *new.tolist()})
    sums: dict[str, Any] = dict.fromkeys(ATTRIBUTES, Fraction(0))
    sums["n_distinct"] = len(values)
    walk = below = Fraction(0)
    for i, value in enumerate(values):
        a, b = int((old == value).sum()), int((new == value).sum())
        t, before, walk = a + b, walk, walk + n * b - m * a
        u = below + Fraction(t - total, 2)
        below += t
        gap = abs(walk) / (n * m)
        width = Fraction(values[i + 1]) - Fraction(value) if i + 1 < len(values) else Fraction(0)
        sums["largest_gap"] = max(sums["largest_gap"], gap)
        sums["area"] += gap * width
        sums["squared_area"] += gap**2 * width
        sums["cramer"] += t * (walk**2 + before**2) / 2
        more = n - m
        sums["cramer"] += Fraction(more, 12) * (t * t - 1) * (more * t - 3 * (walk - before))
        room = (u + Fraction(total, 2)) * (Fraction(total, 2) - u) - Fraction(total * t, 4)
        sums["tail_weighted"] += t * ((walk + before) / 2) ** 2 / room if room else 0
        sums["current_rank"] += b * u
        sums["current_square"] += (b - Fraction(m, total) * t) * u**2
        sums["pooled_square"] += t * u**2
        sums["pooled_fourth"] += t * u**4
    return {name: float(value) for name, value in sums.items()}


ATTRIBUTES = (
    "n_distinct",
    "largest_gap",
    "area",
    "squared_area",
    "cramer",
    "tail_weighted",
    "current_rank",
    "current_square",
    "pooled_square",
    "pooled_fourth",
)


def assert_by_definition(merged: Merged, old: Floats, new: Floats) -> None:
    expected = by_definition(old, new)
    scale = (len(old) + len(new)) ** 3  # sums of signed terms of this size may cancel to nothing
    for name in ATTRIBUTES:
        tolerance = 1e-13 * scale if name in {"current_rank", "current_square"} else 1e-13
        assert getattr(merged, name) == pytest.approx(expected[name], rel=1e-9, abs=tolerance), name


@given(st.lists(st.tuples(spread, spread, st.sampled_from([1, 12])), max_size=5))
@example([(np.array([2.0]), np.array([2.0]), 1), (np.array([-1.0, 1.0]), np.array([-1.0]), 12)])
@example([(np.array([-0.0, 0.0]), np.array([0.0]), 1), (np.array([-1.0]), np.array([3.0]), 1)])
def test_pairs_merged_together_are_those_merged_alone(
    given_pairs: list[tuple[Floats, Floats, int]],
) -> None:
    """Every sum to the last bit: of either sign, of both, with ties, of a single value."""
    pairs = [(np.repeat(old, times), np.repeat(new, times)) for old, new, times in given_pairs]
    for pair, merged in zip(pairs, merge_many(pairs), strict=True):
        alone = merge(*pair)
        for name in ATTRIBUTES:
            assert getattr(merged, name) == getattr(alone, name), name


@pytest.mark.parametrize("size", [LONGEST // 2, LONGEST // 2 + 1])
@pytest.mark.parametrize("digits", [0, 1, 2, 15])
def test_the_longest_pairs_are_merged_to_the_last_bit(size: int, digits: int) -> None:
    """Where the sums are largest, and one value beyond, where each pair is merged alone."""
    rng = np.random.default_rng(size + digits)
    pairs = [
        (
            np.sort(rng.normal(size=size).round(digits)),
            np.sort(rng.normal(3, 9, size).round(digits)),
        )
        for _ in range(3)
    ]
    pairs.append((pairs[0][0], pairs[0][1] + 1e6))
    for pair, merged in zip(pairs, merge_many(pairs), strict=True):
        alone = merge(*pair)
        assert [getattr(merged, x) for x in ATTRIBUTES] == [getattr(alone, x) for x in ATTRIBUTES]


@given(spread, spread, st.sampled_from([1, 12]), st.sampled_from([5, 40_000]))
def test_every_sum_is_that_of_its_definition(
    old: Floats, new: Floats, copies: int, size: int
) -> None:
    """With and without ties, counted or one by one, in one block or in many."""
    old, new = np.repeat(old, copies), np.repeat(new, copies)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift_order, "BLOCK", size)
        merged = merge(old, new)
    assert_by_definition(merged, old, new)


@given(samples, samples)
def test_odd_floats_count_as_their_own_values(old: Floats, new: Floats) -> None:
    """Neighbouring and denormal floats are apart, 0.0 and -0.0 are one value."""
    merged, expected = merge(old, new), by_definition(old, new)
    for name in ("n_distinct", "largest_gap", "area"):
        assert getattr(merged, name) == pytest.approx(expected[name], rel=1e-9), name


@pytest.mark.parametrize("decimals", [1, 4, 12])
def test_counts_and_single_values_give_the_same_sums(
    decimals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which of both ways is taken is a matter of speed only."""
    rng = np.random.default_rng(decimals)
    old, new = (np.sort(rng.normal(size=n).round(decimals)) for n in (30_000, 20_000))
    first = merge(old, new)
    monkeypatch.setattr("drift_merge.runs", lambda _values: None)
    second = merge(old, new)
    for name in ATTRIBUTES:
        assert getattr(first, name) == pytest.approx(getattr(second, name), rel=1e-9), name


def test_single_precision_is_compared_exactly() -> None:
    """A column of 32-bit floats keeps its ties and its order."""
    old = np.sort(np.random.default_rng(0).normal(size=5000).astype(np.float32)).astype(np.float64)
    new = old[::2].copy()
    assert merge(old, new).n_distinct == len(np.unique(old))
