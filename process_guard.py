"""Ties a process to its parent and closes its memory to other processes of the same user.

Owns: ``close_memory`` and ``die_with_parent``. A model's process runs under the same user as the
service; where the kernel lacks Landlock and seccomp, a closed memory still keeps it out of the
memory, environment and open files of the service, which hold tokens, other people's data and true
labels. Elsewhere than on Linux both do nothing.
"""

from __future__ import annotations

import ctypes
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4  # linux/prctl.h

_libc = ctypes.CDLL(None, use_errno=True)  # loaded before any fork


def close_memory() -> None:
    """Refuse debuggers and readers of ``/proc`` from now on; an exec would lift it again."""
    if sys.platform == "linux":
        _libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def die_with_parent() -> None:
    """Be killed when the parent ends, where the kernel can do that (Linux)."""
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
