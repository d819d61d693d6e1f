"""Two hundred runs, a third of them hostile, four at a time, through the real API."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from tests.hostile_models import allocate_50_gb, exit_with_3, file_that_calls, segfault, spin
from tests.serving import Product, running_product

N_RUNS = 200
N_WARM_UP = 12
AT_ONCE = 4
MAX_GROWTH = 40 << 20
"""Bytes by which a server may grow; one leaked copy of a frame per run would be more."""

HOSTILE: dict[Callable[[], None], str] = {
    segfault: "signal 11",
    exit_with_3: "exit code 3",
    spin: "no answer within",
    allocate_50_gb: "more than",
}
OPTIONS = json.dumps(
    {"n_rows": 30, "latency_seconds": 0.01, "explain_seconds": 20, "n_resamples": 100}
    | {"batch_sizes": [1, 10], "drift_severities": [1.0]}
)
SECTIONS = ("schema", "data", "quality", "behaviour", "drift", "explanations")
TIMINGS = ("seconds", "seconds_used", "created_at", "finished_at")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "temporary").mkdir()
    settings = {
        "MONITOR_MODEL_POLICY": "custom",
        "MONITOR_LOAD_SECONDS": "2",
        "MONITOR_SLOTS": str(AT_ONCE),
        "MONITOR_QUEUE_LIMIT": "1000",
        "MONITOR_RUNS_PER_MINUTE": "10000",
        "TMPDIR": str(folder / "temporary"),
    }
    with running_product(folder / "data", **settings) as running:
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


def post_all(product: Product, models: list[Path]) -> list[dict[str, Any]]:
    """Post models, some at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda path: post(product, path), models))


def results_of(product: Product, summary: dict[str, Any]) -> Any:
    """Return the sections of a run's report that do not depend on the clock."""
    url = f"{product.api}/runs/{summary['run_id']}/report"
    report = requests.get(url, timeout=60).json()
    return without_timings({name: report[name] for name in SECTIONS})


def without_timings(value: Any) -> Any:
    """Return a part of a report without what it took."""
    if isinstance(value, list):
        return [without_timings(one) for one in value]
    if isinstance(value, dict):
        return {k: without_timings(v) for k, v in value.items() if k not in TIMINGS}
    return value


def differing(first: Any, second: Any, place: str = "") -> list[str]:
    """Return where two parts of reports differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        both = {key: (first.get(key), second.get(key)) for key in {*first, *second}}
        return [d for key, pair in both.items() for d in differing(*pair, f"{place}.{key}")]
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        pairs = enumerate(zip(first, second, strict=True))
        return [d for i, pair in pairs for d in differing(*pair, f"{place}[{i}]")]
    return [] if first == second else [f"{place}: {first!r:.80} is not {second!r:.80}"]


@dataclass(frozen=True)
class Holdings:
    """What the product's processes hold: descriptors and memory by process, files beside them."""

    descriptors: dict[int, int]
    memory: dict[int, int]
    temporary: set[str]


def processes_of(product: Product) -> set[int]:
    """Return the processes whose parent chain leads to the product."""
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


def holdings_of(product: Product) -> Holdings:
    """Look at the processes once none has come or gone for two seconds."""
    descriptors, memory = {}, {}
    processes: set[int] = set()
    while processes != (processes := processes_of(product)):
        time.sleep(2.0)
    for pid in processes:
        pages = (Path("/proc") / str(pid) / "statm").read_text().split()
        memory[pid] = (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE")
        with contextlib.suppress(PermissionError):  # only root may look
            descriptors[pid] = len(list((Path("/proc") / str(pid) / "fd").iterdir()))
    places = (product.data_dir.parent / "temporary", product.data_dir / "uploads")
    files = {str(path) for place in places for path in place.glob("**/*") if path.is_file()}
    return Holdings(descriptors, memory, files)


def grown(before: dict[int, int], after: dict[int, int], allowed: int) -> dict[int, int]:
    """Return by how much each process that is still there grew, where that is too much."""
    more = {pid: after[pid] - before[pid] for pid in before.keys() & after.keys()}
    return {pid: growth for pid, growth in more.items() if growth > allowed}


def files_to_post(folder: Path) -> dict[Path, str]:
    """Write good and hostile models; return what is said of each when it is loaded."""
    iris = load_iris(as_frame=True)
    files = {}
    for model in (DecisionTreeClassifier(random_state=0), LogisticRegression(max_iter=500)):
        path = folder / f"{type(model).__name__}.pkl"
        path.write_bytes(pickle.dumps(model.fit(iris.data, iris.target)))
        files[path] = ""
    for act, sentence in HOSTILE.items():
        files[file_that_calls(folder / f"{act.__name__}.pkl", act)] = sentence
    return files


@pytest.mark.slow
def test_hostile_models_hurt_nobody_else(product: Product, tmp_path: Path) -> None:
    """Each hostile run is one failed load; good runs give what they give alone; nothing leaks."""
    files = files_to_post(tmp_path)
    good, hostile = ([path for path in files if bool(files[path]) is bad] for bad in (False, True))
    alone = {path: results_of(product, post(product, path)) for path in good}
    post_all(product, (good + hostile) * (N_WARM_UP // len(files)))
    before = holdings_of(product)
    n_hostile = N_RUNS // 3
    work = [hostile[i % len(hostile)] for i in range(n_hostile)]
    work += [good[i % len(good)] for i in range(N_RUNS - n_hostile)]
    random.Random(0).shuffle(work)
    summaries = post_all(product, work)
    for path, summary in zip(work, summaries, strict=True):
        assert summary["status"] == "done", summary
        load = next(check for check in summary["checks"] if check["id"] == "model.load")
        assert load["verdict"] == ("pass" if path in good else "fail")
        assert files[path] in load["reason"]
        if path in good:
            assert differing(results_of(product, summary), alone[path]) == []
    ready = requests.get(f"{product.api}/readyz", timeout=60).json()
    assert ready["isolation"].startswith(("full", "partial"))
    after = holdings_of(product)
    # after 200 runs there is a fresh parent of models; the last one serves models kept open
    assert len(after.memory) <= len(before.memory) + 1
    assert grown(before.descriptors, after.descriptors, 2) == {}
    assert grown(before.memory, after.memory, MAX_GROWTH) == {}
    assert after.temporary <= before.temporary
