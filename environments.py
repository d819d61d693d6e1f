"""Environments of other times: built by uv from wheels alone, once for each set of requirements.

Owns: ``prepare``, which returns the workers' program for a request: from what was built before, or
by resolving and installing. Whoever else wants the same waits for the one build. Nothing of a
package is executed while it is installed (wheels only, no build scripts).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import python_finder
from diagnosis_types import EnvironmentSpec
from environment_store import PACKAGES, BuiltEnvironment, EnvironmentStore, folder_size, held
from errors import EnvironmentBuildError
from python_finder import Interpreter
from settings import MIB, Settings
from worker_protocol import clean_text
from worker_start import Program

EXPECTED_BYTES = 600 * MIB
"""Room that is made before a build; most take 200 to 400 MiB."""

PIN = re.compile(r"^[A-Za-z0-9][\w.-]*==\S+", re.M)
TICK_SECONDS = 0.1
MAX_REASON = 300
Tick = Callable[[str], None]
"""Told what is being done, some times a second; whoever is cancelled raises from it."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An environment ready for use, held until this process ends or ``release`` is called."""

    built: BuiltEnvironment
    program: Program
    seconds: float
    lock: int

    def release(self) -> None:
        """Let tidying take it."""
        with contextlib.suppress(OSError):
            os.close(self.lock)


def prepare(spec: EnvironmentSpec, settings: Settings, tick: Tick) -> Prepared:
    """Return an environment, building it where it is not there yet.

    Parameters
    ----------
    spec : EnvironmentSpec
        What is wanted.
    settings : Settings
        Where it is kept, how large all may be and how long a build may take.
    tick : callable
        Told what is being done; may raise to give up, which ends the build.

    Raises
    ------
    EnvironmentBuildError
        There is no interpreter, or the packages cannot be had; one sentence with the cause.
    """
    started = time.monotonic()
    store = EnvironmentStore(settings.environments_folder)
    python = _interpreter(spec, settings)
    request = spec.key(python.version)
    build = _Build(store, settings, python, started + settings.environment_seconds, tick)
    title = f"Python {python.version}, {spec.title}"
    built = store.answer_of(request)
    if built is None:
        waiting = f"Waiting for another run that builds {title}"
        try:
            with held(store, request, seconds=build.left(), tick=lambda: tick(waiting)):
                built = store.answer_of(request) or build.make(spec, request)
        except TimeoutError:
            raise EnvironmentBuildError(_too_slow(settings)) from None
    prepared = find(built.key, settings)
    if prepared is None:
        message = f"The environment for {spec.title} was removed just now; run the test again"
        raise EnvironmentBuildError(message)
    return replace(prepared, seconds=time.monotonic() - started)


def find(key: str, settings: Settings) -> Prepared | None:
    """Return an environment that was built before, None if it is gone."""
    store = EnvironmentStore(settings.environments_folder)
    lock = store.lock(key, shared=True)
    built = store.find(key)
    if built is None or lock is None:
        if lock is not None:
            os.close(lock)
        return None
    return Prepared(built, Program(built.python, str(store.packages(key))), 0.0, lock)


def _interpreter(spec: EnvironmentSpec, settings: Settings) -> Interpreter:
    for fetch in (False, True) if settings.fetch_pythons else (False,):
        for minor in spec.pythons:
            found = python_finder.find_python(minor, fetch=fetch)
            if found is not None:
                return found
    wanted = " or ".join(spec.pythons)
    message = (
        f"There is no Python {wanted} on this machine, which {spec.title} needs; install one "
        f"(uv python install {spec.pythons[0]}) or set MONITOR_FETCH_PYTHONS=true"
    )
    raise EnvironmentBuildError(message)


@dataclass(frozen=True, slots=True)
class _Build:
    """One build on its way."""

    store: EnvironmentStore
    settings: Settings
    python: Interpreter
    deadline: float
    tick: Tick

    def left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def make(self, spec: EnvironmentSpec, request: str) -> BuiltEnvironment:
        """Resolve, install unless the same was built for another request, and remember it."""
        resolving = f"Looking for the versions of {spec.title}"
        told = self._uv(
            ["pip", "compile", "-", "--no-header", "--no-annotate", "--quiet"],
            spec.requirements,
            resolving,
        )
        pins = PIN.findall(told)
        text = "\n".join([self.python.version, *pins])
        key = hashlib.sha256(text.encode()).hexdigest()[:20]
        built = self.store.find(key) or self._install(key, pins, spec.title)
        self.store.note_answer(request, key)
        return built

    def _install(self, key: str, pins: list[str], title: str) -> BuiltEnvironment:
        started = time.monotonic()
        self.store.make_room(self.settings.environments_mb * MIB, EXPECTED_BYTES)
        place = self.store.begin(key)
        install = ["pip", "install", "-r", "-", "--target", str(place / PACKAGES)]
        self._uv(
            [*install, "--no-deps", "--compile-bytecode", "--quiet"],
            pins,
            f"Building an environment: Python {self.python.version}, {title}",
        )
        built = BuiltEnvironment(
            key=key,
            python=self.python.path,
            version=self.python.version,
            requirements=pins,
            size_bytes=folder_size(place),
            build_seconds=time.monotonic() - started,
        )
        self.store.complete(place, built)
        return built

    def _uv(self, command: list[str], requirements: list[str], doing: str) -> str:
        """Run uv on requirements and return what it prints."""
        uv = python_finder.uv_command()
        if uv is None:
            message = "The tool uv is not installed, which builds environments: pip install uv"
            raise EnvironmentBuildError(message)
        options = ["--python", self.python.path, "--only-binary", ":all:", "--no-cache"]
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            given.write("\n".join(requirements).encode())
            given.seek(0)
            process = subprocess.Popen(  # noqa: S603 - uv, with requirements made here
                [uv, *command, *options],
                cwd=self.store.folder,
                env=python_finder.tool_environment(),
                stdin=given,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            self._wait(process, doing)
            said.seek(0)
            text = said.read().decode(errors="replace")
            if process.returncode != 0:
                raise EnvironmentBuildError(_why_failed(text))
            return text

    def _wait(self, process: subprocess.Popen[bytes], doing: str) -> None:
        """Wait for uv; end it when the time is over or whoever listens gives up."""
        started = time.monotonic()
        try:
            while process.poll() is None:
                self.tick(f"{doing} ({time.monotonic() - started:.0f} s)")
                if not self.left():
                    raise EnvironmentBuildError(_too_slow(self.settings))
                time.sleep(TICK_SECONDS)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()


def _too_slow(settings: Settings) -> str:
    return (
        f"The environment was not there after {settings.environment_seconds:g} s; is the package "
        "index reachable? MONITOR_ENVIRONMENT_SECONDS allows more"
    )


def _why_failed(errors: str) -> str:
    """Return uv's own reason as one sentence."""
    lines = [line.strip(" ╰▶─│├") for line in errors.splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith(("Because", "cause:", "Caused by"))]
    told = clean_text(" ".join(causes or lines[-2:]), MAX_REASON)
    return f"The environment could not be built: {told or 'uv gave no reason'}"
