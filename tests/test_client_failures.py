"""Whatever lies between client and server, the exit code never claims that a check failed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from example_client.client_api_example import COULD_NOT_RUN, USAGE, main

DATE = b"Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n"
PAGE = b"Content-Type: text/html\r\n"
ANSWERS = {
    "busy, with a date": b"HTTP/1.1 503 Busy\r\n" + DATE + b"Content-Length: 0\r\n\r\n",
    "a page to sign in": b"HTTP/1.1 200 OK\r\n" + PAGE + b"Content-Length: 2\r\n\r\nhi",
    "other JSON": b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}',
    "half an answer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
}


@contextmanager
def server(answer: bytes) -> Iterator[str]:
    """Yield the address of a server that gives the same bytes to everybody."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.wfile.write(answer)

        def log_message(self, *_arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"x")
    return str(path)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_is_no_run_is_exit_code_3(
    model: str, answer: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """A busy proxy, a sign-in page, another service and a broken answer are no failed model."""
    with server(answer) as url:
        assert main([model, "--url", url, "--timeout", "0.5"]) == COULD_NOT_RUN
    assert "Could not run: " in capsys.readouterr().err


def test_an_address_without_its_scheme_is_named(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--url localhost:8000`` is wrong usage, and the sentence says which address it was."""
    assert main([model, "--url", "localhost:8000"]) == USAGE
    assert "'localhost:8000' cannot be asked" in capsys.readouterr().err


def test_a_policy_in_another_encoding_is_wrong_usage(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A policy in Latin-1 is told with the byte that is no UTF-8, by exit code 2."""
    policy = tmp_path / "gate.yaml"
    policy.write_bytes("name: Größe\n".encode("latin-1"))
    assert main([model, "--policy", str(policy)]) == USAGE
    assert f"{policy} is not UTF-8: invalid start byte at byte 8" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_wrong_usage(model: str) -> None:
    """Without a server, a JUnit file in a folder that cannot be made is exit code 2, not 1."""
    url = "http://127.0.0.1:1"  # nobody listens on port 1
    assert main([model, "--url", url, "--timeout", "0", "--junit", f"{model}/out.xml"]) == USAGE
