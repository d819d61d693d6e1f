"""Charts of the performance and behaviour sections: latency, batches, odd input, noise.

Owns: pure functions from a section to a ``Chart``; None where the section holds nothing to draw.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import plotly.graph_objects as go

from base_types import Histogram
from figure_style import (
    PALETTES,
    Chart,
    Key,
    Theme,
    add_histogram,
    add_key,
    bin_labels,
    centres,
    has_bins,
    name_axis,
    new_figure,
    note,
    shares,
    widths,
)
from formatting import count, duration_ms, look, percent, rows_per_second
from report_types import (
    BatchPoint,
    BehaviourCase,
    BehaviourSection,
    BehaviourVerdict,
    NoisePoint,
    PerformanceSection,
)

_MARKED = ("p50", "p95", "p99")
_WIDE = 20.0
"""A histogram whose ends differ by more than this factor is drawn on a logarithmic axis."""


def latency_histogram(section: PerformanceSection, theme: Theme = "light") -> Chart | None:
    """Draw how long single-row calls took, with p50, p95 and p99 as dashed lines."""
    histogram = section.single_row_histogram
    if not has_bins(histogram):
        return None
    figure = new_figure(theme, "Latency of one row", "Duration of a call (ms)", "Calls")
    logarithmic = _is_wide(histogram.edges)
    _add_durations(figure, histogram, theme, logarithmic=logarithmic)
    marked = {
        name: section.percentiles_ms[name].value
        for name in _MARKED
        if name in section.percentiles_ms
    }
    known = {name: value for name, value in marked.items() if value is not None}
    _mark_percentiles(figure, known, theme, logarithmic=logarithmic)
    values = ", ".join(f"{name} {duration_ms(value)}" for name, value in known.items())
    alt = f"Histogram of {count(sum(histogram.counts), 'single-row call')}: {values}."
    return Chart(figure, alt)


def _is_wide(edges: Sequence[float]) -> bool:
    return edges[0] > 0 and edges[-1] / edges[0] > _WIDE


def _add_durations(
    figure: go.Figure, histogram: Histogram, theme: Theme, *, logarithmic: bool
) -> None:
    colour = PALETTES[theme].reference
    hover = "%{customdata[0]} ms<br>%{y:,} calls (%{customdata[1]:.1%})<extra></extra>"
    if not logarithmic:
        add_histogram(figure, histogram, colour, hovertemplate=hover)
        figure.update_xaxes(rangemode="tozero")
        return
    edges = [math.log10(edge) for edge in histogram.edges]
    figure.add_bar(
        x=centres(edges),
        y=histogram.counts,
        width=widths(edges),
        marker={"color": colour, "line": {"width": 0}},
        customdata=list(zip(bin_labels(histogram), shares(histogram), strict=True)),
        hovertemplate=hover,
    )
    ticks = _log_ticks(histogram.edges[0], histogram.edges[-1])
    figure.update_xaxes(
        tickmode="array",
        tickvals=[math.log10(tick) for tick in ticks],
        ticktext=[f"{tick:g}" for tick in ticks],
    )


def _log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5 times powers of ten from ``low`` to ``high``; only the powers if many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high / low < 300 else (1,)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def _mark_percentiles(
    figure: go.Figure, known: dict[str, float], theme: Theme, *, logarithmic: bool
) -> None:
    """Draw one dashed line per percentile; labels in steps, so that close ones stay readable."""
    colours = PALETTES[theme]
    figure.update_yaxes(domain=[0, 0.8])
    for index, (name, value) in enumerate(known.items()):
        position = math.log10(value) if logarithmic else value
        height = 1 - 0.075 * index
        figure.add_shape(
            type="line",
            x0=position,
            x1=position,
            yref="paper",
            y0=0,
            y1=height,
            line={"color": colours.text, "width": 1.2, "dash": "dash"},
        )
        figure.add_annotation(
            x=position,
            y=height,
            yref="paper",
            text=f"<b>{name}</b> {duration_ms(value)}",
            showarrow=False,
            xanchor=_label_side(figure, position),
            yanchor="top",
            xshift=3 if _label_side(figure, position) == "left" else -3,
            font={"size": 11, "color": colours.text},
            bgcolor=colours.surface,  # the line of a neighbour must not cross the number
        )


def _label_side(figure: go.Figure, position: float) -> str:
    """Write to the right of a line unless that would leave the chart."""
    middles = figure.data[0].x
    low, high = min(middles), max(middles)
    return "left" if position < low + 0.6 * (high - low) else "right"


def batch_throughput(section: PerformanceSection, theme: Theme = "light") -> Chart | None:
    """Draw rows per second against batch size, both logarithmic."""
    points = section.batches
    if not points:
        return None
    figure = new_figure(theme, "Throughput by batch size", "Rows per call", "Rows per second")
    _add_batches(figure, points, [point.rows_per_second for point in points], theme)
    best = max(points, key=lambda point: point.rows_per_second)
    size = count(best.batch_size, "row")
    alt = f"Throughput by batch size; best {rows_per_second(best.rows_per_second)} with {size}."
    return Chart(figure, alt)


def batch_cost(section: PerformanceSection, theme: Theme = "light") -> Chart | None:
    """Draw the time one row costs (µs) against batch size, both logarithmic."""
    points = section.batches
    if not points:
        return None
    figure = new_figure(theme, "Time per row by batch size", "Rows per call", "Time per row (µs)")
    _add_batches(figure, points, [point.us_per_row for point in points], theme)
    costs = ", ".join(
        f"{duration_ms(point.us_per_row / 1000)} at {point.batch_size:,}" for point in points
    )
    return Chart(figure, f"Time per row by batch size: {costs}.")


def _add_batches(
    figure: go.Figure, points: Sequence[BatchPoint], values: list[float], theme: Theme
) -> None:
    colour = PALETTES[theme].reference
    figure.add_scatter(
        x=[point.batch_size for point in points],
        y=values,
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"color": colour, "size": 8},
        customdata=[
            (
                rows_per_second(point.rows_per_second),
                duration_ms(point.us_per_row / 1000),
                duration_ms(point.p50_ms),
                duration_ms(point.p95_ms),
                count(point.n_calls, "call"),
            )
            for point in points
        ],
        hovertemplate="<b>%{x:,} rows per call</b><br>%{customdata[0]}<br>%{customdata[1]} per row"
        "<br>call: p50 %{customdata[2]}, p95 %{customdata[3]}<br>%{customdata[4]}<extra></extra>",
    )
    sizes = [point.batch_size for point in points]
    figure.update_xaxes(
        type="log", tickmode="array", tickvals=sizes, ticktext=[f"{size:,}" for size in sizes]
    )
    figure.update_yaxes(type="log", dtick=1, tickformat=",~r", minor={"dtick": "D1"})


def behaviour_summary(section: BehaviourSection, theme: Theme = "light") -> Chart | None:
    """Draw how many odd inputs ended how, one bar per group."""
    if not section.cases:
        return None
    groups = list(dict.fromkeys(case.group for case in section.cases))[::-1]
    figure = new_figure(
        theme, "What odd input leads to", "Cases", "", height=130 + 40 * len(groups)
    )
    for verdict in BehaviourVerdict:
        _add_verdict_bar(figure, section.cases, groups, verdict, theme)
    name_axis(figure.layout.yaxis, [group.capitalize() for group in groups])
    figure.update_layout(barmode="stack", bargap=0.35, xaxis_dtick=_whole_step(section.cases))
    add_key(figure, theme, *_verdict_keys(section.cases, theme))
    totals = Counter(case.verdict for case in section.cases)
    words = ", ".join(f"{amount} {verdict.value}" for verdict, amount in totals.items())
    return Chart(figure, f"Outcome of {count(len(section.cases), 'odd input')}: {words}.")


def _whole_step(cases: Sequence[BehaviourCase]) -> int:
    return max(1, max(Counter(case.group for case in cases).values()) // 5)


def _add_verdict_bar(
    figure: go.Figure,
    cases: Sequence[BehaviourCase],
    groups: Sequence[str],
    verdict: BehaviourVerdict,
    theme: Theme,
) -> None:
    counts = Counter(str(case.group) for case in cases if case.verdict is verdict)
    if not counts:
        return
    shown = look(verdict)
    colours = PALETTES[theme]
    amounts = [counts[group] for group in groups]
    figure.add_bar(
        y=list(range(len(groups))),
        x=amounts,
        orientation="h",
        name=shown.word,
        marker={
            "color": _verdict_colour(verdict, theme),
            "line": {"color": colours.surface, "width": 1},
        },
        text=[f"{shown.symbol} {amount}" if amount else "" for amount in amounts],
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        textfont={"color": colours.surface},
        hovertemplate=f"{shown.word}: %{{x}} cases<extra></extra>",
    )


def _verdict_colour(verdict: BehaviourVerdict, theme: Theme) -> str:
    colours = PALETTES[theme]
    roles = {
        BehaviourVerdict.HANDLED: colours.good,
        BehaviourVerdict.CLEAR_ERROR: colours.fifth,
        BehaviourVerdict.SILENT: colours.warn,
        BehaviourVerdict.BROKEN: colours.fail,
    }
    return roles.get(verdict, colours.neutral)


def _verdict_keys(cases: Sequence[BehaviourCase], theme: Theme) -> list[Key]:
    present = {case.verdict for case in cases}
    return [
        Key(look(verdict).symbol, _verdict_colour(verdict, theme), look(verdict).word)
        for verdict in BehaviourVerdict
        if verdict in present
    ]


def noise_robustness(section: BehaviourSection, theme: Theme = "light") -> Chart | None:
    """Draw how far noise of growing size changes the answers, with the 95 % interval as a band."""
    points = [point for point in section.noise if _noise_value(point) is not None]
    if not points:
        return None
    by_label = points[0].flipped_share.value is not None
    y_title = "Rows with another label" if by_label else "Mean change (std of predictions)"
    figure = new_figure(theme, "Effect of noise", "Noise (std of each column)", y_title)
    if by_label:
        _add_band(figure, points, theme)
        figure.update_yaxes(tickformat=".0%")
    colour = PALETTES[theme].reference
    values = [_noise_value(point) for point in points]
    figure.add_scatter(
        x=[point.noise for point in points],
        y=values,
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"color": colour, "size": 8},
        customdata=[(percent(value) if by_label else f"{value:.4g}",) for value in values],
        hovertemplate=f"noise %{{x:g}} std<br>{y_title.lower()}: %{{customdata[0]}}<extra></extra>",
    )
    figure.update_yaxes(rangemode="tozero")
    worst = percent(values[-1]) if by_label else f"{values[-1]:.3g} standard deviations"
    return Chart(figure, f"{y_title} by noise: {worst} at {points[-1].noise:g} std.")


def _noise_value(point: NoisePoint) -> float | None:
    share = point.flipped_share.value
    return share if share is not None else point.mean_change


def _add_band(figure: go.Figure, points: Sequence[NoisePoint], theme: Theme) -> None:
    bounded = [
        (point.noise, point.flipped_share.low, point.flipped_share.high)
        for point in points
        if point.flipped_share.low is not None and point.flipped_share.high is not None
    ]
    figure.add_scatter(
        x=[noise for noise, _, _ in bounded] + [noise for noise, _, _ in reversed(bounded)],
        y=[high for _, _, high in bounded] + [low for _, low, _ in reversed(bounded)],
        fill="toself",
        fillcolor=PALETTES[theme].reference_soft,
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
    )
    note(figure, "band: 95 % interval", theme)
