"""Shapley values of any model from its predictions on mixed rows.

Owns: ``BlackBox`` (the model as a function of mixed rows), ``enumerate_coalitions`` (exact: every
coalition with every background row) and ``sample_pairs`` (estimates with a standard error).

A sampled pair takes a random order of the columns and one background row and walks the order
forwards and backwards, so that it is exact for models without interactions beyond pairs; each
pair having a background row of its own gives less error at equal cost than one order over all
background rows (antithetic permutation sampling, Mitchell et al., 2022). Background rows are
drawn evenly over the sorted outputs of the background. After the first round pairs go to the rows
whose values vary most: samples in proportion to σ^(2/3) make the mean standard error least.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from math import factorial

import numpy as np
from numpy.typing import NDArray

from errors import ModelError
from explain_columns import HybridPool
from explain_outputs import OutputView
from explain_request import Request, halved_to_fit
from model_types import Model

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Masks = NDArray[np.bool_]

BATCH_ROWS = 20_000
FIRST_PAIRS = 8
MAX_PAIRS = 1024
FEWEST_ROWS = 10
FEWEST_PAIRS = 4
COMMON_SHARE = 0.25  # of the variance taken to be the same for every row
GOLDEN = (5**0.5 - 1) / 2


class TooSlowError(ModelError):
    """The model is too slow for the smallest honest explanation."""


@dataclass(slots=True)
class BlackBox:
    """A model as a function of mixed rows; counts what it was asked.

    Parameters
    ----------
    model : Model
    view : OutputView
    pool : HybridPool
        The explained rows, then the background.
    n_rows : int
        How many of the pool are explained rows.
    players : ndarray of int, shape (p,)
        Columns that vary; the others cannot contribute.
    outputs : ndarray, shape (len(pool), K)
        The explained numbers of the pool itself.
    """

    model: Model
    view: OutputView
    pool: HybridPool
    n_rows: int
    players: Integers
    outputs: Floats
    evaluations: int = field(default=0)

    @property
    def background(self) -> Floats:
        """Outputs of the background, (m, K)."""
        return self.outputs[self.n_rows :]

    def mixed(self, masks: Masks, rows: Integers, others: Integers) -> Floats:
        """Return the outputs of rows that show ``rows`` where the mask holds, else ``others``.

        Parameters
        ----------
        masks : ndarray of bool, shape (n, p)
            Over the players.
        rows, others : ndarray of int, shape (n,)
            Row numbers in the pool.
        """
        answers = np.empty((len(rows), self.outputs.shape[1]))
        for start in range(0, len(rows), BATCH_ROWS):
            part = slice(start, start + BATCH_ROWS)
            shown = np.zeros((len(rows[part]), self.pool.frame.shape[1]), dtype=bool)
            shown[:, self.players] = masks[part]
            frame = self.pool.mix(shown, rows[part], others[part])
            answers[part] = self.view.read(self.model.predict(frame))
        self.evaluations += len(rows)
        return answers


@dataclass(frozen=True, slots=True)
class Contributions:
    """Values of the first rows, for the players only.

    Parameters
    ----------
    values : ndarray, shape (n, p, K)
    error : ndarray or None
        Standard error of each value; None when exact.
    pairs : int
        Sampled pairs per row on average; 0 when exact.
    pair_range : (int, int)
        Fewest and most pairs of a row.
    """

    values: Floats
    error: Floats | None = None
    pairs: int = 0
    pair_range: tuple[int, int] = (0, 0)

    @property
    def relative_error(self) -> float:
        """Mean standard error over mean absolute value."""
        size = float(np.abs(self.values).mean())
        return float(self.error.mean()) / size if self.error is not None and size > 0 else 0.0


def coalition_weights(n_players: int) -> tuple[Masks, Floats]:
    """Return all coalitions (2^p, p) and the matrix (2^p, p) from their worth to the values.

    Examples
    --------
    >>> masks, weights = coalition_weights(1)
    >>> masks.tolist(), weights.tolist()
    ([[False], [True]], [[-1.0], [1.0]])
    """
    numbers = np.arange(2**n_players)
    masks = (numbers[:, None] >> np.arange(n_players) & 1).astype(bool)
    sizes = masks.sum(axis=1)
    share = np.array(
        [
            factorial(size) * factorial(n_players - size - 1) / factorial(n_players)
            for size in range(n_players)
        ]
    )
    joined = share[np.maximum(sizes - 1, 0)][:, None]
    absent = share[np.minimum(sizes, n_players - 1)][:, None]
    return masks, np.where(masks, joined, -absent)


def enumerate_coalitions(box: BlackBox, request: Request) -> Contributions:
    """Return exact values of as many rows as fit in the time, at least one."""
    masks, weights = coalition_weights(len(box.players))
    others = np.arange(box.n_rows, len(box.pool))
    per_row = len(masks) * len(others)
    step = max(1, BATCH_ROWS // per_row)
    found: list[Floats] = []
    for start in range(0, box.n_rows, step):
        rows = np.arange(start, min(start + step, box.n_rows))
        grid_rows = np.repeat(rows, per_row)
        grid_others = np.tile(np.repeat(others, len(masks)), len(rows))
        grid_masks = np.tile(masks, (len(rows) * len(others), 1))
        answers = box.mixed(grid_masks, grid_rows, grid_others)
        worth = answers.reshape(len(rows), len(others), len(masks), -1).mean(axis=1)
        found.append(np.einsum("rsk,sp->rpk", worth, weights))
        request.tell(0.2 + 0.8 * (start + len(rows)) / box.n_rows, "Trying all combinations")
        if request.left < 0:
            break
    return Contributions(np.concatenate(found))


@dataclass(slots=True)
class _Sums:
    """Running sums over pairs, (n, p, K) each.

    ``squares`` holds half the squared differences of pairs whose background rows are neighbours
    in output: what the even draw over the background leaves as variance. ``pairs`` and
    ``differences`` (n,) count what every row has had.
    """

    first: Floats
    squares: Floats
    pairs: Integers
    differences: Integers

    @property
    def variance(self) -> Floats:
        """Variance of one pair, (n, p, K)."""
        result: Floats = self.squares / self.differences[:, None, None]
        return result


def sample_pairs(box: BlackBox, request: Request, *, rows_per_second: float) -> Contributions:
    """Return estimated values of as many rows as fit, refined until good enough.

    Parameters
    ----------
    box : BlackBox
    request : Request
    rows_per_second : float
        Measured speed of the model.

    Raises
    ------
    TooSlowError
        If the model is too slow for the smallest honest answer.
    """
    rng = np.random.default_rng(request.seed)
    n_rows, pairs = _plan(box, rows_per_second * request.left)
    shape = (n_rows, len(box.players), box.outputs.shape[1])
    none = np.zeros(n_rows, dtype=np.int64)
    sums = _Sums(np.zeros(shape), np.zeros(shape), none, none)
    offsets = rng.random(n_rows)
    while pairs > 0:
        before = time.perf_counter()
        _add_pairs(box, sums, offsets, _shares(sums, pairs), rng)
        seconds_per_pair = (time.perf_counter() - before) / pairs
        result = _estimate(box, sums)
        reached = request.target / max(result.relative_error, 1e-12)
        needed = int(result.pairs * (reached**-2 - 1)) + FEWEST_PAIRS
        request.tell(
            max(reached**2, request.used / request.seconds), f"{result.pairs} samples a row"
        )
        fits = int(max(request.left, 0) * 0.9 / seconds_per_pair)
        # a round is made whole or not at all: the clock decides only which one is the last, so
        # that the same request gives the same numbers unless the machine is much slower
        pairs = min(result.pairs, needed, MAX_PAIRS - result.pairs)
        if reached >= 1 or pairs < FEWEST_PAIRS or pairs > fits:
            return result
    return result


def _shares(sums: _Sums, pairs: int) -> Integers:
    """Return how many of ``pairs`` per row on average each row gets, (n,); none or at least two.

    With σ² the summed variance of a row's values its share is that of σ^(2/3), less what it has
    had. A part of the variance is common to all rows, for it is itself an estimate.
    """
    n_rows = len(sums.pairs)
    if not sums.pairs.any():
        return np.full(n_rows, pairs)
    own = sums.variance.sum(axis=(1, 2))
    weight = np.cbrt((1 - COMMON_SHARE) * own + COMMON_SHARE * own.mean())
    if weight.sum() == 0:
        return np.full(n_rows, pairs)
    wanted = (sums.pairs.sum() + pairs * n_rows) * weight / weight.sum()
    lacking = np.maximum(wanted - sums.pairs, 0.0)
    counts = np.round(lacking * (pairs * n_rows / lacking.sum())).astype(np.int64)
    return np.where(counts < 2, 0, counts)


def _plan(box: BlackBox, affordable: float) -> tuple[int, int]:
    """Return how many rows to explain and how many pairs to begin with."""
    per_pair = max(2 * (len(box.players) - 1), 1)
    n_rows = halved_to_fit(box.n_rows, affordable / (per_pair * FIRST_PAIRS), FEWEST_ROWS)
    pairs = halved_to_fit(FIRST_PAIRS, affordable / (per_pair * n_rows), FEWEST_PAIRS)
    if affordable < pairs * per_pair * n_rows:
        needed = per_pair * n_rows * FEWEST_PAIRS
        message = (
            f"The model is too slow to be explained in the time allowed: {n_rows} rows need at "
            f"least {needed:,} predictions, about {max(int(affordable), 0):,} fit. "
            "Allow more time for explanations."
        )
        raise TooSlowError(message)
    return n_rows, pairs


def _add_pairs(
    box: BlackBox, sums: _Sums, offsets: Floats, counts: Integers, rng: np.random.Generator
) -> None:
    """Add ``counts`` pairs to the rows, in batches of whole pairs."""
    ranked = np.argsort(box.background[:, 0], kind="stable")
    rows = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    number = np.arange(len(rows)) - starts[rows] + sums.pairs[rows]
    turns = (offsets[rows] + GOLDEN * number) % 1.0
    turns = turns[np.lexsort((turns, rows))]
    others = box.n_rows + ranked[(turns * len(ranked)).astype(np.int64)]
    deltas = _walk(box, rows, others, rng)
    had = counts > 0
    sums.first[had] += np.add.reduceat(deltas, starts[had])
    squares = np.diff(deltas, axis=0, append=deltas[-1:]) ** 2
    squares[np.cumsum(counts)[had] - 1] = 0.0  # the last pair of a row has no next one
    sums.squares[had] += np.add.reduceat(squares, starts[had]) / 2
    sums.pairs = sums.pairs + counts
    sums.differences = sums.differences + np.maximum(counts - 1, 0)


def _walk(box: BlackBox, rows: Integers, others: Integers, rng: np.random.Generator) -> Floats:
    """Return the contributions (pairs, p, K) along one order per pair, both ways."""
    n_players = len(box.players)
    deltas = np.empty((len(rows), n_players, box.outputs.shape[1]))
    step = max(1, BATCH_ROWS // max(2 * (n_players - 1), 1))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        rank = rng.permuted(np.tile(np.arange(n_players), (len(rows[part]), 1)), axis=1)
        deltas[part] = _walk_batch(box, rows[part], others[part], rank)
    return deltas


def _walk_batch(box: BlackBox, rows: Integers, others: Integers, rank: Integers) -> Floats:
    """Return the contributions of one batch; ``rank`` (pairs, p) is each column's turn."""
    n_pairs, n_players = rank.shape
    steps = np.arange(1, n_players)
    forward = rank[:, None, :] < steps[:, None]
    masks = np.concatenate([forward, ~forward[:, ::-1]], axis=1)
    n_steps = masks.shape[1]
    answers = box.mixed(
        masks.reshape(-1, n_players), np.repeat(rows, n_steps), np.repeat(others, n_steps)
    ).reshape(n_pairs, n_steps, -1)
    ends = (box.outputs[others][:, None], box.outputs[rows][:, None])
    there = np.concatenate([ends[0], answers[:, : n_players - 1], ends[1]], axis=1)
    back = np.concatenate([ends[0], answers[:, n_players - 1 :], ends[1]], axis=1)
    turn = rank[:, :, None]
    first = np.take_along_axis(np.diff(there, axis=1), turn, axis=1)
    second = np.take_along_axis(np.diff(back, axis=1), n_players - 1 - turn, axis=1)
    result: Floats = (first + second) / 2
    return result


def _estimate(box: BlackBox, sums: _Sums) -> Contributions:
    """Return mean and standard error, the sums made to agree with the model.

    The variance of an evenly spread draw comes from differences of neighbours (Wolter, 2007,
    section 8.2). What the mean over the drawn background rows differs from the whole background
    is spread over the columns in proportion to their variance.
    """
    mean = sums.first / sums.pairs[:, None, None]
    variance = sums.variance / sums.pairs[:, None, None]
    goal = box.outputs[: len(mean)] - box.background.mean(axis=0)
    missing = goal - mean.sum(axis=1)
    total = variance.sum(axis=1, keepdims=True)
    even = np.full_like(variance, 1 / variance.shape[1])
    share = np.divide(variance, total, out=even, where=total > 0)
    return Contributions(
        mean + share * missing[:, None],
        np.sqrt(variance),
        int(sums.pairs.mean()),
        (int(sums.pairs.min()), int(sums.pairs.max())),
    )
