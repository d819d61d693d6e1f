"""Beginning a run from the dashboard: files into the store, a request into the queue.

Owns: the way from an upload or an example to a queued run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

import examples
import jobs
from errors import MonitorError
from examples import Example
from formatting import escape_markdown
from model_file import display_name, inspect_file
from model_types import ModelFileInfo
from report_types import RunConfig, RunRequest
from upload_parts import keep_together
from views.common import keep_runner_alive, open_store, settings
from views.sign_in import actor

CHUNK = 1 << 20


def store_file(stream: BinaryIO, *, kind: str, name: str, limit_bytes: int) -> str:
    """Copy an uploaded file into the store and return its SHA-256.

    Raises
    ------
    TooLargeError
        If it is larger than ``limit_bytes``.
    """
    store = open_store()
    with store.artifact_writer(limit_bytes) as incoming:
        while chunk := stream.read(CHUNK):
            incoming.write(chunk)
        return store.keep_artifact(incoming, kind=kind, name=display_name(name)).sha256


def store_model(uploaded: Sequence[UploadedFile]) -> ModelFileInfo:
    """Copy the files of one model into the store and return what their bytes tell.

    Raises
    ------
    InputError
        It is no model that can be tested; the message says what it is.
    """
    if len(uploaded) > 1:
        files: list[tuple[str, BinaryIO]] = [(file.name, file) for file in uploaded]
        return keep_together(open_store(), files, settings().max_model_bytes)
    file = uploaded[0]
    sha256 = store_file(file, kind="model", name=file.name, limit_bytes=settings().max_model_bytes)
    return inspect_file(open_store().artifact_path(sha256), file.name)


def store_example(example: Example) -> RunRequest:
    """Copy an example's files into the store and return the request that tests it.

    Trains the examples first where that has not been done.
    """
    if not examples.is_ready(settings().data_dir):
        with st.spinner("Training the examples, once …"):
            examples.start_training(settings().data_dir).wait()
    folder = examples.examples_folder(settings().data_dir)
    model = _store_path(folder / f"{example.id}.pkl", "model")
    sample = _store_path(folder / f"{example.id}.csv", "sample")
    return RunRequest(
        model_sha256=model,
        model_name=f"{example.id}.pkl",
        sample_sha256=sample,
        sample_name=f"{example.id}.csv",
        config=RunConfig(target=example.target),
    )


def start_example(example: Example) -> None:
    """Run an example and go to its page."""
    submit(store_example(example))


def submit(request: RunRequest) -> None:
    """Queue a run and go to its page; says why where that is not possible."""
    try:
        keep_runner_alive()
        run_id = jobs.submit(open_store(), request, actor=actor())
    except MonitorError as error:
        st.error(escape_markdown(error), icon=":material/cancel:")
        return
    st.switch_page("views/run.py", query_params={"run": run_id})


def _store_path(path: Path, kind: str) -> str:
    with path.open("rb") as stream:
        return store_file(stream, kind=kind, name=path.name, limit_bytes=settings().max_model_bytes)
