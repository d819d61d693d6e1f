"""What every page shares: the store, the look, messages, downloads and the sidebar.

Owns: the dashboard's one store connection, and the helpers that keep pages alike. No arithmetic on
results and no SQL.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

import jobs
from base_types import Cell, Section, Status
from environment import PRODUCT_VERSION
from errors import NotFoundError
from figure_style import Chart, Theme
from formatting import MISSING, escape_markdown, look, moment
from run_types import RunRecord
from settings import Settings, get_settings
from storage import Store

STYLE = """
<style>
  .block-container {max-width: 1240px; padding-top: 3.2rem;}
  @media (max-width: 1100px) {.block-container {padding-left: 2rem; padding-right: 2rem;}}
  @media (max-width: 640px) {.block-container {padding-left: 1rem; padding-right: 1rem;}}
  [data-testid="stMetricValue"] {font-size: 1.55rem;}
  [data-testid="stMetricValue"] *, [data-testid="stMetricDelta"] * {
    white-space: normal; overflow: visible;}
  [data-testid="stTable"] [data-testid="stMarkdownContainer"],
  [data-testid="stTable"] [data-testid="stMarkdownContainer"] p {
    max-width: none; overflow-wrap: anywhere;}
  [data-testid="stMetricLabel"] p {font-size: .86rem;}
  h1 {font-size: 1.9rem !important; letter-spacing: -.01em;}
  h3 {font-size: 1.15rem !important;}
</style>
"""
"""The only styling beyond the theme: page width, the size of headings, no cut numbers."""


WHOLE_ROWS = 20
"""A longer table scrolls in itself."""


def use_page_style() -> None:
    """Apply the shared style."""
    st.html(STYLE)


@st.cache_resource
def open_store() -> Store:
    """Open the store once for all sessions."""
    return Store.open(get_settings())


def with_asked(runs: list[RunRecord], asked: Iterable[str]) -> list[RunRecord]:
    """Return runs, with those behind them that an address names and that are not among them."""
    known = {run.id for run in runs}
    older = []
    for run_id in asked:
        if run_id not in known:
            with contextlib.suppress(NotFoundError):  # deleted since the address was kept
                older.append(open_store().get_run(run_id))
    return runs + older


def settings() -> Settings:
    """Return the settings in force."""
    return get_settings()


def keep_runner_alive() -> None:
    """Start the process that works on runs, unless some door has one."""
    jobs.ensure_runner(get_settings())


def theme() -> Theme:
    """Return the browser's theme; light until the browser has told."""
    return "dark" if st.context.theme.type == "dark" else "light"


def browser_zone() -> tzinfo:
    """Return the browser's time zone, UTC where it tells none."""
    name = st.context.timezone
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def when(time: datetime | None) -> str:
    """Write a time absolutely and relatively, in the browser's zone."""
    return moment(time, datetime.now(UTC), browser_zone())


def show_chart(chart: Chart | None, key: str) -> None:
    """Draw a chart with its alternative text; says nothing where there is none to draw."""
    if chart is None:
        return
    st.plotly_chart(
        chart.figure, key=key, width="stretch", theme=None, alt=chart.alt, config=_CHART_CONFIG
    )


_CHART_CONFIG = {
    "displaylogo": False,
    "toImageButtonOptions": {"format": "svg", "filename": "model-monitor-chart"},
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
}


def beside() -> AbstractContextManager[object]:
    """Put what follows beside each other by twos, below each other where there is little room."""
    return st.grid(2, min_column_width=340)


def tiles() -> AbstractContextManager[object]:
    """Put the tiles that follow beside each other, as many as there is room for, four at most."""
    return st.grid(4, min_column_width=180)


def show_table(rows: list[dict[str, Cell]], key: str) -> None:
    """Show rows as a table without an index column; a short one as a whole."""
    height: Literal["auto", "content"] = "content" if len(rows) <= WHOLE_ROWS else "auto"
    st.dataframe(rows, key=key, hide_index=True, width="stretch", height=height)


def show_facts(facts: Mapping[str, Cell]) -> None:
    """Show names and their values, however long, without anything to scroll."""
    st.table(
        [
            {"What": name, "Value": MISSING if value is None else escape_markdown(str(value))}
            for name, value in facts.items()
        ],
        border="horizontal",
        hide_index=True,
        hide_header=True,
    )


def show_tile(label: str, value: str, below: str | None, tooltip: str = "") -> None:
    """Show one number with a line below it and a tooltip that explains it."""
    st.metric(
        label,
        value,
        delta=below,
        height="stretch",
        delta_color="off",
        delta_arrow="off",
        help=tooltip or None,
        border=True,
    )


def badge(state: str) -> str:
    """Return icon, word and colour of a verdict or status as Markdown."""
    seen = look(state)
    return f":{seen.streamlit_colour}-badge[{seen.icon} {seen.word}]"


def mark(state: str) -> str:
    """Return icon and colour of a verdict as Markdown, for a sentence that says its word itself."""
    seen = look(state)
    return f":{seen.streamlit_colour}[{seen.icon}]"


def section_missing(section: Section, what: str) -> bool:
    """Say why a section has no result; True if so."""
    if section.status is Status.OK:
        return False
    reason = escape_markdown(section.reason or "No reason was recorded.")
    if section.status is Status.SKIPPED:
        st.info(reason, title=f"{what}: not done", icon=":material/info:")
    else:
        st.error(reason, title=f"{what}: failed", icon=":material/cancel:")
    return True


def show_notes(notes: list[str]) -> None:
    """Show remarks as small text, each on a line of its own."""
    for note in notes:
        st.caption(f":material/info: {escape_markdown(note)}")


def download(label: str, make: Callable[[], bytes | str], name: str, mime: str, key: str) -> None:
    """Offer a file that is made when it is asked for."""
    st.download_button(label, data=make, file_name=name, mime=mime, key=key, on_click="ignore")


def show_sidebar() -> None:
    """Show what is the same on every page."""
    options = get_settings()
    with st.sidebar:
        st.caption(
            f"Model Monitor {PRODUCT_VERSION} · [API]({options.api_url}/docs)"
            "  \nNothing leaves this machine."
        )
