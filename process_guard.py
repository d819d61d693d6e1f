"""Ties a process to its parent and closes its memory to other processes of the same user.

Owns: ``close_memory``, ``die_with_parent`` and ``hear_ends`` of children. A model's process runs
under the same user as the service; where the kernel lacks Landlock and seccomp, a closed memory
still keeps it out of the memory, environment and open files of the service, which hold tokens,
other people's data and true labels. Elsewhere than on Linux the first two do nothing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4  # linux/prctl.h

_libc = ctypes.CDLL(None, use_errno=True)  # loaded before any fork


def close_memory() -> None:
    """Refuse debuggers and readers of ``/proc`` from now on; an exec would lift it again."""
    if sys.platform == "linux":
        _libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def hear_ends() -> int:
    """Return a descriptor that can be read whenever a child of this process has ended."""
    awake, wake = os.pipe()
    for fd in (awake, wake):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    return awake


def hear_no_ends() -> None:
    """Undo ``hear_ends`` in a child."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def die_with_parent() -> None:
    """Be killed when the parent ends, where the kernel can do that (Linux)."""
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
