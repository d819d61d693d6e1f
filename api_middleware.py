"""What happens to a request before any route sees it.

Owns: the request id, the checks of host and origin, the order of all checks (``api_access`` has
those of tokens, ``api_admission`` those of uploads).
Pure ASGI: behind the usual decorator middleware a client that went away is never noticed, and a
form would be read before anything could refuse it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
import time
from urllib.parse import urlsplit

from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from access_types import Caller
from api_access import OPEN_PATHS, Gatekeeper, Refusal, address_of
from api_admission import Admission
from api_problems import Where, error_response, problem_response
from errors import MonitorError
from settings import LOOPBACK_HOSTS, Settings
from storage import Store

log = logging.getLogger("api")

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
DRAIN_SECONDS = 30.0
"""How long a refused upload is read and thrown away, so that a client that sends everything before
it listens gets its answer instead of a broken connection."""

_REQUEST_ID = re.compile(r"[\w.:-]{1,128}")


class RequestGate:
    """Gives each request an id and refuses what must not come in, before its body is read.

    Parameters
    ----------
    app : ASGIApp
        The application behind the gate.
    settings : Settings
        Token, allowed hosts and limits.
    store : Store
        Asked for tokens and for the length of the queue.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings, store: Store) -> None:
        self._app = app
        self._gatekeeper = Gatekeeper(settings, store)
        self._admission = Admission(settings, store)
        self._hosts = LOOPBACK_HOSTS | {settings.api_host.lower()} | _lower(settings.allowed_hosts)
        # whoever knows the token need not come by a known name, unless names are configured
        self._any_host = self._gatekeeper.is_closed and not settings.allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        tagged = _with_request_id(send, request_id)
        refusal = await self._refuse(scope, headers)
        if refusal is None:
            await self._app(scope, receive, tagged)
        else:
            waits = "expect" in headers  # such a client listens before it sends
            await _answer(refusal, scope, tagged, None if waits else receive)

    async def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        refusal = self._check_host(scope, headers) or self._check_origin(scope, headers)
        try:
            if refusal is not None:
                who = f"address {address_of(scope)}"
                await run_in_threadpool(
                    self._gatekeeper.write_down, who, scope, refusal.status_code
                )
            elif scope["path"] not in OPEN_PATHS:
                refusal = await run_in_threadpool(self._check_access, scope, headers)
        except MonitorError as error:
            return error_response(error, Where.of(scope))
        return refusal

    def _check_access(self, scope: Scope, headers: Headers) -> Response | None:
        """Refuse whoever is not known, may not do this, or does it too often."""
        keeper = self._gatekeeper
        caller = keeper.identify(scope, headers)
        if isinstance(caller, Refusal):
            return self._written_down(f"address {address_of(scope)}", scope, caller)
        scope["state"]["caller"] = caller
        refusal = keeper.check_scope(caller, scope)
        refusal = refusal or keeper.check_rate(caller, scope)
        if refusal is not None:
            return self._written_down(caller.actor, scope, refusal)
        if self._admission.concerns(scope["method"], scope["path"]):
            self._admission.check(scope["path"], headers, caller)
        return None

    def _written_down(self, actor: str, scope: Scope, refusal: Refusal) -> Response:
        self._gatekeeper.write_down(actor, scope, refusal.status)
        return _problem(scope, refusal.status, refusal.detail, refusal.kind, refusal.headers)

    def _check_host(self, scope: Scope, headers: Headers) -> Response | None:
        """Refuse foreign names: a web page may point its own name at this machine."""
        host = _host_of("//" + headers.get("host", ""))
        if self._any_host or host in self._hosts:
            return None
        detail = f"This server does not answer to the name {host!r}; see MONITOR_ALLOWED_HOSTS"
        return _problem(scope, 400, detail, "unknown-host")

    def _check_origin(self, scope: Scope, headers: Headers) -> Response | None:
        """Refuse changes that a foreign web page asks for; a page of this server is none."""
        origin = headers.get("origin")
        if origin is None or scope["method"] in SAFE_METHODS or _host_of(origin) in self._hosts:
            return None
        if origin.partition("://")[2] == headers.get("host"):  # a name that passed _check_host
            return None
        return _problem(scope, 403, f"Pages of {origin[:200]!r} may not use this", "foreign-origin")


def caller_of(scope: Scope) -> Caller:
    """Return who sent a request that came through the gate."""
    caller: Caller = scope["state"]["caller"]
    return caller


def _problem(
    scope: Scope, status: int, detail: str, kind: str, headers: dict[str, str] | None = None
) -> Response:
    return problem_response(status, detail, kind=kind, where=Where.of(scope), headers=headers)


async def _answer(response: Response, scope: Scope, send: Send, receive: Receive | None) -> None:
    """Send an answer at once, then read what the client still sends before closing."""
    start = {
        "type": "http.response.start",
        "status": response.status_code,
        "headers": response.raw_headers,
    }
    log.info("%s %s refused with %d", scope["method"], scope["path"], response.status_code)
    await send(start)
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    if receive is not None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_drain(receive), DRAIN_SECONDS)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    message: Message = {"more_body": True}
    while message.get("more_body"):
        message = await receive()


def _with_request_id(send: Send, request_id: str) -> Send:
    started = time.perf_counter()

    async def tagged(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = request_id
            headers["X-Content-Type-Options"] = "nosniff"
            milliseconds = (time.perf_counter() - started) * 1000
            headers["Server-Timing"] = f"total;dur={milliseconds:.1f}"
        await send(message)

    return tagged


def _request_id(headers: Headers) -> str:
    """Return the caller's id if it is harmless, else a fresh one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _lower(names: list[str]) -> set[str]:
    return {name.lower() for name in names}
