"""Test a model: how thoroughly drift is simulated."""

from __future__ import annotations

from typing import Any

import streamlit as st

from report_types import RunConfig

DEFAULT_SEVERITIES = RunConfig().drift_severities
SEVERITIES = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)


def drift_options() -> dict[str, Any]:
    """Ask for the severities to try and for repetitions."""
    severities = st.pills(
        "Severities to try",
        SEVERITIES,
        selection_mode="multi",
        default=DEFAULT_SEVERITIES,
        format_func="{:g}".format,
        key="test.more.severities",
        help="Multiples of what each way to drift counts as 1, such as one standard deviation.",
        persist_state="session",
    )
    repetitions = st.number_input(
        "Repetitions",
        0,
        1000,
        0,
        10,
        key="test.more.repetitions",
        help="Draws the rows and their drift afresh this often and counts how often each test "
        "notices: its power. 25 take some seconds. 0: each drift is drawn once.",
        persist_state="session",
        width=240,
    )
    return {
        "drift_severities": sorted(severities) or DEFAULT_SEVERITIES,
        "drift_repetitions": int(repetitions),
    }
