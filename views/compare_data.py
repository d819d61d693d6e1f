"""Compare data: two tables column by column."""

from __future__ import annotations

import streamlit as st

st.title("Compare data")
