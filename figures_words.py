"""Charts of texts explained by word.

Owns: ``word_bars``, a pure function from a ``TextExplanation`` to a ``Chart``.
"""

from __future__ import annotations

from figure_style import (
    PALETTES,
    Chart,
    Key,
    Theme,
    add_key,
    name_axis,
    new_figure,
    text_on_chart,
)
from formatting import count, number, plain_text, signed
from word_types import TextExplanation, WordImportance

_MAX_BARS = 15


def word_bars(text: TextExplanation, theme: Theme = "light") -> Chart | None:
    """Draw what the most important words contribute where they stand; None where none counts."""
    shown = text.importance[:_MAX_BARS][::-1]
    if not shown:
        return None
    colours = PALETTES[theme]
    figure = new_figure(
        theme,
        "Words, most important first",
        f"Mean contribution ({text.space})",
        "",
        height=120 + 26 * len(shown),
    )
    figure.add_bar(
        y=list(range(len(shown))),
        x=[item.effect for item in shown],
        orientation="h",
        width=0.7,
        marker_color=[colours.high if item.effect > 0 else colours.low for item in shown],
        customdata=[_hover(item) for item in shown],
        hovertemplate="%{customdata}<extra></extra>",
    )
    name_axis(figure.layout.yaxis, [item.word for item in shown])
    figure.update_layout(yaxis_range=[-0.6, len(shown) - 0.4])
    towards = text_on_chart(text.output, 14)
    add_key(
        figure,
        theme,
        Key("■", colours.high, f"more {towards}"),
        Key("■", colours.low, f"less {towards}"),
    )
    top = ", ".join(f"{plain_text(i.word, 30)} {signed(i.effect)}" for i in shown[:-4:-1])
    return Chart(figure, f"Words that count most, with their mean contribution: {top}.")


def _hover(item: WordImportance) -> str:
    return "<br>".join(
        (
            f"<b>{text_on_chart(item.word, 60)}</b>",
            f"{signed(item.effect)} on average in {count(item.n_texts, 'text')} that hold it",
            f"{number(item.importance)} in size over all texts",
        )
    )
