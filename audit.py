"""The audit log on the command line: ``python -m audit``.

Owns: this command; the log itself is in ``access_store``. Entries can be read, never changed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from access_store import escape_control
from command_line import run_command, say_table
from formatting import timestamp
from storage import Store


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the newest entries; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m audit", description="Who did what, and when.")
    parser.add_argument("--limit", type=int, default=100, help="how many, the newest first")
    given = parser.parse_args(arguments)
    return run_command(lambda store: _list(store, given.limit))


def _list(store: Store, limit: int) -> None:
    rows = [("at", "who", "what", "on", "detail")]
    for entry in store.access.list_audit(limit):
        texts = (entry.actor, entry.action.value, entry.target, entry.detail)
        who, what, target, detail = (escape_control(text) for text in texts)
        rows.append((timestamp(entry.at), who, what, target, detail))
    say_table(rows)


if __name__ == "__main__":
    sys.exit(main())
