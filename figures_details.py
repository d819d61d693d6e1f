"""Charts beyond the metrics: gain and lift, residuals against prediction and columns.

Owns: pure functions from a section to a ``Chart``; None where the section holds nothing to draw.
"""

from __future__ import annotations

from figure_style import (
    DASHES,
    LINE_SYMBOLS,
    PALETTES,
    Chart,
    Key,
    Theme,
    add_key,
    new_figure,
    soft_line,
    text_on_chart,
)
from formatting import number, percent, plain_text
from quality_types import GainPoint, ResidualTrend
from report_types import QualitySection

MAX_COLUMNS = 4
"""Columns drawn beside the prediction; the clearest dependence first."""


def gain_curve(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw the share of all positives found among the rows with the highest scores."""
    points = _gain(section)
    if not points:
        return None
    figure = new_figure(
        theme, "Gain", "Rows flagged, highest scores first", "Positives found", height=360
    )
    colours = PALETTES[theme]
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line=soft_line(colours.muted), hoverinfo="skip"
    )
    figure.add_scatter(
        x=[0.0, *(point.share_flagged for point in points)],
        y=[0.0, *(point.recall for point in points)],
        mode="lines+markers",
        line={"color": colours.current, "width": 2},
        marker={"color": colours.current, "size": 7},
        customdata=["nothing flagged", *(f"{percent(p.precision)} right" for p in points)],
        hovertemplate="flagged %{x:.0%}<br>found %{y:.1%}<br>%{customdata}<extra></extra>",
    )
    axis = {"range": [-0.02, 1.02], "tickformat": ".0%", "dtick": 0.25}
    figure.update_layout(xaxis=axis, yaxis=axis)
    random = Key("╌╌", colours.muted, "flagging at random")
    add_key(figure, theme, Key("●", colours.current, "this model"), random)
    tenth = min(points, key=lambda point: abs(point.share_flagged - 0.1))
    alt = (
        f"Gain: the {percent(tenth.share_flagged)} of rows with the highest scores hold "
        f"{percent(tenth.recall)} of the positives."
    )
    return Chart(figure, alt)


def lift_curve(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw how many times more often flagged rows are positive than rows at random."""
    points = _gain(section)
    if not points:
        return None
    figure = new_figure(
        theme, "Lift", "Rows flagged, highest scores first", "Times the share of positives"
    )
    colours = PALETTES[theme]
    figure.add_hline(y=1, line=soft_line(colours.muted))
    figure.add_scatter(
        x=[point.share_flagged for point in points],
        y=[point.lift for point in points],
        mode="lines+markers",
        line={"color": colours.current, "width": 2},
        marker={"color": colours.current, "size": 7},
        customdata=[f"{percent(p.precision)} right" for p in points],
        hovertemplate="flagged %{x:.0%}<br>lift %{y:.3g}<br>%{customdata}<extra></extra>",
    )
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%", dtick=0.25)
    figure.update_yaxes(rangemode="tozero")
    random = Key("╌╌", colours.muted, "flagging at random")
    add_key(figure, theme, Key("●", colours.current, "this model"), random)
    first = points[0]
    alt = f"Lift: {number(first.lift, digits=3)} among the top {percent(first.share_flagged)}."
    return Chart(figure, alt)


def _gain(section: QualitySection) -> list[GainPoint]:
    return section.details.gain if section.details else []


def residuals_by_prediction(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw the mean residual in ten equal groups of the prediction."""
    trends = [trend for trend in _residuals(section) if trend.against == "prediction"]
    if not trends:
        return None
    figure = new_figure(
        theme,
        "Residuals by prediction",
        "Prediction (unit of the target)",
        "Mean of true − predicted",
    )
    colours = PALETTES[theme]
    figure.add_hline(y=0, line=soft_line(colours.text))
    figure.add_scatter(
        x=[value for value, _ in trends[0].means],
        y=[mean for _, mean in trends[0].means],
        mode="lines+markers",
        line={"color": colours.current, "width": 2},
        marker={"color": colours.current, "size": 8},
        hovertemplate="predicted %{x:.4g}<br>mean residual %{y:.4g}<extra></extra>",
    )
    group = Key("●", colours.current, "a tenth of the rows")
    add_key(figure, theme, group, Key("╌╌", colours.text, "no error"))
    return Chart(figure, f"Mean residuals by prediction; {_told(trends[0])}.")


def residuals_by_column(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw the same over the columns on which the residuals depend most."""
    trends = [trend for trend in _residuals(section) if trend.against != "prediction"]
    trends = trends[:MAX_COLUMNS]
    if not trends:
        return None
    figure = new_figure(
        theme, "Residuals by column", "Tenth of the rows, low to high", "Mean of true − predicted"
    )
    colours = PALETTES[theme]
    figure.add_hline(y=0, line=soft_line(colours.text))
    for index, trend in enumerate(trends):
        figure.add_scatter(
            x=list(range(1, len(trend.means) + 1)),
            y=[mean for _, mean in trend.means],
            mode="lines+markers",
            name=text_on_chart(trend.against),
            line={"color": colours.series[index], "width": 2, "dash": DASHES[index]},
            marker={"color": colours.series[index], "size": 6},
            customdata=[number(value) for value, _ in trend.means],
            hovertemplate="around %{customdata}<br>mean residual %{y:.4g}"
            "<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(dtick=1)
    keys = [
        Key(LINE_SYMBOLS[index], colours.series[index], text_on_chart(trend.against, 24))
        for index, trend in enumerate(trends)
    ]
    add_key(figure, theme, *keys)
    told = "; ".join(f"{plain_text(trend.against, 40)}: {_told(trend)}" for trend in trends)
    return Chart(figure, f"Mean residuals by column; {told}.")


def _residuals(section: QualitySection) -> list[ResidualTrend]:
    trends = section.details.residuals if section.details else []
    return [trend for trend in trends if trend.means]


def _told(trend: ResidualTrend) -> str:
    return f"rank correlation {number(trend.correlation, digits=2)}"
