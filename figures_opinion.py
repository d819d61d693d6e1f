"""Charts of second opinions and comparisons: effect curves, shuffled columns, paired bars.

Owns: pure functions from parts of a ``SecondOpinion``, from groups of rows or from several runs to
a ``Chart``; None where there is nothing to draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from explanation_reading import GroupMeans, contribution_shares
from figure_style import (
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
from formatting import count, number, percent, plain_text
from opinion_types import EffectCurve, PermutationImportance, ShiftedImportance
from report_types import ExplanationSection

_MAX_BARS = 12


class Bars(NamedTuple):
    """One series of a chart of paired bars.

    Parameters
    ----------
    name : str
    values : dict of str to float
        By column; a column that is not in it has no bar.
    errors : dict of str to float, optional
        Half lengths of the whiskers.
    """

    name: str
    values: dict[str, float]
    errors: dict[str, float] | None = None


def effect_chart(curve: EffectCurve, space: str, theme: Theme = "light") -> Chart:
    """Draw how the mean answer moves along a column, by partial dependence and ALE."""
    colours = PALETTES[theme]
    title = f"Mean answer along {text_on_chart(curve.feature)}"
    name = "" if curve.output == space else f" of {text_on_chart(curve.output, 16)}"
    y_title = f"Mean {space}{name}"
    figure = new_figure(theme, title, text_on_chart(curve.feature, 32), y_title, height=340)
    hover = "%{x}<br>%{y:.4g}<extra>%{fullData.name}</extra>"
    positions = curve.grid or list(range(len(curve.labels)))
    figure.add_scatter(
        x=positions,
        y=curve.partial_dependence,
        name="partial dependence",
        mode="lines+markers" if curve.grid else "markers",
        line={"color": colours.reference, "width": 2},
        marker={"size": 6 if curve.grid else 11},
        hovertemplate=hover,
    )
    keys = [Key("━━", colours.reference, "partial dependence")]
    if curve.labels:
        name_axis(figure.layout.xaxis, curve.labels)
    if curve.ale is not None:
        figure.add_scatter(
            x=positions,
            y=curve.ale,
            name="local effects",
            mode="lines+markers",
            line={"color": colours.current, "width": 2, "dash": "dash"},
            marker={"size": 6, "symbol": "diamond"},
            hovertemplate=hover,
        )
        keys.append(Key("╍╍", colours.current, "local effects"))
    add_key(figure, theme, *keys)
    low, high = min(curve.partial_dependence), max(curve.partial_dependence)
    name = plain_text(curve.feature, 60)
    return Chart(figure, f"Mean answer along {name}: from {number(low)} to {number(high)}.")


def permutation_bars(
    items: Sequence[PermutationImportance], metric: str, theme: Theme = "light"
) -> Chart | None:
    """Draw the loss of score by shuffling, with two standard errors; pale where not clear."""
    if not items:
        return None
    shown = sorted(items, key=lambda item: item.rank)[:_MAX_BARS][::-1]
    colours = PALETTES[theme]
    figure = new_figure(
        theme, "Loss by shuffling", f"Loss of {metric}", "", height=110 + 28 * len(shown)
    )
    figure.add_bar(
        y=list(range(len(shown))),
        x=[item.importance for item in shown],
        orientation="h",
        width=0.7,
        marker={
            "color": [colours.current if item.clear else colours.current_soft for item in shown],
            "line": {"color": colours.current, "width": 1},
        },
        error_x={
            "type": "data",
            "array": [2 * item.error for item in shown],
            "color": colours.muted,
            "thickness": 1.4,
        },
        customdata=[text_on_chart(item.feature, 80) for item in shown],
        hovertemplate="<b>%{customdata}</b><br>%{x:.4g}<extra></extra>",
    )
    name_axis(figure.layout.yaxis, [item.feature for item in shown])
    figure.update_layout(yaxis_range=[-0.6, len(shown) - 0.4])
    figure.add_vline(x=0, line=soft_line(colours.muted, width=1))
    if any(not item.clear for item in shown):
        note(figure, "pale: not clearly above 0", theme)
    top = ", ".join(f"{plain_text(i.feature, 40)} {number(i.importance)}" for i in shown[:-4:-1])
    return Chart(figure, f"Loss of {metric} by shuffling, largest first: {top}.")


def paired_bars(
    title: str, x_title: str, series: Sequence[Bars], theme: Theme = "light", *, share: bool = False
) -> Chart | None:
    """Draw several series of bars by column; the columns with the largest bars, at most 12."""
    names = {name for bars in series for name in bars.values}
    if not names:
        return None
    largest = {name: max(abs(bars.values.get(name, 0.0)) for bars in series) for name in names}
    shown = sorted(names, key=lambda name: (-largest[name], name))[:_MAX_BARS][::-1]
    colours = PALETTES[theme].series
    height = 120 + (14 + 13 * len(series)) * len(shown)
    figure = new_figure(theme, title, x_title, "", height=height)
    width = 0.8 / len(series)
    for at, bars in enumerate(series):
        drawn = [name for name in shown if name in bars.values]
        offset = 0.4 - width * (at + 0.5)
        errors = bars.errors or {}
        figure.add_bar(
            y=[shown.index(name) + offset for name in drawn],
            x=[bars.values[name] for name in drawn],
            orientation="h",
            width=width * 0.92,
            name=text_on_chart(bars.name, 40),
            marker_color=colours[at],
            error_x={
                "type": "data",
                "array": [errors.get(name, 0.0) for name in drawn],
                "visible": bool(errors),
                "color": PALETTES[theme].muted,
                "thickness": 1.2,
            },
            customdata=[text_on_chart(name, 80) for name in drawn],
            hovertemplate="<b>%{customdata}</b><br>%{x:.4g}<extra>%{fullData.name}</extra>",
        )
    name_axis(figure.layout.yaxis, shown)
    figure.update_layout(yaxis_range=[-0.6, len(shown) - 0.4], barmode="overlay")
    if share:
        figure.update_xaxes(tickformat=".0%")
    figure.add_vline(x=0, line=soft_line(PALETTES[theme].muted, width=1))
    keys = [Key("■", colours[at], text_on_chart(b.name, 30)) for at, b in enumerate(series)]
    add_key(figure, theme, *keys)
    described = "; ".join(_in_words(bars, shown[:-4:-1], share=share) for bars in series)
    return Chart(figure, f"{title}. {described}.")


def _in_words(bars: Bars, names: Sequence[str], *, share: bool) -> str:
    write = percent if share else number
    parts = [f"{plain_text(n, 40)} {write(bars.values[n])}" for n in names if n in bars.values]
    return f"{plain_text(bars.name, 40)}: {', '.join(parts)}"


def group_bars(groups: Sequence[GroupMeans], space: str, theme: Theme = "light") -> Chart | None:
    """Draw mean contributions of groups of rows, with two standard errors."""
    series = [
        Bars(
            f"{group.name} ({count(group.n_rows, 'row')})",
            group.means,
            {name: 2 * error for name, error in group.errors.items()},
        )
        for group in groups
    ]
    return paired_bars("Mean contributions", f"Contribution ({space})", series, theme)


def shift_bars(items: Sequence[ShiftedImportance], theme: Theme = "light") -> Chart | None:
    """Draw shares of all contributions before and after a drift."""
    series = [
        Bars("as tested", {item.feature: item.reference for item in items}),
        Bars("drifted", {item.feature: item.shifted for item in items}),
    ]
    title = "Importance under drift"
    return paired_bars(title, "Share of contributions", series, theme, share=True)


def run_bars(
    runs: Sequence[tuple[str, ExplanationSection]], theme: Theme = "light"
) -> Chart | None:
    """Draw shares of all contributions (all outputs together) of several runs."""
    series = [Bars(name, contribution_shares(section)) for name, section in runs if section.outputs]
    if len(series) < 2:
        return None
    title = "Importance by run"
    return paired_bars(title, "Share of contributions", series, theme, share=True)
