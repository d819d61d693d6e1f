"""Drift: CPU time and memory against a plain scipy loop and against Evidently.

Run ``python benchmarks/benchmark_drift.py`` (``--large`` adds 1,000,000 x 50). Each program runs in
a process of its own on the same Parquet files; times are CPU seconds, best of several, without
reading the files. Evidently joins if ``BENCH_EVIDENTLY_PYTHON`` names a Python that has it::

    python -m venv /tmp/evidently
    /tmp/evidently/bin/pip install evidently 'pandas<3' pyarrow
    BENCH_EVIDENTLY_PYTHON=/tmp/evidently/bin/python python benchmarks/benchmark_drift.py
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cpu_tuning import single_threaded, tuned_environment

ROOT = Path(__file__).resolve().parent.parent

SIZES = ((10_000, 20), (100_000, 50))
LARGE = (1_000_000, 50)


def make_frame(n_rows: int, n_columns: int, seed: int, shift: float) -> pd.DataFrame:
    """Return four fifths numbers of several shapes, one fifth categories; every second shifted."""
    rng = np.random.default_rng(seed)
    shapes: list[Callable[[], Any]] = [
        lambda: rng.normal(size=n_rows),
        lambda: rng.lognormal(size=n_rows),
        lambda: rng.poisson(4, n_rows).astype(float),
        lambda: np.where(rng.random(n_rows) < 0.05, np.nan, rng.normal(size=n_rows)),
    ]
    columns: dict[str, Any] = {}
    for i in range(n_columns):
        if i % 5 == 4:
            labels = rng.integers(0, (2, 10, 100)[i % 3], n_rows)
            columns[f"c{i}"] = pd.Categorical(labels.astype(str))
        else:
            columns[f"c{i}"] = shapes[i % 5]() + (shift if i % 2 else 0.0)
    return pd.DataFrame(columns)


def measure(python: str, contestant: str, files: tuple[Path, Path]) -> tuple[float, float]:
    """Return CPU seconds and peak MiB of one contestant, run in a process of its own."""
    script = ROOT / "benchmarks" / "drift_contestants.py"
    environment = single_threaded(tuned_environment(os.environ))
    output = subprocess.run(
        [python, script, contestant, *files], env=environment, check=True, capture_output=True
    ).stdout
    seconds, peak_mib = output.split()[-2:]
    return float(seconds), float(peak_mib)


def compare_size(size: tuple[int, int], folder: Path, evidently: str | None) -> None:
    """Write both tables of a size, measure everyone and print a line."""
    files = folder / "reference.parquet", folder / "current.parquet"
    for path, seed, shift in zip(files, (1, 2), (0.0, 0.3), strict=True):
        make_frame(*size, seed, shift).to_parquet(path, index=False)
    ours, peak = measure(sys.executable, "ours", files)
    loop, _ = measure(sys.executable, "scipy", files)
    shown = [f"{ours:9.4f}", f"{peak:9.0f}", f"{loop:9.3f}", f"{loop / ours:6.1f}x"]
    if evidently:
        theirs, their_peak = measure(evidently, "evidently", files)
        shown += [f"{theirs:9.2f}", f"{theirs / ours:6.0f}x", f"{their_peak:9.0f}"]
    print(f"{size[0]:>9,} x {size[1]}", *shown, flush=True)


def main() -> None:
    """Print one line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="also 1,000,000 x 50: ten minutes")
    sizes = (*SIZES, LARGE) if parser.parse_args().large else SIZES
    evidently = os.environ.get("BENCH_EVIDENTLY_PYTHON")
    print("rows x columns, ours CPU s, peak MiB over the frames, scipy loop CPU s, ratio", end="")
    print(", Evidently CPU s, ratio, peak MiB" if evidently else " (no Evidently given)")
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            compare_size(size, Path(folder), evidently)


if __name__ == "__main__":
    main()
