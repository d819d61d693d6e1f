"""The API over real connections: what is sent, what comes back, and what is refused how."""

from __future__ import annotations

import json
import logging
import pickle
import re
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import uvicorn
from sklearn.linear_model import LinearRegression

import api_docs
import jobs
from api_handler import create_app
from report_types import RunRequest, TestReport
from settings import Settings
from storage import Store
from tests.fake_runner import fake_runner

MODEL = pickle.dumps(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]))
FORM = {"model": ("line.pkl", MODEL)}


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Serve the API on a free port and yield its address."""
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An API whose runs finish at once."""
    data_dir = tmp_path_factory.mktemp("quick")
    settings = Settings(data_dir=data_dir, max_model_mb=1, max_sample_mb=1)
    with fake_runner(data_dir, "finish"), serving(settings) as address:
        yield address


@pytest.fixture(scope="module")
def guarded_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An API that wants a token."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("guarded"), api_token="s3cret-token")  # noqa: S106
    with fake_runner(settings.data_dir, "finish"), serving(settings) as address:
        yield address


@pytest.fixture(scope="module")
def slow_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An API whose runs take a minute, with room for three in the queue."""
    data_dir = tmp_path_factory.mktemp("slow")
    settings = Settings(data_dir=data_dir, queue_limit=3)
    with fake_runner(data_dir, "slow"), serving(settings) as address:
        yield address


@pytest.fixture
def queueing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An API where nobody works on runs and two may wait, with two waiting."""
    monkeypatch.setattr(jobs, "ensure_runner", lambda _settings: None)
    settings = Settings(data_dir=tmp_path, queue_limit=2)
    store = Store.open(settings)
    sha256 = store.save_bytes(b"m", kind="model", name="m")
    for _ in range(2):
        store.create_run(RunRequest(model_sha256=sha256, model_name="m"))
    with serving(settings) as address:
        yield address
    store.close()


def post(address: str, files: Any = None, **options: Any) -> requests.Response:
    """Post a form to /run_tests."""
    files = FORM if files is None else files
    return requests.post(f"{address}/run_tests", files=files, timeout=60, **options)


def problem_of(answer: requests.Response, status: int) -> dict[str, Any]:
    """Check that an answer is a Problem Details answer of this status and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["detail"]
    assert body["request_id"] == answer.headers["X-Request-ID"]
    return body


# --- a run ---------------------------------------------------------------------------------------


def test_run_is_answered_with_its_summary(api: str) -> None:
    """One POST tests a model and answers with verdict, links and the model's SHA-256."""
    answer = post(api, data={"labels": '{"commit": "1a2b"}'})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["status"], body["verdict"], body["summary"]) == ("done", "pass", "All good")
    assert (body["model_name"], body["labels"]) == ("line.pkl", {"commit": "1a2b"})
    report = requests.get(body["links"]["report"], timeout=60)
    assert TestReport.model_validate(report.json()).run_id == body["run_id"]
    assert requests.get(body["links"]["self"], timeout=60).json() == body


@pytest.mark.parametrize(
    ("name", "media_type", "beginning"),
    [
        ("report.html", "text/html", b"<!doctype html>"),
        ("report.md", "text/markdown", b"#"),
        ("junit.xml", "application/xml", b"<?xml"),
        ("tables.zip", "application/zip", b"PK"),
        ("charts.zip?kind=png", "application/zip", b"PK"),
    ],
)
def test_report_comes_in_every_form(api: str, name: str, media_type: str, beginning: bytes) -> None:
    """A finished run's report is a page, a summary, a test result and tables."""
    run_id = post(api).json()["run_id"]
    answer = requests.get(f"{api}/runs/{run_id}/{name}", timeout=60)
    assert answer.headers["Content-Type"].startswith(media_type)
    assert answer.content.lower().startswith(beginning.lower())
    problem_of(requests.get(f"{api}/runs/nope/{name}", timeout=60), 404)


def test_rows_are_downloaded(api: str) -> None:
    """The rows a model was tested on come back as they were stored."""
    run_id = post(api).json()["run_id"]
    answer = requests.get(f"{api}/runs/{run_id}/data.csv", timeout=60)
    assert answer.content == b"x,y\n1,2\n"
    assert answer.headers["Content-Type"].startswith("text/csv")


def test_options_reach_the_run(api: str, tmp_path: Path) -> None:
    """Options, target, schema and sample arrive in the stored request."""
    files = FORM | {
        "sample": ("../rows.csv", b"x,y\n1,2\n"),
        "schema": ("schema.json", json.dumps({"features": [{"name": "x", "kind": "float"}]})),
    }
    fields = {"options": '{"n_rows": 50, "seed": 7}', "target": "y", "source": "client"}
    run_id = post(api, files, data=fields).json()["run_id"]
    (row,) = requests.get(f"{api}/runs?text={run_id}", timeout=60).json()["runs"]
    assert row["source"] == "client"
    assert requests.get(f"{api}/runs/{run_id}", timeout=60).json()["status"] == "done"


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("return=minimal", None),
        ("wait=20", "wait=20"),
        ("respond-async, wait=20", "wait=20"),  # the example of RFC 7240, section 4.3
    ],
)
def test_preferences_are_told_as_they_were_met(api: str, prefer: str, applied: str | None) -> None:
    """Only what was done is said to be done: waiting, and nothing of preferences unknown here."""
    answer = post(api, headers={"Prefer": prefer})
    assert (answer.status_code, answer.headers.get("Preference-Applied")) == (200, applied)


def test_unfinished_run_is_accepted(slow_api: str) -> None:
    """A run that takes longer than the client waits is 202 with its address."""
    answer = post(slow_api, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert answer.json()["links"]["dashboard"].startswith("http://127.0.0.1:8501/run?run=")
    assert int(answer.headers["Retry-After"]) > 0
    address = slow_api + answer.headers["Location"]
    started = time.monotonic()
    waited = requests.get(f"{address}?wait=0.3", timeout=60).json()
    assert time.monotonic() - started >= 0.3
    assert waited["status"] in ("queued", "running")
    missing = requests.get(f"{address}/report", timeout=60)
    assert "not written yet" in problem_of(missing, 404)["detail"]
    assert "cancel it first" in problem_of(requests.delete(address, timeout=60), 409)["detail"]
    assert requests.post(f"{address}/cancel", timeout=60).json()["status"] == "cancelled"
    assert requests.delete(address, timeout=60).status_code == 204
    problem_of(requests.get(address, timeout=60), 404)


def test_health_answers_while_clients_wait(slow_api: str) -> None:
    """Eight clients that wait for runs do not keep the rest of the API from answering."""
    run = post(slow_api, headers={"Prefer": "wait=0"}).json()
    address = run["links"]["self"]
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(requests.get, f"{address}?wait=50", timeout=90) for _ in range(8)]
        for _ in range(20):
            assert requests.get(f"{slow_api}/healthz", timeout=60).ok
        assert not any(future.done() for future in waiting)
        requests.post(f"{address}/cancel", timeout=60)


def test_idempotency_key_gives_the_same_run(api: str) -> None:
    """A request sent again with its key is one run; another request with that key is refused."""
    headers = {"Idempotency-Key": "build-17"}
    first, again = (post(api, headers=headers) for _ in range(2))
    assert first.json()["run_id"] == again.json()["run_id"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    other = post(api, headers=headers, data={"options": '{"seed": 9}'})
    assert "used for another request" in problem_of(other, 422)["detail"]


def test_events_follow_a_run(api: str) -> None:
    """The stream of events of an ended run tells its end and closes."""
    run_id = post(api).json()["run_id"]
    with requests.get(f"{api}/runs/{run_id}/events", stream=True, timeout=60) as answer:
        text = answer.text
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert "event: end" in text
    assert '"status":"done"' in text.replace(" ", "")
    problem_of(requests.get(f"{api}/runs/nope/events", timeout=60), 404)


def test_list_is_paged(api: str) -> None:
    """Following ``next`` from page to page meets every run once."""
    for _ in range(3):
        post(api)
    ids: list[str] = []
    path: str | None = "/runs?limit=2&status=done"
    while path:
        page = requests.get(api + path, timeout=60).json()
        ids += [run["id"] for run in page["runs"]]
        path = page["next"]
    assert len(ids) == len(set(ids)) == page["total"]


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "fields", "status", "detail"),
    [
        ({"model": ("m.pkl", b"PAR1....")}, {}, 415, "Parquet table, not a model"),
        ({"model": ("m.pkl", b"")}, {}, 422, "is empty (0 bytes)"),
        ({"sample": ("s.csv", b"x\n1\n")}, {}, 422, "field 'model'"),
        (FORM, {"options": "{"}, 422, "is no JSON"),
        (FORM, {"options": "[1]"}, 422, "expected a JSON object"),
        (FORM, {"options": '{"n_rows": 5}'}, 422, "n_rows is 5"),
        (FORM, {"options": '{"rows": 5}'}, 422, "there are batch_sizes"),
        (FORM, {"labels": '{"a": "' + "x" * 600 + '"}'}, 422, "500 characters"),
        (FORM, {"labels": '{"a\\"b": "1"}'}, 422, "a quotation mark or a backslash"),
        (FORM, {"baseline": "label:a\\b=1"}, 422, "a quotation mark or a backslash"),
        (FORM, {"schema": "{}x"}, 422, ""),
        (FORM, {"unknown": "1"}, 422, "expected baseline, "),
        (FORM, {"target": "x" * 2**20 + "x"}, 413, "1 MiB"),
        ({"model": ("m.pkl", b"x" * (2**20 + 1))}, {}, 413, "'model': The file is larger"),
        ([("extra", (f"{i}", b"x" * 2**20)) for i in range(3)], {}, 413, "2 MiB allowed together"),
        ([("model", ("a", MODEL)), ("model", ("b", MODEL))], {}, 422, "came twice"),
    ],
)
def test_wrong_forms_are_refused(
    api: str, files: Any, fields: dict[str, str], status: int, detail: str
) -> None:
    """Each wrong form is refused before it becomes a run, with what was wrong."""
    before = requests.get(f"{api}/runs", timeout=60).json()["total"]
    assert detail in problem_of(post(api, files, data=fields), status)["detail"]
    assert requests.get(f"{api}/runs", timeout=60).json()["total"] == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("GET", "/runs/nope", 404),
        ("GET", "/runs/nope/report", 404),
        ("GET", "/runs/nope/report.html", 404),
        ("POST", "/runs/nope/cancel", 404),
        ("DELETE", "/runs/nope", 404),
        ("PUT", "/runs", 405),
        ("GET", "/run_tests", 405),
        ("GET", "/runs?limit=0", 422),
        ("GET", "/runs?status=dead", 422),
        ("GET", "/runs?text=%00", 200),
        ("GET", "/runs?label=a%22b=1", 422),
        ("GET", "/runs?since=0001-01-01T00:00:00%2B14:00", 422),
        ("GET", "/runs/..%2f..%2fetc", 404),
    ],
)
def test_every_error_has_the_same_form(api: str, method: str, path: str, status: int) -> None:
    """Whatever goes wrong is answered with Problem Details that name the request."""
    answer = requests.request(method, api + path, timeout=60)
    if status == 200:
        assert answer.status_code == 200
    else:
        assert problem_of(answer, status)["instance"].startswith("/run") or path == "/nope"


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", ""])
def test_what_is_no_form_is_unsupported(api: str, content_type: str) -> None:
    """A body that is no multipart form is 415 with what to send."""
    headers = {"Content-Type": content_type}
    answer = requests.post(f"{api}/run_tests", data=b"{}", headers=headers, timeout=60)
    assert "form" in problem_of(answer, 415)["detail"]


@pytest.mark.parametrize("path", ["/run_tests", "/explain"])
def test_a_client_that_goes_away_is_no_defect(
    api: str, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """A connection that breaks in mid-upload is one line in the log, and no mistake of ours."""
    caplog.set_level(logging.INFO, "api")
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    kind = "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    with socket.create_connection(("127.0.0.1", urlsplit(api).port or 0)) as connection:
        connection.sendall((head + kind).encode())
    deadline = time.monotonic() + 20
    while path not in caplog.text:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert f"POST {path} was cut off" in caplog.text


def test_cut_off_form_is_refused(api: str) -> None:
    """A form without its end is refused, not taken for a smaller one."""
    body = b'--x\r\nContent-Disposition: form-data; name="model"; filename="m"\r\n\r\n' + MODEL
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = requests.post(f"{api}/run_tests", data=body, headers=headers, timeout=60)
    assert "cut off" in problem_of(answer, 422)["detail"]


def test_endless_upload_is_stopped(api: str) -> None:
    """A chunked body without a declared length is refused once it is over the limit."""
    head = b'--x\r\nContent-Disposition: form-data; name="model"; filename="m"\r\n\r\n'
    chunks = (head if number == 0 else b"\0" * 65536 for number in range(100))
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = requests.post(f"{api}/run_tests", data=chunks, headers=headers, timeout=60)
    problem_of(answer, 413)


def early_answer(address: str, length: int, path: str = "/run_tests") -> str:
    """Send only the head of a POST that wants to be asked for its body; return the answer."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {length}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        answer = b""
        while b"}" not in answer:
            answer += connection.recv(4096)
    return answer.decode()


def test_full_queue_is_told_before_the_upload(queueing: str) -> None:
    """With a full queue the client is told when to come back before it sends its body."""
    answer = early_answer(queueing, 1000)
    assert answer.startswith("HTTP/1.1 503")
    assert re.search(r"(?i)retry-after: \d+", answer)
    assert "2 runs are waiting already" in answer


def test_too_long_upload_is_told_before_it(api: str) -> None:
    """An upload that is too large by its own account is refused before it begins."""
    answer = early_answer(api, 10**10)
    assert answer.startswith("HTTP/1.1 413")
    assert "its files may have 2 MiB together" in answer


def test_client_that_sends_first_reads_the_refusal(queueing: str) -> None:
    """A client that sends its whole body before it listens gets the 503, no broken connection."""
    answer = post(queueing, {"model": ("m.pkl", b"x" * 20_000_000)})
    assert problem_of(answer, 503)["type"] == "busy"
    assert int(answer.headers["Retry-After"]) >= 1


def test_defect_is_told_without_insides(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of ours is 500 without a word about our code."""
    monkeypatch.setattr(Store, "get_run", lambda *_: 1 / 0)
    body = problem_of(requests.get(f"{api}/runs/x", timeout=60), 500)
    assert "ZeroDivisionError" not in json.dumps(body)


# --- gate ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 400),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": ""}, 400),
    ],
)
def test_only_known_names_are_answered(api: str, headers: dict[str, str], status: int) -> None:
    """A page whose name was pointed at this machine gets nothing."""
    assert requests.get(f"{api}/runs", headers=headers, timeout=60).status_code == status


def test_foreign_pages_change_nothing(api: str) -> None:
    """A form on a foreign web page cannot start a run; one on our own machine can."""
    answer = post(api, headers={"Origin": "https://evil.example"})
    assert problem_of(answer, 403)["type"] == "foreign-origin"
    assert post(api, headers={"Origin": "http://localhost:8501"}).status_code == 200


def test_a_page_of_this_server_may_use_it(guarded_api: str) -> None:
    """Behind a token any name leads here; its own page of documentation may post then."""
    token = {"Authorization": "Bearer s3cret-token"}
    for host, status in (("monitor.example:8000", 200), ("other.example:8000", 403)):
        names = {"Host": "monitor.example:8000", "Origin": f"http://{host}"}
        assert post(guarded_api, headers=names | token).status_code == status


def test_a_refusal_that_cannot_be_written_down_is_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the audit log is broken, a foreign name is told so with 503, and not as a defect."""
    monkeypatch.setattr(jobs, "ensure_runner", lambda _settings: None)
    with serving(Settings(data_dir=tmp_path)) as address:
        with closing(sqlite3.connect(tmp_path / "monitor.db")) as connection:
            connection.execute("DROP TABLE audit")
        answer = requests.get(f"{address}/runs", headers={"Host": "evil.example"}, timeout=60)
    assert "no such table: audit" in problem_of(answer, 503)["detail"]


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        ("Bearer wrong", 401),
        ("Bearer wr\u00f6ng", 401),
        ("Basic s3cret-token", 401),
        ("Bearer s3cret-token", 200),
    ],
)
def test_token_is_needed(guarded_api: str, authorization: str | None, status: int) -> None:
    """With a token set, runs are told only to who knows it; health to everybody."""
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    answer = requests.get(f"{guarded_api}/runs", headers=headers, timeout=60)
    assert requests.get(f"{guarded_api}/healthz", timeout=60).status_code == 200
    assert answer.status_code == status
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_request_id_is_echoed_unless_harmful(api: str) -> None:
    """A caller's request id comes back; one that could forge log lines is replaced."""
    for given, kept in (("ci-job:17", True), ("a b;c", False)):
        answer = requests.get(f"{api}/healthz", headers={"X-Request-ID": given}, timeout=60)
        assert (answer.headers["X-Request-ID"] == given) is kept


# --- health and documentation --------------------------------------------------------------------


def test_readiness(api: str, queueing: str) -> None:
    """The API is ready when its store can be written and somebody works on runs."""
    ready = requests.get(f"{api}/readyz", timeout=60)
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    stuck = requests.get(f"{queueing}/readyz", timeout=60)
    assert (stuck.status_code, stuck.json()["store"]) == (503, "ok")
    assert "no process works on runs" in stuck.json()["runner"]


def test_every_operation_is_documented(api: str) -> None:
    """The page shows every operation with an example, and loads nothing from elsewhere."""
    openapi = requests.get(f"{api}/openapi.json", timeout=60).json()
    operations = [item for path in openapi["paths"].values() for item in path.values()]
    assert {item["operationId"] for item in operations} == set(api_docs.CURL_OF)
    page = requests.get(f"{api}/docs", timeout=60)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert not re.search(r"(src|href)=['\"]?(https?:)?//", page.text)
    for path in openapi["paths"]:
        assert path in page.text


def test_the_description_does_not_grow(api: str) -> None:
    """Asking twice gives the same description, which names each scope once."""
    first, second = (requests.get(f"{api}/openapi.json", timeout=60).json() for _ in range(2))
    assert first == second
    assert first["paths"]["/runs"]["get"]["description"].count("Scope:") == 1


def test_errors_are_described(api: str) -> None:
    """Every reference of the description leads somewhere, and 4xx are Problem Details."""
    text = requests.get(f"{api}/openapi.json", timeout=60).text
    schemas = json.loads(text)["components"]["schemas"]
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= set(schemas)
    assert "Problem" in schemas


def test_example_options_are_valid(api: str) -> None:
    """The options in the documentation are accepted as they stand."""
    answer = post(api, data={"options": json.dumps(api_docs.EXAMPLE_OPTIONS)})
    assert answer.status_code == 200
