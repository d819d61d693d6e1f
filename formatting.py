"""How numbers, units, times, verdicts and other people's text are written for people.

Owns: rounding (four significant digits, a number that is not zero never looks like zero), units,
the look of every verdict (icon, word and colour together), and the escaping of user text for
Markdown, HTML and CSV. Knows nothing of any result type but the bricks in ``base_types``.
"""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from base_types import Estimate

Cell = str | int | float | bool | None
"""One value of a table."""

MISSING = "–"
"""What stands where there is no value."""

MINUS = "−"
"""The true minus sign, as wide as a plus."""

_SCIENTIFIC_FROM = 1e15
_SCIENTIFIC_BELOW = 1e-4
_CONTROL_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn"}
_JOINERS = {"\u200c", "\u200d", "\ufe0f"}  # inside emoji and several scripts


# --- numbers ---------------------------------------------------------------------------------


def number(value: float | None, *, digits: int = 4) -> str:
    """Write a number with significant digits, thousands separators and a true minus.

    Digits before the decimal point are never rounded away, and a value that is not zero never
    becomes "0": below 0.0001 and from 10^15 on the number is written as ``1.234e−5``.

    Parameters
    ----------
    value : float or None
        None and NaN give "–".
    digits : int, default 4
        Significant digits, at least 1.

    Examples
    --------
    >>> number(1234567), number(0.91234567), number(-0.00001234), number(None)
    ('1,234,567', '0.9123', '−1.234e−5', '–')
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if value == 0:
        return "0"
    size = abs(value)
    if isinstance(value, int) or _SCIENTIFIC_BELOW <= size < _SCIENTIFIC_FROM:
        text = _plain(size, digits)
    else:
        text = _scientific(size, digits)
    return (MINUS if value < 0 else "") + text


def _plain(size: float, digits: int) -> str:
    if isinstance(size, int):
        return f"{size:,}"
    decimals = max(digits - 1 - math.floor(math.log10(size)), 0)
    text = f"{size:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scientific(size: float, digits: int) -> str:
    mantissa, exponent = f"{size:.{digits - 1}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}".replace("-", MINUS)


def with_unit(value: float | None, unit: str = "") -> str:
    """Write a number and its unit; knows ``ms``, ``s``, ``share``, ``rows/s``, ``MB``, ``bytes``.

    Examples
    --------
    >>> with_unit(0.05, "share"), with_unit(12.5, "ms"), with_unit(3.0, "columns")
    ('5%', '12.5 ms', '3 columns')
    """
    writer = _WRITERS.get(unit)
    if writer is not None:
        return writer(value)
    text = number(value)
    return text if value is None or not unit else f"{text} {unit}"


def signed(value: float | None, unit: str = "") -> str:
    """Write a change with its sign: "+0.02", "−3.1 ms", "±0".

    Examples
    --------
    >>> signed(0.02), signed(-3.1, "ms"), signed(0.0), signed(None)
    ('+0.02', '−3.1 ms', '±0', '–')
    """
    if value is None or math.isnan(value):
        return MISSING
    if value == 0:
        return with_unit(0, unit).replace("0", "±0", 1)
    text = with_unit(value, unit)
    return f"+{text}" if value > 0 else text


def percent(share: float | None, *, digits: int = 3) -> str:
    """Write a share of 0..1 as a percentage; only 1 itself is written as 100%.

    Examples
    --------
    >>> percent(0.1234), percent(0.99999), percent(1.0), percent(0.00001)
    ('12.3%', '>99.9%', '100%', '0.001%')
    """
    if share is None or math.isnan(share):
        return MISSING
    if 0.9995 <= share < 1:
        return ">99.9%"
    return number(share * 100, digits=digits) + "%"


def p_value(value: float | None) -> str:
    """Write a p-value with two significant digits, "<0.001" below that.

    Examples
    --------
    >>> p_value(0.03456), p_value(1e-9)
    ('0.035', '<0.001')
    """
    if value is None or math.isnan(value):
        return MISSING
    if value < 0.001:
        return "<0.001"
    return number(value, digits=2)


def interval(
    value: float | None,
    low: float | None,
    high: float | None,
    *,
    write: Callable[[float | None], str] = number,
) -> str:
    """Write "value (low – high)", or the value alone where there is no interval.

    Examples
    --------
    >>> interval(0.91, 0.88, 0.94)
    '0.91 (0.88 – 0.94)'
    """
    if value is None or low is None or high is None:
        return write(value)
    return f"{write(value)} ({write(low)} – {write(high)})"


def estimate(result: Estimate, unit: str = "") -> str:
    """Write an estimate with its interval and unit."""
    return interval(result.value, result.low, result.high, write=lambda x: with_unit(x, unit))


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """Write a number of things: "1 row", "1,200 rows".

    Examples
    --------
    >>> count(1, "row"), count(1200, "row"), count(2, "class", "classes")
    ('1 row', '1,200 rows', '2 classes')
    """
    return f"{number(amount)} {noun if amount == 1 else plural or noun + 's'}"


# --- units -----------------------------------------------------------------------------------


def duration(seconds: float | None) -> str:
    """Write a duration in the unit that fits: ns, µs, ms, s, min, h.

    Examples
    --------
    >>> duration(0.0000123), duration(0.25), duration(75), duration(7300)
    ('12.3 µs', '250 ms', '1 min 15 s', '2 h 1 min')
    """
    if seconds is None or math.isnan(seconds):
        return MISSING
    size = abs(seconds)
    if size >= 3600:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
    if size >= 60:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if size * factor >= 1:
            return f"{number(seconds * factor)} {unit}"
    return "0 s" if seconds == 0 else f"{number(seconds * 1e9)} ns"


def duration_ms(milliseconds: float | None) -> str:
    """Write a duration given in milliseconds.

    Examples
    --------
    >>> duration_ms(0.25), duration_ms(1500.0), duration_ms(None)
    ('250 µs', '1.5 s', '–')
    """
    return duration(None if milliseconds is None else milliseconds / 1000)


def byte_size(n_bytes: float | None) -> str:
    """Write a size in bytes in decimal units (1 kB = 1,000 bytes).

    Examples
    --------
    >>> byte_size(512), byte_size(1_536_000)
    ('512 bytes', '1.54 MB')
    """
    if n_bytes is None or math.isnan(n_bytes):
        return MISSING
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(n_bytes) >= factor:
            return f"{number(n_bytes / factor, digits=3)} {unit}"
    return f"{number(n_bytes)} {'byte' if n_bytes == 1 else 'bytes'}"


def rows_per_second(value: float | None) -> str:
    """Write a throughput; whole rows above a hundred, so that no digits are pretended.

    Examples
    --------
    >>> rows_per_second(229.83), rows_per_second(1_549_908.0)
    ('230 rows/s', '1.55 M rows/s')
    """
    if value is None or math.isnan(value):
        return MISSING
    if value >= 1e6:
        return f"{number(value / 1e6, digits=3)} M rows/s"
    return f"{number(round(value) if value >= 100 else value)} rows/s"


def _megabytes(value: float | None) -> str:
    return byte_size(None if value is None else value * 1e6)


_WRITERS: dict[str, Callable[[float | None], str]] = {
    "ms": duration_ms,
    "s": duration,
    "share": percent,
    "%": lambda value: percent(None if value is None else value / 100),
    "rows/s": rows_per_second,
    "MB": _megabytes,
    "bytes": byte_size,
    "p": p_value,
}


# --- time ------------------------------------------------------------------------------------


def timestamp(moment: datetime | None, zone: tzinfo = UTC) -> str:
    """Write a moment as ``2026-11-21 14:03 UTC`` in the given zone.

    A moment without a zone is taken as UTC, as the store keeps them.

    Examples
    --------
    >>> timestamp(datetime(2026, 11, 21, 14, 3))
    '2026-11-21 14:03 UTC'
    """
    if moment is None:
        return MISSING
    local = _aware(moment).astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M} {local.tzname() or ''}".rstrip()


def relative_time(moment: datetime | None, now: datetime) -> str:
    """Write how long ago (or ahead) a moment is: "just now", "3 min ago", "in 2 days"."""
    if moment is None:
        return MISSING
    seconds = (_aware(now) - _aware(moment)).total_seconds()
    if abs(seconds) < 10:
        return "just now"
    amount, unit = _largest_unit(abs(seconds))
    text = f"{amount} {unit}" if unit in ("s", "min", "h") else count(amount, unit)
    return f"{text} ago" if seconds > 0 else f"in {text}"


def moment(when: datetime | None, now: datetime, zone: tzinfo = UTC) -> str:
    """Write a moment absolute and relative: ``2026-11-21 14:03 UTC (3 min ago)``.

    Examples
    --------
    >>> moment(datetime(2026, 11, 21, 14, 0), datetime(2026, 11, 21, 14, 3))
    '2026-11-21 14:00 UTC (3 min ago)'
    """
    if when is None:
        return MISSING
    return f"{timestamp(when, zone)} ({relative_time(when, now)})"


def _aware(when: datetime) -> datetime:
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _largest_unit(seconds: float) -> tuple[int, str]:
    sizes = ((31_557_600, "year"), (2_629_800, "month"), (86_400, "day"), (3600, "h"), (60, "min"))
    for size, unit in sizes:
        if seconds >= size:
            return int(seconds // size), unit
    return int(seconds), "s"


# --- other people's text ---------------------------------------------------------------------


def named(names: Sequence[str], limit: int = 5) -> str:
    """Return the first names, and how many more there are.

    Examples
    --------
    >>> named(["a", "b", "c"], limit=2), named(["a"])
    ('a, b and 1 more', 'a')
    """
    more = len(names) - limit
    shown = ", ".join(names[:limit])
    return f"{shown} and {more} more" if more > 0 else shown


def every_name(names: Sequence[str]) -> str:
    """Return all names (at least one) as a list for a sentence.

    Examples
    --------
    >>> every_name(["a", "b", "c"]), every_name(["a"])
    ('a, b and c', 'a')
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def plain_text(text: object, limit: int | None = None) -> str:
    r"""Return text without control and direction characters, on one line, at most ``limit`` long.

    Direction overrides can make a name read as something else; control characters break XML.

    Examples
    --------
    >>> plain_text("two\nlines\x1b[31m"), plain_text("a long name of a column", 10)
    ('two lines[31m', 'a long…umn')
    """
    cleaned = "".join(_visible(character) for character in str(text))
    cleaned = " ".join(cleaned.split())
    return cleaned if limit is None else shorten(cleaned, limit)


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    hidden = unicodedata.category(character) in _CONTROL_CATEGORIES and character not in _JOINERS
    return "" if hidden else character


def shorten(text: str, limit: int) -> str:
    """Cut a text in the middle, so that its beginning and its end can be told apart.

    Examples
    --------
    >>> shorten("average_monthly_income", 13)
    'average_…come'
    """
    if len(text) <= limit:
        return text
    tail = (limit - 1) * 2 // 5
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"


_MARKDOWN = re.compile(r"([\\`*_\[\]{}():$#~|<>!&+=.-])")
_FOUND_LATER = re.compile(r"(?i)(://|www(?=\.)|@|:(?=material/|streamlit:|spinner:))")
_WORD_JOINER = "\u2060"


def escape_markdown(text: object) -> str:
    r"""Return text that Markdown, Streamlit's directives and emoji codes leave as it is.

    Every character with a meaning gets a backslash; addresses and icon names are broken by an
    invisible word joiner, because they are looked for after the escapes have been read.

    Examples
    --------
    >>> escape_markdown("m_a_x :red[*y*]")
    'm\\_a\\_x \\:red\\[\\*y\\*\\]'
    """
    unlinked = _FOUND_LATER.sub(rf"\1{_WORD_JOINER}", plain_text(text))
    return _MARKDOWN.sub(r"\\\1", unlinked)


def escape_html(text: object) -> str:
    """Return text that is safe inside HTML elements and quoted attributes.

    Examples
    --------
    >>> escape_html('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    return html.escape(plain_text(text), quote=True)


def csv_safe(cell: Cell) -> Cell:
    """Return a cell that no spreadsheet takes for a formula.

    Strings that start with ``= + - @``, a tab or a line break (or their full-width forms) get an
    apostrophe in front, as OWASP advises; numbers stay numbers.

    Examples
    --------
    >>> csv_safe("=cmd|' /C calc'!A0"), csv_safe(-5)
    ("'=cmd|' /C calc'!A0", -5)
    """
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return cell


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


# --- verdicts --------------------------------------------------------------------------------


class Look(NamedTuple):
    """How a state is shown: always icon, word and colour together.

    Parameters
    ----------
    icon : str
        Material symbol for Streamlit.
    symbol : str
        One character for HTML, Markdown and charts.
    word : str
        What it is called.
    role : {"pass", "warn", "fail", "skip"}
        Names the colour: CSS class in the report, field of ``figure_style.Palette``.
    """

    icon: str
    symbol: str
    word: str
    role: str

    @property
    def streamlit_colour(self) -> str:
        """Colour name that ``st.badge`` and Markdown directives know."""
        return {"pass": "green", "warn": "orange", "fail": "red", "skip": "gray"}[self.role]


def _passed(word: str) -> Look:
    return Look(":material/check_circle:", "✔", word, "pass")


def _warned(word: str) -> Look:
    return Look(":material/warning:", "▲", word, "warn")


def _failed(word: str) -> Look:
    return Look(":material/cancel:", "✖", word, "fail")


def _neutral(word: str, icon: str = ":material/help:", symbol: str = "○") -> Look:
    return Look(icon, symbol, word, "skip")


LOOKS: dict[str, Look] = {
    # verdicts of checks and runs
    "pass": _passed("Pass"),
    "warn": _warned("Warn"),
    "fail": _failed("Fail"),
    "skip": _neutral("Not checked"),
    # sections and runs
    "ok": _passed("Done"),
    "skipped": _neutral("Skipped"),
    "failed": _failed("Failed"),
    "queued": _neutral("Queued", ":material/schedule:", "◔"),
    "running": _neutral("Running", ":material/progress_activity:", "◑"),
    "done": _passed("Done"),
    "error": _failed("Error"),
    "timeout": _failed("Timed out"),
    "cancelled": _neutral("Cancelled", ":material/block:", "⊘"),
    "interrupted": _warned("Interrupted"),
    # behaviour
    "handled": _passed("Handled"),
    "clear error": Look(":material/assignment_return:", "↩", "Clear error", "pass"),
    "silent": _warned("Silent"),
    "broken": _failed("Broken"),
    "not applicable": _neutral("Not applicable"),
    # drift
    "no drift": _passed("No drift"),
    "possible": _warned("Possible drift"),
    "drift": _failed("Drift"),
    "not checked": _neutral("Not checked"),
    # what is expected of a file
    "loads": _passed("Loads"),
    "may differ": _warned("May differ"),
    "breaks": _warned("Breaks here"),
    "cannot": _failed("Cannot be loaded"),
    # safety of a file
    "trusted types only": _passed("Trusted types only"),
    "unknown types": _warned("Unknown types"),
    "dangerous": _failed("Dangerous"),
}


def look(state: str) -> Look:
    """Return how a verdict, status or safety level is shown.

    Raises
    ------
    KeyError
        If the state is none that the product knows.

    Examples
    --------
    >>> look("fail").word
    'Fail'
    """
    return LOOKS[str(state)]
