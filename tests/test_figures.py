"""What the charts promise: every number with its unit, colours by role, text that stays text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

import figures
from base_types import Estimate, Histogram
from drift_types import DriftReport, DriftSection, FeatureDrift
from figure_style import COLOUR_SWAP, PALETTES, Chart, Palette, text_on_chart
from report_types import PerformanceSection, TestReport
from tests.report_factory import HOSTILE_NAMES, FactoryTask, make_empty_report, make_report

SECTIONS = ("performance", "quality", "behaviour", "drift", "explanations", "data")
TASKS: tuple[FactoryTask, ...] = ("binary", "multiclass", "regression")
LIGHT = PALETTES["light"]


def drift_of_one_column(report: TestReport) -> FeatureDrift:
    return report.drift.scenarios[0].points[2].features[0]


def trend() -> list[figures.TrendPoint]:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    return [
        figures.TrendPoint(start + timedelta(days=day), Estimate(value=0.9 - day / 100), f"r{day}")
        for day in range(3)
    ]


@cache
def every_chart(task: FactoryTask, theme: figures.Theme = "light") -> dict[str, Chart]:
    """Return the charts of the full report by section and name; nobody may change them."""
    report = make_report(task)
    charts = {
        f"{section}.{name}": chart
        for section in SECTIONS
        for name, chart in figures.section_charts(report, section, theme).items()
    }
    drift = drift_of_one_column(report)
    others = {
        "overlay": figures.feature_overlay(drift, theme),
        "overview": figures.drift_overview(DriftReport(features=[drift]), theme),
        "trend": figures.history_trend(trend(), "accuracy", theme, thresholds={"warn": 0.85}),
        "comparison": figures.run_comparison({"a": Estimate(value=1.0)}, "p95", theme, unit="ms"),
    }
    return charts | {name: chart for name, chart in others.items() if chart is not None}


@pytest.fixture(scope="module")
def charts() -> dict[str, Chart]:
    return {f"{task}.{name}": chart for task in TASKS for name, chart in every_chart(task).items()}


ALL_KINDS = [
    *("latency_histogram", "batch_throughput", "batch_cost", "metric_intervals", "error_intervals"),
    *("confusion_matrix", "predicted_vs_actual", "residual_histogram", "roc_curve", "slice_dots"),
    *("precision_recall_curve", "calibration_curve", "threshold_curve", "prediction_distribution"),
    *("confidence_distribution", "behaviour_summary", "noise_robustness", "drift_heat_map"),
    *("harm_ranking", "scenario_mean_shift", "importance_0", "beeswarm_0", "dependence_0_1"),
    *("load_response", "load_throughput", "load_latency", "gain_curve", "lift_curve"),
    *("residuals_by_prediction", "residuals_by_column"),
    *("waterfall_0", "column_0", "overlay", "overview", "trend", "comparison"),
]


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_every_kind_of_chart_is_drawn(charts: dict[str, Chart], kind: str) -> None:
    """The full fixture misses no chart of the product."""
    assert kind in {name.rpartition(".")[2] for name in charts}


def test_every_chart_has_title_axis_and_words(charts: dict[str, Chart]) -> None:
    """A short title, at least one named axis, and a sentence for those who cannot see it."""
    for name, (figure, alt) in charts.items():
        layout = figure.layout
        assert 3 <= len(layout.title.text) <= 110, name
        assert layout.xaxis.title.text or layout.yaxis.title.text, name
        assert alt.endswith((".", "|")), name
        assert "None" not in alt
        assert "nan" not in alt.split(), name


def test_no_axis_writes_letters_for_powers_of_ten(charts: dict[str, Chart]) -> None:
    """Neither "5n" for 0.000000005 nor "5M" for five million, which Plotly writes unless told."""
    for name, (figure, _) in charts.items():
        usual = figure.layout.template.layout
        for given, by_default in (
            (figure.layout.xaxis, usual.xaxis),
            (figure.layout.yaxis, usual.yaxis),
        ):
            assert not (given.tickformat or "").endswith("s"), name
            assert (given.exponentformat or by_default.exponentformat) == "power", name


def test_no_chart_shows_the_library_default_colours(charts: dict[str, Chart]) -> None:
    """Every colour of a trace is one of the palette's."""
    ours = set(json.loads(json.dumps([getattr(LIGHT, f) for f in Palette.__slots__])))
    for name, (figure, _) in charts.items():
        traces = json.dumps(json.loads(figure.to_json())["data"])
        found = set(re.findall(r"#[0-9A-Fa-f]{6}\b|rgba\([^)]*\)", traces))
        assert found, name
        assert found <= ours, name


@pytest.mark.parametrize("task", TASKS)
def test_dark_is_light_with_exchanged_colours(task: FactoryTask) -> None:
    """What the report does in the browser gives exactly the dark figure."""
    dark = every_chart(task, "dark")
    pattern = re.compile("|".join(map(re.escape, COLOUR_SWAP)))
    for name, chart in every_chart(task).items():
        swapped = pattern.sub(lambda hit: COLOUR_SWAP[hit[0]], chart.figure.to_json())
        assert json.loads(swapped) == json.loads(dark[name].figure.to_json()), name


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
@pytest.mark.parametrize(
    ("role", "least"),
    [
        *((role, 3) for role in ("reference", "current", "third", "fourth", "fifth", "sixth")),
        *((role, 3) for role in ("low", "high", "heat")),
        *((role, 4.5) for role in ("muted", "good", "warn", "fail")),
        ("text", 7),
    ],
)
def test_colours_can_be_seen(palette: Palette, role: str, least: float) -> None:
    """Contrast with the page is at least what WCAG asks of text (4.5) and graphics (3)."""
    lights = sorted((luminance(getattr(palette, role)), luminance(palette.surface)))
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= least


def texts_of(node: Any) -> list[str]:
    """Return every string of a figure."""
    if isinstance(node, str):
        return [node]
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [text for child in children for text in texts_of(child)]


def test_names_of_others_are_no_markup(charts: dict[str, Chart]) -> None:
    """No text has a tag but our own, a pair of dollars, or a control character."""
    own = r"</?b>|<br>|<span style=\"color:[^\"<>]*\">|</span>|<extra>|</extra>"
    for name, (figure, _) in charts.items():
        for text in texts_of(json.loads(figure.to_json())):
            rest = re.sub(own, "", text)
            assert "<" not in rest, (name, text)
            assert "$" not in rest, (name, text)
            assert not re.search(r"[\x00-\x1f\u202e]", rest), (name, text)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_text_on_a_chart_is_short_and_harmless(name: str) -> None:
    """A name is cut, and no longer opens a tag."""
    text = text_on_chart(name)
    assert "<" not in text
    assert len(re.sub("&[a-z#0-9]+;", "x", text)) <= 24


def test_charts_hold_bins_not_rows(charts: dict[str, Chart]) -> None:
    """No chart carries more than 5,000 markers, so that any browser draws it."""
    for name, (figure, _) in charts.items():
        points = sum(len(trace.x) for trace in figure.data if trace.x is not None)
        assert points <= 5000, name


def test_an_empty_report_has_no_chart() -> None:
    """Where nothing was measured nothing is drawn."""
    report = make_empty_report()
    assert not any(figures.section_charts(report, section) for section in (*SECTIONS, "model"))


@pytest.mark.parametrize(
    "build",
    [figures.latency_histogram, figures.batch_cost, figures.batch_throughput],
)
def test_nothing_measured_gives_none(
    build: Callable[[PerformanceSection], Chart | None],
) -> None:
    """An empty section gives None, not an empty chart."""
    assert build(PerformanceSection()) is None


def test_latency_lines_stand_at_the_percentiles() -> None:
    """The dashed lines are where the section says p50, p95 and p99 are, on a log axis."""
    chart = figures.latency_histogram(make_report().performance)
    assert chart is not None
    found = [10**shape.x0 for shape in chart.figure.layout.shapes]
    assert found == pytest.approx([1.42, 2.31, 7.9])
    assert chart.figure.layout.xaxis.title.text == "Duration of a call (ms)"


def test_a_narrow_latency_histogram_is_linear() -> None:
    """Without a long tail the axis carries milliseconds themselves."""
    narrow = PerformanceSection(
        single_row_histogram=Histogram(edges=[1.0, 1.5, 2.0], counts=[3, 4]),
        percentiles_ms={"p50": Estimate(value=1.6)},
    )
    chart = figures.latency_histogram(narrow)
    assert chart is not None
    assert list(chart.figure.data[0].x) == [1.25, 1.75]
    assert chart.figure.layout.shapes[0].x0 == 1.6


def test_batches_are_log_log_with_units() -> None:
    """Both axes are logarithmic and named with their unit."""
    for build, unit in ((figures.batch_cost, "µs"), (figures.batch_throughput, "per second")):
        chart = build(make_report().performance)
        assert chart is not None
        layout = chart.figure.layout
        assert (layout.xaxis.type, layout.yaxis.type) == ("log", "log")
        assert unit in layout.yaxis.title.text


def test_confusion_is_coloured_by_the_share_of_the_true_class() -> None:
    """Each row of the heat map sums to 1, and counts stand in the cells."""
    section = make_report("multiclass").quality
    chart = figures.confusion_matrix(section)
    assert chart is not None
    assert [sum(row) for row in chart.figure.data[0].z] == pytest.approx([1, 1, 1])
    written = [note.text.split("</b>")[0] for note in chart.figure.layout.annotations]
    assert written[:3] == ["<b>280", "<b>15", "<b>18"]


def test_whiskers_reach_the_interval() -> None:
    """Error bars end at low and high of each estimate."""
    section = make_report().quality
    chart = figures.metric_intervals(section)
    assert chart is not None
    dots = chart.figure.data[-1]
    first = section.metrics[0].estimate
    assert first.value is not None
    assert dots.x[-1] == first.value
    assert dots.x[-1] + dots.error_x.array[-1] == pytest.approx(first.high)
    assert dots.x[-1] - dots.error_x.arrayminus[-1] == pytest.approx(first.low)


def test_a_waterfall_leads_from_base_to_answer() -> None:
    """The steps, with all small columns together, sum to the answer."""
    section = make_report().explanations
    output = section.outputs[-1]
    row = figures.telling_row(output)
    chart = figures.waterfall(section, output, row)
    assert chart is not None
    bars = chart.figure.data[0]
    assert bars.base + sum(bars.x) == pytest.approx(output.predictions[row])


def test_a_waterfall_of_no_row_is_none() -> None:
    """A row that was not explained has no chart."""
    section = make_report().explanations
    assert figures.waterfall(section, section.outputs[0], 10_000) is None


def test_bars_that_are_tied_are_marked() -> None:
    """Only a column whose order with the next is not certain bears the mark, and it is told."""
    section = make_report("binary", hostile=False).explanations
    output = section.outputs[0].model_copy(deep=True)
    for item in output.importance:
        item.tied_with_next = item.rank == 2
    chart = figures.importance_bars(section, output)
    assert chart is not None
    marked = [text for text in chart.figure.layout.yaxis.ticktext if "≈" in text]
    second = next(item.feature for item in output.importance if item.rank == 2)
    assert marked == [f"{second} ≈"]
    assert any("tied with the next" in note.text for note in chart.figure.layout.annotations)


def test_tiny_contributions_are_drawn_where_they_are() -> None:
    """A model of quantities near 1e-8 has a beeswarm of its own width, not a line at zero."""
    section = make_report("regression").explanations
    (output,) = section.outputs
    tiny = output.model_copy(
        update={"values": [[1e-9 * value for value in row] for row in output.values]}
    )
    chart = figures.beeswarm(section, tiny)
    assert chart is not None
    drawn = {abs(float(x)) for trace in chart.figure.data for x in trace.x if x}
    largest = max(abs(value) for row in tiny.values for value in row)
    assert max(drawn) == pytest.approx(largest)


def test_text_columns_are_grey_in_the_beeswarm() -> None:
    """Only numbers have a low and a high end."""
    section = make_report("binary", hostile=False).explanations
    chart = figures.beeswarm(section, section.outputs[-1])
    assert chart is not None
    greys = [trace for trace in chart.figure.data if isinstance(trace.marker.color, str)]
    assert [trace.marker.color for trace in greys] == [LIGHT.neutral]


@pytest.mark.parametrize(
    ("cell", "words"), [("x", ["text"]), (1.5, ["low value", "high"])], ids=["text", "numbers"]
)
def test_the_key_of_the_beeswarm_names_what_occurs(cell: str | float, words: list[str]) -> None:
    """Nothing is said of text where all columns are numbers, nor of low and high in texts."""
    section = make_report("binary", hostile=False).explanations
    rows = [dict.fromkeys(section.columns, cell) for _ in section.rows]
    section = section.model_copy(update={"rows": rows})
    chart = figures.beeswarm(section, section.outputs[-1])
    assert chart is not None
    shown = " ".join(str(note.text) for note in chart.figure.layout.annotations)
    assert [word for word in ("low value", "high", "text") if word in shown] == words


def test_alarms_are_marked_where_the_default_verdict_notices() -> None:
    """The diamond of the heat map stands at the scenario's first noticed severity."""
    section = make_report().drift
    chart = figures.drift_heat_map(section)
    assert chart is not None
    marks = sum(
        note.text.startswith("◆ ") and note.text[-1] == "%"
        for note in chart.figure.layout.annotations
    )
    expected = sum(each.first_noticed.get("default") is not None for each in section.scenarios)
    assert marks == expected


def test_a_scenario_tells_whether_the_alarm_rings_in_time() -> None:
    """The words compare the severity of the alarm with that of the damage."""
    chart = figures.scenario_chart(make_report().drift.scenarios[0])
    assert chart is not None
    assert "the alarm rings" in chart.alt


def test_reference_and_current_have_their_roles() -> None:
    """Reference is filled blue, current an orange outline, both as shares that sum to 1."""
    chart = figures.feature_overlay(drift_of_one_column(make_report()))
    assert chart is not None
    reference, current = chart.figure.data
    assert (reference.marker.color, current.line.color) == (LIGHT.reference, LIGHT.current)
    assert sum(reference.y) == pytest.approx(1)
    assert sum(current.y) == pytest.approx(1)


def test_no_drift_section_no_chart() -> None:
    """An empty drift section draws nothing."""
    assert figures.drift_heat_map(DriftSection()) is None
    assert figures.harm_ranking([]) is None


def test_a_trend_is_in_order_of_time_with_its_threshold() -> None:
    """Points are sorted, and the threshold is a line with its value."""
    chart = figures.history_trend(trend()[::-1], "accuracy", thresholds={"warn below": 0.85})
    assert chart is not None
    assert list(chart.figure.data[0].y) == pytest.approx([0.9, 0.89, 0.88])
    assert chart.figure.layout.shapes[0].y0 == 0.85
    assert chart.figure.layout.annotations[0].text == "warn below 0.85"
