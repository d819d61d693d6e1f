"""Test a model file over HTTP and print a summary; ready to copy into a CI job.

Needs Python 3.9+ and ``requests``. Without a model it trains a small one (that needs scikit-learn).

    python client_api_example.py                                    train a small model and test it
    python client_api_example.py model.pkl                          test a file
    python client_api_example.py model.pkl --sample data.csv --target y --html report.html

Exit codes: 0 all checks passed (warnings allowed unless --fail-on warn), 1 a check failed,
2 wrong usage or refused input, 3 the test could not be run.
"""

from __future__ import annotations

import argparse
import os
import pickle
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import requests

PASSED, FAILED, USAGE, COULD_NOT_RUN = 0, 1, 2, 3
SYMBOLS = {"pass": "✓", "warn": "!", "fail": "✗", "skip": "-"}
FINAL = ("done", "error", "timeout", "cancelled", "interrupted")


CONNECTION_ATTEMPTS = 4
"""Tries before an unreachable server is given up: about ten seconds in all."""


class CouldNotRun(Exception):
    """The server could not be reached or could not finish the test."""


class Refused(Exception):
    """The server refused the input."""


def train_small_model(folder: Path) -> tuple[Path, Path, str]:
    """Train a forest on iris; return the paths of model and sample, and the target's name."""
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    table = load_iris(as_frame=True).frame
    train, test = table.iloc[::2], table.iloc[1::2]
    model = RandomForestClassifier(random_state=0).fit(train.iloc[:, :4], train["target"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "iris.pkl").write_bytes(pickle.dumps(model))
    test.to_csv(folder / "iris.csv", index=False)
    return folder / "iris.pkl", folder / "iris.csv", "target"


class Client:
    """Talks to one server; retries while it is busy or restarting."""

    def __init__(self, url: str, token: str | None, timeout: float) -> None:
        self.url = url.rstrip("/")
        self.deadline = time.monotonic() + timeout
        self.lost = 0
        self.session = requests.Session()
        if token:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def run_tests(self, model: Path, sample: Path | None, fields: dict[str, str]) -> dict[str, Any]:
        """Post the files and wait for the summary of the finished run."""
        answer = self._post(model, sample, fields)
        summary: dict[str, Any] = answer.json()
        while summary.get("status") not in FINAL:
            self._check_time()
            waited = self._get(f"/runs/{summary['run_id']}?wait=20")
            summary = waited.json()
        return summary

    def text(self, path: str) -> str:
        """Fetch a text, such as the HTML report."""
        return self._get(path).text

    def _post(self, model: Path, sample: Path | None, fields: dict[str, str]) -> requests.Response:
        while True:
            with ExitStack() as stack:
                files = {"model": (model.name, stack.enter_context(model.open("rb")))}
                if sample is not None:
                    files["sample"] = (sample.name, stack.enter_context(sample.open("rb")))
                answer = self._send(
                    "POST",
                    "/run_tests",
                    files=files,
                    data=fields,
                    headers={"Prefer": "wait=30"},
                )
            if answer is not None:
                return answer

    def _get(self, path: str) -> requests.Response:
        while True:
            answer = self._send("GET", path)
            if answer is not None:
                return answer

    def _send(  # the options are those of requests
        self,
        method: str,
        path: str,
        **options: Any,  # noqa: ANN401
    ) -> requests.Response | None:
        """Send one request; None means: try again."""
        try:
            answer = self.session.request(method, self.url + path, timeout=90, **options)
        except (requests.ConnectionError, requests.Timeout) as error:
            self.lost += 1
            if self.lost > CONNECTION_ATTEMPTS:
                message = f"The server at {self.url} cannot be reached: {error}"
                raise CouldNotRun(message) from error
            time.sleep(self.lost)
            return None
        self.lost = 0
        if answer.status_code in (429, 503):
            wait = float(answer.headers.get("Retry-After", 5))
            self._pause(wait, f"The server is busy: {problem(answer)}")
            return None
        if 400 <= answer.status_code < 500:
            raise Refused(problem(answer))
        if answer.status_code >= 500:
            raise CouldNotRun(problem(answer))
        return answer

    def _pause(self, seconds: float, why: str) -> None:
        if time.monotonic() + seconds > self.deadline:
            raise CouldNotRun(why)
        time.sleep(seconds)

    def _check_time(self) -> None:
        if time.monotonic() > self.deadline:
            message = "The test did not finish in time; see --timeout."
            raise CouldNotRun(message)


def problem(answer: requests.Response) -> str:
    """Return the sentence of a Problem Details answer."""
    try:
        body = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    return str(body.get("detail") or body.get("title") or f"HTTP {answer.status_code}")


def print_summary(summary: dict[str, Any]) -> None:
    """Print verdict, checks and where to read more."""
    verdict = summary.get("verdict") or summary["status"]
    name = summary.get("model_name", "model")
    print(f"{name}: {str(verdict).upper()}  {summary.get('summary') or ''}")
    for check in summary.get("checks", []):
        print(f"  {SYMBOLS.get(check['verdict'], '?')} {check['title']}: {check['reason']}")
    for title, link in (summary.get("links") or {}).items():
        print(f"  {title}: {link}")


def exit_code(summary: dict[str, Any], fail_on: str) -> int:
    """Translate a finished run into an exit code."""
    if summary["status"] != "done":
        return COULD_NOT_RUN
    failing = ("fail", "warn") if fail_on == "warn" else ("fail",)
    return FAILED if summary.get("verdict") in failing else PASSED


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line; argparse itself exits with 2 on wrong usage."""
    parser = argparse.ArgumentParser(description="Test a model file over HTTP.")
    parser.add_argument("model", nargs="?", type=Path, help="model file; none trains a small one")
    parser.add_argument("--url", default=os.environ.get("MONITOR_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--token", default=os.environ.get("MONITOR_API_TOKEN"))
    parser.add_argument("--sample", type=Path, help="CSV, Parquet or JSON with rows of its data")
    parser.add_argument("--target", help="column of the sample with the right answers")
    parser.add_argument("--rows", type=int, help="rows to test on")
    parser.add_argument("--seed", type=int, help="same seed, same numbers")
    parser.add_argument("--html", type=Path, help="write the HTML report here")
    parser.add_argument("--json", type=Path, help="write the whole report as JSON here")
    parser.add_argument("--fail-on", choices=("fail", "warn"), default="fail")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds")
    return parser.parse_args(arguments)


def request_fields(options: argparse.Namespace) -> dict[str, str]:
    """Return the form fields beside the files."""
    changes = {"n_rows": options.rows, "seed": options.seed}
    given = ",".join(f'"{name}": {value}' for name, value in changes.items() if value is not None)
    fields = {"target": options.target} if options.target else {}
    return {**fields, "options": "{" + given + "}"} if given else fields


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    options = parse_arguments(arguments)
    try:
        if options.model is None:
            folder = Path.cwd() / "example_model"
            options.model, options.sample, options.target = train_small_model(folder)
            print(f"Trained {options.model}")
        client = Client(options.url, options.token, options.timeout)
        summary = client.run_tests(options.model, options.sample, request_fields(options))
        print_summary(summary)
        for path, end in ((options.html, "report.html"), (options.json, "report")):
            if path is not None and summary["status"] == "done":
                path.write_text(client.text(f"/runs/{summary['run_id']}/{end}"), encoding="utf-8")
    except (Refused, OSError) as error:
        print(f"Refused: {error}", file=sys.stderr)
        return USAGE
    except CouldNotRun as error:
        print(f"Could not run: {error}", file=sys.stderr)
        return COULD_NOT_RUN
    return exit_code(summary, options.fail_on)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
