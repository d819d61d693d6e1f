"""How the model stands load: waiting at a rate of arrivals, memory over time, forms of input."""

from __future__ import annotations

import streamlit as st

from formatting import duration_ms, escape_markdown, number, percent
from load_types import ArrivalPoint, LoadTest
from report_types import Cell
from views.common import show_notes, show_table, show_tile


def show_load(load: LoadTest) -> None:
    """Show rates, waiting and what was watched over many calls."""
    st.subheader("Under load")
    st.caption(
        "Calls arrive at random (Poisson) at one process; waiting counts from the arrival. "
        "Computed from the timed calls."
    )
    _show_tiles(load)
    points = load.arrivals + ([load.chosen] if load.chosen else [])
    show_table([_line(p) for p in sorted(points, key=lambda p: p.rate)], "perf.load")
    show_notes(load.notes)


def _line(point: ArrivalPoint) -> dict[str, Cell]:
    return {
        "Calls per second": number(point.rate),
        "Busy": percent(point.utilisation),
        "Median response": duration_ms(point.p50_ms),
        "p99 response": duration_ms(point.p99_ms),
    }


def _show_tiles(load: LoadTest) -> None:
    rate = load.highest_rate
    with st.grid(4, min_column_width=180):
        limit = f"p99 within {duration_ms(load.p99_limit_ms)}"
        value = f"{number(rate.value, digits=3)}/s" if rate.value is not None else "–"
        below = limit if rate.value is not None else rate.reason
        show_tile(
            "Highest rate",
            value,
            below,
            f"Calls per second that keep p99 within the limit: {load.p99_limit_source}.",
        )
        if load.offline_rows_per_second is not None:
            size = f"in batches of {number(load.offline_batch)}"
            shown = f"{number(load.offline_rows_per_second, digits=3)} rows/s"
            show_tile("All at once", shown, size, "Throughput of the fastest batch size.")
        _show_watched(load)


def _show_watched(load: LoadTest) -> None:
    if load.growth_mb_per_1000_calls is not None:
        grown = f"{number(load.growth_mb_per_1000_calls, digits=3)} MB"
        show_tile("Growth of memory", grown, f"per 1,000 calls, over {load.growth_calls:,}")
    if load.gc_on_p50_ms is not None and load.gc_off_p50_ms is not None:
        off = f"{duration_ms(load.gc_off_p50_ms)} without"
        show_tile("Garbage collection", duration_ms(load.gc_on_p50_ms), off, "Median, one row.")
    if load.frame_p50_ms is not None and load.array_p50_ms is not None:
        bare = f"{duration_ms(load.array_p50_ms)} as a bare array"
        show_tile("One row as DataFrame", duration_ms(load.frame_p50_ms), bare, "Median call.")
    if load.offline_batch is None:
        st.caption(escape_markdown("No batch could be timed."))
