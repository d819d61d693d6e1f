"""What the operator's commands share: who gives them, what they print, how they end.

Owns: ``operator`` and ``run_command``, behind ``python -m tokens``, ``approvals`` and ``audit``.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterable, Sequence

from errors import MonitorError
from settings import load_settings
from storage import Store


def operator() -> str:
    """Return the operating system's name of whoever gives a command."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without an entry in /etc/passwd
        return "operator"


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def say_table(rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns, the first row being the header."""
    lines = list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def run_command(do: Callable[[Store], None]) -> int:
    """Do something with the store that the settings name; return the exit code."""
    try:
        store = Store.open(load_settings())
        try:
            do(store)
        finally:
            store.close()
    except MonitorError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0
