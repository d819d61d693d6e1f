"""Archives of a run, drawn in a process of their own: a door answers others meanwhile.

Owns: ``make_archive``, the door's side of the process whose other side is ``report_bundle``, and
the few archives kept for who asks again. Light to import: nothing that draws.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path
from typing import Literal

from cpu_tuning import single_threaded, tuned_environment
from errors import BusyError, MonitorError

Content = Literal["everything", "svg", "png"]

ROOT = Path(__file__).resolve().parent
SECONDS = 300.0
WAIT_SECONDS = 30.0
"""Longest wait for others' archives."""

_drawing = threading.Lock()


@lru_cache(maxsize=8)
def make_archive(report_json: str, content: Content) -> bytes:
    """Return everything of a run, or its charts as pictures, as a ZIP.

    Parameters
    ----------
    report_json : str
        The stored report; the same one gives the same bytes.
    content : {"everything", "svg", "png"}

    Raises
    ------
    MonitorError
        The process died or took too long.
    BusyError
        Others' archives take too long: who waits holds a thread that other requests need.
    """
    if not _drawing.acquire(timeout=WAIT_SECONDS):  # one at a time: it costs seconds of a processor
        message = "Other charts are being drawn; try again in a moment"
        raise BusyError(message, 10)
    try:
        return _drawn(report_json, content)
    finally:
        _drawing.release()


def _drawn(report_json: str, content: Content) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "report_bundle", content],
            cwd=ROOT,
            env=single_threaded(tuned_environment(os.environ)),
            input=report_json.encode(),
            stdout=subprocess.PIPE,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"The charts were not drawn within {SECONDS:g} s; try again later"
        raise MonitorError(message) from None
    if done.returncode:
        message = f"The charts could not be drawn (code {done.returncode}); see the server's log"
        raise MonitorError(message)
    return done.stdout
