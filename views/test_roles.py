"""Test a model: which columns of the sample hold true answers, and which says what a row counts."""

from __future__ import annotations

import streamlit as st

from report_types import TestReport
from views.draft import Draft

NONE = "(none)"


def choose_roles(draft: Draft, preview: TestReport) -> None:
    """Ask for the columns that are no inputs; begins anew where the answer changes."""
    header = preview.schema_.sample_columns
    if not draft.sample_sha256 or not header:
        return
    info = preview.model.info
    inputs = {feature.name for feature in info.features} if info else set()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if info is not None and info.n_outputs > 1:
            changed = _choose_targets(draft, header, info.n_outputs)
        else:
            changed = _choose_target(draft, preview.data.target, header)
        others = [name for name in header if name not in inputs and name != preview.data.target]
        changed |= _choose_weight(draft, others)
    if changed:
        st.rerun()


def _choose_target(draft: Draft, found: str | None, header: list[str]) -> bool:
    options = [NONE, *header]
    chosen = st.selectbox(
        "Column of true answers",
        options,
        index=options.index(found) if found in options else 0,
        key=f"test.target.{draft.sample_sha256}",
        help="Its values are compared with the predictions; they never reach the model.",
        width=320,
    )
    if chosen in (NONE, found):
        return False
    draft.target = chosen
    return True


def _choose_targets(draft: Draft, header: list[str], n_outputs: int) -> bool:
    chosen = st.multiselect(
        f"Columns of true answers, {n_outputs} in the order of the model's outputs",
        header,
        default=draft.targets,
        max_selections=n_outputs,
        key=f"test.targets.{draft.sample_sha256}",
        help="The model answers several values per row. Columns named like its outputs are found "
        "by themselves; none of them reaches the model.",
        width=520,
    )
    wanted = list(chosen) if len(chosen) == n_outputs else []
    if wanted == draft.targets:
        return False
    draft.targets = wanted
    return True


def _choose_weight(draft: Draft, others: list[str]) -> bool:
    if not others:
        return False
    chosen = st.selectbox(
        "Column of weights",
        [NONE, *others],
        key=f"test.weight.{draft.sample_sha256}",
        help="What each row counts for in every figure of quality: numbers of 0 or more, "
        "only their ratios matter. The column never reaches the model.",
        width=320,
    )
    wanted = None if chosen == NONE else chosen
    if wanted == draft.weight_column:
        return False
    draft.weight_column = wanted
    return True
