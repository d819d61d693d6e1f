"""More than a hundred kinds of fitted models: each takes its route, and its values are right."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from explainability import explain
from explanation import Explanation
from tests.explain_zoo import ZOO, markdown_table
from tests.explain_zoo_tables import centred, explained_numbers, fitted, of_one_label
from tests.local_model import LocalModel
from tests.shapley_reference import shapley_by_definition

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def labels_of(model: Any, frame: pd.DataFrame, outputs: tuple[str, ...]) -> NDArray[np.float64]:
    """Return 0/1 per explained label, for models that answer labels alone."""
    answers = np.asarray(model.predict(frame))
    if answers.ndim == 1:
        words = np.array([str(answer) for answer in answers])
        shown = [words == name.removeprefix("cluster ") for name in outputs]
        return np.asarray(np.column_stack(shown), dtype=float)
    pairs = [name.split(" = ") for name in outputs]
    columns = list(dict.fromkeys(name for name, _ in pairs))
    shown = [answers[:, columns.index(name)].astype(str) == label for name, label in pairs]
    return np.asarray(np.column_stack(shown), dtype=float)


def expected(model: Any, found: Explanation, background: pd.DataFrame) -> NDArray[np.float64]:
    """Return the values by definition, from what the model answers in the explained space."""

    def answer(frame: pd.DataFrame) -> NDArray[np.float64]:
        if found.space == "label indicator":
            return labels_of(model, frame, found.outputs)
        return explained_numbers(model, frame, found.space)

    return shapley_by_definition(answer, found.rows, background)


def comparable(found: Explanation, model: Any) -> NDArray[np.float64]:
    """Return the values, those of several classes' log-odds with mean zero over the classes."""
    several = len(found.outputs) > 1 and of_one_label(model, found.rows)
    return centred(found.values) if found.space == "log-odds" and several else found.values


def test_the_zoo_is_large() -> None:
    """At least a hundred kinds, and every exact route explains a fair part of them."""
    routes = collections.Counter(kind.route for kind in ZOO.values())
    assert routes.total() >= 100
    assert min(routes.values()) >= 30


def test_the_documented_table_is_the_zoo() -> None:
    """``docs/explained-models.md`` lists every kind with the route it takes."""
    document = Path(__file__).parent.parent / "docs" / "explained-models.md"
    assert document.read_text(encoding="utf-8").endswith(markdown_table())


@pytest.mark.parametrize("name", ZOO)
def test_every_kind_takes_its_route_and_is_right(name: str) -> None:
    """The route is as the table says, the values are the Shapley values by definition."""
    kind = ZOO[name]
    model, table = fitted(kind)
    rows, background = table.iloc[:3], table.iloc[20:26]
    found = explain(LocalModel(model), rows, background, seconds=60)
    wanted = expected(model, found, background)
    scale = max(float(np.abs(wanted).max()), 1e-9)
    assert found.method == kind.route
    assert found.exact
    assert found.additivity_gap < 1e-9
    np.testing.assert_allclose(comparable(found, model), wanted, rtol=0, atol=3e-6 * scale)
