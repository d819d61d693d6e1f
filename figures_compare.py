"""Charts of two tables compared: cumulative distributions and shares of answers.

Owns: pure functions from a ``FeatureDrift`` to a ``Chart``; None where there is nothing to draw.
"""

from __future__ import annotations

from itertools import accumulate

import plotly.graph_objects as go

from base_types import Histogram
from drift_types import FeatureDrift
from figure_style import (
    PALETTES,
    Chart,
    Key,
    Theme,
    add_key,
    has_bins,
    new_figure,
    shares,
    text_on_chart,
)
from formatting import plain_text


def cumulative_overlay(
    drift: FeatureDrift, theme: Theme = "light", *, height: int = 300
) -> Chart | None:
    """Draw both cumulative distributions of a numeric column, exact at the edges of the bins."""
    both = (drift.reference, drift.current)
    if not all(has_bins(each) and each.edges for each in both):
        return None
    colours = PALETTES[theme]
    figure = new_figure(theme, "Cumulative share", "Value", "Share of rows up to it", height=height)
    for name, histogram, colour, dash in (
        ("reference", drift.reference, colours.reference, "solid"),
        ("current", drift.current, colours.current, "dash"),
    ):
        _add_steps(figure, name, histogram, {"color": colour, "width": 2.5, "dash": dash})
    figure.update_layout(yaxis={"tickformat": ".0%", "range": [-0.02, 1.03]})
    add_key(
        figure,
        theme,
        Key("━━", colours.reference, "reference"),
        Key("╍╍", colours.current, "current"),
    )
    alt = f"Cumulative shares of {plain_text(drift.feature, 60)}, reference against current."
    return Chart(figure, alt)


def _add_steps(figure: go.Figure, name: str, histogram: Histogram, line: dict[str, object]) -> None:
    figure.add_scatter(
        x=histogram.edges,
        y=[0.0, *accumulate(shares(histogram))],
        mode="lines",
        name=text_on_chart(name),
        line=line,
        hovertemplate="%{y:.1%} of rows up to %{x:.4g}<extra>%{fullData.name}</extra>",
    )
