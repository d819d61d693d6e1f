"""What a model does with odd input: consistency, odd values, misshapen tables, small noise.

Owns: ``examine_behaviour``. The odd inputs are in ``behaviour_cases`` (one column) and
``behaviour_tables`` (whole tables), asking and judging in ``behaviour_probe``. A
model that fails in a case gets a verdict for it; the examination goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from base_types import Estimate, Status
from behaviour_cases import (
    FAR_OUT,
    MAX_COLUMNS,
    Bench,
    column_frames,
    judge_column_case,
    run_column_case,
    value_cases,
    with_columns,
)
from behaviour_probe import Answer, NotAskedError, Prober, judge_error, quote
from behaviour_tables import (
    column_order,
    empty_table,
    extra_column,
    judge_magnitude,
    magnitude_frame,
    missing_column,
    numbers_as_text,
)
from behaviour_text import text_and_date_cases
from intervals import share_estimate
from model_types import Model, Predictions
from report_types import BehaviourCase, BehaviourSection, BehaviourVerdict, NoisePoint
from schema_utils import Kind, Schema

NOISE_LEVELS = (0.01, 0.05, 0.1, 0.2)
"""Sizes of the noise, in standard deviations of each numeric column."""
MAX_ROWS = 200
MAX_CELLS = 150_000
N_ALONE = 2
_GROUPS = ("consistency", "values", "robustness", "structure")
MAGNITUDES = (1e30, 1e-30)

Progress = Callable[[float, str], None]


def examine_behaviour(
    model: Model,
    frame: pd.DataFrame,
    schema: Schema,
    *,
    seed: int,
    progress: Progress | None = None,
) -> BehaviourSection:
    """Find out what a model does with odd input.

    Parameters
    ----------
    model : Model
        The model; its errors are results here.
    frame : DataFrame, shape (n, k)
        Ordinary rows of the model's columns in order, n >= 1; the first 200 at most are used.
    schema : Schema
        Describes the columns of ``frame``.
    seed : int
        Of the noise and the row order.
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
    section = BehaviourSection(notes=_notes(bench))
    try:
        for cases in _all_cases(bench, section, np.random.default_rng(seed), report):
            section.cases += cases
    except NotAskedError:
        section.notes.append(
            "The model's process died repeatedly; the remaining cases were not tried."
        )
    section.cases.sort(key=lambda case: _GROUPS.index(case.group))
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


def _all_cases(
    bench: Bench, section: BehaviourSection, rng: np.random.Generator, report: Progress
) -> Iterator[list[BehaviourCase]]:
    """Yield the cases, one piece of work after the other."""
    yield [_deterministic(bench)]
    yield _alone(bench)
    report(0.2, "Adding noise")
    yield _together(bench, section, rng)
    value_work = [*value_cases(bench), *text_and_date_cases(bench)]
    for number, (case, columns) in enumerate(value_work):
        report(0.4 + 0.4 * number / len(value_work), f"Trying: {case.title.lower()}")
        yield run_column_case(bench, case, columns)
    report(0.8, "Trying misshapen tables")
    yield [numbers_as_text(bench)]
    for structure in (column_order, extra_column, missing_column, empty_table):
        report(0.9, "Trying misshapen tables")
        yield [structure(bench)]


# --- consistency -----------------------------------------------------------------------------


def _deterministic(bench: Bench) -> BehaviourCase:
    """Ask the same rows a second time."""
    again = bench.prober.ask(bench.frame, proba=True)
    return _consistency(
        bench,
        ("deterministic", "Same rows twice", f"the same {len(bench.frame)} rows a second time"),
        (bench.ordinary, again),
        ("Equal input gives equal answers.", "Equal input gives different answers."),
    )


def _alone(bench: Bench) -> list[BehaviourCase]:
    """Ask single rows and compare with their answers inside the table."""
    places = np.linspace(0, len(bench.frame) - 1, min(N_ALONE, len(bench.frame))).astype(int)
    cases = []
    answer, before = Answer(), Answer()
    for place in places.tolist():
        answer = bench.prober.ask(bench.frame.iloc[place : place + 1], proba=True)
        before = bench.ordinary.part(place, place + 1)
        if answer.error is not None or bench.prober.changed(before, answer).any():
            break
    told = ("alone", "A row alone", f"{len(places)} rows of the table, each in a call of its own")
    why = ("A row's answer does not depend on its company.", "Alone, a row gets another answer.")
    cases.append(_consistency(bench, told, (before, answer), why))
    one = BehaviourVerdict.HANDLED if answer.error is None else cases[0].verdict
    cases.append(
        BehaviourCase(
            id="one_row",
            group="structure",
            title="A table of one row",
            sent="1 row",
            came_back=quote(answer),
            verdict=one,
            why="It answers a single row." if answer.error is None else cases[0].why,
        )
    )
    return cases


def _together(
    bench: Bench, section: BehaviourSection, rng: np.random.Generator
) -> list[BehaviourCase]:
    """Ask shuffled, doubled, noisy and far-out rows in one call."""
    order = rng.permutation(len(bench.frame))
    frames = {"order": bench.frame.iloc[order], "twice": bench.frame}
    frames |= {f"noise {level}": _noisy(bench, level, rng) for level in NOISE_LEVELS}
    frames |= {f"size {size}": magnitude_frame(bench, size) for size in MAGNITUDES}
    far_out = column_frames(bench, FAR_OUT, bench.numeric())
    answers = bench.prober.ask_many(frames | {f"far {name}": far_out[name] for name in far_out})
    if bench.numeric():
        pairs = ((level, answers[f"noise {level}"]) for level in NOISE_LEVELS)
        section.noise = [_noise_point(bench, level, answer) for level, answer in pairs]
    else:
        section.notes.append("There is no numeric column, so no noise was added.")
    back = answers["order"]
    if back.error is None:
        back = _reordered(back, np.argsort(order))
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
        *judge_column_case(bench, FAR_OUT, {name: answers[f"far {name}"] for name in far_out}),
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


def _noisy(bench: Bench, level: float, rng: np.random.Generator) -> pd.DataFrame:
    """Add normal noise to every numeric column."""
    cells, spreads, whole, kinds = bench.numbers
    noisy = cells + rng.normal(0.0, level * spreads[:, None], cells.shape)
    noisy[whole] = np.round(noisy[whole])
    columns = zip(bench.numeric(), noisy, kinds, strict=True)
    return with_columns(bench.frame, {name: row.astype(kind) for name, row, kind in columns})


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
