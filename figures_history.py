"""Charts over several runs: the trend of one number, and one number of a few runs side by side.

Owns: pure functions from points to a ``Chart``; None where there is nothing to draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from base_types import Estimate
from figure_style import (
    PALETTES,
    Chart,
    Theme,
    name_axis,
    new_figure,
    text_on_chart,
    threshold_line,
    whiskers,
)
from formatting import count, estimate, look, plain_text, timestamp, with_unit
from glossary import title


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One run in a trend.

    Parameters
    ----------
    when : datetime
        When the run was started.
    value : Estimate
        The number; points without a value leave a gap.
    label : str
        Name of the run for the hover text.
    verdict : str, optional
        Verdict of the run: pass, warn, fail or skip.
    """

    when: datetime
    value: Estimate
    label: str = ""
    verdict: str = "skip"


_SYMBOLS = {"pass": "circle", "warn": "triangle-up", "fail": "x", "skip": "circle-open"}


def history_trend(
    points: Sequence[TrendPoint],
    metric: str,
    theme: Theme = "light",
    *,
    unit: str = "",
    thresholds: Mapping[str, float] | None = None,
) -> Chart | None:
    """Draw a number from run to run, each run marked by its verdict, with thresholds.

    Parameters
    ----------
    thresholds : mapping of str to float, optional
        Label -> value of the lines to draw.
    """
    known = sorted((each for each in points if each.value.value is not None), key=lambda p: p.when)
    if not known:
        return None
    colours = PALETTES[theme]
    name = title(metric)
    figure = new_figure(theme, name, "Time of the run", f"{name} ({unit})" if unit else name)
    roles = {"pass": colours.good, "warn": colours.warn, "fail": colours.fail}
    figure.add_scatter(
        x=[point.when for point in known],
        y=[point.value.value for point in known],
        mode="lines+markers",
        line={"color": colours.reference, "width": 2},
        marker={
            "color": [roles.get(point.verdict, colours.neutral) for point in known],
            "symbol": [_SYMBOLS.get(point.verdict, "circle-open") for point in known],
            "size": 10,
        },
        error_y=whiskers([point.value for point in known], colours.muted),
        customdata=[_trend_hover(point, unit) for point in known],
        hovertemplate="%{customdata}<extra></extra>",
    )
    for label, value in (thresholds or {}).items():
        threshold_line(figure, value, f"{label} {with_unit(value, unit)}", theme)
    first, last = (with_unit(known[end].value.value, unit) for end in (0, -1))
    return Chart(figure, f"{name} over {count(len(known), 'run')}: first {first}, last {last}.")


def _trend_hover(point: TrendPoint, unit: str) -> str:
    shown = look(point.verdict)
    lines = (
        f"<b>{text_on_chart(point.label, 60)}</b>",
        estimate(point.value, unit),
        f"{shown.symbol} {shown.word}",
        timestamp(point.when),
    )
    return "<br>".join(lines)


def run_comparison(
    values: Mapping[str, Estimate], metric: str, theme: Theme = "light", *, unit: str = ""
) -> Chart | None:
    """Draw one number of several runs as bars with intervals; the first run is the baseline.

    Parameters
    ----------
    values : mapping of str to Estimate
        Label of the run -> number, in the order in which they are shown.
    """
    known = [(label, value) for label, value in values.items() if value.value is not None]
    if not known:
        return None
    colours = PALETTES[theme]
    name = title(metric)
    figure = new_figure(
        theme, name, f"{name} ({unit})" if unit else name, "", height=110 + 38 * len(known)
    )
    baseline = next(iter(values))
    figure.add_bar(
        y=list(range(len(known))),
        x=[value.value for _, value in known],
        orientation="h",
        width=0.6,
        marker={
            "color": [
                colours.reference if label == baseline else colours.current for label, _ in known
            ]
        },
        error_x=whiskers([value for _, value in known], colours.text),
        text=[f" {with_unit(value.value, unit)} " for _, value in known],
        textposition="inside",
        insidetextanchor="start",
        textfont={"color": colours.surface},
        customdata=[
            f"<b>{text_on_chart(label, 80)}</b><br>{estimate(value, unit)}"
            for label, value in known
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
    names = [f"{label} (baseline)" if label == baseline else label for label, _ in known]
    name_axis(figure.layout.yaxis, names)
    figure.update_layout(yaxis_autorange="reversed", xaxis_rangemode="tozero")
    words = ", ".join(
        f"{plain_text(label, 40)} {with_unit(value.value, unit)}" for label, value in known
    )
    return Chart(figure, f"{name} by run: {words}.")
