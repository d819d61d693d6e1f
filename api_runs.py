"""The addresses under ``/runs``: list, look, wait, read, cancel, delete.

Owns: these routes, and the answer that tells of one run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import AfterValidator, BeforeValidator
from starlette.concurrency import run_in_threadpool

import jobs
from access_types import AuditEntry, Caller
from api_middleware import caller_of
from api_problems import documented
from api_types import RunAnswer, RunList, run_answer
from api_waiting import EndWatch
from csv_download import safe_csv
from errors import InputError, NotFoundError
from report_archive import make_archive
from report_types import RunStatus, TestReport, Verdict
from run_types import RunFilter, RunItem, RunRecord, RunSort, check_label_name
from storage import Store

MAX_WAIT_SECONDS = 55.0
"""Longest wait for a run in one request; many proxies cut connections at 60 s."""

POLL_AGAIN_SECONDS = 2
"""What a client is told to wait before it asks for an unfinished run again."""

EVENT_SECONDS = 0.2

router = APIRouter(tags=["runs"])


def get_store(request: Request) -> Store:
    """Return the application's store."""
    store: Store = request.app.state.store
    return store


def get_ends(request: Request) -> EndWatch:
    """Return what tells that runs have ended."""
    ends: EndWatch = request.app.state.ends
    return ends


def get_caller(request: Request) -> Caller:
    """Return who sent the request."""
    return caller_of(request.scope)


StoreOf = Annotated[Store, Depends(get_store)]
EndsOf = Annotated[EndWatch, Depends(get_ends)]
CallerOf = Annotated[Caller, Depends(get_caller)]
RunId = Annotated[
    str, Path(description="Id of the run", max_length=64, examples=["01kf2m9x3c8d7e6f5g4h3j2k1m"])
]


def _no_number(text: object) -> object:
    """Refuse what would be read as seconds since 1970, or as a year by whoever reads the list."""
    if isinstance(text, str) and text.strip().lstrip("+-").replace(".", "", 1).isdigit():
        msg = "expected a date, or a date and time such as 2026-01-31T12:00:00Z"
        raise ValueError(msg)
    return text


def _in_utc(moment: datetime) -> datetime:
    """Return a time in UTC; one without zone is taken to be."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        msg = "in UTC this is before the year 1 or after the year 9999"
        raise ValueError(msg) from None


Moment = Annotated[datetime, BeforeValidator(_no_number), AfterValidator(_in_utc)]

_PROGRESS = {"id", "status", "stage", "fraction", "message", "verdict", "error"}


def _file(media_type: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI answers of an address that returns a file."""
    return documented(404, 503) | {200: {"content": {media_type: {}}}}


def _existing_run(run_id: RunId, store: StoreOf) -> RunRecord:
    """Return the run before a stream begins, while an error can still be an answer."""
    return store.get_run(run_id)


@router.get("/runs", operation_id="list_runs", responses=documented(503))
def list_runs(
    store: StoreOf,
    text: Annotated[str | None, Query(description="Words to find", max_length=200)] = None,
    model_name: Annotated[str | None, Query(max_length=200)] = None,
    model_sha256: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$")] = None,
    verdict: Verdict | None = None,
    status: RunStatus | None = None,
    source: Annotated[str | None, Query(max_length=20)] = None,
    label: Annotated[
        list[str] | None, Query(description="NAME=VALUE, such as branch=main; all must match")
    ] = None,
    since: Annotated[Moment | None, Query(description="Not before")] = None,
    until: Annotated[Moment | None, Query(description="Before")] = None,
    sort: RunSort = RunSort.CREATED,
    descending: bool = True,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> RunList:
    """List runs, the newest first unless sorted otherwise."""
    where = RunFilter(
        text=text,
        model_name=model_name,
        model_sha256=model_sha256,
        verdict=verdict,
        status=status,
        source=source,
        labels=_labels(label or []),
        since=since,
        until=until,
    )
    records, total = store.list_runs(
        where, sort=sort, descending=descending, limit=limit, offset=offset
    )
    runs = [RunItem.model_validate(_item_values(record)) for record in records]
    following = None
    if offset + len(runs) < total:
        query = where.model_dump(mode="json", exclude_none=True, exclude={"labels"}) | {
            "label": label or [],
            "sort": sort.value,
            "descending": str(descending).lower(),
            "limit": limit,
            "offset": offset + limit,
        }
        following = f"/runs?{urlencode(query, doseq=True)}"
    return RunList(runs=runs, total=total, limit=limit, offset=offset, next=following)


def _labels(given: list[str]) -> dict[str, str]:
    parts = [text.partition("=") for text in given]
    wrong = next((text for text, sign, _ in parts if not (text and sign)), None)
    if wrong is not None:
        msg = f"The label {wrong[:60]!r} is incomplete; expected NAME=VALUE, as in branch=main"
        raise InputError(msg)
    for name, _, _ in parts:
        check_label_name(name)
    return {name: value for name, _, value in parts}


def _item_values(record: RunRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in RunItem.model_fields}


@router.get("/runs/{run_id}", operation_id="get_run", responses=documented(404, 503))
async def get_run(
    run_id: RunId,
    store: StoreOf,
    ends: EndsOf,
    request: Request,
    response: Response,
    wait: Annotated[
        float,
        Query(ge=0, le=MAX_WAIT_SECONDS, description="Wait so many seconds for its end"),
    ] = 0.0,
) -> RunAnswer:
    """Say how far a run is, or what came out."""
    record = await ends.wait(run_id, wait)
    if not record.status.is_final:
        response.headers["Retry-After"] = str(POLL_AGAIN_SECONDS)
    return await answer_for(store, record, request)


@router.get(
    "/runs/{run_id}/report",
    operation_id="get_report",
    response_model=TestReport,
    responses=documented(404, 503),
)
def get_report(run_id: RunId, store: StoreOf) -> Response:
    """Return the whole report as it was stored."""
    return Response(store.get_report_json(run_id), media_type="application/json")


@router.get(
    "/runs/{run_id}/report.html",
    operation_id="get_report_html",
    response_class=Response,
    responses=_file("text/html"),
)
def get_report_html(run_id: RunId, store: StoreOf) -> Response:
    """Return the report as one page with charts that needs nothing else."""
    import reports  # draws charts: a second of imports, only for who wants them

    return Response(reports.render_html(store.get_report(run_id)), media_type="text/html")


@router.get(
    "/runs/{run_id}/report.md",
    operation_id="get_report_markdown",
    response_class=Response,
    responses=_file("text/markdown"),
)
def get_report_markdown(run_id: RunId, store: StoreOf) -> Response:
    """Return a summary in Markdown, for a job's page or a pull request."""
    import reports

    text = reports.render_markdown(store.get_report(run_id))
    return Response(text, media_type="text/markdown")


@router.get(
    "/runs/{run_id}/junit.xml",
    operation_id="get_junit",
    response_class=Response,
    responses=_file("application/xml"),
)
def get_junit(run_id: RunId, store: StoreOf) -> Response:
    """Return the checks as JUnit XML, which every CI system shows."""
    from report_junit import render_junit

    return Response(render_junit(store.get_report(run_id)), media_type="application/xml")


@router.get(
    "/runs/{run_id}/tables.zip",
    operation_id="get_tables",
    response_class=Response,
    responses=_file("application/zip"),
)
def get_tables(run_id: RunId, store: StoreOf) -> Response:
    """Return every table of the report as CSV files in one archive."""
    from report_tables import zip_tables

    name = {"Content-Disposition": f'attachment; filename="{run_id}.zip"'}
    data = zip_tables(store.get_report(run_id))
    return Response(data, media_type="application/zip", headers=name)


@router.get(
    "/runs/{run_id}/everything.zip",
    operation_id="get_everything",
    response_class=Response,
    responses=_file("application/zip"),
)
def get_everything(run_id: RunId, store: StoreOf) -> Response:
    """Return the report in every form, its tables, charts and policy in one archive."""
    name = {"Content-Disposition": f'attachment; filename="{run_id}-everything.zip"'}
    data = make_archive(store.get_report(run_id).model_dump_json(), "everything")
    return Response(data, media_type="application/zip", headers=name)


@router.get(
    "/runs/{run_id}/charts.zip",
    operation_id="get_charts",
    response_class=Response,
    responses=_file("application/zip"),
)
def get_charts(
    run_id: RunId, store: StoreOf, kind: Annotated[Literal["svg", "png"], Query()] = "svg"
) -> Response:
    """Return every chart of the report as pictures in one archive: SVG, or PNG for print."""
    name = {"Content-Disposition": f'attachment; filename="{run_id}-charts.zip"'}
    data = make_archive(store.get_report(run_id).model_dump_json(), kind)
    return Response(data, media_type="application/zip", headers=name)


@router.get(
    "/runs/{run_id}/data.csv",
    operation_id="get_data",
    response_class=StreamingResponse,
    responses=_file("text/csv"),
)
def get_data(run_id: RunId, store: StoreOf) -> StreamingResponse:
    """Return the rows the model was tested on, with no cell that a spreadsheet would run."""
    sha256 = store.get_report(run_id).data.artifact
    if sha256 is None:
        msg = f"Run {run_id} kept no data; its report says why in the section 'data'"
        raise NotFoundError(msg)
    name = {"Content-Disposition": f'attachment; filename="{run_id}.csv"'}
    rows = safe_csv(store.artifact_path(sha256))
    return StreamingResponse(rows, media_type="text/csv", headers=name)


@router.post(
    "/runs/{run_id}/cancel",
    operation_id="cancel_run",
    status_code=202,
    responses=documented(404, 503),
)
async def cancel_run(
    run_id: RunId, store: StoreOf, ends: EndsOf, caller: CallerOf, request: Request
) -> RunAnswer:
    """Cancel a run: at once while it waits, within moments while it goes on."""
    await run_in_threadpool(jobs.cancel, store, run_id, actor=caller.actor)
    record = await ends.wait(run_id, 1.0)
    return await answer_for(store, record, request)


@router.delete(
    "/runs/{run_id}",
    operation_id="delete_run",
    status_code=204,
    responses=documented(404, 409, 503),
)
def delete_run(run_id: RunId, store: StoreOf, caller: CallerOf) -> None:
    """Delete a run that has ended, with its report and the files that no other run uses."""
    store.delete_run(run_id, actor=caller.actor)


@router.get(
    "/runs/{run_id}/events",
    operation_id="follow_run",
    response_class=EventSourceResponse,
    responses=documented(404, 503),
)
async def follow_run(
    record: Annotated[RunRecord, Depends(_existing_run)], ends: EndsOf
) -> AsyncIterator[ServerSentEvent]:
    """Follow a run as server-sent events: ``progress`` whenever it gets on, then ``end``."""
    seen = None
    while True:
        progress = record.model_dump(mode="json", include=_PROGRESS)
        if progress != seen:
            seen = progress
            name = "end" if record.status.is_final else "progress"
            yield ServerSentEvent(event=name, data=progress)
        if record.status.is_final:
            return
        record = await ends.wait(record.id, EVENT_SECONDS)


@router.get("/audit", operation_id="list_audit", tags=["audit"], responses=documented(503))
def list_audit(
    store: StoreOf,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="Go on from this id")
    ] = None,
) -> list[AuditEntry]:
    """Say who ran, trusted and deleted what, the newest first; needs the scope admin."""
    return store.access.list_audit(limit, before=before)


async def answer_for(store: Store, record: RunRecord, request: Request) -> RunAnswer:
    """Return the answer that tells of one run."""
    return await run_in_threadpool(_answer, store, record, str(request.base_url))


def _answer(store: Store, record: RunRecord, base_url: str) -> RunAnswer:
    report = None
    if record.status is RunStatus.DONE:
        report = store.get_report(record.id)
    return run_answer(record, report, base_url, store.settings)
