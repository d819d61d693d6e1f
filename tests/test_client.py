"""The example client against a real server."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import requests
import yaml

import jobs
from report_types import RunStatus
from settings import Settings
from storage import Store
from tests.serving import ROOT, Product, free_port, running_product

pytestmark = pytest.mark.slow

CLIENT = ROOT / "example_client" / "client_api_example.py"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running_product(tmp_path_factory.mktemp("client") / "data") as running:
        yield running


def run_client(folder: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(CLIENT), "--url", url, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_without_arguments_it_trains_tests_and_passes(product: Product, tmp_path: Path) -> None:
    """The small forest passes; the summary names verdict and checks, and files are written."""
    ended = run_client(tmp_path, product.api, "--json", "out.json", "--html", "out.html")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "iris.pkl" in ended.stdout
    assert "Better than a trivial model" in ended.stdout
    assert json.loads((tmp_path / "out.json").read_text())["schema_version"] == 1
    assert "<html" in (tmp_path / "out.html").read_text()[:2000].lower()


def test_a_failing_model_is_exit_code_1(product: Product, tmp_path: Path) -> None:
    """A model worse than guessing ends the command with 1."""
    import examples

    folder = examples.examples_folder(product.data_dir)
    examples.train_examples(folder)
    ended = run_client(
        tmp_path,
        product.api,
        str(folder / "flawed_tree.pkl"),
        "--sample",
        str(folder / "flawed_tree.csv"),
        "--target",
        "malignant",
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "FAIL" in ended.stdout


def test_a_file_that_is_no_model_is_exit_code_2(product: Product, tmp_path: Path) -> None:
    """A text file is refused with one sentence."""
    (tmp_path / "notes.pkl").write_text("not a model at all\n")
    ended = run_client(tmp_path, product.api, "notes.pkl")
    assert ended.returncode == 2
    assert "Refused" in ended.stderr


def test_no_server_is_exit_code_3(tmp_path: Path) -> None:
    """A server that cannot be reached is named, and the JUnit file says so too."""
    (tmp_path / "model.pkl").write_bytes(b"x")
    url = f"http://127.0.0.1:{free_port()}"
    ended = run_client(tmp_path, url, "model.pkl", "--timeout", "2", "--junit", "out.xml")
    assert ended.returncode == 3
    assert "cannot be reached" in ended.stderr
    error = ET.parse(tmp_path / "out.xml").find(".//error")  # noqa: S314 - our own file
    assert error is not None
    assert "cannot be reached" in error.get("message", "")


# --- the gate ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small forest and its sample, with the client and a policy beside, as in a repository."""
    folder = tmp_path_factory.mktemp("repository")
    client = runpy.run_path(str(CLIENT))
    model, sample, _target = client["train_small_model"](folder)
    model.rename(folder / "model.pkl")
    sample.rename(folder / "data.csv")
    (folder / "ci").mkdir()
    for name in ("client_api_example.py", "gate.yaml"):
        shutil.copy(CLIENT.parent / name, folder / "ci")
    return folder


GATES = [
    ("at_least: 0.5", [], 0, "PASS"),
    ("at_least: 0.999", [], 1, "FAIL"),
    ("{at_least: 0.999, level: warn}", [], 0, "WARN"),
    ("{at_least: 0.999, level: warn}", ["--fail-on", "warn"], 1, "WARN"),
]


@pytest.mark.parametrize("place", ["server", "local"])
@pytest.mark.parametrize(("limit", "arguments", "code", "verdict"), GATES)
def test_the_policy_decides_the_exit_code(
    product: Product,
    files: Path,
    place: str,
    limit: str,
    arguments: list[str],
    code: int,
    verdict: str,
) -> None:
    """The same files and policy end alike on a server and without one."""
    rule = f"number: accuracy, {limit.strip('{}')}"
    (files / "gate.yaml").write_text(f"version: 1\nrules: [{{{rule}}}]\n")
    common = ["model.pkl", "--sample", "data.csv", "--target", "target", "--policy", "gate.yaml"]
    outputs = ["--junit", "out.xml", "--summary", "out.md", "--json", "out.json"]
    local = ["--local", "--product", str(ROOT)] if place == "local" else []
    ended = run_client(files, product.api, *common, *outputs, *arguments, *local)
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert f"model.pkl: {verdict}" in ended.stdout
    failures = ET.parse(files / "out.xml").getroot().get("failures")  # noqa: S314 - our own file
    assert failures == ("1" if verdict == "FAIL" else "0")
    assert "Gate" in (files / "out.md").read_text()
    assert json.loads((files / "out.json").read_text())["gate"]["verdict"] == verdict.lower()


@pytest.mark.parametrize("place", [[], ["--local", "--product", str(ROOT)]])
def test_a_wrong_policy_is_exit_code_2(product: Product, files: Path, place: list[str]) -> None:
    """The message names line and key."""
    (files / "wrong.yaml").write_text("version: 1\nrules:\n- number: a\n  at_lest: 1\n")
    ended = run_client(files, product.api, "model.pkl", "--policy", "wrong.yaml", *place)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "line 4, rules[0].at_lest" in ended.stderr


def test_a_model_that_does_not_load_is_exit_code_3(product: Product, tmp_path: Path) -> None:
    """A model of a library that is not there was not tested, so it did not fail a test."""
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04cunknown_library\nModel\n)R.")
    ended = run_client(tmp_path, product.api, "model.pkl")
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "does not load" in ended.stdout


def steps_of(name: str) -> list[str]:
    """Return the shell steps of a workflow file."""
    workflow = yaml.safe_load((CLIENT.parent / name).read_text())
    if name == "gitlab-ci.yml":
        return list(workflow["model-gate"]["script"])
    return [step["run"] for step in workflow["jobs"]["gate"]["steps"] if "run" in step]


GITHUB = {
    "GITHUB_REF_NAME": "main",
    "GITHUB_SHA": "1a2b3c",
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "team/model",
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_ATTEMPT": "1",
    "GITHUB_STEP_SUMMARY": "step-summary.md",
}
GITLAB = {
    "CI_DEFAULT_BRANCH": "main",
    "CI_COMMIT_REF_NAME": "main",
    "CI_COMMIT_SHA": "1a2b3c",
    "CI_JOB_URL": "https://gitlab.example/jobs/5",
    "CI_JOB_ID": "5",
}


@pytest.mark.parametrize(
    ("name", "variables"), [("github-actions.yml", GITHUB), ("gitlab-ci.yml", GITLAB)]
)
def test_workflow_steps_run(
    product: Product, files: Path, name: str, variables: dict[str, str]
) -> None:
    """The shell steps of the workflow files pass a good model and label its run."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, **variables, "PATH": path, "MONITOR_URL": product.api}
    for step in steps_of(name):
        ended = subprocess.run(
            ["/bin/bash", "-e", "-o", "pipefail", "-c", step],
            cwd=files,
            env=environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (files / "junit.xml").exists()
    runs = requests.get(
        f"{product.api}/runs", params={"label": ["branch=main", "commit=1a2b3c"]}, timeout=60
    ).json()["runs"]
    assert runs[0]["gate_verdict"] in ("pass", "warn")


def test_a_branch_name_is_its_last_passing_run(product: Product, files: Path) -> None:
    """The first run of a branch has no baseline; the second is compared with the first."""
    rule = "{number: accuracy, worse_by_at_most: 0.01}"
    (files / "change.yaml").write_text(f"version: 1\nrules: [{rule}]\n")
    arguments = ["model.pkl", "--sample", "data.csv", "--target", "target", "--json", "out.json"]
    arguments += ["--policy", "change.yaml", "--baseline", "dev", "--label", "branch=dev"]
    verdicts, runs = [], []
    for _ in range(2):
        assert run_client(files, product.api, *arguments).returncode == 0
        report = json.loads((files / "out.json").read_text())
        verdicts.append(report["gate"]["verdict"])
        runs.append((report["run_id"], report["gate"]["baseline_run_id"]))
    assert verdicts == ["skip", "pass"]
    assert (runs[0][1], runs[1][1]) == (None, runs[0][0])


def test_a_stored_run_made_again_gives_identical_numbers(product: Product, files: Path) -> None:
    """What the button 'Run again' submits, the stored request, finds the same quality and drift."""
    arguments = ["model.pkl", "--sample", "data.csv", "--target", "target", "--json", "first.json"]
    assert run_client(files, product.api, *arguments).returncode == 0
    first = json.loads((files / "first.json").read_text())
    store = Store.open(Settings(data_dir=product.data_dir))
    run_id = store.create_run(store.get_run(first["run_id"]).request)
    assert jobs.wait(store, run_id, 120).status is RunStatus.DONE
    again = json.loads(store.get_report_json(run_id))
    store.close()
    for section in ("quality", "behaviour", "drift"):
        assert without_seconds(again[section]) == without_seconds(first[section])


def without_seconds(section: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in section.items() if name != "seconds"}
