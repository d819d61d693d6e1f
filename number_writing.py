"""Numbers that a column writes as texts: with units, signs of currency, percent or thousands marks.

Owns: ``number_writing``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

MOSTLY = 0.8
"""Share of the values that must be numbers for a column to be one of numbers."""

MAX_UNITS = 3
"""A column of more units than these is one of names, such as 12A and 7C."""

_BLANKS = " \u00a0\u202f"
_NUMBER = re.compile(
    rf"(?P<grouped>\d{{1,3}}(?:[{_BLANKS}'’]\d{{3}})+(?:[.,]\d+)?"
    r"|\d{1,3}(?:,\d{3})+\.\d+|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:,\d{3}){2,}|\d{1,3}(?:\.\d{3}){2,})"
    r"|(?P<comma>\d+,\d+)"
    r"|(?P<plain>\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+)"
)
_CURRENCY = r"[$€£¥₹₽₩]|USD|EUR|GBP|CHF|JPY|INR|CNY|AUD|CAD"
_BEFORE = re.compile(rf"(?P<open>\()?[-+−]?(?P<currency>{_CURRENCY})?[{_BLANKS}]?[-+−]?", re.I)
_UNIT = re.compile(r"[^\W\d_]{1,6}(?:[/·*][^\W\d_]{1,5})?[²³]?|°[CF]?|%|‰")


def number_writing(counts: Mapping[str, int]) -> dict[str, int] | None:
    """Return the marks by which numbers are written as texts, with how many values bear each.

    Parameters
    ----------
    counts : mapping of str to int
        The distinct texts of a column, and how often each comes.

    Returns
    -------
    dict of str to int, or None
        Most frequent first, such as ``{"the unit 'kg'": 160, "the unit 'lb'": 80}``. None where
        most values are no numbers, or no number bears a mark, or the texts after the numbers are
        too many to be units.

    Examples
    --------
    >>> number_writing({"12 kg": 3, "7.5 kg": 1}), number_writing({"1'200": 2, "80": 1})
    ({"the unit 'kg'": 4}, {'a thousands mark': 2})
    >>> number_writing({"red": 3}), number_writing({"12": 3})
    (None, None)
    """
    found: Counter[str] = Counter()
    numbers = 0
    for text, count in counts.items():
        marks = _marks_of(text.strip())
        if marks is not None:
            numbers += count
            found.update(dict.fromkeys(marks, count))
    units = [mark for mark in found if mark.startswith("the unit")]
    if not found or numbers < MOSTLY * sum(counts.values()) or len(units) > MAX_UNITS:
        return None
    return dict(found.most_common())


def _marks_of(text: str) -> list[str] | None:
    """Return the marks of a number, none for a plain one; None where the text is no number."""
    before = _BEFORE.match(text)
    number = _NUMBER.match(text, before.end() if before else 0)
    if before is None or number is None:
        return None
    after = text[number.end() :].strip()
    marks = [f"the currency {before['currency']!r}"] if before["currency"] else []
    marks += ["a thousands mark"] if number["grouped"] else []
    marks += ["a comma"] if number["comma"] else []
    if before["open"]:
        return [*marks, "brackets"] if after == ")" else None
    if not after:
        return marks
    if re.fullmatch(_CURRENCY, after, re.IGNORECASE):
        return [*marks, f"the currency {after!r}"]
    if _UNIT.fullmatch(after) is None:
        return None
    return [*marks, f"the unit {after!r}" if after not in "%‰" else f"the sign {after!r}"]
