"""The part of a report that explains texts by their words.

Owns: ``TextExplanation`` and its parts. The words of a text add up: the answer to the same row
without the text, plus every word's contribution, is the answer to the row.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from base_types import TypedModel

REST = "(other words)"
"""What the contributions of the words that are not listed are called."""


class WordImportance(TypedModel):
    """What one word does over all explained texts."""

    word: str = Field(description="In lower case")
    importance: float = Field(description="Mean |contribution| over all explained texts")
    effect: float = Field(description="Mean contribution over the texts that hold the word")
    n_texts: int


class TextWords(TypedModel):
    """The words of one text, those that count most first."""

    position: int = Field(description="Of the row among the explained rows of the section")
    base_value: float = Field(description="The answer to the same row without the text")
    prediction: float
    words: list[str] = Field(description="As written; the rest of the text is left out")
    values: list[float]
    errors: list[float] | None = Field(default=None, description="Standard errors; null if exact")
    rest: float = Field(default=0.0, description="Sum of the words that are not listed")


class TextExplanation(TypedModel):
    """Contributions of the words of one column to one output."""

    column: str
    output: str
    method: Literal["linear", "sampled"] = Field(
        description="linear: from the coefficients; sampled: by asking with words left out"
    )
    space: str = Field(description="Unit of the values: probability, log-odds, score …")
    importance: list[WordImportance] = Field(description="Most important first, at most 50")
    texts: list[TextWords]
    n_texts: int = Field(description="Texts the importance rests on")
    n_model_calls: int = Field(description="Rows sent to the model")
    notes: list[str] = Field(default_factory=list)
