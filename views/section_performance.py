"""Performance: how fast, how steady, how much memory, which rows fail."""

from __future__ import annotations

import streamlit as st

from base_types import Cell
from figures_performance import batch_cost, batch_throughput, latency_histogram
from formatting import count, duration_ms, escape_markdown, estimate, number, percent, with_unit
from glossary import explain
from report_types import PerformanceSection, TestReport
from views.common import (
    beside,
    section_missing,
    show_chart,
    show_notes,
    show_table,
    show_tile,
    theme,
    tiles,
)
from views.performance_load import show_load


def show(report: TestReport) -> None:
    """Lay out the section."""
    section = report.performance
    if section_missing(section, "Performance"):
        return
    _show_tiles(section)
    show_chart(latency_histogram(section, theme()), "perf.latency")
    with beside():
        show_chart(batch_throughput(section, theme()), "perf.throughput")
        show_chart(batch_cost(section, theme()), "perf.cost")
    _show_batches(section)
    if section.load is not None:
        show_load(section, section.load)
    _show_failures(section)
    st.caption(escape_markdown(section.protocol))
    show_notes(section.notes)


def _show_tiles(section: PerformanceSection) -> None:
    with tiles():
        for name in ("p50", "p95", "p99", "max"):
            if name in section.percentiles_ms:
                value = section.percentiles_ms[name]
                below = "no interval yet" if name != "max" else "slowest call"
                if value.low is not None and value.high is not None:
                    below = f"{duration_ms(value.low)} to {duration_ms(value.high)}"
                show_tile(f"{name}, one row", duration_ms(value.value), below, explain(name))
        show_tile("First call", duration_ms(section.cold_call_ms), "cold", explain("cold_call_ms"))
        memory = section.peak_memory_mb
        show_tile("Peak memory", with_unit(memory, "MB"), "its process", explain("peak_memory_mb"))
        failed = f"{section.n_rows_failed:,} of {section.n_rows_tried:,} rows"
        show_tile("Errors", percent(section.error_rate.value), failed, explain("error_rate"))
        show_tile(
            "Disturbed calls",
            percent(section.disturbed_share),
            "by other work",
            explain("disturbed_share"),
        )


def _show_batches(section: PerformanceSection) -> None:
    rows: list[dict[str, Cell]] = [
        {
            "Rows per call": point.batch_size,
            "Calls": point.n_calls,
            "Median, ms": number(point.p50_ms),
            "p95, ms": number(point.p95_ms),
            "Rows per second": number(point.rows_per_second),
            "Time per row, µs": number(point.us_per_row),
        }
        for point in section.batches
    ]
    if rows:
        show_table(rows, "perf.batches")


def _show_failures(section: PerformanceSection) -> None:
    if not section.failing_rows:
        return
    st.subheader("Rows that fail")
    st.caption(
        f"{count(section.n_rows_failed, 'row')} raised an exception "
        f"(error rate {estimate(section.error_rate, 'share')}). The first ones:"
    )
    show_table(
        [{"row": item.row, "error": item.error, **item.values} for item in section.failing_rows],
        "perf.failing",
    )
