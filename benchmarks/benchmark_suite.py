"""The whole default suite on a breast-cancer forest, against Deepchecks' full suite.

Run ``python benchmarks/benchmark_suite.py``. Deepchecks joins if ``BENCH_DEEPCHECKS_PYTHON`` names
a Python that has it and a scikit-learn that reads this one's models::

    python3.11 -m venv /tmp/deepchecks
    /tmp/deepchecks/bin/pip install 'deepchecks==0.19.1' 'scikit-learn<1.6' 'numpy<2' 'pandas<2.3' \
        'category-encoders<2.7' 'setuptools<80'
    BENCH_DEEPCHECKS_PYTHON=/tmp/deepchecks/bin/python python benchmarks/benchmark_suite.py

Both sides train the same forest on the same rows and keep freed memory (``cpu_tuning``); numerical
libraries use one thread in ours, as in the service, and as many as they like in theirs. Wall time
depends on what else the machine does; seconds of processor (all processes and threads, without
imports) are the fairer ratio. A pipeline waits for more: for the whole script, imports included
(training is left out), or for a POST to the running service, upload and report included. That is
the last line.
"""

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

import requests
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

from benchmarks.benchmark_service import serving
from cpu_tuning import single_threaded, tuned_environment
from pipeline import run_tests
from report_types import RunRequest, RunStatus, TestReport, Verdict
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


def measure_ours(folder: Path) -> dict[str, float]:
    """Run the suite some times, print its stages and return its seconds."""
    with WorkerParent() as workers:
        gc.collect()
        gc.freeze()  # as the runner does before it forks a run
        run_once(workers, folder)
        results = [run_once(workers, folder) for _ in range(REPEATS)]
    report = results[-1][0]
    for item in report.stages:
        seconds = [r.seconds for run, _ in results for r in run.stages if r.stage is item.stage]
        print(f"{item.stage.value:12s} {statistics.median(seconds):7.3f} s")
    marks = [c.title for c in report.verdict.checks if c.verdict is Verdict.FAIL]
    print(f"verdict: {report.verdict.verdict.value}; red marks: {', '.join(marks) or 'none'}")
    median = statistics.median(seconds for _, seconds in results)
    return {"seconds": median, "cpu_seconds": cpu_per_run(folder)}


def posted_seconds(folder: Path) -> float:
    """Return the wall time of uploading both files to the service and having the report."""
    files = {"model": folder / "model.pkl", "sample": folder / "all.csv"}
    times = []
    with tempfile.TemporaryDirectory() as data, serving(Path(data)) as (url, _):
        for _ in range(1 + REPEATS):
            started = time.perf_counter()
            form = {name: (path.name, path.read_bytes()) for name, path in files.items()}
            answer = requests.post(f"{url}/run_tests", files=form, timeout=60)
            answer.raise_for_status()
            times.append(time.perf_counter() - started)
            if answer.json()["status"] != RunStatus.DONE:
                raise RuntimeError(answer.text)
    return statistics.median(times[1:])


def result_of(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    """Run a contestant, print what it prints, and return the JSON of its last line."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    *lines, last = done.stdout.splitlines()
    print(*lines, sep="\n")
    result: dict[str, float] = json.loads(last)
    return result


def main() -> None:
    """Print stages, total, red marks and, where possible, the ratio."""
    python = os.environ.get("BENCH_DEEPCHECKS_PYTHON")
    environment = tuned_environment(os.environ)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder)
        ours = result_of([sys.executable, __file__, name], single_threaded(environment))
        print(
            f"whole suite, 569 x 30, 100 trees: {ours['seconds']:.2f} s (median of {REPEATS}), "
            f"{ours['cpu_seconds']:.2f} s CPU"
        )
        if python is None:
            print("Deepchecks: not measured (BENCH_DEEPCHECKS_PYTHON is not set)")
            return
        script = str(Path(__file__).with_name("deepchecks_suite.py"))
        files = [str(folder / "train.csv"), str(folder / "test.csv")]
        started = time.perf_counter()
        theirs = result_of([python, script, *files, TARGET], environment)
        script_seconds = time.perf_counter() - started - theirs["training_seconds"]
        posted = posted_seconds(folder)
    print(
        f"Deepchecks' full suite: {theirs['seconds']:.2f} s, {theirs['cpu_seconds']:.2f} s CPU, "
        f"{theirs['failed']:.0f} not passed"
    )
    ratios = (theirs[what] / ours[what] for what in ("seconds", "cpu_seconds"))
    print("ratio: {:.1f}x wall, {:.1f}x CPU".format(*ratios))
    print(
        f"as a pipeline waits: script {script_seconds:.2f} s, POST to the service {posted:.2f} s: "
        f"{script_seconds / posted:.1f}x"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure_ours(Path(sys.argv[1]))))
    else:
        main()
