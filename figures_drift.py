"""Charts of drift: scenarios against severity, alarms against harm, one column before and after.

Owns: pure functions from drift results to a ``Chart``; None where there is nothing to draw.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from drift_types import (
    DriftReport,
    DriftSection,
    DriftVerdict,
    FeatureDrift,
    FeatureHarm,
    ScenarioResult,
    SeverityPoint,
)
from figure_style import (
    PALETTES,
    Chart,
    Key,
    Theme,
    add_key,
    add_pair,
    has_bins,
    hatched,
    name_axis,
    new_figure,
    note,
    soft_line,
    text_on_chart,
)
from formatting import look, number, percent, plain_text
from glossary import title

DEFAULT_VERDICT = "default"
"""Key of ``first_noticed`` and ``tests_noticed`` that holds the product's own decision."""

HARM_LIMIT = 0.10
"""Harm from which ``ScenarioResult.harm_severity`` counts; drawn as the threshold."""

_MAX_BARS = 20
# Heights in pixels of a scenario's chart: harm above, one row per test beneath, margins around.
_HARM_PANEL = 190
_ALARM_ROW = 24
_GAP = 16
_FRAME = 120


def drift_heat_map(section: DriftSection, theme: Theme = "light") -> Chart | None:
    """Draw the harm of every scenario at every severity, and where the alarm first rings."""
    scenarios = [each for each in section.scenarios if _has_harm(each)][::-1]
    if not scenarios:
        return None
    severities = sorted({point.severity for each in scenarios for point in each.points})
    harms = [_harm_row(scenario, severities) for scenario in scenarios]
    known = [harm for row in harms for harm in row if harm is not None]
    colours = PALETTES[theme]
    figure = new_figure(theme, "Harm by scenario", "Severity", "", height=130 + 36 * len(scenarios))
    figure.add_heatmap(
        z=harms,
        zmin=0,
        zmax=max([*known, 4 * HARM_LIMIT]),
        colorscale=[[0, colours.zero], [1, colours.heat]],
        showscale=False,
        xgap=2,
        ygap=2,
        customdata=[[_heat_hover(each, severity) for severity in severities] for each in scenarios],
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
    )
    _write_harms(figure, harms, scenarios, severities, theme)
    note(figure, "◆ the alarm first rings", theme)
    name_axis(figure.layout.xaxis, [number(severity) for severity in severities])
    name_axis(figure.layout.yaxis, [scenario.title for scenario in scenarios])
    figure.update_layout(yaxis_range=[-0.5, len(scenarios) - 0.5])
    worst = max(scenarios, key=lambda scenario: scenario.harm or 0)
    words = f"{plain_text(worst.title)} with {percent(worst.harm)}"
    return Chart(figure, f"Harm of {len(scenarios)} drift scenarios; the largest is {words}.")


def _has_harm(scenario: ScenarioResult) -> bool:
    """Whether any severity was tried with an answer that can be compared row by row, or failed."""
    return any(point.harm is not None or point.error for point in scenario.points)


def _harm_row(scenario: ScenarioResult, severities: Sequence[float]) -> list[float | None]:
    by_severity = {point.severity: point.harm for point in scenario.points}
    return [by_severity.get(severity) for severity in severities]


def _heat_hover(scenario: ScenarioResult, severity: float) -> str:
    point = next((each for each in scenario.points if each.severity == severity), None)
    lines = [f"<b>{text_on_chart(scenario.title, 60)}</b>", f"severity {number(severity)}"]
    if point is None:
        return "<br>".join([*lines, "not tried"])
    if point.error:
        return "<br>".join([*lines, f"the model failed: {text_on_chart(point.error, 80)}"])
    flagged = point.tests_noticed.get(DEFAULT_VERDICT, point.n_columns_flagged > 0)
    lines.append(f"harm {percent(point.harm)}")
    lines.append("the alarm rings" if flagged else "the alarm is silent")
    return "<br>".join(lines)


def _write_harms(
    figure: go.Figure,
    harms: Sequence[Sequence[float | None]],
    scenarios: Sequence[ScenarioResult],
    severities: Sequence[float],
    theme: Theme,
) -> None:
    colours = PALETTES[theme]
    top = figure.data[0].zmax
    for row, scenario in enumerate(scenarios):
        noticed = scenario.first_noticed.get(DEFAULT_VERDICT)
        for column, severity in enumerate(severities):
            harm = harms[row][column]
            mark = "◆ " if noticed == severity else ""
            figure.add_annotation(
                x=column,
                y=row,
                text=mark + ("–" if harm is None else f"{harm:.0%}"),
                showarrow=False,
                font={
                    "size": 12,
                    "color": colours.surface if (harm or 0) > 0.6 * top else colours.text,
                },
            )


def scenario_chart(scenario: ScenarioResult, theme: Theme = "light") -> Chart | None:
    """Draw harm against severity and, beneath it, which test notices where.

    The question it answers: does the alarm ring before the damage is done?
    """
    if not scenario.points:
        return None
    tests = list(dict.fromkeys(name for point in scenario.points for name in point.tests_noticed))
    tests.sort(key=lambda name: name != DEFAULT_VERDICT, reverse=True)
    counted = any(point.harm is not None for point in scenario.points)
    if not (tests or counted):
        return None
    heights = (_HARM_PANEL * counted, _ALARM_ROW * len(tests))
    figure = new_figure(
        theme, text_on_chart(scenario.title, 40), "Severity", "", height=sum(heights) + _FRAME
    )
    keys = _add_harm_panel(figure, scenario.points, heights, theme) if counted else []
    if tests:
        keys += _add_alarm_panel(figure, scenario.points, tests, heights, theme)
    name_axis(figure.layout.xaxis, [number(point.severity) for point in scenario.points])
    figure.update_xaxes(anchor="y2" if tests else "y", range=[-0.3, len(scenario.points) - 0.7])
    add_key(figure, theme, *keys)
    return Chart(figure, f"{plain_text(scenario.title)}: {_alarm_or_damage(scenario)}")


def _add_harm_panel(
    figure: go.Figure, points: Sequence[SeverityPoint], heights: tuple[int, int], theme: Theme
) -> list[Key]:
    harm_height, alarm_height = heights
    bottom = (alarm_height + _GAP) / (harm_height + alarm_height) if alarm_height else 0
    _add_harm_line(figure, points, theme)
    figure.update_layout(
        yaxis={
            "domain": [bottom, 1],
            "title": {"text": _harm_words(points)},
            "tickformat": ".0%",
            "rangemode": "tozero",
        }
    )
    colour = PALETTES[theme].text
    figure.add_hline(y=HARM_LIMIT, line=soft_line(colour))
    return [Key("╌╌", colour, f"harm limit {HARM_LIMIT:.0%}")]


def _add_alarm_panel(
    figure: go.Figure,
    points: Sequence[SeverityPoint],
    tests: Sequence[str],
    heights: tuple[int, int],
    theme: Theme,
) -> list[Key]:
    top = heights[1] / sum(heights)
    axis = {"domain": [0, top], "anchor": "x", "range": [-0.6, len(tests) - 0.4]}
    figure.update_layout(yaxis2=axis)
    _add_alarms(figure, points, tests, theme)
    name_axis(figure.layout.yaxis2, [title(name) for name in tests])
    colours = PALETTES[theme]
    return [Key("◆", colours.reference, "notices"), Key("○", colours.muted, "silent")]


def _harm_words(points: Sequence[SeverityPoint]) -> str:
    """Say what harm is: of labels the changed share, of numbers the change in their spread."""
    by_label = any(p.prediction and p.prediction.flipped_share is not None for p in points)
    return "Changed answers" if by_label else "Change (% of std)"


def _alarm_or_damage(scenario: ScenarioResult) -> str:
    noticed = scenario.first_noticed.get(DEFAULT_VERDICT)
    if scenario.harm_severity is None:
        alarm = "never noticed" if noticed is None else f"noticed from severity {number(noticed)}"
        return f"{_no_harm(scenario)}, {alarm}."
    if noticed is None:
        return f"harm from severity {number(scenario.harm_severity)}, never noticed."
    order = "before" if noticed <= scenario.harm_severity else "after"
    return (
        f"the alarm rings {order} the damage: noticed at severity {number(noticed)}, "
        f"harm at {number(scenario.harm_severity)}."
    )


def _no_harm(scenario: ScenarioResult) -> str:
    if scenario.harm is not None:
        return f"harm never reaches {HARM_LIMIT:.0%}"
    if any(point.error for point in scenario.points):
        return "the model fails on this data"
    return "other rows are drawn, so there is no harm to count"


def _add_harm_line(figure: go.Figure, points: Sequence[SeverityPoint], theme: Theme) -> None:
    colour = PALETTES[theme].current
    harms = [point.harm for point in points]
    figure.add_scatter(
        x=list(range(len(points))),
        y=harms,
        mode="lines+markers",
        name="Harm",
        showlegend=False,
        line={"color": colour, "width": 2.5},
        marker={"color": colour, "size": 8},
        customdata=[
            (percent(harm), number(point.quality_change), number(point.severity))
            for harm, point in zip(harms, points, strict=True)
        ],
        hovertemplate="severity %{customdata[2]}<br>harm %{customdata[0]}"
        "<br>change of quality %{customdata[1]}<extra></extra>",
    )


def _add_alarms(
    figure: go.Figure, points: Sequence[SeverityPoint], tests: Sequence[str], theme: Theme
) -> None:
    """Draw a filled marker where a test notices and a hollow one where it does not."""
    colours = PALETTES[theme]
    for noticed, name, symbol in ((True, "notices", "diamond"), (False, "silent", "circle-open")):
        hits = [
            (column, row, f"{title(test)} {name}<br>at severity {number(point.severity)}")
            for row, test in enumerate(tests)
            for column, point in enumerate(points)
            if point.tests_noticed.get(test) is noticed
        ]
        figure.add_scatter(
            x=[column for column, _, _ in hits],
            y=[row for _, row, _ in hits],
            yaxis="y2",
            mode="markers",
            name=name,
            marker={
                "color": colours.reference if noticed else colours.neutral,
                "size": 11 if noticed else 8,
                "symbol": symbol,
            },
            customdata=[text for _, _, text in hits],
            hovertemplate="%{customdata}<extra></extra>",
        )


def harm_ranking(ranking: Sequence[FeatureHarm], theme: Theme = "light") -> Chart | None:
    """Draw which column's drift hurts most, and whether the alarm would ring."""
    shown = sorted(ranking, key=lambda item: item.harm)[-_MAX_BARS:]
    if not shown:
        return None
    figure = new_figure(theme, "Whose drift hurts most", "Harm", "", height=120 + 26 * len(shown))
    colours = PALETTES[theme]
    for noticed, name, marker in (
        (True, "Noticed", {"color": colours.reference}),
        (False, "Not noticed", hatched(colours.current, theme)),
    ):
        rows = [(row, item) for row, item in enumerate(shown) if item.noticed is noticed]
        if not rows:
            continue
        figure.add_bar(
            y=[row for row, _ in rows],
            x=[item.harm for _, item in rows],
            orientation="h",
            width=0.7,
            name=name,
            marker=marker,
            customdata=[_harm_hover(item) for _, item in rows],
            hovertemplate="%{customdata}<extra></extra>",
        )
    name_axis(figure.layout.yaxis, [item.feature for item in shown])
    figure.update_layout(
        yaxis_range=[-0.6, len(shown) - 0.4],
        xaxis={"tickformat": ".0%", "rangemode": "tozero"},
        barmode="overlay",
    )
    keys = (Key("■", colours.reference, "noticed"), Key("▨", colours.current, "not noticed"))
    add_key(figure, theme, *keys)
    worst = shown[-1]
    words = f"{plain_text(worst.feature, 60)} with {percent(worst.harm)}"
    return Chart(figure, f"Harm by drift of single columns; the largest is {words}.")


def _harm_hover(item: FeatureHarm) -> str:
    lines = (
        f"<b>{text_on_chart(item.feature, 80)}</b>",
        f"harm {percent(item.harm)}",
        "" if item.quality_change is None else f"change of quality {number(item.quality_change)}",
        text_on_chart(item.scenario, 60),
    )
    return "<br>".join(line for line in lines if line)


def feature_overlay(drift: FeatureDrift, theme: Theme = "light") -> Chart | None:
    """Draw one column's reference (filled bars) against current (outline)."""
    if not (has_bins(drift.reference) and has_bins(drift.current)):
        return None
    figure = new_figure(
        theme, text_on_chart(drift.feature, 40), "Value", "Share of rows", height=300
    )
    add_pair(figure, theme, ("reference", drift.reference), ("current", drift.current))
    if drift.reference.labels:
        figure.update_layout(xaxis_title_text="Category")
    alt = f"{plain_text(drift.feature, 60)}, reference against current: {drift.verdict.value}. "
    return Chart(figure, alt + plain_text(drift.why, 200))


def drift_overview(report: DriftReport, theme: Theme = "light") -> Chart | None:
    """Draw the largest effect size of every column, coloured and marked by its verdict."""
    columns = sorted(report.features, key=_effect)[-_MAX_BARS:]
    if not columns:
        return None
    figure = new_figure(
        theme, "Drift by column", "Largest effect size", "", height=130 + 26 * len(columns)
    )
    colours = PALETTES[theme]
    keys = []
    for verdict, marker in (
        (DriftVerdict.DRIFT, {"color": colours.fail}),
        (DriftVerdict.POSSIBLE, hatched(colours.warn, theme)),
        (DriftVerdict.NONE, {"color": colours.good}),
        (DriftVerdict.UNKNOWN, {"color": colours.neutral}),
    ):
        rows = [(row, item) for row, item in enumerate(columns) if item.verdict is verdict]
        if not rows:
            continue
        keys.append(Key(look(verdict).symbol, str(marker["color"]), look(verdict).word))
        figure.add_bar(
            y=[row for row, _ in rows],
            x=[_effect(item) for _, item in rows],
            orientation="h",
            width=0.7,
            name=look(verdict).word,
            marker=marker,
            customdata=[
                (text_on_chart(item.feature, 80), text_on_chart(item.why, 120)) for _, item in rows
            ],
            hovertemplate="<b>%{customdata[0]}</b><br>effect size %{x:.4g}"
            "<br>%{customdata[1]}<extra></extra>",
        )
    name_axis(figure.layout.yaxis, [item.feature for item in columns])
    figure.update_layout(yaxis_range=[-0.6, len(columns) - 0.4], barmode="overlay")
    add_key(figure, theme, *keys)
    return Chart(figure, f"{report.n_drifted} of {len(report.features)} columns have drifted.")


def _effect(drift: FeatureDrift) -> float:
    return max((abs(test.effect_size) for test in drift.tests if test.effect_size), default=0.0)
