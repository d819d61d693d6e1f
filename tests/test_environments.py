"""Models of other versions answer in an environment of their own, as they did at training."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import drift_job
import environments
import isolation
import python_finder
from asked_model import model_of_run
from base_types import Status
from diagnosis_types import EnvironmentSpec
from drift_job import DriftTask
from environment_store import EnvironmentStore
from environments import Prepared
from errors import EnvironmentBuildError, RunCancelledError
from model_diagnosis import matching_spec
from model_session import ModelSession
from model_sessions import Question
from model_types import ModelFileInfo
from model_utils import ModelHandle
from open_stage import ModelSource, reopen_model
from pipeline import run_tests
from playground_types import OwnKnobs
from report_types import RunConfig, RunRequest, Stage, TestReport
from reports import render_markdown
from sandbox import EnvironmentWorkers, WorkerParent
from settings import Settings
from storage import Store
from tests.session_runs import stored_run

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("train_elsewhere.py")
SMALL = EnvironmentSpec(
    pythons=["3.8", "3.9", "3.10", "3.12", "3.13", "3.11"], requirements=["six==1.16.0"]
)
RELEASES = [
    ("0.20.4", "sklearn.externals"),
    ("0.24.2", "pickle"),
    ("1.0.2", "joblib"),
    ("1.1.3", "pickle"),
    ("1.3.2", "joblib"),
    ("1.6.1", "pickle"),
    ("1.8.0", "joblib"),
]
"""scikit-learn, and how its model is written."""


def quiet(_message: str) -> None:
    """Take what is being done."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings under which environments may be built; the registry must answer."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("environments"), environments=True)
    try:
        environments.prepare(SMALL, settings, quiet).release()
    except EnvironmentBuildError as error:
        pytest.skip(f"no environment can be built here: {error}")
    return settings


def prepared(sklearn: str, settings: Settings) -> Prepared:
    """Return the environment that a pickle of this version would get."""
    file = ModelFileInfo(
        name="m", size_bytes=1, sha256="0", container="pickle", written_with={}, imports=[]
    )
    spec = matching_spec(file.model_copy(update={"written_with": {"scikit-learn": sklearn}}))
    assert spec is not None
    if not any(python_finder.find_python(minor) for minor in spec.pythons):
        pytest.skip(f"no Python {' or '.join(spec.pythons)} on this machine")
    return environments.prepare(spec, settings, quiet)


def train(environment: Prepared, folder: Path, writer: str) -> None:
    """Train a pipeline with the libraries of an environment, outside of any worker."""
    subprocess.run(
        [environment.program.python, "-S", str(SCRIPT), str(folder), writer],
        check=True,
        capture_output=True,
        env={"PYTHONPATH": environment.program.libraries, "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=120,
    )


def run(workers: WorkerParent, settings: Settings, folder: Path, request: RunRequest) -> TestReport:
    """Run the whole pipeline on what was trained."""
    return run_tests(
        request,
        run_id="elsewhere",
        model_path=folder / "model.pkl",
        sample_path=folder / "rows.csv",
        workers=workers,
        settings=settings,
        save_data=lambda _data, _name: "0" * 64,
    )


def asked(environment: str = "auto") -> RunRequest:
    """Return the request of a test on the trained rows."""
    config = RunConfig(n_rows=240, target="churned", latency_seconds=0.2, explain_seconds=1.0)
    return RunRequest(
        model_sha256="0",
        model_name="model.pkl",
        sample_sha256="1",
        sample_name="rows.csv",
        config=config,
        environment=environment,
    )


@pytest.mark.parametrize("release", RELEASES)
def test_predictions_equal_those_at_training(
    release: tuple[str, str],
    settings: Settings,
    workers: WorkerParent,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A pipeline of another version passes the whole run; its answers agree to the last digit."""
    sklearn, writer = release
    first = prepared(sklearn, settings)
    train(first, tmp_path, writer)
    report = run(workers, settings, tmp_path, asked("matching"))
    failed = [stage for stage in report.stages if stage.status is not Status.OK]
    assert failed == []
    used = report.model.environment
    assert used is not None
    assert (used.kind, used.libraries["sklearn"]) == ("matching", sklearn)
    assert report.model.isolation == isolation.self_test(workers).summary

    assert "**Answered by**: matching environment" in render_markdown(report)

    started = time.perf_counter()
    with open_again(report, workers, settings, tmp_path) as model:
        later = time.perf_counter() - started
        answers = model.predict(pd.read_csv(tmp_path / "rows.csv").drop(columns="churned"))
    expected = np.load(tmp_path / "expected.npy")
    assert answers.y_proba is not None
    assert answers.y_proba.tobytes() == expected.tobytes()
    with capsys.disabled():
        took = f"built in {first.built.build_seconds:.1f} s, later start {later:.1f} s"
        sys.stdout.write(f"\nscikit-learn {sklearn}: {took}\n")


def open_again(
    report: TestReport, workers: WorkerParent, settings: Settings, folder: Path
) -> ModelHandle:
    """Open the run's model once more, as questions after a run do."""
    source = ModelSource(folder / "model.pkl", asked(), workers, settings, lambda _sha256: None)
    return reopen_model(source, report.model, source.limits())


def test_later_questions_get_the_environment_of_the_run(
    settings: Settings, workers: WorkerParent, tmp_path: Path
) -> None:
    """A forest that cannot be read here answers all later questions as it did at training.

    What if, the playground and two tables, with the environments switched off since then; once
    the environment is gone, a sentence says what to do.
    """
    train(prepared("1.1.3", settings), tmp_path, "pickle")
    tested = run(workers, settings, tmp_path, asked())
    rows = pd.read_csv(tmp_path / "rows.csv")
    later = settings.model_copy(update={"environments": False})
    store = Store.open(later)
    sections = {name: getattr(tested, name) for name in ("model", "schema_", "explanations")}
    run_id = stored_run(store, (tmp_path / "model.pkl").read_bytes(), rows, **sections)

    session = ModelSession(store, run_id, workers)
    expected = np.load(tmp_path / "expected.npy")
    told = session.ask(Question(run_id=run_id, rows=[{}, {}], base_rows=[3, 200]))
    assert np.abs(np.array(told.probabilities) - expected[[3, 200]]).max() < 1e-9
    assert session.play(OwnKnobs(offset=2.0)).report.prediction is not None
    session.close()

    task = DriftTask(
        reference=tmp_path / "rows.csv",
        reference_name="rows",
        current=tmp_path / "rows.csv",
        current_name="rows",
        model=model_of_run(store, run_id, actor="local"),
    )
    report = drift_job.start(task, later).wait()
    assert report.prediction is not None, report.notes
    counts = dict(
        zip(report.prediction.current.labels, report.prediction.current.counts, strict=True)
    )
    assert counts == {"goes": sum(expected.argmax(1) == 0), "stays": sum(expected.argmax(1) == 1)}
    assert "sklearn 1.1.3" in report.notes[-1]

    gone = later.model_copy(update={"environments_dir": tmp_path / "none"})
    report = drift_job.start(task, gone).wait()
    assert report.prediction is None
    assert "run the test again" in report.notes[-1]
    store.close()


def test_old_trees_choose_their_environment_by_themselves(
    settings: Settings, workers: WorkerParent, tmp_path: Path
) -> None:
    """Trees that cannot be read here run in their own versions, or a sentence says what to do."""
    train(prepared("1.1.3", settings), tmp_path, "pickle")
    report = run(workers, settings, tmp_path, asked())
    assert report.model.environment is not None
    assert report.model.environment.kind == "matching"

    switched_off = settings.model_copy(update={"environments": False})
    report = run(workers, switched_off, tmp_path, asked())
    load = next(stage for stage in report.stages if stage.stage is Stage.LOAD)
    assert load.status is Status.FAILED
    assert "decision trees of scikit-learn 1.1.3" in str(load.reason)
    assert "MONITOR_ENVIRONMENTS" in str(load.reason)


def test_both_versions_answer_the_same_rows(
    settings: Settings, workers: WorkerParent, tmp_path: Path
) -> None:
    """A comparison counts the rows on which scikit-learn 1.6.1 and ours differ: none here."""
    train(prepared("1.6.1", settings), tmp_path, "pickle")
    report = run(workers, settings, tmp_path, asked("compare"))
    told = report.model.versions
    assert told is not None
    if told.reason is None:
        assert (told.n_rows, told.n_different) == (240, 0)
        assert told.largest_difference is not None
        assert told.largest_difference < 1e-12
    else:  # what the present version does not know any more is a sentence
        assert "_RemainderColsList" in told.reason


def test_two_that_want_the_same_build_it_once(tmp_path: Path, settings: Settings) -> None:
    """Of two builds at the same time one waits and takes what the other has built."""
    own = settings.model_copy(update={"data_dir": tmp_path})
    found: list[Prepared] = []
    threads = [
        threading.Thread(target=lambda: found.append(environments.prepare(SMALL, own, quiet)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert found[0].built == found[1].built
    assert len(EnvironmentStore(own.environments_folder).list_all()) == 1
    for each in found:
        each.release()


def test_a_cancelled_build_leaves_nothing(tmp_path: Path, settings: Settings) -> None:
    """Whoever listens may give up; neither an environment nor a lock remains."""
    own = settings.model_copy(update={"data_dir": tmp_path})

    def cancel(message: str) -> None:
        if message.startswith("Building"):
            raise RunCancelledError(message)

    with pytest.raises(RunCancelledError):
        environments.prepare(SMALL, own, cancel)
    assert EnvironmentStore(own.environments_folder).list_all() == []
    environments.prepare(SMALL, own, quiet).release()


def test_what_cannot_be_had_is_one_sentence(tmp_path: Path, settings: Settings) -> None:
    """A version that does not exist, and no time left, are told with their cause."""
    own = settings.model_copy(update={"data_dir": tmp_path})
    missing = SMALL.model_copy(update={"requirements": ["scikit-learn==99.9"]})
    with pytest.raises(EnvironmentBuildError, match=r"no version of scikit-learn==99\.9") as told:
        environments.prepare(missing, own, quiet)
    assert "\n" not in str(told.value)
    hurried = own.model_copy(update={"environment_seconds": 0.001})
    with pytest.raises(EnvironmentBuildError, match="MONITOR_ENVIRONMENT_SECONDS"):
        environments.prepare(SMALL, hurried, quiet)


def test_a_run_goes_on_where_no_environment_can_be_built(
    settings: Settings, workers: WorkerParent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an interpreter the present versions answer, behind a warning with the cause."""
    train(prepared("1.8.0", settings), tmp_path, "pickle")
    monkeypatch.setattr(python_finder, "find_python", lambda _minor, fetch=False: None)
    report = run(workers, settings, tmp_path, asked("matching"))
    assert report.model.environment is not None
    assert report.model.environment.kind == "present"
    assert any("There is no Python" in text for text in report.model.warnings)


def test_an_environment_is_held_as_firmly_as_the_present_one(
    settings: Settings, workers: WorkerParent
) -> None:
    """Every attempt to break out fails under another interpreter just as it does here."""
    environment = prepared("1.8.0", settings)
    other = EnvironmentWorkers(workers, environment.program)
    assert isolation.self_test(other).findings == isolation.self_test(workers).findings
    environment.release()
