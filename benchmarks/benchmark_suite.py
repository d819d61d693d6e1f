"""The whole default suite on a breast-cancer forest, against Deepchecks' full suite.

Run ``python benchmarks/benchmark_suite.py``. Deepchecks joins if ``BENCH_DEEPCHECKS_PYTHON`` names
a Python that has it and a scikit-learn that reads this one's models::

    python3.11 -m venv /tmp/deepchecks
    /tmp/deepchecks/bin/pip install 'deepchecks==0.19.1' 'scikit-learn<1.6' 'numpy<2' 'pandas<2.3' \
        'category-encoders<2.7' 'setuptools<80'
    BENCH_DEEPCHECKS_PYTHON=/tmp/deepchecks/bin/python python benchmarks/benchmark_suite.py

Both sides train the same forest on the same rows, each in the environment that it is run in: a run
of ours uses one thread, Deepchecks as many as its libraries like. Wall time depends on what else
the machine does; seconds of processor (all processes and threads, without imports) are the fairer
ratio.
"""
# ruff: noqa: E402 - what decides on threads is set before anything numerical is imported

from __future__ import annotations

import gc
import hashlib
import json
import os
import pickle
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cpu_tuning import single_threaded, tuned_environment

AS_FOUND = dict(os.environ)
"""What Deepchecks runs in."""

if __name__ == "__main__":  # before anything numerical, as the product starts its runner
    os.environ.update(single_threaded(tuned_environment(os.environ)))

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

from pipeline import run_tests
from report_types import RunRequest, TestReport, Verdict
from sandbox import WorkerParent
from settings import Settings

REPEATS = 5
TARGET = "benign"


def write_files(folder: Path) -> None:
    """Write all 569 rows, both halves, and a forest trained on the first half."""
    rows = load_breast_cancer(as_frame=True).frame.rename(columns={"target": TARGET})
    rows = rows.sample(frac=1.0, random_state=0)
    rows.to_csv(folder / "all.csv", index=False)
    train, test = rows.iloc[::2], rows.iloc[1::2]
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    model = RandomForestClassifier(100, random_state=0)
    model.fit(train.drop(columns=TARGET), train[TARGET])
    (folder / "model.pkl").write_bytes(pickle.dumps(model))


def run_once(workers: WorkerParent, folder: Path) -> tuple[TestReport, float]:
    """Run everything on all 569 rows; return the report and its wall time in seconds."""
    started = time.perf_counter()
    report = run_tests(
        RunRequest(model_sha256="0" * 64, model_name="model.pkl", sample_name="all.csv"),
        run_id="benchmark",
        model_path=folder / "model.pkl",
        sample_path=folder / "all.csv",
        workers=workers,
        settings=Settings(),
        save_data=lambda data, _name: hashlib.sha256(data).hexdigest(),
    )
    return report, time.perf_counter() - started


def cpu_seconds() -> float:
    """Return the processor time of this process and of all its ended descendants."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def cpu_per_run(folder: Path) -> float:
    """Return the processor time of a run, its share of the warm parent's start included."""
    before = cpu_seconds()
    with WorkerParent() as workers:
        for _ in range(REPEATS):
            run_once(workers, folder)
    return (cpu_seconds() - before) / REPEATS


def deepchecks_result(python: str, folder: Path) -> dict[str, float]:
    """Let the other Python train the same forest and run its suite."""
    script = Path(__file__).with_name("deepchecks_suite.py")
    files = [folder / "train.csv", folder / "test.csv"]
    done = subprocess.run(
        [python, script, *files, TARGET], check=True, stdout=subprocess.PIPE, env=AS_FOUND
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Print stages, total, red marks and, where possible, the ratio."""
    python = os.environ.get("BENCH_DEEPCHECKS_PYTHON")
    with tempfile.TemporaryDirectory() as name, WorkerParent() as workers:
        folder = Path(name)
        write_files(folder)
        gc.collect()
        gc.freeze()  # as the runner does before it forks a run
        run_once(workers, folder)
        results = [run_once(workers, folder) for _ in range(REPEATS)]
        theirs = deepchecks_result(python, folder) if python else None
        cpu = cpu_per_run(folder)
    report = results[-1][0]
    for item in report.stages:
        seconds = [r.seconds for run, _ in results for r in run.stages if r.stage is item.stage]
        print(f"{item.stage.value:12s} {statistics.median(seconds):7.3f} s")
    ours = statistics.median(seconds for _, seconds in results)
    marks = [c.title for c in report.verdict.checks if c.verdict is Verdict.FAIL]
    print(f"whole suite, 569 x 30, 100 trees: {ours:.2f} s (median of {REPEATS}), {cpu:.2f} s CPU")
    print(f"verdict: {report.verdict.verdict.value}; red marks: {', '.join(marks) or 'none'}")
    if theirs is None:
        print("Deepchecks: not measured (BENCH_DEEPCHECKS_PYTHON is not set)")
        return
    print(
        f"Deepchecks' full suite: {theirs['seconds']:.2f} s, {theirs['cpu_seconds']:.2f} s CPU, "
        f"{theirs['failed']:.0f} not passed"
    )
    print(f"ratio: {theirs['seconds'] / ours:.1f}x wall, {theirs['cpu_seconds'] / cpu:.1f}x CPU")


if __name__ == "__main__":
    main()
