"""Many clients at once: nothing is lost, doubled or refused in an undocumented way."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from benchmarks.benchmark_pipeline import write_files
from benchmarks.benchmark_service import press, serving

pytestmark = pytest.mark.slow


def test_eight_clients_at_once_get_all_their_runs(tmp_path: Path) -> None:
    """Only 200, 202, 429 and 503 are answered; each run that was taken is done, once."""
    files = write_files(tmp_path)
    with serving(tmp_path / "data") as (url, pid):
        seen = press(url, pid, files, clients=8, seconds=15)
        listed = requests.get(f"{url}/runs?limit=500", timeout=60).json()
    assert set(seen.statuses) <= {200, 202, 429, 503}
    assert seen.finished
    assert set(seen.finished.values()) == {"done"}
    runs = {run["id"]: run for run in listed["runs"]}
    assert set(runs) == set(seen.finished)
    assert len({run["labels"]["client"] for run in runs.values()}) == len(runs)
    assert len(seen.healthz_ms) > 10, "the server answered its health while it worked"
