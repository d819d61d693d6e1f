"""Odd tables as a whole: numbers as text, huge numbers, columns reordered, added or left out.

Owns: the cases that do not concern one column, and what a good answer to each is.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from behaviour_cases import TYPE_HINTS, Bench, Group, Judged, skipped_case, with_columns
from behaviour_probe import Answer, judge_error, not_finite, quote
from report_types import BehaviourCase, BehaviourVerdict


def numbers_as_text(bench: Bench) -> BehaviourCase:
    """Send every number as text, as a careless CSV reader would."""
    case_id, title = "numbers_as_text", "Numbers written as text"
    numeric = bench.numeric()
    if not numeric:
        return skipped_case(case_id, "values", title, "The model has no numeric column.")
    texts = {name: column.astype("str") for name, column in bench.block[numeric].items()}
    block = with_columns(bench.block, texts)
    answer = bench.prober.ask(block)
    if answer.error is not None:
        judged = Judged(*judge_error(answer.error, TYPE_HINTS))
    elif _unchanged(bench, answer):
        judged = Judged(BehaviourVerdict.HANDLED, "It reads them as the numbers they are.")
    else:
        judged = Judged(BehaviourVerdict.SILENT, "It answers, but not what it says to numbers.")
    sent = f"{len(block)} rows with numbers as text, such as {str(block[numeric[0]].iloc[0])!r}"
    return _case(case_id, "values", title, sent, answer, judged)


def magnitude_frame(bench: Bench, size: float) -> pd.DataFrame:
    """Return the block with one very large or very small number in all numeric columns."""
    numbers = np.full(len(bench.block), size)
    return with_columns(bench.block, dict.fromkeys(bench.numeric(), numbers))


def judge_magnitude(bench: Bench, size: float, answer: Answer) -> BehaviourCase:
    """Judge the answer to ``magnitude_frame``."""
    large = size > 1
    case_id = "very_large" if large else "very_small"
    title = "Very large numbers" if large else "Numbers next to zero"
    if not bench.numeric():
        return skipped_case(case_id, "robustness", title, "The model has no numeric column.")
    if answer.error is not None:
        judged = Judged(*judge_error(answer.error, ("large", "infin", "overflow", "range")))
    elif not_finite(answer):
        judged = Judged(BehaviourVerdict.BROKEN, "It answers NaN or infinity for finite input.")
    elif large:
        judged = Judged(BehaviourVerdict.SILENT, "It answers and does not say that it must guess.")
    else:
        judged = Judged(BehaviourVerdict.HANDLED, "It answers with ordinary values.")
    sent = f"{len(bench.block)} rows with {size:g} in every numeric column"
    return _case(case_id, "robustness", title, sent, answer, judged)


def column_order(bench: Bench) -> BehaviourCase:
    """Send the columns in reverse order."""
    case_id, title = "column_order", "Columns in another order"
    if bench.frame.shape[1] < 2:
        return skipped_case(case_id, "structure", title, "There is only one column.")
    answer = bench.prober.ask(bench.block.iloc[:, ::-1], proba=True)
    if answer.error is not None:
        judged = Judged(*judge_error(answer.error, ("feature", "column", "order", *TYPE_HINTS)))
    elif bench.info.input_form == "matrix":
        why = "It was fitted without column names, so it takes columns by place and cannot notice."
        judged = Judged(BehaviourVerdict.SILENT, why)
    elif _unchanged(bench, answer):
        judged = Judged(BehaviourVerdict.HANDLED, "It finds its columns by name.")
    else:
        why = "It knows its column names, yet answers differently and does not say so."
        judged = Judged(BehaviourVerdict.SILENT, why)
    sent = f"{len(bench.block)} rows with the columns reversed"
    return _case(case_id, "structure", title, sent, answer, judged)


def extra_column(bench: Bench) -> BehaviourCase:
    """Send one column too many."""
    answer = bench.prober.ask(bench.block.assign(unexpected_column=1.0), proba=True)
    if answer.error is not None:
        judged = Judged(*judge_error(answer.error, ("feature", "column", "shape", "unexpected")))
    elif _unchanged(bench, answer):
        judged = Judged(BehaviourVerdict.HANDLED, "It leaves the extra column aside.")
    else:
        judged = Judged(BehaviourVerdict.SILENT, "It answers differently and does not say why.")
    sent = f"{len(bench.block)} rows with a column 'unexpected_column' more"
    return _case("extra_column", "structure", "A column too many", sent, answer, judged)


def missing_column(bench: Bench) -> BehaviourCase:
    """Send one column too few."""
    case_id, title = "missing_column", "A column too few"
    if bench.frame.shape[1] < 2:
        return skipped_case(case_id, "structure", title, "There is only one column.")
    name = str(bench.frame.columns[-1])
    answer = bench.prober.ask(bench.block.drop(columns=name))
    if answer.error is not None:
        judged = Judged(*judge_error(answer.error, ("feature", "column", "shape"), name))
    else:
        judged = Judged(BehaviourVerdict.SILENT, "It answers although an input is missing.")
    sent = f"{len(bench.block)} rows without {name!r}"
    return _case(case_id, "structure", title, sent, answer, judged)


def empty_table(bench: Bench) -> BehaviourCase:
    """Send no row at all."""
    answer = bench.prober.ask(bench.frame.head(0))
    if answer.error is not None:
        hints = ("0 sample", "empty", "minimum of", "at least", "0 row", "no rows", "shape")
        judged = Judged(*judge_error(answer.error, hints))
    else:
        judged = Judged(BehaviourVerdict.HANDLED, "No rows in, no answers out.")
    sent = "a table with all columns and no row"
    return _case("empty_table", "structure", "Empty table", sent, answer, judged)


def _unchanged(bench: Bench, answer: Answer) -> bool:
    """Whether the block got its ordinary answers."""
    return not bench.prober.changed(bench.ordinary.part(0, len(bench.block)), answer).any()


def _case(
    case_id: str, group: Group, title: str, sent: str, answer: Answer, judged: Judged
) -> BehaviourCase:
    """Put a result together."""
    return BehaviourCase(
        id=case_id,
        group=group,
        title=title,
        sent=sent,
        came_back=quote(answer),
        verdict=judged.verdict,
        why=judged.why,
    )
