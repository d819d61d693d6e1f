"""Names for classes that a model knows as numbers, and answers of a sample that say them otherwise.

Owns: ``names_by_hand``, ``show_answers`` (codes of a sample -> the names shown) and
``match_by_order``: texts and numbers matched in sorted order, as ``LabelEncoder`` codes them, only
where the model's own predictions agree with that. Pure: values in, values and sentences out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from base_types import Label
from labels import match_labels, name_labels
from model_types import ModelInfo

CLEARLY = 4.0
"""Standard errors above chance from which agreement is no accident (p < 0.00004, one-sided)."""

MIN_ROWS = 20


@dataclass(frozen=True, slots=True)
class OrderMatch:
    """What came of matching labels in sorted order.

    Parameters
    ----------
    answers : Series or None
        The answers as the model's classes, shape (n,); None where they could not be matched.
    names : list of str or None
        A text for each class of the model, in its order, where the sample has texts.
    sentence : str
        What was found and done, with its evidence.
    """

    answers: pd.Series[Any] | None
    names: list[Label] | None
    sentence: str


def names_by_hand(info: ModelInfo, given: Mapping[str, str]) -> tuple[list[Label] | None, str]:
    """Return a label for each class from a mapping by hand, or None and why it cannot be used.

    Parameters
    ----------
    info : ModelInfo
    given : mapping of str to str
        By the model's own label, or by the name a bundle gave it. Classes left out keep theirs.

    Examples
    --------
    >>> info = ModelInfo(task="binary", estimator="SVC", classes=[0, 1])
    >>> names_by_hand(info, {"0": "stays", "1": "leaves"})
    (['stays', 'leaves'], '')
    """
    if info.classes is None:
        return None, f"The model ({info.task.value}) has no classes to name; class_names was left."
    codes = info.class_codes or info.classes
    unknown = [key for key in given if match_labels(np.array([key]), codes).unknown]
    unknown = [key for key in unknown if key not in [str(one) for one in info.classes]]
    if unknown:
        known = name_labels([str(code) for code in codes])
        told = name_labels(unknown)
        return None, f"class_names names {told}; the model's classes are {known}. It was left."
    names: list[Label] = list(info.classes)
    for key, name in given.items():
        code = int(match_labels(np.array([key]), codes).codes[0])
        shown = [str(one) for one in info.classes]
        names[code if code < len(codes) else shown.index(key)] = name
    if len({str(name) for name in names}) < len(names):
        return None, "class_names gives two classes the same name. It was left."
    return names, ""


def show_answers(answers: pd.Series[Any], info: ModelInfo) -> pd.Series[Any]:
    """Return answers that are the model's own codes as the names shown; others as they are.

    Examples
    --------
    >>> info = ModelInfo(task="binary", estimator="SVC", classes=["no", "yes"], class_codes=[0, 1])
    >>> show_answers(pd.Series([1, 0]), info).tolist()
    ['yes', 'no']
    """
    if info.class_codes is None or info.classes is None:
        return answers
    if not match_labels(answers, info.classes).unknown:
        return answers
    matched = match_labels(answers, info.class_codes)
    return answers if matched.unknown else _labelled(answers, matched.codes, info.classes)


def needs_matching(answers: pd.Series[Any], info: ModelInfo) -> bool:
    """Whether no answer is a class of the model, as texts beside numbers are none."""
    if info.classes is None or not info.task.is_classification or not answers.notna().any():
        return False
    matched = match_labels(answers, info.classes)
    return not matched.known.any() and _is_mixed(_distinct(answers), info.classes)


def match_by_order(
    answers: pd.Series[Any], predictions: NDArray[Any], info: ModelInfo
) -> OrderMatch:
    """Match answers with classes in sorted order, where the model's predictions agree with that.

    Agreement is the share of rows where prediction and matched answer are the same; by chance it
    is the sum over classes of both shares' products (as in Cohen's kappa, 1960). It counts where
    it exceeds chance by ``CLEARLY`` standard errors of a proportion.

    Parameters
    ----------
    answers : Series, shape (n,)
    predictions : ndarray, shape (n,)
        The model's predictions for the same rows.
    info : ModelInfo
    """
    classes = list(info.classes or [])
    distinct = _distinct(answers)
    says = f"The sample's answers are {name_labels([str(one) for one in distinct])}, the model's "
    says += f"classes {name_labels([str(one) for one in classes])}"
    if len(distinct) != len(classes):
        count = f"{len(distinct):,} of them and {len(classes):,} classes"
        return OrderMatch(
            None, None, f"{says}: {count} cannot be matched. Name the classes in class_names."
        )
    in_order = _sorted_positions(classes)
    table = dict(zip(distinct, in_order, strict=True))
    codes = answers.map(table).fillna(-1).to_numpy(dtype=np.int64)
    agreement, chance, n = _agreement(codes, match_labels(predictions, classes).codes)
    told = (
        f"{agreement:.0%} of {n:,} answers agree with the predictions, {chance:.0%} would by chance"
    )
    if not _is_clear(agreement, chance, n):
        example = ", ".join(f'"{classes[at]}": "{name}"' for name, at in table.items())
        return OrderMatch(
            None,
            None,
            f"{says}. In sorted order {told}, so they were not matched. Say which is which in "
            f"class_names, such as {{{example}}}.",
        )
    sentence = (
        f"{says}. They were matched in sorted order, as LabelEncoder codes them: {told}. Name the "
        "classes by hand if that is wrong."
    )
    if all(isinstance(one, str) for one in distinct):
        names: list[Label] = [name for _, name in sorted(zip(in_order, distinct, strict=True))]
        return OrderMatch(_labelled(answers, codes, names), names, sentence)
    return OrderMatch(_labelled(answers, codes, classes), None, sentence)


def shown_class(wanted: str | None, info: ModelInfo) -> str | None:
    """Return a class said by the model's own label as the name shown.

    Examples
    --------
    >>> info = ModelInfo(task="binary", estimator="SVC", classes=["no", "yes"], class_codes=[0, 1])
    >>> shown_class("1", info), shown_class("yes", info)
    ('yes', 'yes')
    """
    if wanted is None or info.class_codes is None or info.classes is None:
        return wanted
    if not match_labels(np.array([wanted]), info.classes).unknown:
        return wanted
    matched = match_labels(np.array([wanted]), info.class_codes)
    return wanted if matched.unknown else str(info.classes[int(matched.codes[0])])


def _distinct(answers: pd.Series[Any]) -> list[Any]:
    """Return the different answers, sorted: numbers by size, texts as ``LabelEncoder`` sorts."""
    values = answers.dropna().unique().tolist()
    return sorted(values) if not _has_both(values) else sorted(values, key=str)


def _has_both(values: Sequence[Any]) -> bool:
    return len({isinstance(value, str) for value in values}) > 1


def _is_mixed(answers: Sequence[Any], classes: Sequence[Label]) -> bool:
    """Whether one side says texts and the other numbers."""
    return {isinstance(one, str) for one in answers} != {isinstance(one, str) for one in classes}


def _sorted_positions(classes: Sequence[Any]) -> list[int]:
    """Return the positions of classes in sorted order."""
    return sorted(range(len(classes)), key=lambda at: (isinstance(classes[at], str), classes[at]))


def _agreement(codes: NDArray[np.int64], predicted: NDArray[np.int64]) -> tuple[float, float, int]:
    """Return the share of equal codes, the share expected by chance, and the number of rows."""
    known = codes >= 0
    true, said = codes[known], predicted[known]
    if not true.size:
        return 0.0, 1.0, 0
    n_labels = int(max(true.max(), said.max())) + 1
    shares = [np.bincount(one, minlength=n_labels) / true.size for one in (true, said)]
    return float(np.mean(true == said)), float(shares[0] @ shares[1]), int(true.size)


def _is_clear(agreement: float, chance: float, n: int) -> bool:
    if n < MIN_ROWS:
        return False
    error = math.sqrt(max(chance * (1 - chance), 1e-12) / n)
    return agreement - chance > CLEARLY * error


def _labelled(
    answers: pd.Series[Any], codes: NDArray[np.int64], labels: Sequence[Label]
) -> pd.Series[Any]:
    """Return labels by position; missing where the code is -1."""
    values = [labels[code] if code >= 0 else None for code in codes]
    return pd.Series(values, index=answers.index, name=answers.name, dtype=object)
