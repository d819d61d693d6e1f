r"""Test a model file and tell a CI job whether it may go on; one file, ready to copy.

Needs Python 3.9+ and ``requests``. Without a model it trains a small one (that needs scikit-learn).

    python client_api_example.py                       train a small model and test it
    python client_api_example.py model.pkl --sample data.csv --target y
    python client_api_example.py model.pkl --sample data.csv --target y \
        --policy gate.yaml --baseline main --label branch=main --label commit=1a2b3c \
        --junit out.xml --summary out.md --json report.json --html report.html
    python client_api_example.py model.pkl --sample data.csv --target y --weight-column w \
        --option load_seconds=10 --option monotone='{"age": "up"}'
    python client_api_example.py model.pkl --extra vectorizer.pkl --sample data.csv --target y
    python client_api_example.py model.pkl --sample data.csv --target y --local

``--local`` needs no server: it runs the test here, with the product's own modules (this file lies
in its folder ``example_client``, or ``--product`` says where the product is). The baseline is then
the JSON report of an earlier run.

Exit codes: 0 passed (warnings allowed unless --fail-on warn), 1 a check or a rule of the policy
failed, 2 wrong usage or refused input, 3 the test could not be run: no server, no time left, or a
model that does not load. With a policy its verdict decides, without one the product's own.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import random
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import requests

PASSED, FAILED, USAGE, COULD_NOT_RUN = 0, 1, 2, 3
SYMBOLS = {"pass": "✓", "warn": "!", "fail": "✗", "skip": "-"}
FINAL = ("done", "error", "timeout", "cancelled", "interrupted")
CONNECTION_ATTEMPTS = 5
"""Tries before an unreachable server is given up: about half a minute in all."""

LOST = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
"""What another try may mend: no connection, or one that broke."""

INTERRUPTED_ATTEMPTS = 3
"""How often a run that a restart of the server interrupted is sent again."""

LONGEST_PAUSE = 30.0
SUMMARY_BYTES = 1_000_000
"""Most that is written to a job summary; GitHub drops what is larger than 1 MiB."""

OUTPUTS = {"html": "report.html", "json": "report", "junit": "junit.xml", "summary": "report.md"}


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


# --- progress ------------------------------------------------------------------------------------


class Progress:
    """Shows how far a run is: a bar in a terminal, one line per stage in a log."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.last = ""

    def show(self, fraction: float, stage: str, message: str) -> None:
        """Tell how far the run is; says nothing twice."""
        if self.live:
            bar = ("#" * int(20 * fraction)).ljust(20, ".")
            sys.stderr.write(f"\r\033[K[{bar}] {fraction:4.0%} {message or stage}"[:110])
        elif stage != self.last:
            sys.stderr.write(f"{fraction:4.0%} {stage}: {message}\n")
        self.last = stage
        sys.stderr.flush()

    def say(self, text: str) -> None:
        """Tell something that is no progress."""
        self.end()
        sys.stderr.write(f"{text}\n")

    def end(self) -> None:
        """Remove the bar."""
        if self.live:
            sys.stderr.write("\r\033[K")


# --- the server ----------------------------------------------------------------------------------


class Client:
    """Talks to one server; retries with growing pauses while it is busy or restarting."""

    def __init__(self, url: str, token: str | None, timeout: float, progress: Progress) -> None:
        self.url = url.rstrip("/")
        self.deadline = time.monotonic() + timeout
        self.progress = progress
        self.lost = 0
        self.run_id: str | None = None
        self.session = requests.Session()
        if token:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def run_tests(
        self, models: list[Path], sample: Path | None, fields: dict[str, str], key: str
    ) -> dict[str, Any]:
        """Post the files and wait for the summary of the finished run.

        The key makes retries harmless: the same key and files are one run, however often they are
        sent; only a run that was interrupted is made again.
        """
        for _ in range(INTERRUPTED_ATTEMPTS):
            summary = self._follow(self._run_in(self._post(models, sample, fields, key)))
            if summary["status"] != "interrupted":
                break
            self.progress.say("The server was restarted in mid-run; sending the run again")
        return summary

    def text(self, path: str) -> str:
        """Fetch a text, such as the HTML report."""
        return self._get(path).content.decode()

    def cancel(self) -> str:
        """Cancel the run, if one was begun, and return a sentence on what became of it."""
        if self.run_id is None:
            return "No run was begun."
        address = f"{self.url}/runs/{self.run_id}"
        try:
            self.session.post(f"{address}/cancel", timeout=10).raise_for_status()
        except requests.RequestException as error:
            return f"The run {address} goes on: it could not be cancelled ({error})."
        return "The run is cancelled."

    def _follow(self, summary: dict[str, Any]) -> dict[str, Any]:
        self.run_id = summary["run_id"]
        while summary["status"] not in FINAL:
            if time.monotonic() > self.deadline:
                message = "The test did not finish in time; see --timeout."
                raise CouldNotRun(message)
            stage = summary.get("stage") or summary["status"]
            self.progress.show(summary.get("fraction") or 0.0, stage, summary.get("message") or "")
            wait = 0.5 if self.progress.live else 2
            summary = self._run_in(self._get(f"/runs/{self.run_id}?wait={wait}"))
        self.progress.end()
        return summary

    def _run_in(self, answer: requests.Response) -> dict[str, Any]:
        """Return the run that an answer tells of; a sign-in page in between is none."""
        try:
            summary = answer.json()
        except ValueError:
            summary = None
        if isinstance(summary, dict) and {"run_id", "status"} <= set(summary):
            return summary
        kind = answer.headers.get("Content-Type", "something of no type")
        message = f"Found {kind} at {answer.url}, expected a run as JSON; see --url"
        raise CouldNotRun(message)

    def _post(
        self, models: list[Path], sample: Path | None, fields: dict[str, str], key: str
    ) -> requests.Response:
        while True:
            with ExitStack() as stack:
                paths = [("model", models[0])] + [("extra", path) for path in models[1:]]
                paths += [("sample", sample)] if sample is not None else []
                files = [
                    (name, (path.name, stack.enter_context(path.open("rb"))))
                    for name, path in paths
                ]
                headers = {"Prefer": "respond-async", "Idempotency-Key": key}
                answer = self._send("POST", "/run_tests", files=files, data=fields, headers=headers)
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
        except LOST as error:
            self.lost += 1
            why = str(error).rpartition(": ")[2].rstrip("\"')")
            message = f"The server at {self.url} cannot be reached ({why}); see --url"
            if self.lost > CONNECTION_ATTEMPTS:
                raise CouldNotRun(message) from error
            self._pause(2.0 ** (self.lost - 1), message)
            return None
        except requests.RequestException as error:
            message = f"{self.url!r} cannot be asked: {error}; see --url"
            raise Refused(message) from error
        self.lost = 0
        if answer.status_code in (429, 503):
            told = answer.headers.get("Retry-After", "")  # seconds, or a date from a proxy
            wait = float(told) if told.isdecimal() else 5.0
            self._pause(wait, f"The server is busy: {problem(answer)}")
            return None
        if 400 <= answer.status_code < 500:
            raise Refused(problem(answer))
        if answer.status_code >= 500:
            raise CouldNotRun(problem(answer))
        return answer

    def _pause(self, seconds: float, why: str) -> None:
        """Wait a little, not all clients equally long, as long as there is time."""
        seconds = min(LONGEST_PAUSE, seconds) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        if time.monotonic() + seconds > self.deadline:
            raise CouldNotRun(why)
        time.sleep(seconds)


def problem(answer: requests.Response) -> str:
    """Return the sentence of a Problem Details answer."""
    try:
        body = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    return str(body.get("detail") or body.get("title") or f"HTTP {answer.status_code}")


# --- what is told --------------------------------------------------------------------------------


def decisive(summary: dict[str, Any]) -> str:
    """Return the verdict that counts: the policy's where there is one."""
    gate = summary.get("gate") or {}
    return str(gate.get("verdict") or summary.get("verdict") or summary["status"])


def print_summary(summary: dict[str, Any]) -> None:
    """Print verdict, rules of the policy, checks and where to read more."""
    gate = summary.get("gate") or {}
    text = gate.get("summary") or summary.get("summary") or summary.get("error") or ""
    print(f"{summary.get('model_name', 'model')}: {decisive(summary).upper()}  {text}")
    for note in gate.get("notes", []):
        print(f"  {note}")
    for heading, checks in (("Gate", gate.get("checks")), ("Checks", summary.get("checks"))):
        if checks and gate:
            print(f" {heading}")
        for check in checks or []:
            print(f"  {SYMBOLS.get(check['verdict'], '?')} {check['title']}: {check['reason']}")
    for title, link in (summary.get("links") or {}).items():
        print(f"  {title}: {link}")


def exit_code(summary: dict[str, Any], fail_on: str) -> int:
    """Translate a finished run into an exit code."""
    if summary["status"] != "done":
        return COULD_NOT_RUN
    verdicts = {check["id"]: check["verdict"] for check in summary.get("checks", [])}
    if verdicts.get("model.load") == "fail" and verdicts.get("model.safety") != "fail":
        return COULD_NOT_RUN  # nothing was tested, so nothing failed; dangerous contents did
    failing = ("fail", "warn") if fail_on == "warn" else ("fail",)
    if decisive(summary) in failing:
        return FAILED
    return COULD_NOT_RUN if summary.get("verdict") == "skip" else PASSED


def write_outputs(
    options: argparse.Namespace, summary: dict[str, Any], read: Callable[[str], str]
) -> None:
    """Write the files that were asked for; a run without a report still leaves its reason."""
    for name, source in OUTPUTS.items():
        path: Path | None = getattr(options, name)
        if path is None:
            continue
        text = read(source) if summary["status"] == "done" else without_report(name, summary)
        if name == "summary":
            text = text.encode()[:SUMMARY_BYTES].decode(errors="ignore")
        path.parent.mkdir(parents=True, exist_ok=True)
        is_job_summary = str(path) == os.environ.get("GITHUB_STEP_SUMMARY")
        with path.open("a" if is_job_summary else "w", encoding="utf-8") as file:
            file.write(text)


def without_report(name: str, summary: dict[str, Any]) -> str:
    """Return what to write where there is no report: why, in the form that was asked for."""
    why = str(summary.get("error") or summary["status"])
    if name == "json":
        return json.dumps(summary, indent=2)
    if name == "junit":
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="1" errors="1">'
            '<testsuite name="run" tests="1" errors="1"><testcase classname="run" '
            f'name="The test runs"><error message={quoteattr(why)}/></testcase></testsuite>'
            "</testsuites>\n"
        )
    if name == "summary":
        return f"# The test could not be run\n\n{why}\n"
    return f"<!doctype html>\n<title>The test could not be run</title>\n<p>{escape(why)}</p>\n"


# --- the command ---------------------------------------------------------------------------------


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line; argparse itself exits with 2 on wrong usage."""
    parser = argparse.ArgumentParser(
        description="Test a model file and tell a CI job whether it may go on.",
        epilog="Exit codes: 0 passed, 1 a check failed, 2 wrong usage or input, 3 could not run.",
    )
    parser.add_argument("model", nargs="?", type=Path, help="model file; none trains a small one")
    _add_place(parser.add_argument_group("where it runs"))
    _add_files(parser.add_argument_group("what is tested"))
    _add_options(parser.add_argument_group("how it is tested"))
    _add_judgement(parser.add_argument_group("how it is judged"))
    _add_outputs(parser.add_argument_group("what is written"))
    return parser.parse_args(arguments)


def _add_place(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--url",
        default=os.environ.get("MONITOR_URL", "http://127.0.0.1:8000"),
        help="address of the server, else that in MONITOR_URL",
    )
    group.add_argument(
        "--token",
        default=os.environ.get("MONITOR_API_TOKEN"),
        help="token of the server, better in MONITOR_API_TOKEN",
    )
    group.add_argument("--local", action="store_true", help="run here, without a server")
    group.add_argument(
        "--product",
        type=Path,
        default=Path(__file__).resolve().parent.parent,
        help="folder of the product, for --local",
    )
    group.add_argument(
        "--environment",
        choices=("auto", "present", "matching", "compare"),
        help="library versions the model runs with: the server's, its own, or both",
    )
    group.add_argument(
        "--timeout", type=float, default=900.0, help="seconds for everything, 900 by default"
    )
    group.add_argument("--key", help="Idempotency-Key; the same key is the same run")


def _add_files(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--extra",
        action="append",
        default=[],
        type=Path,
        help="further file of the model: vectorizer, scaler, encoder; may be given several times",
    )
    group.add_argument(
        "--composition", type=Path, help="JSON: how the parts of the file belong together"
    )
    group.add_argument("--sample", type=Path, help="CSV, Parquet or JSON with rows of its data")
    group.add_argument("--target", help="column of the sample with the true answers")


def _add_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--rows", type=int, help="rows to test on")
    group.add_argument("--seed", type=int, help="same seed, same numbers")
    group.add_argument("--positive-class", help="of two classes the one that counts")
    group.add_argument("--weight-column", help="column that says what each row counts for")
    group.add_argument("--group-column", help="column whose groups should be treated alike")
    group.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        type=label,
        help='any other option, as JSON: load_seconds=10, monotone=\'{"age": "up"}\'',
    )


def _add_judgement(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--policy", type=Path, help="what the run must keep, YAML or JSON")
    group.add_argument(
        "--baseline",
        help="branch, run id or label:NAME=VALUE (such as label:env=production) to compare with",
    )
    group.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        type=label,
        help="what the run is found by, such as branch=main; may be given several times",
    )
    group.add_argument(
        "--fail-on",
        choices=("fail", "warn"),
        default="fail",
        help="the mildest verdict that exits with 1",
    )


def _add_outputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--html", type=Path, help="write the HTML report here")
    group.add_argument("--json", type=Path, help="write the whole report as JSON here")
    group.add_argument("--junit", type=Path, help="write the checks as JUnit XML here")
    group.add_argument("--summary", type=Path, help="write a summary in Markdown here")


def label(text: str) -> tuple[str, str]:
    """Read one NAME=VALUE.

    Examples
    --------
    >>> label("branch=main")
    ('branch', 'main')
    """
    name, sign, value = text.partition("=")
    if not (name and sign):
        message = f"{text!r} is not NAME=VALUE"
        raise argparse.ArgumentTypeError(message)
    return name, value


def json_or_text(text: str) -> Any:  # noqa: ANN401 - whatever the JSON holds
    """Read the value of an option.

    Examples
    --------
    >>> json_or_text("3"), json_or_text("three")
    (3, 'three')
    """
    try:
        return json.loads(text)
    except ValueError:
        return text


def text_of(path: Path | None) -> str | None:
    """Return what a file holds, None without one."""
    try:
        return path.read_text(encoding="utf-8") if path else None
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8: {error.reason} at byte {error.start}"
        raise Refused(message) from error


def request_fields(options: argparse.Namespace) -> dict[str, str]:
    """Return the form fields beside the files."""
    changes = {
        "n_rows": options.rows,
        "seed": options.seed,
        "positive_class": options.positive_class,
        "weight_column": options.weight_column,
        "group_column": options.group_column,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    given |= {name: json_or_text(value) for name, value in options.option}
    fields = {
        "source": "client",
        "target": options.target,
        "baseline": options.baseline,
        "environment": options.environment,
        "gate": text_of(options.policy),
        "composition": text_of(options.composition),
        "labels": json.dumps(dict(options.label)) if options.label else None,
        "options": json.dumps(given) if given else None,
    }
    return {name: value for name, value in fields.items() if value}


def run_here(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Run the test without a server and write the outputs."""
    sys.path.insert(0, str(options.product))
    try:
        from local_run import CannotRun, WrongInput, run_locally
    except ImportError as error:
        message = f"The product is not in {options.product} ({error}); see --product"
        raise Refused(message) from error
    try:
        fields = request_fields(options)
        ended = run_locally(
            options.model, options.sample, fields, progress=progress.show, extra=options.extra
        )
    except WrongInput as error:
        raise Refused(str(error)) from error
    except CannotRun as error:
        raise CouldNotRun(str(error)) from error
    finally:
        progress.end()
    write_outputs(options, ended.summary, ended.text)
    return ended.summary


def run_there(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Run the test on a server and write the outputs."""
    client = Client(options.url, options.token, options.timeout, progress)
    fields = request_fields(options)
    key = options.key or uuid.uuid4().hex
    try:
        models = [options.model, *options.extra]
        summary = client.run_tests(models, options.sample, fields, key)
    except KeyboardInterrupt:
        message = f"Stopped from the keyboard. {client.cancel()}"
        raise CouldNotRun(message) from None
    write_outputs(options, summary, lambda end: client.text(f"/runs/{summary['run_id']}/{end}"))
    return summary


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Run the test, write and print what came out, and return the exit code."""
    if options.model is None:
        folder = Path.cwd() / "example_model"
        options.model, options.sample, options.target = train_small_model(folder)
        print(f"Trained {options.model}")
    try:
        summary = (run_here if options.local else run_there)(options, progress)
    except CouldNotRun as error:
        print(f"Could not run: {error}", file=sys.stderr)
        write_outputs(options, {"status": "error", "error": str(error)}, lambda _end: "")
        return COULD_NOT_RUN
    print_summary(summary)
    return exit_code(summary, options.fail_on)


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    options = parse_arguments(arguments)
    try:
        return run(options, Progress())
    except Refused as error:
        why = str(error)
    except OSError as error:
        why = f"{error.filename}: {error.strerror}"
    print(f"Refused: {why}", file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
