"""``make run``: both servers up, addresses printed, nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from launcher import _api, _dashboard
from settings import Settings
from tests.serving import ROOT, answers, free_port, running_product
from tests.test_jobs import until


def descendants(pid: int) -> set[int]:
    """Return the process ids below ``pid``, read from /proc."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents[int(status.parent.name)] = int(fields[1])
    found, frontier = set(), {pid}
    while frontier:
        frontier = {child for child, parent in parents.items() if parent in frontier}
        found |= frontier
    return found


@pytest.mark.slow
def test_both_servers_come_up_and_go_down(tmp_path: Path) -> None:
    """Both answer, both addresses are printed, and an interrupt leaves no process behind."""
    with running_product(tmp_path / "data") as product:
        assert answers(f"{product.api}/healthz")
        family = descendants(product.process.pid)
        assert len(family) >= 3
        while "Ctrl-C" not in product.log.read_text():  # said once both answer
            time.sleep(0.05)
    assert product.process.returncode == 0
    printed = product.log.read_text()
    assert product.dashboard in printed
    assert product.api in printed
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family))
    assert not re.search("Traceback", printed), printed


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, {"127.0.0.1", "localhost", "::1"}),
        ({"allowed_hosts": ["m.org"]}, {"127.0.0.1", "localhost", "::1", "m.org"}),
        ({"dashboard_password": "correct horse"}, {"*"}),
        (
            {"dashboard_password": "correct horse", "allowed_hosts": ["m.org"]},
            {"127.0.0.1", "localhost", "::1", "m.org"},
        ),
    ],
)
def test_dashboard_answers_to_known_names(options: dict[str, Any], names: set[str]) -> None:
    """Without a sign-in only our own names are answered, so that no page can rebind its name."""
    command = list(_dashboard(Settings.model_validate(options)).command)
    assert {value for name, value in pairwise(command) if name == "--server.allowedHosts"} == names


@pytest.mark.parametrize(
    ("host", "reached"), [("::1", "::1"), ("::", "::1"), ("0.0.0.0", "127.0.0.1"), ("a.b", "a.b")]
)
def test_every_address_is_a_url(host: str, reached: str) -> None:
    """What is printed and asked for is a URL, for IPv6 and for "every address" too."""
    server = _api(Settings(api_host=host, api_port=8123))
    parts = urlsplit(server.health_url)
    assert (parts.hostname, parts.port, parts.path) == (reached, 8123, "/healthz")


def test_streamlit_asks_nobody_for_our_address() -> None:
    """The look-up of the public address is gone in the process that serves the dashboard."""
    code = (
        "import streamlit_offline as s, streamlit.web.cli as c, streamlit.net_util as n\n"
        "n._make_blocking_http_get = None\n"
        "c.main = lambda **_: print('address', n.get_external_ip())\n"
        "s.main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "address None" in ended.stdout, ended.stderr


def test_a_taken_port_is_named() -> None:
    """A port in use ends the start with one sentence and exit code 2."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environment = {
            **os.environ,
            "MONITOR_API_PORT": str(port),
            "MONITOR_DASHBOARD_PORT": str(free_port()),
        }
        ended = subprocess.run(
            [sys.executable, "-m", "launcher"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert ended.returncode == 2
    assert f"Port {port}" in ended.stderr
    assert "MONITOR_API_PORT" in ended.stderr


@pytest.mark.slow
def test_when_one_server_dies_the_other_is_stopped(tmp_path: Path) -> None:
    """A dashboard that is killed takes the API down with it, visibly."""
    with running_product(tmp_path / "data") as product:
        family = descendants(product.process.pid)
        dashboard = next(
            pid for pid in family if b"streamlit" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        os.kill(dashboard, signal.SIGKILL)
        assert product.process.wait(120) == 1
    assert "ended by itself" in product.log.read_text()
