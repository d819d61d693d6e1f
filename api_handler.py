"""The HTTP API: ``python -m api_handler``.

Owns: the application, ``POST /run_tests`` and the health addresses. A failing *test* is no HTTP
error but 200 with ``"verdict": "fail"``; only what cannot become a run is refused with a 4xx.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import APIRouter, FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

import api_docs
import api_drift
import api_explain
import api_gate
import api_runs
import api_validate
import jobs
import process_guard
from api_middleware import RequestGate
from api_problems import add_handlers, documented
from api_requests import FIELDS, submit_form
from api_runs import (
    MAX_WAIT_SECONDS,
    POLL_AGAIN_SECONDS,
    CallerOf,
    EndsOf,
    StoreOf,
    answer_for,
)
from api_types import Problem, Readiness, RunAnswer
from api_uploads import REPEATABLE, read_form
from api_waiting import EndWatch
from environment import PRODUCT_VERSION
from errors import InputError, StorageError
from settings import Settings, load_settings
from storage import Store

DEFAULT_WAIT_SECONDS = 30.0
SHUTDOWN_SECONDS = 5
"""How long open requests may take when the server is told to stop."""

_WAIT = re.compile(r"\bwait\s*=\s*\"?(\d{1,6})")

router = APIRouter()


class _Api(FastAPI):
    """The application behind its gate, with the form of its errors in the description."""

    def build_middleware_stack(self) -> ASGIApp:
        """Put the gate outermost, so that even the answer to a defect passes it."""
        store: Store = self.state.store
        return RequestGate(super().build_middleware_stack(), settings=store.settings, store=store)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI description, made once."""
        if self.openapi_schema is not None:
            return self.openapi_schema
        description = super().openapi()
        description["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        api_docs.describe_access(description)
        return description


def create_app(settings: Settings) -> FastAPI:
    """Return the application over the store that the settings name.

    Raises
    ------
    StorageError
        The store cannot be opened.
    InputError
        Others can reach the address, and there is no token.
    """
    store = Store.open(settings)
    if settings.is_public and not settings.token and not store.access.any_token():
        store.close()
        msg = (
            f"MONITOR_API_HOST is {settings.api_host!r}, which other machines can reach, and there "
            "is no token, so anybody there could run models here. Set MONITOR_API_TOKEN, or make "
            "one with 'python -m tokens create NAME --scope run', or use 127.0.0.1"
        )
        raise InputError(msg)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(jobs.ensure_runner, settings)
        yield
        await run_in_threadpool(jobs.stop_runner, settings)
        store.close()

    app = _Api(
        title="Model Monitor",
        version=PRODUCT_VERSION,
        description="Tests the machine-learning model in a file and says whether it is any good.",
        lifespan=lifespan,
        docs_url=None,  # these pages load scripts from elsewhere; ours works offline
        redoc_url=None,
    )
    app.state.store, app.state.ends = store, EndWatch(store)
    add_handlers(app)
    for part in (
        router,
        api_runs.router,
        api_explain.router,
        api_drift.router,
        api_validate.router,
        api_gate.router,
    ):
        app.include_router(part, responses=documented(400, 401, 403, 422, 500))
    app.include_router(api_docs.router)
    return app


@router.post(
    "/run_tests",
    operation_id="run_tests",
    tags=["runs"],
    responses=documented(409, 413, 415, 429, 503)
    | {202: {"model": RunAnswer, "description": "Not finished yet; see Location"}},
    openapi_extra=api_docs.RUN_TESTS_BODY,
)
async def run_tests(
    request: Request,
    response: Response,
    store: StoreOf,
    ends: EndsOf,
    caller: CallerOf,
    prefer: Annotated[
        str | None,
        Header(
            description="wait=N answers after N seconds at the latest (30 by default, at most 55); "
            "respond-async answers at once"
        ),
    ] = None,
    idempotency_key: Annotated[
        str | None, Header(description="The same key and request give the same run again")
    ] = None,
) -> RunAnswer:
    """Test a model: 200 with the summary once it is done, 202 with its address until then."""
    settings = store.settings
    known = None
    if idempotency_key:
        known = await run_in_threadpool(store.find_by_key, idempotency_key, actor=caller.actor)
    with await read_form(
        request.stream(),
        request.headers.get("content-type", ""),
        store,
        {
            "model": settings.max_model_bytes,
            REPEATABLE: settings.max_model_bytes,
            "sample": settings.max_sample_bytes,
        },
        FIELDS,
    ) as form:
        run_id = await run_in_threadpool(
            submit_form, store, form, idempotency_key, actor=caller.actor
        )
    seconds, applied = _asked_wait(prefer)
    record = await ends.wait(run_id, seconds)
    if not record.status.is_final:
        response.status_code = 202
        response.headers["Retry-After"] = str(POLL_AGAIN_SECONDS)
    response.headers.update(_about(run_id, applied, replayed=known == run_id))
    return await answer_for(store, record, request)


def _asked_wait(prefer: str | None) -> tuple[float, str]:
    """Return how long the caller waits, and what of the preferences (RFC 7240) that follows.

    Both together are an answer after so many seconds at the latest, as ``wait`` alone is.

    Examples
    --------
    >>> _asked_wait("respond-async, wait=10"), _asked_wait("respond-async"), _asked_wait("other")
    ((10.0, 'wait=10'), (0.0, 'respond-async'), (30.0, ''))
    """
    text = (prefer or "").lower()
    wait = _WAIT.search(text)
    if wait:
        seconds = min(float(wait.group(1)), MAX_WAIT_SECONDS)
        return seconds, f"wait={seconds:g}"
    return (0.0, "respond-async") if "respond-async" in text else (DEFAULT_WAIT_SECONDS, "")


def _about(run_id: str, applied: str, *, replayed: bool) -> dict[str, str]:
    headers = {"Location": f"/runs/{run_id}"}
    if applied:
        headers["Preference-Applied"] = applied
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return headers


@router.get("/healthz", operation_id="is_alive", tags=["health"])
async def is_alive() -> Mapping[str, str]:
    """Say that the server answers; touches nothing else."""
    return {"status": "alive", "version": PRODUCT_VERSION}


@router.get(
    "/readyz",
    operation_id="is_ready",
    tags=["health"],
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Runs cannot be taken now"}},
)
def is_ready(store: StoreOf) -> JSONResponse:
    """Say whether runs can be taken: the store can be written, and somebody works on runs."""
    readiness = _readiness(store)
    status = 200 if readiness.status == "ready" else 503
    return JSONResponse(readiness.model_dump(), status_code=status)


def _readiness(store: Store) -> Readiness:
    settings = store.settings
    state: dict[str, Any] = {"store": "ok", "runner": "ok"}
    try:
        store.check_writable()
        queue = store.queue_state()
        state |= {"n_queued": queue.n_queued, "n_running": queue.n_running}
    except StorageError as error:
        state["store"] = str(error)
    if not jobs.runner_alive(settings):
        jobs.ensure_runner(settings)
        state["runner"] = "no process works on runs; one is being started"
    is_ready = state["store"] == state["runner"] == "ok"
    return Readiness(
        status="ready" if is_ready else "not ready",
        slots=settings.slots,
        model_policy=settings.model_policy,
        isolation=jobs.isolation(settings),
        **state,
    )


def main() -> int:
    """Serve until Ctrl-C; return the exit code."""
    process_guard.close_memory()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        settings = load_settings()
        app = create_app(settings)
    except (InputError, StorageError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    uvicorn.run(
        app,
        host=settings.api_host,
        port=settings.api_port,
        server_header=False,
        access_log=False,  # its lines hold query strings; refusals and defects are logged by us
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
