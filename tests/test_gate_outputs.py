"""What a gate leaves behind: JUnit that viewers read, valid JSON, one archive with everything."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import requests
from jsonschema import Draft202012Validator

import reports
from model_types import Task
from policy import apply_policy, policy_schema, read_policy
from policy_defaults import default_policy
from report_bundle import zip_everything
from report_types import TestReport
from settings import Settings
from tests.fake_runner import fake_runner
from tests.report_factory import make_empty_report, make_report
from tests.test_api_handler import post, problem_of, serving

REPORT_SCHEMA = Draft202012Validator(
    TestReport.model_json_schema(by_alias=True, mode="serialization")
)
OUTCOMES = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def gated(task: str = "binary") -> TestReport:
    """Return a report of hostile names with a gate that fails, warns, passes and skips."""
    report = make_report("regression" if task == "regression" else "binary")
    text = default_policy(Task(task)) + "  - number: p95_ms\n    at_most: 0\n"
    report.gate = apply_policy(read_policy(text), report)
    return report


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data_dir = tmp_path_factory.mktemp("gate")
    with fake_runner(data_dir, "finish"), serving(Settings(data_dir=data_dir)) as address:
        yield address


@pytest.mark.parametrize("report", [gated(), gated("regression"), make_empty_report()])
def test_counts_in_junit_are_those_of_its_cases(report: TestReport) -> None:
    """Each suite counts its cases by outcome, the file counts those of all suites."""
    root = ET.fromstring(reports.render_junit(report))  # noqa: S314 - our own text
    for suite in root:
        found = {tag: len(suite.findall(f"testcase/{tag}")) for tag in OUTCOMES.values()}
        assert {key: int(suite.attrib[key]) for key in OUTCOMES} == {
            key: found[tag] for key, tag in OUTCOMES.items()
        }
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase")) > 0
    for key in ("tests", "failures", "errors"):
        assert root.attrib[key] == str(sum(int(suite.attrib[key]) for suite in root))


def test_with_a_gate_only_its_rules_fail_in_junit() -> None:
    """A viewer's count of failures agrees with the exit code."""
    report = gated()
    root = ET.fromstring(reports.render_junit(report))  # noqa: S314 - our own text
    failing = [
        case.get("classname", "")
        for case in root.iter("testcase")
        if len(case) and case[0].tag == "failure"
    ]
    assert failing
    assert all(name.startswith("gate.") for name in failing)


@pytest.mark.parametrize(
    "report", [make_report("binary"), gated("regression"), make_empty_report()]
)
def test_report_satisfies_its_schema(report: TestReport) -> None:
    """The JSON we write is what GET /report/schema promises."""
    REPORT_SCHEMA.validate(json.loads(reports.render_json(report)))


def test_every_form_tells_of_the_gate() -> None:
    """Markdown, HTML and CSV show the gate's verdict."""
    report = gated()
    assert "## ✖ Gate: fail" in reports.render_markdown(report)
    assert "Gate: fail" in reports.render_html(report)
    assert "gate.p95_ms" in reports.csv_tables(report)["gate.csv"]


def test_everything_in_one_archive() -> None:
    """All forms are there, each the same as alone, and the same report gives the same bytes."""
    report = make_empty_report()
    report.gate, report.verdict = gated().gate, gated().verdict
    data = zip_everything(report)
    assert data == zip_everything(report)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = set(archive.namelist())
        assert archive.read("report.json").decode() == reports.render_json(report)
        policy = json.loads(archive.read("policy.json"))
    assert {"report.html", "summary.md", "junit.xml", "tables/checks.csv"} <= names
    assert Draft202012Validator(policy_schema()).is_valid(policy)


# --- over HTTP -----------------------------------------------------------------------------------


def test_schemas_and_defaults_are_served(api: str) -> None:
    """A default fetched from the server satisfies the schema fetched from the server."""
    schema = requests.get(f"{api}/policy/schema", timeout=60).json()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator.check_schema(requests.get(f"{api}/report/schema", timeout=60).json())
    text = requests.get(f"{api}/policy/default?task=regression", timeout=60).text
    policy = json.loads(read_policy(text).model_dump_json(exclude_unset=True))
    assert Draft202012Validator(schema).is_valid(policy)


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"gate": "version: 1\nrules: [{number: a, at_lest: 1}]"}, "line 2, rules[0].at_lest"),
        ({"baseline": "tag:x"}, "expected the id of a run"),
    ],
)
def test_a_wrong_policy_or_baseline_is_422(api: str, fields: dict[str, str], detail: str) -> None:
    """The answer names line and key; no run is made."""
    assert detail in problem_of(post(api, data=fields), 422)["detail"]


def test_lists_can_be_filtered_by_label_and_time(api: str) -> None:
    """Labels and times narrow the list, also across pages; a label without value is refused."""
    for name in ("one", "two"):
        post(api, data={"labels": f'{{"branch": "{name}", "all": "yes"}}'})
    runs = requests.get(f"{api}/runs?label=branch=one&label=all=yes", timeout=60).json()
    assert [run["labels"]["branch"] for run in runs["runs"]] == ["one"]
    page = requests.get(f"{api}/runs?label=all=yes&limit=1", timeout=60).json()
    following = requests.get(f"{api}{page['next']}", timeout=60).json()
    assert (page["total"], len(following["runs"])) == (2, 1)
    assert requests.get(f"{api}/runs?until=2020-01-01", timeout=60).json()["total"] == 0
    problem_of(requests.get(f"{api}/runs?label=branch", timeout=60), 422)


def test_everything_is_one_download(api: str) -> None:
    """GET /runs/{id}/everything.zip is a ZIP with the report in it."""
    run_id = post(api).json()["run_id"]
    answer = requests.get(f"{api}/runs/{run_id}/everything.zip", timeout=30)
    assert answer.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert TestReport.model_validate_json(archive.read("report.json")).run_id == run_id


def test_workflow_files_name_what_exists() -> None:
    """The options used in the workflow files are options of the client."""
    folder = Path(__file__).parent.parent / "example_client"
    client = (folder / "client_api_example.py").read_text()
    for name in ("github-actions.yml", "gitlab-ci.yml"):
        used = {word for word in (folder / name).read_text().split() if word.startswith("--")}
        assert used, name
        assert all(f'"{option}"' in client for option in used if option != "--"), name
