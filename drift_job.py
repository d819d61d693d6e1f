"""Comparing two files in a process of its own: start, progress, cancel, result.

Owns: ``DriftTask`` (what to compare) and ``DriftJob``, the door's side of the process whose other
side is ``compare_files``. A comparison is not kept like a run: it takes about a second, rests on
two files and is made again from them when asked again. So it needs no place in the queue, and no
door ever holds the tables. Light to import: nothing numerical.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from asked_model import AskedModel
from base_types import TypedModel
from cpu_tuning import single_threaded, tuned_environment
from drift_types import DriftReport
from errors import (
    BusyError,
    DataError,
    InputError,
    ModelError,
    MonitorError,
    RunCancelledError,
    TooLargeError,
)
from settings import Settings, as_environment

ROOT = Path(__file__).resolve().parent

_ERRORS: dict[str, type[MonitorError]] = {
    kind.__name__: kind for kind in (InputError, DataError, TooLargeError, ModelError)
}

_lock = threading.Lock()
_running: set[int] = set()  # process ids of this door


class DriftTask(TypedModel):
    """What to compare: two files, and the model whose answers are compared as well."""

    reference: Path
    reference_name: str
    current: Path
    current_name: str
    labels: str = Field(default="", description="Right answers, which current rows may lack")
    options: dict[str, Any] = Field(default_factory=dict, description="See compare_files.Options")
    model: AskedModel | None = None


@dataclass(frozen=True)
class DriftState:
    """How far a comparison is.

    Parameters
    ----------
    fraction : float
        0 to 1.
    message : str
        What is being done.
    report : DriftReport or None
        The result once there is one.
    """

    fraction: float = 0.0
    message: str = "starting"
    report: DriftReport | None = None


class DriftJob:
    """A comparison on its way; a context manager that leaves no process behind.

    The process ends with this object: it watches a pipe that closes with it.

    Parameters
    ----------
    process : Popen
        Started with the task on its standard input.
    output : binary file
        Where it writes one JSON object per line.
    seconds : float
        How long it may take.
    """

    # the type of a TemporaryFile is private
    def __init__(
        self,
        process: subprocess.Popen[bytes],
        output: Any,  # noqa: ANN401
        seconds: float,
    ) -> None:
        self._process = process
        self._output = output
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._final: DriftState | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.cancel()

    def __del__(self) -> None:
        self.cancel()

    def cancel(self) -> None:
        """End the process, if it has not ended, and let go of its pipes."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)  # with what builds an environment for it
            self._process.wait()
        _running.discard(self._process.pid)
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):  # it ended before it had read its task
                self._process.stdin.close()
        self._output.close()

    def poll(self) -> DriftState:
        """Return how far it is, without waiting.

        Raises
        ------
        InputError
            The files or the options cannot be used; the message says why.
        ModelError
            The model did not do what was asked.
        MonitorError
            The process took too long or died, or was cancelled.
        """
        if self._final is not None:
            return self._final
        if self._output.closed:
            msg = "The comparison was cancelled"
            raise RunCancelledError(msg)
        ended = self._process.poll() is not None
        lines = self._lines()
        last = lines[-1] if lines else {}
        if "error" in last:
            self.cancel()
            raise _ERRORS.get(last["kind"], MonitorError)(last["error"])
        if "report" in last:
            self.cancel()
            self._final = DriftState(1.0, "done", DriftReport.model_validate(last["report"]))
            return self._final
        if ended or time.monotonic() > self._deadline:
            self.cancel()
            raise MonitorError(self._how_it_ended(ended=ended))
        return DriftState(**last)

    def wait(self) -> DriftReport:
        """Wait for the result; raises what ``poll`` raises."""
        while True:
            report = self.poll().report
            if report is not None:
                return report
            time.sleep(0.02)

    def _lines(self) -> list[dict[str, Any]]:
        """Return the complete lines written so far, at most the last."""
        size = os.fstat(self._output.fileno()).st_size
        text = os.pread(self._output.fileno(), size, 0)
        complete = text.rpartition(b"\n")[0].splitlines()
        return [json.loads(complete[-1])] if complete else []

    def _how_it_ended(self, *, ended: bool) -> str:
        if not ended:
            return f"The comparison took longer than {self._seconds:g} s and was stopped"
        code = self._process.returncode
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"The comparison ended unexpectedly ({how}); the files may need too much memory"


def check_places(settings: Settings) -> None:
    """Raise ``BusyError`` when this door has as many comparisons running as it may have."""
    if len(_running) >= 2 * settings.slots:
        msg = f"{len(_running)} comparisons are running already; try again later"
        raise BusyError(msg, 2)


def start(task: DriftTask, settings: Settings) -> DriftJob:
    """Start comparing two files.

    Parameters
    ----------
    task : DriftTask
        What to compare.
    settings : Settings
        Limits.

    Raises
    ------
    BusyError
        This door has as many comparisons running as it may have.
    """
    with _lock:
        check_places(settings)
        output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the job
        process = subprocess.Popen(
            [sys.executable, "-m", "compare_files"],
            cwd=ROOT,
            env=single_threaded(tuned_environment(os.environ)) | as_environment(settings),
            stdin=subprocess.PIPE,
            stdout=output,
            start_new_session=True,  # Ctrl-C in the terminal is the door's to handle
        )
        _running.add(process.pid)
    job = DriftJob(process, output, settings.run_seconds)
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # it has ended already; the job says how
            process.stdin.write(task.model_dump_json().encode() + b"\n")
            process.stdin.flush()
    return job


def profile_of(table: Path, settings: Settings) -> bytes:
    """Return the saved profile of a table, made in a process of its own; waits for it.

    Raises
    ------
    MonitorError
        The table cannot be read, or that takes too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "profile.npz"
        try:
            done = subprocess.run(  # noqa: S603 - our own program; paths are arguments
                [sys.executable, "-m", "drift_reference", str(table), str(target)],
                cwd=ROOT,
                env=single_threaded(tuned_environment(os.environ)),
                capture_output=True,
                timeout=settings.run_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            msg = f"Making the profile took longer than {settings.run_seconds:g} s and was stopped"
            raise MonitorError(msg) from error
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            msg = f"The profile could not be made: {last or 'the process was killed'}"
            raise MonitorError(msg)
        return target.read_bytes()
