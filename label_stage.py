"""The answers of a sample and the classes of the model brought to the same names.

Owns: ``name_by_hand``, before anything is predicted, and ``match_answers``, once the rows are
known. Both say what they did in the report; nothing is matched silently.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

import class_naming
from errors import ModelRaisedError
from model_utils import ModelHandle
from report_types import RunConfig, TestReport

MAX_ROWS = 500
"""Rows that are predicted to see whether a match agrees with the model."""


def name_by_hand(model: ModelHandle, config: RunConfig, report: TestReport) -> None:
    """Show the class names of the request, or say why they cannot be used."""
    if config.class_names:
        names, problem = class_naming.names_by_hand(model.info, config.class_names)
        if names is None:
            report.model.warnings.append(problem)
        else:
            model.name_classes(names)
    _tell(model, report)


def match_answers(
    model: ModelHandle, answers: pd.Series[Any], inputs: pd.DataFrame, report: TestReport
) -> tuple[pd.Series[Any], str | None]:
    """Return the answers by the names shown, and why they cannot be compared, if so.

    Parameters
    ----------
    model : ModelHandle
        Gets the sample's names for its classes, where these are matched.
    answers : Series, shape (n,)
    inputs : DataFrame, shape (n, k)
        The rows they belong to.
    report : TestReport
        Told in its data section what was matched.
    """
    answers = class_naming.show_answers(answers, model.info)
    if not class_naming.needs_matching(answers, model.info):
        return answers, None
    few = inputs.head(MAX_ROWS)
    try:
        predicted = model.predict(few, proba=False).y_pred
    except ModelRaisedError as error:
        problem = "The sample's answers are not the model's classes, and to match them the model "
        return answers, f"{problem}would have to predict these rows, which it refuses: {error}"
    evidence = class_naming.match_by_order(answers.head(MAX_ROWS), predicted, model.info)
    if evidence.answers is None:
        return answers, evidence.sentence
    report.data.warnings.append(evidence.sentence)
    if evidence.names is not None:
        model.name_classes(evidence.names)
        _tell(model, report)
        return answers, None
    known = dict(zip(answers.head(MAX_ROWS), evidence.answers, strict=True))
    return answers.map(known), None


def _tell(model: ModelHandle, report: TestReport) -> None:
    report.model.info = model.info
    config = report.config
    config.positive_class = class_naming.shown_class(config.positive_class, model.info)
