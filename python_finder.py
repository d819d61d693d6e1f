"""Interpreters of this machine: where CPython of a wanted minor version is.

Owns: ``find_python`` (pyenv's versions, the search path, uv's own) and ``uv_command``. A candidate
counts only if it runs and says that it is what was wanted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROBE = "import platform as p; print(p.python_implementation(), p.python_version())"
PROBE_SECONDS = 20.0
KEPT_VARIABLES = ("HOME", "LANG", "PATH", "TMPDIR", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY")
KEPT_PREFIXES = ("UV_", "SSL_")


class Interpreter(NamedTuple):
    """A Python that runs here.

    Parameters
    ----------
    path : str
        The program, without links.
    version : str
        As in "3.8.18".
    """

    path: str
    version: str


def find_python(minor: str, *, fetch: bool = False) -> Interpreter | None:
    """Return an interpreter of a minor version, None if there is none.

    Parameters
    ----------
    minor : str
        As in "3.8".
    fetch : bool
        Whether uv may download one.
    """
    for candidate in _candidates(minor, fetch=fetch):
        found = _probe(candidate)
        if found is not None and found.version.startswith(f"{minor}."):
            return found
    return None


def uv_command() -> str | None:
    """Return the path of uv, from its package or from the search path; None if it is missing."""
    try:
        import uv
    except ImportError:
        return shutil.which("uv")
    try:
        return str(uv.find_uv_bin())
    except FileNotFoundError:
        return shutil.which("uv")


def tool_environment() -> dict[str, str]:
    """Return what uv may know of our environment: its own settings, never ours."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in KEPT_VARIABLES or name.startswith(KEPT_PREFIXES)
    }


def _candidates(minor: str, *, fetch: bool) -> Iterator[str]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from (str(path) for path in sorted(root.glob(f"versions/{minor}.*/bin/python{minor}")))
    on_path = shutil.which(f"python{minor}")
    if on_path is not None:
        yield on_path
    uv = uv_command()
    if uv is None:
        return
    find = [uv, "python", "find", "--no-project", "--quiet", f"cpython-{minor}"]
    yield from _output([*find, "--no-python-downloads"])
    if fetch:
        _output([uv, "python", "install", "--quiet", f"cpython-{minor}"], seconds=300.0)
        yield from _output(find)


def _probe(path: str) -> Interpreter | None:
    lines = _output([path, "-I", "-S", "-c", PROBE])
    name, _, version = (lines or [""])[-1].partition(" ")
    if name != "CPython":
        return None
    return Interpreter(str(Path(path).resolve()), version)


def _output(command: list[str], *, seconds: float = PROBE_SECONDS) -> list[str]:
    """Return the lines that a program prints; none if it fails."""
    try:
        ended = subprocess.run(  # noqa: S603 - uv and interpreters of this machine
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            env=tool_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return ended.stdout.splitlines() if ended.returncode == 0 else []
