"""``POST /drift``: two tables in, the report of their differences out.

Owns: the operation and the fields of its form. The comparison is made in a process of its own
(``drift_job``) and nothing of it is kept: its files vanish with the answer.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

import drift_job
from api_docs import DRIFT_BODY
from api_problems import documented
from api_runs import CallerOf, StoreOf
from api_uploads import Form, Upload, read_form, required_file
from asked_model import AskedModel, model_of_file, model_of_run
from drift_job import DriftJob, DriftTask
from drift_types import DriftReport
from errors import InputError, RunCancelledError
from model_file import display_name
from storage import Store
from strict_json import read_json

FIELDS = frozenset({"options", "run_id"})
TABLES = ("reference", "current")
POLL_SECONDS = 0.05

router = APIRouter()


@router.post(
    "/drift",
    operation_id="compare_data",
    tags=["drift"],
    responses=documented(404, 413, 415, 429, 503),
    openapi_extra=DRIFT_BODY,
)
async def compare_data(request: Request, store: StoreOf, caller: CallerOf) -> DriftReport:
    """Compare two tables column by column: verdict, reason, tests and histograms of each."""
    settings = store.settings
    limits = dict.fromkeys(TABLES, settings.max_sample_bytes) | {"model": settings.max_model_bytes}
    content_type = request.headers.get("content-type", "")
    with await read_form(request.stream(), content_type, store, limits, FIELDS) as form:
        task = await asyncio.to_thread(_task, form, store, caller.actor)
        job = await asyncio.to_thread(drift_job.start, task, settings)
        with job:
            return await _finished(job, request)


def _task(form: Form, store: Store, actor: str) -> DriftTask:
    reference, current = (_table(form, name) for name in TABLES)
    return DriftTask(
        reference=reference.incoming.path,
        reference_name=display_name(reference.name),
        current=current.incoming.path,
        current_name=display_name(current.name),
        options=_options(form.fields.get("options", b"")),
        model=_model(form, store, actor),
    )


def _model(form: Form, store: Store, actor: str) -> AskedModel | None:
    """Return the model that was sent or named, if any."""
    upload = form.files.get("model")
    run_id = form.fields.get("run_id", b"").decode(errors="replace").strip()
    if upload is None:
        return model_of_run(store, run_id, actor=actor) if run_id else None
    if run_id:
        msg = "There is a file in the field 'model' and a run in 'run_id'; send one of them"
        raise InputError(msg)
    upload.incoming.complete()
    incoming = upload.incoming
    return model_of_file(store, incoming.path, incoming.sha256, display_name(upload.name))


def _table(form: Form, name: str) -> Upload:
    upload = required_file(form, name, "data.csv")
    upload.incoming.complete()
    return upload


def _options(text: bytes) -> dict[str, Any]:
    if not text.strip():
        return {}
    value = read_json(text, what="The field 'options'")
    if not isinstance(value, dict):
        msg = f"The field 'options' holds {value!r:.60}; expected a JSON object like {{}}"
        raise InputError(msg)
    return value


async def _finished(job: DriftJob, request: Request) -> DriftReport:
    """Wait for the report without holding up other requests; stop when the client has gone."""
    while True:
        report = job.poll().report
        if report is not None:
            return report
        if await request.is_disconnected():
            msg = "The client went away"
            raise RunCancelledError(msg)
        await asyncio.sleep(POLL_SECONDS)
