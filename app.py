"""Entry of the dashboard: sign-in, the list of pages and the shared sidebar. Nothing else."""

from __future__ import annotations

import streamlit as st

from process_guard import close_memory
from views import sign_in
from views.common import show_sidebar, use_page_style

close_memory()
st.set_page_config(page_title="Model Monitor", page_icon="🩺", layout="wide")
use_page_style()

signed_in = sign_in.is_signed_in()
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
            st.Page("views/gate.py", title="Gate", icon=":material/rule:", url_path="gate"),
        ],
        "Data": [
            st.Page(
                "views/compare_data.py",
                title="Compare data",
                icon=":material/difference:",
                url_path="drift",
            ),
            st.Page(
                "views/data_check.py",
                title="Data check",
                icon=":material/fact_check:",
                url_path="data-check",
            ),
        ],
        "Learn": [
            st.Page(
                "views/playground.py",
                title="Drift playground",
                icon=":material/tune:",
                url_path="playground",
            ),
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
    },
    position="sidebar" if signed_in else "hidden",
)
if signed_in:
    show_sidebar()
    sign_in.show_sign_out()
    navigation.run()
else:
    sign_in.show()
