"""The marks of a picture: bars, lines, points, intervals, heat maps and waterfalls.

Owns: ``draw_marks``, from Plotly's description of a trace to Matplotlib's axes. The page around
them is ``chart_picture``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.typing import ColorType
from numpy.typing import NDArray

POINTS = 0.72
"""Points per pixel at 100 pixels an inch: Plotly counts in pixels, Matplotlib in points."""

DASHES: dict[str | None, Any] = {
    None: "solid",
    "solid": "solid",
    "dash": (0, (5, 3)),
    "dot": (0, (1, 2)),
    "dashdot": (0, (5, 2, 1, 2)),
    "longdash": (0, (9, 3)),
    "longdashdot": (0, (9, 2, 1, 2)),
}
SYMBOLS = {"circle": "o", "diamond": "D", "triangle-up": "^", "x": "X", "square": "s", "cross": "P"}
_RGBA = re.compile(r"rgba\((\d+),\s*(\d+),\s*(\d+),\s*([\d.]+)\)")


Numbers = NDArray[np.float64]
Values = Numbers | list[Any]
"""Numbers, or dates."""


class Place(NamedTuple):
    """Where the bars of a trace stand: their position, how thick they are, where they begin."""

    positions: Numbers
    thick: float | Sequence[float]
    start: Numbers


def draw_marks(axes: Axes, traces: Sequence[Any], layout: go.Layout) -> None:
    """Draw the traces of one part of a chart, in their order.

    Raises
    ------
    ValueError
        A trace is of a kind that no picture of ours knows.
    """
    bars = [trace for trace in traces if trace.type == "bar"]
    places = _bar_places(bars, layout)
    for order, trace in enumerate(traces):
        if trace.type == "bar":
            _draw_bars(axes, trace, places[bars.index(trace)])
        elif trace.type == "scatter":
            _draw_scatter(axes, trace, order)
        elif trace.type == "heatmap":
            _draw_heatmap(axes, trace)
        elif trace.type == "waterfall":
            _draw_waterfall(axes, trace)
        else:
            message = f"A chart holds the mark {trace.type!r}, which cannot be drawn as a picture"
            raise ValueError(message)


def colour(text: str | None) -> ColorType:
    """Return a colour as Matplotlib reads it.

    Examples
    --------
    >>> colour("rgba(255,0,0,0.5)")
    (1.0, 0.0, 0.0, 0.5)
    """
    match = _RGBA.fullmatch(text or "")
    if match is None:
        return to_rgba(text or "none")
    red, green, blue, alpha = (float(part) for part in match.groups())
    return (red / 255, green / 255, blue / 255, alpha)


def plain_line(line: go.scatter.Line) -> dict[str, Any]:
    """Return colour, width and dashes of a line."""
    return {
        "color": colour(line.color),
        "linewidth": (line.width or 2) * POINTS,
        "linestyle": DASHES[line.dash],
    }


# --- bars ------------------------------------------------------------------------------------


def _bar_places(bars: Sequence[Any], layout: go.Layout) -> list[Place]:
    """Return position, thickness and start of the bars of each trace."""
    gap = layout.bargap if layout.bargap is not None else 0.04
    ends: dict[float, float] = {}
    places = []
    for number, trace in enumerate(bars):
        positions = numbers(trace.y if trace.orientation == "h" else trace.x)
        lengths = numbers(trace.x if trace.orientation == "h" else trace.y)
        start = np.zeros(len(positions))
        thick = trace.width if trace.width is not None else 1 - gap
        if layout.barmode == "stack":
            start = np.array([ends.get(each, 0.0) for each in positions])
            ends |= dict(zip(positions, start + lengths, strict=True))
        elif layout.barmode == "group" and trace.width is None:
            thick = (1 - gap) / len(bars)
            positions = positions + (number - (len(bars) - 1) / 2) * thick
        places.append(Place(positions, thick, start))
    return places


def _draw_bars(axes: Axes, trace: go.Bar, place: Place) -> None:
    positions, thick, start = place
    marker, flat = trace.marker, trace.orientation == "h"
    lengths = numbers(trace.x if flat else trace.y)
    look: dict[str, Any] = {
        "color": _colours(marker, len(lengths)),
        "alpha": marker.opacity,
        "edgecolor": colour(marker.line.color),
        "linewidth": (marker.line.width or 0) * POINTS,
    }
    if marker.pattern.shape:
        look |= {"hatch": "///", "edgecolor": colour(marker.pattern.fgcolor), "linewidth": 0}
    if flat:
        axes.barh(positions, lengths, height=thick, left=start, **look)
    else:
        axes.bar(positions, lengths, width=thick, bottom=start, **look)
    tips = start + lengths
    _draw_whiskers(axes, trace, *((tips, positions) if flat else (positions, tips)))
    _write_in_bars(axes, trace, place, lengths)


def _write_in_bars(axes: Axes, trace: go.Bar, place: Place, lengths: Numbers) -> None:
    if trace.text is None:
        return
    middle = trace.insidetextanchor == "middle"
    for text, position, begin, length in zip(
        trace.text, place.positions, place.start, lengths, strict=True
    ):
        if text and length:
            axes.text(
                begin + length / 2 if middle else begin,
                position,
                text,
                ha="center" if middle else "left",
                va="center",
                fontsize=12 * POINTS,
                color=colour(trace.textfont.color),
                clip_on=True,
            )


# --- lines and points ------------------------------------------------------------------------


def _draw_scatter(axes: Axes, trace: go.Scatter, order: int) -> None:
    x, y = values(trace.x), values(trace.y)
    zorder = 3 + order / 100
    if trace.fill == "toself":
        axes.fill(x, y, facecolor=colour(trace.fillcolor), edgecolor="none", zorder=zorder)
    if "lines" in (trace.mode or "lines") and (trace.line.width is None or trace.line.width > 0):
        style = "steps-post" if trace.line.shape == "hv" else "default"
        axes.plot(x, y, zorder=zorder, drawstyle=style, **plain_line(trace.line))
    if "markers" in (trace.mode or ""):
        _draw_points(axes, trace, x, y, zorder)
    _draw_whiskers(axes, trace, x, y)


def _draw_points(axes: Axes, trace: go.Scatter, x: Values, y: Values, zorder: float) -> None:
    marker = trace.marker
    inks = _colours(marker, len(x))
    symbols = marker.symbol if isinstance(marker.symbol, tuple) else [marker.symbol] * len(x)
    for symbol in dict.fromkeys(symbols):
        at = [index for index, each in enumerate(symbols) if each == symbol]
        chosen = [inks[index] for index in at]
        hollow = (symbol or "").endswith("-open")
        axes.scatter(
            [x[index] for index in at],
            [y[index] for index in at],
            s=((marker.size or 6) * POINTS) ** 2,
            marker=SYMBOLS[(symbol or "circle").removesuffix("-open")],
            facecolors="none" if hollow else chosen,
            edgecolors=chosen if hollow else "none",
            linewidths=(marker.line.width or 1.5) * POINTS,
            alpha=marker.opacity,
            zorder=zorder,
        )


def _draw_whiskers(axes: Axes, trace: go.Bar | go.Scatter, x: Values, y: Values) -> None:
    for name in ("error_x", "error_y"):
        error = trace[name]
        if error.array is None or not error.visible:
            continue
        below = error.array if error.arrayminus is None else error.arrayminus
        both = [below, error.array]
        axes.errorbar(
            x,
            y,
            xerr=both if name == "error_x" else None,
            yerr=both if name == "error_y" else None,
            fmt="none",
            ecolor=colour(error.color),
            elinewidth=(error.thickness or 2) * POINTS,
            capsize=(error.width or 4) * POINTS,
            zorder=2.9,
        )


# --- areas -----------------------------------------------------------------------------------


def _draw_heatmap(axes: Axes, trace: go.Heatmap) -> None:
    cells = np.array([[np.nan if v is None else v for v in row] for row in trace.z], dtype=float)
    rows, columns = cells.shape
    axes.pcolormesh(
        np.arange(columns + 1) - 0.5,  # cells are centred at 0, 1, 2 …
        np.arange(rows + 1) - 0.5,
        np.ma.masked_invalid(cells),
        cmap=_scale(trace.colorscale),
        vmin=trace.zmin,
        vmax=trace.zmax,
        edgecolors=axes.figure.get_facecolor(),
        linewidth=(trace.xgap or 0) * POINTS,
    )


def _draw_waterfall(axes: Axes, trace: go.Waterfall) -> None:
    positions, steps = numbers(trace.y), numbers(trace.x)
    ends = trace.base + np.cumsum(steps)
    begins = ends - steps
    up, down = (colour(each.marker.color) for each in (trace.increasing, trace.decreasing))
    axes.barh(positions, steps, left=begins, color=[up if s >= 0 else down for s in steps])
    line = plain_line(trace.connector.line)
    for (low, high), end in zip(pairwise(positions), ends[:-1], strict=True):
        axes.plot([end, end], [low, high], **line)


# --- values ----------------------------------------------------------------------------------


def numbers(given: Iterable[float | None]) -> Numbers:
    """Return a trace's values as numbers; a gap is NaN."""
    return np.array([np.nan if each is None else each for each in given], dtype=float)


def values(given: Iterable[Any] | None) -> Values:
    """Return a trace's values as numbers, or as they are where they are dates."""
    listed = list(given if given is not None else ())
    return listed if any(hasattr(each, "year") for each in listed) else numbers(listed)


def _colours(marker: go.scatter.Marker | go.bar.Marker, n: int) -> list[ColorType]:
    """Return one colour per mark: a single one, a list, or numbers on a scale."""
    given = marker.color
    if given is None or isinstance(given, str):
        return [colour(given)] * n
    if all(isinstance(each, str) for each in given):
        return [colour(each) for each in given]
    low, high = marker.cmin, marker.cmax
    scale = _scale(marker.colorscale)
    return [scale((each - low) / ((high - low) or 1)) for each in numbers(given)]


def _scale(stops: Iterable[tuple[float, str]]) -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("scale", [(at, colour(ink)) for at, ink in stops])
