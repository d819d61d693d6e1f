"""Exact contributions of words where the model is linear in what it makes of a text.

Owns: ``linear_words``. Nothing needs to be known of the vectoriser: which terms a word has is seen
by transforming the word alone, which terms a phrase adds by transforming the phrase. So words can
be counted, weighed, hashed or cut into letters. Rows stay sparse throughout.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explain_arrays import check_lowered
from explain_copy import NoCopyError, answer_gap, linked
from explain_linear import LinearModel, from_lowered
from explain_outputs import output_names, positive_index
from explain_word_types import TextRequest, WordsOfRow, WordTable
from model_types import Lowered, Predictions, SparseModel, SparseRows, Task
from text_words import WordsOfText, fold

LONGEST_PHRASE = 4
MAX_PHRASES = 50_000
MANY_OWNERS = 2.5
"""Words per term, on average, from which on the steps must be mixing words."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Phrase = tuple[str, ...]


def linear_words(asked: TextRequest, model: SparseModel) -> WordTable:
    """Return what every word of every text contributes, exactly.

    Parameters
    ----------
    asked : TextRequest
    model : SparseModel
        The same model.

    Returns
    -------
    WordTable
        The value of a term is coefficient × (its value in the row - its value without the text);
        a word gets its terms, an equal share of a term it has in common with others.

    Raises
    ------
    NoCopyError
        If the model is not linear in the terms, or its steps mix the words.
    ModelError
        If the model fails.
    """
    lowered = model.lower()
    if lowered is None or lowered.meta.get("kind") != "linear":
        message = "The model is not linear in its words, so it was asked with words left out."
        raise NoCopyError(message)
    check_lowered(lowered)
    linear = from_lowered(lowered)
    full = model.transform_sparse(asked.rows)
    if full.width != linear.coef.shape[1]:
        message = "The model's last step expects other columns than its first steps make."
        raise NoCopyError(message)
    nothing = model.transform_sparse(asked.rows.assign(**{asked.column: ""}))
    answered, empty = _margins(linear, full), _margins(linear, nothing)
    space, sign = _space(asked, lowered, model.predict(asked.rows), answered)
    texts = [asked.text(at) for at in range(len(asked.rows))]
    terms = [_difference(full.row(at), nothing.row(at)) for at in range(len(texts))]
    owners = _owners(asked, model, texts, [places for places, _ in terms])
    found = []
    for at, text in enumerate(texts):
        values = sign * _shared(text, linear, owners[at], terms[at])
        written = tuple(text.written().values())  # in the order of the keys
        ends = sign * empty[at], sign * answered[at]
        found.append(WordsOfRow(at, text.keys, written, values, None, *ends))
    names = output_names(model.info, answered.shape[1], asked.positive_class)
    return WordTable("linear", space, names, tuple(found), len(texts))


def _margins(linear: LinearModel, rows: SparseRows) -> Floats:
    pairs = (rows.row(at) for at in range(len(rows)))
    return np.array([linear.coef[:, at] @ cells + linear.intercept for at, cells in pairs])


def _space(
    asked: TextRequest, lowered: Lowered, answers: Predictions, margins: Floats
) -> tuple[str, float]:
    """Return the unit in which the margins are what the model answers, and their sign.

    Raises
    ------
    NoCopyError
        If the margins are not what the model answers in any form.
    """
    info = asked.model.info
    for target, link, space in lowered.meta["forms"]:
        if answer_gap(info, answers, linked(lowered, link, margins), target) <= 1:
            binary = info.task is Task.BINARY and margins.shape[1] == 1
            flipped = binary and positive_index(info, asked.positive_class) == 0
            return space, -1.0 if flipped else 1.0
    message = "The copy of the model for exact values does not answer as the model does."
    raise NoCopyError(message)


def _difference(
    one: tuple[Integers, Floats], other: tuple[Integers, Floats]
) -> tuple[Integers, Floats]:
    """Return places and values of ``one - other`` where they differ."""
    places, at = np.unique(np.concatenate([one[0], other[0]]), return_inverse=True)
    change = np.bincount(at, np.concatenate([one[1], -other[1]]), minlength=len(places))
    differs = change != 0
    return places[differs], change[differs]


# --- which word a term belongs to ------------------------------------------------------------


@dataclass(slots=True)
class _Terms:
    """Terms of words and phrases, found by transforming them alone."""

    asked: TextRequest
    model: SparseModel
    known: dict[Phrase, frozenset[int]]

    def learn(self, phrases: Iterable[Phrase]) -> None:
        """Find the terms of phrases not seen before."""
        new = [phrase for phrase in dict.fromkeys(phrases) if phrase not in self.known]
        if not new or len(self.known) + len(new) > MAX_PHRASES:
            return
        table = self.asked.with_texts(0, ["", *(" ".join(phrase) for phrase in new)])
        rows = self.model.transform_sparse(table)
        empty = rows.row(0)
        for at, phrase in enumerate(new, start=1):
            places, _ = _difference(rows.row(at), empty)
            self.known[phrase] = frozenset(places.tolist())

    def of(self, phrase: Phrase) -> frozenset[int]:
        """Return the terms of a phrase; none if it was not learnt."""
        return self.known.get(phrase, frozenset())


def _owners(
    asked: TextRequest, model: SparseModel, texts: list[WordsOfText], places: list[Integers]
) -> list[dict[int, set[str]]]:
    """Return, for every text, the folded words that each of its terms belongs to."""
    terms = _Terms(asked, model, {})
    terms.learn((word,) for text in texts for word in text.sequence)
    owned = [_by_word(text, terms, wanted) for text, wanted in zip(texts, places, strict=True)]
    _refuse_mixing(owned)
    for length in range(2, LONGEST_PHRASE + 1):
        open_texts = [at for at, found in enumerate(owned) if len(found) < len(places[at])]
        phrases = {at: _phrases(texts[at], terms, length) for at in open_texts}
        terms.learn(phrase for at in open_texts for phrase in phrases[at])
        for at in open_texts:
            _add_phrases(owned[at], phrases[at], terms, set(places[at].tolist()))
    return owned


def _by_word(text: WordsOfText, terms: _Terms, places: Integers) -> dict[int, set[str]]:
    wanted, found = set(places.tolist()), dict[int, set[str]]()
    for word in text.sequence:
        for place in terms.of((word,)) & wanted:
            found.setdefault(place, set()).add(fold(word))
    return found


def _phrases(text: WordsOfText, terms: _Terms, length: int) -> list[Phrase]:
    """Return neighbouring words, also across words that the model leaves out (stop words)."""
    words = text.sequence
    told = tuple(word for word in words if terms.of((word,)))
    rows = {words, told}
    return [row[at : at + length] for row in rows for at in range(len(row) - length + 1)]


def _add_phrases(
    owned: dict[int, set[str]], phrases: list[Phrase], terms: _Terms, wanted: set[int]
) -> None:
    """Give terms that no shorter phrase has to the words of a phrase."""
    lacking = wanted - owned.keys()
    for phrase in phrases:
        for place in terms.of(phrase) & lacking:
            owned.setdefault(place, set()).update(fold(word) for word in phrase)


def _refuse_mixing(owned: list[dict[int, set[str]]]) -> None:
    """Raise where terms belong to many words, as after a projection (LSA)."""
    counts = [len(words) for text in owned for words in text.values()]
    if counts and float(np.mean(counts)) > MANY_OWNERS:
        message = "The steps after the words mix them, so the model was asked with words left out."
        raise NoCopyError(message)


def _shared(
    text: WordsOfText,
    linear: LinearModel,
    owned: dict[int, set[str]],
    change: tuple[Integers, Floats],
) -> Floats:
    """Return the values of the words of one text, (words, outputs)."""
    places, cells = change
    counts = linear.coef[:, places] * cells
    at = {key: number for number, key in enumerate(text.keys)}
    values = np.zeros((len(text.keys), len(linear.intercept)))
    for number, place in enumerate(places.tolist()):
        words = owned.get(place, set())
        for word in words:
            values[at[word]] += counts[:, number] / len(words)
    return values
