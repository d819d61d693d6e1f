"""Checks of how a table writes what it means: dates, numbers, yes and no, letters, gaps.

Owns: ``writing_checks``. They look at columns of texts, except for the numbers that stand for a
missing value or count days as spreadsheets do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta

from date_writing import DateForm, DateWriting, date_writing
from formatting import every_name
from number_writing import number_writing
from validation_columns import Column, FloatArray, Table, told_line
from validation_types import DataCheck

FEWEST_PLACEHOLDERS = 3
PLACEHOLDERS = frozenset(sign * (10**digits - 1) for digits in range(2, 7) for sign in (-1, 1))
"""Numbers that stand for a missing value: 99, 999, ... 999999, and less than zero."""

_DATE_NAME = re.compile(r"(?i)(^|[\W_])(date|datum|ds|dt)($|[\W_])|_(on|at)$")
_SPREADSHEET_DAYS = (20_000, 60_000)  # 1954 to 2064
_SPREADSHEET_ZERO = date(1899, 12, 30)
_TRUTHS = {
    "yes": "yes/no",
    "no": "yes/no",
    "y": "y/n",
    "n": "y/n",
    "true": "true/false",
    "false": "true/false",
    "t": "t/f",
    "f": "t/f",
    "on": "on/off",
    "off": "on/off",
    "1": "1/0",
    "0": "1/0",
}
_CONTROLS = re.compile("[\x80-\x9f\ufffd]")


def writing_checks(table: Table) -> list[DataCheck]:
    """Check how the input columns of a table are written; one line per check."""
    return [_dates(table), _numbers(table), _truths(table), _letters(table), _placeholders(table)]


def _of_texts(table: Table, tell: Callable[[Mapping[str, int]], str | None]) -> dict[str, str]:
    """Return what is told of each column of texts of which there is something to tell."""
    told = {name: tell(column.texts) for name, column in table.columns.items() if column.texts}
    return {name: what for name, what in told.items() if what is not None}


# --- dates -----------------------------------------------------------------------------------


def _dates(table: Table) -> DataCheck:
    told = _of_texts(table, _about_dates)
    days = {name: _about_days(column.finite) for name, column in _of_date_names(table).items()}
    told |= {name: what for name, what in days.items() if what is not None}
    return told_line(
        table,
        (
            "date_forms",
            "Forms of dates",
            "writes dates in a way that can be misread",
            "write dates in a way that can be misread",
        ),
        told,
        "Write every date as year-month-day, such as 2024-03-01.",
    )


def _about_dates(counts: Mapping[str, int]) -> str | None:
    writing = date_writing(counts)
    if writing is None or (
        len(writing.forms) == 1 and not writing.open_order and not writing.others
    ):
        return None
    return _told_forms(writing)


def _told_forms(writing: DateWriting) -> str:
    parts = [_told_form(form) for form in writing.forms]
    if writing.others is not None:
        parts.append(f"no date {writing.others.count:,} times, such as {writing.others.example!r}")
    return every_name(parts)


def _told_form(form: DateForm) -> str:
    return f"{form.name} {form.count:,} times, such as {form.example}"


def _of_date_names(table: Table) -> dict[str, Column]:
    return {name: column for name, column in table.columns.items() if _DATE_NAME.search(name)}


def _about_days(ordered: FloatArray) -> str | None:
    """Say that numbers of a column called a date are the days of a spreadsheet, if they may be."""
    low, high = _SPREADSHEET_DAYS
    if not ordered.size or ordered[0] < low or ordered[-1] > high:
        return None
    day = _SPREADSHEET_ZERO + timedelta(days=float(ordered[0]))
    return f"{ordered[0]:g} is the day {day} as spreadsheets count"


# --- numbers ---------------------------------------------------------------------------------


def _numbers(table: Table) -> DataCheck:
    return told_line(
        table,
        (
            "marked_numbers",
            "Numbers as words",
            "writes numbers with marks, which makes words of them",
            "write numbers with marks, which makes words of them",
        ),
        _of_texts(table, _about_numbers),
        "Write plain numbers such as 1234.5; the unit belongs in the column's name.",
    )


def _about_numbers(counts: Mapping[str, int]) -> str | None:
    marks = number_writing(counts)
    if marks is None or date_writing(counts) is not None:
        return None
    example = next(iter(counts))
    listed = every_name([f"{mark} {number:,} times" for mark, number in marks.items()])
    return f"{listed}, such as {example!r}"


def _placeholders(table: Table) -> DataCheck:
    codes = {name: _about_codes(column.finite) for name, column in table.columns.items()}
    told = {name: what for name, what in codes.items() if what is not None}
    return told_line(
        table,
        (
            "placeholders",
            "Numbers for missing values",
            "holds a number that looks like a code for a missing value",
            "hold a number that looks like a code for a missing value",
        ),
        told,
        "Write missing values as empty cells; a model takes the code for a number.",
    )


def _about_codes(ordered: FloatArray) -> str | None:
    """Name the least or the greatest number where it looks like a code."""
    for code in (ordered[0], ordered[-1]) if ordered.size else ():
        if code not in PLACEHOLDERS:
            continue
        others = ordered[ordered != code]
        n_times = ordered.size - others.size
        if n_times >= FEWEST_PLACEHOLDERS and _stands_apart(code, others):
            return f"{code:g} {n_times:,} times"
    return None


def _stands_apart(code: float, others: FloatArray) -> bool:
    """Whether a number is farther from all others than they are from each other, or less than 0."""
    if not others.size:
        return False
    gap = max(code - others[-1], others[0] - code)
    return bool(gap > others[-1] - others[0] or (code < 0 <= others[0]))


# --- words -----------------------------------------------------------------------------------


def _truths(table: Table) -> DataCheck:
    return told_line(
        table,
        (
            "truth_words",
            "Yes and no",
            "writes yes and no in several ways",
            "write yes and no in several ways",
        ),
        _of_texts(table, _about_truths),
        "Agree on one pair, such as true and false.",
    )


def _about_truths(counts: Mapping[str, int]) -> str | None:
    pairs: dict[str, int] = {}
    for text, number in counts.items():
        pair = _TRUTHS.get(text.strip().casefold().removesuffix(".0"))
        if pair is None:
            return None
        pairs[pair] = pairs.get(pair, 0) + number
    if len(pairs) < 2:
        return None
    return every_name([f"{pair} {number:,} times" for pair, number in pairs.items()])


def _letters(table: Table) -> DataCheck:
    return told_line(
        table,
        (
            "letters",
            "Broken letters",
            "has letters that were read in the wrong encoding",
            "have letters that were read in the wrong encoding",
        ),
        _of_texts(table, _about_letters),
        "Save the table as UTF-8 again, from where its letters were still right.",
    )


def _about_letters(counts: Mapping[str, int]) -> str | None:
    broken = {text: number for text, number in counts.items() if _is_broken(text)}
    if not broken:
        return None
    return f"{next(iter(broken))!r} and the like, {sum(broken.values()):,} times"


def _is_broken(text: str) -> bool:
    """Whether a text is UTF-8 that was read as Windows-1252, or has signs that no text has."""
    if text.isascii():
        return False
    if _CONTROLS.search(text):
        return True
    try:
        return text.encode("cp1252").decode("utf-8") != text
    except UnicodeError:
        return False
