"""The API is killed in mid-run: nothing is lost or doubled, and the client comes through."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests
from sklearn.ensemble import RandomForestClassifier

from tests.serving import ROOT, free_port, wait_for

pytestmark = pytest.mark.slow

CLIENT = ROOT / "example_client" / "client_api_example.py"


def start_api(data_dir: Path, port: int, **extra: str) -> subprocess.Popen[bytes]:
    """Start the API in a process of its own and wait until it takes runs."""
    environment = {
        **os.environ,
        "MONITOR_DATA_DIR": str(data_dir),
        "MONITOR_API_PORT": str(port),
        **extra,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "api_handler"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(f"http://127.0.0.1:{port}/readyz")
    return process


def write_model(folder: Path) -> None:
    """Write a forest that takes some seconds to test, and its sample."""
    import pickle

    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(3000, 12)), columns=[f"x{i}" for i in range(12)])
    y = (table["x0"] + table["x1"] * table["x2"] > 0).astype(int)
    model = RandomForestClassifier(300, random_state=0).fit(table, y)
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    table.assign(y=y).to_csv(folder / "data.csv", index=False)


def until(url: str, holds: Callable[[list[dict[str, object]]], bool]) -> list[dict[str, object]]:
    """Ask for the runs until a condition holds."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        runs: list[dict[str, object]] = requests.get(f"{url}/runs", timeout=60).json()["runs"]
        if holds(runs):
            return runs
        time.sleep(0.1)
    raise TimeoutError(url)


def test_a_killed_server_interrupts_the_run_and_the_retry_completes(tmp_path: Path) -> None:
    """After kill -9 and a restart one run is interrupted, one done, and the client ends with 0."""
    write_model(tmp_path)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = start_api(tmp_path / "data", port)
    command = [sys.executable, str(CLIENT), "model.pkl", "--sample", "data.csv", "--target", "y"]
    with subprocess.Popen(
        [*command, "--url", url, "--key", "job-7"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as client:
        try:
            until(url, lambda runs: any(run["stage"] == "performance" for run in runs))
            server.send_signal(signal.SIGKILL)
            server.wait(10)
            server = start_api(tmp_path / "data", port)
            output, _ = client.communicate(timeout=240)
            assert client.returncode == 0, output
            runs = until(url, lambda runs: len(runs) == 2)
            assert sorted(str(run["status"]) for run in runs) == ["done", "interrupted"]
            again = subprocess.run(
                [*command, "--url", url, "--key", "job-7"], cwd=tmp_path, check=False, timeout=60
            )
            assert again.returncode == 0
            assert requests.get(f"{url}/runs", timeout=60).json()["total"] == 2
        finally:
            client.kill()
            server.terminate()
            server.wait(30)
