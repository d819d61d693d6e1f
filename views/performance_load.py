"""How the model stands load: waiting at a rate of arrivals, memory over time, forms of input."""

from __future__ import annotations

import streamlit as st

from base_types import Cell, Estimate
from figures_load import load_latency, load_response, load_throughput
from formatting import duration_ms, escape_markdown, number, percent, rows_per_second
from glossary import explain
from load_types import ArrivalPoint, LoadTest
from report_types import PerformanceSection
from views.common import beside, show_chart, show_notes, show_table, show_tile, theme, tiles


def show_load(section: PerformanceSection, load: LoadTest) -> None:
    """Show rates, waiting and what was watched over many calls."""
    st.subheader("Under load")
    st.caption(
        "Calls arrive at random (Poisson) at one process; waiting counts from the arrival. "
        "Computed from the timed calls."
    )
    _show_tiles(load)
    points = load.arrivals + ([load.chosen] if load.chosen else [])
    show_chart(load_response(section, theme()), "perf.response")
    show_table([_line(p) for p in sorted(points, key=lambda p: p.rate)], "perf.load")
    if load.concurrency:
        _show_processes(section, load)
    show_notes(load.notes)


def _line(point: ArrivalPoint) -> dict[str, Cell]:
    return {
        "Calls per second": number(point.rate),
        "Busy": percent(point.utilisation),
        "Median response": duration_ms(point.p50_ms),
        "p99 response (95 % interval)": _with_range(point),
    }


def _with_range(point: ArrivalPoint) -> str:
    if point.p99_low_ms is None:
        return duration_ms(point.p99_ms)
    if point.p99_high_ms is None:
        return f"{duration_ms(point.p99_ms)} ({duration_ms(point.p99_low_ms)} or more)"
    ends = f"{duration_ms(point.p99_low_ms)} – {duration_ms(point.p99_high_ms)}"
    return f"{duration_ms(point.p99_ms)} ({ends})"


def _show_processes(section: PerformanceSection, load: LoadTest) -> None:
    st.subheader("Processes at once")
    st.caption("Every process of the model is called again as soon as it has answered one row.")
    with beside():
        show_chart(load_throughput(section, theme()), "perf.processes")
        show_chart(load_latency(section, theme()), "perf.processes.latency")
    rows: list[dict[str, Cell]] = [
        {
            "Processes": point.processes,
            "Calls per second": number(point.calls_per_second, digits=3),
            "Of the ideal": percent(point.efficiency),
            "p50": _percentile(point.p50),
            "p95": _percentile(point.p95),
            "p99": _percentile(point.p99),
            "Calls": point.n_calls,
        }
        for point in load.concurrency
    ]
    show_table(rows, "perf.processes.table")


def _percentile(value: Estimate) -> str:
    if value.low is None or value.high is None:
        return duration_ms(value.value)
    return f"{duration_ms(value.value)} ({duration_ms(value.low)} – {duration_ms(value.high)})"


def _show_tiles(load: LoadTest) -> None:
    rate = load.highest_rate
    with tiles():
        limit = f"p99 within {duration_ms(load.p99_limit_ms)}"
        value = f"{number(rate.value, digits=3)}/s" if rate.value is not None else "–"
        why = f" {rate.reason}" if rate.reason else ""
        show_tile(
            "Highest rate",
            value,
            limit if rate.value is not None else "none kept the limit",
            f"{explain('highest_rate')} The limit: {load.p99_limit_source}.{why}",
        )
        if load.offline_rows_per_second is not None:
            size = f"in batches of {number(load.offline_batch)}"
            shown = rows_per_second(load.offline_rows_per_second)
            show_tile("All at once", shown, size, explain("offline_rows_per_second"))
        _show_watched(load)


def _show_watched(load: LoadTest) -> None:
    if load.cold_start_ms is not None:
        shown = duration_ms(load.cold_start_ms)
        show_tile("Cold start", shown, "of a further process", explain("cold_start_ms"))
    if load.growth_mb_per_1000_calls is not None:
        grown = f"{number(load.growth_mb_per_1000_calls, digits=3)} MB"
        below = f"per 1,000 calls, over {load.growth_calls:,}"
        show_tile("Growth of memory", grown, below, explain("memory_growth"))
    if load.gc_on_p50_ms is not None and load.gc_off_p50_ms is not None:
        off = f"{duration_ms(load.gc_off_p50_ms)} without"
        show_tile(
            "Garbage collection", duration_ms(load.gc_on_p50_ms), off, explain("gc_on_p50_ms")
        )
    if load.frame_p50_ms is not None and load.array_p50_ms is not None:
        bare = f"{duration_ms(load.array_p50_ms)} as a bare array"
        show_tile(
            "One row as DataFrame", duration_ms(load.frame_p50_ms), bare, explain("frame_p50")
        )
    if load.one_filter_p50_ms is not None and load.gc_off_p50_ms is not None:
        usual = f"{duration_ms(load.gc_off_p50_ms)} with the usual ones"
        shown = duration_ms(load.one_filter_p50_ms)
        show_tile("One filter of warnings", shown, usual, explain("one_filter_p50_ms"))
    if load.offline_batch is None:
        st.caption(escape_markdown("No batch could be timed."))
