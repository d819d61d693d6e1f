"""The one look of every chart: colours by role, fonts, margins, axes, in light and in dark.

Owns: ``Palette`` and the two palettes, ``Chart``, and the few bricks every figure is made of. A
role has the same colour everywhere (reference blue, current orange), and no chart tells anything by
colour alone. Both palettes name the same roles, so a light figure becomes a dark one by exchanging
colours (``COLOUR_SWAP``).
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import plotly.graph_objects as go

from base_types import Estimate, Histogram
from formatting import number, plain_text

Theme = Literal["light", "dark"]

FONT = '"Source Sans", "Source Sans Pro", "Inter", system-ui, -apple-system, "Segoe UI", sans-serif'
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MAX_SERIES = 6
"""More lines than this cannot be told apart."""
LABEL_LENGTH = 24
"""Longer names are cut on an axis; the full name stands in the hover text."""
KEY_LENGTH = 44
"""Characters of one line of a key at the width of a telephone."""
LONG_NAME = 12
"""Longer names below a chart are written aslant."""
MAX_NAMES = 30
"""With more names on an axis only some are written."""
MAX_POINTS = 5000
"""SVG markers a browser draws without delay."""


class Chart(NamedTuple):
    """A figure and what it shows in words, for those who cannot see it."""

    figure: go.Figure
    alt: str


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by role; every role differs from the others, so that palettes can be exchanged."""

    surface: str
    text: str
    muted: str
    grid: str
    reference: str
    reference_soft: str
    current: str
    current_soft: str
    third: str
    fourth: str
    fifth: str
    sixth: str
    low: str
    high: str
    neutral: str
    zero: str
    good: str
    warn: str
    fail: str
    heat: str

    @property
    def series(self) -> tuple[str, ...]:
        """Colours of up to six series, in order."""
        return (
            self.reference,
            self.current,
            self.third,
            self.fourth,
            self.fifth,
            self.sixth,
        )


PALETTES: dict[Theme, Palette] = {
    "light": Palette(
        surface="#ffffff",
        text="#111418",
        muted="#59626d",
        grid="#e4e8ed",
        reference="#0072B2",
        reference_soft="rgba(0,114,178,0.22)",
        current="#D55E00",
        current_soft="rgba(213,94,0,0.22)",
        third="#47205b",
        fourth="#700025",
        fifth="#5b7a99",
        sixth="#844866",
        low="#1E88E5",
        high="#D81B60",
        neutral="#8a929c",
        zero="#f3f5f8",
        good="#1a7f37",
        warn="#9a6700",
        fail="#c62828",
        heat="#b3261e",
    ),
    "dark": Palette(
        surface="#14171b",
        text="#eef1f5",
        muted="#aab2bd",
        grid="#2c323b",
        reference="#56B4E9",
        reference_soft="rgba(86,180,233,0.28)",
        current="#E69F00",
        current_soft="rgba(230,159,0,0.28)",
        third="#8cffc5",
        fourth="#c8a2ff",
        fifth="#9fb3c8",
        sixth="#f0a6b8",
        low="#5AB4FF",
        high="#FF5C93",
        neutral="#7d8793",
        zero="#1f242b",
        good="#4ac26b",
        warn="#e3b341",
        fail="#ff7b72",
        heat="#e5534b",
    ),
}

COLOUR_SWAP: dict[str, str] = {
    light: asdict(PALETTES["dark"])[role] for role, light in asdict(PALETTES["light"]).items()
}
"""Light colour -> dark colour of the same role."""


@cache
def _template(theme: Theme) -> go.layout.Template:
    colours = PALETTES[theme]
    axis = {
        "gridcolor": colours.grid,
        "linecolor": colours.grid,
        "zeroline": False,
        "showline": True,
        "automargin": True,
        "ticklabelstandoff": 4,
        "ticks": "",
        "title": {"standoff": 8, "font": {"size": 12, "color": colours.muted}},
        "tickfont": {"size": 12, "color": colours.muted},
        "exponentformat": "power",  # Plotly's own is a letter: "5n" is no number to most readers
        "minexponent": 6,
        "separatethousands": True,
    }
    layout = {
        "font": {"family": FONT, "size": 13, "color": colours.text},
        "title": {
            "font": {"size": 15, "color": colours.text},
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 12, "l": 8},
        },
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "colorway": list(colours.series),
        "margin": {"l": 8, "r": 16, "t": 46, "b": 8},
        "hoverlabel": {
            "bgcolor": colours.surface,
            "bordercolor": colours.muted,
            "font": {"color": colours.text, "size": 13, "family": FONT},
            "align": "left",
        },
        "bargap": 0.04,
        "xaxis": axis | {"autotickangles": [0, -30, -90]},  # upwards the last one would be cut off
        "yaxis": axis,
    }
    return go.layout.Template(layout=layout)


def new_figure(
    theme: Theme, title: str, x_title: str, y_title: str, *, height: int = 320
) -> go.Figure:
    """Return an empty figure in our look; titles are short enough for a telephone."""
    # all at once: a figure that is updated later checks the whole template again
    return go.Figure(
        layout={
            "template": _template(theme),
            "title_text": title,
            "xaxis_title_text": x_title,
            "yaxis_title_text": y_title,
            "height": height,
            "showlegend": False,
        }
    )


class Key(NamedTuple):
    """One entry of a chart's key: what a mark of this shape and colour stands for."""

    symbol: str
    colour: str
    words: str


LINE_SYMBOLS = ("━━", "╍╍", "┉┉", "━╍", "━┉", "╍┉")
"""Same order as ``DASHES``."""


def add_key(figure: go.Figure, theme: Theme, *entries: Key) -> None:
    """Write the key above the plot, to the right, in as many lines as a telephone needs.

    Plotly's own legend moves the margins by its content and covers the title when it wraps.
    """
    lines = _wrap(entries)
    texts = (
        "   ".join(
            f'<span style="color:{each.colour}">{each.symbol}</span> {each.words}'.strip()
            for each in line
        )
        for line in lines
    )
    figure.add_annotation(
        text="<br>".join(texts),
        xref="paper",
        yref="paper",
        x=1,
        y=1,
        xanchor="right",
        yanchor="bottom",
        yshift=2,
        align="right",
        showarrow=False,
        font={"size": 12, "color": PALETTES[theme].text},
    )
    figure.update_layout(margin_t=40 + 17 * len(lines))


def _wrap(entries: Sequence[Key]) -> list[list[Key]]:
    lines: list[list[Key]] = [[]]
    for entry in entries:
        used = sum(len(each.words) + 5 for each in lines[-1])
        if lines[-1] and used + len(entry.words) > KEY_LENGTH:
            lines.append([])
        lines[-1].append(entry)
    return lines


def text_on_chart(text: object, limit: int = LABEL_LENGTH) -> str:
    """Return user text that Plotly draws as it is: cut, on one line, its pseudo-HTML escaped.

    Examples
    --------
    >>> text_on_chart("<b>bold</b>")
    '&lt;b&gt;bold&lt;/b&gt;'
    """
    escaped = html.escape(plain_text(text, limit), quote=False)
    return escaped.replace("$", "&#36;")  # a pair of dollars would be read as a formula


def name_axis(
    axis: go.layout.XAxis | go.layout.YAxis, names: Sequence[str], *, limit: int = LABEL_LENGTH
) -> None:
    """Label positions 0, 1, 2 … of an axis with names.

    Positions rather than categories: equal names stay apart and no name is taken for a date.
    """
    step = -(-len(names) // MAX_NAMES) or 1
    axis.update(
        tickmode="array",
        tickvals=list(range(0, len(names), step)),
        ticktext=[text_on_chart(name, limit) for name in names[::step]],
        showgrid=False,
    )
    if isinstance(axis, go.layout.XAxis) and max(map(len, names), default=0) > LONG_NAME:
        # level, the last one may not fit; what does not fit is left out unless it is allowed to
        axis.update(tickangle=-30, ticklabeloverflow="allow")


def threshold_line(figure: go.Figure, value: float, label: str, theme: Theme) -> None:
    """Draw a dashed horizontal line in the text colour with its meaning beside it."""
    colours = PALETTES[theme]
    figure.add_hline(
        y=value,
        line=soft_line(colours.text),
        annotation_text=text_on_chart(label, 60),
        annotation_font={"size": 11, "color": colours.text},
        annotation_position="top left",
    )


def note(figure: go.Figure, text: str, theme: Theme) -> None:
    """Write a remark where the key would be."""
    add_key(figure, theme, Key("", PALETTES[theme].muted, text))


def hatched(colour: str, theme: Theme) -> dict[str, Any]:
    """Return the fill of bars that must be told from plain ones without their colour."""
    pattern = {"shape": "/", "bgcolor": colour, "fgcolor": PALETTES[theme].surface, "size": 6}
    return {"color": colour, "pattern": pattern | {"solidity": 0.3}}


def soft_line(colour: str, *, width: float = 1.2) -> dict[str, Any]:
    """Return a dashed helper line (chance, ideal, zero)."""
    return {"color": colour, "width": width, "dash": "dash"}


def whiskers(
    estimates: Sequence[Estimate], colour: str, *, thickness: float = 1.4
) -> dict[str, Any]:
    """Return Plotly error bars for the intervals of estimates; none where there is no interval."""
    above = [_reach(each.high, each.value) for each in estimates]
    below = [_reach(each.value, each.low) for each in estimates]
    return {
        "type": "data",
        "symmetric": False,
        "array": above,
        "arrayminus": below,
        "color": colour,
        "thickness": thickness,
        "width": 4,
        "visible": any(above) or any(below),
    }


def _reach(upper: float | None, lower: float | None) -> float:
    return 0.0 if upper is None or lower is None else max(upper - lower, 0.0)


def shares(histogram: Histogram) -> list[float]:
    """Return the counts as shares of the counted rows; all 0 where there are none."""
    total = sum(histogram.counts) or 1
    return [amount / total for amount in histogram.counts]


def centres(edges: Sequence[float]) -> list[float]:
    """Return the middle of each bin.

    Examples
    --------
    >>> centres([0.0, 1.0, 3.0])
    [0.5, 2.0]
    """
    return [(low + high) / 2 for low, high in pairwise(edges)]


def widths(edges: Sequence[float]) -> list[float]:
    """Return the width of each bin.

    Examples
    --------
    >>> widths([0.0, 1.0, 3.0])
    [1.0, 2.0]
    """
    return [high - low for low, high in pairwise(edges)]


def bin_labels(histogram: Histogram) -> list[str]:
    """Return what each bin covers, in words, for hover texts."""
    if histogram.labels:
        return [text_on_chart(label, 80) for label in histogram.labels]
    pairs = pairwise(histogram.edges)
    return [f"{number(low)} to {number(high)}" for low, high in pairs]


def has_bins(histogram: Histogram | None) -> bool:
    """Whether there is anything to draw."""
    return histogram is not None and any(histogram.counts)


def add_histogram(figure: go.Figure, histogram: Histogram, colour: str, **options: object) -> None:
    """Draw binned counts as bars: exact bins for numbers, named positions for categories."""
    if histogram.labels:
        positions: list[float] = [float(index) for index in range(len(histogram.labels))]
        name_axis(figure.layout.xaxis, histogram.labels)
        width: Any = 0.8
    else:
        positions, width = centres(histogram.edges), widths(histogram.edges)
    figure.add_bar(
        x=positions,
        y=histogram.counts,
        width=width,
        marker={"color": colour, "line": {"width": 0}},
        customdata=list(zip(bin_labels(histogram), shares(histogram), strict=True)),
        **options,
    )


_PAIR_HOVER = "%{customdata}<br>%{y:.1%} of rows<extra>%{fullData.name}</extra>"


def add_pair(
    figure: go.Figure,
    theme: Theme,
    reference: tuple[str, Histogram],
    current: tuple[str, Histogram],
) -> None:
    """Draw two named distributions as shares of rows, with their key.

    Numbers: filled bars behind an outline, so that bins may differ. Categories: bars side by side,
    the second hatched.
    """
    colours = PALETTES[theme]
    by_name = bool(reference[1].labels or current[1].labels)
    (_add_category_pair if by_name else _add_number_pair)(figure, theme, reference, current)
    figure.update_layout(yaxis={"tickformat": ".0%", "rangemode": "tozero"})
    add_key(
        figure,
        theme,
        Key("■", colours.reference, reference[0]),
        Key("▨" if by_name else "━━", colours.current, current[0]),
    )


def _add_category_pair(
    figure: go.Figure,
    theme: Theme,
    reference: tuple[str, Histogram],
    current: tuple[str, Histogram],
) -> None:
    colours = PALETTES[theme]
    names = list(dict.fromkeys([*reference[1].labels, *current[1].labels]))
    for (name, each), marker in (
        (reference, {"color": colours.reference}),
        (current, hatched(colours.current, theme)),
    ):
        figure.add_bar(
            x=[names.index(label) for label in each.labels],
            y=shares(each),
            name=name,
            marker=marker,
            customdata=bin_labels(each),
            hovertemplate=_PAIR_HOVER,
        )
    name_axis(figure.layout.xaxis, names)
    figure.update_layout(barmode="group", bargap=0.25)


def _add_number_pair(
    figure: go.Figure,
    theme: Theme,
    reference: tuple[str, Histogram],
    current: tuple[str, Histogram],
) -> None:
    colours = PALETTES[theme]
    name, bars = reference
    figure.add_bar(
        x=centres(bars.edges),
        y=shares(bars),
        width=widths(bars.edges),
        name=name,
        marker={"color": colours.reference, "opacity": 0.55, "line": {"width": 0}},
        customdata=bin_labels(bars),
        hovertemplate=_PAIR_HOVER,
    )
    name, outline = current
    figure.add_scatter(
        x=[outline.edges[0], *outline.edges],
        y=[0.0, *shares(outline), 0.0],
        mode="lines",
        line={"shape": "hv", "color": colours.current, "width": 2.5},
        name=name,
        customdata=["", *bin_labels(outline), ""],
        hovertemplate=_PAIR_HOVER,
    )
