"""Contributions of words from a model's answers to the text with words left out.

Owns: ``sampled_words`` and ``leave_one_out``. Every distinct word is a player that is in the
text or not; the Shapley values of the words are found as those of columns are, against the empty
text (``explain_sampling``). Of a long text the words that matter most on their own are players,
the others stand together.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explain_columns import HybridPool
from explain_outputs import OutputView, choose_view
from explain_request import Request
from explain_sampling import BlackBox, enumerate_coalitions, sample_pairs
from explain_word_types import TextRequest, WordsOfRow, WordTable
from model_types import Model, ModelInfo, Predictions
from text_words import WordsOfText

ANSWERS_PER_TEXT = 1024
"""Answers that explain one text well; all combinations are tried where they are no more."""

SPEED_TEXTS = 64
"""Texts in the batch that measures the model's speed."""

FEWEST_TEXTS, MOST_TEXTS = 3, 40
MAX_PLAYERS = 25
MAX_TRIED = 300
"""Words of a text that are left out one by one; later ones stand together."""

OTHERS = "\N{HORIZONTAL ELLIPSIS}"
"""Player of the words that stand together; never a word, for it has no letter."""

Floats = NDArray[np.float64]


@dataclass(slots=True)
class _TextModel:
    """One row's text as a table of yes and no: which players are in it.

    Parameters
    ----------
    asked : TextRequest
    at : int
        The row.
    text : WordsOfText
    players : list of tuple of str
        Folded words that stand and fall together.
    """

    asked: TextRequest
    at: int
    text: WordsOfText
    players: list[tuple[str, ...]]

    @property
    def info(self) -> ModelInfo:
        """Of the model behind it."""
        return self.asked.model.info

    def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
        """Ask about the text with the players of each row of ``frame``."""
        texts = []
        for shown in frame.to_numpy(dtype=bool):
            gone = {
                word
                for player, is_in in zip(self.players, shown, strict=True)
                if not is_in
                for word in player
            }
            texts.append(self.text.without(gone))
        return self.asked.model.predict(self.asked.with_texts(self.at, texts), proba=proba)


def sampled_words(asked: TextRequest) -> WordTable:
    """Return Shapley values of the words of as many texts as the time allows.

    Raises
    ------
    ModelError
        If the model fails on a text with words left out, or is too slow (``TooSlowError``).
    """
    first = asked.model.predict(asked.rows.iloc[:1])
    view = choose_view(asked.model.info, first, asked.positive_class)
    speed = _speed(asked)
    affordable = asked.seconds * speed / ANSWERS_PER_TEXT
    count = min(int(np.clip(affordable, FEWEST_TEXTS, MOST_TEXTS)), len(asked.rows))
    chosen = np.linspace(0, len(asked.rows) - 1, count).astype(int).tolist()
    seconds = max(asked.seconds / count, ANSWERS_PER_TEXT / speed)
    texts, evaluations = [], 1 + SPEED_TEXTS
    for at in chosen:
        row, cost = _words_of_row(asked, at, view, (seconds, speed))
        texts.append(row)
        evaluations += cost
    notes: tuple[str, ...] = ()
    if count < len(asked.rows):
        notes = (f"The words of {count} of {len(asked.rows)} texts were explained.",)
    return WordTable("sampled", view.space, view.names, tuple(texts), evaluations, notes)


def _speed(asked: TextRequest) -> float:
    """Return how many texts the model answers per second, in a batch."""
    repeated = np.arange(SPEED_TEXTS) % len(asked.rows)
    batch = asked.rows.iloc[repeated].reset_index(drop=True)
    start = time.perf_counter()
    asked.model.predict(batch)
    return SPEED_TEXTS / (time.perf_counter() - start)


def leave_one_out(asked: TextRequest, at: int, view: OutputView) -> tuple[list[str], Floats]:
    """Return how the answer falls when each word alone is left out.

    Parameters
    ----------
    asked : TextRequest
    at : int
        The row.
    view : OutputView

    Returns
    -------
    keys : list of str
        The first 300 distinct words, folded.
    effects : ndarray, shape (words, outputs)
        Answer to the text minus answer to the text without the word.
    """
    text = asked.text(at)
    keys = list(text.keys[:MAX_TRIED])
    texts = [text.without(()), *(text.without({key}) for key in keys)]
    answers = view.read(asked.model.predict(asked.with_texts(at, texts)))
    return keys, np.asarray(answers[0] - answers[1:])


def _put_in(asked: TextRequest, at: int, view: OutputView, keys: list[str]) -> Floats:
    """Return how the answer to a text without words rises when one word alone is put in.

    Where many words say the same, leaving one out changes nothing.
    """
    text = asked.text(at)
    every = set(text.keys)
    texts = [text.without(every), *(text.without(every - {key}) for key in keys)]
    answers = view.read(asked.model.predict(asked.with_texts(at, texts)))
    return np.asarray(answers[1:] - answers[0])


def _words_of_row(
    asked: TextRequest, at: int, view: OutputView, pace: tuple[float, float]
) -> tuple[WordsOfRow, int]:
    """Return the words of one row and how many rows the model was asked.

    ``pace`` is the time for this row in seconds and the model's speed in rows per second.
    """
    text = asked.text(at)
    if not text.keys:
        answer = view.read(asked.model.predict(asked.rows.iloc[[at]]))[0]
        return WordsOfRow(at, (), (), np.zeros((0, len(answer))), None, answer, answer), 1
    players, cost = _players(asked, at, text, view)
    names = [player[0] if len(player) == 1 else OTHERS for player in players]
    shown = pd.DataFrame([[True] * len(players), [False] * len(players)], columns=names)
    model = cast("Model", _TextModel(asked, at, text, players))  # only asked to predict
    ends = view.read(model.predict(shown))
    box = BlackBox(model, view, HybridPool(shown), 1, np.arange(len(players)), ends)
    request = Request(model, shown[:1], shown[1:], pace[0], asked.seed)
    if 2 ** len(players) <= ANSWERS_PER_TEXT:
        found = enumerate_coalitions(box, request)
    else:
        found = sample_pairs(box, request, rows_per_second=pace[1])
    first = text.written()
    written = tuple(first.get(name, OTHERS) for name in names)
    error = None if found.error is None else found.error[0]
    row = WordsOfRow(at, tuple(names), written, found.values[0], error, ends[1], ends[0])
    return row, cost + box.evaluations + 2


def _players(
    asked: TextRequest, at: int, text: WordsOfText, view: OutputView
) -> tuple[list[tuple[str, ...]], int]:
    """Return the words as players, in order; of many, the less telling ones as one player."""
    if len(text.keys) <= MAX_PLAYERS:
        return [(key,) for key in text.keys], 0
    keys, left_out = leave_one_out(asked, at, view)
    size = np.abs(left_out) + np.abs(_put_in(asked, at, view, keys))
    size = size.max(axis=1)
    best = sorted(np.argsort(-size, kind="stable")[: MAX_PLAYERS - 1].tolist())
    chosen = [keys[place] for place in best]
    others = tuple(key for key in text.keys if key not in set(chosen))
    return [*((key,) for key in chosen), others], 2 * (len(keys) + 1)
