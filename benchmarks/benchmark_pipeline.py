"""Where the time of one complete run goes: warm, a forest of 100 trees on 4 features, defaults.

Prints the seconds of each stage (median of several runs) and two ratios: a warm worker against a
fresh interpreter that imports scikit-learn, and the whole run against that same start alone.
"""

from __future__ import annotations

import hashlib
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

from pipeline import run_tests
from report_types import RunRequest, TestReport
from sandbox import WorkerParent
from settings import Settings

REPEATS = 5
N_ROWS = 1000


def write_files(folder: Path) -> tuple[Path, Path]:
    """Write the forest and 1,000 labelled rows like iris."""
    bunch = load_iris(as_frame=True)
    model = RandomForestClassifier(100, random_state=0).fit(bunch.data, bunch.target)
    rows = bunch.data.sample(N_ROWS, replace=True, random_state=0)
    noisy = rows + np.random.default_rng(0).normal(0, 0.1, rows.shape)
    sample = noisy.assign(species=bunch.target.loc[rows.index])
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    sample.to_csv(folder / "sample.csv", index=False)
    return folder / "model.pkl", folder / "sample.csv"


def run_once(workers: WorkerParent, model: Path, sample: Path) -> tuple[TestReport, float]:
    """Run the whole pipeline once and return the report and its wall time in seconds."""
    started = time.perf_counter()
    report = run_tests(
        RunRequest(model_sha256="0" * 64, model_name=model.name, sample_name=sample.name),
        run_id="benchmark",
        model_path=model,
        sample_path=sample,
        workers=workers,
        settings=Settings(),
        save_data=lambda data, _name: hashlib.sha256(data).hexdigest(),
    )
    return report, time.perf_counter() - started


def fresh_interpreter_seconds() -> float:
    """Wall time of starting Python with the imports that a worker needs."""
    started = time.perf_counter()
    code = "import numpy, pandas, sklearn.ensemble, sklearn.pipeline, sklearn.compose"
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder, WorkerParent() as workers:
        model, sample = write_files(Path(folder))
        run_once(workers, model, sample)
        results = [run_once(workers, model, sample) for _ in range(REPEATS)]
    stages = pd.DataFrame(
        [{item.stage.value: item.seconds for item in report.stages} for report, _ in results]
    )
    for stage, seconds in stages.median().items():
        print(f"{stage:12s} {seconds:7.3f} s")
    whole = statistics.median(seconds for _, seconds in results)
    fresh = statistics.median(fresh_interpreter_seconds() for _ in range(3))
    load = statistics.median(report.model.load_ms or 0.0 for report, _ in results) / 1000
    print(f"{'whole run':12s} {whole:7.3f} s (median of {REPEATS}; target: at most 2 s)")
    print(f"fresh interpreter ÷ warm worker with model: {fresh / load:.0f}x")
    print(f"whole run ÷ fresh interpreter: {whole / fresh:.2f}x")


if __name__ == "__main__":
    main()
