"""What safety costs: confinement in a warm run, and reading a 50 MB file without loading it.

Prints CPU and wall milliseconds of "fork a worker, load, predict 1,000 rows" with and without
confinement, taken in turns, and the seconds of inspecting a forest of 50 MB in three forms; each
beside its target. Ends with exit code 1 where a target is missed.
"""

from __future__ import annotations

import io
import pickle
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import joblib
import numpy as np
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

import sandbox
from model_file import inspect_file
from sandbox import Limits, WorkerParent

REPEATS = 30
INSPECTIONS = 5
MAX_CPU_MS, MAX_WALL_MS, MAX_INSPECTION_SECONDS = 10.0, 60.0, 0.5
FOREST_BYTES = 50_000_000
CONFINED = sandbox._bootstrap
UNCONFINED = "import confinement; confinement.confine = lambda *_: None; import worker_parent"


def unconfined(control_fd: int, life_fd: int) -> str:
    """Return the program of a warm parent whose workers are not confined."""
    return CONFINED(control_fd, life_fd).replace("import worker_parent", UNCONFINED)


@contextmanager
def parent(program: Callable[[int, int], str]) -> Iterator[WorkerParent]:
    """Start a warm parent that runs ``program``."""
    sandbox._bootstrap = program  # type: ignore[assignment]
    try:
        with WorkerParent() as workers:
            yield workers
    finally:
        sandbox._bootstrap = CONFINED


def cpu_ms(pid: int) -> float:
    """Return what all threads of a process have used so far, milliseconds."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


def warm_run(workers: WorkerParent, model: Path, rows: pd.DataFrame) -> tuple[float, float]:
    """Return CPU and wall milliseconds from the fork to the predictions."""
    started = time.perf_counter()
    with closing(workers.spawn(model, Limits())) as worker:
        worker.request({"op": "load", "policy": "standard"}, doing="loading", timeout=60)
        size = 64 * len(rows)
        worker.request(
            {"op": "predict", "proba": True}, rows, doing="predicting", timeout=60, max_bytes=size
        )
        return cpu_ms(worker.pid), (time.perf_counter() - started) * 1000


def compare(model: Path, rows: pd.DataFrame) -> tuple[float, float]:
    """Print both ways of running one model; return what confinement adds (CPU, wall ms)."""
    with parent(unconfined) as bare, parent(CONFINED) as confined:
        for workers in (bare, confined):
            warm_run(workers, model, rows)
        pairs = [(warm_run(bare, model, rows), warm_run(confined, model, rows))
                 for _ in range(REPEATS)]  # fmt: skip
    added = []
    for name, which in (("CPU", 0), ("wall", 1)):
        without, held = (statistics.median(p[side][which] for p in pairs) for side in (0, 1))
        added.append(statistics.median(p[1][which] - p[0][which] for p in pairs))
        print(f"  {name:5}{without:9.1f} ms bare {held:9.1f} ms confined {added[-1]:+9.1f} ms")
    return added[0], added[1]


def forms(forest: RandomForestClassifier) -> dict[str, bytes]:
    """Return a forest as a pickle and as joblib writes it."""
    plain, packed = io.BytesIO(), io.BytesIO()
    joblib.dump(forest, plain)
    joblib.dump(forest, packed, compress=3)
    return {"pickle": pickle.dumps(forest), "joblib": plain.getvalue(), "zlib": packed.getvalue()}


def large_forest() -> RandomForestClassifier:
    """Return a forest of about ``FOREST_BYTES``."""
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(8_000, 8)), rng.integers(0, 2, 8_000)
    size = len(pickle.dumps(RandomForestClassifier(2, random_state=0).fit(rows, labels)))
    n_trees = round(2 * FOREST_BYTES / size)
    return RandomForestClassifier(n_trees, random_state=0, n_jobs=-1).fit(rows, labels)


def inspection_seconds(path: Path) -> float:
    """Return the shortest time of reading a file without loading it, of several."""
    times = []
    for _ in range(INSPECTIONS):
        started = time.perf_counter()
        inspect_file(path, path.name)
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> int:
    """Print everything; return 1 where a target is missed."""
    bunch = load_iris(as_frame=True)
    rows = bunch.data.sample(1000, replace=True, random_state=0).reset_index(drop=True)
    missed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model in (LogisticRegression(max_iter=500), RandomForestClassifier(100)):
            path = folder / "model.pkl"
            path.write_bytes(pickle.dumps(model.fit(bunch.data, bunch.target)))
            print(f"{type(model).__name__}, {REPEATS} pairs:")
            cpu, wall = compare(path, rows)
            missed |= cpu > MAX_CPU_MS or wall > MAX_WALL_MS
        print(f"  targets: {MAX_CPU_MS:g} CPU ms and {MAX_WALL_MS:g} ms more")
        for form, data in forms(large_forest()).items():
            path.write_bytes(data)
            seconds = inspection_seconds(path)
            missed |= seconds > MAX_INSPECTION_SECONDS
            print(f"inspect {form:7}{len(data) / 1e6:7.1f} MB {seconds:7.3f} s")
        print(f"  target: {MAX_INSPECTION_SECONDS:g} s")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
