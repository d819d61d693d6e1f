"""What a model does with odd input: consistency, odd values, misshapen tables, small noise.

Owns: ``examine_behaviour``. The odd inputs are in ``behaviour_cases`` (one column) and
``behaviour_tables`` (whole tables), what may be expected of ordinary ones in
``behaviour_expectations``, asking and judging in ``behaviour_probe``. All tables are asked first,
then all answers judged. A model that fails in a case gets a verdict for it; the examination goes
on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from base_types import Estimate, Status
from behaviour_cases import (
    FAR_OUT,
    MAX_COLUMNS,
    Bench,
    ColumnCase,
    column_changes,
    judge_column_case,
    value_cases,
)
from behaviour_expectations import examine_expectations
from behaviour_frames import Changes, Group, Odd, OneTable
from behaviour_probe import Answer, Prober, judge_error, quote
from behaviour_tables import TABLE_CASES, judge_magnitude, judge_table_case, magnitude_change
from behaviour_text import text_and_date_cases
from intervals import share_estimate
from model_types import Asked, Predictions, QueueModel
from report_types import (
    BehaviourCase,
    BehaviourSection,
    BehaviourVerdict,
    NoisePoint,
    RunConfig,
)
from schema_utils import Kind, Schema

NOISE_LEVELS = (0.01, 0.05, 0.1, 0.2)
"""Sizes of the noise, in standard deviations of each numeric column."""
MAX_ROWS = 200
MAX_CELLS = 150_000
N_ALONE = 2
_GROUPS = ("consistency", "values", "robustness", "structure")
MAGNITUDES = (1e30, 1e-30)
_TOGETHER, _FAR = "together", "far out in "

Progress = Callable[[float, str], None]


def examine_behaviour(
    model: QueueModel,
    frame: pd.DataFrame,
    schema: Schema,
    config: RunConfig,
    *,
    progress: Progress | None = None,
) -> BehaviourSection:
    """Find out what a model does with odd input.

    Parameters
    ----------
    model : QueueModel
        The model; its errors are results here.
    frame : DataFrame, shape (n, k)
        Ordinary rows of the model's columns in order, n >= 1; the first 200 at most are used.
    schema : Schema
        Describes the columns of ``frame``.
    config : RunConfig
        ``seed`` of the noise and the row order; ``monotone``, ``invariant`` and ``symmetric``
        are expectations.
    progress : callable, optional
        Called with the fraction done (0..1) and a message; may raise to cancel.

    Returns
    -------
    BehaviourSection
        One case per odd input with a verdict and a plain reason, and the share of answers that
        noise of 0.01 to 0.2 standard deviations changes (95 % Wilson intervals). Status failed,
        with the reason, when the model fails on ordinary rows.
    """
    report = progress or (lambda _fraction, _message: None)
    report(0.0, "Asking the same rows twice")
    rows = _ordinary_rows(frame, schema)
    if rows.empty:
        return BehaviourSection(status=Status.SKIPPED, reason="There is no row to start from.")
    prober = Prober(model)
    ordinary = prober.ask(rows, proba=True)
    if ordinary.error is not None:
        reason = f"The model fails on ordinary rows: {quote(ordinary)}"
        return BehaviourSection(status=Status.FAILED, reason=reason)
    features = {feature.name: feature for feature in schema.inputs}
    bench = Bench(prober, rows, ordinary, features)
    section = BehaviourSection(notes=_notes(bench), cases=_asked_again(bench))
    order, odd = _together(bench, np.random.default_rng(config.seed))
    answers = prober.ask_groups(_groups(bench, odd, report))
    section.noise = _noise(bench, answers)
    for cases in _judged(bench, order, answers):
        section.cases += cases
    if _TOGETHER in answers and not bench.numeric():
        section.notes.append("There is no numeric column, so no noise was added.")
    if prober.gave_up:
        section.notes.append(
            "The model's process died repeatedly; the remaining cases were not tried."
        )
    section.cases.sort(key=lambda case: _GROUPS.index(case.group))
    report(0.9, "Checking expectations")
    section.cases += examine_expectations(bench, frame, config)
    report(1.0, "Behaviour examined")
    return section


def _ordinary_rows(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return the rows to start from: the schema's inputs, fewer rows of a wide table."""
    known = {feature.name for feature in schema.inputs}
    columns = [name for name in frame.columns if name in known]
    n_rows = min(MAX_ROWS, max(20, MAX_CELLS // max(len(columns), 1)))
    return frame[columns].head(n_rows).reset_index(drop=True)


def _notes(bench: Bench) -> list[str]:
    """Say what the numbers rest on."""
    n_rows, n_columns = bench.frame.shape
    notes = [f"Tried on {n_rows} ordinary rows; odd values on the first {len(bench.block)}."]
    if n_columns > MAX_COLUMNS:
        notes.append(f"Odd values were put into {MAX_COLUMNS} of the {n_columns} columns.")
    if any(bench.features[name].kind is Kind.INTEGER for name in bench.numeric()):
        notes.append("Whole numbers with noise are rounded to whole numbers.")
    return notes


# --- asking ----------------------------------------------------------------------------------


def _groups(bench: Bench, odd: Mapping[str, Odd], report: Progress) -> Iterator[Group]:
    """Yield all tables, each when it is wanted."""
    report(0.2, "Adding noise")
    yield Changes(_TOGETHER, bench.frame, odd)
    work = _column_cases(bench)
    for number, (case, columns) in enumerate(work):
        report(0.4 + 0.4 * number / len(work), f"Trying: {case.title.lower()}")
        changes = column_changes(bench, case, columns)
        if changes:
            yield Changes(case.id, bench.block, changes)
    report(0.8, "Trying misshapen tables")
    for table_case in TABLE_CASES:
        table = table_case.make(bench)
        if table is not None:
            yield OneTable(table_case.id, table, table_case.proba)


def _column_cases(bench: Bench) -> list[tuple[ColumnCase, list[str]]]:
    return [*value_cases(bench), *text_and_date_cases(bench)]


def _together(bench: Bench, rng: np.random.Generator) -> tuple[NDArray[np.intp], dict[str, Odd]]:
    """Return an order of the rows, and the shuffled, doubled, noisy and far-out rows."""
    order, every = rng.permutation(len(bench.frame)), np.arange(len(bench.frame))
    odd = {"order": Odd(order, {}), "twice": Odd(every, {})}
    odd |= {f"noise {level}": _noisy(bench, level, rng) for level in NOISE_LEVELS}
    odd |= {f"size {size}": magnitude_change(bench, size) for size in MAGNITUDES}
    far_out = column_changes(bench, FAR_OUT, bench.numeric())
    return order, odd | {f"{_FAR}{name}": far_out[name] for name in far_out}


def _judged(
    bench: Bench, order: NDArray[np.intp], answers: Mapping[str, Mapping[str, Answer]]
) -> Iterator[list[BehaviourCase]]:
    """Yield the cases whose tables were asked, and those that have none."""
    if _TOGETHER in answers:
        yield _judge_together(bench, order, answers[_TOGETHER])
    for case, columns in _column_cases(bench):
        if case.id in answers or not columns:
            yield judge_column_case(bench, case, answers.get(case.id, {}))
    for table_case in TABLE_CASES:
        answer = answers.get(table_case.id, {}).get(table_case.id)
        if answer is not None or table_case.make(bench) is None:
            yield [judge_table_case(bench, table_case, answer)]


# --- consistency -----------------------------------------------------------------------------


def _asked_again(bench: Bench) -> list[BehaviourCase]:
    """Ask the same rows a second time, and some of them alone."""
    n_rows = len(bench.frame)
    places = np.linspace(0, n_rows - 1, min(N_ALONE, n_rows)).astype(int).tolist()
    tables = [(slice(0, n_rows), bench.frame)]
    tables += [(slice(at, at + 1), bench.frame.iloc[at : at + 1]) for at in places]
    asked = ((place, Asked(table, proba=True)) for place, table in tables)
    with contextlib.closing(bench.prober.ask_each(asked)) as answers:
        _, again = next(answers)
        before, alone = Answer(), Answer()
        for place, alone in answers:
            before = bench.ordinary.part(place.start, place.stop)
            if alone.error is not None or bench.prober.changed(before, alone).any():
                break
    repeated = _consistency(
        bench,
        ("deterministic", "Same rows twice", f"the same {n_rows} rows a second time"),
        (bench.ordinary, again),
        ("Equal input gives equal answers.", "Equal input gives different answers."),
    )
    told = ("alone", "A row alone", f"{len(places)} rows of the table, each in a call of its own")
    why = ("A row's answer does not depend on its company.", "Alone, a row gets another answer.")
    single = _consistency(bench, told, (before, alone), why)
    bench.prober.one_by_one = bool(single.affected_share) and repeated.affected_share == 0
    return [repeated, single, _one_row(alone, single)]


def _one_row(answer: Answer, alone: BehaviourCase) -> BehaviourCase:
    """Judge whether a single row is answered, which was asked for ``alone``."""
    answered = answer.error is None
    return BehaviourCase(
        id="one_row",
        group="structure",
        title="A table of one row",
        sent="1 row",
        came_back=quote(answer),
        verdict=BehaviourVerdict.HANDLED if answered else alone.verdict,
        why="It answers a single row." if answered else alone.why,
    )


def _judge_together(
    bench: Bench, order: NDArray[np.intp], answers: Mapping[str, Answer]
) -> list[BehaviourCase]:
    """Judge the answers to shuffled, doubled and far-out rows."""
    back = answers["order"]
    if back.error is None:
        back = _reordered(back, np.argsort(order))
    far_out = {name.removeprefix(_FAR): answers[name] for name in answers if _FAR in name}
    return [
        _consistency(
            bench,
            ("row_order", "Rows in another order", f"{len(order)} rows shuffled"),
            (bench.ordinary, back),
            ("The order of the rows does not matter.", "Shuffled rows get other answers."),
        ),
        _consistency(
            bench,
            ("duplicates", "Rows that come twice", f"{len(order)} rows among their copies"),
            (bench.ordinary, answers["twice"]),
            ("Equal rows of one table get equal answers.", "Equal rows get different answers."),
        ),
        *judge_column_case(bench, FAR_OUT, far_out),
        *(judge_magnitude(bench, size, answers[f"size {size}"]) for size in MAGNITUDES),
    ]


def _reordered(answer: Answer, order: NDArray[np.intp]) -> Answer:
    """Return the labels in another order."""
    return Answer(Predictions(answer.y_pred[order]))


def _consistency(
    bench: Bench,
    told: tuple[str, str, str],
    answers: tuple[Answer, Answer],
    why: tuple[str, str],
) -> BehaviourCase:
    """Judge a pair of answers that should be equal: (id, title, sent), (yes, no)."""
    before, after = answers
    if after.error is not None:
        _, reason = judge_error(after.error, ())
        verdict, share = BehaviourVerdict.BROKEN, None
        reason = f"It answered these rows before and failed now. {reason}"
    else:
        share = float(bench.prober.changed(before, after).mean())
        verdict = BehaviourVerdict.HANDLED if share == 0 else BehaviourVerdict.BROKEN
        reason = why[0] if share == 0 else why[1]
    return BehaviourCase(
        id=told[0],
        group="consistency",
        title=told[1],
        sent=told[2],
        came_back=quote(after) if share is None else f"{share:.0%} of the answers differ",
        verdict=verdict,
        why=reason,
        affected_share=share,
    )


# --- noise -----------------------------------------------------------------------------------


def _noisy(bench: Bench, level: float, rng: np.random.Generator) -> Odd:
    """Return all rows with normal noise in every numeric column."""
    cells, spreads, whole, kinds = bench.numbers
    noisy = cells + rng.normal(0.0, level * spreads[:, None], cells.shape)
    noisy[whole] = np.round(noisy[whole])
    columns = zip(bench.numeric(), noisy, kinds, strict=True)
    rows = np.arange(len(bench.frame))
    return Odd(rows, {name: row.astype(kind, copy=False) for name, row, kind in columns})


def _noise(bench: Bench, answers: Mapping[str, Mapping[str, Answer]]) -> list[NoisePoint]:
    """Compare the answers to noisy rows with the ordinary ones, level by level."""
    if _TOGETHER not in answers or not bench.numeric():
        return []
    return [
        _noise_point(bench, level, answers[_TOGETHER][f"noise {level}"]) for level in NOISE_LEVELS
    ]


def _noise_point(bench: Bench, level: float, answer: Answer) -> NoisePoint:
    """Compare the answers to noisy rows with the ordinary ones."""
    if answer.error is not None:
        return NoisePoint(noise=level, flipped_share=Estimate(reason=quote(answer)))
    if not bench.prober.predicts_numbers:
        flips = int(bench.prober.changed(bench.ordinary, answer).sum())
        return NoisePoint(noise=level, flipped_share=share_estimate(flips, len(bench.frame)))
    usual, now = bench.ordinary.y_pred.astype(float), answer.y_pred.astype(float)
    spread = np.std(usual, axis=0)
    reason = "The model predicts numbers; their mean change is given instead."
    change = None
    if np.all(spread > 0):
        change = float(np.mean(np.abs(now - usual) / spread))
        change = change if np.isfinite(change) else None
    else:
        reason = "The model gives every ordinary row the same number, so there is no scale."
    return NoisePoint(noise=level, flipped_share=Estimate(reason=reason), mean_change=change)
