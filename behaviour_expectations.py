"""What one may expect of a model beyond sound answers: metamorphic checks, typos, doubt.

Owns: ``examine_expectations``. Without being told anything it looks for columns in which the
answer only rises or only falls, misspells categories, and asks for rows far outside the data; what
the run's options name (monotone, invariant, symmetric) is judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from behaviour_cases import Bench, ColumnCase, Judged, column_changes, judge_column_case, spread
from behaviour_frames import Cells, Changes, Group, Odd
from behaviour_probe import Answer, Prober, quote
from formatting import number, percent
from intervals import share_estimate
from model_types import Task
from report_types import BehaviourCase, BehaviourVerdict, RunConfig
from schema_utils import Feature, Kind

N_ROWS = 100
N_SWEPT, N_STEPS, N_GUESSED = 20, 5, 6
"""Rows, values and columns of the search for columns in which the answer only rises or falls."""

STEADY = 1e-9
FAR = 3.0
"""Rows outside the data lie this many ranges beyond its ends, in every numeric column."""

SURE = 0.9
DOUBT = 0.05
"""Confidence outside must surely be lower by this much, and below ``SURE``, to count as doubt."""

Scores = NDArray[np.float64]


def examine_expectations(
    bench: Bench, frame: pd.DataFrame, config: RunConfig
) -> list[BehaviourCase]:
    """Check what the options expect of a model, and guess what they do not say.

    Parameters
    ----------
    bench : Bench
        The model and its answers to the first rows of ``frame``, which are not asked again unless
        an answer depends on the rows beside it.
    frame : DataFrame, shape (n, k)
        Ordinary rows; the first 100 at most are used.
    config : RunConfig
        ``monotone``, ``invariant``, ``symmetric`` and ``seed`` are used.

    Returns
    -------
    list of BehaviourCase
        Empty when the model fails on ordinary rows.
    """
    bench = _first_rows(bench, frame)
    if bench.ordinary.error is not None:
        return []
    answers = bench.prober.ask_groups(_groups(bench, config))
    return [case for cases in _judged(bench, config, answers) for case in cases]


def _first_rows(bench: Bench, frame: pd.DataFrame) -> Bench:
    """Return fewer rows, and their answer."""
    rows = frame[bench.frame.columns].head(N_ROWS).reset_index(drop=True)
    prober = Prober(bench.prober.model, one_by_one=bench.prober.one_by_one)
    is_known = len(rows) <= len(bench.frame) and not prober.one_by_one
    ordinary = bench.ordinary.part(0, len(rows)) if is_known else prober.ask(rows, proba=True)
    return Bench(prober, rows, ordinary, bench.features)


def _groups(bench: Bench, config: RunConfig) -> Iterator[Group]:
    """Yield the tables, each when it is wanted."""
    swept = _swept_rows(bench, config.monotone) | _outside(bench)
    if swept:
        yield Changes(_SWEPT, bench.frame, swept, proba=True)
    for told, odd in _equal_tables(bench, config):
        if odd is not None:
            yield Changes(told.id, bench.frame, {told.id: odd}, proba=True)
    typos = column_changes(bench, _TYPO, _texts(bench))
    if typos:
        yield Changes(_TYPO.id, bench.block, typos)


def _judged(
    bench: Bench, config: RunConfig, answers: Mapping[str, Mapping[str, Answer]]
) -> Iterator[list[BehaviourCase]]:
    """Yield the cases whose tables were asked, and those that have none."""
    swept = answers.get(_SWEPT, {})
    if swept or not bench.prober.gave_up:
        yield _steady(bench, config.monotone, swept)
    for told, odd in _equal_tables(bench, config):
        if odd is None:
            yield [_not_there(told.id, told.columns)]
        elif told.id in answers:
            yield [_same_answers(bench, told, answers[told.id][told.id])]
    if _TYPO.id in answers:
        yield judge_column_case(bench, _TYPO, answers[_TYPO.id])
    yield _doubt(bench, swept.get(_OUTSIDE))


_SWEPT = "\0swept"
_OUTSIDE = "\0outside"
"""No column is called so."""


def _case(
    told: tuple[str, str, str], back: str, judged: Judged, share: float | None = None
) -> BehaviourCase:
    """Write a case: (id, title, sent)."""
    return BehaviourCase(
        id=told[0],
        group="robustness",
        title=told[1],
        sent=told[2],
        came_back=back,
        verdict=judged.verdict,
        why=judged.why,
        affected_share=share,
    )


# --- rising and falling ----------------------------------------------------------------------


def _score(bench: Bench, answer: Answer) -> Scores | None:
    """Return one number per row: the prediction, or the probability of the second class."""
    if answer.predictions is None or answer.y_pred.ndim != 1:
        return None
    if bench.info.task is Task.REGRESSION:
        return answer.y_pred.astype(np.float64)
    proba = answer.predictions.y_proba
    if bench.info.task is Task.BINARY and proba is not None:
        return proba[:, 1]
    return None


def _swept_rows(bench: Bench, wanted: Mapping[str, str]) -> dict[str, Odd]:
    """Return the columns to sweep: those that were named, then some others."""
    if _score(bench, bench.ordinary) is None:
        return {}
    numeric = bench.numeric()
    asked = [name for name in wanted if name in numeric]
    guessed = [name for name in spread(numeric, N_GUESSED) if name not in asked]
    return {name: _swept(bench, name) for name in [*asked, *guessed]}


def _steady(
    bench: Bench, wanted: Mapping[str, str], answers: Mapping[str, Answer]
) -> list[BehaviourCase]:
    """Judge the swept columns that were named, and tell of the others."""
    steps = {name: _steps(bench, answers[name]) for name in answers if name != _OUTSIDE}
    missing = [_not_there(f"monotone:{name}", name) for name in wanted if name not in steps]
    cases = [_judge_steady(name, wanted[name], steps[name]) for name in wanted if name in steps]
    others = {name: change for name, change in steps.items() if name not in wanted}
    return missing + cases + _told_steady(others)


def _not_there(case_id: str, name: str) -> BehaviourCase:
    why = "It needs a numeric column of that name and a model that answers with one number."
    told = (case_id, f"Expectation on {name}", "nothing")
    return _case(told, "", Judged(BehaviourVerdict.SKIPPED, why))


def _swept(bench: Bench, name: str) -> Odd:
    """Return some rows, each with several rising values in one column."""
    column = bench.frame[name]
    values = np.linspace(float(column.min()), float(column.max()), N_STEPS)
    if column.dtype.kind in "iu" or bench.features[name].kind is Kind.INTEGER:
        values = np.round(values)
    rows = np.arange(min(N_SWEPT, len(column))).repeat(N_STEPS)
    swept = np.tile(values, len(rows) // N_STEPS).astype(column.to_numpy().dtype)
    return Odd(rows, {name: swept})


def _steps(bench: Bench, answer: Answer) -> Scores | None:
    """Return the changes of the answer from value to value, all rows; None after an error."""
    scores = _score(bench, answer)
    return None if scores is None else np.diff(scores.reshape(-1, N_STEPS), axis=1).ravel()


def _judge_steady(name: str, way: str, steps: Scores | None) -> BehaviourCase:
    told = (
        f"monotone:{name}",
        f"The answer only {'rises' if way == 'up' else 'falls'} with {name}",
        f"{N_SWEPT} rows with {N_STEPS} rising values in {name!r}",
    )
    if steps is None:
        return _case(told, "an error", Judged(BehaviourVerdict.BROKEN, "It refused these rows."))
    wrong = int(((steps if way == "down" else -steps) > STEADY).sum())
    share = share_estimate(wrong, steps.size)
    back = f"{percent(share.value)} of the steps go the other way (up to {percent(share.high)})"
    if wrong == 0:
        return _case(told, back, Judged(BehaviourVerdict.HANDLED, "As expected."), 0.0)
    why = "The answer was expected to move one way only."
    return _case(told, back, Judged(BehaviourVerdict.BROKEN, why), share.value)


def _told_steady(steps: dict[str, Scores | None]) -> list[BehaviourCase]:
    """Tell in which columns the answer moves one way only; nobody asked for it."""
    known = {name: change for name, change in steps.items() if change is not None and change.any()}
    up = [name for name, change in known.items() if (change >= -STEADY).all()]
    down = [name for name, change in known.items() if (change <= STEADY).all()]
    if not known:
        return []
    parts = [f"only rises with {', '.join(up)}"] if up else []
    parts += [f"only falls with {', '.join(down)}"] if down else []
    told = (
        "monotone",
        "Rising and falling",
        f"{N_SWEPT} rows with {N_STEPS} rising values in each of {len(known)} columns",
    )
    back = "; ".join(parts) or "the answer rises and falls with each"
    why = "Found, not required: name columns in 'monotone' to have them judged."
    return [_case(told, back, Judged(BehaviourVerdict.HANDLED, why))]


# --- invariance and symmetry -----------------------------------------------------------------


class _Equal(NamedTuple):
    """An expectation that nothing changes: the case's id, title and sentence, and its columns."""

    id: str
    title: str
    sent: str
    columns: str


def _equal_tables(bench: Bench, config: RunConfig) -> Iterator[tuple[_Equal, Odd | None]]:
    """Yield what shall not matter and rows changed in just that; None without such columns."""
    every = np.arange(len(bench.frame))
    for name in config.invariant:
        told = _Equal(
            f"invariant:{name}", f"{name} does not matter", f"rows with {name!r} shuffled", name
        )
        columns = _shuffled(bench, name, config.seed)
        yield told, Odd(every, columns) if columns else None
    for one, two in config.symmetric:
        told = _Equal(
            f"symmetric:{one}:{two}",
            f"{one} and {two} are alike",
            f"rows with {(one, two)} swapped",
            f"{one} and {two}",
        )
        columns = _swapped(bench, one, two)
        yield told, Odd(every, columns) if columns else None


def _shuffled(bench: Bench, name: str, seed: int) -> dict[str, Cells]:
    """Return a column shuffled among the rows."""
    if name not in bench.frame.columns:
        return {}
    order = np.random.default_rng(seed).permutation(len(bench.frame))
    return {name: bench.frame[name].to_numpy()[order]}


def _swapped(bench: Bench, one: str, two: str) -> dict[str, Cells]:
    """Return two columns, each with the values of the other."""
    if one not in bench.frame.columns or two not in bench.frame.columns:
        return {}
    return {one: bench.frame[two], two: bench.frame[one]}


def _same_answers(bench: Bench, told: _Equal, answer: Answer) -> BehaviourCase:
    """Judge whether nothing has changed."""
    if answer.error is not None:
        why = "It refused these rows."
        return _case(told[:3], quote(answer), Judged(BehaviourVerdict.BROKEN, why))
    n_changed = int(bench.prober.changed(bench.ordinary, answer).sum())
    share = share_estimate(n_changed, len(bench.frame))
    back = f"{percent(share.value)} of the answers change"
    back += f" ({percent(share.low)} to {percent(share.high)})"
    if n_changed == 0:
        return _case(told[:3], back, Judged(BehaviourVerdict.HANDLED, "As expected."), 0.0)
    why = "The answers were expected to stay the same."
    return _case(told[:3], back, Judged(BehaviourVerdict.BROKEN, why), share.value)


# --- typos -----------------------------------------------------------------------------------


def _texts(bench: Bench) -> list[str]:
    """Return the columns of categories that are no numbers."""
    return [name for name in bench.categorical() if bench.frame[name].dtype.kind not in "iufb"]


def _misspelled(column: pd.Series, _feature: Feature) -> pd.Series:
    """Swap the last two letters of every text, or double a single letter."""

    def swap(text: str) -> str:
        swapped = text[:-2] + text[-1] + text[-2] if len(text) > 1 else text + text
        return swapped if swapped != text else text + text[-1:]

    return column.map(lambda cell: swap(cell) if isinstance(cell, str) and cell else cell)


def _judge_typo(bench: Bench, _name: str, answer: Answer) -> Judged:
    block = bench.ordinary.part(0, len(bench.block))
    kept = np.asarray(block.y_pred == answer.y_pred)
    if kept.all():
        return Judged(BehaviourVerdict.HANDLED, "The answers stay the same.")
    share = share_estimate(int(kept.size - kept.sum()), kept.size)
    return Judged(
        BehaviourVerdict.SILENT,
        f"A typo changes {percent(share.value)} of the answers ({percent(share.low)} to "
        f"{percent(share.high)}), and nobody is told.",
    )


_TYPO = ColumnCase(
    id="typos",
    group="robustness",
    title="Typos in categories",
    sent="the last two letters swapped",
    make=_misspelled,
    hints=("unknown categor", "unseen", "not in", "categor"),
    judge=_judge_typo,
)


# --- doubt -----------------------------------------------------------------------------------


def _outside(bench: Bench) -> dict[str, Odd]:
    """Return all rows moved far outside the data; none where a model tells no confidence."""
    numeric = bench.numeric()
    if _confidences(bench.ordinary) is None or not numeric:
        return {}
    signs = np.where(np.random.default_rng(0).random((len(bench.frame), len(numeric))) < 0.5, -1, 1)
    outside = {name: _beyond(bench, name, signs[:, i]) for i, name in enumerate(numeric)}
    return {_OUTSIDE: Odd(np.arange(len(bench.frame)), outside)}


def _doubt(bench: Bench, answer: Answer | None) -> list[BehaviourCase]:
    """Judge the answers outside the data, where a model should say that it does not know."""
    inside = _confidences(bench.ordinary)
    if answer is None or inside is None:
        return []
    told = (
        "doubt",
        "Doubt outside the data",
        f"{len(bench.frame)} rows {FAR:g} ranges outside in every numeric column",
    )
    confidences = _confidences(answer)
    if confidences is None:
        why = "It refuses such rows."
        return [_case(told, quote(answer), Judged(BehaviourVerdict.CLEAR_ERROR, why))]
    mean = float(confidences.mean())
    back = f"mean confidence {_with_range(confidences)}, inside {_with_range(inside)}"
    less, least, most = _mean_range(inside - confidences)  # each row against itself, moved outside
    if mean < SURE and least > DOUBT:
        why = (
            f"It is less sure where it knows nothing, by {number(less, digits=2)} "
            f"({number(least, digits=2)} to {number(most, digits=2)})."
        )
        return [_case(told, back, Judged(BehaviourVerdict.HANDLED, why))]
    why = "It is about as sure where it knows nothing: check ranges before asking it."
    return [_case(told, back, Judged(BehaviourVerdict.SILENT, why))]


def _confidences(answer: Answer) -> Scores | None:
    """Return the probability of the predicted class per row; None without probabilities."""
    if answer.predictions is None or answer.predictions.y_proba is None:
        return None
    proba = answer.predictions.y_proba
    return np.asarray(proba.max(axis=1), dtype=np.float64) if proba.ndim == 2 else None


def _mean_range(values: Scores) -> tuple[float, float, float]:
    """Return the mean with its 95 % interval (Student)."""
    mean = float(values.mean())
    if values.size < 2:
        return mean, mean, mean
    half = float(stdtrit(values.size - 1, 0.975) * values.std(ddof=1) / np.sqrt(values.size))
    return mean, mean - half, mean + half


def _with_range(values: Scores) -> str:
    mean, low, high = _mean_range(values)
    ends = f"{number(max(0.0, low), digits=2)} to {number(min(1.0, high), digits=2)}"
    return f"{number(mean, digits=2)} ({ends})"


def _beyond(bench: Bench, name: str, sign: NDArray[np.int64]) -> NDArray[np.generic]:
    column = bench.frame[name]
    low, high = float(column.min()), float(column.max())
    width = (high - low) or 1.0
    values = np.where(sign < 0, low - FAR * width, high + FAR * width)
    return np.round(values).astype(column.to_numpy().dtype) if column.dtype.kind in "iu" else values
