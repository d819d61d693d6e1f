"""Questions about a finished run's model find it as the run found it, and only for who may ask."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

import drift_job
from access_types import Scope
from asked_model import AskedModel, model_of_file, model_of_run
from composition_types import Composition
from drift_job import DriftTask
from drift_types import DriftReport
from errors import NotFoundError
from report_types import RunRequest
from settings import Settings
from storage import Store
from tests.session_runs import stored_run

ROWS = pd.DataFrame({"a": np.arange(200.0) % 20, "b": np.arange(200.0) % 7})
SAYS = np.where(ROWS["b"] > 3, "high", "low")
BUNDLE = pickle.dumps(
    {
        "always": DummyClassifier(strategy="constant", constant="low").fit(ROWS, SAYS),
        "fitted": LogisticRegression(C=1e6).fit(ROWS, SAYS),
    }
)
"""Two models: which of them predicts, only somebody who knows can say."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(Settings(data_dir=tmp_path / "data"))
    yield opened
    opened.close()


def compared(asked: AskedModel, store: Store, folder: Path) -> DriftReport:
    """Compare all rows with those that the fitted model calls high."""
    ROWS.to_csv(folder / "old.csv", index=False)
    ROWS[SAYS == "high"].to_csv(folder / "new.csv", index=False)
    task = DriftTask(
        reference=folder / "old.csv",
        reference_name="old.csv",
        current=folder / "new.csv",
        current_name="new.csv",
        model=asked,
    )
    with drift_job.start(task, store.settings) as job:
        return job.wait()


def answered(report: DriftReport) -> dict[str, int]:
    """Return how many rows of the current table got which answer."""
    assert report.prediction is not None, report.notes
    counts = report.prediction.current
    return dict(zip(counts.labels, counts.counts, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("member", ["fitted", "always"])
def test_a_file_is_put_together_as_was_said_of_it(
    store: Store, tmp_path: Path, member: str
) -> None:
    """A composition remembered by the file's hash holds where its answers are compared."""
    sha256 = store.save_bytes(BUNDLE, kind="model", name="both.pkl")
    store.compositions.remember(sha256, Composition(model=member), actor="local")
    asked = model_of_file(store, store.artifact_path(sha256), sha256, "both.pkl")
    high = int((SAYS == "high").sum())
    wanted = {"high": high} if member == "fitted" else {"low": high}
    answers = answered(compared(asked, store, tmp_path))
    assert {name: count for name, count in answers.items() if count} == wanted


@pytest.mark.slow
def test_a_run_is_put_together_as_it_was_tested(store: Store, tmp_path: Path) -> None:
    """What was said of the file after the run changes nothing of the run's own model."""
    run_id = stored_run(store, BUNDLE, ROWS, composition=Composition(model="fitted"))
    record = store.get_run(run_id)
    store.compositions.remember(record.model_sha256, Composition(model="always"), actor="local")
    answers = answered(compared(model_of_run(store, run_id, actor="local"), store, tmp_path))
    assert answers["high"] == int((SAYS == "high").sum())


def test_another_ones_run_is_not_asked(store: Store) -> None:
    """A token with the scope run alone asks about its own runs; others are not there for it."""
    for name, scopes in (("owner", [Scope.RUN]), ("reader", [Scope.READ])):
        store.access.create_token(name, scopes, expires_at=None, actor="local")
    sha256 = store.save_bytes(b"model", kind="model", name="m.pkl")
    request = RunRequest(model_sha256=sha256, model_name="m.pkl")
    owned, local = (store.create_run(request, actor=actor) for actor in ("token owner", "local"))
    for run_id, actor in ((owned, "token owner"), (local, "token reader")):
        with pytest.raises(NotFoundError, match="report"):  # found; it has only not been tested yet
            model_of_run(store, run_id, actor=actor)
    with pytest.raises(NotFoundError, match="There is no run"):
        model_of_run(store, local, actor="token owner")
