"""Why a model answers as it does, in the columns of the uploaded table.

Owns: ``explain`` (Shapley values of some rows against a background) and ``explain_section`` (the
part of the report). Four routes, tried in order:

linear, tree
    A copy of the final estimator as plain numbers, exact, if it answers as the model does.
enumerated
    All combinations of columns through the model's own predictions, exact, where they fit in
    the time.
sampled
    Estimates with a standard error, from the model's predictions.

A value belongs to a raw column even behind one-hot encoders; missing columns are taken from
background rows (interventional Shapley values, Lundberg and Lee, 2017). Why a route was not taken
is told in the notes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from base_types import Status
from errors import DataError, ModelError
from explain_columns import HybridPool, varying_columns
from explain_copy import NoCopyError, explain_copy
from explain_outputs import choose_view
from explain_request import Request, draw_rows
from explain_sampling import (
    BlackBox,
    Contributions,
    TooSlowError,
    enumerate_coalitions,
    sample_pairs,
)
from explanation import Explanation
from model_types import Model
from report_types import ExplanationSection

Floats = NDArray[np.float64]
Progress = Callable[[float, str], None]

ENUMERATED_BACKGROUND = 100
SAMPLED_BACKGROUND = 500
FEWEST_ENUMERATED_ROWS = 50
MAX_ENUMERATED_COLUMNS = 12
FIRST_ROWS = 8
PILOT_SHARE = 0.1  # of the time, for measuring the model's speed and its own answers


def explain_section(
    model: Model,
    rows: pd.DataFrame,
    background: pd.DataFrame,
    *,
    seconds: float = 3.0,
    seed: int = 0,
    max_rows: int = 200,
    positive_class: str | None = None,
    progress: Progress | None = None,
) -> ExplanationSection:
    """Return the explanations of a run.

    Parameters
    ----------
    model : Model
    rows : DataFrame, shape (n, d)
        Rows to explain; of more than ``max_rows`` a random part is taken.
    background : DataFrame, shape (m, d)
        Rows that stand for "not knowing a column".
    seconds : float
        Time allowed. Exact routes explain fewer rows, sampling stops earlier.
    seed : int
    max_rows : int
    positive_class : str, optional
        Binary models: the class to explain (default: the second).
    progress : callable, optional
        Told a fraction (0 … 1) and a message.

    Returns
    -------
    ExplanationSection
        Skipped with a reason when the model is too slow, failed when it raised.
    """
    order = np.random.default_rng(seed).permutation(len(rows))[:max_rows]
    try:
        explanation = explain(
            model,
            rows.iloc[order],
            background,
            seconds=seconds,
            seed=seed,
            positive_class=positive_class,
            progress=progress,
        )
    except TooSlowError as error:
        return ExplanationSection(status=Status.SKIPPED, reason=str(error))
    except ModelError as error:
        return ExplanationSection(status=Status.FAILED, reason=f"The model failed: {error}")
    return _in_row_order(explanation, order).to_section()


def _in_row_order(explanation: Explanation, order: NDArray[np.int64]) -> Explanation:
    """Return an explanation of drawn rows sorted by their position in the table."""
    numbers = order[explanation.row_numbers]
    by_number = np.argsort(numbers)
    error = explanation.error
    return replace(
        explanation,
        values=explanation.values[by_number],
        predictions=explanation.predictions[by_number],
        error=None if error is None else error[by_number],
        rows=explanation.rows.iloc[by_number],
        row_numbers=numbers[by_number],
    )


def explain(
    model: Model,
    rows: pd.DataFrame,
    background: pd.DataFrame,
    *,
    seconds: float = 3.0,
    seed: int = 0,
    target: float = 0.05,
    positive_class: str | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Return the Shapley values of rows.

    Parameters
    ----------
    model : Model
    rows, background : DataFrame
        Rows to explain, in order of priority, and the rows they are compared with. When time is
        short only the first rows are explained.
    seconds : float
        Time allowed.
    seed : int
        The same inputs and seed give the same values, except that a sampled explanation takes as
        many samples as fit in the time.
    target : float
        Sampling stops at this relative error.
    positive_class : str, optional
        Binary models: the class to explain.
    progress : callable, optional
        Told a fraction (0 … 1) and a message.

    Returns
    -------
    Explanation

    Raises
    ------
    DataError
        If there are no rows or no columns, or the background lacks a column.
    ModelError
        If the model fails on mixed rows or is too slow (``TooSlowError``).
    """
    request = Request(
        model,
        rows,
        _matching(rows, background),
        seconds,
        seed,
        target,
        positive_class,
        progress,
    )
    notes: list[str] = []
    try:
        explanation = explain_copy(request)
    except NoCopyError as reason:
        notes.append(str(reason))
        explanation = _explain_predictions(request)
    except ModelError as error:
        notes.append(f"No exact copy of the model could be made ({error}).")
        explanation = _explain_predictions(request)
    if len(explanation.rows) < len(rows):
        notes.append(f"The time allowed {len(explanation.rows)} of {len(rows)} rows.")
    request.tell(1.0, "Explained")
    return replace(explanation, seconds=request.used, notes=(*notes, *explanation.notes))


def _matching(rows: pd.DataFrame, background: pd.DataFrame) -> pd.DataFrame:
    """Return the background with the columns of the rows; the rows themselves if it is empty."""
    if not len(rows) or not rows.shape[1]:
        message = f"Nothing to explain: {len(rows)} rows of {rows.shape[1]} columns"
        raise DataError(message)
    if not len(background):
        return rows
    lacking = [str(name) for name in rows.columns if name not in background.columns]
    if lacking:
        message = f"The background lacks the columns {', '.join(lacking[:5])}"
        raise DataError(message)
    return background[list(rows.columns)]


def _explain_predictions(request: Request) -> Explanation:
    """Return values from the model's predictions: exact where it fits, else sampled."""
    request.tell(0.1, "Measuring the model's speed")
    box, speed = _black_box(request)
    if not len(box.players):
        contributions = Contributions(np.zeros((box.n_rows, 0, box.outputs.shape[1])))
    else:
        smaller = _enumerable(request, box, speed)
        if smaller is not None:
            box = smaller
            contributions = enumerate_coalitions(box, request)
        else:
            contributions = sample_pairs(box, request, rows_per_second=speed)
    return _explanation(request, box, contributions)


def _black_box(request: Request) -> tuple[BlackBox, float]:
    """Return the model as a function of mixed rows, and its speed in rows per second.

    Batches grow while they take a small share of the time; a slow model gets fewer rows and a
    smaller background.
    """
    model, rows = request.model, request.rows
    background = draw_rows(request.background, SAMPLED_BACKGROUND, request.seed)
    speed = _first_speed(request)
    affordable = max(int(speed * PILOT_SHARE * request.seconds), 20)
    if len(rows) + len(background) > affordable:
        rows = rows.iloc[: max(affordable // 2, 10)]
        background = draw_rows(background, max(affordable // 2, 10), request.seed)
    pool = HybridPool(pd.concat([rows, background], ignore_index=True))
    start = time.perf_counter()
    answers = model.predict(pool.frame)
    speed = max(speed, len(pool) / (time.perf_counter() - start))
    view = choose_view(model.info, answers, request.positive_class)
    players = varying_columns(pool.frame)
    box = BlackBox(model, view, pool, len(rows), players, view.read(answers))
    return box, _pilot(request, box, speed)


def _first_speed(request: Request) -> float:
    """Return a first guess of the model's speed.

    The first call warms the model up, the second tells how large the third may be.
    """
    size = min(FIRST_ROWS, len(request.rows))
    request.model.predict(request.rows.iloc[:size])
    speed = 0.0
    for _ in range(2):
        start = time.perf_counter()
        request.model.predict(request.rows.iloc[:size])
        speed = size / (time.perf_counter() - start)
        affordable = int(speed * PILOT_SHARE * request.seconds)
        size = int(np.clip(affordable, size, len(request.rows)))
    return speed


def _pilot(request: Request, box: BlackBox, speed: float) -> float:
    """Return the speed in a larger batch of mixed rows, where there is time to measure it."""
    size = min(int(speed * PILOT_SHARE * request.seconds), 2000)
    if size < 2 * len(box.pool) or not len(box.players):
        return speed
    rng = np.random.default_rng(request.seed)
    masks = rng.random((size, len(box.players))) < 0.5
    mine = rng.integers(box.n_rows, size=size)
    other = rng.integers(box.n_rows, len(box.pool), size=size)
    start = time.perf_counter()
    box.mixed(masks, mine, other)
    return size / (time.perf_counter() - start)


def _enumerable(request: Request, box: BlackBox, speed: float) -> BlackBox | None:
    """Return the box cut so that all combinations fit in the time, or None."""
    if len(box.players) > MAX_ENUMERATED_COLUMNS:
        return None
    calls = 0.8 * speed * max(request.left, 0.0)
    least = min(box.n_rows, FEWEST_ENUMERATED_ROWS)
    for size in (ENUMERATED_BACKGROUND, ENUMERATED_BACKGROUND // 2):
        n_background = min(size, len(box.background))
        fits = int(calls / (n_background * 2 ** len(box.players)))
        if fits >= least:
            return _cut(box, min(fits, box.n_rows), n_background, request.seed)
    return None


def _cut(box: BlackBox, n_rows: int, n_background: int, seed: int) -> BlackBox:
    """Return the first rows against a part of the background."""
    drawn = np.random.default_rng(seed).permutation(len(box.background))[:n_background]
    kept = np.concatenate([np.arange(n_rows), box.n_rows + np.sort(drawn)])
    pool = HybridPool(box.pool.frame.iloc[kept])
    return BlackBox(
        box.model,
        box.view,
        pool,
        n_rows,
        varying_columns(pool.frame),
        box.outputs[kept],
        box.evaluations,
    )


def _explanation(request: Request, box: BlackBox, found: Contributions) -> Explanation:
    """Return contributions of the players as an explanation of all columns."""
    n_rows = len(found.values)
    shape = (n_rows, request.rows.shape[1], box.outputs.shape[1])
    values = np.zeros(shape)
    values[:, box.players] = found.values
    error = None
    if found.error is not None:
        error = np.zeros(shape)
        error[:, box.players] = found.error
    return Explanation(
        values=values,
        base=box.background.mean(axis=0),
        predictions=box.outputs[:n_rows],
        error=error,
        columns=tuple(str(name) for name in request.rows.columns),
        outputs=box.view.names,
        rows=request.rows.iloc[:n_rows],
        row_numbers=np.arange(n_rows),
        space=box.view.space,
        method="enumerated" if found.error is None else "sampled",
        background_rows=len(box.background),
        evaluations=box.evaluations + len(box.pool),
        seed=request.seed,
        notes=(f"{found.pairs} samples per row.",) if found.pairs else (),
    )
