"""A process of the same user cannot look into the service."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import process_guard

NOBODY = 65534


def become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def child_of_nobody(act: Callable[[], None]) -> int:
    """Fork a process of the user nobody that acts and waits, and return its number."""
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        become_nobody()
        act()
        os.write(told, b"x")
        signal.pause()
    os.read(ready, 1)
    for fd in (ready, told):
        os.close(fd)
    return pid


def sees_environment(of: int) -> bool:
    """Whether another process of the user nobody can read a process's environment."""

    def look() -> None:
        try:
            Path(f"/proc/{of}/environ").read_bytes()
        except PermissionError:
            os._exit(1)
        os._exit(0)

    pid = os.fork()
    if pid == 0:
        become_nobody()
        look()
    return os.waitpid(pid, 0)[1] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("guarded", [False, True])
def test_a_guarded_process_is_closed_to_its_own_user(guarded: bool) -> None:
    """What an ordinary process shows to its user, a guarded one does not."""

    def act() -> None:
        ctypes.CDLL(None).prctl(process_guard.PR_SET_DUMPABLE, 1, 0, 0, 0)
        if guarded:
            process_guard.close_memory()

    pid = child_of_nobody(act)
    try:
        assert sees_environment(pid) is not guarded
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
