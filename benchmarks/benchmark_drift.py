"""Drift: speed against a plain scipy loop, and false alarms and power of the default verdict.

Run ``python benchmarks/benchmark_drift.py speed`` or ``… alarms --repetitions 500``. Times are
CPU seconds, best of three, and compared within this process; Evidently joins if it is installed.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import drift
from report_types import DriftVerdict

SIZES = ((10_000, 20), (100_000, 50))
SAMPLE_SIZES = ((200, 200), (1000, 200), (1000, 1000), (100_000, 2000))
ALPHA = 0.05

Floats = NDArray[Any]
Draw = Callable[[np.random.Generator, int], pd.Series]


# --- speed -------------------------------------------------------------------------------------


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


def cpu_seconds(function: Callable[..., object], *args: object) -> float:
    """Return the best of three in CPU seconds."""
    times = []
    for _ in range(3):
        start = time.process_time()
        function(*args)
        times.append(time.process_time() - start)
    return min(times)


def report_speed() -> None:
    """Print CPU seconds and the ratio to a scipy loop, and to Evidently where it imports."""
    warnings.simplefilter("ignore")
    evidently = _evidently()
    print(f"{'rows x columns':>16} {'ours':>8} {'scipy':>8} {'ratio':>6} {'evidently':>10}")
    for n_rows, n_columns in SIZES:
        frames = make_frame(n_rows, n_columns, 1, 0.0), make_frame(n_rows, n_columns, 2, 0.3)
        drift.compare_frames(*frames)
        ours = cpu_seconds(drift.compare_frames, *frames)
        loop = cpu_seconds(scipy_loop, *frames)
        peer = f"{cpu_seconds(evidently, *frames) / ours:9.0f}x" if evidently else "absent"
        size = f"{n_rows} x {n_columns}"
        print(f"{size:>16} {ours:8.3f} {loop:8.3f} {loop / ours:5.1f}x {peer:>10}")


def _evidently() -> Callable[..., object] | None:
    try:
        from evidently import Report  # type: ignore[import-not-found]
        from evidently.presets import DataDriftPreset  # type: ignore[import-not-found]
    except ImportError:
        return None
    return lambda a, b: Report([DataDriftPreset()]).run(b, a)


# --- false alarms and power --------------------------------------------------------------------


def numbers(draw: Callable[[np.random.Generator, int], Any]) -> Draw:
    """Return a drawer of a numeric column."""
    return lambda rng, n: pd.Series(draw(rng, n), dtype=float)


def categories(shares: Floats) -> Draw:
    """Return a drawer of a categorical column."""
    labels = np.array([f"c{i}" for i in range(len(shares))])
    return lambda rng, n: pd.Series(labels[rng.choice(len(shares), n, p=shares)])


def _zipf(k: int) -> Floats:
    weights = 1 / np.arange(1, k + 1)
    return np.asarray(weights / weights.sum())


def _moved(shares: Floats, points: float) -> Floats:
    moved = shares.copy()
    moved[0] -= points
    moved[1] += points
    return moved


def with_missing(draw: Draw, share: float) -> Draw:
    """Return the drawer with a share of its values missing."""
    return lambda rng, n: draw(rng, n).mask(rng.random(n) < share)


NORMAL = numbers(lambda rng, n: rng.normal(size=n))
NULLS: dict[str, Draw] = {
    "normal": NORMAL,
    "lognormal": numbers(lambda rng, n: rng.lognormal(size=n)),
    "poisson (ties)": numbers(lambda rng, n: rng.poisson(2, n)),
    "uniform": numbers(lambda rng, n: rng.random(n)),
    "half zeros": numbers(lambda rng, n: rng.exponential(size=n) * (rng.random(n) < 0.5)),
    "5 categories": categories(np.full(5, 0.2)),
    "50 categories": categories(np.full(50, 0.02)),
    "50 skewed": categories(_zipf(50)),
    "5 % missing": with_missing(NORMAL, 0.05),
}
SHIFTS: dict[str, tuple[Draw, Draw]] = {
    "shift 0.3 std": (NORMAL, numbers(lambda rng, n: rng.normal(0.3, 1, n))),
    "lognormal, shift 0.3 std": (
        NULLS["lognormal"],
        numbers(lambda rng, n: rng.lognormal(size=n) + 0.3 * 2.161),
    ),
    "spread x 1.3": (NORMAL, numbers(lambda rng, n: rng.normal(0, 1.3, n))),
    "variance x 1.3": (NORMAL, numbers(lambda rng, n: rng.normal(0, 1.3**0.5, n))),
    "2 % outliers": (
        NORMAL,
        numbers(lambda rng, n: np.where(rng.random(n) < 0.02, 8.0, rng.normal(size=n))),
    ),
    "15 points, 5 categories": (
        categories(np.full(5, 0.2)),
        categories(_moved(np.full(5, 0.2), 0.15)),
    ),
    "15 points, 50 skewed": (categories(_zipf(50)), categories(_moved(_zipf(50), 0.15))),
    "missing 0 to 10 %": (NORMAL, with_missing(NORMAL, 0.1)),
    "missing 5 to 15 %": (with_missing(NORMAL, 0.05), with_missing(NORMAL, 0.15)),
}


def flagged(reference: pd.DataFrame, current: pd.DataFrame) -> Iterator[DriftVerdict]:
    """Yield the verdict of each column."""
    for feature in drift.compare_frames(reference, current).features:
        yield feature.verdict


def peer_p_value(a: pd.Series[Any], b: pd.Series[Any]) -> float:
    """Return the uncorrected p-value of the obvious test: KS, chi-square, chi-square of missing."""
    if a.isna().any() or b.isna().any():
        table = [[x.isna().sum(), x.notna().sum()] for x in (a, b)]
        return float(stats.chi2_contingency(table, correction=False).pvalue)
    if pd.api.types.is_numeric_dtype(a.dtype):
        return float(stats.ks_2samp(a, b, method="asymp").pvalue)
    counts = pd.concat([a.value_counts(), b.value_counts()], axis=1).fillna(0).to_numpy().T
    return float(stats.chi2_contingency(counts, correction=False).pvalue)


def rates(old: Draw, new: Draw, sizes: tuple[int, int], repetitions: int) -> tuple[float, ...]:
    """Return shares of repetitions: drift, drift or possible, found by the uncorrected test."""
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(repetitions):
        a, b = old(rng, sizes[0]), new(rng, sizes[1])
        (verdict,) = flagged(a.to_frame("x"), b.to_frame("x"))
        sure = verdict is DriftVerdict.DRIFT
        hits.append((sure, sure or verdict is DriftVerdict.POSSIBLE, peer_p_value(a, b) <= ALPHA))
    return tuple(np.mean(hits, axis=0))


def any_of_twenty(sizes: tuple[int, int], repetitions: int) -> float:
    """Return how often any of 20 columns without drift is flagged, drift or possible."""
    rng = np.random.default_rng(0)
    draws = [list(NULLS.values())[i % len(NULLS)] for i in range(20)]
    alarms = 0
    for _ in range(repetitions):
        tables = [
            pd.DataFrame({f"x{i}": draw(rng, n) for i, draw in enumerate(draws)}) for n in sizes
        ]
        verdicts = set(flagged(*tables))
        alarms += bool(verdicts & {DriftVerdict.DRIFT, DriftVerdict.POSSIBLE})
    return alarms / repetitions


def report_alarms(repetitions: int) -> None:
    """Print false alarms and power in percent."""
    for title, pairs in (
        ("without drift", {name: (draw, draw) for name, draw in NULLS.items()}),
        ("with drift", SHIFTS),
    ):
        print(f"{title:>26} {'n / m':>12} {'drift':>7} {'+ possible':>11} {'uncorrected':>12}")
        for sizes in SAMPLE_SIZES:
            for name, (old, new) in pairs.items():
                found = [f"{100 * rate:.1f}" for rate in rates(old, new, sizes, repetitions)]
                shown = f"{sizes[0]}/{sizes[1]}"
                print(f"{name:>26} {shown:>12} {found[0]:>7} {found[1]:>11} {found[2]:>12}")
    for sizes in SAMPLE_SIZES[:3]:
        share = any_of_twenty(sizes, repetitions)
        print(f"any of 20 columns without drift, {sizes[0]}/{sizes[1]}: {100 * share:.1f} %")


def main() -> None:
    """Run the part that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("speed", "alarms"))
    parser.add_argument("--repetitions", type=int, default=500)
    arguments = parser.parse_args()
    if arguments.part == "speed":
        report_speed()
    else:
        report_alarms(arguments.repetitions)


if __name__ == "__main__":
    main()
