"""What the service bears: clients that post all the time, beside the same work without HTTP.

    python benchmarks/benchmark_service.py [--minutes 1] [--clients 8]

Five minutes are ``--minutes 5``. The same runs are made in plain loops, one per slot, before and
after; the ratio of both is what HTTP, the queue and the store cost. Prints also every status that
was answered, how long ``/healthz`` took meanwhile, and the memory of the lasting processes.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from queue import Empty
from typing import NamedTuple
from urllib.parse import urlsplit

import requests

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.benchmark_pipeline import write_files
from pipeline import run_tests
from report_types import RunRequest
from sandbox import WorkerParent
from settings import Settings, default_slots
from tests.serving import free_port
from tests.test_restart import start_api

PATIENCE_SECONDS = 1.0
"""Longest pause of a refused client: the point is to press."""

PROBE_SECONDS = 0.05


@dataclass
class Outcome:
    """What clients, probe and watcher saw.

    Attributes
    ----------
    statuses : Counter
        How often each HTTP status was answered; 0 is a broken connection.
    finished : dict of str to str
        Run id -> status of the run.
    healthz_ms : list of float
        Times of ``GET /healthz``, one every 50 ms.
    memory_mib : list of float
        Resident memory of the API and the runner, one a second.
    seconds : float
    cpu_seconds : float
        Of all processes of the service.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    finished: dict[str, str] = field(default_factory=dict)
    healthz_ms: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@contextmanager
def serving(data_dir: Path) -> Iterator[tuple[str, int]]:
    """Run the API in a process of its own; yield its address and process id."""
    port = free_port()
    server = start_api(data_dir, port, MONITOR_RUNS_PER_MINUTE="100000")
    try:
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        server.wait(60)


def press(url: str, pid: int, files: tuple[Path, Path], clients: int, seconds: float) -> Outcome:
    """Let clients post for so long, each the next run as soon as it has the last one's answer."""
    outcome, end = Outcome(), time.monotonic() + seconds
    probe_times: multiprocessing.Queue[float] = multiprocessing.Queue()
    probe = multiprocessing.Process(target=_probe, args=(url, seconds, probe_times))
    threads = [
        threading.Thread(target=_client, args=(url, files, number, end, outcome))
        for number in range(clients)
    ]
    watcher = threading.Thread(target=_watch_memory, args=(pid, end, outcome))
    started, cpu = time.monotonic(), cpu_seconds(pid)
    probe.start()
    for each in (watcher, *threads):
        each.start()
    while probe.is_alive() or not probe_times.empty():
        try:
            outcome.healthz_ms.append(probe_times.get(timeout=0.2))
        except Empty:
            continue
    probe.join()
    for each in (*threads, watcher):
        each.join()
    outcome.seconds, outcome.cpu_seconds = time.monotonic() - started, cpu_seconds(pid) - cpu
    return outcome


def _client(url: str, files: tuple[Path, Path], number: int, end: float, outcome: Outcome) -> None:
    model, sample = (path.read_bytes() for path in files)
    with requests.Session() as session:
        for turn in range(10**9):
            if time.monotonic() > end:
                return
            form = {"model": ("model.pkl", model), "sample": ("sample.csv", sample)}
            data = {"target": "species", "labels": f'{{"client": "{number}-{turn}"}}'}
            answer = _ask(session, "POST", f"{url}/run_tests", outcome, files=form, data=data)
            while answer is not None and answer.status_code == 202:
                answer = _ask(session, "GET", url + answer.headers["Location"], outcome)
                if answer is not None and answer.json()["status"] in ("queued", "running"):
                    answer.status_code = 202
                    answer.headers["Location"] = f"/runs/{answer.json()['run_id']}?wait=20"
            if answer is None or answer.status_code in (429, 503):
                time.sleep(PATIENCE_SECONDS)
            elif answer.ok:
                outcome.finished[answer.json()["run_id"]] = answer.json()["status"]


def _ask(
    session: requests.Session, method: str, url: str, outcome: Outcome, **options: object
) -> requests.Response | None:
    try:
        answer = session.request(method, url, timeout=120, **options)  # type: ignore[arg-type]
    except requests.RequestException:
        outcome.statuses[0] += 1
        return None
    outcome.statuses[answer.status_code] += 1
    return answer


def _probe(url: str, seconds: float, times: multiprocessing.Queue[float]) -> None:
    """Time ``/healthz`` from a process of its own: the clients' threads would slow it down."""
    end, connection = time.monotonic() + seconds, HTTPConnection(urlsplit(url).netloc, timeout=60)
    while time.monotonic() < end:
        started = time.perf_counter()
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        answer.read()
        times.put(1000 * (time.perf_counter() - started))
        if answer.status != HTTPStatus.OK:
            msg = f"/healthz answered {answer.status}"
            raise RuntimeError(msg)
        time.sleep(PROBE_SECONDS)
    connection.close()


def _watch_memory(pid: int, end: float, outcome: Outcome) -> None:
    while time.monotonic() < end:
        children = _children(pid)
        outcome.memory_mib.append(sum(_resident_mib(each) for each in (str(pid), *children)))
        time.sleep(1.0)


def _resident_mib(pid: str) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):  # it ended just now
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _children(pid: int) -> list[str]:
    """Return the processes that any thread of a process has started."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [child for path in lists for child in path.read_text().split()]


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and of all that it started, living or not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = _children(pid)
    except (FileNotFoundError, ProcessLookupError):  # it ended just now
        return 0.0
    own = sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(int(child)) for child in children)


class LoopRate(NamedTuple):
    """What plain loops achieve."""

    runs_per_second: float
    cpu_per_run: float


def loop_without_http(files: tuple[Path, Path], seconds: float) -> LoopRate:
    """Return what plain loops achieve, one per slot, over the same pipeline."""
    counts: multiprocessing.Queue[LoopRate] = multiprocessing.Queue()
    loops = [
        multiprocessing.Process(target=_loop, args=(files, seconds, counts))
        for _ in range(default_slots())
    ]
    for each in loops:
        each.start()
    rates = [counts.get() for _ in loops]
    for each in loops:
        each.join()
    together = sum(rate.runs_per_second for rate in rates)
    return LoopRate(together, statistics.mean(rate.cpu_per_run for rate in rates))


def _loop(
    files: tuple[Path, Path], seconds: float, counts: multiprocessing.Queue[LoopRate]
) -> None:
    model, sample = files
    request = RunRequest(model_sha256="0" * 64, model_name=model.name, sample_name=sample.name)
    request.config.target = "species"
    with WorkerParent() as workers:
        done, started, cpu = -1, time.monotonic(), 0.0  # the first run pays for imports
        while done < 1 or time.monotonic() - started < seconds:
            run_tests(
                request,
                run_id="loop",
                model_path=model,
                sample_path=sample,
                workers=workers,
                settings=Settings(),
                save_data=lambda data, _name: hashlib.sha256(data).hexdigest(),
            )
            done += 1
            if done == 0:
                started, cpu = time.monotonic(), cpu_seconds(os.getpid())
        spent = cpu_seconds(os.getpid()) - cpu
        counts.put(LoopRate(done / (time.monotonic() - started), spent / done))


def describe(outcome: Outcome, loops: list[LoopRate]) -> str:
    """Return what was seen, in lines."""
    times = sorted(outcome.healthz_ms)
    fifth = max(1, len(outcome.memory_mib) // 5)
    early, late = outcome.memory_mib[fifth : 2 * fifth], outcome.memory_mib[-fifth:]
    rate = len(outcome.finished) / outcome.seconds
    cpu, loop_cpu = (
        outcome.cpu_seconds / max(1, len(outcome.finished)),
        statistics.mean(each.cpu_per_run for each in loops),
    )
    states = dict(Counter(outcome.finished.values()))
    return "\n".join(
        [
            f"runs           {len(outcome.finished)} in {outcome.seconds:.0f} s: {states}",
            f"HTTP statuses  {dict(outcome.statuses)}",
            f"/healthz       p50 {times[len(times) // 2]:.1f} ms, "
            f"p99 {times[int(len(times) * 0.99)]:.1f} ms, longest {times[-1]:.0f} ms",
            f"memory         {statistics.median(early):.0f} MiB in the second fifth, "
            f"{statistics.median(late):.0f} MiB in the last",
            f"throughput     {rate:.3f} runs/s; plain loops "
            f"{' and '.join(f'{each.runs_per_second:.3f}' for each in loops)} runs/s: ratio "
            f"{rate / statistics.mean(each.runs_per_second for each in loops):.2f}",
            f"processor      {cpu:.2f} s per run; plain loops {loop_cpu:.2f} s: the loops' share "
            f"is {loop_cpu / cpu:.2f}",
            f"load average   {os.getloadavg()[0]:.1f}",
        ]
    )


def main() -> None:
    """Loop, press, loop again, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    seconds = 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(Path(folder))
        loops = [loop_without_http(files, seconds / 4)]
        with serving(Path(folder) / "data") as (url, pid):
            outcome = press(url, pid, files, options.clients, seconds)
        loops.append(loop_without_http(files, seconds / 4))
    print(describe(outcome, loops))


if __name__ == "__main__":
    main()
