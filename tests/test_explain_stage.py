"""The explanations of a run carry what belongs to each row, under its number in the stored data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression

from errors import ModelError
from explain_stage import TestedRows, explain_run
from model_types import Lowered, Predictions
from report_types import RunConfig
from schema_utils import Kind
from tests.local_model import LocalModel

IRIS, SPECIES = load_iris(return_X_y=True, as_frame=True)
MODEL = LocalModel(RandomForestClassifier(10, random_state=0).fit(IRIS, SPECIES))
KINDS = {str(name): Kind.FLOAT for name in IRIS.columns}


def as_tested(rows: pd.DataFrame, numbers: list[int] | None = None) -> TestedRows:
    rows = rows.reset_index(drop=True)
    truth = pd.Series(SPECIES.iloc[: len(rows)].astype(str).to_numpy())
    kept = None if numbers is None else np.array(numbers)
    return TestedRows(rows, truth, MODEL.predict(rows), KINDS, kept)


def test_row_numbers_lead_to_the_rows() -> None:
    """The cells of each explained row are those at its number in the data."""
    rows = pd.concat([IRIS, IRIS], ignore_index=True)
    section = explain_run(MODEL, as_tested(rows.iloc[:150]), RunConfig())
    for cells, number in zip(section.rows, section.row_numbers, strict=True):
        assert list(cells.values()) == rows.iloc[number].tolist()
    assert section.answers == MODEL.predict(rows.iloc[section.row_numbers]).y_pred.tolist()


def test_rows_that_were_left_out_keep_their_numbers() -> None:
    """Where failing rows were dropped, numbers are those of the stored table."""
    numbers = list(range(1, 150, 2))
    section = explain_run(MODEL, as_tested(IRIS.iloc[numbers], numbers), RunConfig())
    assert set(section.row_numbers) == set(numbers)
    assert set(section.background_numbers) <= set(numbers)


def test_true_answers_are_spelled_as_the_model_does() -> None:
    """The text "1" of a sample becomes the class 1."""
    section = explain_run(MODEL, as_tested(IRIS), RunConfig())
    assert section.classes == ["0", "1", "2"]
    assert {type(cell) for cell in section.actual} == {int}


def test_failed_second_opinion_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contributions stay when another method fails."""

    def fail(*_arguments: object, **_options: object) -> None:
        message = "no answer"
        raise ModelError(message)

    monkeypatch.setattr("explain_stage.second_opinion", fail)
    section = explain_run(MODEL, as_tested(IRIS), RunConfig())
    assert section.opinion is None
    assert any("no second opinion" in note for note in section.notes)
    assert section.outputs


def test_several_numbers_per_row_have_no_single_answer() -> None:
    """A regression of two targets is explained without answers beside the rows."""
    targets = np.column_stack([SPECIES, -SPECIES])
    model = LocalModel(LinearRegression().fit(IRIS, targets))
    rows = TestedRows(IRIS, None, Predictions(model.predict(IRIS).y_pred), KINDS)
    section = explain_run(model, rows, RunConfig())
    assert (len(section.outputs), section.answers) == (2, [])


class Counted(LocalModel):
    """A model that counts how often it is read."""

    reads = 0

    def lower(self) -> Lowered | None:
        """Return the model as arrays."""
        self.reads += 1
        return super().lower()


def test_a_model_is_asked_nothing_twice() -> None:
    """It is read once; a check, shuffled rows, curves and a check after the drift are all calls."""
    model = Counted(RandomForestClassifier(10, random_state=0).fit(IRIS, SPECIES))
    rows = as_tested(IRIS)
    section = explain_run(model, rows, RunConfig())
    assert section.opinion is not None
    assert section.opinion.permutation
    assert section.opinion.curves
    assert section.opinion.shifted_importance
    assert (model.reads, model.calls) == (1, 4)
