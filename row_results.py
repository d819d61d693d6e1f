"""What a model answered row by row, kept beside the report so that two runs can be compared fairly.

Owns: ``RowResults``, its compact file, and ``compare_rows``. Rows are known by the SHA-256 of the
sample and their position in it; arrays only, read back without unpickling.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from errors import DataError
from intervals import Mean
from paired_tests import (
    Difference,
    delong,
    mcnemar,
    paired_bootstrap,
    two_proportions,
    welch,
)

FEW = 5
"""Fewer common rows than this are not compared."""


@dataclass(frozen=True, slots=True)
class RowResults:
    """Answers to the rows of one sample.

    Parameters
    ----------
    sample : str
        SHA-256 of the sample, and its target column after a colon.
    rows : ndarray of int, shape (n,)
        Positions in the sample.
    correct : ndarray of bool, shape (n,), optional
        Classes: whether the answer was right.
    score : ndarray of float, shape (n,), optional
        Two classes: the score of the positive one.
    positive : ndarray of bool, shape (n,), optional
        Two classes: whether the truth is the positive one.
    error : ndarray of float, shape (n,), optional
        Numbers: answer minus truth.
    """

    sample: str
    rows: NDArray[np.int64]
    correct: NDArray[np.bool_] | None = None
    score: NDArray[np.float64] | None = None
    positive: NDArray[np.bool_] | None = None
    error: NDArray[np.float64] | None = None

    def take(self, positions: NDArray[np.int64]) -> RowResults:
        """Return the results at some positions of ``rows``."""
        arrays = {name: getattr(self, name) for name in _ARRAYS[1:]}
        picked = {name: None if a is None else a[positions] for name, a in arrays.items()}
        rows = self.rows[positions]
        return RowResults(self.sample, rows, **picked)


_ARRAYS = ("rows", "correct", "score", "positive", "error")


def pack(results: RowResults) -> bytes:
    """Return the results as a compressed file of arrays."""
    arrays = {name: getattr(results, name) for name in _ARRAYS}
    known = {name: array for name, array in arrays.items() if array is not None}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, sample=np.array(results.sample), **known)
    return file.getvalue()


def unpack(data: bytes) -> RowResults:
    """Read what ``pack`` wrote.

    Raises
    ------
    DataError
        It is something else.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name in _ARRAYS}
            return RowResults(str(file["sample"]), **arrays)
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError, OSError) as error:
        message = f"The stored answers per row cannot be read: {error}"
        raise DataError(message) from None


def compare_rows(first: RowResults, second: RowResults) -> list[Difference]:
    """Compare two models by their answers: paired where both answered the same rows.

    Parameters
    ----------
    first, second : RowResults
        Of the baseline and of the other run.

    Returns
    -------
    list of Difference
        Accuracy and, for two classes, ROC AUC; or mean absolute and squared errors. Empty where
        the answers are of different kinds or the rows too few.
    """
    if first.sample == second.sample:
        _, at_first, at_second = np.intersect1d(first.rows, second.rows, return_indices=True)
        if at_first.size >= FEW:
            return _paired(first.take(at_first), second.take(at_second))
    return _unpaired(first, second) if min(first.rows.size, second.rows.size) >= FEW else []


def _paired(first: RowResults, second: RowResults) -> list[Difference]:
    found = []
    if first.correct is not None and second.correct is not None:
        found.append(mcnemar(first.correct, second.correct))
    if first.score is not None and second.score is not None and _same_truth(first, second):
        truth = np.asarray(first.positive)
        if min(truth.sum(), (~truth).sum()) >= 2:
            found.append(delong(truth, first.score, second.score))
    if first.error is not None and second.error is not None:
        old, new = np.abs(first.error), np.abs(second.error)
        found.append(paired_bootstrap("mean_absolute_error", old, new))
        found.append(paired_bootstrap("mean_squared_error", old**2, new**2))
    return found


def _same_truth(first: RowResults, second: RowResults) -> bool:
    """Whether both runs counted the same class as positive."""
    if first.positive is None or second.positive is None:
        return False
    return bool((first.positive == second.positive).all())


def _unpaired(first: RowResults, second: RowResults) -> list[Difference]:
    if first.correct is not None and second.correct is not None:
        pairs = [(int(r.sum()), int(r.size)) for r in (first.correct, second.correct)]
        return [two_proportions(pairs[0], pairs[1])]
    if first.error is not None and second.error is not None:
        means = [Mean.of(np.abs(error)) for error in (first.error, second.error)]
        return [welch("mean_absolute_error", means[0], means[1])]
    return []
