"""What drift needs to know of a column, gathered in one pass and used for every comparison.

Owns: ``NumberProfile`` and ``CategoryProfile``, how they are made from a column, and the bins and
histograms that are always taken from the reference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from base_types import Histogram
from drift_merge import steps
from drift_order import BLOCK, Floats
from drift_words import Words, count_words
from schema_utils import Kind

MAX_BINS = 20
"""Most bins or categories in a histogram; further categories are drawn as ``OTHER``."""

OTHER = "(other)"

LARGEST = 1e140
"""Numbers beyond this, whose squares cannot be summed any more, count as infinite."""

_ONES = np.ones(BLOCK)

PSI_BINS = 10
"""Deciles of the reference, the usual choice for PSI (Siddiqi 2006)."""


@dataclass(frozen=True)
class NumberProfile:
    """A column of numbers.

    Parameters
    ----------
    n_rows : int
        All rows.
    n_missing : int
        Rows without a value.
    n_invalid : int
        Infinite values, those beyond ``LARGEST`` and, in a column that should hold numbers, values
        that are none.
    values : ndarray of float
        The finite values, ascending.
    words : Words or None
        Of a column of texts, which is otherwise known by its lengths.
    """

    n_rows: int
    n_missing: int
    n_invalid: int
    values: Floats
    words: Words | None = None

    @property
    def n_values(self) -> int:
        """Finite values."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean of the finite values, 0 without any."""
        return self._moments[0]

    @property
    def std(self) -> float:
        """Standard deviation of the finite values, 0 without any."""
        return self._moments[1]

    @cached_property
    def _moments(self) -> tuple[float, float]:
        """Mean and standard deviation, by blocks that stay in the processor's cache.

        Summed around the median, which is never farther from the mean than the standard deviation:
        so the difference of squares loses no digits.
        """
        n = len(self.values)
        if not n:
            return 0.0, 0.0
        middle = float(self.values[n // 2])
        total = squares = 0.0
        for start in range(0, n, BLOCK):
            gaps = self.values[start : start + BLOCK] - middle
            total += float(gaps.dot(_ONES[: len(gaps)]))  # twice as fast as sum
            squares += float(gaps.dot(gaps))
        off = total / n
        return middle + off, float(np.sqrt(max(0.0, squares / n - off * off)))

    @cached_property
    def scale(self) -> float:
        """Robust standard deviation: min(std, IQR / 1.349) (Silverman 1986), std if IQR is 0."""
        if not len(self.values):
            return 0.0
        low, high = self.values[[len(self.values) // 4, 3 * len(self.values) // 4]]
        robust = float(high - low) / 1.349
        return min(self.std, robust) if robust > 0 else self.std

    @cached_property
    def inner_edges(self) -> Floats:
        """Distinct inner deciles of the values, ascending; the outer bins are open."""
        n = len(self.values)
        deciles = self.values[[n * k // PSI_BINS for k in range(1, PSI_BINS)]]
        return np.concatenate((deciles[:1], deciles[1:][deciles[1:] > deciles[:-1]]))

    @cached_property
    def decile_counts(self) -> Floats:
        """Values in the bins between ``inner_edges``."""
        return self.counts(self.inner_edges)

    @cached_property
    def deciles_text(self) -> str:
        """Where the bins between ``inner_edges`` end, in words."""
        edges = ", ".join(f"{edge:.6g}" for edge in self.inner_edges.tolist())
        return f"bins: deciles of the reference at {edges}"

    def counts(self, inner_edges: Floats) -> Floats:
        """Count values in ``(-inf, e1], (e1, e2], … (ek, inf)``."""
        below = np.empty(len(inner_edges) + 1)
        below[:-1] = np.searchsorted(self.values, inner_edges, side="right")
        below[-1] = len(self.values)
        return steps(below)


@dataclass(frozen=True)
class CategoryProfile:
    """A column of categories: the number of rows of each label, missing ones apart."""

    n_rows: int
    n_missing: int
    counts: dict[str, int]

    @property
    def n_values(self) -> int:
        """Rows with a value."""
        return self.n_rows - self.n_missing


Profile = NumberProfile | CategoryProfile


def columns_of(frame: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """Take a table apart, by the columns' names as text.

    Numbered first: pandas looks up the name of each column it takes out, which costs more than the
    column.

    Examples
    --------
    >>> columns_of(pd.DataFrame({"x": [1, 2]}))["x"].tolist()
    [1, 2]
    """
    numbered = frame.set_axis(range(frame.shape[1]), axis=1)
    columns = (column for _, column in numbered.items())
    return dict(zip(map(str, frame.columns.tolist()), columns, strict=True))


def kind_of(column: pd.Series[Any]) -> Kind:
    """Return the kind a column is compared as where no schema says it.

    Examples
    --------
    >>> str(kind_of(pd.Series([1.5, 2.5]))), str(kind_of(pd.Series(["red", "blue"])))
    ('float', 'categorical')
    """
    if _is_plain_number(column):
        return Kind.FLOAT
    if pd.api.types.is_bool_dtype(column.dtype):
        return Kind.BOOLEAN
    if pd.api.types.is_numeric_dtype(column.dtype):
        return Kind.FLOAT
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return Kind.DATETIME
    return Kind.CATEGORICAL


def _is_plain_number(column: pd.Series[Any]) -> bool:
    """Tell a numpy column of numbers, the common case, without pandas' slower questions."""
    return isinstance(column.dtype, np.dtype) and column.dtype.kind in "fiu"


def profile_column(column: pd.Series[Any], kind: Kind) -> Profile:
    """Gather what a comparison needs of one column.

    Parameters
    ----------
    column : Series
        Any dtype; it is not changed.
    kind : Kind
        What the column should hold. Text is compared by its length in characters and its words,
        datetimes as seconds since 1970.

    Returns
    -------
    NumberProfile or CategoryProfile
        By kind; values that do not fit the kind are counted as invalid.
    """
    if kind in (Kind.CATEGORICAL, Kind.BOOLEAN):
        return profile_categories(column, boolean=kind is Kind.BOOLEAN)
    if kind is Kind.TEXT:
        return _profile_texts(column)
    if kind is Kind.DATETIME:
        return _profile_times(column)
    if _is_plain_number(column):
        return profile_numbers(np.asarray(column.array, dtype=np.float64))
    if pd.api.types.is_numeric_dtype(column.dtype):
        return profile_numbers(column.to_numpy(dtype=np.float64, na_value=np.nan))
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return _without_unreadable(column, numbers)


def _profile_texts(column: pd.Series[Any]) -> NumberProfile:
    texts = texts_of(column)
    return replace(profile_lengths(texts, len(column)), words=count_words(texts))


def texts_of(column: pd.Series[Any]) -> list[str]:
    """Return the values as texts, without missing ones.

    Examples
    --------
    >>> texts_of(pd.Series(["one", None, "two"]))
    ['one', 'two']
    """
    return [str(text) for text in column.dropna().tolist()]


def profile_lengths(texts: Sequence[str], n_rows: int) -> NumberProfile:
    """Return the profile of the lengths of texts, the others of ``n_rows`` missing.

    Examples
    --------
    >>> profile_lengths(["one", "three"], 3).values.tolist()
    [3.0, 5.0]
    """
    lengths = np.array([len(text) for text in texts], dtype=np.float64)
    return profile_numbers(lengths, n_missing=n_rows - len(texts))


def _profile_times(column: pd.Series[Any]) -> NumberProfile:
    times = column
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        # pandas would read a number as nanoseconds, and fail on what is neither
        dated = [isinstance(cell, str | date | np.datetime64) for cell in column.tolist()]
        times = column.astype(object).where(np.array(dated, dtype=bool), None)
    read = pd.to_datetime(times, errors="coerce", utc=True, format="mixed")
    # in microseconds, which reach every year that a date may have
    since = read.astype("datetime64[us, UTC]") - pd.Timestamp(0, tz="UTC").as_unit("us")
    return _without_unreadable(column, since.dt.total_seconds().to_numpy(dtype=np.float64))


def _without_unreadable(column: pd.Series[Any], numbers: NDArray[Any]) -> NumberProfile:
    """Tell missing values from those that could not be read as numbers."""
    missing = column.isna().to_numpy()
    unreadable = int((np.isnan(numbers) & ~missing).sum())
    kept = np.asarray(numbers[~np.isnan(numbers)], dtype=np.float64)
    return profile_numbers(kept, n_missing=int(missing.sum()), n_invalid=unreadable)


def profile_numbers(values: Floats, *, n_missing: int = 0, n_invalid: int = 0) -> NumberProfile:
    """Sort once; infinities, NaN and what is near them end up at the ends and are cut off.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        NaN counts as missing, infinity and what is beyond ``LARGEST`` as invalid.
    n_missing, n_invalid : int
        Rows that were taken out before.

    Examples
    --------
    >>> profile = profile_numbers(np.array([3.0, 1.0, np.nan, np.inf]))
    >>> profile.values.tolist(), profile.n_missing, profile.n_invalid
    ([1.0, 3.0], 1, 1)
    """
    ordered = np.sort(values)
    if len(ordered) and ordered[0] >= -LARGEST and ordered[-1] <= LARGEST:  # False for NaN
        return NumberProfile(len(values) + n_missing + n_invalid, n_missing, n_invalid, ordered)
    low = int(np.searchsorted(ordered, -LARGEST, side="left"))
    high = int(np.searchsorted(ordered, LARGEST, side="right"))
    not_nan = int(np.searchsorted(ordered, np.inf, side="right"))
    return NumberProfile(
        n_rows=len(values) + n_missing + n_invalid,
        n_missing=n_missing + len(values) - not_nan,
        n_invalid=n_invalid + low + not_nan - high,
        values=ordered[low:high],
    )


def profile_categories(column: pd.Series[Any], *, boolean: bool = False) -> CategoryProfile:
    """Count the labels of a column; 1, 1.0 and (in a boolean column) True are one label.

    Examples
    --------
    >>> profile_categories(pd.Series([1, 1.0, 2])).counts
    {'1': 2, '2': 1}
    """
    counts: dict[str, int] = {}
    for label, count in _label_counts(column):
        if count:
            text = category_label(label, boolean=boolean)
            counts[text] = counts.get(text, 0) + int(count)
    return CategoryProfile(len(column), len(column) - sum(counts.values()), counts)


def profile_labels(labels: NDArray[Any]) -> CategoryProfile:
    """Count labels as ``profile_categories`` does, in the order in which they come.

    Parameters
    ----------
    labels : ndarray, shape (n,)

    Examples
    --------
    >>> profile_labels(np.array([1, 0, 1])).counts
    {'1': 2, '0': 1}
    """
    if labels.dtype.kind not in "iubU":  # what may hold missing values, or labels of any type
        return profile_categories(pd.Series(labels))
    counts = {category_label(each): n for each, n in Counter(labels.tolist()).items()}
    return CategoryProfile(len(labels), 0, counts)


def _label_counts(column: pd.Series[Any]) -> Iterable[tuple[object, int]]:
    """Return values and how often each occurs; a categorical column's are counted by its codes."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column.value_counts(sort=False).items()
    codes, labels = column.array.codes, column.dtype.categories
    # a missing value is -1, which becomes 0: counted first and left out
    counted = np.bincount(codes.astype(np.intp) + 1, minlength=len(labels) + 1)[1:]
    return zip(labels.tolist(), counted.tolist(), strict=True)


def category_label(label: object, *, boolean: bool = False) -> str:
    """Return the text under which a category is counted.

    Examples
    --------
    >>> category_label(1.0), category_label(1.0, boolean=True), category_label("a")
    ('1', 'True', 'a')
    """
    if boolean and label in (0, 1):
        return str(bool(label))
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)


def align_counts(
    reference: CategoryProfile, current: CategoryProfile
) -> tuple[list[str], Floats, Floats]:
    """Return the labels of both (reference's first) and both counts in that order."""
    labels = list(dict.fromkeys([*reference.counts, *current.counts]))
    aligned = [
        np.array([profile.counts.get(label, 0) for label in labels], dtype=np.float64)
        for profile in (reference, current)
    ]
    return labels, aligned[0], aligned[1]


def number_histograms(
    reference: NumberProfile, current: NumberProfile
) -> tuple[Histogram, Histogram]:
    """Bin both columns by the same edges, at most ``MAX_BINS`` bins.

    The inner bins are equally wide over the 0.5 % to 99.5 % quantiles of both columns; the two
    outer ones reach to the farthest value of either, so that every value is counted.
    """
    edges = _display_edges(reference.values, current.values)
    drawn = []
    for profile in (reference, current):
        counts = profile.counts(edges[1:-1]) if len(edges) else np.empty(0)
        drawn.append(
            Histogram(
                edges=edges.tolist(),
                counts=counts.astype(int).tolist(),
                n_missing=profile.n_missing,
            )
        )
    return drawn[0], drawn[1]


def _display_edges(reference: Floats, current: Floats) -> Floats:
    both = [values for values in (reference, current) if len(values)]
    if not both:
        return np.empty(0)
    low = min(float(values[0]) for values in both)
    high = max(float(values[-1]) for values in both)
    if low == high:
        return np.array([low - 0.5, high + 0.5])
    cut = min(float(values[len(values) // 200]) for values in both)
    top = max(float(values[len(values) - 1 - len(values) // 200]) for values in both)
    inner = np.linspace(cut, top, MAX_BINS - 1)
    fresh = np.concatenate(([True], inner[1:] > inner[:-1]))  # they fall together if cut == top
    return np.concatenate(([low], inner[fresh & (inner > low) & (inner < high)], [high]))


def category_histograms(
    labels: Sequence[str], reference: tuple[Floats, int], current: tuple[Floats, int]
) -> tuple[Histogram, Histogram]:
    """Count both columns over the most frequent labels of the reference, the rest as ``OTHER``.

    Parameters
    ----------
    labels : sequence of str, length k
        All labels.
    reference, current : tuple of (ndarray of float, shape (k,), int)
        Counts per label and the number of missing values.
    """
    order = np.lexsort((-current[0], -reference[0]))
    kept, rest = order[:MAX_BINS], order[MAX_BINS:]
    names = [labels[i] for i in kept] + ([OTHER] if len(rest) else [])
    drawn = []
    for counts, n_missing in (reference, current):
        shown: NDArray[np.float64] = counts[kept]
        if len(rest):
            shown = np.append(shown, counts[rest].sum())
        drawn.append(
            Histogram(labels=names, counts=shown.astype(int).tolist(), n_missing=n_missing)
        )
    return drawn[0], drawn[1]
