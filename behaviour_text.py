"""Odd texts and odd dates: what is put into such columns, and which answer to it is good.

Owns: ``text_and_date_cases``, tried like those of ``behaviour_cases``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from behaviour_cases import TYPE_HINTS, Bench, ColumnCase, Judged
from behaviour_probe import Answer, not_finite
from formatting import percent
from intervals import share_estimate
from report_types import BehaviourVerdict
from schema_utils import Feature, Kind
from text_words import split_words

LONG_WORDS = 5_000
EVERY_WORD = 4
"""A typo stands in every fourth word."""

SCRIPTS = (
    "\u043f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430?",
    "\u4eca\u5929\u5929\u6c14\u5f88\u597d",
)
"""How are you, in Russian, and nice weather today, in Chinese."""

FUTURE, PAST = pd.Timestamp("2200-01-01"), pd.Timestamp("1850-01-01")
NO_DATE = "next Tuesday"


# --- what is put into a column ---------------------------------------------------------------


def _empty(column: pd.Series, _feature: Feature) -> pd.Series:
    return pd.Series([""] * len(column), index=column.index, dtype=column.dtype)


def _long(column: pd.Series, _feature: Feature) -> pd.Series:
    def grown(text: str) -> str:
        words = max(len(text.split()), 1)
        return " ".join([text] * (LONG_WORDS // words + 1))

    return _each_text(column, grown)


def _other_script(column: pd.Series, _feature: Feature) -> pd.Series:
    texts = [SCRIPTS[at % len(SCRIPTS)] for at in range(len(column))]
    return pd.Series(texts, index=column.index, dtype=column.dtype)


def _marked_up(column: pd.Series, _feature: Feature) -> pd.Series:
    return _each_text(column, lambda text: f'<p class="x">{text}&nbsp;</p>')


def _capitals(column: pd.Series, _feature: Feature) -> pd.Series:
    return _each_text(column, str.upper)


def _misspelled(column: pd.Series, _feature: Feature) -> pd.Series:
    return _each_text(column, with_typos)


def with_typos(text: str) -> str:
    """Return a text with two letters swapped in every fourth word of at least three.

    Examples
    --------
    >>> with_typos("please call me tomorrow or later")
    'pelase call me tomorrow or later'
    """
    pieces = split_words(text)
    long = [at for at in range(1, len(pieces), 2) if len(pieces[at]) > 2]
    for at in long[::EVERY_WORD]:
        word = pieces[at]
        pieces[at] = word[0] + word[2] + word[1] + word[3:]
    return "".join(pieces)


def _each_text(column: pd.Series, change: Callable[[str], str]) -> pd.Series:
    return column.map(lambda cell: change(cell) if isinstance(cell, str) else cell)


def _far_dates(column: pd.Series, _feature: Feature) -> pd.Series:
    dates = [FUTURE if at % 2 else PAST for at in range(len(column))]
    return pd.Series(dates, index=column.index, dtype=column.dtype)


def _no_dates(column: pd.Series, _feature: Feature) -> pd.Series:
    return pd.Series([NO_DATE] * len(column), index=column.index)


# --- which answer is good --------------------------------------------------------------------


def _answers(what: str) -> Callable[[Bench, str, Answer], Judged]:
    """Return a judge to whom every answer is silent, but NaN a sign."""

    def judge(_bench: Bench, _name: str, answer: Answer) -> Judged:
        if not_finite(answer):
            return Judged(BehaviourVerdict.HANDLED, "It answers NaN, so a caller can notice.")
        return Judged(BehaviourVerdict.SILENT, what)

    return judge


def _judge_long(_bench: Bench, _name: str, answer: Answer) -> Judged:
    if not_finite(answer):
        return Judged(BehaviourVerdict.BROKEN, "It answers NaN or infinity for a long text.")
    return Judged(BehaviourVerdict.HANDLED, "It answers a text of any length.")


def _kept(cause: str) -> Callable[[Bench, str, Answer], Judged]:
    """Return a judge that wants the answers to stay as they were."""

    def judge(bench: Bench, _name: str, answer: Answer) -> Judged:
        before = Answer(bench.ordinary.part(0, len(bench.block)).predictions)
        changed = bench.prober.changed(before, answer)
        if not changed.any():
            return Judged(BehaviourVerdict.HANDLED, "The answers stay the same.")
        share = share_estimate(int(np.sum(changed)), len(changed))
        ends = f"{percent(share.low)} to {percent(share.high)}"
        why = f"{cause} change {percent(share.value)} of the answers ({ends}), and nobody is told."
        return Judged(BehaviourVerdict.SILENT, why)

    return judge


_EMPTY = ColumnCase(
    "empty_text",
    "values",
    "Empty text",
    "a text without any word",
    _empty,
    ("empty", "vocabulary", "document"),
    _answers("It answers for a text that says nothing."),
)
_LONG = ColumnCase(
    "long_text",
    "values",
    "Very long text",
    f"the text repeated up to {LONG_WORDS:,} words",
    _long,
    ("long", "length", "large"),
    _judge_long,
)
_SCRIPT = ColumnCase(
    "other_script",
    "values",
    "Another script",
    "Russian and Chinese",
    _other_script,
    ("unicode", "encod", "character", "vocabulary"),
    _answers("It answers although it can hardly know a word of these texts."),
)
_MARKUP = ColumnCase(
    "markup",
    "robustness",
    "Markup around the text",
    "HTML tags around the text",
    _marked_up,
    ("tag", "markup", "html"),
    _kept("HTML tags"),
)
_CAPITALS = ColumnCase(
    "capitals",
    "robustness",
    "Text in capitals",
    "capital letters only",
    _capitals,
    ("case",),
    _kept("Capital letters"),
)
_TYPOS = ColumnCase(
    "text_typos",
    "robustness",
    "Typos in a text",
    "two letters swapped in every fourth word",
    _misspelled,
    ("word", "vocabulary"),
    _kept("Typos"),
)
_FAR_DATES = ColumnCase(
    "far_dates",
    "robustness",
    "Dates far away",
    "the years 1850 and 2200",
    _far_dates,
    ("range", "date", "time", "bound", "outside"),
    _answers("It answers and does not say that it has to guess."),
)
_NO_DATES = ColumnCase(
    "no_date",
    "values",
    "Words in a column of dates",
    f"the words {NO_DATE!r}",
    _no_dates,
    (NO_DATE, "date", "time", "parse", *TYPE_HINTS),
    _answers("It answers although words stand where a date belongs."),
)


def text_and_date_cases(bench: Bench) -> list[tuple[ColumnCase, list[str]]]:
    """Return the cases for texts and dates with their columns; none without such columns."""
    texts = [name for name, each in bench.features.items() if each.kind is Kind.TEXT]
    dates = [
        name
        for name, each in bench.features.items()
        if each.kind is Kind.DATETIME and bench.frame[name].dtype.kind == "M"
    ]
    of_texts = [_EMPTY, _LONG, _SCRIPT, _MARKUP, _CAPITALS, _TYPOS]
    of_dates = [_FAR_DATES, _NO_DATES]
    found = [(case, texts) for case in of_texts if texts]
    return found + [(case, dates) for case in of_dates if dates]
