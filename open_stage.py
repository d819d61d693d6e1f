"""The opening of a run's model: under which policy, in which environment, and what came of it.

Owns: ``open_run_model``, which loads the inspected file in a process of its own and writes into the
report's model section what was allowed, which environment answered, how the process is held and
what the model said of itself; ``reopen_model`` for questions after the run, ``open_inspected`` for
those about a file of no run; ``open_other`` for comparing versions. Where an environment cannot be
had, the libraries installed here are used and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import environments
import model_file
import model_policy
from access_types import Approval
from diagnosis_types import Diagnosis, EnvironmentUse, Outlook
from environments import Prepared
from errors import (
    EnvironmentBuildError,
    ModelError,
    ModelLoadError,
    ModelRaisedError,
    NotFoundError,
)
from installed import installed_here
from model_diagnosis import diagnose
from model_policy import Grant
from model_types import ModelFileInfo
from model_utils import ModelHandle, open_model
from report_types import ModelSection, RunRequest, TestReport
from sandbox import EnvironmentWorkers, Limits, WorkerParent
from settings import Settings

Progress = Callable[[float, str], None]

NOT_ALLOWED = (
    "The libraries installed here were used: building the environment that the file was made with "
    "is switched off (MONITOR_ENVIRONMENTS)."
)
NOT_KNOWN = (
    "The libraries installed here were used: the file does not tell which versions it was made "
    "with."
)


def _silent(_fraction: float, _message: str) -> None:
    """Take progress that nobody asked for."""


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
    cleanup : ExitStack
        Gets what must be let go of when nobody needs the model any more.
    """

    path: Path
    request: RunRequest
    workers: WorkerParent
    settings: Settings
    find_approval: Callable[[str], Approval | None]
    cleanup: ExitStack = field(default_factory=ExitStack)

    def limits(self) -> Limits:
        """Return what the model's process is held to."""
        settings = self.settings
        return Limits(
            memory_mb=settings.memory_mb,
            load_seconds=settings.load_seconds,
            call_seconds=settings.call_seconds,
            isolation=settings.require_isolation,
            cpu_seconds=settings.cpu_seconds,
        )

    def grant(self, file: ModelFileInfo) -> Grant:
        """Return under which policy the file is loaded, and who allowed that."""
        approval = self.find_approval(file.sha256)
        return model_policy.decide(self.settings.model_policy, self.request.policy, file, approval)

    def open(
        self, file: ModelFileInfo, prepared: Prepared | None, limits: Limits | None = None
    ) -> ModelHandle:
        """Open the model with the libraries installed here, or in a prepared environment."""
        grant = self.grant(file)
        program = None if prepared is None else prepared.program
        return open_model(
            self.path,
            file,
            workers=self.workers if program is None else EnvironmentWorkers(self.workers, program),
            limits=limits or self.limits(),
            policy=grant.policy,
            approved=grant.approval is not None,
            composition=self.request.composition,
        )

    def hold(self, prepared: Prepared) -> Prepared:
        """Keep an environment from being tidied away while the model is needed."""
        self.cleanup.callback(prepared.release)
        return prepared


def open_run_model(
    source: ModelSource, report: TestReport, progress: Progress = _silent
) -> ModelHandle:
    """Load the model whose file ``report.model.file`` describes and fill in the model section.

    Raises
    ------
    ModelError
        The file could not be read, was refused, or could not be loaded; policy and approval are
        in the section by then.
    """
    model = open_inspected(source, report.model, progress)
    _describe(model, source.limits(), report)
    return model


def inspect(source: ModelSource, section: ModelSection) -> None:
    """Read the file without loading it, and say what will become of it.

    Raises
    ------
    MonitorError
        The file cannot be read as any known format.
    """
    section.file = model_file.inspect_file(source.path, source.request.model_name)
    section.diagnosis = diagnose(section.file, installed_here(source.settings))


def open_inspected(
    source: ModelSource, section: ModelSection, progress: Progress = _silent
) -> ModelHandle:
    """Load the model of an inspected file where it works best; see ``open_run_model``."""
    if section.file is None:
        raise ModelError(section.reason or "The file could not be read.")
    grant = source.grant(section.file)
    section.policy = grant.policy
    section.approval = grant.approval.sentence if grant.approval else None
    return _open_where_it_works(source, section, progress)


def reopen_model(source: ModelSource, section: ModelSection, limits: Limits) -> ModelHandle:
    """Open a finished run's model once more, in the environment that answered then.

    Raises
    ------
    NotFoundError
        The environment was removed, or the run kept no model.
    ModelError
        The model failed.
    """
    if section.file is None:
        message = "The run kept no model"
        raise NotFoundError(message)
    prepared = None
    if section.environment is not None and section.environment.key is not None:
        prepared = environments.find(section.environment.key, source.settings)
        if prepared is None:
            message = "The environment in which this model ran was removed; run the test again"
            raise NotFoundError(message)
        source.hold(prepared)
    return _named_as_before(source.open(section.file, prepared, limits), section)


def open_other(source: ModelSource, section: ModelSection) -> ModelHandle:
    """Open the model of a matching environment with the libraries installed here.

    Raises
    ------
    ModelError
        It does not load here.
    """
    if section.file is None:
        raise ModelError(section.reason or "The file could not be read.")
    return _named_as_before(source.open(section.file, None), section)


def _named_as_before(model: ModelHandle, section: ModelSection) -> ModelHandle:
    """Show the class names that the run showed."""
    if section.info is not None and section.info.class_codes is not None:
        model.name_classes(section.info.classes or [])
    return model


def _open_where_it_works(
    source: ModelSource, section: ModelSection, progress: Progress
) -> ModelHandle:
    """Try the environment that promises most, then the other."""
    file, choice = section.file, source.request.environment
    assert file is not None  # noqa: S101 - the caller looked
    found = section.diagnosis or Diagnosis(what="")
    asked = choice in ("matching", "compare")
    if asked or (choice == "auto" and found.outlook is Outlook.BREAKS):
        model = _open_matching(source, section, progress)
        if model is not None:
            return model
    try:
        model = source.open(file, None)
    except ModelError as error:
        may_help = choice == "auto" and found.outlook is Outlook.MAY_DIFFER
        if found.walls and not _was_refused(error):
            raise ModelLoadError(_wall_sentence(file.name, found)) from error
        if not may_help or _was_refused(error):
            raise
        section.warnings.append(f"With the libraries installed here it does not work: {error}")
        rescued = _open_matching(source, section, progress)
        if rescued is None:
            raise
        return rescued
    section.environment = EnvironmentUse(kind="present", reason=_why_present(found))
    return model


def _open_matching(
    source: ModelSource, section: ModelSection, progress: Progress
) -> ModelHandle | None:
    """Return the model in the environment it was made with; None, with a warning, if that fails."""
    file, found = section.file, section.diagnosis
    spec = None if found is None else found.environment
    if file is None or spec is None:
        section.warnings.append(NOT_KNOWN)
        return None
    if not source.settings.environments:
        section.warnings.append(NOT_ALLOWED)
        return None
    try:
        prepared = environments.prepare(
            spec, source.settings, lambda message: progress(0.5, message)
        )
    except EnvironmentBuildError as error:
        section.warnings.append(f"The libraries installed here were used: {error}.")
        return None
    source.hold(prepared)
    progress(0.9, "Loading the model in its own environment")
    try:
        model = source.open(file, prepared)
    except ModelError as error:
        if _was_refused(error):
            raise
        section.warnings.append(f"In an environment with {spec.title} it failed: {error}")
        return None
    section.environment = EnvironmentUse(
        kind="matching",
        key=prepared.built.key,
        reason=_why_matching(found, exact=spec.exact),
        prepared_seconds=round(prepared.seconds, 3),
    )
    return model


def _wall_sentence(name: str, found: Diagnosis) -> str:
    """Say why a file does not load here, and what to do, without the library's own words."""
    return " ".join(filter(None, [f"{name} does not work here.", *found.walls, found.next_step]))


def _was_refused(error: ModelError) -> bool:
    """Whether the policy refused the file; no other version changes that."""
    cause = error.__cause__
    return isinstance(cause, ModelRaisedError) and cause.exception_type == "RefusedError"


def _why_matching(found: Diagnosis | None, *, exact: bool) -> str:
    if not exact:
        return "The nearest versions that can still be run; the file is older or does not tell."
    return found.walls[0] if found and found.walls else "Asked for, or needed to load the file."


def _why_present(found: Diagnosis) -> str:
    if found.outlook is Outlook.LOADS:
        return "Nothing in the file asks for other versions."
    if found.outlook is Outlook.MAY_DIFFER:
        return "The file was made with another version, and loads and predicts with this one."
    return "No matching environment was used; see the warnings."


def _describe(model: ModelHandle, limits: Limits, report: TestReport) -> None:
    """Write what the opened model and its process are like into the report."""
    section = report.model
    section.info, section.load_ms = model.info, model.load_ms
    section.bundle = model.bundle
    section.warnings += model.warnings
    section.isolation = model.isolation
    if section.environment is not None:
        libraries = dict(model.info.versions)
        section.environment.python = libraries.pop("python", "")
        section.environment.libraries = libraries
    report.environment.worker = {
        "isolation": model.isolation,
        "memory_mb": limits.memory_mb,
        "libraries": model.info.versions,
    }
