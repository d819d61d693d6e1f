"""Starts dashboard and API together, waits until both answer, and stops both.

Owns: the two child processes of ``make run``. It prints their addresses once both answer, passes
Ctrl-C on, and never leaves a child behind.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import examples
from cpu_tuning import tuned_environment
from errors import InputError
from settings import LOOPBACK_HOSTS, Settings, get_settings

ROOT = Path(__file__).resolve().parent
CAN_FORK = hasattr(os, "fork")
"""Runs and models are held in forked processes; Windows has none."""
START_SECONDS = 120.0
"""How long both servers may take to answer; a cold disk needs some ten seconds."""
STOP_SECONDS = 15.0
"""How long a server may take to stop before it is killed."""


@dataclass
class Server:
    """One child: what to run, and the address that answers when it is up."""

    title: str
    url: str
    health_url: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the process in a session of its own, so that one Ctrl-C is handled once."""
        self.process = subprocess.Popen(  # noqa: S603 - our own modules
            self.command, cwd=ROOT, env=dict(environment), start_new_session=True
        )

    def answers(self) -> bool:
        """Whether the server answers its health address; raises InputError if it has ended."""
        if self.process is not None and self.process.poll() is not None:
            message = f"{self.title} ended with exit code {self.process.returncode}."
            raise InputError(message)
        try:
            with urllib.request.urlopen(self.health_url, timeout=2) as answer:  # noqa: S310 - http
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """Ask the process to end and kill its session if it does not."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def main() -> int:
    """Run both servers until Ctrl-C or until one of them ends; return the exit code."""
    if not CAN_FORK:
        sys.stderr.write(
            "This system cannot fork processes, which hold the models here. On Windows, install "
            "WSL 2 (wsl --install) and start there, where models are also fully isolated.\n"
        )
        return 2
    try:
        settings = get_settings()
        servers = [_dashboard(settings), _api(settings)]
        _refuse_taken_ports(settings)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _interrupt)
    training = None if examples.is_ready(settings.data_dir) else _train(settings)
    environment = tuned_environment(os.environ) | local_defaults(settings)
    try:
        for server in servers:
            server.start(environment)
        _wait_until_up(servers)
        _announce(servers)
        return _watch(servers, training)
    except KeyboardInterrupt:
        sys.stdout.write("\nStopping ...\n")
        return 0
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_IGN)
        for server in servers:
            server.stop()
        if training is not None and training.poll() is None:
            training.terminate()


def local_defaults(settings: Settings) -> dict[str, str]:
    """Return what a start on this machine's own addresses allows unless somebody said otherwise."""
    is_local = {settings.api_host, settings.dashboard_host} <= LOOPBACK_HOSTS
    said = "environments" in settings.model_fields_set
    return {"MONITOR_ENVIRONMENTS": "true"} if is_local and not said else {}


def _train(settings: Settings) -> subprocess.Popen[bytes]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return examples.start_training(settings.data_dir)


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _dashboard(settings: Settings) -> Server:
    url = settings.dashboard_url
    options = {
        "server.address": settings.dashboard_host,
        "server.port": str(settings.dashboard_port),
        "server.maxUploadSize": str(max(settings.max_model_mb, settings.max_sample_mb)),
    }
    command = [sys.executable, "-m", "streamlit_offline", "run", "app.py"]
    for name, value in options.items():
        command += [f"--{name}", value]
    for host in _dashboard_names(settings):
        command += ["--server.allowedHosts", host]
    return Server("The dashboard", url, f"{url}/_stcore/health", command)


def _dashboard_names(settings: Settings) -> list[str]:
    """Return the names the dashboard answers to: a web page may point its own name at us."""
    if settings.has_sign_in and not settings.allowed_hosts:
        return ["*"]  # whoever can sign in need not come by a known name
    return sorted({*LOOPBACK_HOSTS, settings.dashboard_host, *settings.allowed_hosts})


def _api(settings: Settings) -> Server:
    url = settings.api_url
    return Server("The API", url, f"{url}/healthz", [sys.executable, "-m", "api_handler"])


def _refuse_taken_ports(settings: Settings) -> None:
    places = (
        (settings.dashboard_host, settings.dashboard_port, "MONITOR_DASHBOARD_PORT"),
        (settings.api_host, settings.api_port, "MONITOR_API_PORT"),
    )
    for host, port, variable in places:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                message = (
                    f"Port {port} on {host} cannot be used ({error.strerror}). "
                    f"Stop what listens there, or choose another with {variable}=..."
                )
                raise InputError(message) from error


def _wait_until_up(servers: Sequence[Server]) -> None:
    deadline = time.monotonic() + START_SECONDS
    waiting = list(servers)
    while waiting:
        waiting = [server for server in waiting if not server.answers()]
        if waiting and time.monotonic() > deadline:
            message = f"{waiting[0].title} did not answer within {START_SECONDS:.0f} s."
            raise InputError(message)
        time.sleep(0.1)


def _announce(servers: Sequence[Server]) -> None:
    dashboard, api = servers
    sys.stdout.write(
        f"\n  Dashboard  {dashboard.url}\n  API        {api.url}  (documentation: {api.url}/docs)\n"
        "\n  Ctrl-C stops both.\n\n"
    )
    sys.stdout.flush()


def _watch(servers: Sequence[Server], training: subprocess.Popen[bytes] | None) -> int:
    while True:
        if training is not None:
            training.poll()  # its end is noted, so that no dead process stays listed
        for server in servers:
            if server.process is not None and server.process.poll() is not None:
                sys.stderr.write(f"{server.title} ended by itself; stopping the other.\n")
                return 1
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
