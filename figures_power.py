"""The chart of how often each test notices a drift, beside what the model loses by then.

Owns: ``power_chart``; None where nothing was repeated.
"""

from __future__ import annotations

from collections.abc import Sequence

from drift_tables import first_with_power
from drift_types import ScenarioResult, SeverityPoint
from figure_style import PALETTES, Chart, Theme, name_axis, new_figure, note, text_on_chart
from figures_drift import DEFAULT_VERDICT
from formatting import number, percent, plain_text
from glossary import title

HARM = "Harm to the model"
ENOUGH = 0.8
"""The usual aim for the power of a test (Cohen 1988)."""


def power_chart(scenario: ScenarioResult, theme: Theme = "light") -> Chart | None:
    """Draw the share of repetitions in which each test notices, by severity, and harm on top."""
    points = scenario.points
    tests = list(dict.fromkeys(name for point in points for name in point.power))
    if not tests:
        return None
    tests.sort(key=lambda name: name != DEFAULT_VERDICT, reverse=True)
    rows = [[point.power.get(name) for point in points] for name in tests]
    names = [title(name) for name in tests]
    if any(point.harm is not None for point in points):
        rows.append([point.harm for point in points])
        names.append(HARM)
    figure = new_figure(
        theme, "How often each test notices", "Severity", "", height=120 + 28 * len(rows)
    )
    colours = PALETTES[theme]
    figure.add_heatmap(
        z=rows,
        zmin=0,
        zmax=1,
        colorscale=[[0, colours.zero], [1, colours.heat]],
        showscale=False,
        xgap=2,
        ygap=2,
        customdata=[_hover(name, row, points) for name, row in zip(names, rows, strict=True)],
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
    )
    for y, row in enumerate(rows):
        for x, share in enumerate(row):
            dark = (share or 0) > 0.6
            figure.add_annotation(
                x=x,
                y=y,
                text="–" if share is None else f"{share:.0%}",
                showarrow=False,
                font={"size": 12, "color": colours.surface if dark else colours.text},
            )
    note(figure, "share of repetitions", theme)
    name_axis(figure.layout.xaxis, [number(point.severity) for point in points])
    name_axis(figure.layout.yaxis, names)
    figure.update_layout(yaxis_range=[-0.5, len(rows) - 0.5])
    return Chart(figure, f"{plain_text(scenario.title)}: {power_words(scenario)}")


def power_words(scenario: ScenarioResult) -> str:
    """Say whether the alarm rings reliably before the damage."""
    rings = first_with_power(scenario, DEFAULT_VERDICT, ENOUGH)
    harmed = scenario.harm_severity
    if rings is None:
        told = f"the alarm rings in less than {ENOUGH:.0%} of the repetitions at any severity"
        return f"{told}." if harmed is None else f"{told}, and harm begins at {number(harmed)}."
    told = f"the alarm rings in {ENOUGH:.0%} or more from severity {number(rings)} on"
    if harmed is None:
        return f"{told}; harm stays small."
    before = "before" if rings < harmed else "as soon as" if rings == harmed else "only after"
    return f"{told}, {before} the harm begins at {number(harmed)}."


def _hover(name: str, row: Sequence[float | None], points: Sequence[SeverityPoint]) -> list[str]:
    return [
        f"<b>{text_on_chart(name, 60)}</b><br>severity {number(point.severity)}<br>{percent(share)}"
        for share, point in zip(row, points, strict=True)
    ]
