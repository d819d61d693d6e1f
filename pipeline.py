"""``run_tests``: the one way a model is tested, behind the browser and behind HTTP.

Owns: the order of the stages, what each needs, and what happens when one fails: its section says
so in one sentence and the next stage goes on. Nothing is computed here; every number comes from
the module that owns it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import behaviour
import drift_simulation
import explain_stage
import failing_rows
import label_stage
import latency
import quality_stage
import sample_forms
import sample_stage
import schema_inference
import schema_merge
import schema_utils
import synthetic_data
import synthetic_reach
import table_reader
import table_summary
import validation
import verdict
from access_types import Approval
from base_types import Section, Status
from csv_text import csv_of
from environment import describe_environment
from errors import DataError, ModelError, MonitorError, RunCancelledError
from model_types import Predictions
from model_utils import ModelHandle
from open_stage import ModelSource, inspect, open_run_model
from report_types import RunRequest, RunStatus, Stage, StageRecord, TestReport
from sample_stage import SampleRoles, SampleRows
from sandbox import WorkerParent
from schema_utils import Schema
from settings import Settings
from versions_stage import compare_versions

log = logging.getLogger(__name__)

StageProgress = Callable[[Stage, float, str], None]
"""Called with the stage, the fraction of the whole run (0..1) and what is being done."""


@dataclass
class _Run:
    """What the stages of one run hand to each other."""

    source: ModelSource
    sample_path: Path | None
    save_data: Callable[[bytes, str], str]
    report: TestReport
    progress: Callable[[float, str], None] = lambda _fraction, _message: None
    model: ModelHandle | None = None
    schema: Schema | None = None
    from_sample: Schema | None = None
    sample: pd.DataFrame | None = None
    rows: pd.DataFrame | None = None
    y_true: pd.Series[Any] | None = None
    row_numbers: NDArray[np.int64] | None = None
    roles: SampleRoles = field(default_factory=SampleRoles)
    tested_sample: SampleRows | None = None
    predictions: Predictions | None = None
    labels_reason: str | None = None
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def request(self) -> RunRequest:
        """What the run is made from."""
        return self.source.request

    @property
    def loaded(self) -> ModelHandle:
        """The model; stages that ask for it declare that they need it."""
        if self.model is None:
            raise ModelError(self.problems.get("model", "The model could not be loaded."))
        return self.model

    @property
    def tested_rows(self) -> pd.DataFrame:
        """The rows the model is tested on."""
        if self.rows is None:
            raise DataError(self.problems.get("rows", "There are no rows to test the model on."))
        return self.rows

    @property
    def known_schema(self) -> Schema:
        """The merged schema."""
        if self.schema is None:
            raise DataError(self.problems.get("rows", "There is no schema to make rows from."))
        return self.schema


@dataclass(frozen=True, slots=True)
class _StageSpec:
    stage: Stage
    section: str
    weight: float
    run: Callable[[_Run], None]
    needs: tuple[str, ...] = ()


def run_tests(
    request: RunRequest,
    *,
    run_id: str,
    model_path: Path,
    sample_path: Path | None,
    workers: WorkerParent,
    settings: Settings,
    save_data: Callable[[bytes, str], str],
    find_approval: Callable[[str], Approval | None] = lambda _sha256: None,
    progress: StageProgress = lambda _stage, _fraction, _message: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> TestReport:
    """Test the model in ``model_path`` and return the whole report.

    Parameters
    ----------
    request : RunRequest
        What to test and how; the same request gives the same numbers, timings aside.
    run_id : str
        Identifier under which the report is stored.
    model_path, sample_path : Path
        The uploaded files; the model file is never loaded in this process.
    workers : WorkerParent
        Where processes that hold models come from.
    settings : Settings
        Limits and policy.
    save_data : callable
        Stores bytes under a display name and returns their SHA-256.
    find_approval : callable
        Returns the operator's approval of the file with a SHA-256, or None.
    progress : callable
        Receives ``(stage, fraction of the run, message)``.
    cancelled : callable
        Asked at every progress step.

    Returns
    -------
    TestReport
        Complete whatever the model did: a stage that failed says so in its section.

    Raises
    ------
    RunCancelledError
        If ``cancelled`` said so; the model's process is gone by then.
    """
    report = TestReport(run_id=run_id, created_at=datetime.now(UTC), config=request.config)
    report.environment = describe_environment()
    source = ModelSource(model_path, request, workers, settings, find_approval)
    run = _Run(source, sample_path, save_data, report)
    try:
        _run_stages(run, progress, cancelled)
    finally:
        if run.model is not None:
            run.model.close()
        source.cleanup.close()
    report.status, report.finished_at = RunStatus.DONE, datetime.now(UTC)
    return report


def _run_stages(run: _Run, progress: StageProgress, cancelled: Callable[[], bool]) -> None:
    total, done = sum(spec.weight for spec in _STAGES), 0.0
    for spec in _STAGES:
        start, share = done / total, spec.weight / total

        def tick(
            fraction: float,
            message: str = "",
            *,
            stage: Stage = spec.stage,
            start: float = start,
            share: float = share,
        ) -> None:
            if cancelled():
                message = "The run was cancelled."
                raise RunCancelledError(message)
            progress(stage, start + share * min(1.0, max(0.0, fraction)), message)

        run.progress = tick
        tick(0.0, _TITLES[spec.stage])
        run.report.stages.append(_run_stage(run, spec))
        done += spec.weight


def _run_stage(run: _Run, spec: _StageSpec) -> StageRecord:
    section: Section = getattr(run.report, spec.section)
    started = time.perf_counter()
    reason = _reason_to_skip(run, spec)
    if reason is None:
        status, reason = _attempt(run, spec)
    else:
        status = Status.SKIPPED
    section = getattr(run.report, spec.section)  # a stage may have replaced it
    seconds = time.perf_counter() - started
    if status is not Status.OK and section.status is Status.OK and spec.stage is not Stage.SAVE:
        section.status, section.reason = status, reason
    if section.status is not Status.OK and status is Status.OK and spec.section not in _SHARED:
        status, reason = section.status, section.reason
    section.seconds = (section.seconds or 0.0) + seconds
    return StageRecord(stage=spec.stage, status=status, reason=reason, seconds=seconds)


def _reason_to_skip(run: _Run, spec: _StageSpec) -> str | None:
    if spec.stage not in run.request.config.stages and spec.needs:
        return "Switched off for this run."
    if "model" in spec.needs and run.model is None:
        return "Needs the model, which could not be loaded."
    if "rows" in spec.needs and run.rows is None:
        return f"Needs rows to test on. {run.problems.get('rows', '')}".strip()
    return None


def _attempt(run: _Run, spec: _StageSpec) -> tuple[Status, str | None]:
    try:
        spec.run(run)
    except RunCancelledError:
        raise
    except MonitorError as error:
        return Status.FAILED, str(error)
    except Exception as error:  # a defect of ours in one stage must not lose the other stages
        log.exception("stage %s failed in run %s", spec.stage, run.report.run_id)
        return Status.FAILED, f"Unexpected error in this stage: {type(error).__name__}: {error}"
    return Status.OK, None


# --- stages ----------------------------------------------------------------------------------


def _inspect(run: _Run) -> None:
    run.problems["model"] = "The model could not be loaded."
    inspect(run.source, run.report.model)


def _load(run: _Run) -> None:
    run.model = open_run_model(run.source, run.report, run.progress)
    label_stage.name_by_hand(run.model, run.request.config, run.report)


def _schema(run: _Run) -> None:
    request, section = run.request, run.report.schema_
    info = run.model.info if run.model else None
    run.from_sample = _read_sample(run)
    if not (info or run.from_sample or request.hand_schema or request.json_schema):
        run.problems["rows"] = "There is neither a loaded model nor a sample nor a schema."
        raise DataError(run.problems["rows"])
    merged = _settle_schema(run, run.from_sample)
    section.sources, section.warnings = merged.sources, section.warnings + merged.warnings


def _settle_schema(run: _Run, from_sample: Schema | None) -> schema_merge.Merged:
    """Merge what is known of the columns; from here on it is the run's schema."""
    request, info = run.request, run.model.info if run.model else None
    merged = schema_merge.merge_schemas(request.hand_schema, request.json_schema, from_sample, info)
    problems = schema_utils.check_schema(merged.schema)
    if problems:
        run.problems["rows"] = problems[0]
        raise DataError(problems[0])
    _use_schema(run, merged.schema)
    return merged


def _use_schema(run: _Run, schema: Schema) -> None:
    run.schema = run.report.schema_.data_schema = schema
    if run.model is not None:
        run.model.time_forms = schema_utils.time_forms(schema)


def _read_sample(run: _Run) -> Schema | None:
    if run.sample_path is None:
        return None
    name = run.request.sample_name or "sample.csv"
    info = run.model.info if run.model else None
    frame, notes = table_reader.read_table(run.sample_path, name, info.text_columns if info else [])
    run.report.schema_.warnings += notes
    run.report.schema_.sample_columns = [str(column) for column in frame.columns]
    roles = sample_stage.assign_roles(frame, run.request.config, info)
    if roles.target_problem is not None:
        run.report.schema_.warnings.append(roles.target_problem)
        run.labels_reason = roles.target_problem
    run.sample, run.roles, run.report.data.target = frame, roles, roles.target
    return schema_inference.schema_from_sample(roles.without_roles(frame), target=roles.target)


def _data(run: _Run) -> None:
    config, section = run.request.config, run.report.data
    aligned, problem = _take_sample(run)
    schema = run.known_schema
    if run.sample is not None and aligned is not None and problem is None:
        chosen = _choose_rows(aligned, config.n_rows, config.seed)
        run.rows = chosen.reset_index(drop=True)
        numbers = chosen.index.to_numpy(dtype=np.int64)
        run.tested_sample = SampleRows(run.sample, numbers, run.roles)
        _match_answers(run, run.tested_sample)
        section.source, section.name = "sample", run.request.sample_name
    else:
        if problem is not None:
            section.warnings.append(f"{problem} Synthetic rows were used instead.")
            run.labels_reason = problem
        run.rows = synthetic_data.generate(schema, config.n_rows, config.seed)
        section.source, section.name = "synthetic", "synthetic rows from the schema"
    _fill_data_section(run)
    _check_sample(run)
    _measure_reach(run)


def _match_answers(run: _Run, tested: SampleRows) -> None:
    """Bring the answers to the names of the model's classes, or say why that cannot be."""
    answers = tested.single_answers()
    if answers is None or run.model is None:
        run.y_true = answers
        return
    named, problem = label_stage.match_answers(run.model, answers, run.tested_rows, run.report)
    if problem is None:
        run.tested_sample = tested.with_answers(named)
    else:
        run.labels_reason = problem
        run.report.data.warnings.append(problem)
        run.tested_sample = tested.without_answers()
    run.y_true = run.tested_sample.single_answers()


def _measure_reach(run: _Run) -> None:
    """Say how much of the model made-up rows reach."""
    if run.model is None or run.report.data.source != "synthetic" or run.tested_rows.empty:
        return
    run.report.data.reach = synthetic_reach.measure_reach(
        run.model, run.tested_rows, run.known_schema, seed=run.request.config.seed
    )


def _check_sample(run: _Run) -> None:
    """Check the tested rows of a sample, true answers included."""
    if run.sample is None or run.report.data.source != "sample":
        return
    target = run.report.data.target
    table = sample_stage.as_written(_with_answers(run), run.tested_sample)
    run.report.validation = validation.check_table(table, run.known_schema, target=target)


def _with_answers(run: _Run) -> pd.DataFrame:
    """Return the tested rows with the true answers as the sample writes them."""
    tested, target = run.tested_sample, run.report.data.target
    if tested is None or run.sample is None or target is None:
        return run.tested_rows
    return run.tested_rows.assign(**{target: run.sample[target].to_numpy()[tested.numbers]})


def _fill_data_section(run: _Run) -> None:
    section, rows = run.report.data, run.tested_rows
    section.n_rows = len(rows)
    section.sha256 = run.request.sample_sha256
    section.n_sample_rows = None if run.sample is None else len(run.sample)
    table = _with_answers(run)
    section.columns = table_summary.summarise_table(table, run.known_schema)
    if len(section.columns) < table.shape[1]:
        told = f"{len(section.columns)} of {table.shape[1]:,} columns are summarised."
        section.warnings.append(told)
    section.preview = table_summary.preview_rows(table)
    section.artifact = run.save_data(csv_of(table), "tested-rows.csv")


def _take_sample(run: _Run) -> tuple[pd.DataFrame | None, str | None]:
    """Return the sample's rows as the model takes them, or why it does not."""
    if run.sample is None:
        return None, None
    schema = run.known_schema
    aligned = schema_merge.align_frame(run.sample, schema)
    if aligned is None:
        missing = schema_merge.check_frame(run.sample, schema)
        return None, f"The sample does not have the model's columns. {' '.join(missing[:3])}"
    taken = sample_forms.take_rows(run.model, aligned, schema)
    if taken.refusal is not None and run.from_sample is not None:
        _settle_schema(run, sample_forms.known_without(run.from_sample))
        return None, taken.refusal
    _use_schema(run, taken.schema)
    run.report.data.warnings += [taken.note] if taken.note else []
    return taken.frame, None


def _choose_rows(frame: pd.DataFrame, n_rows: int, seed: int) -> pd.DataFrame:
    if len(frame) <= n_rows:
        return frame
    return frame.sample(n_rows, random_state=seed)


def _performance(run: _Run) -> None:
    run.report.performance = latency.measure_performance(
        run.loaded, run.tested_rows, run.request.config, progress=run.progress
    )
    _drop_failing_rows(run)


def _drop_failing_rows(run: _Run) -> None:
    """Leave out rows on which the model raises, so that the later stages can work."""
    if not run.report.performance.n_rows_failed:
        return
    found = failing_rows.find_failing_rows(
        run.loaded, run.tested_rows, seed=run.request.config.seed
    )
    if not found.good.size:
        why = next(iter(found.failing.values()), "no row was answered")
        run.rows, run.problems["rows"] = None, f"The model fails on every row: {why}"
        return
    run.rows = run.tested_rows.iloc[found.good].reset_index(drop=True)
    run.row_numbers = found.good
    if run.tested_sample is not None:
        run.tested_sample = run.tested_sample.keep(found.good)
        run.y_true = run.tested_sample.single_answers()


def _quality(run: _Run) -> None:
    run.predictions, run.report.quality = quality_stage.measure_quality(
        run.loaded,
        quality_stage.TestedRows(run.tested_rows, run.tested_sample, run.labels_reason),
        run.request,
        save_data=run.save_data,
        progress=run.progress,
    )
    if run.request.environment == "compare":
        section = run.report.model
        section.versions = compare_versions(run.source, section, run.tested_rows, run.predictions)


def _behaviour(run: _Run) -> None:
    run.report.behaviour = behaviour.examine_behaviour(
        run.loaded,
        run.tested_rows,
        run.known_schema,
        run.request.config,
        progress=run.progress,
    )


def _drift(run: _Run) -> None:
    if run.predictions is None:
        run.predictions = run.loaded.predict(run.tested_rows)
    run.report.drift = drift_simulation.simulate_drift(
        run.loaded,
        run.tested_rows,
        run.known_schema,
        run.predictions,
        run.y_true,
        config=run.request.config,
        progress=run.progress,
    )


def _explain(run: _Run) -> None:
    if run.predictions is None:
        run.predictions = run.loaded.predict(run.tested_rows)
    tested = explain_stage.TestedRows(
        run.tested_rows,
        run.y_true,
        run.predictions,
        {feature.name: feature.kind for feature in run.known_schema.inputs},
        run.row_numbers,
    )
    run.report.explanations = explain_stage.explain_run(
        run.loaded, tested, run.request.config, progress=run.progress
    )


def _verdict(run: _Run) -> None:
    run.report.verdict = verdict.judge(run.report)


def _save(run: _Run) -> None:
    run.progress(1.0, "Saving the report")


_SHARED = ("model", "verdict")
"""Sections that several stages fill, or that describe the run rather than a stage."""

_TITLES = {
    Stage.INSPECT: "Reading the file without loading it",
    Stage.LOAD: "Loading the model in its own process",
    Stage.SCHEMA: "Working out the columns",
    Stage.DATA: "Preparing rows",
    Stage.PERFORMANCE: "Timing predictions",
    Stage.QUALITY: "Measuring quality",
    Stage.BEHAVIOUR: "Trying odd input",
    Stage.DRIFT: "Simulating drift",
    Stage.EXPLAIN: "Explaining predictions",
    Stage.VERDICT: "Weighing the results",
    Stage.SAVE: "Saving the report",
}

_STAGES = (
    _StageSpec(Stage.INSPECT, "model", 0.2, _inspect),
    _StageSpec(Stage.LOAD, "model", 0.5, _load),
    _StageSpec(Stage.SCHEMA, "schema_", 0.2, _schema),
    _StageSpec(Stage.DATA, "data", 0.3, _data),
    _StageSpec(Stage.PERFORMANCE, "performance", 3.0, _performance, ("model", "rows")),
    _StageSpec(Stage.QUALITY, "quality", 1.0, _quality, ("model", "rows")),
    _StageSpec(Stage.BEHAVIOUR, "behaviour", 1.0, _behaviour, ("model", "rows")),
    _StageSpec(Stage.DRIFT, "drift", 2.0, _drift, ("model", "rows")),
    _StageSpec(Stage.EXPLAIN, "explanations", 2.0, _explain, ("model", "rows")),
    _StageSpec(Stage.VERDICT, "verdict", 0.1, _verdict),
    _StageSpec(Stage.SAVE, "verdict", 0.1, _save),
)
