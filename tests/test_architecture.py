"""The shape of the project: arrows point down, docstrings and settings tell the truth."""

from __future__ import annotations

import ast
import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from settings import Settings
from tests.serving import ROOT

DOORS = {"app", "api_handler", "launcher"}
SCRIPTS = DOORS | {
    "runner",
    "model_worker",
    "worker_parent",
    "isolation_probe",
    "doctor",
    "local_run",
}
MODULES = sorted(path.stem for path in ROOT.glob("*.py"))
EFFECTS = {"streamlit", "fastapi", "starlette", "sqlalchemy", "uvicorn", "alembic"}
EDGES = {"drift_job"}
"""Named after their subject, but they read files and open models in a process of their own."""
PURE_PREFIXES = (
    "schema_",
    "synthetic_data",
    "metrics",
    "latency",
    "slices",
    "bootstrap",
    "drift",
    "behaviour",
    "explain",
    "comparison",
    "verdict",
    "policy",
    "table_summary",
    "ordered_numbers",
    "csv_text",
    "date_writing",
    "number_writing",
    "validation_columns",
    "validation_split",
)


def imported_by(path: Path) -> set[str]:
    """Return the top-level names a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


IMPORTS = {name: imported_by(ROOT / f"{name}.py") for name in MODULES}


def below(name: str) -> set[str]:
    """Return every module of ours that ``name`` needs, directly or through others."""
    found: set[str] = set()
    frontier = {name}
    while frontier:
        frontier = {new for old in frontier for new in IMPORTS.get(old, set()) if new in IMPORTS}
        frontier -= found
        found |= frontier
    return found


@pytest.mark.parametrize("name", MODULES)
def test_no_module_needs_itself(name: str) -> None:
    """There is no cycle, not even through an import inside a function."""
    assert name not in below(name)


@pytest.mark.parametrize(
    "name", sorted(name for name in set(MODULES) - EDGES if name.startswith(PURE_PREFIXES))
)
def test_pure_modules_know_no_effects(name: str) -> None:
    """Arithmetic imports no web framework, no SQL and no process, not even indirectly."""
    for module in {name} | below(name):
        assert not IMPORTS[module] & EFFECTS, f"{name} reaches {module}"
    assert not below(name) & {"sandbox", "storage", "jobs", "model_utils"}


def test_the_doors_do_not_know_each_other() -> None:
    """Views never import the API, and the API never imports a view."""
    for path in (ROOT / "views").glob("*.py"):
        assert not imported_by(path) & DOORS, path.name
    assert "views" not in IMPORTS["api_handler"]


@pytest.mark.parametrize("module", ["api_handler", "views.common", "views.run_panel"])
def test_a_door_starts_light(module: str) -> None:
    """Neither door imports scikit-learn, shap or scipy's statistics when it starts."""
    heavy = {"sklearn", "shap", "scipy.stats", "xgboost", "lightgbm", "matplotlib"}
    code = f"import {module}, sys; print(sorted({heavy} & set(sys.modules)))"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", [name for name in MODULES if name not in SCRIPTS])
def test_examples_in_docstrings_are_true(name: str) -> None:
    """What a docstring shows is what the code does."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_in_the_readme(name: str) -> None:
    """A setting that is not documented does not exist for users."""
    assert f"MONITOR_{name.upper()}" in (ROOT / "README.md").read_text()


def test_only_the_store_speaks_sql() -> None:
    """SQLAlchemy is imported by the store and its parts alone."""
    speakers = {name for name, names in IMPORTS.items() if "sqlalchemy" in names}
    assert speakers <= {
        "storage",
        "storage_tables",
        "database",
        "run_queue",
        "upkeep_store",
        "artifact_store",
        "access_store",
        "composition_store",
    }
