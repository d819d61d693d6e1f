"""The playground with a model of one's own, in this process and behind the socket."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline

from drift_halves import Halves, split_halves
from drift_types import DriftVerdict
from errors import NotFoundError
from model_sessions import PlayQuestion, play_with_run
from playground_own import drift_half, play_own
from playground_types import OwnKnobs
from report_types import DataSection
from sandbox import WorkerParent
from schema_utils import Feature, Schema
from settings import Settings
from storage import Store
from tests.local_model import LocalModel
from tests.session_runs import session_process, stored_run

RNG = np.random.default_rng(2)
ROWS = pd.DataFrame({"used": RNG.normal(size=600), "idle": RNG.normal(size=600)})
ANSWERS = pd.Series(np.where(ROWS["used"] + 0.4 * RNG.normal(size=600) > 0, "yes", "no"))
ESTIMATOR = make_pipeline(SimpleImputer(), LogisticRegression()).fit(ROWS, ANSWERS)
MODEL = LocalModel(ESTIMATOR)


@pytest.fixture(scope="module")
def halves() -> Halves:
    schema = Schema(features=[Feature(name="used"), Feature(name="idle")])
    return split_halves(ROWS, schema, MODEL.predict(ROWS), ANSWERS, (MODEL.info, 0))


def test_nothing_turned_changes_nothing(halves: Halves) -> None:
    """Two halves of the same rows: no column drifts, no answer changes, the score is the same."""
    outcome = play_own(MODEL, halves, OwnKnobs())
    assert outcome.report.verdict is DriftVerdict.NONE
    assert (outcome.harm, outcome.score) == (0.0, outcome.score_before)


def test_an_offset_does_to_the_model_what_it_does_by_hand(halves: Halves) -> None:
    """Accuracy and changed answers equal those of scikit-learn on the moved rows."""
    knobs = OwnKnobs(columns="used", offset=1.0)
    moved = ROWS.iloc[halves.current].copy()
    old = ESTIMATOR.predict(moved)
    moved["used"] += ROWS.iloc[halves.current]["used"].std(ddof=0)
    pd.testing.assert_frame_equal(drift_half(halves, knobs), moved)
    outcome = play_own(MODEL, halves, knobs)
    new = ESTIMATOR.predict(moved)
    assert outcome.score == pytest.approx(accuracy_score(ANSWERS.iloc[halves.current], new))
    assert outcome.harm == pytest.approx(np.mean(old != new))
    flagged = [f.feature for f in outcome.report.features if f.verdict is DriftVerdict.DRIFT]
    assert flagged == ["used"]


@pytest.mark.parametrize(
    "knobs",
    [
        {"missing": 0.3},
        {"odds": 5.0},
        {"mix": 0.5},
        {"unit": 1000.0},
        {"noise": 1, "outliers": 0.1},
    ],
)
def test_every_knob_gives_an_outcome(halves: Halves, knobs: dict[str, float]) -> None:
    """A knob that fits no column changes nothing; all others give a report on every column."""
    outcome = play_own(MODEL, halves, OwnKnobs.model_validate(knobs))
    assert [f.feature for f in outcome.report.features] == ["used", "idle"]
    assert outcome.estimated is not None


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, workers: WorkerParent
) -> Iterator[tuple[Settings, str]]:
    store = Store.open(Settings(data_dir=tmp_path_factory.mktemp("play")))
    rows = ROWS.assign(answer=ANSWERS)
    run_id = stored_run(store, pickle.dumps(ESTIMATOR), rows)
    report = store.get_report(run_id)
    artifact = report.data.artifact
    labelled = DataSection(artifact=artifact, target="answer")
    schema = report.schema_.model_copy(
        update={"data_schema": Schema(features=[Feature(name="used"), Feature(name="idle")])}
    )
    again = stored_run(store, pickle.dumps(ESTIMATOR), rows, data=labelled, schema_=schema)
    with session_process(store, workers):
        yield store.settings, again
    store.close()


def test_a_run_is_played_with_in_its_own_process(served: tuple[Settings, str]) -> None:
    """Rows and labels come from the run; the accuracy is that of its model on one half."""
    settings, run_id = served
    outcome = play_with_run(settings, PlayQuestion(run_id=run_id, knobs=OwnKnobs()))
    assert outcome.inputs == ["used", "idle"]
    assert outcome.score == pytest.approx(
        accuracy_score(ANSWERS, ESTIMATOR.predict(ROWS)), abs=0.06
    )
    drifted = play_with_run(
        settings, PlayQuestion(run_id=run_id, knobs=OwnKnobs(columns="used", offset=2.0))
    )
    assert drifted.report.n_drifted == 1
    assert (drifted.score or 1) < (outcome.score or 0) - 0.1


def test_a_run_that_is_not_there_is_named(served: tuple[Settings, str]) -> None:
    """The error of the other process arrives as it is."""
    with pytest.raises(NotFoundError, match="nothing"):
        play_with_run(served[0], PlayQuestion(run_id="nothing", knobs=OwnKnobs()))
