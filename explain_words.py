"""Which words of a text push the answer.

Owns: ``explain_texts``, which explains the text columns of the rows of an explanation by their
words. Two routes:

linear
    The final estimator is linear in what the steps before it make of the text. A term counts
    coefficient × value (of tf-idf, count or hash); what a term of several words counts is shared
    equally among them. Exact.
sampled
    Any other model is asked about the text with words left out: Shapley values of the words, with
    standard errors (``explain_word_play``).

Either way the contributions add up: the answer to the row with an empty text, plus the words, is
the answer to the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from errors import ModelError
from explain_copy import NoCopyError
from explain_word_play import sampled_words
from explain_word_terms import linear_words
from explain_word_types import TextRequest, WordTable
from model_types import Model, SparseModel
from schema_utils import Kind
from word_types import TextExplanation, TextWords, WordImportance

MAX_IMPORTANT = 50
MAX_WORDS = 15
"""Words kept of one text; the others are summed up."""

ROUNDING = 1e-9
MAX_TEXTS = 200
FEWEST_KEPT = 20
"""Texts whose words are kept, shared among the outputs."""

MAX_OUTPUTS = 10

Floats = NDArray[np.float64]


def explain_texts(
    model: Model,
    rows: pd.DataFrame,
    kinds: Mapping[str, Kind],
    *,
    seconds: float = 3.0,
    seed: int = 0,
    positive_class: str | None = None,
) -> list[TextExplanation]:
    """Explain every text column of some rows by its words.

    Parameters
    ----------
    model : Model
    rows : DataFrame, shape (n, d)
        The explained rows, in their order; of more than 200 the first ones are taken.
    kinds : mapping of str to Kind
        Of the columns.
    seconds : float
        Time for the sampled route, all columns together.
    seed : int
    positive_class : str, optional
        Binary models: the class to explain (default: the second).

    Returns
    -------
    list of TextExplanation
        One per text column and output; empty without text columns.

    Raises
    ------
    ModelError
        If the model fails on texts with words left out.
    """
    columns = [str(name) for name in rows.columns if kinds.get(str(name)) is Kind.TEXT]
    if not len(rows):
        return []
    found: list[TextExplanation] = []
    for column in columns:
        asked = TextRequest(
            model,
            rows.iloc[:MAX_TEXTS].reset_index(drop=True),
            column,
            seconds / len(columns),
            seed,
            positive_class,
        )
        found += _sections(_words_of_column(asked), column)
    return found


def _words_of_column(asked: TextRequest) -> WordTable:
    """Return the words by the exact route, or by the sampled one with the reason."""
    try:
        if not isinstance(asked.model, SparseModel):
            message = "The model does not show what its steps make of a text."
            raise NoCopyError(message)
        return linear_words(asked, asked.model)
    except (NoCopyError, ModelError) as reason:
        table = sampled_words(asked)
        return replace(table, notes=(str(reason), *table.notes))


def _sections(table: WordTable, column: str) -> list[TextExplanation]:
    outputs = _largest_outputs(table)
    kept = max(FEWEST_KEPT, MAX_TEXTS // max(len(outputs), 1))
    return [
        TextExplanation(
            column=column,
            output=table.outputs[at],
            method=table.method,
            space=table.space,
            importance=_importance(table, at),
            texts=[_text(table, place, at) for place in range(min(kept, len(table.texts)))],
            n_texts=len(table.texts),
            n_model_calls=table.evaluations,
            notes=list(table.notes),
        )
        for at in outputs
    ]


def _largest_outputs(table: WordTable) -> list[int]:
    size = np.zeros(len(table.outputs))
    for text in table.texts:
        size += np.abs(text.values).sum(axis=0)
    return sorted(int(at) for at in np.argsort(-size, kind="stable")[:MAX_OUTPUTS])


@dataclass(slots=True)
class _Tally:
    """Sums over the texts that hold one word."""

    absolute: float = 0.0
    signed: float = 0.0
    texts: set[int] = field(default_factory=set)


def _importance(table: WordTable, output: int) -> list[WordImportance]:
    tallies: dict[str, _Tally] = {}
    for place, text in enumerate(table.texts):
        for key, value in zip(text.keys, text.values[:, output].tolist(), strict=True):
            tally = tallies.setdefault(key, _Tally())
            tally.absolute += abs(value)
            tally.signed += value
            tally.texts.add(place)
    counted = [
        WordImportance(
            word=word,
            importance=tally.absolute / len(table.texts),
            effect=tally.signed / len(tally.texts),
            n_texts=len(tally.texts),
        )
        for word, tally in tallies.items()
        if tally.absolute > ROUNDING
    ]
    return sorted(counted, key=lambda item: -item.importance)[:MAX_IMPORTANT]


def _text(table: WordTable, place: int, output: int) -> TextWords:
    text = table.texts[place]
    values = text.values[:, output]
    chosen = [at for at in _by_size(values)[:MAX_WORDS] if abs(values[at]) > ROUNDING]
    errors = None if text.errors is None else text.errors[chosen, output].round(9).tolist()
    prediction, base = float(text.prediction[output]), float(text.base[output])
    return TextWords(
        position=text.position,
        base_value=base,
        prediction=prediction,
        words=[text.written[at] for at in chosen],
        values=values[chosen].round(9).tolist(),
        errors=errors,
        rest=prediction - base - float(values[chosen].sum()),
    )


def _by_size(values: Floats) -> Sequence[int]:
    order: list[int] = np.argsort(-np.abs(values), kind="stable").tolist()
    return order
