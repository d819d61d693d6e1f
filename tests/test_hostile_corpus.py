"""No hostile file has an effect, under any policy, and each is told of in one clear sentence."""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from base_types import Status
from pipeline import run_tests
from report_types import RunConfig, RunRequest, TestReport
from reports import render_html, render_markdown
from sandbox import WorkerParent
from settings import Settings
from tests.hostile_corpus import GROUPS, SECRET, SECRET_NAME, Traps, traps

MUST_FIRE = ("code", "gadgets")
NO_USE_TO_TRY = ("torch-like", "pip")
"""A zip is no pickle for a careless loader; pip would go looking for the network."""

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # a worker cannot import the tests
CONFIG = RunConfig(
    n_rows=20, batch_sizes=[1, 10], latency_seconds=0.02, explain_seconds=0.3, n_resamples=100
)


@pytest.fixture
def set_traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traps]:
    """Traps around, and a secret in the environment of the service."""
    monkeypatch.setenv(SECRET_NAME, SECRET)
    with traps(tmp_path / "traps") as laid:
        yield laid


def report_on(
    workers: WorkerParent, path: Path, policy: Any = "standard", sample: Path | None = None
) -> TestReport:
    """Run the whole pipeline on a model file."""
    request = RunRequest(
        model_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        model_name="model.pkl",
        sample_name=sample and sample.name,
        config=CONFIG,
    )
    settings = Settings(model_policy=policy, load_seconds=4, call_seconds=1.5, memory_mb=512)
    return run_tests(
        request,
        run_id="test",
        model_path=path,
        sample_path=sample,
        workers=workers,
        settings=settings,
        save_data=lambda data, _name: hashlib.sha256(data).hexdigest(),
    )


def complaint(report: TestReport) -> str | None:
    """Return what is wrong with the way a report tells of a hostile file, or None."""
    told = report.model_dump_json()
    if SECRET in told:
        return "the report holds the secret"
    for rendered in (render_markdown(report), render_html(report)):
        if "\x1b" in rendered or "\u202e" in rendered or "<script>alert" in rendered:
            return "a rendered report holds escapes or markup of the file"
    reasons = [stage.reason for stage in report.stages if stage.status is Status.FAILED]
    if any(not reason or len(reason) > 6000 or "Traceback" in reason for reason in reasons):
        return f"no clear sentence: {reasons}"
    ours = [reason for reason in reasons if reason and reason.startswith("Unexpected error")]
    if ours:
        return ours[0]
    return None if report.model.status is Status.OK or report.model.reason else "no reason given"


def problems_with(
    workers: WorkerParent, set_traps: Traps, group: str, policy: str
) -> dict[str, str]:
    """Return what went wrong with each file of a group."""
    path = set_traps.folder.with_suffix(".model")
    found = {}
    for name, data in GROUPS[group](set_traps).items():
        path.write_bytes(data)
        report = report_on(workers, path, policy)
        if traces := set_traps.traces():
            found[name] = f"left {traces}"
        elif wrong := complaint(report):
            found[name] = wrong
        elif policy == "standard" and group in MUST_FIRE and report.model.status is Status.OK:
            found[name] = "was loaded"
    return found


def test_the_corpus_is_large(set_traps: Traps) -> None:
    """There are at least 250 hostile files."""
    assert sum(len(make(set_traps)) for make in GROUPS.values()) >= 250


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # infinite answers overflow in sums
@pytest.mark.parametrize("policy", ["standard", "custom"])
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.slow
def test_hostile_files_have_no_effect(
    workers: WorkerParent, set_traps: Traps, group: str, policy: str
) -> None:
    """No file, no connection, no secret in the report, one clear sentence, a healthy parent."""
    workers.start()
    parent, before = workers.pid, open_descriptors()
    assert problems_with(workers, set_traps, group, policy) == {}
    assert workers.pid == parent
    good = set_traps.folder.with_suffix(".good")
    good.write_bytes(pickle.dumps(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])))
    assert not [s for s in report_on(workers, good).stages if s.status is Status.FAILED]
    gc.collect()
    assert open_descriptors() <= before


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a number of names


@pytest.mark.parametrize("group", MUST_FIRE)
@pytest.mark.slow
def test_without_care_the_files_do_harm(set_traps: Traps, group: str) -> None:
    """Each attack works in a process that just loads the file: the traps can be sprung."""
    path = set_traps.folder.with_suffix(".model")
    harmless = []
    for name, data in GROUPS[group](set_traps).items():
        if name in NO_USE_TO_TRY:
            continue
        path.write_bytes(data)
        in_a_careless_process(lambda: joblib.load(path))
        if not set_traps.traces():
            harmless.append(name)
    assert harmless == []


def in_a_careless_process(act: Callable[[], Any], seconds: float = 15) -> None:
    """Do something in a forked process that is killed when it takes too long."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            act()
            for thread in threading.enumerate():
                if thread is not threading.current_thread() and not thread.daemon:
                    thread.join(5)  # as the end of an ordinary process would wait for it
        finally:
            os._exit(0)
    deadline = time.monotonic() + seconds
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


# ---------------------------------------------------------------- learning the labels


class Thief:
    """A classifier that looks for the labels of the rows it predicts wherever it can."""

    _estimator_type = "classifier"
    classes_ = np.array([0, 1])
    n_features_in_ = 2
    feature_names_in_ = np.array(["a", "b"], dtype=object)

    def __init__(self, sample: str) -> None:
        self.sample = sample

    def predict(self, rows: Any) -> Any:
        """Return stolen labels where there are any."""
        for steal in (self._from_file, self._from_memory, self._from_descriptors):
            labels = steal(rows)
            if labels is not None and len(labels) == len(rows):
                return np.asarray(labels).astype(int)
        return np.zeros(len(rows), dtype=int)

    def _from_file(self, rows: Any) -> Any:
        import pandas

        try:
            return self._matched(pandas.read_csv(self.sample), rows)
        except OSError:
            return None

    def _from_memory(self, rows: Any) -> Any:
        import gc as collector
        import sys

        frame: Any = sys._getframe()
        places = list(collector.get_objects())
        while frame is not None:
            places += list(frame.f_locals.values())
            frame = frame.f_back
        for found in places:
            if type(found).__name__ == "DataFrame" and "label" in found.columns:
                return self._matched(found, rows)
        return None

    def _from_descriptors(self, rows: Any) -> Any:
        import io
        import os as system

        import pandas

        for fd in range(3, 256):
            try:
                data = system.pread(fd, 1 << 24, 0)
                return self._matched(pandas.read_csv(io.BytesIO(data)), rows)
            except (OSError, ValueError, KeyError, AttributeError):
                continue
        return None

    def _matched(self, table: Any, rows: Any) -> Any:
        known = dict(zip(table["a"].round(9), table["label"], strict=True))
        return [known.get(value, 0) for value in np.asarray(rows)[:, 0].round(9)]


@pytest.mark.slow
def test_a_model_cannot_learn_the_labels(workers: WorkerParent, tmp_path: Path) -> None:
    """A model that steals labels where it can is no better than the more frequent label."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=400), "b": rng.normal(size=400)})
    table["label"] = rng.integers(0, 2, 400)
    sample, path = tmp_path / "sample.csv", tmp_path / "model.pkl"
    table.to_csv(sample, index=False)
    thief = Thief(str(sample))
    assert (thief.predict(table[["a", "b"]]) == table["label"]).all()  # where it may read, it does
    path.write_bytes(cloudpickle.dumps(thief))
    report = report_on(workers, path, "custom", sample)
    assert report.quality.has_labels
    accuracy = next(m.estimate.value for m in report.quality.metrics if m.name == "accuracy")
    chosen = sum(map(sum, report.quality.confusion or []))
    most = max(sum(row) for row in report.quality.confusion or []) / chosen
    assert accuracy is not None
    assert accuracy <= most
