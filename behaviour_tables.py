"""Odd tables as a whole: numbers as text, huge numbers, columns reordered, added or left out.

Owns: the cases that do not concern one column, and what a good answer to each is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from behaviour_cases import TYPE_HINTS, Bench, Group, Judged, skipped_case
from behaviour_frames import Odd, with_columns
from behaviour_probe import Answer, judge_error, not_finite, quote
from report_types import BehaviourCase, BehaviourVerdict


@dataclass(frozen=True, slots=True)
class TableCase:
    """A case that is one table.

    Parameters
    ----------
    id, group, title : str
        As in ``BehaviourCase``.
    make : callable
        Returns the table, or None where there can be none.
    judge : callable
        Returns what was sent, in words, and what the answer to it is worth.
    why_absent : str
        Why there is no table.
    proba : bool
        Whether probabilities are compared too.
    """

    id: str
    group: Group
    title: str
    make: Callable[[Bench], pd.DataFrame | None]
    judge: Callable[[Bench, Answer], tuple[str, Judged]]
    why_absent: str = ""
    proba: bool = False


def judge_table_case(bench: Bench, case: TableCase, answer: Answer | None) -> BehaviourCase:
    """Put a result together; None stands for the answer to a table that cannot be made."""
    if answer is None:
        return skipped_case(case.id, case.group, case.title, case.why_absent)
    sent, judged = case.judge(bench, answer)
    return _case(case.id, case.group, case.title, sent, answer, judged)


# --- numbers of another size -----------------------------------------------------------------


def magnitude_change(bench: Bench, size: float) -> Odd:
    """Return the block with one very large or very small number in all numeric columns."""
    cells = np.full(len(bench.block), size)
    return Odd(np.arange(len(bench.block)), dict.fromkeys(bench.numeric(), cells))


def judge_magnitude(bench: Bench, size: float, answer: Answer) -> BehaviourCase:
    """Judge the answer to ``magnitude_change``."""
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


# --- one table each --------------------------------------------------------------------------


def _as_text(bench: Bench) -> pd.DataFrame | None:
    """Write every number as text, as a careless CSV reader would."""
    numeric = bench.numeric()
    texts = {name: bench.block[name].astype("str") for name in numeric}
    return with_columns(bench.block, texts) if numeric else None


def _judge_as_text(bench: Bench, answer: Answer) -> tuple[str, Judged]:
    first = bench.block[bench.numeric()[0]].head(1).astype("str").iloc[0]
    sent = f"{len(bench.block)} rows with numbers as text, such as {str(first)!r}"
    if answer.error is not None:
        return sent, Judged(*judge_error(answer.error, TYPE_HINTS))
    if _unchanged(bench, answer):
        why = "It reads them as the numbers they are."
        return sent, Judged(BehaviourVerdict.HANDLED, why)
    why = "It answers, but not what it says to numbers."
    return sent, Judged(BehaviourVerdict.SILENT, why)


def _reversed(bench: Bench) -> pd.DataFrame | None:
    """Put the columns in reverse order."""
    return bench.block.iloc[:, ::-1] if bench.frame.shape[1] > 1 else None


def _judge_reversed(bench: Bench, answer: Answer) -> tuple[str, Judged]:
    sent = f"{len(bench.block)} rows with the columns reversed"
    if answer.error is not None:
        hints = ("feature", "column", "order", *TYPE_HINTS)
        return sent, Judged(*judge_error(answer.error, hints))
    if bench.info.input_form == "matrix":
        why = "It was fitted without column names, so it takes columns by place and cannot notice."
        return sent, Judged(BehaviourVerdict.SILENT, why)
    if _unchanged(bench, answer):
        return sent, Judged(BehaviourVerdict.HANDLED, "It finds its columns by name.")
    why = "It knows its column names, yet answers differently and does not say so."
    return sent, Judged(BehaviourVerdict.SILENT, why)


def _with_another(bench: Bench) -> pd.DataFrame:
    """Add one column too many."""
    return bench.block.assign(unexpected_column=1.0)


def _judge_with_another(bench: Bench, answer: Answer) -> tuple[str, Judged]:
    sent = f"{len(bench.block)} rows with a column 'unexpected_column' more"
    if answer.error is not None:
        hints = ("feature", "column", "shape", "unexpected")
        return sent, Judged(*judge_error(answer.error, hints))
    if _unchanged(bench, answer):
        return sent, Judged(BehaviourVerdict.HANDLED, "It leaves the extra column aside.")
    why = "It answers differently and does not say why."
    return sent, Judged(BehaviourVerdict.SILENT, why)


def _without_last(bench: Bench) -> pd.DataFrame | None:
    """Leave one column out."""
    return bench.block.iloc[:, :-1] if bench.frame.shape[1] > 1 else None


def _judge_without_last(bench: Bench, answer: Answer) -> tuple[str, Judged]:
    name = str(bench.frame.columns[-1])
    sent = f"{len(bench.block)} rows without {name!r}"
    if answer.error is not None:
        return sent, Judged(*judge_error(answer.error, ("feature", "column", "shape"), name))
    return sent, Judged(BehaviourVerdict.SILENT, "It answers although an input is missing.")


def _without_rows(bench: Bench) -> pd.DataFrame:
    """Leave every row out."""
    return bench.frame.head(0)


def _judge_without_rows(_bench: Bench, answer: Answer) -> tuple[str, Judged]:
    sent = "a table with all columns and no row"
    if answer.error is not None:
        hints = ("0 sample", "empty", "minimum of", "at least", "0 row", "no rows", "shape")
        return sent, Judged(*judge_error(answer.error, hints))
    return sent, Judged(BehaviourVerdict.HANDLED, "No rows in, no answers out.")


_NO_OTHER = "There is only one column."
TABLE_CASES = (
    TableCase(
        "numbers_as_text",
        "values",
        "Numbers written as text",
        _as_text,
        _judge_as_text,
        "The model has no numeric column.",
    ),
    TableCase(
        "column_order",
        "structure",
        "Columns in another order",
        _reversed,
        _judge_reversed,
        _NO_OTHER,
        proba=True,
    ),
    TableCase(
        "extra_column",
        "structure",
        "A column too many",
        _with_another,
        _judge_with_another,
        proba=True,
    ),
    TableCase(
        "missing_column",
        "structure",
        "A column too few",
        _without_last,
        _judge_without_last,
        _NO_OTHER,
    ),
    TableCase("empty_table", "structure", "Empty table", _without_rows, _judge_without_rows),
)


# --- both ------------------------------------------------------------------------------------


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
