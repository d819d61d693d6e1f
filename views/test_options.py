"""Test a model: options that few runs need: load, costs, groups, expectations, limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from model_types import Task
from report_types import RunConfig, TestReport
from schema_utils import Schema
from verdict import THRESHOLDS
from views.draft import Draft
from views.test_drift import drift_options

DEFAULTS = RunConfig()
BY_NAME = "(guess by name)"
UNITS = {"share": "(share)"}


def advanced_options(draft: Draft, preview: TestReport, schema: Schema | None) -> dict[str, Any]:
    """Ask for the further options of a run; return those that differ from the defaults."""
    with st.expander("More options", icon=":material/tune:"):
        names = ("Speed under load", "Costs and groups", "Expectations", "Drift", "Limits")
        load, quality, expected, drift, limits = st.tabs(names)
        chosen: dict[str, Any] = {}
        with load:
            chosen |= _load()
        with quality:
            chosen |= _quality(draft, preview)
        with expected:
            chosen |= _expectations(f"{draft.model_sha256}.{draft.sample_sha256}", schema)
        with drift:
            chosen |= drift_options()
        with limits:
            chosen["thresholds"] = _thresholds()
    given = {name: value for name, value in chosen.items() if value != getattr(DEFAULTS, name)}
    if given:
        st.caption(f"Changed from the defaults: {', '.join(sorted(given))}.")
    return given


def _optional(label: str, key: str, help_text: str, *, step: float = 1.0) -> float | None:
    """Ask for a number of 0 or more that may be left out."""
    return st.number_input(
        label,
        min_value=0.0,
        value=None,
        step=step,
        placeholder="not set",
        key=f"test.more.{key}",
        help=help_text,
        persist_state="session",
    )


# --- speed -----------------------------------------------------------------------------------


def _load() -> dict[str, Any]:
    left, middle, right = st.columns(3)
    with left:
        rate = _optional(
            "Arrivals (calls per second)",
            "rate",
            "Response times are computed for calls that arrive at random at this rate, waiting "
            "included.",
        )
    with middle:
        limit = _optional(
            "Slowest p99 allowed (ms)",
            "p99",
            "The highest rate that keeps the 99th percentile of the response within this is "
            "looked for. Not set: 10 times the median call.",
        )
    with right:
        seconds = st.number_input(
            "Seconds of further calls",
            0.0,
            600.0,
            DEFAULTS.load_seconds,
            5.0,
            key="test.more.seconds",
            help="For growth of memory, garbage collection, DataFrame against array, and several "
            "processes at once. 0: none of these.",
            persist_state="session",
        )
    workers = left.number_input(
        "Processes at once, at most",
        1,
        32,
        DEFAULTS.load_workers,
        key="test.more.workers",
        help="The model is loaded this often, and called as fast as it answers by 1, 2, 4 … of "
        "them; each holds numerical libraries to one thread. Needs seconds of further calls.",
        persist_state="session",
        disabled=not seconds,
    )
    return {
        "load_rate": rate or None,
        "load_p99_ms": limit or None,
        "load_seconds": float(seconds),
        "load_workers": int(workers),
    }


# --- quality ---------------------------------------------------------------------------------


def _quality(draft: Draft, preview: TestReport) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    left, middle, right = st.columns(3)
    header = [name for name in preview.schema_.sample_columns if name != preview.data.target]
    with left:
        group = st.selectbox(
            "Groups to compare",
            [BY_NAME, *header],
            key=f"test.more.group.{draft.sample_sha256}",
            help="Is every group of this column served alike? An input or any other column of the "
            "sample; without a choice one with a telling name is taken.",
            disabled=not header,
        )
        chosen["group_column"] = None if group == BY_NAME else group
    if preview.model.info is not None and preview.model.info.task is Task.BINARY:
        with middle:
            chosen["cost_false_positive"] = _optional(
                "Cost of a false alarm",
                "cost.fp",
                "In any unit, the same as that of a miss. With both, the cheapest decision "
                "threshold is looked for.",
            )
        with right:
            chosen["cost_false_negative"] = _optional(
                "Cost of a miss", "cost.fn", "Of a row of the class that counts and is not flagged."
            )
        if (chosen["cost_false_positive"] is None) != (chosen["cost_false_negative"] is None):
            st.caption(":material/info: Both costs are needed to choose a threshold.")
    chosen["n_resamples"] = left.number_input(
        "Resamples per interval",
        100,
        10_000,
        DEFAULTS.n_resamples,
        100,
        key="test.more.resamples",
        help="Bootstrap resamples; more make the ends of intervals steadier and take longer.",
        persist_state="session",
    )
    return chosen


# --- expectations ----------------------------------------------------------------------------


def _expectations(key: str, schema: Schema | None) -> dict[str, Any]:
    inputs = schema.inputs if schema else []
    names = [feature.name for feature in inputs]
    numeric = [feature.name for feature in inputs if feature.kind.is_numeric]
    st.caption(
        "What must hold of this model; each is tried on the tested rows and judged under Behaviour."
    )
    left, right = st.columns(2)
    with left:
        up = _columns(
            "The answer only rises with", numeric, f"up.{key}", "Nothing else may change."
        )
        invariant = _columns(
            "Must not matter",
            names,
            f"invariant.{key}",
            "Shuffling such a column among the rows may change no answer.",
        )
    with right:
        rest = [name for name in numeric if name not in up]
        down = _columns("The answer only falls with", rest, f"down.{key}", "As on the left.")
        pairs = _pairs(names, key)
    monotone = dict.fromkeys(up, "up") | dict.fromkeys(down, "down")
    return {"monotone": monotone, "invariant": invariant, "symmetric": pairs}


def _columns(label: str, options: Sequence[str], key: str, help_text: str) -> list[str]:
    return list(
        st.multiselect(
            label, options, key=f"test.more.{key}", help=help_text, placeholder="no column"
        )
    )


def _pairs(names: Sequence[str], key: str) -> list[tuple[str, str]]:
    column = st.column_config.SelectboxColumn
    st.markdown(":small[Pairs that may be swapped]", help="Swapping them may change no answer.")
    table = st.data_editor(
        pd.DataFrame({"one": [""], "other": [""]}),
        key=f"test.more.symmetric.{key}",
        num_rows="dynamic",
        hide_index=True,
        width="stretch",
        column_config={
            "one": column("One column", options=names),
            "other": column("The other", options=names),
        },
    )
    pairs = zip(table["one"].fillna(""), table["other"].fillna(""), strict=True)
    return [(str(one), str(other)) for one, other in pairs if one and other and one != other]


# --- limits ----------------------------------------------------------------------------------


def _thresholds() -> dict[str, float]:
    limits = list(THRESHOLDS.values())
    rows = pd.DataFrame(
        {
            "name": list(THRESHOLDS),
            "default": [f"{limit.value:g} {UNITS.get(limit.unit, limit.unit)}" for limit in limits],
            "yours": [float("nan")] * len(limits),
            "source": [limit.source for limit in limits],
        }
    )
    edited = st.data_editor(
        rows,
        key="test.more.thresholds",
        hide_index=True,
        width="stretch",
        disabled=["name", "default", "source"],
        column_config={
            "name": st.column_config.TextColumn("Limit"),
            "default": st.column_config.TextColumn("Default", width="small"),
            "yours": st.column_config.NumberColumn(
                "Yours",
                min_value=0.0,
                width="small",
                help="In the unit of the default; shares from 0 to 1.",
            ),
            "source": st.column_config.TextColumn("Why the default", width="large"),
        },
    )
    given = edited.dropna(subset=["yours"])
    return {
        str(name): float(value) for name, value in zip(given["name"], given["yours"], strict=True)
    }
