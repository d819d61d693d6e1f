"""Charts of the load test: response times by rate of arrivals, and several processes at once.

Owns: pure functions from a section to a ``Chart``; None where the section holds nothing to draw.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from base_types import Estimate
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
    threshold_line,
    whiskers,
)
from formatting import count, duration_ms, number, percent
from load_types import ArrivalPoint, ConcurrencyPoint
from report_types import PerformanceSection


def load_response(section: PerformanceSection, theme: Theme = "light") -> Chart | None:
    """Draw median and p99 of the response against the rate of arrivals, with the limit of p99."""
    load = section.load
    if load is None or not load.arrivals:
        return None
    points = sorted(
        [*load.arrivals, *([load.chosen] if load.chosen else [])], key=lambda point: point.rate
    )
    figure = new_figure(
        theme, "Response time by arrivals", "Calls per second", "Response, waiting included (ms)"
    )
    colours = PALETTES[theme]
    _add_band(figure, points, colours.current_soft)
    texts = [f"{number(p.rate)} calls per second, {percent(p.utilisation)} busy" for p in points]
    rates = [point.rate for point in points]
    high, middle = [point.p99_ms for point in points], [point.p50_ms for point in points]
    _add_line(figure, rates, high, "p99", colours.current, texts)
    _add_line(figure, rates, middle, "median", colours.reference, texts, dash=DASHES[1])
    if load.p99_limit_ms is not None:
        threshold_line(
            figure, load.p99_limit_ms, f"limit of p99: {duration_ms(load.p99_limit_ms)}", theme
        )
    figure.update_layout(xaxis_rangemode="tozero", yaxis_rangemode="tozero")
    add_key(
        figure,
        theme,
        Key(LINE_SYMBOLS[0], colours.current, "p99, 95 % interval"),
        Key(LINE_SYMBOLS[1], colours.reference, "median"),
    )
    busiest = points[-1]
    alt = (
        f"Response times by rate of arrivals; at {number(busiest.rate)} calls per second the "
        f"median is {duration_ms(busiest.p50_ms)} and p99 {duration_ms(busiest.p99_ms)}."
    )
    return Chart(figure, alt)


def _add_band(figure: go.Figure, points: Sequence[ArrivalPoint], fill: str) -> None:
    known = [
        (point.rate, point.p99_low_ms, point.p99_high_ms)
        for point in points
        if point.p99_low_ms is not None and point.p99_high_ms is not None
    ]
    if not known:
        return
    figure.add_scatter(
        x=[rate for rate, _, _ in known] + [rate for rate, _, _ in reversed(known)],
        y=[high for _, _, high in known] + [low for _, low, _ in reversed(known)],
        fill="toself",
        fillcolor=fill,
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
    )


def _add_line(
    figure: go.Figure,
    x: Sequence[float],
    y: Sequence[float],
    name: str,
    colour: str,
    texts: Sequence[str],
    *,
    dash: str = "solid",
) -> None:
    figure.add_scatter(
        x=list(x),
        y=list(y),
        mode="lines+markers",
        name=name,
        line={"color": colour, "width": 2, "dash": dash},
        marker={"color": colour, "size": 8},
        customdata=[(text, duration_ms(value)) for text, value in zip(texts, y, strict=True)],
        hovertemplate=f"%{{customdata[0]}}<br>{name} %{{customdata[1]}}<extra></extra>",
    )


def load_throughput(section: PerformanceSection, theme: Theme = "light") -> Chart | None:
    """Draw calls per second against processes at once, beside what they would ideally bring."""
    points = _concurrency(section)
    if points is None:
        return None
    figure = new_figure(theme, "Processes at once", "Processes", "Calls per second, together")
    colours = PALETTES[theme]
    processes = [point.processes for point in points]
    alone = points[0].calls_per_second / points[0].processes
    figure.add_scatter(
        x=processes,
        y=[alone * each for each in processes],
        mode="lines",
        line=soft_line(colours.muted),
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=processes,
        y=[point.calls_per_second for point in points],
        mode="lines+markers",
        line={"color": colours.current, "width": 2},
        marker={"color": colours.current, "size": 8},
        customdata=[
            (number(p.calls_per_second, digits=3), percent(p.efficiency), count(p.n_calls, "call"))
            for p in points
        ],
        hovertemplate="<b>%{x} processes</b><br>%{customdata[0]} calls per second"
        "<br>%{customdata[1]} of the ideal<br>%{customdata[2]}<extra></extra>",
    )
    _count_processes(figure, points)
    figure.update_yaxes(rangemode="tozero")
    add_key(
        figure,
        theme,
        Key("●", colours.current, "measured"),
        Key("╌╌", colours.muted, "that many times one"),
    )
    last = points[-1]
    alt = (
        f"Calls per second by processes at once: {number(last.calls_per_second, digits=3)} with "
        f"{last.processes}, {percent(last.efficiency)} of the ideal."
    )
    return Chart(figure, alt)


def load_latency(section: PerformanceSection, theme: Theme = "light") -> Chart | None:
    """Draw p50, p95 and p99 of a call against processes at once, with their intervals."""
    points = _concurrency(section)
    if points is None:
        return None
    figure = new_figure(theme, "A call among others", "Processes", "Duration of a call (ms)")
    series: dict[str, list[Estimate]] = {
        "p50": [point.p50 for point in points],
        "p95": [point.p95 for point in points],
        "p99": [point.p99 for point in points],
    }
    colours = PALETTES[theme].series
    for index, (name, estimates) in enumerate(series.items()):
        figure.add_scatter(
            x=[point.processes for point in points],
            y=[each.value for each in estimates],
            mode="lines+markers",
            line={"color": colours[index], "width": 2, "dash": DASHES[index]},
            marker={"color": colours[index], "size": 7},
            error_y=whiskers(estimates, colours[index]),
            customdata=[duration_ms(each.value) for each in estimates],
            hovertemplate=f"<b>%{{x}} processes</b><br>{name} %{{customdata}}<extra></extra>",
        )
    _count_processes(figure, points)
    figure.update_yaxes(rangemode="tozero")
    keys = [Key(LINE_SYMBOLS[i], colours[i], name) for i, name in enumerate(series)]
    add_key(figure, theme, *keys)
    ends = ", ".join(f"{name} {duration_ms(each[-1].value)}" for name, each in series.items())
    return Chart(figure, f"Duration of a call among {points[-1].processes} processes: {ends}.")


def _count_processes(figure: go.Figure, points: Sequence[ConcurrencyPoint]) -> None:
    counts = [point.processes for point in points]
    figure.update_xaxes(tickmode="array", tickvals=counts, ticktext=[str(each) for each in counts])


def _concurrency(section: PerformanceSection) -> list[ConcurrencyPoint] | None:
    """Return the points, or None where there is no second one to compare with."""
    points = section.load.concurrency if section.load else []
    return points if len(points) > 1 else None
