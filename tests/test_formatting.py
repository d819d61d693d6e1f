"""What ``formatting`` promises: honest rounding, fitting units, text that stays text."""

from __future__ import annotations

import doctest
import html
import math
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

import formatting
from base_types import Estimate, Status
from drift_types import DriftVerdict
from model_types import Safety
from report_types import BehaviourVerdict, RunStatus, Verdict

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def read_back(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


def test_examples_in_the_docstrings_hold() -> None:
    """Every example a reader sees is what the function returns."""
    assert doctest.testmod(formatting).failed == 0


@given(FINITE)
def test_a_number_that_is_not_zero_never_looks_like_zero(value: float) -> None:
    """Rounding keeps at least one digit that is not zero."""
    assert bool(re.search("[1-9]", formatting.number(value).split("e")[0])) == (value != 0)


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_four_significant_digits_are_kept(value: float) -> None:
    """What is written differs from the value by at most half a unit of the fourth digit."""
    assert read_back(formatting.number(value)) == pytest.approx(value, rel=5.0001e-4)


@given(st.integers(min_value=-(10**18), max_value=10**18))
def test_whole_numbers_are_written_in_full(value: int) -> None:
    """A count is exact, with separators and a true minus."""
    text = formatting.number(value)
    assert int(text.replace(",", "").replace("−", "-")) == value
    assert "-" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (0.0, "0"),
        (12345.678, "12,346"),
        (0.5, "0.5"),
        (0.0001, "0.0001"),
        (1e20, "1e20"),
        (-2.5e-7, "−2.5e−7"),
    ],
)
def test_number_at_its_edges(value: float | None, text: str) -> None:
    """Missing, infinite, whole, huge and tiny values each have one form."""
    assert formatting.number(value) == text


@given(st.floats(min_value=0, max_value=1))
def test_only_everything_is_100_percent(share: float) -> None:
    """A share below 1 never reads 100%, a share above 0 never reads 0%."""
    text = formatting.percent(share)
    assert (text == "100%") == (share == 1)
    assert (text == "0%") == (share == 0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0 s"),
        (3.2e-9, "3.2 ns"),
        (4.56e-5, "45.6 µs"),
        (0.0123, "12.3 ms"),
        (2.5, "2.5 s"),
        (90, "1 min 30 s"),
        (3661, "1 h 1 min"),
    ],
)
def test_durations_use_the_unit_that_fits(seconds: float | None, text: str) -> None:
    """Nanoseconds to hours, each in the unit a person would choose."""
    assert formatting.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (12.5, "ms", "12.5 ms"),
        (1234.5, "ms", "1.234 s"),
        (0.0312, "share", "3.12%"),
        (3.12, "%", "3.12%"),
        (53211.7, "rows/s", "53,212 rows/s"),
        (120.5, "MB", "120 MB"),
        (2, "columns", "2 columns"),
        (None, "columns", "–"),
        (0.2, "", "0.2"),
        (0.0004, "p", "<0.001"),
    ],
)
def test_units_are_always_written(value: float | None, unit: str, text: str) -> None:
    """A value carries its unit, a missing value is a dash."""
    assert formatting.with_unit(value, unit) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.02, "+0.02"), (-0.02, "−0.02"), (0, "±0"), (None, "–")]
)
def test_changes_carry_their_sign(value: float | None, text: str) -> None:
    """A change shows its direction even when it is zero."""
    assert formatting.signed(value) == text


def test_an_estimate_shows_its_interval_where_it_has_one() -> None:
    """Value (low – high), or the bare value, or a dash."""
    full = Estimate(value=0.913, low=0.881, high=0.942)
    assert formatting.estimate(full, "share") == "91.3% (88.1% – 94.2%)"
    assert formatting.estimate(Estimate(value=0.5)) == "0.5"
    assert formatting.estimate(Estimate(reason="one class")) == "–"


def test_moments_are_absolute_and_relative() -> None:
    """The zone is named, and a moment without zone counts as UTC."""
    now = datetime(2026, 11, 21, 14, 6, tzinfo=UTC)
    berlin = timezone(timedelta(hours=1), "CET")
    assert formatting.moment(datetime(2026, 11, 21, 14, 3), now) == (
        "2026-11-21 14:03 UTC (3 min ago)"
    )
    assert formatting.timestamp(now, berlin) == "2026-11-21 15:06 CET"


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=42), "42 s ago"),
        (timedelta(hours=-5), "in 5 h"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=800), "2 years ago"),
    ],
)
def test_relative_times(ago: timedelta, text: str) -> None:
    """The largest whole unit, singular and plural, past and future."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert formatting.relative_time(now - ago, now) == text


@given(st.text())
def test_markdown_escapes_take_back_to_the_text(text: str) -> None:
    """Removing the escapes gives the visible text; nothing with a meaning stands unescaped."""
    escaped = formatting.escape_markdown(text)
    restored = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", escaped).replace("\u2060", "")
    assert restored == formatting.plain_text(text)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]:$#~|<>]", escaped.replace("\\\\", ""))


@pytest.mark.parametrize(
    "text", ["https://evil.example", "www.evil.example", "me@evil.example", ":material/home:"]
)
def test_what_is_found_after_the_escapes_is_broken_up(text: str) -> None:
    """Bare addresses and icons, which Streamlit makes in spite of backslashes, get a joiner."""
    assert "\u2060" in formatting.escape_markdown(text)


@given(st.text())
def test_html_escapes_take_back_to_the_text(text: str) -> None:
    """The escaped text holds no markup and unescapes to the visible text."""
    escaped = formatting.escape_html(text)
    assert not set("<>\"'") & set(escaped)
    assert html.unescape(escaped) == formatting.plain_text(text)


@given(st.text(), st.integers(min_value=3, max_value=60))
def test_plain_text_is_one_short_visible_line(text: str, limit: int) -> None:
    """No control character survives, and the limit holds."""
    plain = formatting.plain_text(text, limit)
    assert len(plain) <= limit
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e]", plain)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", " =", "＝"])
def test_formulas_become_text(start: str) -> None:
    """A cell a spreadsheet would run gets an apostrophe in front."""
    assert formatting.csv_safe(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("cell", ["plain", "a=b", -5, 1.5, None, True])
def test_harmless_cells_stay(cell: formatting.Cell) -> None:
    """Numbers, missing values and ordinary text are untouched."""
    assert formatting.csv_safe(cell) == cell


@pytest.mark.parametrize(
    "state",
    [
        *Verdict,
        *Status,
        *RunStatus,
        *BehaviourVerdict,
        *DriftVerdict,
        *Safety,
    ],
)
def test_every_state_has_icon_word_and_colour(state: str) -> None:
    """No state of any result type is shown by colour alone."""
    look = formatting.look(state)
    assert re.fullmatch(r":material/[a-z_]+:", look.icon)
    assert look.symbol
    assert look.word
    assert look.role in {"pass", "warn", "fail", "skip"}
    assert look.streamlit_colour
