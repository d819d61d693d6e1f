"""The odd inputs: what is sent, and which answer to it is good.

Owns: the cases that put odd values into one column at a time, summed up over the columns. Cases
that concern a whole table are in ``behaviour_tables``. A model is judged only by what a caller can
see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from behaviour_frames import Odd
from behaviour_probe import Answer, Prober, judge_error, not_finite, quote
from formatting import named
from model_types import ModelInfo, Task
from report_types import BehaviourCase, BehaviourVerdict
from schema_utils import Feature, Kind

MAX_COLUMNS = 12
"""Columns tried one by one; of wider tables, that many evenly spaced ones."""
BLOCK_ROWS = 20
"""Rows per column in the value cases."""

NEW_TEXT = "never-seen"
NEW_NUMBER = 987_654_321

Group = Literal["consistency", "values", "structure", "robustness"]
TYPE_HINTS = ("convert", "string", "str", "numeric", "dtype", "type", "number", "categor")
_NATIVE = ("HistGradientBoosting", "XGB", "LGBM", "Booster", "CatBoost")


class Judged(NamedTuple):
    """A verdict with its sentence."""

    verdict: BehaviourVerdict
    why: str


class Numbers(NamedTuple):
    """The k numeric columns of n rows: what noise is added to.

    Parameters
    ----------
    cells : ndarray of float64, shape (k, n)
    spreads : ndarray of float64, shape (k,)
        Standard deviations, 0 of a column without a finite number.
    whole : ndarray of bool, shape (k,)
        Whether a column holds whole numbers only.
    kinds : list of k dtypes
        In which a column with noise is sent.
    """

    cells: NDArray[np.float64]
    spreads: NDArray[np.float64]
    whole: NDArray[np.bool_]
    kinds: list[type[np.int64] | type[np.float64]]


@dataclass(frozen=True)
class Bench:
    """All that a case needs: the model behind its prober, ordinary rows and their answer.

    Parameters
    ----------
    prober : Prober
        Asks the model.
    frame : DataFrame, shape (n, k)
        Ordinary rows, the model's columns in order.
    ordinary : Answer
        The model's answer to ``frame``, without error.
    features : dict of str to Feature
        The schema's inputs by name.
    """

    prober: Prober
    frame: pd.DataFrame
    ordinary: Answer
    features: dict[str, Feature]

    @property
    def info(self) -> ModelInfo:
        """What the model says of itself."""
        return self.prober.model.info

    @cached_property
    def block(self) -> pd.DataFrame:
        """The first few rows."""
        return self.frame.head(BLOCK_ROWS)

    def source(self, name: str) -> str:
        """Return which parts of the model take a column, as far as it tells."""
        return next((told.source for told in self.info.features if told.name == name), "")

    def numeric(self) -> list[str]:
        """Return the numeric columns."""
        return list(self._numeric)

    @cached_property
    def _numeric(self) -> tuple[str, ...]:
        return tuple(
            str(name)
            for name, dtype in self.frame.dtypes.items()
            if self.features[str(name)].kind.is_numeric and dtype.kind in "iuf"
        )

    @cached_property
    def numbers(self) -> Numbers:
        """The numeric columns, taken out of the table once."""
        names = self.numeric()
        cells = np.ascontiguousarray(self.frame[names].to_numpy(dtype=np.float64).T)
        known = np.isfinite(cells).any(axis=1)
        spreads = np.zeros(len(names))
        spreads[known] = np.nanstd(cells[known], axis=1)
        stored = [kind.kind in "iu" for kind in self.frame[names].dtypes]
        told = [self.features[name].kind is Kind.INTEGER for name in names]
        whole = np.array(stored, dtype=bool) | np.array(told, dtype=bool)
        kinds = [np.int64 if integral else np.float64 for integral in stored]
        return Numbers(cells, spreads, whole, kinds)

    def categorical(self) -> list[str]:
        """Return the columns of categories."""
        columns = map(str, self.frame.columns)
        return [name for name in columns if self.features[name].kind is Kind.CATEGORICAL]


@dataclass(frozen=True, slots=True)
class ColumnCase:
    """A case that is tried in one column after the other.

    Parameters
    ----------
    id, group, title : str
        As in ``BehaviourCase``.
    sent : str
        What is put into the column, for the sentence "20 rows with … in 'age'".
    make : callable
        Column of ordinary values to column of odd ones.
    hints : tuple of str
        Words of a clear error; the column's name is one too.
    judge : callable
        Column name and answer to a verdict, where the model answered.
    """

    id: str
    group: Group
    title: str
    sent: str
    make: Callable[[pd.Series, Feature], pd.Series]
    hints: tuple[str, ...]
    judge: Callable[[Bench, str, Answer], Judged]


# --- one column after the other --------------------------------------------------------------


def column_changes(bench: Bench, case: ColumnCase, columns: Sequence[str]) -> dict[str, Odd]:
    """Return the odd tables of a case by column, at most ``MAX_COLUMNS`` of them."""
    rows = np.arange(len(bench.block))
    made = {
        name: case.make(bench.block[name], bench.features[name])
        for name in spread(columns, MAX_COLUMNS)
    }
    return {name: Odd(rows, {name: cells}) for name, cells in made.items()}


def judge_column_case(
    bench: Bench, case: ColumnCase, answers: Mapping[str, Answer]
) -> list[BehaviourCase]:
    """Judge the answers by column and sum them up, one result per kind of outcome."""
    if not answers:
        return [skipped_case(case.id, case.group, case.title, "The model has no such column.")]
    outcomes: dict[tuple[BehaviourVerdict, str], list[str]] = {}
    judged = {name: _judge_column(bench, case, name, answers[name]) for name in answers}
    for name, (verdict, why) in judged.items():
        kind = type(answers[name].error).__name__ if answers[name].error else why
        outcomes.setdefault((verdict, kind), []).append(name)
    results: list[BehaviourCase] = []
    for (verdict, _), names in outcomes.items():
        several = len(outcomes) > 1
        results.append(
            BehaviourCase(
                id=case.id if not results else f"{case.id}:{len(results) + 1}",
                group=case.group,
                title=f"{case.title} ({_listed(names)})" if several else case.title,
                sent=f"{len(bench.block)} rows with {case.sent} in {_each(names)}",
                came_back=quote(answers[names[0]]),
                verdict=verdict,
                why=judged[names[0]].why,
                affected_share=_affected(bench, [answers[name] for name in names]),
            )
        )
    return results


def spread(columns: Sequence[str], limit: int) -> list[str]:
    """Return all columns, or ``limit`` evenly spaced ones.

    Examples
    --------
    >>> spread(["a", "b", "c", "d", "e"], 3)
    ['a', 'c', 'e']
    """
    if len(columns) <= limit:
        return list(columns)
    places = np.linspace(0, len(columns) - 1, limit).round().astype(int)
    return [columns[place] for place in places]


def _judge_column(bench: Bench, case: ColumnCase, name: str, answer: Answer) -> Judged:
    """Judge the outcome in one column."""
    if answer.error is not None:
        return Judged(*judge_error(answer.error, case.hints, name))
    return case.judge(bench, name, answer)


def _affected(bench: Bench, answers: Sequence[Answer]) -> float | None:
    """Return the share of rows, over all answers, that differ from the ordinary answer."""
    if any(answer.error for answer in answers):
        return None
    before = bench.ordinary.part(0, len(bench.block))
    return float(np.mean([bench.prober.changed(before, answer).mean() for answer in answers]))


def _each(names: Sequence[str]) -> str:
    """Name the column, or say that each of several was tried."""
    return repr(names[0]) if len(names) == 1 else f"one column at a time: {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    """List at most five names."""
    return named([name[:40] for name in names])


def skipped_case(case_id: str, group: Group, title: str, why: str) -> BehaviourCase:
    """Return a case that does not apply."""
    verdict = BehaviourVerdict.SKIPPED
    return BehaviourCase(
        id=case_id, group=group, title=title, sent="", came_back="", verdict=verdict, why=why
    )


# --- what is put into a column ---------------------------------------------------------------


def _blank(column: pd.Series, _feature: Feature) -> pd.Series:
    """All missing, in the dtype pandas uses for it."""
    return column.where(np.zeros(len(column), dtype=bool))


def _none(column: pd.Series, _feature: Feature) -> pd.Series:
    return pd.Series([None] * len(column), index=column.index, dtype=object)


def _unseen(column: pd.Series, _feature: Feature) -> pd.Series:
    new: Any = NEW_NUMBER if column.dtype.kind in "iuf" else NEW_TEXT
    return pd.Series([new] * len(column), index=column.index)


def _infinite(column: pd.Series, _feature: Feature) -> pd.Series:
    signs = np.where(np.arange(len(column)) % 2, -np.inf, np.inf)
    return pd.Series(signs, index=column.index)


def _text(column: pd.Series, _feature: Feature) -> pd.Series:
    return pd.Series(["abc"] * len(column), index=column.index)


def _true(column: pd.Series, _feature: Feature) -> pd.Series:
    return pd.Series(np.arange(len(column)) % 2 == 0, index=column.index)


def _far_out(column: pd.Series, feature: Feature) -> pd.Series:
    """Ten widths below the minimum and above the maximum."""
    low = float(column.min()) if feature.minimum is None else feature.minimum
    high = float(column.max()) if feature.maximum is None else feature.maximum
    if not np.isfinite([low, high]).all():
        low, high = 0.0, 1.0
    width = (high - low) or 1.0
    values = np.where(np.arange(len(column)) % 2, low - 10 * width, high + 10 * width)
    values = np.round(values) if feature.kind is Kind.INTEGER else values
    return pd.Series(values, index=column.index)


# --- which answer is good --------------------------------------------------------------------


def _judge_missing(bench: Bench, name: str, answer: Answer) -> Judged:
    """Missing values are handled by an imputer, a library that knows them, or the training data."""
    handler = _handler_of_missing(bench.info, bench.source(name))
    if handler is not None:
        return Judged(BehaviourVerdict.HANDLED, f"{handler} is made for missing values.")
    if bench.features[name].missing_rate > 0:
        return Judged(BehaviourVerdict.HANDLED, "Its data has missing values here, it answers.")
    if not_finite(answer):
        return Judged(BehaviourVerdict.HANDLED, "It answers NaN, so a caller can notice.")
    return Judged(
        BehaviourVerdict.SILENT,
        "It answers as if nothing were missing, and nothing in it is known to fill the gap.",
    )


def _handler_of_missing(info: ModelInfo, source: str) -> str | None:
    """Return the part of the model that handles missing values in a column told by ``source``."""
    for part in source.split(", "):
        if "Imputer" in part or "Encoder" in part:
            return part
    names = [step.estimator for step in info.steps] + [info.final_estimator, info.estimator]
    names += [value for step in info.steps for value in step.parameters.values()]
    for name in names:
        if "Imputer" in name or any(native in name for native in _NATIVE):
            return name.split("(")[0][:60].strip("[' ")
    return None


def _judge_unseen(bench: Bench, name: str, _answer: Answer) -> Judged:
    """Take an encoder that answers for a decision: unless told otherwise, encoders raise."""
    encoder = next((part for part in bench.source(name).split(", ") if "Encoder" in part), None)
    if encoder is not None:
        why = f"Its {encoder} was set to accept categories it has never seen."
        return Judged(BehaviourVerdict.HANDLED, why)
    return Judged(BehaviourVerdict.SILENT, "It answers for a category that it has never seen.")


def _judge_silent(what: str) -> Callable[[Bench, str, Answer], Judged]:
    """Return a judge to whom every answer is silent, but NaN a sign."""

    def judge(_bench: Bench, _name: str, answer: Answer) -> Judged:
        if not_finite(answer):
            return Judged(BehaviourVerdict.HANDLED, "It answers NaN, so a caller can notice.")
        return Judged(BehaviourVerdict.SILENT, what)

    return judge


def _judge_boolean(_bench: Bench, _name: str, _answer: Answer) -> Judged:
    return Judged(BehaviourVerdict.HANDLED, "It reads true and false as 1 and 0, as NumPy does.")


def _judge_far_out(bench: Bench, _name: str, answer: Answer) -> Judged:
    """Outlier detectors should notice; other models can only answer with finite numbers."""
    if not_finite(answer):
        return Judged(BehaviourVerdict.BROKEN, "It answers NaN or infinity for finite input.")
    if bench.info.task is Task.OUTLIER:
        share = float(np.mean(answer.y_pred == -1))
        if share >= 0.9:
            return Judged(BehaviourVerdict.HANDLED, "It calls these rows outliers.")
        why = f"It calls only {share:.0%} of these rows outliers."
        return Judged(BehaviourVerdict.SILENT, why)
    if bench.prober.predicts_numbers and _leaves_range(bench, answer):
        why = "It extrapolates: answers lie outside everything it says for ordinary rows."
        return Judged(BehaviourVerdict.SILENT, why)
    return Judged(BehaviourVerdict.SILENT, "It answers and does not say that it has to guess.")


def _leaves_range(bench: Bench, answer: Answer) -> bool:
    """Whether numbers lie outside the range of the ordinary answers."""
    usual, now = bench.ordinary.y_pred.astype(float), answer.y_pred.astype(float)
    return bool(now.max() > usual.max() or now.min() < usual.min())


MISSING = ColumnCase(
    "missing_values",
    "values",
    "Missing values",
    "NaN",
    _blank,
    ("nan", "missing", "null", "none", "infinity"),
    _judge_missing,
)
NONE = ColumnCase(
    "none",
    "values",
    "None instead of a number",
    "None",
    _none,
    ("nan", "missing", "null", "none", "dtype"),
    _judge_missing,
)
UNSEEN = ColumnCase(
    "unseen_category",
    "values",
    "Category never seen in training",
    "a new category",
    _unseen,
    ("categor", "unknown", "unseen", "convert", NEW_TEXT, str(NEW_NUMBER)),
    _judge_unseen,
)
INFINITE = ColumnCase(
    "infinity",
    "values",
    "Infinite numbers",
    "infinity and minus infinity",
    _infinite,
    ("infin", "too large", "finite"),
    _judge_silent("It answers as if infinity were an ordinary number."),
)
WRONG_TYPE = ColumnCase(
    "wrong_type",
    "values",
    "Text in a numeric column",
    "the text 'abc'",
    _text,
    ("abc", *TYPE_HINTS),
    _judge_silent("It answers although a text stands where a number belongs."),
)
BOOLEAN = ColumnCase(
    "boolean",
    "values",
    "True and false in a numeric column",
    "true and false",
    _true,
    ("bool", *TYPE_HINTS),
    _judge_boolean,
)
FAR_OUT = ColumnCase(
    "out_of_range",
    "robustness",
    "Far outside the range",
    "values ten ranges beyond the minimum or maximum",
    _far_out,
    ("range", "large", "small", "outside", "bound", "maximum", "minimum"),
    _judge_far_out,
)


def value_cases(bench: Bench) -> list[tuple[ColumnCase, list[str]]]:
    """Return the column cases with the columns that each applies to."""
    numeric, every = bench.numeric(), [str(name) for name in bench.frame.columns]
    return [
        (MISSING, every),
        (NONE, numeric[:1]),
        (UNSEEN, bench.categorical()),
        (INFINITE, numeric),
        (WRONG_TYPE, numeric),
        (BOOLEAN, numeric[:1]),
    ]
