"""Models that crash, exit, hang and eat memory, mixed with good ones, through the real API."""

from __future__ import annotations

import os
import pickle
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from tests.hostile_models import allocate_50_gb, exit_with_3, file_that_calls, segfault, spin
from tests.serving import Product, running_product

REPEATS = 20
AT_ONCE = 4
HOSTILE: dict[Callable[[], None], str] = {
    segfault: "signal 11",
    exit_with_3: "exit code 3",
    spin: "no answer within",
    allocate_50_gb: "more than",
}
OPTIONS = '{"n_rows": 40, "latency_seconds": 0.02, "explain_seconds": 0.5, "n_resamples": 100}'


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    settings = {
        "MONITOR_MODEL_POLICY": "custom",
        "MONITOR_LOAD_SECONDS": "4",
        "MONITOR_SLOTS": str(AT_ONCE),
        "MONITOR_QUEUE_LIMIT": "100",
        "MONITOR_RUNS_PER_MINUTE": "10000",
    }
    with running_product(tmp_path_factory.mktemp("hostile") / "data", **settings) as running:
        yield running


def post(product: Product, model: Path) -> dict[str, Any]:
    """Post a model and wait for its summary."""
    with model.open("rb") as stream:
        answer = requests.post(
            f"{product.api}/run_tests",
            files={"model": (model.name, stream)},
            data={"options": OPTIONS},
            headers={"Prefer": "wait=55"},
            timeout=120,
        )
    summary: dict[str, Any] = answer.json()
    while summary.get("status") in ("queued", "running"):
        summary = requests.get(f"{product.api}/runs/{summary['run_id']}?wait=20", timeout=60).json()
    return summary


def processes_of(product: Product) -> set[int]:
    """Return the processes whose environment or parent chain belongs to the product."""
    found = {product.process.pid}
    for _depth in range(6):
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            if parent in found:
                found.add(int(folder.name))
    return found


@pytest.mark.slow
def test_hostile_models_hurt_nobody_else(product: Product, tmp_path: Path) -> None:
    """Each hostile model is one failed load in plain words; every good run completes."""
    iris = load_iris(as_frame=True)
    good = tmp_path / "good.pkl"
    good.write_bytes(pickle.dumps(DecisionTreeClassifier().fit(iris.data, iris.target)))
    files = {good: ""}
    for act, sentence in HOSTILE.items():
        files[file_that_calls(tmp_path / f"{act.__name__}.pkl", act)] = sentence
    assert post(product, good)["status"] == "done"
    before = processes_of(product)
    work = [path for path in files for _ in range(REPEATS)]
    random.Random(0).shuffle(work)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        summaries = list(pool.map(lambda path: post(product, path), work))
    for path, summary in zip(work, summaries, strict=True):
        assert summary["status"] == "done", summary
        load = next(check for check in summary["checks"] if check["id"] == "model.load")
        assert load["verdict"] == ("pass" if path == good else "fail")
        assert files[path] in load["reason"]
    assert requests.get(f"{product.api}/healthz", timeout=5).status_code == 200
    time.sleep(1.5)
    assert processes_of(product) <= before
    os.kill(product.process.pid, 0)
