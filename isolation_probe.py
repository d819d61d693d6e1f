"""Attacks that a worker makes on purpose, to learn whether its confinement holds here.

Owns: the list of attempts. Runs inside a worker that holds no model; each attempt does something
a hostile model would do and says whether it got through. Harmless where it succeeds: it only
touches what ``isolation`` laid out for it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypedDict
else:
    TypedDict = dict  # Python 3.7 has none


class Targets(TypedDict):
    """What the attempts are made on.

    ``home``, ``temporary``: files that do not exist yet; ``secret``: a file that exists;
    ``tcp``, ``udp``: ports on 127.0.0.1; ``abstract``: name of an abstract socket;
    ``memory_mb``: the limit in force.
    """

    home: str
    temporary: str
    secret: str
    tcp: int
    udp: int
    abstract: str
    memory_mb: int


def attempt_all(targets: Targets) -> list[str]:
    """Return the names of all attempts that got through; running a program is not among them."""
    return [name for name, attempt in ATTEMPTS.items() if _succeeds(attempt, targets)]


def run_a_program() -> None:
    """Become another program; returns only if that was prevented."""
    for path in ("/bin/true", "/usr/bin/true"):
        try:
            os.execv(path, [path])  # noqa: S606 - meant to fail
        except OSError:
            continue


def _succeeds(attempt: Callable[[Targets], object], targets: Targets) -> bool:
    try:
        attempt(targets)
    except (OSError, MemoryError, ValueError):  # ValueError: how a refused limit is told
        return False
    except AttributeError:  # this system does not even offer the call
        return False
    return True


def _write(path: str) -> None:
    with Path(path).open("w") as file:
        file.write("written by a worker")


def _connect(family: int, kind: int, address: str | tuple[str, int]) -> None:
    with socket.socket(family, kind) as connection:
        connection.settimeout(1)
        connection.connect(address)
        connection.send(b"from a worker")


def _fork(targets: Targets) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _read_parent_memory(targets: Targets) -> None:
    with Path(f"/proc/{os.getppid()}/mem").open("rb"):
        pass


def _take_memory(targets: Targets) -> None:
    size = (targets["memory_mb"] + 64) << 20
    mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()


def _raise_limit(targets: Targets) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _outlive_parent(targets: Targets) -> None:
    if sys.platform != "linux":
        return  # nothing ties it to its parent there
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(1, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _memory_file() -> int:
    libc = ctypes.CDLL(None, use_errno=True)  # Python 3.7 has no memfd_create of its own
    fd: int = libc.memfd_create(b"worker", 0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "memfd_create")
    return fd


def _signal_from_thread(targets: Targets) -> None:
    outcome: list[OSError] = []

    def send() -> None:
        try:
            os.kill(os.getppid(), 0)
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    thread.join()
    if outcome:
        raise outcome[0]


ATTEMPTS: dict[str, Callable[[Targets], object]] = {
    "write into the home folder": lambda t: _write(t["home"]),
    "write into the folder for temporary files": lambda t: _write(t["temporary"]),
    "change a file": lambda t: _write(t["secret"]),
    "make a folder": lambda t: Path(t["temporary"] + ".d").mkdir(),
    "delete a file": lambda t: Path(t["temporary"] + ".old").unlink(),
    "read a file of the service": lambda t: Path(t["secret"]).read_bytes(),
    "read /etc/passwd": lambda t: Path("/etc/passwd").read_bytes(),
    "change a file's mode": lambda t: Path(t["secret"]).chmod(0o600),
    "change a file's times": lambda t: os.utime(t["secret"]),
    "connect by TCP": lambda t: _connect(
        socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", t["tcp"])
    ),
    "send by UDP": lambda t: _connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", t["udp"])),
    "connect to a local socket": lambda t: _connect(
        socket.AF_UNIX, socket.SOCK_STREAM, "\0" + t["abstract"]
    ),
    "start another process": _fork,
    "send a signal to its parent": lambda t: os.kill(os.getppid(), 0),
    "send a signal from a thread": _signal_from_thread,
    "open its parent's memory": _read_parent_memory,
    "outlive its parent": _outlive_parent,
    "take more memory than its limit": _take_memory,
    "share memory that no limit counts": lambda t: mmap.mmap(-1, 1 << 20).close(),
    "create a file in memory": lambda t: os.close(_memory_file()),
    "raise its own limits": _raise_limit,
}
"""What is tried, by what a user would call it."""
