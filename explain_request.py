"""One request to explain: the model, the tables, the clock and whom to tell.

Owns: ``Request``, which every route of ``explainability`` takes, ``draw_rows`` and
``spread_rows``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model_types import Model

AskedSpace = Literal["auto", "probability"]


@dataclass(frozen=True, slots=True)
class Request:
    """What to explain and how long it may take.

    Parameters
    ----------
    model : Model
    rows, background : DataFrame
        The same columns in the same order; neither is empty.
    seconds : float
        Time allowed from ``start`` (``time.perf_counter``) on.
    seed : int
    target : float
        Relative error at which sampling stops.
    positive_class : str or None
        Binary models: the class to explain.
    progress : callable or None
        Told a fraction (0 … 1) and a message; whatever it raises ends the explanation.
    space : str
        ``auto`` (log-odds where that is exact) or ``probability``, for models that have them.
    """

    model: Model
    rows: pd.DataFrame
    background: pd.DataFrame
    seconds: float
    seed: int = 0
    target: float = 0.05
    positive_class: str | None = None
    progress: Callable[[float, str], None] | None = None
    space: AskedSpace = "auto"
    start: float = field(default_factory=time.perf_counter)

    @property
    def used(self) -> float:
        """Seconds used so far."""
        return time.perf_counter() - self.start

    @property
    def left(self) -> float:
        """Seconds left; negative when the time is over."""
        return self.seconds - self.used

    def tell(self, fraction: float, message: str) -> None:
        """Report how far the explanation is."""
        if self.progress is not None:
            self.progress(float(np.clip(fraction, 0.0, 1.0)), message)


def draw_rows(frame: pd.DataFrame, size: int, seed: int) -> pd.DataFrame:
    """Return at most ``size`` rows drawn without replacement, in their own order.

    Examples
    --------
    >>> draw_rows(pd.DataFrame({"a": range(100)}), 3, seed=0)["a"].is_monotonic_increasing
    True
    """
    if len(frame) <= size:
        return frame
    chosen = np.random.default_rng(seed).choice(len(frame), size, replace=False)
    return frame.iloc[np.sort(chosen)]


def spread_rows(outputs: NDArray[np.float64], size: int, seed: int) -> NDArray[np.int64]:
    """Return the positions of at most ``size`` rows that cover the outputs evenly.

    The rows, ordered by their largest output and its size, are cut into ``size`` parts of the
    same length, and one row is drawn from each (stratified sampling): the mean output of the draw
    lies closer to that of all rows than after a plain draw.

    Parameters
    ----------
    outputs : ndarray, shape (n, K)
    size, seed : int

    Returns
    -------
    ndarray of int, shape (min(n, size),)
        Ascending.

    Examples
    --------
    >>> spread_rows(np.array([[5.0], [1.0], [4.0], [2.0]]), 4, seed=0).tolist()
    [0, 1, 2, 3]
    """
    n_rows = len(outputs)
    if n_rows <= size:
        return np.arange(n_rows)
    order = np.lexsort((outputs.max(axis=1), outputs.argmax(axis=1)))
    edges = np.linspace(0, n_rows, size + 1)
    places = edges[:-1] + np.random.default_rng(seed).random(size) * np.diff(edges)
    return np.sort(order[places.astype(np.int64)])


def halved_to_fit(size: int, fits: float, least: int) -> int:
    """Return the largest of ``size``, ``size / 2``, ``size / 4`` … that fits.

    Steps this coarse let two runs of one request choose the same amount, although the speed that
    is measured differs a little. Never less than ``least``, unless ``size`` is.

    Examples
    --------
    >>> halved_to_fit(200, 150.0, 10), halved_to_fit(200, 120.0, 10), halved_to_fit(200, 1.0, 10)
    (100, 100, 12)
    """
    while size > fits and size // 2 >= least:
        size //= 2
    return size
