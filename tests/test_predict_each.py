"""Several tables, one behind the other: each answer is the one its table gets alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from errors import ModelCrashedError, ModelError, ModelRaisedError, ModelTimeoutError
from model_types import Asked, Predictions
from model_utils import ModelHandle
from sandbox import Limits, WorkerParent
from tests.hostile_models import exit_with_3, on_big_input, regressor_that, segfault, spin
from tests.test_model_utils import IRIS, NAMES, opened, saved


@pytest.fixture
def doubling(workers: WorkerParent, tmp_path: Path) -> Iterator[ModelHandle]:
    """A model that answers 2 x."""
    estimator = LinearRegression().fit(np.array([[0.0], [1.0]]), np.array([0.0, 2.0]))
    with opened(workers, saved(estimator, tmp_path)) as model:
        yield model


def table(*values: float) -> Asked:
    """Return a table of one column."""
    return Asked(pd.DataFrame({"x0": values}))


def numbers(answer: Predictions | ModelError) -> list[float]:
    """Return what was predicted."""
    assert isinstance(answer, Predictions), answer
    return [float(value) for value in answer.y_pred]


def test_each_table_gets_its_own_answer(workers: WorkerParent, tmp_path: Path) -> None:
    """Tables of other sizes and columns get what scikit-learn says, refusals among them."""
    estimator = LogisticRegression(max_iter=500).fit(IRIS, NAMES)
    tables = [
        Asked(IRIS, proba=True),
        Asked(IRIS.iloc[:, 1:]),
        Asked(IRIS.head(3)),
        Asked(IRIS.head(0)),
        Asked(IRIS.tail(5), proba=True),
    ]
    with opened(workers, saved(estimator, tmp_path)) as model:
        answers = list(model.predict_each(tables))
    refused = {1: "feature names should match", 3: "0 sample"}
    for place, (asked, answer) in enumerate(zip(tables, answers, strict=True)):
        if place in refused:
            assert isinstance(answer, ModelRaisedError)
            assert refused[place] in answer.message
            continue
        assert isinstance(answer, Predictions)
        assert answer.y_pred.tolist() == estimator.predict(asked.frame).tolist()
        assert (answer.y_proba is not None) == asked.proba
        if asked.proba:
            assert answer.y_proba == pytest.approx(estimator.predict_proba(asked.frame))


@pytest.mark.parametrize(
    ("misbehave", "error"),
    [
        (segfault, ModelCrashedError),
        (exit_with_3, ModelCrashedError),
        pytest.param(spin, ModelTimeoutError, marks=pytest.mark.slow),
    ],
)
def test_a_death_concerns_its_table_alone(
    workers: WorkerParent,
    tmp_path: Path,
    misbehave: Callable[[], None],
    error: type[ModelError],
) -> None:
    """The tables before and behind it are answered, the latter by a fresh process."""
    path = regressor_that(tmp_path / "model", on_big_input(misbehave))
    with opened(workers, path, limits=Limits(call_seconds=5), policy="custom") as model:
        before, dead, behind, last = model.predict_each(
            [table(1.0), table(1000.0), table(2.0, 3.0), table(4.0)]
        )
    assert isinstance(dead, error)
    assert [numbers(answer) for answer in (before, behind, last)] == [[0.0], [0.0, 0.0], [0.0]]


def test_answers_that_nobody_wants_do_not_go_to_others(doubling: ModelHandle) -> None:
    """After the first answer of three, the next question gets its own answer."""
    with closing(doubling.predict_each([table(1.0), table(2.0), table(3.0)])) as answers:
        assert numbers(next(answers)) == pytest.approx([2.0])
    assert doubling.predict(table(50.0).frame).y_pred.tolist() == pytest.approx([100.0])


def test_a_question_in_between_is_refused(doubling: ModelHandle) -> None:
    """Two askers of one process at once would mistake each other's answers."""
    with closing(doubling.predict_each([table(1.0), table(2.0), table(3.0)])) as answers:
        next(answers)
        with pytest.raises(RuntimeError, match="under way"):
            doubling.predict(table(50.0).frame)


def test_the_next_table_is_made_while_the_model_works(doubling: ModelHandle) -> None:
    """When the first answer comes, the second table has been taken and the third has not."""
    taken = []

    def tables() -> Iterator[Asked]:
        for value in (1.0, 2.0, 3.0):
            taken.append(value)
            yield table(value)

    with closing(doubling.predict_each(tables())) as answers:
        next(answers)
        assert taken == [1.0, 2.0]


def test_large_tables_do_not_wait_for_each_other(doubling: ModelHandle) -> None:
    """Questions and answers beyond a socket's buffer (some 200 KB) come through, in order."""
    sizes = [1, 200_000, 200_000, 1, 300_000]
    tables = [Asked(pd.DataFrame({"x0": np.arange(size, dtype=float)})) for size in sizes]
    for size, answer in zip(sizes, doubling.predict_each(tables), strict=True):
        assert isinstance(answer, Predictions)
        np.testing.assert_allclose(answer.y_pred, 2.0 * np.arange(size), atol=1e-9)
