"""Words of a text: finding them, and writing the text with some of them left out.

Owns: ``split_words``, ``WordsOfText``. A word is a run of letters and digits, with apostrophes and
hyphens inside it; what stands between words (spaces, punctuation) is kept, so that a text is always
put together again as it was.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def split_words(text: str) -> list[str]:
    """Return the pieces of a text: what stands between words and, at odd positions, the words.

    Joined, the pieces are the text.

    Examples
    --------
    >>> split_words("Don't panic!")
    ['', "Don't", ' ', 'panic', '!']
    """
    pieces, end = [], 0
    for found in _WORD.finditer(text):
        pieces += [text[end : found.start()], found.group()]
        end = found.end()
    return [*pieces, text[end:]]


def fold(word: str) -> str:
    """Return the form under which equal words are counted together.

    Examples
    --------
    >>> fold("Straße") == fold("STRASSE")
    True
    """
    return word.casefold()


@dataclass(frozen=True, slots=True)
class WordsOfText:
    """One text with its distinct words; equal words stand and fall together.

    Parameters
    ----------
    pieces : tuple of str
        As ``split_words`` gives them.
    keys : tuple of str
        The folded words, each once, in order of appearance.
    """

    pieces: tuple[str, ...]
    keys: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> WordsOfText:
        """Read a text."""
        pieces = tuple(split_words(text))
        return cls(pieces, tuple(dict.fromkeys(fold(word) for word in pieces[1::2])))

    @property
    def sequence(self) -> tuple[str, ...]:
        """All words as they are written, in order, repeated ones too."""
        return self.pieces[1::2]

    def written(self) -> dict[str, str]:
        """Return how each folded word is written where it comes first.

        Examples
        --------
        >>> WordsOfText.of("Free or free?").written()
        {'free': 'Free', 'or': 'or'}
        """
        found: dict[str, str] = {}
        for word in self.sequence:
            found.setdefault(fold(word), word)
        return found

    def without(self, gone: Collection[str]) -> str:
        """Return the text without some of its words, given folded; nothing else changes.

        Examples
        --------
        >>> WordsOfText.of("Free! Win a free prize").without({"free"})
        '! Win a  prize'
        """
        words = self.sequence
        kept = ["" if fold(word) in gone else word for word in words]
        whole = list(self.pieces)
        whole[1::2] = kept
        return "".join(whole)
