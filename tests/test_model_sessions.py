"""Open models answer questions from another process, and survive what models do."""

from __future__ import annotations

import json
import os
import pickle
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from errors import BusyError, ModelCrashedError, NotFoundError, RowsError
from explainability import explain
from model_file import inspect_file
from model_session import ModelSession, Sessions
from model_sessions import SOCKET_NAME, Question, explain_rows
from report_types import ModelSection, SchemaSection
from sandbox import WorkerParent
from schema_inference import schema_from_sample
from schema_merge import merge_schemas
from settings import Settings
from storage import Store
from tests.hostile_models import on_big_input, regressor_that, segfault
from tests.local_model import LocalModel
from tests.session_runs import session_process, stored_run

RNG = np.random.default_rng(0)
PEOPLE = pd.DataFrame(
    {
        "age": RNG.integers(18, 80, 120),
        "income": RNG.normal(3000.0, 500.0, 120).round(2),
        "plan": RNG.choice(["basic", "plus", "pro"], 120),
    }
)
BUYS = np.where((PEOPLE.age > 40) & (PEOPLE.plan != "basic"), "yes", "no")
FOREST = make_pipeline(
    make_column_transformer((OneHotEncoder(), ["plan"]), remainder="passthrough"),
    RandomForestClassifier(20, random_state=0),
).fit(PEOPLE, BUYS)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store.open(Settings(data_dir=tmp_path_factory.mktemp("sessions")))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def run_id(store: Store) -> str:
    return stored_run(store, pickle.dumps(FOREST), PEOPLE)


@pytest.fixture(scope="module")
def served(store: Store, run_id: str, workers: WorkerParent) -> Iterator[Settings]:
    """Settings of a data directory whose models can be asked."""
    with session_process(store, workers):
        yield store.settings


def row(at: int, **changes: Any) -> dict[str, Any]:
    cells: dict[str, Any] = json.loads(PEOPLE.iloc[[at]].to_json(orient="records"))[0]
    return cells | changes


def test_answers_are_those_of_the_model_itself(served: Settings, run_id: str) -> None:
    """Labels, probabilities and contributions equal those computed in this process."""
    answer = explain_rows(served, Question(run_id=run_id, rows=[row(3), row(70)]))
    chosen = PEOPLE.iloc[[3, 70]]
    expected = explain(LocalModel(FOREST), chosen, PEOPLE.head(50)).output("yes")
    assert answer.predictions == FOREST.predict(chosen).tolist()
    np.testing.assert_allclose(answer.probabilities, FOREST.predict_proba(chosen), atol=1e-8)
    (output,) = answer.explanation.outputs
    np.testing.assert_allclose(output.values, expected.values[:, :, 0], atol=1e-6)
    assert output.base_value == pytest.approx(expected.base[0])


def test_row_of_the_tested_data_can_be_changed(served: Settings, run_id: str) -> None:
    """A base row with one changed field is the row that has this field."""
    question = Question(run_id=run_id, rows=[{}, {"plan": "pro", "age": 75}], base_rows=[5, 5])
    answer = explain_rows(served, question)
    assert answer.explanation.rows[0] == row(5)
    assert answer.explanation.rows[1] == row(5, plan="pro", age=75)
    assert answer.explanation.row_numbers == [5, 5]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"age": 30, "income": 1.0}], "Row 0: field 'plan' is missing"),
        ([row(0), row(1, age="old")], "Row 1: field 'age' is 'old'; expected a number"),
        ([row(0, colour="red")], "Row 0: field 'colour' is no input of this model"),
    ],
)
def test_wrong_rows_are_refused_by_row_and_field(
    served: Settings, run_id: str, rows: list[dict[str, Any]], said: str
) -> None:
    """The message says which field of which row is wrong and how."""
    with pytest.raises(RowsError, match=said):
        explain_rows(served, Question(run_id=run_id, rows=rows))


def test_missing_values_reach_the_model_as_such(served: Settings, run_id: str) -> None:
    """An empty number is passed on, and comes back as empty."""
    answer = explain_rows(served, Question(run_id=run_id, rows=[row(0, income=None)]))
    assert answer.explanation.rows[0]["income"] is None


def test_unknown_run_is_not_found(served: Settings) -> None:
    """The error of the other process arrives as what it is."""
    with pytest.raises(NotFoundError, match="nothing"):
        explain_rows(served, Question(run_id="nothing", rows=[{}]))


def test_without_the_process_one_sentence_says_so(tmp_path: Path) -> None:
    """A door learns that nobody answers, not which system call failed."""
    with pytest.raises(BusyError, match="is not running; try again in a few seconds"):
        explain_rows(Settings(data_dir=tmp_path), Question(run_id="r", rows=[{}]))


def test_only_this_user_may_connect(served: Settings) -> None:
    """The socket's mode is 0600."""
    mode = (served.data_dir / SOCKET_NAME).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_crash_of_a_model_is_an_error_and_the_next_question_is_answered(
    tmp_path: Path, workers: WorkerParent
) -> None:
    """A segmentation fault ends one answer; a fresh process gives the next."""
    store = Store.open(Settings(data_dir=tmp_path / "data", model_policy="custom"))
    crashing = regressor_that(tmp_path / "m.pkl", on_big_input(segfault)).read_bytes()
    rows = pd.DataFrame({"x0": [1.0, 2.0, 3.0]})
    run_id = stored_run(store, crashing, rows)
    with session_process(store, workers):
        with pytest.raises(ModelCrashedError):
            explain_rows(store.settings, Question(run_id=run_id, rows=[{"x0": 500.0}]))
        answer = explain_rows(store.settings, Question(run_id=run_id, rows=[{"x0": 5.0}]))
        assert answer.predictions == [0.0]
    store.close()


def test_killed_process_is_started_again(tmp_path: Path, workers: WorkerParent) -> None:
    """The runner's next look replaces a process that has died."""
    store = Store.open(Settings(data_dir=tmp_path))
    run_id = stored_run(store, pickle.dumps(FOREST), PEOPLE)
    with session_process(store, workers) as process:
        assert process.pid is not None
        os.kill(process.pid, 9)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        process.ensure()
        answer = _when_it_listens(lambda: explain_rows(store.settings, _first_row(run_id)))
    assert answer.predictions == FOREST.predict(PEOPLE.head(1)).tolist()
    store.close()


@pytest.mark.slow
def test_a_renewed_parent_is_not_kept_by_an_open_model(tmp_path: Path) -> None:
    """After a renewal the next question is answered as before, and the old parent ends."""
    store = Store.open(Settings(data_dir=tmp_path))
    run_id = stored_run(store, pickle.dumps(FOREST), PEOPLE)
    with WorkerParent() as workers, session_process(store, workers) as process:
        before = _when_it_listens(lambda: explain_rows(store.settings, _first_row(run_id)))
        old_parent, old_pid = workers.pid, process.pid
        workers.renew()
        process.ensure()
        assert process.pid != old_pid
        after = _when_it_listens(lambda: explain_rows(store.settings, _first_row(run_id)))
        assert after.predictions == before.predictions
        deadline = time.monotonic() + 60
        while workers._retired and time.monotonic() < deadline:
            process.ensure()
            workers._retired = [each for each in workers._retired if each.poll() is None]
            time.sleep(0.1)
        assert not Path(f"/proc/{old_parent}").exists()
        assert process._replaced == []
    store.close()


def _first_row(run_id: str) -> Question:
    return Question(run_id=run_id, rows=[{}], base_rows=[0])


def _when_it_listens(ask: Callable[[], Any]) -> Any:
    for _ in range(1200):
        try:
            return ask()
        except BusyError:
            time.sleep(0.05)
    raise AssertionError


def test_sessions_used_last_stay_open(store: Store, run_id: str, workers: WorkerParent) -> None:
    """Of three runs asked in turn, the first is closed; idle ones are closed too."""
    line = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    rows = pd.DataFrame({"x0": [0.0, 0.5, 1.0]})
    others = [stored_run(store, pickle.dumps(line), rows) for _ in range(2)]
    sessions = Sessions(lambda name: ModelSession(store, name, workers), idle_seconds=60)
    for name in (run_id, *others):
        sessions.ask(_first_row(name))
    assert sessions.open_runs == others
    sessions.close_idle(time.monotonic() + 30)
    assert sessions.open_runs == others
    sessions.close_idle(time.monotonic() + 61)
    assert sessions.open_runs == []


def test_a_warm_session_answers_a_what_if_as_before(served: Settings, run_id: str) -> None:
    """Asked again, the model that was kept open gives the same predictions and reasons."""
    question = Question(run_id=run_id, rows=[{}, {"age": 20}], base_rows=[1, 1])
    first, again = (explain_rows(served, question) for _ in range(2))
    assert first.predictions == again.predictions
    assert first.explanation.outputs == again.explanation.outputs


def test_texts_are_explained_by_word_and_dates_as_they_were_trained(
    store: Store, workers: WorkerParent
) -> None:
    """Asked about a typed row of text and date, a session answers like the model itself."""
    on = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(120), unit="D")
    words = np.where(
        np.arange(120) % 2, "free prize call now please", "see you at lunch today then"
    )
    notes = [
        f"{text} {name}"
        for text, name in zip(words, RNG.choice(list("abcdefgh"), 120), strict=True)
    ]
    table = pd.DataFrame({"note": notes, "sold_on": on})
    steps = make_column_transformer((TfidfVectorizer(), "note"), (StandardScaler(), ["sold_on"]))
    model = make_pipeline(steps, LogisticRegression()).fit(table, np.arange(120) % 2)
    info = LocalModel(model).info
    merged = merge_schemas(None, None, schema_from_sample(table.astype({"note": "str"})), info)
    run = stored_run(
        store, pickle.dumps(model), table, schema_=SchemaSection(data_schema=merged.schema)
    )
    session = ModelSession(store, run, workers)
    try:
        row = {"note": "a free lunch", "sold_on": "2020-02-03"}
        answers = session.ask(Question(run_id=run, rows=[row]))
    finally:
        session.close()
    typed = pd.DataFrame({"note": [row["note"]], "sold_on": [pd.Timestamp(row["sold_on"])]})
    assert answers.probabilities[0] == pytest.approx(model.predict_proba(typed)[0].tolist())
    (found,) = answers.explanation.texts
    assert found.method == "linear"
    assert {"free", "lunch"} <= set(found.texts[0].words)


def test_names_made_of_digits_stay_what_the_model_knows(
    store: Store, workers: WorkerParent
) -> None:
    """Stored rows come back with postal codes as texts, so that the model still takes them."""
    table = pd.DataFrame({"zip": ["02139", "10001", "94110"] * 20, "rooms": np.arange(60)})
    steps = make_column_transformer((OneHotEncoder(), ["zip"]), remainder="passthrough")
    model = make_pipeline(steps, LogisticRegression(max_iter=1000)).fit(table, np.arange(60) % 2)
    path = store.artifact_path(store.save_bytes(pickle.dumps(model), kind="model", name="m.pkl"))
    told = ModelSection(file=inspect_file(path, "m.pkl"), info=LocalModel(model).info)
    run = stored_run(store, pickle.dumps(model), table, model=told)
    session = ModelSession(store, run, workers)
    try:
        answers = session.ask(Question(run_id=run, rows=[{"zip": "02139", "rooms": 3}]))
    finally:
        session.close()
    typed = pd.DataFrame({"zip": ["02139"], "rooms": [3]})
    assert answers.probabilities[0] == pytest.approx(model.predict_proba(typed)[0].tolist())
