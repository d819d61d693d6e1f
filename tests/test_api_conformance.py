"""What the API does is what its OpenAPI description says, tried with thousands of requests."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from tests.serving import free_port
from tests.test_restart import start_api

pytestmark = pytest.mark.slow

TOKEN = "a-long-token"  # noqa: S105
AUTHORIZATION = f"Bearer {TOKEN}"


LEFT_OUT = ("delete_run", "get_charts", "get_everything")
"""Of the one finished run: it must stay, and drawing all its charts takes seconds each time."""


class Api(NamedTuple):
    """A real server with one finished run in its store."""

    url: str
    run_id: str


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API as an operator starts it, behind a token."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    data_dir = tmp_path_factory.mktemp("api") / "data"
    server = start_api(data_dir, port, MONITOR_API_TOKEN=TOKEN, MONITOR_RUNS_PER_MINUTE="100000")
    try:
        table = load_iris(as_frame=True).frame
        model = LogisticRegression(max_iter=500).fit(table.iloc[:, :4], table["target"])
        files = {
            "model": ("iris.pkl", pickle.dumps(model)),
            "sample": ("iris.csv", table.to_csv(index=False)),
        }
        answer = requests.post(
            f"{url}/run_tests",
            files=files,
            data={"target": "target"},
            headers={"Authorization": AUTHORIZATION},
            timeout=120,
        ).json()
        assert answer["status"] == "done", answer
        yield Api(url, answer["run_id"])
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.parametrize(
    ("fixed", "seconds"),
    [(True, 20), (False, 20)],
    ids=["about one finished run", "about anything"],
)
def test_the_description_is_kept(api: Api, tmp_path: Path, fixed: bool, seconds: int) -> None:
    """No request makes a server error, an undocumented answer, or passes without a token."""
    (tmp_path / "schemathesis.toml").write_text(
        f'[parameters]\nrun_id = "{api.run_id}"\n' if fixed else ""
    )
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{api.url}/openapi.json"]
    command += ["--header", f"Authorization: {AUTHORIZATION}", "--seed", "1", "--no-color"]
    command += ["--max-time", str(seconds), "--max-examples", "15", "--continue-on-failure"]
    command += ["--request-timeout", "60", "--max-response-time", "60"]
    # whether bytes are a model or a table, no schema can say
    command += ["--checks", "all", "--exclude-checks", "positive_data_acceptance"]
    for operation in LEFT_OUT if fixed else ():
        command += ["--exclude-operation-id", operation]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " 0 generated" not in done.stdout


@pytest.mark.parametrize(
    "query",
    [
        "/audit?before=99999999999999999999999",
        "/runs?until=0.5",
        "/runs?since=2026",
        "/runs?offset=-1",
    ],
)
def test_numbers_that_mean_nothing_are_422(api: Api, query: str) -> None:
    """Numbers that no database holds, and dates that are numbers, are refused by name."""
    answer = requests.get(f"{api.url}{query}", headers={"Authorization": AUTHORIZATION}, timeout=60)
    assert answer.status_code == 422
    assert query.split("?")[1].split("=")[0] in answer.json()["detail"]


def test_a_refused_method_names_all_allowed_ones(api: Api) -> None:
    """The header Allow of a 405 holds every method of the address, as RFC 9110 demands."""
    answer = requests.put(
        f"{api.url}/runs/{api.run_id}", headers={"Authorization": AUTHORIZATION}, timeout=60
    )
    assert (answer.status_code, answer.headers["Allow"]) == (405, "DELETE, GET")
