"""Who a request comes from and whether they may make it.

Owns: the scope each address needs, the check of tokens, how often a client may start runs, and
what the audit log tells of refused requests. Knows nothing of bodies and routes' insides.
"""

from __future__ import annotations

import hmac
import re
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import Scope as Connection

from access_types import Action, Caller, Scope
from errors import NotFoundError
from rate_limits import RateLimiter
from settings import Settings
from storage import Store

OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/docs", "/openapi.json"})
"""Answered without a token: they tell nothing about runs."""

REFUSALS_PER_MINUTE, ALL_REFUSALS_PER_MINUTE = 6, 60
"""How many refusals are written down, per client and in all: strangers must not fill the disk."""

_RUN_PATH = re.compile(r"/runs/([^/]+)(/.*)?")
_NEEDED = {
    ("POST", "/run_tests"): Scope.RUN,
    ("POST", "/drift"): Scope.RUN,
    ("POST", "/validate"): Scope.RUN,
    ("POST", "/explain"): Scope.READ,  # asks about a run, changes nothing
    ("GET", "/audit"): Scope.ADMIN,
}
_EVERYTHING = frozenset({Scope.ADMIN})


class Refusal(NamedTuple):
    """Why a request is not answered: HTTP status, kind, and a sentence."""

    status: int
    kind: str
    detail: str
    headers: dict[str, str]


class Gatekeeper:
    """Decides who may do what.

    Parameters
    ----------
    settings : Settings
        The operator's own token and the rate.
    store : Store
        Tokens, runs and the audit log.

    Attributes
    ----------
    is_closed : bool
        Whether a token was wanted when the server started; it then stays so until its end.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._token = settings.token.encode()
        self._store = store
        self.is_closed = bool(self._token) or settings.is_public or store.access.any_token()
        self._runs = RateLimiter(settings.runs_per_minute)
        self._written = RateLimiter(REFUSALS_PER_MINUTE)
        self._written_in_all = RateLimiter(ALL_REFUSALS_PER_MINUTE)

    def identify(self, connection: Connection, headers: Headers) -> Caller | Refusal:
        """Return who sends a request, or why they are not let in."""
        if not self.is_closed and not self._store.access.any_token():
            return Caller(actor=f"address {address_of(connection)}", scopes=_EVERYTHING)
        kind, _, given = headers.get("authorization", "").partition(" ")
        caller = self._caller_of(given.strip()) if kind.lower() == "bearer" else None
        if caller is not None:
            return caller
        found = "The token is unknown, expired or revoked" if given else "There is no token"
        detail = f"{found}; send the header 'Authorization: Bearer <token>'"
        return Refusal(401, "unauthorized", detail, {"WWW-Authenticate": "Bearer"})

    def _caller_of(self, given: str) -> Caller | None:
        # bytes, because compare_digest refuses text beyond ASCII
        if self._token and hmac.compare_digest(given.encode("latin-1", "replace"), self._token):
            return Caller(actor="MONITOR_API_TOKEN", scopes=_EVERYTHING)
        return self._store.access.caller_of(given)

    def check_scope(self, caller: Caller, connection: Connection) -> Refusal | None:
        """Refuse what the caller's token is not for."""
        needed = scope_needed(connection["method"], connection["path"])
        if caller.may(needed) or self._is_own_run(caller, connection):
            return None
        have = ", ".join(sorted(scope.value for scope in caller.scopes))
        detail = f"This needs a token with the scope '{needed.value}'; yours has: {have}"
        challenge = f'Bearer error="insufficient_scope", scope="{needed.value}"'
        return Refusal(403, "missing-scope", detail, {"WWW-Authenticate": challenge})

    def _is_own_run(self, caller: Caller, connection: Connection) -> bool:
        """Whether somebody who may run looks at, or cancels, a run of their own."""
        match = _RUN_PATH.fullmatch(connection["path"])
        if match is None or connection["method"] == "DELETE" or not caller.may(Scope.RUN):
            return False
        try:
            return self._store.get_run(match[1]).created_by == caller.actor
        except NotFoundError:
            return False

    def check_rate(self, caller: Caller, connection: Connection) -> Refusal | None:
        """Refuse more runs a minute than a client may start."""
        if scope_needed(connection["method"], connection["path"]) is not Scope.RUN:
            return None
        seconds = self._runs.wait_seconds(caller.actor)
        if not seconds:
            return None
        detail = f"Too many runs within a minute; try again in {seconds} s"
        return Refusal(429, "too-many-requests", detail, {"Retry-After": str(seconds)})

    def write_down(self, actor: str, connection: Connection, status: int) -> None:
        """Put a refused request into the audit log, unless there are too many of them."""
        client = f"{actor} {address_of(connection)} {status}"
        if self._written.wait_seconds(client) or self._written_in_all.wait_seconds(""):
            return
        target = f"{connection['method']} {connection['path']}"
        self._store.access.audit(actor, Action.REQUEST_REFUSED, target, f"status {status}")


def scope_needed(method: str, path: str) -> Scope:
    """Return the scope that a request needs; what is not known here is for admins.

    Examples
    --------
    >>> scope_needed("GET", "/runs").value, scope_needed("DELETE", "/runs/1").value
    ('read', 'admin')
    """
    rest = Scope.READ if method in ("GET", "HEAD", "OPTIONS") else Scope.ADMIN
    return _NEEDED.get(("GET" if method == "HEAD" else method, path), rest)


def address_of(connection: Connection) -> str:
    """Return the address that a request comes from."""
    client = connection.get("client")
    return str(client[0]) if client else "unknown"
