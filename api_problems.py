"""Every error as one form of answer: Problem Details for HTTP APIs (RFC 9457).

Owns: the table from our errors to HTTP statuses, and the handlers that turn any error, ours or the
framework's, into ``application/problem+json``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, Self

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Scope

from api_types import Problem
from errors import (
    BusyError,
    ConflictError,
    InputError,
    ModelError,
    MonitorError,
    NotFoundError,
    QuotaError,
    RunCancelledError,
    StorageError,
    TooLargeError,
    UnsupportedFileError,
)

log = logging.getLogger("api")

STATUS_OF: dict[type[MonitorError], HTTPStatus] = {
    TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedFileError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ConflictError: HTTPStatus.CONFLICT,
    InputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFoundError: HTTPStatus.NOT_FOUND,
    QuotaError: HTTPStatus.TOO_MANY_REQUESTS,
    BusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    StorageError: HTTPStatus.SERVICE_UNAVAILABLE,
    RunCancelledError: HTTPStatus.CONFLICT,
    ModelError: HTTPStatus.UNPROCESSABLE_ENTITY,
    MonitorError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The first class that fits decides, so the more special ones come first."""

STORE_RETRY_SECONDS = 5
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
_DETAILS = {
    404: "There is nothing at this address; see /docs for what there is",
    405: "This address does not know this method; see /docs",
}


class Where(NamedTuple):
    """Which request a problem belongs to."""

    instance: str | None = None
    request_id: str | None = None

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """Return it for a request."""
        return cls(scope["path"], scope.get("state", {}).get("request_id"))


NOWHERE = Where()


def problem_response(
    status: int,
    detail: str,
    *,
    kind: str = "about:blank",
    where: Where = NOWHERE,
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a Problem Details answer."""
    body = Problem(
        type=kind,
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=where.instance,
        request_id=where.request_id,
        errors=errors or [],
    )
    return Response(
        body.model_dump_json(exclude_none=True),
        status_code=status,
        headers=dict(headers or {}),
        media_type="application/problem+json",
    )


def error_response(error: MonitorError, where: Where = NOWHERE) -> Response:
    """Return the answer to one of our errors."""
    status = next(code for kind, code in STATUS_OF.items() if isinstance(error, kind))
    headers = {}
    if isinstance(error, BusyError):
        headers["Retry-After"] = str(error.retry_after_seconds)
    elif isinstance(error, StorageError):
        headers["Retry-After"] = str(STORE_RETRY_SECONDS)
    return problem_response(
        status, str(error), kind=_kind(type(error)), headers=headers, where=where
    )


def add_handlers(app: FastAPI) -> None:
    """Make the application answer every error with Problem Details."""
    app.add_exception_handler(MonitorError, _on_ours)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(ClientDisconnect, _on_gone)
    app.add_exception_handler(Exception, _on_defect)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries for some statuses, each with an example."""
    return {status: _document(status) for status in statuses}


def _document(status: int) -> dict[str, Any]:
    phrase = HTTPStatus(status).phrase
    example = Problem(title=phrase, status=status, detail=_EXAMPLES.get(status, phrase))
    content = {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "example": example.model_dump(exclude_none=True),
    }
    return {"description": phrase, "content": {"application/problem+json": content}}


_EXAMPLES = {
    401: "There is no token; send the header 'Authorization: Bearer <token>'",
    403: "This needs a token with the scope 'read'; yours has: run",
    404: "There is no run '01j9zz'; it may have been deleted",
    409: "Run 01j9zz has not ended yet; cancel it first",
    413: "The file is larger than the 200 MiB allowed",
    415: "This is a Parquet table, not a model. Upload it as the data set",
    422: "The option n_rows is 5; expected 10 or more",
    429: "Too many runs within a minute; try again in 3 s",
    503: "20 runs are waiting already (at most 20); try again later",
}


def _kind(error: type[MonitorError]) -> str:
    """Return a stable name such as ``too-large`` for TooLargeError."""
    words = re.findall("[A-Z][a-z]+", error.__name__.removesuffix("Error"))
    return "-".join(words).lower()


def pointer_of(*steps: str | int) -> str:
    """Return the JSON Pointer (RFC 6901) to a part of the request.

    Examples
    --------
    >>> pointer_of("body", "rows", 0, "price/m2")
    '/body/rows/0/price~1m2'
    """
    escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return "/" + "/".join(escaped)


async def _on_ours(request: Request, error: Exception) -> Response:
    if not isinstance(error, MonitorError):
        raise error
    return error_response(error, Where.of(request.scope))


async def _on_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    phrase = HTTPStatus(error.status_code).phrase
    plain = not error.detail or error.detail == phrase
    detail = _DETAILS.get(error.status_code, phrase) if plain else str(error.detail)
    headers = {"Allow": _methods_of(request)} if error.status_code == 405 else error.headers
    return problem_response(
        error.status_code, detail, headers=headers, where=Where.of(request.scope)
    )


def _methods_of(request: Request) -> str:
    """Return all methods of an address; the framework knows those of its first route only."""
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    return ", ".join(
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    )


async def _on_invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    errors = [
        {"pointer": pointer_of(*item["loc"]), "detail": str(item["msg"])} for item in error.errors()
    ]
    detail = "; ".join(f"{item['pointer'].lstrip('/')}: {item['detail']}" for item in errors)
    return problem_response(
        422, detail[:2000], kind="invalid-request", errors=errors, where=Where.of(request.scope)
    )


async def _on_gone(request: Request, _error: Exception) -> Response:
    """Note that a client went away while it sent; nobody is left to read the answer."""
    where = Where.of(request.scope)
    log.info("%s %s was cut off in request %s", request.method, where.instance, where.request_id)
    return problem_response(400, "The request was cut off; send it again", where=where)


async def _on_defect(request: Request, _error: Exception) -> Response:
    """Answer without a word about our insides; the server logs the traceback after this line."""
    where = Where.of(request.scope)
    log.error("%s %s failed in request %s", request.method, where.instance, where.request_id)
    detail = "The server made a mistake; it was logged. Try again, and report it if it stays"
    return problem_response(500, detail, kind="defect", where=where)
