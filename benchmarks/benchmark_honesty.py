"""How often the intervals hold the truth, and how often slices are made up or missed.

Run ``python benchmarks/benchmark_honesty.py`` (about ten minutes). Truths are the metrics of two
million rows; a 95 % interval should hold them in 93 to 97 of 100 samples. A model whose errors are
pure noise should have no weak slice in at least 95 of 100 samples; a slice of a tenth of the rows
that is 20 points worse should be found.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from metrics import evaluate_quality
from model_types import ModelInfo, Predictions, Task
from report_types import Metric, RunConfig
from slices import find_slices

FloatArray = NDArray[np.float64]
Sample = Callable[[np.random.Generator, int], tuple[ModelInfo, pd.Series, Predictions]]

N_TRUTH = 2_000_000
N_SAMPLES = 2000
N_RESAMPLES = 600


def two_classes(rng: np.random.Generator, n: int) -> tuple[ModelInfo, pd.Series, Predictions]:
    """Draw labels (40 % positive) and probabilities of a fair model that is a little too sure."""
    y_true = (rng.random(n) < 0.4).astype(int)
    positive = 1 / (1 + np.exp(-1.5 * (rng.normal(y_true * 1.5, 1.0) - 0.8)))
    info = ModelInfo(task=Task.BINARY, estimator="Simulated", classes=[0, 1])
    proba = np.column_stack([1 - positive, positive])
    return info, pd.Series(y_true), Predictions((positive > 0.5).astype(int), proba)


def numbers(rng: np.random.Generator, n: int) -> tuple[ModelInfo, pd.Series, Predictions]:
    """Draw numbers with heavy-tailed errors (Student, 6 degrees of freedom)."""
    y_pred = rng.normal(20.0, 3.0, n)
    y_true = y_pred + rng.standard_t(6, n)
    info = ModelInfo(task=Task.REGRESSION, estimator="Simulated")
    return info, pd.Series(y_true), Predictions(y_pred)


def metrics_of(draw: Sample, rng: np.random.Generator, n: int, config: RunConfig) -> list[Metric]:
    """Return the metrics of one sample; without columns nothing else is looked at."""
    info, y_true, predictions = draw(rng, n)
    frame = pd.DataFrame(index=range(n))
    section = evaluate_quality(predictions, info, frame, y_true, config=config, labels_from=None)
    return section.metrics


def coverage(draw: Sample, n: int, n_samples: int = N_SAMPLES) -> dict[str, float]:
    """Return the share of samples whose interval holds the truth, by metric."""
    rough = RunConfig(n_resamples=100)
    everything = metrics_of(draw, np.random.default_rng(0), N_TRUTH, rough)
    truth = {metric.name: metric.estimate.value for metric in everything}
    held: dict[str, list[bool]] = {name: [] for name in truth}
    for seed in range(1, n_samples + 1):
        # each sample its own resamples: shared ones would err alike in all of them
        config = RunConfig(n_resamples=N_RESAMPLES, seed=seed)
        for metric in metrics_of(draw, np.random.default_rng(seed), n, config):
            low, high, true = metric.estimate.low, metric.estimate.high, truth[metric.name]
            if low is not None and high is not None and true is not None:
                held[metric.name].append(low <= true <= high)
    return {name: float(np.mean(hits)) for name, hits in held.items()}


def print_coverage() -> None:
    """Print a line per metric and size of the sample."""
    print(f"{'metric':34} {'rows':>6} {'holds the truth':>16}")
    for draw in (two_classes, numbers):
        for n in (200, 1000):
            for name, share in coverage(draw, n).items():
                print(f"{name:34} {n:6} {share:16.1%}")


def columns(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Draw ten numeric and two categorical columns."""
    frame = pd.DataFrame(rng.normal(size=(n, 10)), columns=[f"x{i}" for i in range(10)])
    return frame.assign(city=rng.choice(list("abcdef"), n), kind=rng.choice(["one", "two"], n))


def noise_without_slice(n: int, *, weighted: bool, n_samples: int = N_SAMPLES // 4) -> float:
    """Return the share of samples of pure noise in which no slice is reported.

    Weights of rows, where wanted, are log-normal (0.7): the effective number of rows is 61 %.
    """
    quiet = 0
    for seed in range(n_samples):
        rng = np.random.default_rng(seed)
        errors = (rng.random(n) < 0.2).astype(np.float64)
        frame, weights = columns(rng, n), rng.lognormal(0, 0.7, n) if weighted else None
        quiet += not find_slices(frame, errors, seed=seed, weights=weights)[0]
    return quiet / n_samples


def planted_found(n: int, n_samples: int = N_SAMPLES // 10) -> tuple[float, float]:
    """Return how often a planted slice is found, and the share of false ones among all found."""
    found, false, total = 0, 0, 0
    for seed in range(n_samples):
        rng = np.random.default_rng(seed)
        frame = columns(rng, n)
        weak = frame["x3"] > np.quantile(frame["x3"], 0.9)
        errors = (rng.random(n) < np.where(weak, 0.35, 0.15)).astype(np.float64)
        features = [part.feature for part in find_slices(frame, errors, seed=seed)[0]]
        found += "x3" in features
        false += sum(name != "x3" for name in features)
        total += len(features)
    return found / n_samples, false / max(1, total)


def main() -> None:
    """Print the tables."""
    print_coverage()
    print(f"\n{'slices':34} {'rows':>6} {'share':>16}")
    for n in (500, 2000, 10_000):
        quiet = noise_without_slice(n, weighted=False)
        print(f"{'noise: none reported':34} {n:6} {quiet:16.1%}")
        quiet = noise_without_slice(n, weighted=True)
        print(f"{'  rows weighed unevenly':34} {n:6} {quiet:16.1%}")
    for n in (1000, 2000, 5000):
        hit, false = planted_found(n)
        print(f"{'planted (10 %, 20 points): found':34} {n:6} {hit:16.1%}")
        print(f"{'  false ones among all found':34} {n:6} {false:16.1%}")


if __name__ == "__main__":
    main()
