"""Charts of the data's columns.

Owns: ``column_histogram``, from a ``ColumnSummary`` to a ``Chart``; None where there is nothing to
draw.
"""

from __future__ import annotations

import plotly.graph_objects as go

from base_types import Histogram
from figure_style import (
    PALETTES,
    Chart,
    Theme,
    add_histogram,
    has_bins,
    name_axis,
    new_figure,
    text_on_chart,
)
from formatting import count, number, plain_text
from report_types import ColumnSummary

_MAX_CATEGORIES = 5


def column_histogram(column: ColumnSummary, theme: Theme = "light") -> Chart | None:
    """Draw a small histogram of one column of the data; categories as horizontal bars."""
    if not has_bins(column.histogram):
        return None
    figure = new_figure(theme, text_on_chart(column.name, 32), "Value", "Rows", height=210)
    hover = "%{customdata[0]}<br>%{y:,} rows (%{customdata[1]:.1%})<extra></extra>"
    if column.histogram.labels:
        _add_categories(figure, column.histogram, theme)
    else:
        add_histogram(figure, column.histogram, PALETTES[theme].reference, hovertemplate=hover)
    rows = count(sum(column.histogram.counts), "row")
    missing = f", {number(column.n_missing)} missing" if column.n_missing else ""
    return Chart(figure, f"Distribution of {plain_text(column.name, 60)}: {rows}{missing}.")


def _add_categories(figure: go.Figure, histogram: Histogram, theme: Theme) -> None:
    """Draw the most frequent categories by name and all others together."""
    ordered = sorted(zip(histogram.counts, histogram.labels, strict=True), reverse=True)
    shown, rest = ordered[:_MAX_CATEGORIES], ordered[_MAX_CATEGORIES:]
    if rest:
        total = sum(amount for amount, _ in rest)
        shown.append((total, count(len(rest), "other category", "other categories")))
    shown.reverse()
    figure.add_bar(
        y=list(range(len(shown))),
        x=[amount for amount, _ in shown],
        orientation="h",
        width=0.7,
        marker={"color": PALETTES[theme].reference},
        customdata=[text_on_chart(label, 80) for _, label in shown],
        hovertemplate="%{customdata}<br>%{x:,} rows<extra></extra>",
    )
    name_axis(figure.layout.yaxis, [label for _, label in shown])
    figure.update_layout(xaxis_title_text="Rows", yaxis_title_text="")
