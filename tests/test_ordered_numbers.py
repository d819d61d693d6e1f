"""Figures of sorted numbers equal numpy's, to the last bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ordered_numbers import count_distinct, median, quantiles

NUMBERS = st.lists(st.floats(-1e300, 1e300) | st.sampled_from([-0.0, 0.0, 0.1, 1.0]), min_size=1)
SHARES = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1)


@given(NUMBERS, SHARES)
def test_quantiles_are_numpys(numbers: list[float], shares: list[float]) -> None:
    """Any quantile of any finite numbers is the one that ``numpy.quantile`` returns."""
    found = quantiles(np.sort(numbers), np.array(shares))
    assert found.tolist() == np.quantile(numbers, shares).tolist()


@given(NUMBERS)
def test_median_and_distinct_values_are_numpys(numbers: list[float]) -> None:
    """The median and the number of different values are numpy's, whatever the sign of a zero."""
    ordered = np.sort(numbers)
    assert median(ordered) == np.median(numbers)
    assert count_distinct(ordered) == np.unique(numbers).size
