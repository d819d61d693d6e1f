"""Tables that are asked together tell of a model what they tell when asked one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import validate_data

from behaviour import examine_behaviour
from behaviour_frames import Cells, Changes, Odd
from behaviour_probe import Prober
from report_types import BehaviourCase, BehaviourSection, BehaviourVerdict, RunConfig
from schema_inference import schema_from_sample
from tests.test_behaviour import StrictModel

RNG = np.random.default_rng(5)
ROWS = pd.DataFrame(RNG.normal(size=(250, 4)), columns=["a", "b", "c", "d"])
LABELS = (ROWS["a"] > 0).astype(int)


class _Signs(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Tells whether the columns' sum is positive; subclasses are odd in one way each."""

    def fit(self, rows: pd.DataFrame, labels: Any) -> _Signs:
        validate_data(self, rows)
        self.classes_ = np.unique(labels)
        return self

    def predict(self, rows: pd.DataFrame) -> NDArray[np.intp]:
        return np.asarray(self.predict_proba(rows).argmax(axis=1))

    def predict_proba(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        chance = 1 / (1 + np.exp(-self._sums(self._numbers(rows))))
        return np.stack([1 - chance, chance], axis=1)

    def _numbers(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        numbers = validate_data(self, rows, reset=False, ensure_all_finite=False)
        return np.asarray(np.clip(np.nan_to_num(numbers), -100, 100))

    def _sums(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(numbers.sum(axis=1))


class DislikesOneColumn(_Signs):
    """Raises where ``b`` is not finite, and takes anything elsewhere."""

    def _numbers(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        numbers = super()._numbers(rows)
        if not np.isfinite(rows["b"].to_numpy(dtype=float)).all():
            message = "column b is missing or infinite"
            raise ValueError(message)
        return numbers


class DislikesMany(_Signs):
    """Raises for more than 220 rows: only for tables put together."""

    def _sums(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        if len(numbers) > 220:
            message = "too many rows"
            raise MemoryError(message)
        return super()._sums(numbers)


class Standardizes(_Signs):
    """Compares each row with the mean of its batch, so company decides."""

    def _sums(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        return super()._sums(numbers - numbers.mean(axis=0))


class Doubles(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Answers with twice the first column, and NaN where it is missing."""

    def fit(self, rows: pd.DataFrame, _numbers: Any) -> Doubles:
        """Remember the columns."""
        validate_data(self, rows)
        return self

    def predict(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """Return numbers."""
        numbers: NDArray[np.float64] = validate_data(
            self, rows, reset=False, ensure_all_finite=False
        )
        return 2.0 * numbers[:, 0]


class RollsDice(_Signs):
    """Answers by chance."""

    def _sums(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.random.default_rng().normal(size=len(numbers))


OPTIONS = RunConfig(seed=3, monotone={"a": "up"}, invariant=["d"], symmetric=[("a", "b")])


def examined(estimator: Any) -> tuple[BehaviourSection, StrictModel]:
    """Examine a freshly fitted model."""
    model = StrictModel(estimator.fit(ROWS, LABELS))
    return examine_behaviour(model, ROWS, schema_from_sample(ROWS), OPTIONS), model


def one_by_one(monkeypatch: pytest.MonkeyPatch, estimator: Any) -> BehaviourSection:
    """Examine it with every table in a call of its own."""
    with monkeypatch.context() as patch:
        patch.setattr(Prober, "_ask_joined", lambda _prober, groups, _answers: list(groups))
        return examined(estimator)[0]


def found(section: BehaviourSection) -> dict[str, BehaviourCase]:
    return {case.id: case for case in section.cases}


@pytest.mark.parametrize(
    "estimator", [_Signs(), DislikesOneColumn(), DislikesMany(), Standardizes(), Doubles()]
)
def test_the_findings_are_those_of_single_questions(
    monkeypatch: pytest.MonkeyPatch, estimator: Any
) -> None:
    """Cases, words and numbers are the same as when every table is asked by itself."""
    section, _ = examined(estimator)
    assert section.cases == one_by_one(monkeypatch, estimator).cases
    assert len(section.cases) > 20


def test_dice_are_found_together_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that answers by chance gets the same verdict in every case."""
    together, apart = (
        {case.id: case.verdict for case in section.cases}
        for section in (examined(RollsDice())[0], one_by_one(monkeypatch, RollsDice()))
    )
    assert together == apart
    assert together["deterministic"] is BehaviourVerdict.BROKEN


def test_one_odd_column_is_told_apart() -> None:
    """Only the column that raises is called a clear error, and named."""
    cases = [case for case in examined(DislikesOneColumn())[0].cases if "missing" in case.id]
    refused = [case for case in cases if case.verdict is BehaviourVerdict.CLEAR_ERROR]
    assert [case.id.partition(":")[0] for case in cases] == ["missing_values"] * 2 + [
        "missing_column"
    ]
    assert "'b'" in refused[0].sent
    assert "column b is missing" in refused[0].came_back


def test_a_refusal_of_many_rows_is_no_finding() -> None:
    """A model that takes 220 rows at most is not blamed for what was put together."""
    cases = found(examined(DislikesMany())[0])
    assert {cases[name].verdict for name in ("row_order", "duplicates", "very_small")} == {
        BehaviourVerdict.HANDLED
    }
    assert not any("too many rows" in case.came_back for case in cases.values())


def test_company_that_decides_is_found() -> None:
    """A model that standardizes by its batch depends on company, not on order."""
    cases = found(examined(Standardizes())[0])
    assert cases["alone"].verdict is BehaviourVerdict.BROKEN
    assert cases["deterministic"].verdict is cases["row_order"].verdict is BehaviourVerdict.HANDLED


CELLS = {
    "whole": st.integers(-9, 9),
    "number": st.floats(allow_nan=True, width=32),
    "text": st.sampled_from(["x", "y", ""]),
    "nothing": st.none(),
}
COLUMNS = {"whole": [1, 2, 3], "number": [0.5, 1.5, np.nan], "text": ["x", "y", "z"]}


@settings(max_examples=40)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(list(COLUMNS)), st.sampled_from(list(CELLS)), max_size=2),
        min_size=1,
        max_size=4,
    ),
    st.data(),
)
def test_tables_made_at_once_are_those_of_pandas(
    changed: list[dict[str, str]], data: st.DataObject
) -> None:
    """Whatever the types, many changed tables in one are ``pandas.concat`` of the single ones."""
    odd = {}
    for number, kinds in enumerate(changed):
        columns: dict[str, Cells] = {
            name: pd.Series(data.draw(st.lists(CELLS[kind], min_size=2, max_size=2)))
            for name, kind in kinds.items()
        }
        odd[f"table {number}"] = Odd(np.array([2, number % 2]), columns)
    changes = Changes("odd", pd.DataFrame(COLUMNS), odd)
    single = pd.concat([changes.apart(name) for name in odd], ignore_index=True)
    pd.testing.assert_frame_equal(changes.joined(), single)
