"""Who may do what, and what was done: the types.

Owns: scopes, callers, tokens, approvals and entries of the audit log. Computes nothing but the
state of a token.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from base_types import TypedModel

LOCAL = "local"
"""Actor of whoever uses this machine without having to say who they are."""


class Scope(StrEnum):
    """What a token may be used for."""

    RUN = "run"
    READ = "read"
    ADMIN = "admin"


class Action(StrEnum):
    """What the audit log tells of."""

    RUN_CREATED = "run created"
    RUN_CANCELLED = "run cancelled"
    RUN_DELETED = "run deleted"
    TOKEN_CREATED = "token created"  # noqa: S105 - an action, not a token
    TOKEN_REVOKED = "token revoked"  # noqa: S105
    TOKENS_CLEARED = "tokens cleared"
    APPROVAL_ADDED = "approval added"
    APPROVAL_REVOKED = "approval revoked"
    SIGNED_IN = "sign-in ok"
    SIGN_IN_FAILED = "sign-in failed"
    REQUEST_REFUSED = "request refused"


class Caller(TypedModel):
    """Whoever sent a request, as far as it is known."""

    actor: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether the caller has a scope; ``admin`` holds all.

        Examples
        --------
        >>> Caller(actor="token ci", scopes=frozenset({Scope.RUN})).may(Scope.READ)
        False
        """
        return scope in self.scopes or Scope.ADMIN in self.scopes


class ApiToken(TypedModel):
    """A token as it is listed; the token itself is kept nowhere."""

    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def state(self, now: datetime) -> str:
        """Return "valid", "expired" or "revoked"."""
        if self.revoked_at is not None:
            return "revoked"
        expired = self.expires_at is not None and self.expires_at <= now
        return "expired" if expired else "valid"


class Approval(TypedModel):
    """A file that the operator lets run code of its own."""

    sha256: str
    name: str = Field(description="What the file was called, for lists; decides nothing")
    approved_by: str
    approved_at: datetime
    note: str
    revoked_at: datetime | None = None

    @property
    def sentence(self) -> str:
        """One line for reports: who let the file in, when and why."""
        note = f" ({self.note})" if self.note else ""
        return f"approved by {self.approved_by} on {self.approved_at:%Y-%m-%d}{note}"


class AuditEntry(TypedModel):
    """Something that somebody did."""

    id: int
    at: datetime
    actor: str
    action: Action
    target: str
    detail: str = ""
