"""The opening of a run's model: under which policy, within which limits, and what came of it.

Owns: ``open_run_model``, which loads the inspected file in a process of its own and writes into the
report's model section what was allowed, how the process is held and what the model said of itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import model_policy
from access_types import Approval
from errors import ModelError
from model_utils import ModelHandle, open_model
from report_types import RunRequest, TestReport
from sandbox import Limits, WorkerParent
from settings import Settings


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A stored model file and all that its opening depends on.

    Parameters
    ----------
    path : Path
        The stored file; it is never loaded in this process.
    request : RunRequest
        What the caller asked for.
    workers : WorkerParent
        Where processes that hold models come from.
    settings : Settings
        The operator's limits and policy.
    find_approval : callable
        Returns the operator's approval of the file with a SHA-256, or None.
    """

    path: Path
    request: RunRequest
    workers: WorkerParent
    settings: Settings
    find_approval: Callable[[str], Approval | None]


def open_run_model(source: ModelSource, report: TestReport) -> ModelHandle:
    """Load the model whose file ``report.model.file`` describes and fill in the model section.

    Raises
    ------
    ModelError
        The file could not be read, was refused, or could not be loaded; policy and approval are
        in the section by then.
    """
    section = report.model
    if section.file is None:
        raise ModelError(section.reason or "The file could not be read.")
    settings = source.settings
    limits = Limits(
        memory_mb=settings.memory_mb,
        load_seconds=settings.load_seconds,
        call_seconds=settings.call_seconds,
        isolation=settings.require_isolation,
        cpu_seconds=settings.cpu_seconds,
    )
    approval = source.find_approval(section.file.sha256)
    grant = model_policy.decide(
        settings.model_policy, source.request.policy, section.file, approval
    )
    section.policy = grant.policy
    section.approval = grant.approval.sentence if grant.approval else None
    model = open_model(
        source.path,
        section.file,
        workers=source.workers,
        limits=limits,
        policy=grant.policy,
        approved=grant.approval is not None,
        composition=source.request.composition,
    )
    _describe(model, limits, report)
    return model


def _describe(model: ModelHandle, limits: Limits, report: TestReport) -> None:
    """Write what the opened model and its process are like into the report."""
    section = report.model
    section.info, section.load_ms = model.info, model.load_ms
    section.bundle = model.bundle
    section.warnings = list(model.warnings)
    section.isolation = model.isolation
    report.environment.worker = {
        "isolation": model.isolation,
        "memory_mb": limits.memory_mb,
        "libraries": model.info.versions,
    }
