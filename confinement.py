"""What a worker process may do: limits on resources and the end of its parent.

Owns: everything a freshly forked worker takes away from itself before it touches a model.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from dataclasses import dataclass

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
MAX_OPEN_FILES = 256
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Rules:
    """What one worker is held to.

    Parameters
    ----------
    memory_mb : int
        Memory it may take beyond what it starts with, MiB.
    """

    memory_mb: int


def confine(rules: Rules) -> None:
    """Give up everything this process does not need; there is no way back."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:  # the parent ended before that took hold
        os._exit(1)
    _prctl(PR_SET_DUMPABLE, 0)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _limit_resources(rules)


def _limit_resources(rules: Rules) -> None:
    """Bound memory above what the process has now, files and core dumps."""
    budget = rules.memory_mb * MIB
    in_use = memory_in_use()
    limits = {
        resource.RLIMIT_DATA: in_use["VmData"] + budget,
        resource.RLIMIT_AS: in_use["VmSize"] + budget,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
    }
    for which, value in limits.items():
        hard = resource.getrlimit(which)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (bound, bound))


def memory_in_use() -> dict[str, int]:
    """Return the sizes in ``/proc/self/status`` in bytes, by field name."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123
        lines = [line.split() for line in file if line.startswith("Vm")]
    return {name.rstrip(":"): int(size) * 1024 for name, size, _ in lines}


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
