"""Summary: verdict first, then the main numbers, then every check."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from base_types import Estimate
from formatting import (
    duration_ms,
    escape_markdown,
    number,
    percent,
    rows_per_second,
    with_unit,
)
from glossary import explain, title
from policy import suggest_rule
from report_types import Check, GateResult, TestReport, Verdict
from run_summary import main_metric
from views.common import badge, section_missing, show_notes, show_tile, tiles
from views.policy_lines import offer_rule

BANNERS = {
    Verdict.PASS: (st.success, ":material/check_circle:", "Pass"),
    Verdict.WARN: (st.warning, ":material/warning:", "Look closer"),
    Verdict.FAIL: (st.error, ":material/cancel:", "Fail"),
    Verdict.SKIP: (st.info, ":material/help:", "Not checked"),
}


def show(report: TestReport) -> None:
    """Lay out the section."""
    banner, icon, word = BANNERS[report.verdict.verdict]
    banner(escape_markdown(report.verdict.summary), icon=icon, title=word)
    if report.gate is not None:
        _show_gate(report.gate)
    section_missing(report.model, "Loading the model")
    _show_numbers(report)
    _show_checks(report)
    show_notes(report.schema_.warnings + report.data.warnings)


def _show_gate(gate: GateResult) -> None:
    banner, icon, word = BANNERS[gate.verdict]
    banner(escape_markdown(gate.summary), icon=icon, title=f"Gate: {word.lower()}")
    show_notes(gate.notes)
    if gate.baseline_run_id:
        st.caption(f"Baseline: run {gate.baseline_run_id}")
    with st.expander("Rules of the policy", expanded=gate.verdict is Verdict.FAIL):
        for check in gate.checks:
            _show_check(check)


def _show_numbers(report: TestReport) -> None:
    speed, metric = report.performance, main_metric(report)
    with tiles():
        if metric is not None:
            show_tile(
                title(metric.name),
                number(metric.estimate.value, digits=3),
                _range(metric.estimate),
                explain(metric.name),
            )
        if "p50" in speed.percentiles_ms:
            p95 = speed.percentiles_ms.get("p95", Estimate())
            show_tile(
                "One prediction",
                duration_ms(speed.percentiles_ms["p50"].value),
                f"95 % within {duration_ms(p95.value)}" if p95.value is not None else "median",
                explain("p50"),
            )
        if speed.best_rows_per_second is not None:
            show_tile(
                "Throughput",
                rows_per_second(speed.best_rows_per_second),
                "best batch size",
                explain("rows_per_second"),
            )
        _show_harm(report)


def _show_harm(report: TestReport) -> None:
    harms = [item for item in report.drift.scenarios if item.harm is not None]
    if not harms:
        return
    worst = max(harms, key=lambda item: item.harm or 0.0)
    show_tile(
        "Worst drift",
        percent(worst.harm),
        worst.title.lower(),
        explain("harm"),
    )


def _range(value: Estimate) -> str:
    if value.low is None or value.high is None:
        return value.interval_reason or "no interval"
    return f"{number(value.low, digits=3)} – {number(value.high, digits=3)} (95 %)"


def _show_checks(report: TestReport) -> None:
    checks = report.verdict.checks
    st.subheader("Checks")
    counted = dict.fromkeys(Verdict, 0)
    for check in checks:
        counted[check.verdict] += 1
    parts = [f"{badge(verdict.value)} {count}" for verdict, count in counted.items() if count]
    st.markdown("&ensp;".join(parts))
    for check in checks:
        limit = _show_check(check)
        with limit:
            offer_rule(suggest_rule(check.id, None), report, check.id)


def _show_check(check: Check) -> DeltaGenerator:
    """Show a check; return the place at its right end."""
    mark, text, limit = st.columns([1.4, 5.5, 2])
    mark.markdown(badge(check.verdict.value))
    text.markdown(f"**{escape_markdown(check.title)}**  \n{escape_markdown(check.reason)}")
    if check.threshold and check.value is not None and check.comparison:
        sign = {"<=": "≤", ">=": "≥"}.get(check.comparison, check.comparison)
        limit.caption(
            f"limit {sign} {with_unit(check.threshold, check.unit)}",
            help=check.threshold_source or None,
        )
    return limit
