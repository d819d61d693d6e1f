"""Models are loaded in one place, and never in a process that talks to strangers."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import ROOT

FORBIDDEN = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "_pickle.load", "_pickle.loads"),
    *("marshal.load", "marshal.loads", "shelve.open", "dill.load", "dill.loads"),
    *("cloudpickle.load", "cloudpickle.loads", "joblib.load", "torch.load"),
    *("pandas.read_pickle", "pd.read_pickle", "skops.io.load", "skops.io.loads"),
    *("skops_io.load", "skops_io.loads", "torch.jit.load", "torch.export.load"),
    *("yaml.load", "yaml.unsafe_load", "runpy.run_path", "runpy.run_module"),
}
"""Calls that run what a file says, by the name under which they are usually called."""

FOREIGN_LOADERS = ("shap.", "mlflow.", "tensorflow.", "keras.", "catboost.", "onnxruntime.")
BOOSTER_LOADERS = {"load_model", "Booster"}

ALLOWED = {
    ("restricted_pickle.py", "pickle.load"),
    ("restricted_pickle.py", "joblib.load"),
    ("model_boosters.py", "xgboost.Booster"),
    ("model_boosters.py", "booster.load_model"),
    ("model_boosters.py", "lightgbm.Booster"),
    ("model_boosters.py", "model.load_model"),
    ("worker_formats.py", "skops_io.load"),
    ("worker_torch.py", "torch.jit.load"),
    ("worker_torch.py", "torch.export.load"),
}
"""The one place: the unpickler under the policy custom, and the readers of other formats."""

SOURCES = sorted(
    path
    for folder in (".", "views", "migrations", "example_client", "benchmarks")
    for path in (ROOT / folder).glob("**/*.py" if folder != "." else "*.py")
)


def dotted(node: ast.expr) -> str:
    """Return ``a.b.c`` for a chain of names, "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""


def real_names(tree: ast.AST) -> dict[str, str]:
    """Return what each imported name stands for, such as ``loads`` for ``pickle.loads``."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def loads_in(source: str) -> Iterator[str]:
    """Yield every call, or mention, of something that turns bytes of a file into objects."""
    tree = ast.parse(source)
    names = real_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, _, rest = dotted(node).partition(".")
            name = names.get(first, first) + (f".{rest}" if rest else "")
            if name in FORBIDDEN or is_foreign_loader(name):
                yield name
        if isinstance(node, ast.Call) and opens_pickled_arrays(node):
            yield "allow_pickle"


def is_foreign_loader(name: str) -> bool:
    """Whether a name is some library's own way to load a model."""
    owner, _, last = name.rpartition(".")
    return bool(owner and last in BOOSTER_LOADERS) or (
        name.startswith(FOREIGN_LOADERS) and "load" in last
    )


def opens_pickled_arrays(call: ast.Call) -> bool:
    """Whether a call may unpickle arrays: anything but a literal False is too much."""
    settings = [word.value for word in call.keywords if word.arg == "allow_pickle"]
    return any(not isinstance(v, ast.Constant) or v.value is not False for v in settings)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_loads_a_model_but_the_one_place(path: Path) -> None:
    """No module turns a file into objects by running it, but the worker's loader."""
    found = {(path.name, name) for name in loads_in(path.read_text())}
    assert found - ALLOWED == set()


def test_the_one_place_is_still_there() -> None:
    """Each exception is in use; one that is not would hide the next."""
    files = {name for name, _ in ALLOWED}
    used = {(name, call) for name in files for call in loads_in((ROOT / name).read_text())}
    assert used == ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\npickle.loads(b'')",
        "import pickle as p\np.load(f)",
        "from pickle import loads as read\nread(b'')",
        "from pickle import Unpickler\nclass U(Unpickler): pass",
        "import joblib\nload = joblib.load",
        "import pandas as pd\npd.read_pickle(x)",
        "import numpy as np\nnp.load(x, allow_pickle=True)",
        "import numpy as np\nnp.load(x, allow_pickle=wanted)",
        "import xgboost as xgb\nxgb.Booster(model_file=x)",
        "import mlflow\nmlflow.sklearn.load_model(x)",
        "from skops.io import load\nload(x)",
        "import shap\nshap.Explainer.load(x)",
        "exec(x)",
        "from os import system\nsystem(x)",
    ],
)
def test_the_search_finds_what_it_must(source: str) -> None:
    """Each way around the loader, also by another name, is seen."""
    assert list(loads_in(source))


DOOR = """
import json, pickle, sys
from collections import OrderedDict
from pathlib import Path

events = []
WATCHED = ("pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn",
           "os.fork", "os.kill", "socket.connect", "socket.sendto")
sys.addaudithook(lambda name, args: events.append(name) if name in WATCHED else None)
pickle.loads(pickle.dumps(OrderedDict()))
control, events[:] = list(events), []

import jobs
jobs.ensure_runner = lambda settings: None
from fastapi.testclient import TestClient
from api_handler import create_app
from settings import Settings
from tests.hostile_pickles import hostile_pickles

folder = Path(sys.argv[1])
files = hostile_pickles(folder / "marker")
settings = Settings(data_dir=folder / "data", queue_limit=10_000, runs_per_minute=100_000)
events.clear()
with TestClient(create_app(settings), base_url="http://127.0.0.1") as client:
    statuses = [
        client.post(
            "/run_tests", files={"model": (name, data)}, headers={"Prefer": "respond-async"}
        ).status_code
        for name, data in files.items()
    ]
print(json.dumps({"control": control, "events": events, "statuses": statuses}))
"""


def test_the_door_runs_nothing_of_an_upload(tmp_path: Path) -> None:
    """While every hostile file is uploaded and inspected, no name is looked up, no program run."""
    ended = subprocess.run(
        [sys.executable, "-c", DOOR, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["control"] == ["pickle.find_class"]
    assert told["events"] == []
    assert len(told["statuses"]) >= 20
    assert set(told["statuses"]) <= {202, 413, 415, 422}
    assert not (tmp_path / "marker").exists()
