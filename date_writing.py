"""How a column writes its dates: in which forms, and whether day or month comes first.

Owns: ``date_writing``. Whether texts can be read as times is in ``date_forms``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MOSTLY = 0.8
"""Share of the values that must be dates for a column to be one of dates."""

_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})(?!\d)")
_IN_WORDS = re.compile(
    r"\d{1,2}\.?[ -][^\W\d_]{3,9}\.?,?[ -]\d{2,4}|[^\W\d_]{3,9}\.? \d{1,2},? \d{4}"
)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
_CLOCK = re.compile(r"(?:[T ,]+\d{1,2}:\d{2}\S*(?: ?[AaPp][Mm])?)?")


@dataclass(frozen=True, slots=True)
class DateForm:
    """One form of dates in a column.

    Parameters
    ----------
    name : str
        Such as ``day/month/year``.
    count : int
        How many values are written so.
    example : str
    """

    name: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class DateWriting:
    """How the dates of a column are written.

    Parameters
    ----------
    forms : tuple of DateForm
        Most frequent first. Values whose order of day and month nothing tells are a form called
        ``day/month or month/day`` with the mark between them.
    others : DateForm or None
        Values that are no dates.
    """

    forms: tuple[DateForm, ...]
    others: DateForm | None = None

    @property
    def open_order(self) -> DateForm | None:
        """The values of which nothing tells whether the day or the month comes first."""
        return next((form for form in self.forms if _OR in form.name), None)


_OR = " or "


def date_writing(counts: Mapping[str, int]) -> DateWriting | None:
    """Return how dates are written, or None where most values are no dates.

    Parameters
    ----------
    counts : mapping of str to int
        The distinct texts of a column, and how often each comes.

    Returns
    -------
    DateWriting or None
        Dates of which one number is above 12 tell the order of the others with the same mark; if
        they contradict each other, or there are none, the others stay open. With points, the day
        comes first. Times of day make no form of their own.

    Examples
    --------
    >>> writing = date_writing({"2024-03-01": 3, "13/03/2024": 1, "1/3/2024": 1})
    >>> [(form.name, form.count) for form in writing.forms]
    [('year-month-day', 3), ('day/month/year', 2)]
    >>> date_writing({"01/03/2024": 5}).open_order.name
    'day/month/year or month/day/year'
    """
    found: dict[str, DateForm] = {}
    for text, count in counts.items():
        _add(found, _form_of(text.strip()), count, text)
    others = found.pop("", None)
    total = sum(counts.values())
    if not found or (others is not None and others.count > (1 - MOSTLY) * total):
        return None
    forms = sorted(_settled(found).values(), key=lambda form: -form.count)
    return DateWriting(tuple(forms), others)


def _add(found: dict[str, DateForm], name: str, count: int, example: str) -> None:
    """Count values of a form; its first example stays."""
    known = found.get(name)
    found[name] = (
        DateForm(name, count, example)
        if known is None
        else DateForm(name, known.count + count, known.example)
    )


def _form_of(text: str) -> str:
    """Return the form of one text, "" if it is no date."""
    for pattern, name in ((_YEAR_FIRST, _year_first), (_YEAR_LAST, _year_last)):
        match = pattern.match(text)
        if match is not None:
            return name(match) if _CLOCK.fullmatch(text, match.end()) else ""
    match = _IN_WORDS.match(text)
    if match is None or not _CLOCK.fullmatch(text, match.end()):
        return ""
    words = re.findall(r"[^\W\d_]{3,9}", match.group())
    return "month in words" if words[0][:3].lower() in _MONTHS.split() else ""


def _year_first(match: re.Match[str]) -> str:
    _, mark, month, day = match.groups()
    return f"year{mark}month{mark}day" if _fits(day, month) else ""


def _year_last(match: re.Match[str]) -> str:
    one, mark, two, year = match.groups()
    named = "year" if len(year) == 4 else "yy"
    orders = {f"day{mark}month{mark}{named}": _fits(one, two)}
    if mark != ".":
        orders[f"month{mark}day{mark}{named}"] = _fits(two, one)
    return _OR.join(order for order, fits in orders.items() if fits)


def _fits(day: str, month: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31


def _settled(found: dict[str, DateForm]) -> dict[str, DateForm]:
    """Count values of open order as those of the only order that others of their mark have."""
    settled = {name: form for name, form in found.items() if _OR not in name}
    for name, form in found.items():
        if _OR in name:
            known = [order for order in name.split(_OR) if order in found]
            _add(settled, known[0] if len(known) == 1 else name, form.count, form.example)
    return settled
