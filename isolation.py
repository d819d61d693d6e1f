"""How well models are held on this machine: tried out, not looked up.

Owns: ``self_test`` and its report. A worker makes every attempt of ``isolation_probe`` on things
laid out for it; this side also looks for traces itself, because a worker's word is not enough.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

import landlock_rules
import sandbox
import syscall_rules
from errors import ModelCrashedError, ModelError, MonitorError
from isolation_probe import ATTEMPTS, Targets
from sandbox import Limits, Worker, Workers

RUN_A_PROGRAM = "run another program"
PROBE_LIMITS = Limits(memory_mb=256, load_seconds=20, call_seconds=20)
BASE_LAYERS = ("own process", "clean environment", "limits", "wall clock")


@dataclass(frozen=True, slots=True)
class IsolationReport:
    """How a model's process is held.

    Parameters
    ----------
    level : {"full", "partial", "none"}
        ``full``: no attempt got through; ``partial``: a process of its own with limits, but
        something got through; ``none``: no process could be started.
    layers : tuple of str
        What is in force.
    findings : tuple of str
        What a model could do although it should not.
    """

    level: str
    layers: tuple[str, ...]
    findings: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One line for reports.

        Examples
        --------
        >>> IsolationReport("partial", ("limits",), ("connect by TCP",)).summary
        'partial: a model could connect by TCP'
        """
        if self.level == "full":
            return f"full: {', '.join(self.layers)}"
        return f"{self.level}: a model could {', '.join(self.findings)}"

    def reaches(self, required: str) -> bool:
        """Whether this is at least the required level: "none", "partial" or "full".

        Examples
        --------
        >>> IsolationReport("partial", ()).reaches("full")
        False
        """
        order = ("none", "partial", "full")
        return order.index(self.level) >= order.index(required)


def self_test(workers: Workers) -> IsolationReport:
    """Try out how models are held; the answer is kept with ``workers``.

    Parameters
    ----------
    workers : Workers
        Whose workers are tried.

    Returns
    -------
    IsolationReport
    """
    if workers.isolation is None:
        workers.isolation = _tried(workers)
    known: IsolationReport = workers.isolation
    return known


def _tried(workers: Workers) -> IsolationReport:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="isolation-")))
        targets = _lay_out(stack, folder)
        try:
            findings = _attempts(workers, targets)
        except MonitorError as error:
            return IsolationReport("none", (), (f"not be started: {error}",))
        traces = [path for path in (targets["home"], targets["temporary"]) if os.path.lexists(path)]
        if traces:
            findings.append("leave files behind")
    return IsolationReport("partial" if findings else "full", _layers(), tuple(findings))


def _attempts(workers: Workers, targets: Targets) -> list[str]:
    """Return what got through in two probe workers; the second one may become a program."""
    worker = workers.spawn(Path(os.devnull), PROBE_LIMITS)
    with contextlib.closing(worker):
        told = _probe(worker, {"op": "probe", "targets": targets})
    findings = [name for name in ATTEMPTS if name in told]
    worker = workers.spawn(Path(os.devnull), PROBE_LIMITS)
    with contextlib.closing(worker):
        try:
            _probe(worker, {"op": "probe", "targets": None})
        except ModelCrashedError:  # it became another program, which ended
            findings.append(RUN_A_PROGRAM)
    return findings


def _probe(worker: Worker, header: dict[str, object]) -> list[str]:
    reply = worker.request(header, doing="being probed", timeout=PROBE_LIMITS.call_seconds)
    told = reply.header.get("got_through")
    if not isinstance(told, list):
        message = "The probe of the isolation gave no answer."
        raise ModelError(message)
    return [str(name) for name in told]


def _lay_out(stack: contextlib.ExitStack, folder: Path) -> Targets:
    """Make everything the attempts are made on; it goes when the stack closes."""
    home = _home() / f".isolation-probe-{secrets.token_hex(8)}"
    stack.callback(_remove, home)
    secret, old = folder / "secret", folder / "new.old"
    secret.write_text("a secret of the service")
    old.touch()
    abstract = f"isolation-probe-{secrets.token_hex(8)}"
    tcp = _bound(stack, socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
    udp = _bound(stack, socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
    if sandbox.IS_LINUX:
        _bound(stack, socket.AF_UNIX, socket.SOCK_STREAM, "\0" + abstract)
    return Targets(
        home=str(home),
        temporary=str(folder / "new"),
        secret=str(secret),
        tcp=tcp.getsockname()[1],
        udp=udp.getsockname()[1],
        abstract=abstract,
        memory_mb=PROBE_LIMITS.memory_mb,
    )


def _home() -> Path:
    """Return this user's home folder, the root where the system knows none."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # a home that cannot be entered holds no trace
        path.unlink()


def _bound(
    stack: contextlib.ExitStack, family: int, kind: int, address: str | tuple[str, int]
) -> socket.socket:
    listener = stack.enter_context(socket.socket(family, kind))
    listener.bind(address)
    if kind == socket.SOCK_STREAM:
        listener.listen()
    return listener


def _layers() -> tuple[str, ...]:
    """Return what this machine offers and every worker therefore uses."""
    if not sandbox.IS_LINUX:
        return BASE_LAYERS
    version = landlock_rules.version()
    landlock = (f"Landlock {version}",) if version else ()
    seccomp = ("seccomp",) if syscall_rules.compile_program() is not None else ()
    return (*BASE_LAYERS, *landlock, *seccomp)
