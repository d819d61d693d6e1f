"""A chart as a picture to keep: SVG or PNG, drawn without a browser and without the internet.

Owns: ``draw_pictures``, the page around a chart (title, axes, key, remarks) and its settings;
``picture_marks`` draws bars, lines and points. Only what our own charts are made of is translated;
a mark that is not known here is an error, so that no picture silently lacks a part.
"""

from __future__ import annotations

import html
import io
import re
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import matplotlib
import plotly.graph_objects as go
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea, VPacker
from matplotlib.ticker import FuncFormatter, MultipleLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation, Transform, blended_transform_factory

from figure_style import PALETTES, Chart, Palette, Theme
from picture_marks import POINTS, draw_marks, plain_line

Kind = Literal["svg", "png"]
KINDS: tuple[Kind, ...] = ("svg", "png")

WIDTH = 760
"""Width of a picture in pixels of the screen; its height is the chart's own."""

SHARPNESS = 2
"""Pixels of a PNG per pixel of the screen, so that print is sharp."""

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib: the same picture on every machine
    "svg.fonttype": "none",  # text stays text: found, read aloud, edited
    "svg.hashsalt": "chart",  # same chart, same bytes
    "text.parse_math": False,  # names may hold dollars
    "figure.constrained_layout.w_pad": 0.08,
}
_drawing = threading.Lock()
"""Matplotlib's settings and the warning filters belong to the whole process."""

_SPAN = re.compile(r'<span style="color:([^"]+)">(.*?)</span>([^<]*)')
_TAG = re.compile(r"<[^>]*>")


def draw_pictures(
    chart: Chart, theme: Theme = "light", kinds: Sequence[Kind] = KINDS
) -> dict[str, bytes]:
    """Return a chart as files by kind; the same chart gives the same bytes.

    Parameters
    ----------
    chart : Chart
        Drawn for ``theme``; its words become the picture's description.
    theme : {"light", "dark"}
        Which background and text colours to use.
    kinds : sequence of {"svg", "png"}

    Raises
    ------
    ValueError
        The chart holds a mark that no picture of ours knows.
    """
    with _drawing, warnings.catch_warnings(), matplotlib.rc_context(_SETTINGS):
        # a letter that the font lacks is drawn as a box; the text of an SVG keeps it
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        picture = _draw(chart.figure, PALETTES[theme])
        return {kind: _save(picture, kind, chart) for kind in kinds}


def _save(picture: Figure, kind: Kind, chart: Chart) -> bytes:
    about: dict[str, Any] = {
        "Title": plain(chart.figure.layout.title.text),
        "Description": chart.alt,
    }
    about |= {"Date": None} if kind == "svg" else {}  # None leaves it out
    buffer = io.BytesIO()
    picture.savefig(buffer, format=kind, dpi=100 * SHARPNESS, metadata=about)
    return buffer.getvalue()


def _draw(source: go.Figure, colours: Palette) -> Figure:
    layout = source.layout
    picture = Figure((WIDTH / 100, (layout.height or 320) / 100), dpi=100, layout="constrained")
    FigureCanvasAgg(picture)
    picture.set_facecolor(colours.surface)
    title: dict[str, Any] = {"ha": "left", "fontsize": 15 * POINTS, "color": colours.text}
    picture.suptitle(plain(layout.title.text), x=0.012, **title)
    panels = _panels(picture, source)
    first = next(iter(panels.values()))
    for name, axes in panels.items():
        traces = [trace for trace in source.data if (getattr(trace, "yaxis", None) or "y") == name]
        draw_marks(axes, traces, layout)
        _dress(axes, layout.xaxis, layout["yaxis" + name[1:]], colours)
    _finish_panels(list(panels.values()))
    for shape in layout.shapes:
        axes = panels.get((shape.yref or "y").partition(" ")[0], first)
        at = _transform(axes, shape.xref, shape.yref)
        line = plain_line(shape.line)
        axes.plot([shape.x0, shape.x1], [shape.y0, shape.y1], transform=at, zorder=2.5, **line)
    for note in layout.annotations:
        _write(first, note)
    picture.draw_without_rendering()
    picture.set_layout_engine("none")  # both kinds of file share one arrangement
    return picture


def _panels(picture: Figure, source: go.Figure) -> dict[str, Axes]:
    """Return the parts of a chart by the name of their axis, the upper one first."""
    layout = source.layout
    used = {getattr(trace, "yaxis", None) or "y" for trace in source.data} or {"y"}
    if len(used) == 1:
        return {used.pop(): picture.add_subplot()}
    heights = {"y": layout.yaxis.domain, "y2": layout.yaxis2.domain}
    names = sorted(heights, key=lambda name: -heights[name][0])
    shares = [heights[name][1] - heights[name][0] for name in names]
    axes = picture.subplots(len(names), 1, sharex=True, gridspec_kw={"height_ratios": shares})
    return dict(zip(names, axes, strict=True))


def _finish_panels(panels: Sequence[Axes]) -> None:
    for axes in panels[:-1]:
        axes.tick_params(labelbottom=False)
        axes.set_xlabel("")


def _dress(axes: Axes, x: go.layout.XAxis, y: go.layout.YAxis, colours: Palette) -> None:
    """Give the axes their titles, limits, ticks and our look."""
    axes.set_facecolor(colours.surface)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(colours.grid)
    axes.tick_params(which="both", length=0, labelsize=12 * POINTS, labelcolor=colours.muted, pad=4)
    label: dict[str, Any] = {"fontsize": 12 * POINTS, "color": colours.muted}
    axes.set_xlabel(plain(x.title.text), **label)
    axes.set_ylabel(plain(y.title.text), **label)
    for which, axis, given, limits in (
        ("x", axes.xaxis, x, axes.set_xlim),
        ("y", axes.yaxis, y, axes.set_ylim),
    ):
        if given.type == "log":
            (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        _limit(axes, which, given, limits)
        _tick(axis, given)
        if given.showgrid is not False:
            axes.grid(axis=which, color=colours.grid, linewidth=POINTS)  # type: ignore[arg-type]


def _limit(axes: Axes, which: str, given: go.layout.XAxis, limits: Callable[..., object]) -> None:
    if given.range is not None:
        ends = [10**end for end in given.range] if given.type == "log" else given.range
        limits(*ends)
    elif given.rangemode == "tozero":
        low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
        limits(low if _has_negative(axes, which) else 0.0, high)
    if given.autorange == "reversed":
        (axes.invert_xaxis if which == "x" else axes.invert_yaxis)()


def _has_negative(axes: Axes, which: str) -> bool:
    limits = axes.dataLim
    return bool((limits.x0 if which == "x" else limits.y0) < 0)


def _tick(axis: Axis, given: go.layout.XAxis) -> None:
    """Place and write the ticks: named positions, percent, thousands, or plain numbers."""
    if given.tickmode == "array":
        axis.set_ticks([float(each) for each in given.tickvals])
        axis.set_ticklabels([plain(text) for text in given.ticktext or given.tickvals])
        axis.set_minor_formatter(NullFormatter())
        return
    if given.dtick is not None and given.type != "log":
        axis.set_major_locator(MultipleLocator(given.dtick))
    written: dict[str | None, Any] = {
        ".0%": FuncFormatter(lambda value, _: f"{100 * value:.6g}%"),
        ".2f": FuncFormatter(lambda value, _: f"{value:.2f}"),
    }
    if given.type == "log":  # whose own numbers are formulas
        written[None] = written[",~r"] = FuncFormatter(lambda value, _: f"{value:,.6g}")
        axis.set_minor_formatter(NullFormatter())
    if given.tickformat in written:
        axis.set_major_formatter(written[given.tickformat])
    if isinstance(places := axis.get_major_locator(), AutoDateLocator):
        axis.set_major_formatter(ConciseDateFormatter(places))  # type: ignore[no-untyped-call]


def _transform(axes: Axes, x_of: str | None, y_of: str | None) -> Transform:
    """Return where positions are counted from: the data, or the whole of the axes."""
    whole = [(each or "").endswith(("domain", "paper")) for each in (x_of, y_of)]
    return blended_transform_factory(
        *(axes.transAxes if each else axes.transData for each in whole)
    )


def _write(axes: Axes, note: go.layout.Annotation) -> None:
    """Write a remark of the chart, or its key, which has a colour for each entry."""
    size = (note.font.size or 12) * POINTS
    if note.xref == "paper" and note.yref == "paper":
        axes.add_artist(_key(axes, note, size))
        return
    x, y = ((shift or 0) * POINTS / 72 for shift in (note.xshift, note.yshift))
    inches = ScaledTranslation(x, y, axes.figure.dpi_scale_trans)
    at = _transform(axes, note.xref, note.yref) + inches
    axes.text(
        note.x,
        note.y,
        plain(note.text),
        transform=at,
        ha={"left": "left", "right": "right"}.get(note.xanchor, "center"),
        va={"bottom": "bottom", "top": "top"}.get(note.yanchor, "center"),
        fontsize=size,
        color=note.font.color,
        zorder=4,
    )


def _key(axes: Axes, note: go.layout.Annotation, size: float) -> AnchoredOffsetbox:
    lines: list[Artist] = [
        _key_line(line, note.font.color, size) for line in note.text.split("<br>")
    ]
    return AnchoredOffsetbox(
        "lower right",
        child=VPacker(children=lines, align="right", pad=0, sep=2),
        bbox_to_anchor=(1.0, 1.0),
        bbox_transform=axes.transAxes,
        frameon=False,
        pad=0.1,
        borderpad=0.1,
    )


def _key_line(line: str, colour: str, size: float) -> HPacker:
    entries = _SPAN.findall(line) or [(colour, "", line)]
    parts: list[Artist] = [
        TextArea(plain(text).strip(), textprops={"color": ink, "fontsize": size})
        for own, symbol, words in entries
        for ink, text in ((own, symbol), (colour, words))
        if text.strip()
    ]
    return HPacker(children=parts, align="baseline", pad=0, sep=4)


def plain(text: str | None) -> str:
    r"""Return what a reader of Plotly's marked-up text sees.

    Examples
    --------
    >>> plain("<b>p50</b> 1 &lt; 2<br>ms")
    'p50 1 < 2\nms'
    """
    return html.unescape(_TAG.sub("", (text or "").replace("<br>", "\n")))
