"""The lock that makes sure that one runner works per data directory.

Owns: ``take``, ``is_held``, and the note that its holder may leave. The system releases the lock
when the last process that has its descriptor is gone, however it ended, so a stale lock cannot
exist.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

LOOKS, LOOK_SECONDS = 100, 0.001
"""How often and how long somebody who merely looks at the lock is waited for."""


def take(data_dir: Path) -> int | None:
    """Return a descriptor that holds the lock, or None if somebody else holds it.

    The descriptor may be handed to another process; the lock goes with it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(_path(data_dir), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(LOOKS):
        if _gets(descriptor, fcntl.LOCK_EX):
            os.ftruncate(descriptor, 0)
            return descriptor
        if not _gets(descriptor, fcntl.LOCK_SH):  # held, and not merely looked at
            break
        time.sleep(LOOK_SECONDS)
    os.close(descriptor)
    return None


def write_note(data_dir: Path, note: str) -> None:
    """Leave a sentence for whoever asks about the holder; only the holder may do this."""
    _path(data_dir).write_text(note, encoding="utf-8")


def read_note(data_dir: Path) -> str:
    """Return the holder's sentence, empty as long as it has left none."""
    return _path(data_dir).read_text(encoding="utf-8") if is_held(data_dir) else ""


def is_held(data_dir: Path) -> bool:
    """Whether some process holds the lock."""
    try:
        descriptor = os.open(_path(data_dir), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _gets(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _gets(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _path(data_dir: Path) -> Path:
    return data_dir / "runner.lock"
