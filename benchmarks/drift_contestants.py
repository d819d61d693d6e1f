"""What ``benchmark_drift`` measures, each in a process of its own: ours, scipy, Evidently.

Run ``python drift_contestants.py ours|scipy|evidently reference.parquet current.parquet``; prints
CPU seconds and the peak of memory over the loaded tables in MiB. It imports nothing of the project
unless "ours" is asked for, so that a Python with Evidently and nothing else can run it.
"""

from __future__ import annotations

import gc
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from scipy.spatial.distance import jensenshannon

Floats = np.ndarray[Any, np.dtype[Any]]
Compare = Callable[[pd.DataFrame, pd.DataFrame], object]


class Measured(NamedTuple):
    """CPU seconds of the best run; most memory held beyond the tables, NaN where unknown."""

    seconds: float
    peak_mib: float


# --- ours and Evidently ------------------------------------------------------------------------


def ours() -> Compare:
    """Return the project's comparison."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from drift import compare_frames

    return compare_frames


def evidently() -> Compare:
    """Return Evidently's default preset."""
    from evidently import Report  # type: ignore[import-not-found]
    from evidently.presets import DataDriftPreset  # type: ignore[import-not-found]

    return lambda reference, current: Report([DataDriftPreset()]).run(current, reference)


# --- one scipy call per statistic --------------------------------------------------------------


def scipy() -> Compare:
    """Return a plain loop over the same statistics."""
    return scipy_loop


def scipy_loop(reference: pd.DataFrame, current: pd.DataFrame) -> None:
    """Compute the same statistics with one scipy call each."""
    for name in reference.columns:
        if isinstance(reference[name].dtype, pd.CategoricalDtype):
            _scipy_categories(reference[name], current[name])
        else:
            a, b = (frame[name].dropna().to_numpy() for frame in (reference, current))
            _scipy_numbers(a, b)


def _scipy_numbers(a: Floats, b: Floats) -> None:
    stats.ks_2samp(a, b, method="asymp")
    stats.wasserstein_distance(a, b)
    stats.energy_distance(a, b)
    stats.cramervonmises_2samp(a, b, method="asymptotic")
    stats.anderson_ksamp([a, b], variant="midrank")
    stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=False)
    stats.mood(a, b)
    edges = np.unique(np.quantile(a, np.linspace(0.1, 0.9, 9)))
    cells = [np.bincount(np.digitize(x, edges), minlength=len(edges) + 1) for x in (a, b)]
    _scipy_cells(*cells)
    for values in (a, b):
        np.histogram(values, bins=20)


def _scipy_cells(a: Floats, b: Floats) -> None:
    p, q = a / a.sum(), b / b.sum()
    jensenshannon(p, q, base=2)
    np.sqrt(0.5 * np.sum((np.sqrt(p) - np.sqrt(q)) ** 2))
    np.sum((p - q) * np.log(np.maximum(p, 1e-4) / np.maximum(q, 1e-4)))
    np.abs(p - q).sum()


def _scipy_categories(a: pd.Series[Any], b: pd.Series[Any]) -> None:
    table = pd.concat([a.value_counts(), b.value_counts()], axis=1).fillna(0).to_numpy().T
    for kind in ("pearson", "log-likelihood"):
        stats.chi2_contingency(table, correction=False, lambda_=kind)
    _scipy_cells(*table)


# --- measuring ---------------------------------------------------------------------------------


def measure(compare: Compare, reference: pd.DataFrame, current: pd.DataFrame) -> Measured:
    """Warm up on few rows, then take the best of several runs (one if a run takes long)."""
    compare(reference.head(2000), current.head(2000))
    times: list[float] = []
    before = _restart_peak()
    while not times or (len(times) < 15 and sum(times) < 6):
        start = time.process_time()
        compare(reference, current)
        times.append(time.process_time() - start)
    return Measured(min(times), _memory("VmHWM") - before)


def _restart_peak() -> float:
    """Return the memory held now, MiB; the peak counts from here (Linux)."""
    gc.collect()
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(field: str) -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    lines = (line.split() for line in status.read_text().splitlines())
    return next(float(line[1]) / 1024 for line in lines if line[:1] == [f"{field}:"])


def main() -> None:
    """Measure the contestant that was asked for."""
    warnings.simplefilter("ignore")
    compare = {"ours": ours, "scipy": scipy, "evidently": evidently}[sys.argv[1]]()
    reference, current = (pd.read_parquet(path) for path in sys.argv[2:4])
    print(*measure(compare, reference, current))


if __name__ == "__main__":
    main()
