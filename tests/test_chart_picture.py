"""Charts as pictures: every kind is drawn, with its title, its colours and its proportions."""

from __future__ import annotations

import io
import re
import zipfile
from functools import cache
from xml.etree import ElementTree as ET

import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.image import imread

import figures
import report_archive
from chart_picture import SHARPNESS, WIDTH, draw_pictures, plain
from errors import BusyError, MonitorError
from figure_style import Chart
from report_bundle import zip_charts, zip_everything
from report_types import TestReport
from tests.report_factory import make_empty_report, make_report
from tests.serving import ROOT
from tests.test_figures import ALL_KINDS, every_chart

SVG = "{http://www.w3.org/2000/svg}"
FEW = ("latency_histogram", "batch_throughput", "batch_cost")
HEX = re.compile("#[0-9a-fA-F]{6}")


@cache
def chart_of(kind: str) -> Chart:
    """Return the first chart of a kind that some task has."""
    for task in ("binary", "regression"):
        charts = every_chart(task)
        found = next((charts[name] for name in charts if name.rpartition(".")[2] == kind), None)
        if found is not None:
            return found
    raise KeyError(kind)


def colours_of(figure: go.Figure) -> set[str]:
    """Return the plain colours of traces, but for those that are mixed by a number."""
    mixed = ("heatmap", "waterfall")
    traces = [each.to_plotly_json() for each in figure.data if each.type not in mixed]
    return {each.lower() for each in HEX.findall(str(traces))}


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_every_kind_of_chart_becomes_two_pictures(kind: str) -> None:
    """The SVG is XML with the chart's texts and colours, the PNG as large as promised."""
    chart = chart_of(kind)
    pictures = draw_pictures(chart)
    root = ET.fromstring(pictures["svg"])  # noqa: S314 - our own
    assert root.tag == f"{SVG}svg"
    texts = "\n".join("".join(each.itertext()) for each in root.iter(f"{SVG}text"))
    layout = chart.figure.layout
    for wanted in (layout.title.text, layout.xaxis.title.text, layout.yaxis.title.text):
        assert all(line in texts for line in plain(wanted).splitlines())
    svg = pictures["svg"].decode().lower()
    missing = {each for each in colours_of(chart.figure) if each not in svg}
    assert not missing
    pixels = imread(io.BytesIO(pictures["png"]))
    height = (layout.height or 320) * SHARPNESS
    assert pixels.shape[:2] == pytest.approx((height, WIDTH * SHARPNESS), abs=1)
    assert pixels[..., :3].std() > 0.01, "the picture is empty"


def test_the_picture_has_the_proportions_of_the_numbers() -> None:
    """Bars of 1, 2 and 4 are drawn as rectangles whose heights are as 1 to 2 to 4."""
    figure = go.Figure(go.Bar(x=[0, 1, 2], y=[1, 2, 4], marker={"color": "#123456"}))
    svg = draw_pictures(Chart(figure, ""), kinds=["svg"])["svg"].decode()
    paths = re.findall(r'<path d="([^"]+)"[^>]*style="fill: #123456', svg)
    heights = [np.ptp([float(y) for y in re.findall(r"[ML] [-\d.]+ ([-\d.]+)", d)]) for d in paths]
    assert np.array(heights) / heights[0] == pytest.approx([1, 2, 4], rel=1e-3)


def test_a_picture_refers_to_nothing_and_runs_nothing() -> None:
    """However columns are called, an SVG holds no script, no link out and no foreign markup."""
    for kind in ("dependence_0_1", "slice_dots", "waterfall_0", "harm_ranking"):
        root = ET.fromstring(draw_pictures(chart_of(kind), kinds=["svg"])["svg"])  # noqa: S314
        for element in root.iter():
            assert element.tag.rpartition("}")[2] not in ("script", "foreignObject", "image", "a")
            for name, value in element.attrib.items():
                if name.endswith("href"):
                    assert value.startswith("#")
                assert not name.startswith("on")


def test_numbers_of_a_logarithmic_axis_are_plain() -> None:
    """Powers of ten are written as numbers, not as the formula that draws them."""
    figure = go.Figure(go.Scatter(x=[1, 2, 3], y=[10.0, 1000.0, 100000.0]))
    figure.update_yaxes(type="log")
    svg = draw_pictures(Chart(figure, ""), kinds=["svg"])["svg"].decode()
    assert ">100,000<" in svg
    assert "math" not in svg


def test_a_scenario_without_harm_has_one_part() -> None:
    """Where no answer can be compared, the picture shows the tests alone."""
    scenario = make_report("binary").drift.scenarios[0]
    for point in scenario.points:
        point.prediction = None
    chart = figures.scenario_chart(scenario)
    assert chart is not None
    assert "notices" in draw_pictures(chart, kinds=["svg"])["svg"].decode()


def test_no_chart_of_the_product_has_an_unknown_mark() -> None:
    """Whatever kind of chart is added, what it is made of can be drawn as a picture."""
    sources = "".join(path.read_text() for path in ROOT.glob("figure*.py"))
    marks = set(re.findall(r"figure\.add_([a-z]+)\(", sources))
    assert marks <= {
        "bar",
        "scatter",
        "heatmap",
        "waterfall",
        "hline",
        "vline",
        "shape",
        "annotation",
    }


def test_an_unknown_mark_is_an_error() -> None:
    """No picture silently lacks a part of its chart."""
    with pytest.raises(ValueError, match="'pie'"):
        draw_pictures(Chart(go.Figure(go.Pie(values=[1, 2])), ""))


def report_with_few_charts() -> TestReport:
    """Return a report whose only charts are ``FEW``."""
    report = make_empty_report()
    report.performance = make_report("binary").performance.model_copy(update={"load": None})
    return report


def test_the_archives_hold_every_chart_and_are_reproducible() -> None:
    """One file per chart of the report, the same bytes each time, beside the rest of everything."""
    report = report_with_few_charts()
    archive = zip_charts(report, "svg")
    assert archive == zip_charts(report, "svg")
    with zipfile.ZipFile(io.BytesIO(archive)) as charts:
        names = charts.namelist()
    assert names == [f"charts/performance/{name}.svg" for name in FEW]
    with zipfile.ZipFile(io.BytesIO(zip_everything(report))) as everything:
        assert set(names) <= set(everything.namelist())


def test_a_process_of_its_own_makes_the_same_archives() -> None:
    """What the doors send is what drawing here gives, and an unknown content is told."""
    report = report_with_few_charts()
    told = report.model_dump_json()
    assert report_archive.make_archive(told, "svg") == zip_charts(report, "svg")
    with pytest.raises(MonitorError, match="could not be drawn"):
        report_archive.make_archive(told, "pdf")


def test_who_waits_too_long_for_others_charts_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of the server is not held for as long as others' archives take."""
    monkeypatch.setattr(report_archive, "WAIT_SECONDS", 0.01)
    with report_archive._drawing, pytest.raises(BusyError, match="try again"):
        report_archive.make_archive("{}", "svg")
