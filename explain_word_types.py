"""Contributions of words as arrays, before they become a part of the report.

Owns: ``TextRequest``, which both routes of ``explain_words`` take, and ``WordsOfRow`` and
``WordTable``, which they return.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model_types import Model
from text_words import WordsOfText

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WordsOfRow:
    """The words of one text and what they contribute to each output.

    Parameters
    ----------
    position : int
        Of the row in the table given.
    keys, written : tuple of str
        Each distinct word, folded and as it is written first.
    values : ndarray, shape (words, outputs)
    errors : ndarray or None
        Standard errors; None when exact.
    base, prediction : ndarray, shape (outputs,)
        The answer without the text and with it.
    """

    position: int
    keys: tuple[str, ...]
    written: tuple[str, ...]
    values: Floats
    errors: Floats | None
    base: Floats
    prediction: Floats


@dataclass(frozen=True, slots=True)
class WordTable:
    """All explained texts of one column.

    Parameters
    ----------
    method : str
        ``linear`` (exact) or ``sampled``.
    space : str
        Unit of the values.
    outputs : tuple of str
    texts : tuple of WordsOfRow
    evaluations : int
        Rows sent to the model.
    notes : tuple of str
    """

    method: Literal["linear", "sampled"]
    space: str
    outputs: tuple[str, ...]
    texts: tuple[WordsOfRow, ...]
    evaluations: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextRequest:
    """Which texts of which model to explain by their words.

    Parameters
    ----------
    model : Model
    rows : DataFrame, shape (n, d)
        Numbered from 0; not empty.
    column : str
        The text column; its other columns stay as they are.
    seconds : float
        Time for asking the model.
    seed : int
    positive_class : str or None
        Binary models: the class to explain.
    """

    model: Model
    rows: pd.DataFrame
    column: str
    seconds: float
    seed: int = 0
    positive_class: str | None = None

    def with_texts(self, at: int, texts: list[str]) -> pd.DataFrame:
        """Return copies of one row, each with another text."""
        copies = self.rows.iloc[np.full(len(texts), at)].reset_index(drop=True)
        return copies.assign(**{self.column: pd.Series(texts, dtype=self.rows[self.column].dtype)})

    def text(self, at: int) -> WordsOfText:
        """Return the words of one row; a missing text has none."""
        cell = self.rows[self.column].iloc[at]
        return WordsOfText.of(cell if isinstance(cell, str) else "")
