"""Explanations from a model's predictions: as many mixed rows as its speed allows.

Owns: ``explain_predictions``, which measures the model, then tries all combinations of columns
where they fit in the time and samples them where not.
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from explain_columns import HybridPool, varying_columns
from explain_outputs import choose_view
from explain_request import Request, draw_rows, halved_to_fit, spread_rows
from explain_sampling import BlackBox, Contributions, enumerate_coalitions, sample_pairs
from explanation import Explanation

ENUMERATED_BACKGROUND = 100
SAMPLED_BACKGROUND = 500
FEWEST_ENUMERATED_ROWS = 50
MAX_ENUMERATED_COLUMNS = 12
FIRST_ROWS = 8
PILOT_SHARE = 0.1  # of the time, for measuring the model's speed and its own answers


def explain_predictions(request: Request) -> Explanation:
    """Return values from the model's predictions: exact where it fits, else sampled.

    Raises
    ------
    TooSlowError
        If the model is too slow for either.
    ModelError
        If it fails on mixed rows.
    """
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
        rows = rows.iloc[: halved_to_fit(len(rows), affordable / 2, 10)]
        size = halved_to_fit(len(background), affordable / 2, 10)
        background = draw_rows(background, size, request.seed)
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
            n_rows = halved_to_fit(box.n_rows, fits, least)
            return _cut(box, min(n_rows, fits), n_background, request.seed)
    return None


def _cut(box: BlackBox, n_rows: int, n_background: int, seed: int) -> BlackBox:
    """Return the first rows against a part of the background."""
    drawn = spread_rows(box.background, n_background, seed)
    kept = np.concatenate([np.arange(n_rows), box.n_rows + drawn])
    pool = HybridPool(box.pool.frame.iloc[kept])
    return BlackBox(
        box.model,
        box.view,
        pool,
        n_rows,
        box.players,
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
        notes=_samples(found),
    )


def _samples(found: Contributions) -> tuple[str, ...]:
    """Return how often the rows were sampled, as a note."""
    if not found.pairs:
        return ()
    least, most = found.pair_range
    if least == most:
        return (f"{found.pairs} samples per row.",)
    return (
        f"{found.pairs} samples per row: {least} to {most}, most for the rows whose values were "
        "least certain.",
    )
