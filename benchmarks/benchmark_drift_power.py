"""Drift: how often the default verdict is a false alarm, and how often it finds what is there.

Run ``python benchmarks/benchmark_drift_power.py`` (about ten minutes on two cores); the table it
printed last is in ``docs/drift-power.md``. Columns are drawn as profiles, without a table around
them, so that thousands of repetitions take minutes; the verdict is that of ``compare_frames``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from drift import judge_columns
from drift_comparison import Depth, Thresholds, compare_profiles
from drift_profiles import CategoryProfile, NumberProfile, Profile, profile_numbers
from drift_types import DriftVerdict
from schema_utils import Kind

SIZES = ((200, 200), (1000, 200), (1000, 1000), (100_000, 2000))
LONG = 10_000
"""Columns of numbers with more rows than this are drawn a quarter as often; categories are drawn
as counts, which takes no longer for long tables."""

ALPHA = 0.05
LIMITS = Thresholds()
FLAGS = (DriftVerdict.DRIFT, DriftVerdict.POSSIBLE)

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Profile]


# --- columns -----------------------------------------------------------------------------------


def numbers(values: Callable[[np.random.Generator, int], Any], missing: float = 0.0) -> Draw:
    """Return a drawer of a column of numbers, a share of them missing."""

    def draw(rng: np.random.Generator, n: int) -> NumberProfile:
        n_missing = int(rng.binomial(n, missing))
        drawn = np.asarray(values(rng, n - n_missing), dtype=np.float64)
        return profile_numbers(drawn, n_missing=n_missing)

    return draw


def categories(shares: Floats) -> Draw:
    """Return a drawer of a categorical column."""

    def draw(rng: np.random.Generator, n: int) -> CategoryProfile:
        counts = rng.multinomial(n, shares).tolist()
        return CategoryProfile(n, 0, {f"c{i}": count for i, count in enumerate(counts) if count})

    return draw


def _zipf(k: int) -> Floats:
    weights = 1 / np.arange(1, k + 1)
    return np.asarray(weights / weights.sum())


def _moved(shares: Floats, points: float) -> Floats:
    moved = shares.copy()
    moved[0] -= points
    moved[1] += points
    return moved


def _normal(mean: float = 0.0, std: float = 1.0, missing: float = 0.0) -> Draw:
    return numbers(lambda rng, n: rng.normal(mean, std, n), missing)


FIVE, SKEWED = np.full(5, 0.2), _zipf(50)
LOGNORMAL_STD = 2.161

NULLS: dict[str, Draw] = {
    "normal": _normal(),
    "lognormal": numbers(lambda rng, n: rng.lognormal(size=n)),
    "poisson (ties)": numbers(lambda rng, n: rng.poisson(2, n)),
    "uniform": numbers(lambda rng, n: rng.random(n)),
    "half zeros": numbers(lambda rng, n: rng.exponential(size=n) * (rng.random(n) < 0.5)),
    "5 categories": categories(FIVE),
    "50 categories": categories(np.full(50, 0.02)),
    "50 skewed": categories(SKEWED),
    "5 % missing": _normal(missing=0.05),
}
SHIFTS: dict[str, tuple[Draw, Draw]] = {
    "shift 0.3 std": (_normal(), _normal(0.3)),
    "lognormal, shift 0.3 std": (
        NULLS["lognormal"],
        numbers(lambda rng, n: rng.lognormal(size=n) + 0.3 * LOGNORMAL_STD),
    ),
    "std x 1.3": (_normal(), _normal(std=1.3)),
    "variance x 1.3": (_normal(), _normal(std=1.3**0.5)),
    "2 % outliers": (
        _normal(),
        numbers(lambda rng, n: np.where(rng.random(n) < 0.02, 8.0, rng.normal(size=n))),
    ),
    "15 points, 5 categories": (categories(FIVE), categories(_moved(FIVE, 0.15))),
    "15 points, 50 skewed": (categories(SKEWED), categories(_moved(SKEWED, 0.15))),
    "missing 0 to 10 %": (_normal(), _normal(missing=0.1)),
    "missing 5 to 15 %": (_normal(missing=0.05), _normal(missing=0.15)),
}
PAIRS = {name: (draw, draw) for name, draw in NULLS.items()} | SHIFTS


# --- verdicts ----------------------------------------------------------------------------------


def verdicts(pairs: dict[str, tuple[Profile, Profile]]) -> list[DriftVerdict]:
    """Return the verdict of each column of one table."""
    compared = {
        name: compare_profiles(old, new, LIMITS, depth=Depth.VERDICT)
        for name, (old, new) in pairs.items()
    }
    kinds = dict.fromkeys(pairs, Kind.FLOAT)
    return [feature.verdict for feature in judge_columns(compared, kinds, LIMITS)]


def uncorrected_p_value(old: Profile, new: Profile) -> float:
    """Return p of the obvious test by scipy: KS, chi-square, or chi-square of missing values."""
    if old.n_missing or new.n_missing:
        table = [[profile.n_missing, profile.n_values] for profile in (old, new)]
        return float(stats.chi2_contingency(table, correction=False).pvalue)
    if isinstance(old, NumberProfile) and isinstance(new, NumberProfile):
        return float(stats.ks_2samp(old.values, new.values, method="asymp").pvalue)
    if not isinstance(old, CategoryProfile) or not isinstance(new, CategoryProfile):
        raise TypeError
    labels = old.counts.keys() | new.counts.keys()
    counts = [[profile.counts.get(label, 0) for label in labels] for profile in (old, new)]
    return float(stats.chi2_contingency(counts, correction=False).pvalue)


@dataclass(frozen=True)
class Cell:
    """One line of the table: a pair of columns (or "any of 20"), sizes, repetitions."""

    name: str
    sizes: tuple[int, int]
    repetitions: int


def measure(cell: Cell) -> tuple[Cell, list[float]]:
    """Return shares of repetitions: drift, drift or possible, found by the uncorrected test."""
    rng = np.random.default_rng(0)
    if cell.name not in PAIRS:
        return cell, [_any_of_twenty(rng, cell)]
    old, new = PAIRS[cell.name]
    hits = []
    for _ in range(cell.repetitions):
        pair = old(rng, cell.sizes[0]), new(rng, cell.sizes[1])
        (verdict,) = verdicts({"x": pair})
        found = uncorrected_p_value(*pair) <= ALPHA
        hits.append((verdict is DriftVerdict.DRIFT, verdict in FLAGS, found))
    return cell, np.mean(hits, axis=0).tolist()


def _any_of_twenty(rng: np.random.Generator, cell: Cell) -> float:
    draws = [list(NULLS.values())[i % len(NULLS)] for i in range(20)]
    alarms = 0
    for _ in range(cell.repetitions):
        pairs = [(draw(rng, cell.sizes[0]), draw(rng, cell.sizes[1])) for draw in draws]
        found = verdicts({f"x{i}": pair for i, pair in enumerate(pairs)})
        alarms += any(verdict in FLAGS for verdict in found)
    return alarms / cell.repetitions


# --- table -------------------------------------------------------------------------------------


def cells(names: list[str], repetitions: int) -> Iterator[Cell]:
    """Return the lines of a part of the table."""
    for sizes in SIZES:
        for name in names:
            is_long = max(sizes) > LONG and "categories" not in name and "skewed" not in name
            yield Cell(name, sizes, repetitions // 4 if is_long else repetitions)


def print_table(repetitions: int, processes: int) -> None:
    """Print false alarms and power in percent, with their standard errors."""
    head = ("| | n / m | draws | drift | drift or possible | uncorrected test |", "|---" * 6 + "|")
    with Pool(processes) as pool:
        for title, names in (
            ("Without drift", list(NULLS)),
            ("With drift", list(SHIFTS)),
            ("Any of 20 columns without drift", ["any of 20"]),
        ):
            print(f"\n**{title}**, %\n\n" + "\n".join(head))
            for cell, found in pool.imap(measure, cells(names, repetitions)):
                print(_line(cell, found), flush=True)


def _line(cell: Cell, found: list[float]) -> str:
    shown = [f"{100 * share:.1f}" for share in found]
    flagged = found[min(1, len(found) - 1)]
    error = 100 * (flagged * (1 - flagged) / cell.repetitions) ** 0.5
    if len(shown) == 1:
        shown = ["", shown[0], ""]
    shown[1] += f" ± {error:.1f}"
    sizes = f"{cell.sizes[0]:,} / {cell.sizes[1]:,}"
    return f"| {cell.name} | {sizes} | {cell.repetitions:,} | {' | '.join(shown)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    print_table(arguments.repetitions, arguments.processes)


if __name__ == "__main__":
    main()
