"""Texts explained by word: which words count most, and the words of one text."""

from __future__ import annotations

import streamlit as st

from base_types import Cell
from figures_words import word_bars
from formatting import count, escape_markdown, number, percent, shorten, signed
from glossary import explain
from report_types import ExplanationSection, OutputExplanation
from views.common import beside, show_chart, theme
from word_reading import marked_pieces, word_sentences, words_at, words_of
from word_types import TextExplanation, TextWords

SHOWN_LETTERS = 1500
"""Longer texts are cut in the middle; the table of the row's values has all of it."""

METHODS = {
    "linear": "exact, from the model's coefficients",
    "sampled": "estimated, by asking the model with words left out",
}

_HELP = {
    "Importance": "Mean size of the word's contribution over all explained texts",
    "Effect": "Mean contribution of the word over the texts that hold it",
}


def show_words(section: ExplanationSection, output: OutputExplanation) -> None:
    """Show the words of each text column that count most over all texts."""
    for text in words_of(section, output.output):
        st.subheader(f"Words of {escape_markdown(text.column)}")
        st.caption(
            f"What words add to the answer for an empty text: {METHODS[text.method]}, "
            f"over {count(text.n_texts, 'text')}."
            + "".join(f" {escape_markdown(note)}" for note in text.notes),
            help=explain("word_contribution") or None,
        )
        with beside():
            show_chart(word_bars(text, theme()), f"explain.words.{text.column}")
            st.dataframe(
                _table(text),
                key=f"explain.words.table.{text.column}",
                hide_index=True,
                width="stretch",
                column_config={
                    name: st.column_config.Column(help=f"{words} ({text.space}).")
                    for name, words in _HELP.items()
                },
            )


def _table(text: TextExplanation) -> list[dict[str, Cell]]:
    return [
        {
            "Word": item.word,
            "Importance": number(item.importance),
            "Effect": signed(item.effect),
            "Texts": item.n_texts,
        }
        for item in text.importance
    ]


def show_row_words(section: ExplanationSection, output: OutputExplanation, index: int) -> None:
    """Show the text of one row with its words marked, and its largest words as sentences."""
    for text in words_of(section, output.output):
        words = words_at(text, index)
        if words is None:
            st.caption(
                f"The words of this {escape_markdown(text.column)} were not looked at; "
                f"those of {count(len(text.texts), 'other text')} were."
            )
            continue
        for value, word in word_sentences(words):
            st.markdown(
                f"- **{escape_markdown(value)}** because of the word *{escape_markdown(word)}*"
            )
        _show_marked(str(section.rows[index].get(text.column) or ""), text, words)


def _show_marked(cell: str, text: TextExplanation, words: TextWords) -> None:
    pieces = marked_pieces(shorten(cell, SHOWN_LETTERS), words.words, words.values)
    st.markdown("".join(_marked(piece, value) for piece, value in pieces))
    base, answer = _answer(text, words.base_value), _answer(text, words.prediction)
    st.caption(
        f"Red words speak for {escape_markdown(text.output)}, blue ones against. Without any word "
        f"the {text.space} is {base}; with all of them {answer}."
    )


def _answer(text: TextExplanation, value: float) -> str:
    return escape_markdown(percent(value) if text.space == "probability" else number(value))


def _marked(piece: str, value: float | None) -> str:
    shown = escape_markdown(piece)
    if value is None or not value:
        return _with_spaces(piece, shown)
    return f":{'red' if value > 0 else 'blue'}-background[{shown}]"


def _with_spaces(piece: str, shown: str) -> str:
    """Put back the spaces at the ends, which escaping takes for line ends."""
    return f"{' ' * piece[:1].isspace()}{shown.strip()}{' ' * piece[-1:].isspace()}"
