"""Finished runs in a store, made without running the tests, and a process that opens their models.

Owns: ``stored_run`` and ``session_process``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

import model_file
from composition_types import Composition
from model_sessions import SOCKET_NAME
from report_types import (
    DataSection,
    ExplanationSection,
    ModelSection,
    RunRequest,
    RunStatus,
    SchemaSection,
    TestReport,
)
from sandbox import WorkerParent
from schema_inference import schema_from_sample
from session_server import SessionProcess
from storage import Store
from tests.test_jobs import until


def stored_run(
    store: Store,
    model: bytes,
    rows: pd.DataFrame,
    /,
    composition: Composition | None = None,
    **sections: object,
) -> str:
    """Store a run of a model that was tested on rows, with its report; return its id."""
    sha256 = store.save_bytes(model, kind="model", name="m.pkl")
    run_id = store.create_run(
        RunRequest(model_sha256=sha256, model_name="m.pkl", composition=composition)
    )
    assert store.claim_run("test") is not None
    data = store.save_bytes(rows.to_csv(index=False).encode(), kind="data", name="r", run_id=run_id)
    report = TestReport(
        run_id=run_id,
        status=RunStatus.DONE,
        created_at=datetime.now(UTC),
        model=ModelSection(file=model_file.inspect_file(store.artifact_path(sha256), "m.pkl")),
        schema_=SchemaSection(data_schema=schema_from_sample(rows)),
        data=DataSection(artifact=data),
        explanations=ExplanationSection(background_numbers=list(range(min(50, len(rows))))),
    )
    assert store.finish_run(report.model_copy(update=sections))
    return run_id


@contextmanager
def session_process(store: Store, workers: WorkerParent) -> Iterator[SessionProcess]:
    """Start the process that keeps models open, wait until it listens, and stop it afterwards."""
    process = SessionProcess(store, workers)
    process.ensure()
    try:
        until((Path(store.settings.data_dir) / SOCKET_NAME).exists)
        yield process
    finally:
        process.stop()
