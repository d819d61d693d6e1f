"""What a worker process takes away from itself before it touches a model.

Owns: the order of the layers and the limits on resources. Files are ``landlock_rules``, system
calls ``syscall_rules``; whether all that holds on this machine is tried out by ``isolation``. A
layer that the machine does not offer is left out; a layer that it offers must take hold, or the
worker ends. Outside Linux only limits on files and core dumps are left. Standard library alone,
Python 3.7 syntax: workers under other interpreters use it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path

import landlock_rules
import syscall_rules

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
CAPABILITY_VERSION = 0x20080522
MAX_OPEN_FILES = 256
CPU_GRACE_SECONDS = 2
MIB = 1 << 20
FILE_LIMITS = {
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
}


@dataclass(frozen=True)
class Rules:
    """What one worker is held to.

    Parameters
    ----------
    memory_mb : int
        Memory it may take beyond what it starts with, MiB.
    cpu_seconds : int
        Time on processors over all its threads, seconds.
    """

    memory_mb: int
    cpu_seconds: int


@dataclass(frozen=True)
class Layers:
    """What this machine offers, found once by the warm parent.

    Parameters
    ----------
    landlock : int
        Version of Landlock; 0 for none.
    paths : list of str
        What stays readable.
    program : bytes or None
        The system call filter.
    """

    landlock: int
    paths: list[str]
    program: bytes | None


def readable_paths() -> list[str]:
    """Return what this interpreter's libraries may need to read; never the product's own folder."""
    return landlock_rules.readable_paths(Path(__file__).parent)


def prepare() -> Layers:
    """Find out what this machine offers and do all work that need not be done per worker."""
    return Layers(
        landlock=landlock_rules.version(),
        paths=readable_paths(),
        program=syscall_rules.compile_program(),
    )


def confine(rules: Rules, layers: Layers | None, parent_pid: int) -> None:
    """Give up everything this process does not need; there is no way back.

    Parameters
    ----------
    rules : Rules
        What it is held to.
    layers : Layers or None
        From ``prepare``; None where the system is not Linux.
    parent_pid : int
        The warm parent, without which this process must not live.

    Raises
    ------
    OSError
        If a layer does not take hold.
    """
    if layers is None:
        _limit(FILE_LIMITS)
        _limit_processor_time(rules.cpu_seconds)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    if os.getppid() != parent_pid:  # it ended before that took hold
        os._exit(1)
    _checked(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
    _checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _limit_resources(rules)
    if os.geteuid() == 0:
        _drop_capabilities(libc)
    if layers.landlock:
        landlock_rules.restrict(layers.landlock, layers.paths)
    if layers.program is not None:
        syscall_rules.install(layers.program)


def memory_in_use() -> dict[str, int]:
    """Return the sizes in ``/proc/self/status`` in bytes, by field name."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123
        lines = [line.split() for line in file if line.startswith("Vm")]
    return {name.rstrip(":"): int(size) * 1024 for name, size, _ in lines}


def _limit_resources(rules: Rules) -> None:
    """Bound memory above what the process has now, processor time, files and core dumps."""
    budget = rules.memory_mb * MIB
    in_use = memory_in_use()
    memory = {
        resource.RLIMIT_DATA: in_use["VmData"] + budget,
        resource.RLIMIT_AS: in_use["VmSize"] + budget,
    }
    _limit({**memory, **FILE_LIMITS})
    _limit_processor_time(rules.cpu_seconds)


def _limit_processor_time(seconds: int) -> None:
    """Be told to end after so many seconds, and killed a little later."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard == resource.RLIM_INFINITY or hard > seconds:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + CPU_GRACE_SECONDS))


def _limit(limits: dict[int, int]) -> None:
    for which, value in limits.items():
        hard = resource.getrlimit(which)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (bound, bound))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Keep the user id of root without its powers."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    _checked(libc.capset(header, (ctypes.c_uint32 * 6)()))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
