"""What is read off the explained words of a text: sentences, and the text with its words marked.

Owns: ``words_of``, ``words_at``, ``word_sentences``, ``telling_sentence`` and ``marked_pieces``.
Nothing here asks a model.
"""

from __future__ import annotations

from collections.abc import Sequence

from formatting import signed
from report_types import ExplanationSection
from text_words import fold, split_words
from word_types import TextExplanation, TextWords

SENTENCES = 3


def words_of(section: ExplanationSection, output: str) -> list[TextExplanation]:
    """Return the explained text columns of one output.

    A model of two classes may be explained by column for both and by word for one.
    """
    own = [text for text in section.texts if text.output == output]
    return own or [text for text in section.texts[:1] if len(section.outputs) == 1]


def words_at(text: TextExplanation, position: int) -> TextWords | None:
    """Return the words of one explained row, None where they were not looked for."""
    return next((words for words in text.texts if words.position == position), None)


def word_sentences(words: TextWords) -> list[tuple[str, str]]:
    """Return contribution and word of the words that count most.

    Examples
    --------
    >>> text = TextWords(
    ...     position=0, base_value=0.1, prediction=0.31, words=["free"], values=[0.21]
    ... )
    >>> word_sentences(text)
    [('+0.21', 'free')]
    """
    pairs = zip(words.values[:SENTENCES], words.words[:SENTENCES], strict=True)
    return [(signed(value), word) for value, word in pairs]


def telling_sentence(text: TextExplanation) -> str:
    """Return one line on the words of the text whose words count most; empty without any."""
    words = telling_text(text)
    if words is None:
        return ""
    pairs = word_sentences(words)
    return "; ".join(f"{value} because of the word \u201c{word}\u201d" for value, word in pairs)


def telling_text(text: TextExplanation) -> TextWords | None:
    """Return the text whose answer lies farthest from that to an empty one."""
    return max(text.texts, key=lambda one: abs(one.prediction - one.base_value), default=None)


def marked_pieces(
    text: str, words: Sequence[str], values: Sequence[float]
) -> list[tuple[str, float | None]]:
    """Return the pieces of a text with the contribution of each word that counts.

    Joined, the pieces are the text. A word that comes twice is marked twice, with the value of both
    together.

    Examples
    --------
    >>> marked_pieces("Free now!", ["Free"], [0.2])
    [('Free', 0.2), (' now!', None)]
    """
    known = {fold(word): value for word, value in zip(words, values, strict=True)}
    found: list[tuple[str, float | None]] = []
    for at, piece in enumerate(split_words(text)):
        value = known.get(fold(piece)) if at % 2 else None
        if value is None and found and found[-1][1] is None:
            found[-1] = (found[-1][0] + piece, None)
        elif piece:
            found.append((piece, value))
    return found
