"""Tokens, scopes, rates and the audit log, over real connections."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import BoundedSemaphore

import pytest
import requests
from pydantic import SecretStr
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import validation_job
from access_types import Action, Scope
from api_handler import create_app
from errors import InputError
from rate_limits import RateLimiter
from settings import Settings
from storage import Store
from tests.fake_runner import fake_runner
from tests.serving import answer_at_end, free_port
from tests.test_api_handler import early_answer, post, problem_of, serving
from tests.test_restart import start_api


@dataclass(frozen=True)
class Server:
    """A running API, its store, and tokens by name."""

    address: str
    store: Store
    tokens: dict[str, str]

    def ask(self, method: str, path: str, token: str = "") -> requests.Response:
        """Send a request with one of the tokens."""
        headers = {"Authorization": f"Bearer {self.tokens[token]}"} if token else {}
        return requests.request(method, self.address + path, headers=headers, timeout=60)

    def run(self, token: str) -> requests.Response:
        """Start a run with one of the tokens."""
        return post(self.address, headers={"Authorization": f"Bearer {self.tokens[token]}"})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An API with one token per scope, an expired and a revoked one."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("access"))
    store = Store.open(settings)
    tokens = {
        scope.value: store.access.create_token(scope.value, [scope], expires_at=None, actor="me")
        for scope in Scope
    }
    past = datetime.now(UTC) - timedelta(seconds=1)
    for name, end in (("other", None), ("expired", past), ("revoked", None)):
        tokens[name] = store.access.create_token(name, [Scope.RUN], expires_at=end, actor="me")
    store.access.revoke_token("revoked", actor="me")
    with fake_runner(settings.data_dir, "finish"), serving(settings) as address:
        yield Server(address, store, tokens)
    store.close()


@pytest.mark.parametrize("token", ["", "expired", "revoked"])
def test_who_is_not_known_is_refused(server: Server, token: str) -> None:
    """No token, an expired and a revoked one are 401 with the way to come in."""
    answer = server.ask("GET", "/runs", token)
    assert problem_of(answer, 401)["type"] == "unauthorized"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("token", "method", "path", "status"),
    [
        ("read", "GET", "/runs", 200),
        ("run", "GET", "/runs", 403),
        ("admin", "GET", "/runs", 200),
        ("read", "GET", "/runs/nope", 404),
        ("read", "POST", "/run_tests", 403),
        ("read", "POST", "/runs/nope/cancel", 403),
        ("read", "DELETE", "/runs/nope", 403),
        ("run", "DELETE", "/runs/nope", 403),
        ("admin", "DELETE", "/runs/nope", 404),
        ("read", "GET", "/audit", 403),
        ("admin", "GET", "/audit", 200),
        ("read", "GET", "/unknown", 404),
        ("run", "POST", "/explain", 403),
        ("run", "HEAD", "/audit", 403),
    ],
)
def test_scope_decides(server: Server, token: str, method: str, path: str, status: int) -> None:
    """A token does what its scope says; a refusal names the scope that is missing."""
    answer = server.ask(method, path, token)
    assert answer.status_code == status, answer.text
    if status == 403 and method != "HEAD":
        needed = problem_of(answer, 403)["detail"].split("'")[1]
        assert f'scope="{needed}"' in answer.headers["WWW-Authenticate"]


def test_runner_sees_and_cancels_its_own_runs_only(server: Server) -> None:
    """With the scope run alone one follows and cancels one's own runs, nobody else's."""
    run_id = server.run("run").json()["run_id"]
    for method, path in (("GET", ""), ("GET", "/report"), ("POST", "/cancel")):
        assert server.ask(method, f"/runs/{run_id}{path}", "run").ok
        assert server.ask(method, f"/runs/{run_id}{path}", "other").status_code == 403
    assert server.ask("DELETE", f"/runs/{run_id}", "run").status_code == 403


def test_keys_are_each_clients_own(server: Server) -> None:
    """The same Idempotency-Key of two tokens makes two runs, of one token one."""
    ids = []
    for name in ("run", "other", "run"):
        headers = {"Authorization": f"Bearer {server.tokens[name]}", "Idempotency-Key": "1"}
        ids.append(post(server.address, headers=headers).json()["run_id"])
    assert ids[0] == ids[2] != ids[1]


def test_log_tells_who_did_what(server: Server) -> None:
    """Runs, deletions and refusals are in the audit log under the token's name."""
    run_id = server.run("run").json()["run_id"]
    server.ask("DELETE", f"/runs/{run_id}", "admin")
    server.ask("DELETE", f"/runs/{run_id}", "read")
    told = server.ask("GET", "/audit", "admin").json()
    entries = [(item["actor"], item["action"]) for item in told if run_id in item["target"]]
    assert entries == [
        ("token read", "request refused"),
        ("token admin", "run deleted"),
        ("token run", "run created"),
    ]


def test_strangers_cannot_flood_the_log(server: Server) -> None:
    """Of a hundred refused requests only a few are written down."""
    for _ in range(100):
        server.ask("GET", "/runs")
    refused = [
        entry
        for entry in server.store.access.list_audit(1000)
        if entry.action is Action.REQUEST_REFUSED and entry.detail == "status 401"
    ]
    assert 1 <= len(refused) <= 10


def test_description_declares_the_tokens(server: Server) -> None:
    """OpenAPI names the security scheme and each operation's scope, but not for health."""
    openapi = requests.get(f"{server.address}/openapi.json", timeout=60).json()
    assert openapi["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert openapi["paths"]["/run_tests"]["post"]["security"] == [{"token": []}]
    assert "Scope: admin." in openapi["paths"]["/audit"]["get"]["description"]
    assert "security" not in openapi["paths"]["/healthz"]["get"]


def test_first_token_closes_a_running_server(tmp_path: Path) -> None:
    """A server without tokens is open; it asks for one as soon as one is made, revoked or not."""
    settings = Settings(data_dir=tmp_path)
    store = Store.open(settings)
    with fake_runner(tmp_path, "finish"), serving(settings) as address:
        assert requests.get(f"{address}/runs", timeout=60).status_code == 200
        store.access.create_token("ci", [Scope.READ], expires_at=None, actor="me")
        store.access.revoke_token("ci", actor="me")
        assert requests.get(f"{address}/runs", timeout=60).status_code == 401
        assert store.access.clear_tokens(actor="me") == 1
        assert requests.get(f"{address}/runs", timeout=60).status_code == 200
    store.close()


def test_public_address_needs_a_token(tmp_path: Path) -> None:
    """The API refuses an address that others can reach until there is a token of either kind."""
    settings = Settings(data_dir=tmp_path, api_host="0.0.0.0")
    with pytest.raises(InputError, match="MONITOR_API_TOKEN"):
        create_app(settings)
    create_app(settings.model_copy(update={"api_token": SecretStr("a-long-token")}))
    store = Store.open(settings)
    store.access.create_token("ci", [Scope.READ], expires_at=None, actor="me")
    store.close()
    create_app(settings)


def test_too_many_runs_are_refused_before_the_body(tmp_path: Path) -> None:
    """The third run of a minute that allows two is 429 with Retry-After, unread."""
    settings = Settings(data_dir=tmp_path, runs_per_minute=2)
    with fake_runner(tmp_path, "finish"), serving(settings) as address:
        assert [post(address).status_code for _ in range(2)] == [200, 200]
        answer = early_answer(address, 1000)
        assert answer.startswith("HTTP/1.1 429")
        assert 1 <= int(re.search(r"(?i)retry-after: (\d+)", answer)[1]) <= 30  # type: ignore[index]
        assert problem_of(post(address), 429)["type"] == "too-many-requests"
        assert requests.get(f"{address}/runs", timeout=60).status_code == 200


def test_rate_is_per_token(tmp_path: Path) -> None:
    """One token's runs do not use up another's."""
    settings = Settings(data_dir=tmp_path, runs_per_minute=1)
    store = Store.open(settings)
    tokens = {
        name: store.access.create_token(name, [Scope.RUN], expires_at=None, actor="me")
        for name in ("a", "b")
    }
    with fake_runner(tmp_path, "finish"), serving(settings) as address:
        server = Server(address, store, tokens)
        assert [server.run(name).status_code for name in "aab"] == [200, 429, 200]
    store.close()


def test_waiting_runs_are_limited_per_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one run may wait, a token's second is 429 unread and another's first is taken."""
    monkeypatch.setattr("jobs.ensure_runner", lambda _settings: None)
    settings = Settings(data_dir=tmp_path, queue_limit_each=1)
    store = Store.open(settings)
    tokens = {
        name: store.access.create_token(name, [Scope.RUN], expires_at=None, actor="me")
        for name in ("a", "b")
    }
    with serving(settings) as address:
        for name, status in (("a", 202), ("a", 429), ("b", 202)):
            headers = {
                "Authorization": f"Bearer {tokens[name]}",
                "Prefer": "respond-async",
            }
            answer = post(address, headers=headers)
            assert answer.status_code == status
            assert (int(answer.headers["Retry-After"]) >= 1) or status == 202
    store.close()


def test_who_may_read_is_the_tokens_to_say(server: Server) -> None:
    """Runs of a token with the scope run alone may be compared with its own; all others see all."""
    sees = {name: server.store.access.may_read_all(f"token {name}") for name in server.tokens}
    assert sees == {
        "run": False,
        "other": False,
        "expired": False,
        "revoked": False,
        "read": True,
        "admin": True,
    }
    assert server.store.access.may_read_all("local")
    assert not server.store.access.may_read_all("token gone")


@pytest.mark.parametrize(("path", "limit_mb"), [("/run_tests", 2), ("/drift", 3), ("/validate", 2)])
def test_uploads_are_refused_unread(tmp_path: Path, path: str, limit_mb: int) -> None:
    """What is no form, or says that it is too long, is answered before its body is sent."""
    settings = Settings(data_dir=tmp_path, max_model_mb=1, max_sample_mb=1)
    with fake_runner(tmp_path, "finish"), serving(settings) as address:
        length = (limit_mb + 5) * 1024 * 1024
        assert early_answer(address, length, path).startswith("HTTP/1.1 413")
        answer = requests.post(address + path, json={}, timeout=60)
        assert "curl -F" in problem_of(answer, 415)["detail"]


def test_full_places_are_told_before_the_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While as many comparisons and checks run as may, a further upload is 503 unread."""
    settings = Settings(data_dir=tmp_path, slots=1)
    monkeypatch.setattr("drift_job._running", {1, 2})
    monkeypatch.setattr("validation_job._places", BoundedSemaphore(1))
    with fake_runner(tmp_path, "finish"), serving(settings) as address:
        assert early_answer(address, 1000, "/drift").startswith("HTTP/1.1 503")
        with validation_job._places:
            assert early_answer(address, 1000, "/validate").startswith("HTTP/1.1 503")


@pytest.mark.slow
def test_a_baseline_of_somebody_else_stays_theirs(tmp_path: Path) -> None:
    """Real runs: with the scope run alone, no number of another token's run is in the answer."""
    store = Store.open(Settings(data_dir=tmp_path))
    scopes = {"owner": [Scope.RUN], "stranger": [Scope.RUN], "reader": [Scope.RUN, Scope.READ]}
    tokens = {
        name: store.access.create_token(name, given, expires_at=None, actor="me")
        for name, given in scopes.items()
    }
    store.close()
    port = free_port()
    server = start_api(tmp_path, port)
    table = load_iris(as_frame=True).frame
    model = LogisticRegression(max_iter=500).fit(table.iloc[:, :4], table["target"])
    files = {
        "model": ("iris.pkl", pickle.dumps(model)),
        "sample": ("iris.csv", table.to_csv(index=False)),
    }
    rule = "{number: accuracy, worse_by_at_most: 0.5}"
    gate = {"target": "target", "gate": f"{{version: 1, rules: [{rule}]}}"}

    def gate_of(name: str, **more: str) -> dict[str, object]:
        headers = {"Authorization": f"Bearer {tokens[name]}"}
        posted = requests.post(
            f"http://127.0.0.1:{port}/run_tests",
            files=files,
            data=gate | {"labels": '{"branch": "main"}'} | more,
            headers=headers,
            timeout=120,
        )
        answer = answer_at_end(posted, headers=headers).json()
        assert answer["status"] == "done", answer
        return {**answer["gate"], "run_id": answer["run_id"]}

    try:
        first = str(gate_of("owner")["run_id"])
        for name, baseline, found in (
            ("stranger", first, None),
            ("stranger", "branch:none", None),
            ("owner", first, first),
            ("reader", first, first),
        ):
            judged = gate_of(name, baseline=baseline)
            assert judged["baseline_run_id"] == found
            assert judged["verdict"] == ("skip" if found is None else "pass")
    finally:
        server.terminate()
        server.wait(30)


def test_bucket_fills_at_its_rate() -> None:
    """Thirty a minute: thirty at once, then one every two seconds, never more than thirty."""
    now = 0.0
    limiter = RateLimiter(30, clock=lambda: now)
    assert [limiter.wait_seconds("a") for _ in range(31)] == [0] * 30 + [2]
    now = 2.0
    assert [limiter.wait_seconds("a") for _ in range(2)] == [0, 2]
    now = 1e6
    assert [limiter.wait_seconds("a") for _ in range(31)] == [0] * 30 + [2]


def test_many_clients_do_not_fill_the_memory() -> None:
    """Addresses that are tried once each are forgotten."""
    now = 0.0
    limiter = RateLimiter(60, clock=lambda: now)
    for number in range(25_000):
        now += 0.01
        limiter.wait_seconds(str(number))
    assert len(limiter._buckets) <= 10_000
