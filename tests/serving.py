"""Starts the whole product for tests, on free ports and with a data directory of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Product:
    """Addresses and process of a running product."""

    dashboard: str
    api: str
    data_dir: Path
    process: subprocess.Popen[str]
    log: Path


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    """Whether ``url`` answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_for(url: str, seconds: float = 120.0) -> None:
    """Wait until ``url`` answers 200; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not answers(url):
        if time.monotonic() > deadline:
            message = f"{url} did not answer within {seconds} s"
            raise TimeoutError(message)
        time.sleep(0.2)


def finished_run(product: Product, **form: Any) -> dict[str, Any]:
    """Post a test with ``requests``' arguments and return the summary of the run at its end."""
    answer = requests.post(f"{product.api}/run_tests", timeout=120, **form)
    summary: dict[str, Any] = answer_at_end(answer).json()
    return summary


def answer_at_end(answer: requests.Response, **request: Any) -> requests.Response:
    """Ask again until the run that an answer tells of has ended, however long that takes."""
    assert answer.ok, answer.text
    while answer.json()["status"] in ("queued", "running"):
        address = f"{answer.json()['links']['self']}?wait=30"
        answer = requests.get(address, timeout=120, **request)
        assert answer.ok, answer.text
    return answer


@contextmanager
def running_product(data_dir: Path, root: Path = ROOT, /, **extra: str) -> Iterator[Product]:
    """Run dashboard and API of ``root`` as ``make run`` does, and stop them as Ctrl-C does."""
    ports = {"MONITOR_DASHBOARD_PORT": str(free_port()), "MONITOR_API_PORT": str(free_port())}
    ports |= {name: extra.pop(name) for name in ports if name in extra}
    environment = {**os.environ, **ports, "MONITOR_DATA_DIR": str(data_dir), **extra}
    log = data_dir.parent / f"{data_dir.name}.log"
    with log.open("w") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "launcher"],
            cwd=root,
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        dashboard = f"http://127.0.0.1:{ports['MONITOR_DASHBOARD_PORT']}"
        api = f"http://127.0.0.1:{ports['MONITOR_API_PORT']}"
        try:
            wait_for(f"{dashboard}/_stcore/health")
            wait_for(f"{api}/readyz")
            yield Product(dashboard, api, data_dir, process, log)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(120)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
