"""Test a model: names for classes that the model knows as numbers."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from report_types import TestReport
from views.draft import Draft

MAX_CLASSES = 100


def class_names(draft: Draft, preview: TestReport) -> dict[str, str]:
    """Ask for the names of classes; return those that differ from what is shown already."""
    info = preview.model.info
    if info is None or not info.classes or len(info.classes) > MAX_CLASSES:
        return {}
    codes = [str(code) for code in info.class_codes or info.classes]
    shown = [str(name) for name in info.classes]
    with st.expander("Names of the classes", icon=":material/label:"):
        st.caption("Shown and compared instead of the model's own labels, also in the sample.")
        edited = st.data_editor(
            pd.DataFrame({"code": codes, "name": shown}),
            key=f"test.classes.{draft.model_sha256}.{draft.editor_version}.{','.join(shown)[:200]}",
            hide_index=True,
            width="content",
            disabled=["code"],
            column_config={
                "code": st.column_config.TextColumn("The model says"),
                "name": st.column_config.TextColumn("Name", required=True, width="medium"),
            },
        )
    names = [str(name).strip() for name in edited["name"]]
    if names == shown:
        return {}
    if len(set(names)) < len(names) or not all(names):
        st.warning("Every class needs a name of its own; the names are not used like this.")
        return {}
    return dict(zip(codes, names, strict=True))
