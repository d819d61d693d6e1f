"""Charts of explanations: importance, beeswarm, dependence, waterfall.

Owns: pure functions from an ``ExplanationSection`` to a ``Chart``; None where there is nothing to
draw. Values of text columns have no colour scale: they are grey.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from base_types import Cell
from explanation_reading import cell_words, times_of
from figure_style import (
    MAX_POINTS,
    PALETTES,
    Chart,
    Key,
    Theme,
    add_key,
    name_axis,
    new_figure,
    note,
    soft_line,
    text_on_chart,
)
from formatting import count, number, percent, plain_text, signed
from report_types import ExplanationSection, FeatureImportance, OutputExplanation

_MAX_BARS = 15
_MAX_SWARMS = 10
_MAX_STEPS = 9
_MAX_CATEGORIES = 5
_MAX_DEPENDENCE_POINTS = 2000
_SWARM_HALF_HEIGHT = 0.38
_SWARM_BINS = 60


def importance_bars(
    section: ExplanationSection, output: OutputExplanation, theme: Theme = "light"
) -> Chart | None:
    """Draw mean |contribution| per column with two standard errors; hollow where not clear."""
    shown = _by_rank(output.importance)[:_MAX_BARS][::-1]
    if not shown:
        return None
    colours = PALETTES[theme]
    figure = new_figure(
        theme,
        _titled("Importance", section, output),
        _with_space("Mean |contribution|", section.space),
        "",
        height=110 + 28 * len(shown),
    )
    figure.add_bar(
        y=list(range(len(shown))),
        x=[item.importance for item in shown],
        orientation="h",
        width=0.7,
        marker={
            "color": [
                colours.reference if item.clear else colours.reference_soft for item in shown
            ],
            "line": {"color": colours.reference, "width": 1},
        },
        error_x={
            "type": "data",
            "array": [2 * (item.error or 0.0) for item in shown],
            "color": colours.text,
            "thickness": 1.2,
            "width": 3,
            "visible": any(item.error for item in shown),
        },
        customdata=[_importance_hover(item) for item in shown],
        hovertemplate="%{customdata}<extra></extra>",
    )
    marks = [" ≈" if item.tied_with_next else "" for item in shown]
    names = [f"{item.feature}{mark}" for item, mark in zip(shown, marks, strict=True)]
    name_axis(figure.layout.yaxis, names)
    figure.update_layout(yaxis_range=[-0.6, len(shown) - 0.4], xaxis_rangemode="tozero")
    told = ["≈ tied with the next"] if any(marks) else []
    told += ["pale: not clearly above 0"] if any(not item.clear for item in shown) else []
    if told:
        note(figure, ", ".join(told), theme)
    top = ", ".join(
        f"{plain_text(item.feature, 40)} {percent(item.share)}" for item in shown[:-4:-1]
    )
    return Chart(figure, f"Share of importance, largest first: {top}.")


def _by_rank(importance: Sequence[FeatureImportance]) -> list[FeatureImportance]:
    return sorted(importance, key=lambda item: item.rank)


def _titled(words: str, section: ExplanationSection, output: OutputExplanation) -> str:
    """Name the output where there are several."""
    return f"{words}: {text_on_chart(output.output, 14)}" if len(section.outputs) > 1 else words


def _with_space(text: str, space: str) -> str:
    return f"{text} ({space})" if space not in ("", text) else text


def _importance_hover(item: FeatureImportance) -> str:
    error = "exact" if item.error is None else f"± {number(2 * item.error)} (2 standard errors)"
    lines = [
        f"<b>{text_on_chart(item.feature, 80)}</b>",
        f"{number(item.importance)} {error}",
        f"{percent(item.share)} of all importance, rank {item.rank}",
        "" if item.direction is None else f"direction {signed(item.direction)}",
        "tied with the next" if item.tied_with_next else "",
    ]
    return "<br>".join(line for line in lines if line)


# --- all rows --------------------------------------------------------------------------------


def beeswarm(
    section: ExplanationSection, output: OutputExplanation, theme: Theme = "light"
) -> Chart | None:
    """Draw every row's contribution per column, coloured by the column's value (rank)."""
    if not output.values:
        return None
    top = [item for item in _by_rank(output.importance) if item.feature in section.columns]
    shown = top[:_MAX_SWARMS][::-1]
    rows = _sample(len(output.values), MAX_POINTS // max(len(shown), 1))
    figure = new_figure(
        theme,
        _titled("Contributions", section, output),
        _with_space("Contribution", section.space),
        "",
        height=130 + 40 * len(shown),
    )
    _add_swarms(figure, section, output, shown, theme)
    figure.add_vline(x=0, line=soft_line(PALETTES[theme].muted, width=1))
    name_axis(figure.layout.yaxis, [item.feature for item in shown])
    figure.update_layout(yaxis_range=[-0.6, len(shown) - 0.4])
    _add_colour_key(figure, section, shown, theme)
    total = len(output.values)
    if len(rows) < total:
        figure.layout.title.text += f" ({number(len(rows))} of {count(total, 'row')})"
    return Chart(
        figure,
        f"Contributions of {count(len(rows), 'row')} to {plain_text(output.output, 40)}, "
        f"by column; largest: {', '.join(plain_text(item.feature, 40) for item in shown[:-4:-1])}.",
    )


def _sample(n_rows: int, limit: int) -> list[int]:
    """Return at most ``limit`` row numbers, evenly spread."""
    if n_rows <= limit:
        return list(range(n_rows))
    return [int(row) for row in np.linspace(0, n_rows - 1, limit)]


def _add_swarms(
    figure: go.Figure,
    section: ExplanationSection,
    output: OutputExplanation,
    shown: list[FeatureImportance],
    theme: Theme,
) -> None:
    """Draw all numbers as one trace and all text as another: far sooner on the screen than many."""
    rows = _sample(len(output.values), MAX_POINTS // max(len(shown), 1))
    values = np.asarray(output.values, dtype=np.float64)[rows]
    colours = PALETTES[theme]
    numbers, texts = _Points(), _Points()
    for position, item in enumerate(shown):
        contributions = values[:, section.columns.index(item.feature)]
        cells = [section.rows[row].get(item.feature) for row in rows]
        ranks = _value_ranks(cells)
        points = texts if ranks is None else numbers
        points.x.append(contributions)
        points.y.append((position + _offsets(contributions)).round(3))
        points.cells += [_cell_text(cell) for cell in cells]
        points.ranks.append(np.zeros(0) if ranks is None else ranks)
    scale = [[0, colours.low], [1, colours.high]]
    _add_points(figure, numbers, {"cmin": 0, "cmax": 1, "colorscale": scale})
    _add_points(figure, texts, {"color": colours.neutral})


@dataclass(slots=True)
class _Points:
    """Points of several columns: places, what they stand for and the rank of that in 0..1."""

    x: list[NDArray[np.float64]] = field(default_factory=list)
    y: list[NDArray[np.float64]] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    ranks: list[NDArray[np.float64]] = field(default_factory=list)


def _add_points(figure: go.Figure, points: _Points, marker: dict[str, object]) -> None:
    if not points.cells:
        return
    ranked = {} if "color" in marker else {"color": np.concatenate(points.ranks)}
    figure.add_scatter(
        x=np.concatenate(points.x),
        y=np.concatenate(points.y),
        mode="markers",
        marker={"size": 5, "opacity": 0.8, **ranked, **marker},
        customdata=points.cells,
        hovertemplate="value %{customdata}<br>contribution %{x:+.4g}<extra></extra>",
    )


def _numeric(cell: Cell) -> float:
    is_number = isinstance(cell, int | float) and math.isfinite(cell)
    return float(cell) if is_number and cell is not None else math.nan


def _value_ranks(cells: Sequence[Cell]) -> NDArray[np.float64] | None:
    """Return the rank of each value in 0..1, None for text; missing values are in the middle."""
    times = times_of(cells)
    if times is None and any(isinstance(cell, str) for cell in cells):
        return None
    numbers = np.array(times if times is not None else [_numeric(cell) for cell in cells])
    known = np.unique(numbers[np.isfinite(numbers)])
    if known.size < 2:
        return np.full(numbers.size, 0.5)
    ranks = np.searchsorted(known, numbers) / (known.size - 1)
    ranks[~np.isfinite(numbers)] = 0.5
    return np.asarray(ranks.round(3), dtype=np.float64)


def _offsets(contributions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each point is moved aside so that dense places grow wide, deterministic."""
    low, high = float(contributions.min()), float(contributions.max())
    span = (high - low) or 1.0
    bins = ((contributions - low) / span * (_SWARM_BINS - 1)).astype(np.int64)
    offsets = np.zeros(contributions.size)
    crowd = max(int(np.bincount(bins).max()), 12)
    for occupied in np.unique(bins):
        members = np.flatnonzero(bins == occupied)
        order = np.arange(members.size)
        steps = (order + 1) // 2 * np.where(order % 2, 1, -1)
        offsets[members] = steps / (crowd / 2) * _SWARM_HALF_HEIGHT
    return np.clip(offsets, -_SWARM_HALF_HEIGHT, _SWARM_HALF_HEIGHT)


def _add_colour_key(
    figure: go.Figure, section: ExplanationSection, shown: list[FeatureImportance], theme: Theme
) -> None:
    """Say what the colours mean, as far as they occur."""
    columns = [[row.get(item.feature) for row in section.rows] for item in shown]
    is_text = [_value_ranks(cells) is None for cells in columns]
    colours = PALETTES[theme]
    keys = [] if all(is_text) else [(colours.low, "low value"), (colours.high, "high")]
    keys += [(colours.neutral, "text")] if any(is_text) else []
    add_key(figure, theme, *(Key("●", colour, word) for colour, word in keys))


def _cell_text(cell: Cell) -> str:
    return text_on_chart(cell_words(cell), 40)


def dependence(
    section: ExplanationSection,
    output: OutputExplanation,
    feature: str,
    theme: Theme = "light",
    *,
    colour_by: str | None = None,
) -> Chart | None:
    """Draw one column's contribution against its value, coloured by another column's value."""
    if feature not in section.columns or not output.values:
        return None
    rows = _sample(len(output.values), _MAX_DEPENDENCE_POINTS)
    column = section.columns.index(feature)
    contributions = np.array([output.values[row][column] for row in rows], dtype=np.float64)
    cells = [section.rows[row].get(feature) for row in rows]
    name = text_on_chart(feature)
    figure = new_figure(
        theme,
        _titled(f"Effect of {name}", section, output),
        name,
        _with_space("Contribution", section.space),
        height=340,
    )
    times = times_of(cells)
    if times is not None:
        positions = np.array(times) * 1000  # as plotly counts
        figure.update_xaxes(type="date")
    elif any(isinstance(cell, str | bool) for cell in cells):
        positions = _category_positions(figure, cells, contributions)
    else:
        positions = np.array([_numeric(cell) for cell in cells])
    figure.add_scatter(
        x=positions,
        y=contributions,
        mode="markers",
        marker=_dependence_marker(section, rows, colour_by, theme),
        customdata=[_dependence_hover(section.rows[row], (feature, colour_by)) for row in rows],
        hovertemplate="%{customdata}<br>contribution %{y:+.4g}<extra></extra>",
    )
    figure.add_hline(y=0, line=soft_line(PALETTES[theme].muted, width=1))
    n_missing = sum(cell is None for cell in cells)
    if colour_by is not None:
        _add_dependence_key(figure, section, rows, colour_by, theme)
    elif n_missing:
        note(figure, f"{count(n_missing, 'row')} with missing value not drawn", theme)
    alt = f"Contribution of {plain_text(feature, 60)} against its value, "
    return Chart(figure, f"{alt}{count(len(rows), 'row')}.")


def _dependence_hover(cells: dict[str, Cell], names: tuple[str, str | None]) -> str:
    shown = [name for name in names if name is not None]
    return "<br>".join(
        f"{text_on_chart(name, 32)} = {_cell_text(cells.get(name))}" for name in shown
    )


def _dependence_marker(
    section: ExplanationSection, rows: list[int], colour_by: str | None, theme: Theme
) -> dict[str, object]:
    colours = PALETTES[theme]
    marker: dict[str, object] = {"color": colours.reference, "size": 6, "opacity": 0.7}
    if colour_by is None:
        return marker
    cells = [section.rows[row].get(colour_by) for row in rows]
    ranks = _value_ranks(cells)
    if ranks is None:
        table = _category_colours(cells, theme)
        return marker | {"color": [table.get(str(cell), colours.neutral) for cell in cells]}
    scale = [[0, colours.low], [1, colours.high]]
    return marker | {"color": ranks, "cmin": 0, "cmax": 1, "colorscale": scale}


def _category_colours(cells: Sequence[Cell], theme: Theme) -> dict[str, str]:
    """Return the colours of the most frequent categories."""
    counts = Counter(str(cell) for cell in cells if cell is not None)
    frequent = sorted(name for name, _ in counts.most_common(_MAX_CATEGORIES))
    return dict(zip(frequent, PALETTES[theme].series, strict=False))


def _add_dependence_key(
    figure: go.Figure, section: ExplanationSection, rows: list[int], name: str, theme: Theme
) -> None:
    cells = [section.rows[row].get(name) for row in rows]
    if _value_ranks(cells) is None:
        entries = [
            Key("●", colour, text_on_chart(word, 14))
            for word, colour in _category_colours(cells, theme).items()
        ]
    else:
        colours = PALETTES[theme]
        shown = text_on_chart(name, 26)
        entries = [Key("●", colours.low, f"low {shown}"), Key("●", colours.high, "high")]
    add_key(figure, theme, *entries)


def _category_positions(
    figure: go.Figure, cells: Sequence[Cell], contributions: NDArray[np.float64]
) -> NDArray[np.float64]:
    names = sorted({str(cell) for cell in cells if cell is not None})
    name_axis(figure.layout.xaxis, names)
    index = {name: position for position, name in enumerate(names)}
    positions = np.array([index.get(str(cell), math.nan) for cell in cells], dtype=np.float64)
    for position in range(len(names)):
        members = positions == position
        positions[members] += _offsets(contributions[members])
    return positions


# --- one row ---------------------------------------------------------------------------------


def waterfall(
    section: ExplanationSection, output: OutputExplanation, index: int, theme: Theme = "light"
) -> Chart | None:
    """Draw how the columns lead from the base value to the answer for one explained row.

    Parameters
    ----------
    index : int
        Position in ``section.rows`` (not the row number of the data).
    """
    if not 0 <= index < len(output.values):
        return None
    names, steps = _steps(section, output, index)
    labels = [
        f"{text_on_chart(name, 34)}<br><b>{signed(step)}</b>"
        for name, step in zip(names, steps, strict=True)
    ]
    colours = PALETTES[theme]
    prediction = output.predictions[index]
    figure = new_figure(
        theme,
        f"Why this answer: {_row_name(section, index)}",
        text_on_chart(_with_space(output.output, section.space), 40),
        "",
        height=150 + 38 * len(steps),
    )
    figure.add_waterfall(
        y=list(range(len(steps))),
        x=steps,
        base=output.base_value,
        orientation="h",
        measure=["relative"] * len(steps),
        increasing={"marker": {"color": colours.high}},
        decreasing={"marker": {"color": colours.low}},
        connector={"line": {"color": colours.muted, "width": 1, "dash": "dot"}},
        customdata=labels,
        hovertemplate="%{customdata}<extra></extra>",
    )
    name_axis(figure.layout.yaxis, names)
    figure.update_yaxes(ticktext=labels)
    figure.update_xaxes(range=_waterfall_range(output.base_value, steps))
    _mark_ends(figure, output.base_value, prediction, theme)
    figure.update_layout(yaxis_range=[-0.8, len(steps) - 0.2], margin_t=80)
    largest = list(zip(names, steps, strict=True))[:-4:-1]
    words = ", ".join(f"{plain_text(name, 60)} ({signed(step)})" for name, step in largest)
    ends = f"from the base value {number(output.base_value)} to {number(prediction)}"
    return Chart(figure, f"{_row_name(section, index).capitalize()}, {ends}: {words}.")


def telling_row(output: OutputExplanation) -> int:
    """Return the explained row whose answer lies farthest from the base value."""
    distances = [abs(answer - output.base_value) for answer in output.predictions]
    return distances.index(max(distances)) if distances else 0


def _row_name(section: ExplanationSection, index: int) -> str:
    rows = section.row_numbers
    return f"row {number(rows[index] if index < len(rows) else index)}"


def _steps(
    section: ExplanationSection, output: OutputExplanation, index: int
) -> tuple[list[str], list[float]]:
    """Return names and contributions, smallest first, all beyond the largest nine together."""
    contributions = output.values[index]
    cells = section.rows[index] if index < len(section.rows) else {}
    order = sorted(range(len(contributions)), key=lambda column: abs(contributions[column]))
    rest, top = order[:-_MAX_STEPS], order[-_MAX_STEPS:]
    names = [_named_value(section.columns[column], cells) for column in top]
    steps = [contributions[column] for column in top]
    if rest:
        names.insert(0, count(len(rest), "other column"))
        steps.insert(0, math.fsum(contributions[column] for column in rest))
    return names, steps


def _named_value(name: str, cells: dict[str, Cell]) -> str:
    return f"{plain_text(name, 20)} = {plain_text(cell_words(cells.get(name)), 10)}"


def _waterfall_range(base: float, steps: Sequence[float]) -> list[float]:
    """Return the range of all intermediate sums with a little room at both ends."""
    sums = [base, *(base + np.cumsum(steps))]
    low, high = float(min(sums)), float(max(sums))
    room = 0.06 * ((high - low) or abs(base) or 1.0)
    return [low - room, high + room]


def _mark_ends(figure: go.Figure, base: float, prediction: float, theme: Theme) -> None:
    """Write base and answer above the plot, one above the other, so that close ones stay apart."""
    colours = PALETTES[theme]
    line = {"type": "line", "y0": 0, "y1": 1, "yref": "paper"}
    line["line"] = soft_line(colours.muted, width=1)
    words = {"y": 1, "yref": "paper", "showarrow": False, "yanchor": "bottom"}
    words["font"] = {"size": 11, "color": colours.text}
    ends = ((base, prediction, "base", 0), (prediction, base, "answer", 16))
    figure.update_layout(  # in one step: single additions take half of the time of a chart
        shapes=[line | {"x0": value, "x1": value} for value, *_ in ends],
        annotations=[
            words
            | {
                "x": value,
                "yshift": height,
                "text": f"{label} <b>{number(value)}</b>",
                "xanchor": "right" if value > other else "left",
            }
            for value, other, label, height in ends
        ],
    )
