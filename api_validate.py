"""``POST /validate``: one table in, or a train and a test table, and what is wrong with them out.

Owns: the operation and the fields of its form. The check runs in a process of its own
(``validation_job``); its files vanish with the answer.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from api_problems import documented
from api_runs import StoreOf
from api_uploads import Form, read_form, required_file
from model_file import display_name
from schema_json import schema_from_json
from schema_utils import Schema
from validation_job import CheckTask, check_files
from validation_types import ValidationSection

FIELDS = frozenset({"target", "schema"})
TABLES = ("data", "test")

_FILE = {"type": "string", "format": "binary"}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["data"],
                    "additionalProperties": False,
                    "properties": {
                        "data": _FILE | {"description": "The table: CSV, Parquet, JSON"},
                        "test": _FILE
                        | {"description": "A second table; the first is then the train part"},
                        "target": {"type": "string", "description": "Column of true answers"},
                        "schema": {
                            "type": "string",
                            "description": "A schema as JSON that the table should agree with",
                        },
                    },
                },
                "example": {"data": "(the file's bytes)", "target": "churn"},
            }
        },
    },
}

router = APIRouter()


@router.post(
    "/validate",
    operation_id="validate_data",
    tags=["data"],
    responses=documented(413, 415, 429, 503),
    openapi_extra=BODY,
)
async def validate_data(request: Request, store: StoreOf) -> ValidationSection:
    """Check a table: gaps, types, repeats, outliers, balance, leakage; a score of 0 to 100."""
    settings = store.settings
    limits = dict.fromkeys(TABLES, settings.max_sample_bytes)
    content_type = request.headers.get("content-type", "")
    with await read_form(request.stream(), content_type, store, limits, FIELDS) as form:
        return await run_in_threadpool(check_files, _task(form), settings)


def _task(form: Form) -> CheckTask:
    data, test = required_file(form, "data", "data.csv"), form.files.get("test")
    data.incoming.complete()
    if test is not None:
        test.incoming.complete()
    return CheckTask(
        data=data.incoming.path,
        data_name=display_name(data.name),
        other=test.incoming.path if test else None,
        other_name=display_name(test.name) if test else "",
        target=form.fields.get("target", b"").decode(errors="replace").strip() or None,
        expected=_schema(form.fields.get("schema", b"")),
    )


def _schema(text: bytes) -> Schema | None:
    return schema_from_json(text) if text.strip() else None
