"""``POST /explain`` over real connections, with a real model in its own process."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from sklearn.ensemble import GradientBoostingClassifier

from explain_request import AskedSpace
from explainability import explain
from sandbox import WorkerParent
from settings import Settings
from storage import Store
from tests.fake_runner import fake_runner
from tests.local_model import LocalModel
from tests.session_runs import session_process, stored_run
from tests.test_api_handler import problem_of, serving
from tests.test_model_sessions import BUYS, FOREST, PEOPLE, row


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, workers: WorkerParent
) -> Iterator[tuple[str, str]]:
    """Address of an API and the id of a finished run."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("explain"))
    store = Store.open(settings)
    run_id = stored_run(store, pickle.dumps(FOREST), PEOPLE)
    with (
        fake_runner(settings.data_dir, "finish"),
        session_process(store, workers),
        serving(settings) as address,
    ):
        yield address, run_id
    store.close()


def ask(served: tuple[str, str], **body: Any) -> requests.Response:
    return requests.post(f"{served[0]}/explain", json={"run_id": served[1]} | body, timeout=60)


def test_rows_are_explained(served: tuple[str, str]) -> None:
    """Predictions, probabilities and contributions equal those computed in this process."""
    answer = ask(served, rows=[row(3), row(70)])
    assert answer.status_code == 200, answer.text
    body = answer.json()
    chosen = PEOPLE.iloc[[3, 70]]
    expected = explain(LocalModel(FOREST), chosen, PEOPLE.head(50))
    assert (body["method"], body["exact"], body["space"]) == ("tree", True, "probability")
    assert body["predictions"] == FOREST.predict(chosen).tolist()
    np.testing.assert_allclose(body["probabilities"], FOREST.predict_proba(chosen), atol=1e-8)
    values = [list(item.values()) for item in body["outputs"][0]["contributions"]]
    np.testing.assert_allclose(values, expected.values[:, :, 0], atol=1e-6)


def test_contributions_add_up(served: tuple[str, str]) -> None:
    """Base value and contributions give the explained number of every row."""
    (output,) = ask(served, row_numbers=[0, 5, 9]).json()["outputs"]
    sums = [output["base_value"] + sum(item.values()) for item in output["contributions"]]
    assert sums == pytest.approx(output["values"], abs=1e-6)


def test_probability_may_be_asked_for(tmp_path: Path, workers: WorkerParent) -> None:
    """Boosting answers in log-odds, and in probability when told to; both as computed here."""
    settings = Settings(data_dir=tmp_path)
    store = Store.open(settings)
    numbers = PEOPLE[["age", "income"]]
    model = GradientBoostingClassifier(n_estimators=5, random_state=0).fit(numbers, BUYS)
    run_id = stored_run(store, pickle.dumps(model), numbers)
    with (
        fake_runner(settings.data_dir, "finish"),
        session_process(store, workers),
        serving(settings) as address,
    ):
        spaces: dict[AskedSpace, str] = {"auto": "log-odds", "probability": "probability"}
        for space, said in spaces.items():
            body: Any = {"run_id": run_id, "row_numbers": [2, 40], "space": space, "seconds": 20}
            answer = requests.post(f"{address}/explain", json=body, timeout=60).json()
            expected = explain(
                LocalModel(model), numbers.iloc[[2, 40]], numbers.head(50), space=space, seconds=20
            )
            assert answer["space"] == said
            values = [list(item.values()) for item in answer["outputs"][0]["contributions"]]
            np.testing.assert_allclose(values, expected.values[:, :, 0], atol=1e-6)
    store.close()


def test_wrong_fields_are_named(served: tuple[str, str]) -> None:
    """Each wrong field is told with its row and what was expected."""
    wrong = row(1, age="old")
    del wrong["plan"]
    body = problem_of(ask(served, rows=[row(0), wrong]), 422)
    assert body["errors"] == [
        {"pointer": "/body/rows/1/age", "detail": "is 'old'; expected a number"},
        {
            "pointer": "/body/rows/1/plan",
            "detail": "is missing; send null for an unknown value",
        },
    ]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/body"),
        ({"rows": [{}], "row_numbers": [1]}, "/body"),
        ({"row_numbers": [0] * 201}, "/body/row_numbers"),
        ({"row_numbers": [0], "seconds": 1000}, "/body/seconds"),
        ({"row_numbers": [0], "colour": 1}, "/body/colour"),
        ({"row_numbers": [0], "space": "score"}, "/body/space"),
        ({"row_numbers": [10_000]}, "/body/row_numbers/0"),
    ],
)
def test_wrong_requests_are_refused(
    served: tuple[str, str], body: dict[str, Any], pointer: str
) -> None:
    """Too many rows, unknown options and rows that do not exist are told by their place."""
    assert problem_of(ask(served, **body), 422)["errors"][0]["pointer"] == pointer


def test_unknown_run_is_not_found(served: tuple[str, str]) -> None:
    """The answer is 404."""
    problem_of(ask(served, run_id="nothing", row_numbers=[0]), 404)


def test_too_large_a_request_is_refused(served: tuple[str, str]) -> None:
    """More than four megabytes are not read."""
    problem_of(ask(served, rows=[row(0, plan="x" * 5_000_000)]), 413)


def test_description_has_an_example(served: tuple[str, str]) -> None:
    """The OpenAPI description shows a request and an answer."""
    description = requests.get(f"{served[0]}/openapi.json", timeout=60).json()
    content = description["paths"]["/explain"]["post"]["requestBody"]["content"]
    assert content["application/json"]["schema"]["example"]["rows"]
    assert description["components"]["schemas"]["ExplainAnswer"]["example"]["outputs"]
