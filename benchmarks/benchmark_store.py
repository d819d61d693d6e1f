"""How long lists take in a store of many runs: the query behind the page Runs and its filters.

    python benchmarks/benchmark_store.py [--runs 50000] [--keep DIR]

Prints milliseconds, the median of seven; no verdict, because a machine is not named.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from report_types import RunRequest, RunStatus, Verdict
from run_queue import label_texts, search_text
from run_types import RunFilter, RunSort, new_run_id
from settings import Settings
from storage import Store
from storage_tables import metric, run

MODELS = [f"model-{number}.pkl" for number in range(20)]
PASSED = "All 12 checks passed."
NEWEST = datetime(2026, 11, 21, tzinfo=UTC)


def fill(store: Store, n_runs: int) -> None:
    """Insert runs directly: what is measured is reading."""
    import sqlalchemy as sa

    random = Random(0)
    rows, numbers = [], []
    for number in range(n_runs):
        name = random.choice(MODELS)
        labels = {"branch": random.choice(["main", "dev"]), "commit": f"{number:08x}"}
        request = RunRequest(model_sha256=f"{number % 500:064x}", model_name=name, labels=labels)
        run_id, created = new_run_id(), NEWEST - timedelta(minutes=number)
        rows.append(_row(run_id, request, created, random))
        numbers.append({"run_id": run_id, "name": "accuracy", "value": random.random()})
    with store._database.write() as connection:
        connection.execute(sa.insert(run), rows)
        connection.execute(sa.insert(metric), numbers)


def _row(run_id: str, request: RunRequest, created: datetime, random: Random) -> dict[str, object]:
    verdict = random.choice(list(Verdict)[:3]).value
    return {
        "id": run_id,
        "status": RunStatus.DONE.value,
        "created_at": created,
        "started_at": created,
        "finished_at": created,
        "seconds": 2.0,
        "request": json.loads(request.model_dump_json(by_alias=True)),
        "model_name": request.model_name,
        "model_sha256": request.model_sha256,
        "source": "api",
        "purpose": "test",
        "labels": request.labels,
        "verdict": verdict,
        "gate_verdict": verdict,
        "verdict_summary": PASSED,
        "metric_name": "accuracy",
        "metric_value": random.random(),
        "p50_ms": random.random() * 10,
        "fraction": 1.0,
        "message": "",
        "cancel_requested": False,
        "search": search_text(run_id, request.model_name, *label_texts(request.labels), PASSED),
    }


def questions(store: Store) -> dict[str, Callable[[], object]]:
    """Return what the page and the API ask."""
    return {
        "first page": store.list_runs,
        "page 500": lambda: store.list_runs(offset=25_000),
        "one model": lambda: store.list_runs(RunFilter(model_name=MODELS[3])),
        "failed": lambda: store.list_runs(RunFilter(verdict=Verdict.FAIL)),
        "words": lambda: store.list_runs(RunFilter(text="main 0000c3")),
        "branch": lambda: store.list_runs(RunFilter(labels={"branch": "main"})),
        "by metric": lambda: store.list_runs(sort=RunSort.METRIC),
        "names of models": store.model_names,
        "trend of a model": lambda: store.metric_history(model_name=MODELS[3]),
        "baseline of a branch": lambda: store.last_passing_run(MODELS[3], {"branch": "main"}),
        "queue state": store.queue_state,
    }


def milliseconds(question: Callable[[], object]) -> float:
    """Return the median of seven."""
    times = []
    for _ in range(7):
        start = time.perf_counter()
        question()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    """Fill a store and time the questions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50_000)
    parser.add_argument("--keep", type=Path, help="make the store here and leave it")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = Store.open(Settings(data_dir=folder))
        if store.list_runs(limit=1)[1] == 0:
            fill(store, options.runs)
        print(f"{store.list_runs(limit=1)[1]:,} runs")
        for name, question in questions(store).items():
            print(f"{name:22} {milliseconds(question):8.1f} ms")
        store.close()


if __name__ == "__main__":
    main()
