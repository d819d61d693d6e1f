"""Histograms count every value once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histograms import MAX_LABELS, label_histogram, number_histogram, value_histogram


@given(values=st.lists(st.floats(), max_size=50))
def test_every_finite_number_is_counted_once(values: list[float]) -> None:
    """Counts and missing values add up, edges rise and hold the range, whatever the numbers."""
    found = number_histogram(values)
    finite = [value for value in values if np.isfinite(value)]
    assert sum(found.counts) == len(finite)
    assert found.n_missing == len(values) - len(finite)
    assert found.edges == sorted(found.edges)
    if finite:
        assert len(found.edges) == len(found.counts) + 1 <= 41
        assert found.edges[0] <= min(finite) <= max(finite) <= found.edges[-1]


def test_bins_are_freedman_diaconis() -> None:
    """The number of bins equals numpy's rule for a well-behaved sample."""
    values = np.random.default_rng(0).normal(size=1000)
    assert number_histogram(values, max_bins=100).edges == pytest.approx(
        np.histogram_bin_edges(values, bins="fd").tolist()
    )


def test_rare_labels_are_counted_together() -> None:
    """Beyond the limit the rarest labels share one entry; nothing is lost."""
    codes = np.repeat(np.arange(60), np.arange(60, 0, -1))
    found = label_histogram(codes, [f"label {i}" for i in range(60)])
    assert len(found.labels) == MAX_LABELS + 1
    assert found.labels[-1] == "(other)"
    assert found.counts[-1] == sum(range(1, 11))
    assert sum(found.counts) == codes.size


@given(values=st.lists(st.sampled_from(["a", "b", "c"]), max_size=30))
def test_values_are_counted_by_their_text(values: list[str]) -> None:
    """Labels are sorted and their counts are those of the list."""
    found = value_histogram(np.array(values, dtype=object))
    assert found.labels == sorted(set(values))
    assert found.counts == [values.count(label) for label in found.labels]


def test_a_range_beyond_floats_is_one_bin() -> None:
    """Numbers so far apart that their distance is infinite are counted together."""
    found = number_histogram([1.7e308, -1.7e308, 1.7e308, -1.7e308])
    assert found.counts == [4]
