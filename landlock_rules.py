"""Which files a worker may open: Landlock, spoken to directly.

Owns: three system calls (they have the same numbers on every architecture) and the list of what
the libraries must still be able to read after the worker has locked itself up. Everything else is
closed: writing anywhere, TCP, abstract sockets, and signals to other processes as far as the
kernel's version of Landlock goes.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION = 1
PATH_BENEATH = 1
READ_FILE, READ_DIR = 1 << 2, 1 << 3
FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All rights on files that a version can handle, from that version on."""
TCP_SINCE, TCP_RIGHTS = 4, 0b11
SCOPES_SINCE, SCOPES = 6, 0b11  # abstract sockets, signals
O_PATH = getattr(os, "O_PATH", 0)

SYSTEM_PATHS = (
    *("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache"),
    *("/usr/share/zoneinfo", "/sys/devices/system/cpu", "/sys/fs/cgroup", "/dev/urandom"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/sys/vm/overcommit_memory"),
)
OWN_PROCESS = ("stat", "statm", "status", "maps", "cgroup")
"""Files under ``/proc/self`` that numerical libraries look at."""


def version() -> int:
    """Return the version of Landlock that this kernel offers; 0 for none."""
    return max(0, int(_libc().syscall(CREATE_RULESET, None, 0, ASK_VERSION)))


def readable_paths(project: Path) -> list[str]:
    """Return what libraries may need to read: themselves, the system's libraries, few facts.

    Parameters
    ----------
    project : Path
        The product's own folder, which also holds users' data: never readable.
    """
    own = (p for p in sys.path if p and Path(p).resolve() != project.resolve())
    places = [*own, f"{sys.base_prefix}/lib", *SYSTEM_PATHS]
    return list(dict.fromkeys(places))


def restrict(abi: int, paths: list[str]) -> None:
    """Close everything but reading beneath ``paths`` for this process, for good.

    Parameters
    ----------
    abi : int
        ``version()``, at least 1.
    paths : list of str
        ``readable_paths()``; the files of ``OWN_PROCESS`` are added.

    Raises
    ------
    OSError
        If the kernel refuses; nothing is closed then.
    """
    handled = next(rights for since, rights in sorted(FILE_RIGHTS.items())[::-1] if abi >= since)
    attributes = struct.pack(
        "=QQQ",
        handled,
        TCP_RIGHTS if abi >= TCP_SINCE else 0,
        SCOPES if abi >= SCOPES_SINCE else 0,
    )
    size = 8 if abi < TCP_SINCE else 16 if abi < SCOPES_SINCE else 24
    ruleset = _checked(CREATE_RULESET, attributes, size, 0)
    for path in [*paths, *(f"/proc/self/{name}" for name in OWN_PROCESS)]:
        with contextlib.suppress(FileNotFoundError, PermissionError):  # nothing to keep open
            _allow_reading(ruleset, path)
    _checked(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow_reading(ruleset: int, path: str) -> None:
    place = os.open(path, O_PATH | os.O_CLOEXEC)
    try:
        rights = READ_FILE | READ_DIR if Path(path).is_dir() else READ_FILE
        _checked(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


def _checked(number: int, *arguments: object) -> int:
    result: int = _libc().syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
