"""One test without a server, for the command line: a store for the moment, the pipeline in place.

Owns: ``run_locally``. The same form fields, checks and answer as over HTTP; what differs is only
that the baseline is a file: the JSON report of an earlier run.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpu_tuning import single_threaded, tuned_environment

os.environ.update(single_threaded(tuned_environment(os.environ)))  # before anything numerical

from pydantic import ValidationError

import reports
from api_requests import request_values
from api_types import run_answer
from errors import InputError, MonitorError
from isolation import self_test
from model_file import display_name, inspect_file
from policy import Baseline, apply_policy
from report_types import RunRequest, Stage, TestReport
from runner import pipeline_target
from sandbox import WorkerParent
from settings import load_settings
from storage import Store
from upload_parts import keep_together

Progress = Callable[[float, str, str], None]
"""Called with the fraction (0..1), the stage and what is being done."""


class WrongInput(Exception):
    """The caller's input is wrong."""


class CannotRun(Exception):
    """The test could not be run."""


@dataclass(frozen=True)
class LocalRun:
    """A finished run: its summary as the API gives it, and its report."""

    summary: dict[str, Any]
    report: TestReport

    def text(self, name: str) -> str:
        """Return the report in a form, by the last part of the API's address."""
        forms: dict[str, Callable[[TestReport], str]] = {
            "report.html": reports.render_html,
            "report": reports.render_json,
            "report.md": reports.render_markdown,
            "junit.xml": reports.render_junit,
        }
        return forms[name](self.report)


def run_locally(
    model: Path,
    sample: Path | None,
    fields: Mapping[str, str],
    *,
    progress: Progress,
    extra: Sequence[Path] = (),
) -> LocalRun:
    """Test a model file here and return what a server would have answered.

    Parameters
    ----------
    model, sample : Path
        The files; they are copied, never changed.
    fields : mapping of str to str
        The fields of the form of ``POST /run_tests``; ``baseline`` is the path of a JSON report.
    progress : callable
        Receives fraction, stage and message.
    extra : sequence of Path
        Further files of the model: vectorizer, scaler, encoders.

    Raises
    ------
    WrongInput
        A field or file cannot be used.
    CannotRun
        Anything else went wrong on our side.
    """
    try:
        baseline = _read_baseline(fields.get("baseline"))
        others = {name: text.encode() for name, text in fields.items() if name != "baseline"}
        with tempfile.TemporaryDirectory(prefix="model-monitor-") as folder:
            settings = load_settings()
            elsewhere = {"data_dir": Path(folder), "database_url": ""}
            settings = settings.model_copy(
                update=elsewhere | {"environments_dir": settings.environments_folder}
            )
            store = Store.open(settings)
            try:
                return _run(
                    store, _request(store, [model, *extra], sample, others), baseline, progress
                )
            finally:
                store.close()
    except InputError as error:
        raise WrongInput(str(error)) from error
    except MonitorError as error:
        raise CannotRun(str(error)) from error


def _read_baseline(name: str | None) -> Baseline:
    if name is None:
        return Baseline()
    try:
        report = TestReport.model_validate_json(Path(name).read_bytes())
    except (OSError, ValidationError) as error:
        msg = (
            f"The baseline {name!r} is no JSON report ({type(error).__name__}); without a server "
            "it is the file that --json wrote in an earlier run"
        )
        raise InputError(msg) from error
    return Baseline(name, report)


def _request(
    store: Store, models: list[Path], sample: Path | None, fields: Mapping[str, bytes]
) -> RunRequest:

    def keep(path: Path, kind: str) -> str:
        return store.save_bytes(path.read_bytes(), kind=kind, name=display_name(path.name))

    if len(models) == 1:
        file = inspect_file(models[0], models[0].name)
        keep(models[0], "model")
    else:
        with ExitStack() as stack:
            files = [(path.name, stack.enter_context(path.open("rb"))) for path in models]
            file = keep_together(store, list(files), store.settings.max_model_bytes)
    return RunRequest(
        model_sha256=file.sha256,
        model_name=file.name,
        sample_sha256=keep(sample, "sample") if sample else None,
        sample_name=display_name(sample.name) if sample else None,
        **request_values(fields),
    )


def _run(store: Store, request: RunRequest, baseline: Baseline, progress: Progress) -> LocalRun:
    store.create_run(request)
    record = store.claim_run("local")
    if record is None:
        msg = "The run was not queued"
        raise CannotRun(msg)

    def tell(stage: Stage, fraction: float, message: str) -> None:
        progress(fraction, stage.value, message)

    with WorkerParent() as workers:
        test = pipeline_target(store.settings, workers)
        self_test(workers)
        report = test(record, store, tell)
    if request.gate is not None:
        report.gate = apply_policy(request.gate, report, baseline)
    store.finish_run(report)
    answer = run_answer(store.get_run(record.id), report, "", store.settings)
    answer.links = {}
    return LocalRun(answer.model_dump(mode="json"), report)
