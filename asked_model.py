"""The model whose answers for two tables are compared: of a finished run, or a file of no run.

Owns: ``AskedModel``, all that another process needs to open it as a run does, without the store.
Light to import: the doors make it, ``compare_answers`` uses it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from access_types import Approval
from base_types import TypedModel
from errors import NotFoundError
from report_types import ModelSection, RunRequest
from run_types import no_run
from schema_utils import Schema

if TYPE_CHECKING:  # the process that compares needs the type alone, not the store
    from storage import Store


class AskedModel(TypedModel):
    """A model file and what the store knows of it."""

    path: Path
    request: RunRequest = Field(description="Its name, composition and where it shall run")
    answered: ModelSection | None = Field(
        default=None, description="What the run said of it; null for a file of no run"
    )
    data_schema: Schema | None = Field(default=None, description="Of the run's rows")
    approval: Approval | None = None


def model_of_run(store: Store, run_id: str, *, actor: str) -> AskedModel:
    """Return the model of a finished run, which answers where it answered then.

    Raises
    ------
    NotFoundError
        There is no such run, it has no report yet, or ``actor`` may see their own runs alone.
    """
    record = store.get_run(run_id)
    if record.created_by != actor and not store.access.may_read_all(actor):
        raise NotFoundError(no_run(run_id))
    report = store.get_report(run_id)
    return AskedModel(
        path=store.artifact_path(record.model_sha256),
        request=record.request,
        answered=report.model,
        data_schema=report.schema_.data_schema,
        approval=store.access.find_approval(record.model_sha256),
    )


def model_of_file(store: Store, path: Path, sha256: str, name: str) -> AskedModel:
    """Return a model of no run, put together as was said of the same file before."""
    composition = store.compositions.find(sha256)
    return AskedModel(
        path=path,
        request=RunRequest(model_sha256=sha256, model_name=name, composition=composition),
        approval=store.access.find_approval(sha256),
    )
