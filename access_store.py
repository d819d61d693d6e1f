"""The part of the store that knows who may do what, and who did what.

Owns: ``AccessStore`` with API tokens, approvals of files and the audit log. Whatever changes a
right writes its entry of the log in the same transaction, so that neither is without the other.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from access_types import Action, ApiToken, Approval, AuditEntry, Caller, Scope
from database import Database
from errors import ConflictError, InputError, NotFoundError
from storage_tables import api_token, approval, audit

TOKEN_PREFIX = "mm_"  # noqa: S105 - tells scanners of leaked secrets what it is
TOKEN_BYTES = 32
TOKEN_ACTOR = "token"  # noqa: S105 - how the log names who came with one
USE_NOTED_EVERY = timedelta(minutes=1)
"""How exactly "last used" is kept: a write costs milliseconds, a look almost nothing."""

REFUSALS_KEPT = timedelta(days=90)
"""Entries that strangers can cause are deleted after this time; all others stay."""

MAX_TEXT = 500
_NAME = re.compile(r"[A-Za-z0-9][\w.@-]{0,63}", re.ASCII)


class AccessStore:
    """Tokens, approvals and the audit log over one database.

    Parameters
    ----------
    database : Database
        Shared with the rest of the store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- tokens ------------------------------------------------------------------------------

    def create_token(
        self, name: str, scopes: Iterable[Scope], *, expires_at: datetime | None, actor: str
    ) -> str:
        """Make a token and return it; it cannot be told a second time.

        Kept is only its SHA-256: a random number of 256 bits cannot be guessed however quick the
        hash is, so the slow hashes that passwords need would cost time at every request and win
        nothing.

        Raises
        ------
        InputError
            The name cannot be used.
        ConflictError
            There is a token of this name.
        """
        if not _NAME.fullmatch(name):
            msg = f"The name {name[:80]!r} cannot be used; expected 1 to 64 of A-Z a-z 0-9 . _ @ -"
            raise InputError(msg)
        token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        names = sorted({scope.value for scope in scopes})
        values = {
            "name": name,
            "hash": _digest(token),
            "scopes": names,
            "created_at": _now(),
            "expires_at": expires_at,
        }
        with self._database.write() as connection:
            if connection.scalar(sa.select(api_token.c.name).where(api_token.c.name == name)):
                msg = f"There is a token {name!r} already, perhaps a revoked one; take another name"
                raise ConflictError(msg)
            connection.execute(sa.insert(api_token), values)
            write_audit(connection, actor, Action.TOKEN_CREATED, name, f"scopes {', '.join(names)}")
        return token

    def any_token(self) -> bool:
        """Whether a token was ever made; revoked and expired ones count, so nothing opens again."""
        with self._database.read() as connection:
            return connection.scalar(sa.select(api_token.c.name).limit(1)) is not None

    def may_read_all(self, actor: str | None) -> bool:
        """Whether whoever began a run may see others' too: all but a token without that scope."""
        kind, _, name = (actor or "").partition(" ")
        if kind != TOKEN_ACTOR:
            return True
        statement = sa.select(api_token.c.scopes).where(api_token.c.name == name)
        with self._database.read() as connection:
            scopes = connection.scalar(statement) or []
        return bool({Scope.READ.value, Scope.ADMIN.value} & set(scopes))

    def caller_of(self, token: str) -> Caller | None:
        """Return who comes with this token, or None if it is not valid (any more)."""
        digest = _digest(token)
        with self._database.read() as connection:
            row = connection.execute(sa.select(api_token).where(api_token.c.hash == digest)).first()
        # the index compares digests, of which a caller can choose no byte; this compares the rest
        if row is None or not hmac.compare_digest(row.hash, digest):
            return None
        known, now = _token_of(row), _now()
        if known.state(now) != "valid":
            return None
        if known.last_used_at is None or now - known.last_used_at > USE_NOTED_EVERY:
            self._set_token(known.name, last_used_at=now)
        return Caller(actor=f"{TOKEN_ACTOR} {known.name}", scopes=frozenset(known.scopes))

    def list_tokens(self) -> list[ApiToken]:
        """Return all tokens, the oldest first."""
        statement = sa.select(api_token).order_by(api_token.c.created_at, api_token.c.name)
        with self._database.read() as connection:
            return [_token_of(row) for row in connection.execute(statement).all()]

    def revoke_token(self, name: str, *, actor: str) -> None:
        """Make a token worthless from now on.

        Raises
        ------
        NotFoundError
            There is no such token, or it was revoked before.
        """
        alive = sa.and_(api_token.c.name == name, api_token.c.revoked_at.is_(None))
        with self._database.write() as connection:
            done = connection.execute(
                sa.update(api_token).where(alive).values(revoked_at=_now())
            ).rowcount
            if not done:
                msg = f"There is no token {name[:80]!r} that could be revoked"
                raise NotFoundError(msg)
            write_audit(connection, actor, Action.TOKEN_REVOKED, name)

    def clear_tokens(self, *, actor: str) -> int:
        """Delete all tokens, which opens the API to this machine again; return how many."""
        with self._database.write() as connection:
            count = connection.execute(sa.delete(api_token)).rowcount
            write_audit(connection, actor, Action.TOKENS_CLEARED, "all", f"{count} tokens")
        return count

    def _set_token(self, name: str, **values: object) -> None:
        with self._database.write() as connection:
            connection.execute(
                sa.update(api_token).where(api_token.c.name == name).values(**values)
            )

    # --- approvals ---------------------------------------------------------------------------

    def approve(self, sha256: str, *, name: str, actor: str, note: str) -> Approval:
        """Let the file with this SHA-256 run code of its own; an earlier approval is replaced."""
        made = Approval(
            sha256=sha256, name=name, approved_by=actor, approved_at=_now(), note=note[:MAX_TEXT]
        )
        with self._database.write() as connection:
            _end_approvals(connection, sha256)
            connection.execute(sa.insert(approval), made.model_dump())
            write_audit(connection, actor, Action.APPROVAL_ADDED, sha256, f"{name}: {note}")
        return made

    def find_approval(self, sha256: str) -> Approval | None:
        """Return the approval in force for a file, if any."""
        statement = sa.select(approval).where(
            approval.c.sha256 == sha256, approval.c.revoked_at.is_(None)
        )
        with self._database.read() as connection:
            row = connection.execute(statement).first()
        return None if row is None else _approval_of(row)

    def list_approvals(self) -> list[Approval]:
        """Return all approvals, revoked ones too, the oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(approval).order_by(approval.c.id)).all()
        return [_approval_of(row) for row in rows]

    def revoke_approval(self, sha256: str, *, actor: str) -> None:
        """Take an approval back.

        Raises
        ------
        NotFoundError
            There is none in force.
        """
        with self._database.write() as connection:
            if not _end_approvals(connection, sha256):
                msg = f"No approval of {sha256[:64]} is in force; see python -m approvals list"
                raise NotFoundError(msg)
            write_audit(connection, actor, Action.APPROVAL_REVOKED, sha256)

    # --- audit -------------------------------------------------------------------------------

    def audit(self, actor: str, action: Action, target: str, detail: str = "") -> None:
        """Write one entry of the log."""
        with self._database.write() as connection:
            write_audit(connection, actor, action, target, detail)

    def list_audit(self, limit: int = 100, *, before: int | None = None) -> list[AuditEntry]:
        """Return entries, the newest first; ``before`` is the id to go on from."""
        statement = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(audit.c.id < before)
        with self._database.read() as connection:
            rows = connection.execute(statement).mappings().all()
        return [AuditEntry.model_validate(dict(row)) for row in rows]

    def drop_old_refusals(self) -> None:
        """Delete old entries that strangers can cause at will."""
        kinds = (Action.REQUEST_REFUSED.value, Action.SIGN_IN_FAILED.value)
        old = sa.and_(audit.c.action.in_(kinds), audit.c.at < _now() - REFUSALS_KEPT)
        with self._database.write() as connection:
            connection.execute(sa.delete(audit).where(old))


def write_audit(
    connection: sa.Connection, actor: str, action: Action, target: str, detail: str = ""
) -> None:
    """Write one entry of the log in somebody else's transaction."""
    values = {
        "at": _now(),
        "actor": escape_control(actor),
        "action": action.value,
        "target": escape_control(target),
        "detail": escape_control(detail),
    }
    connection.execute(sa.insert(audit), values)


def escape_control(text: str) -> str:
    r"""Return text on one line, with everything written out that a terminal would not show.

    Examples
    --------
    >>> escape_control("a\x1b[31m\nb")
    'a\\x1b[31m\\nb'
    """
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:MAX_TEXT])
    return "".join(shown)


def _end_approvals(connection: sa.Connection, sha256: str) -> int:
    valid = sa.and_(approval.c.sha256 == sha256, approval.c.revoked_at.is_(None))
    return connection.execute(sa.update(approval).where(valid).values(revoked_at=_now())).rowcount


def _token_of(row: sa.Row[Any]) -> ApiToken:
    values = dict(row._mapping)
    del values["hash"]
    return ApiToken.model_validate(values)


def _approval_of(row: sa.Row[Any]) -> Approval:
    values = dict(row._mapping)
    del values["id"]
    return Approval.model_validate(values)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _now() -> datetime:
    return datetime.now(UTC)
