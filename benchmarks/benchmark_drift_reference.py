"""Kept references: the cost of a window, and Parquet files that are never held in memory.

Run it from the repository: ``python benchmarks/benchmark_drift_reference.py``; it writes 2 GB to a
temporary folder for its ten million rows (``--rows`` for fewer).
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import drift_reference as kept

GROUP_ROWS = 250_000


def peak_mb() -> float:
    """Return the most memory this process has held so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def some_rows(n: int, columns: int, seed: int) -> pd.DataFrame:
    """Return rows of normal columns, a fifth of them categories."""
    rng = np.random.default_rng(seed)
    numbers = {f"x{i}": rng.normal(size=n) for i in range(columns - columns // 5)}
    labels = {f"c{i}": rng.choice(list("abcde"), n) for i in range(columns // 5)}
    return pd.DataFrame({**numbers, **labels})


def window_cost() -> None:
    """Print the CPU time of a window for references of several lengths."""
    window = some_rows(1000, 50, seed=9)
    for n in (10_000, 100_000, 1_000_000):
        data = kept.profile_frame(some_rows(n, 50, seed=1)).to_bytes()
        profile = kept.ReferenceProfile.from_bytes(data)
        kept.compare_with_profile(profile, window)
        seconds = []
        for _ in range(15):
            started = time.process_time()
            kept.compare_with_profile(profile, window)
            seconds.append(time.process_time() - started)
        print(
            f"reference {n:>9,} x 50 ({len(data) / 1e6:.1f} MB kept): "
            f"a window of 1,000 rows takes {1000 * np.median(seconds):.1f} CPU-ms"
        )


def parquet_cost(rows: int, folder: Path) -> None:
    """Print time and memory of a long file, as reference and as current data."""
    path = folder / "rows.parquet"
    schema = pa.Table.from_pandas(some_rows(10, 20, 0)).schema
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, GROUP_ROWS):
            writer.write_table(pa.Table.from_pandas(some_rows(GROUP_ROWS, 20, start), schema))
    before = peak_mb()
    started = time.process_time()
    profile = kept.profile_parquet(path)
    middle = time.process_time()
    report = kept.compare_parquet(profile, path)
    print(
        f"{rows:,} x 20 from Parquet ({path.stat().st_size / 1e6:,.0f} MB on disk): profile "
        f"{middle - started:.1f} CPU-s, comparison {time.process_time() - middle:.1f} CPU-s, "
        f"{report.n_drifted} columns drifted; peak memory {peak_mb():,.0f} MB "
        f"({before:,.0f} MB before; the rows would take {rows * 20 * 8 / 1e6:,.0f} MB)"
    )


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:  # first, before anything else fills memory
        parquet_cost(options.rows, Path(folder))
    window_cost()


if __name__ == "__main__":
    main()
