"""Approvals on the command line: ``python -m approvals add FILE --note "from our own team"``.

Owns: this command, the only way to let one file run code of its own under the policy standard.
There is none in the browser or over HTTP, so that nobody who uploads can approve.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from access_store import escape_control
from command_line import operator, run_command, say, say_table
from errors import InputError
from formatting import timestamp
from model_file import display_name
from storage import Store


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m approvals", description="Files that may run code of their own."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="approve a file")
    add.add_argument("file", help="path of the file, or the SHA-256 of one that was uploaded")
    add.add_argument("--note", default="", help="why: where it comes from, who looked at it")
    commands.add_parser("list", help="list all approvals")
    revoke = commands.add_parser("revoke", help="take an approval back")
    revoke.add_argument("sha256")
    given = parser.parse_args(arguments)
    return run_command(lambda store: _COMMANDS[given.command](store, given))


def _add(store: Store, given: argparse.Namespace) -> None:
    path, name = _find(store, given.file)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    made = store.access.approve(sha256, name=name, actor=operator(), note=given.note)
    say(f"{name} (SHA-256 {sha256}) is {escape_control(made.sentence)}.")
    say("It may run code of its own, in a confined process, whoever uploads it.")


def _find(store: Store, given: str) -> tuple[Path, str]:
    """Return path and name of the file that is meant."""
    path = Path(given)
    if path.is_file():
        return path, display_name(path.name)
    if re.fullmatch("[0-9a-f]{64}", given):
        return store.artifact_path(given), store.get_artifact(given).name
    msg = f"There is no file {given[:200]!r}; expected a path or the SHA-256 of an uploaded file"
    raise InputError(msg)


def _list(store: Store, _given: argparse.Namespace) -> None:
    rows = [("SHA-256", "state", "file", "by", "on", "note")]
    for item in store.access.list_approvals():
        state = "in force" if item.revoked_at is None else f"revoked {timestamp(item.revoked_at)}"
        texts = (item.name, item.approved_by, timestamp(item.approved_at), item.note)
        name, who, when, note = (escape_control(text) for text in texts)
        rows.append((item.sha256, state, name, who, when, note))
    say_table(rows)


def _revoke(store: Store, given: argparse.Namespace) -> None:
    store.access.revoke_approval(given.sha256, actor=operator())
    say("Taken back; running tests go on, the next load is refused.")


_COMMANDS = {"add": _add, "list": _list, "revoke": _revoke}


if __name__ == "__main__":
    sys.exit(main())
