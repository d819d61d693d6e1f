"""Closes a process's memory to other processes of the same user.

Owns: ``close_memory``. A model's process runs under the same user as the service; where the kernel
lacks Landlock and seccomp, this still keeps it out of the memory, environment and open files of
the service, which hold tokens, other people's data and true labels.
"""

from __future__ import annotations

import ctypes
import sys

PR_SET_DUMPABLE = 4  # linux/prctl.h


def close_memory() -> None:
    """Refuse debuggers and readers of ``/proc`` from now on; an exec would lift it again."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
