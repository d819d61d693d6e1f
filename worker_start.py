"""The start of a worker under another interpreter: become it, import its libraries, confine itself.

Owns: ``become`` (in a fork of the warm parent: from there to the other interpreter) and ``main``
(in the other interpreter: from its start to the worker's loop). Confinement cannot come first,
because a confined process may not become another program; so nothing of a model is read, and no
message is answered, before it is complete. Stand-alone: standard library alone, Python 3.7 syntax.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import tempfile
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import confinement

if TYPE_CHECKING:
    from typing import NoReturn

HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - before any import
PRELOADED = (
    *("numpy", "pandas", "scipy.sparse", "scipy.special", "joblib", "threadpoolctl"),
    *(
        "sklearn.pipeline",
        "sklearn.ensemble",
        "sklearn.linear_model",
        "sklearn.preprocessing",
        "xgboost",
        "lightgbm",
    ),
)
"""Libraries imported before the limits are set, so that these bound the model and not them."""
DATA_FD, MODEL_FD = 3, 4
"""Where a worker finds its two descriptors, its channel and the file; all above are closed."""
OURS = ("model_worker", "model_lowering", "isolation_probe")
CODECS = ("latin1", "cp437", "raw_unicode_escape", "utf_16", "utf_32", "idna")
"""Text codecs that old pickles need; a confined worker may be unable to find them."""


class Program(NamedTuple):
    """Another interpreter and where its libraries are.

    Parameters
    ----------
    python : str
        Path of the interpreter, CPython 3.7 or later.
    libraries : str
        Folder that holds its packages; the only one besides its standard library.
    """

    python: str
    libraries: str


def become(
    program: Program, rules: confinement.Rules, layers: confinement.Layers | None, parent_pid: int
) -> NoReturn:
    """Replace this process by a worker under another interpreter.

    Parameters
    ----------
    program : Program
        What to become.
    rules, layers, parent_pid
        As ``confinement.confine`` takes them; the paths of the layers are found anew over there.

    Raises
    ------
    OSError
        If the interpreter cannot be started.
    """
    plan = {
        "rules": asdict(rules),
        "layers": None if layers is None else [layers.landlock, (layers.program or b"").hex()],
        "parent_pid": parent_pid,
    }
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(plan).encode("ascii"))
        file.flush()
        file.seek(0)
        os.dup2(file.fileno(), 0)
    start = (
        f"import sys; sys.path.insert(0, {HERE!r}); sys.path.append({program.libraries!r}); "
        "import worker_start; worker_start.main()"
    )
    for fd in (1, 2, DATA_FD, MODEL_FD):
        os.set_inheritable(fd, True)
    command = [program.python, "-I", "-S", "-c", start]
    os.execve(program.python, command, dict(os.environ))  # noqa: S606 - meant to


def main() -> None:
    """Do what ``become`` wrote down: import, confine, serve."""
    plan = _read_plan()
    _preload(has_model=os.fstat(MODEL_FD).st_size > 0)
    layers = None
    if plan["layers"] is not None:
        landlock, program = plan["layers"]
        paths = confinement.readable_paths()
        layers = confinement.Layers(landlock, paths, bytes.fromhex(program) or None)
    confinement.confine(confinement.Rules(**plan["rules"]), layers, plan["parent_pid"])
    worker = sys.modules["model_worker"]
    worker.serve(worker.FileChannel(DATA_FD), MODEL_FD)


def _read_plan() -> dict[str, Any]:
    with open(0, encoding="ascii", closefd=False) as file:
        plan: dict[str, Any] = json.load(file)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return plan


def _preload(*, has_model: bool) -> None:
    """Import our part always, libraries only for a model: a probe of the isolation needs none."""
    for name in PRELOADED if has_model else ():
        try:
            importlib.import_module(name)
        except ImportError:
            continue  # this environment has no such library, or not yet
    for name in OURS:
        importlib.import_module(name)
    for name in CODECS:
        "".encode(name)
    if "joblib" in sys.modules:
        sys.modules["joblib"].cpu_count()  # reads files that a confined worker may not
    if "threadpoolctl" in sys.modules:
        sys.modules["threadpoolctl"].threadpool_info()  # old ones run a program to find libc
