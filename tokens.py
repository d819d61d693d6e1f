"""API tokens on the command line: ``python -m tokens create NAME --scope run --expires 30d``.

Owns: this command. A token is shown once, when it is made; the store keeps only its hash.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from access_types import Scope
from command_line import operator, run_command, say, say_table
from errors import InputError
from formatting import timestamp
from storage import Store

MAX_DAYS = 3650
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def lifetime(text: str) -> timedelta | None:
    """Return how long a token is valid; None for ever.

    Raises
    ------
    InputError
        It is no length of time.

    Examples
    --------
    >>> lifetime("30d")
    datetime.timedelta(days=30)
    """
    if text == "never":
        return None
    found = re.fullmatch(r"([1-9]\d{0,5})([mhdw])", text)
    span = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if span is None or span.days > MAX_DAYS:
        msg = f"--expires is {text[:40]!r}; expected 30m, 12h, 30d, 8w (at most 10 years) or never"
        raise InputError(msg)
    return span


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tokens", description="Tokens of the API.")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a token and print it, once")
    create.add_argument("name")
    create.add_argument(
        "--scope",
        action="append",
        choices=[scope.value for scope in Scope],
        required=True,
        help="run: start runs, see and cancel one's own; read: see all; admin: everything",
    )
    create.add_argument("--expires", default="90d", help="30m, 12h, 30d, 8w or never (default 90d)")
    commands.add_parser("list", help="list all tokens")
    revoke = commands.add_parser("revoke", help="make a token worthless")
    revoke.add_argument("name")
    commands.add_parser("clear", help="delete all; opens the API to this machine without a token")
    given = parser.parse_args(arguments)
    return run_command(lambda store: _COMMANDS[given.command](store, given))


def _create(store: Store, given: argparse.Namespace) -> None:
    span = lifetime(given.expires)
    expires_at = None if span is None else datetime.now(UTC) + span
    scopes = [Scope(name) for name in given.scope]
    token = store.access.create_token(given.name, scopes, expires_at=expires_at, actor=operator())
    say(token)
    sys.stderr.write("Keep it now: it is not stored and cannot be shown again.\n")


def _list(store: Store, _given: argparse.Namespace) -> None:
    rows = [("name", "state", "scopes", "created", "expires", "last used")]
    now = datetime.now(UTC)
    for token in store.access.list_tokens():
        times = (token.created_at, token.expires_at, token.last_used_at)
        written = [timestamp(time) if time else "never" for time in times]
        created, expires, used = written
        scopes = ", ".join(scope.value for scope in token.scopes)
        rows.append((token.name, token.state(now), scopes, created, expires, used))
    say_table(rows)


def _revoke(store: Store, given: argparse.Namespace) -> None:
    store.access.revoke_token(given.name, actor=operator())
    say(f"The token {given.name!r} is worthless from now on.")


def _clear(store: Store, _given: argparse.Namespace) -> None:
    count = store.access.clear_tokens(actor=operator())
    say(f"Deleted {count}. Restart the API to open it to this machine without a token.")


_COMMANDS = {"create": _create, "list": _list, "revoke": _revoke, "clear": _clear}


if __name__ == "__main__":
    sys.exit(main())
