"""Entry of the dashboard: the list of pages and the shared sidebar. Nothing else."""

from __future__ import annotations

import streamlit as st

from views.common import show_sidebar, use_page_style

st.set_page_config(page_title="Model Monitor", page_icon="🩺", layout="wide")
use_page_style()

navigation = st.navigation(
    {
        "Test": [
            st.Page("views/overview.py", title="Overview", icon=":material/home:", default=True),
            st.Page(
                "views/test_model.py",
                title="Test a model",
                icon=":material/science:",
                url_path="test",
            ),
            st.Page("views/runs.py", title="Runs", icon=":material/history:", url_path="runs"),
        ],
        "Result": [
            st.Page(
                "views/run.py",
                title="Run",
                icon=":material/assignment:",
                url_path="run",
                visibility="hidden",
            ),
            st.Page(
                "views/compare.py",
                title="Compare",
                icon=":material/compare_arrows:",
                url_path="compare",
                visibility="hidden",
            ),
        ],
    }
)
show_sidebar()
navigation.run()
