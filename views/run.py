"""Run: one run by its id in the address."""

from __future__ import annotations

import streamlit as st

from views.common import keep_runner_alive
from views.run_panel import show_run


def show() -> None:
    """Lay out the page."""
    keep_runner_alive()
    run_id = st.query_params.get("run")
    if not run_id:
        st.title("Run")
        st.info("No run was chosen. Pick one from the list of all runs.")
        st.page_link("views/runs.py", label="All runs", icon=":material/history:")
        return
    show_run(run_id)


show()
