"""Uploads that attack the server or whoever reads its answers, against the whole real API."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import pickle
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
import requests
from sklearn.ensemble import RandomForestClassifier

from settings import Settings
from tests.fake_runner import fake_runner
from tests.serving import answer_at_end
from tests.test_api_handler import MODEL, problem_of, serving

BOUNDARY = "b0undary"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
MARKUP = "<img src=x onerror=alert(1)>"
BEACON = "![x](http://evil.example/p.png)"
BREAK_OUT = "</script><script>alert(1)</script>"
FORMULA = "=HYPERLINK(1)"
COLUMNS = [MARKUP, BEACON, BREAK_OUT, FORMULA, "a\u202etxt.exe", "@SUM(1)"]
CLASSES = ["+1 <b>yes</b>", "-1 <i>no</i>"]


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    """Return one part of a form, byte for byte as an attacker would write it."""
    disposition = f'form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n"
    return head.encode() + value + b"\r\n"


def send(address: str, *parts: bytes, **options: Any) -> requests.Response:
    """Post a form made by hand."""
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    return requests.post(f"{address}/run_tests", data=body, headers=HEADERS, timeout=60, **options)


def files_in(folder: Path) -> set[str]:
    """Return every file below a folder that is not the store's own."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(("monitor.db", "runner.lock"))
    }


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder around the data directory; nothing may appear in it."""
    return tmp_path_factory.mktemp("house")


@pytest.fixture(scope="module")
def api(house: Path) -> Iterator[str]:
    """An API with small limits, whose runs end at once."""
    settings = Settings(
        data_dir=house / "data", max_model_mb=1, max_sample_mb=1, runs_per_minute=100_000
    )
    with fake_runner(settings.data_dir, "finish"), serving(settings) as address:
        yield address


def assert_refused(answer: requests.Response, status: int, folder: Path, before: set[str]) -> str:
    """Check for one clear sentence, and that nothing stayed on the disk."""
    detail = str(problem_of(answer, status)["detail"])
    assert len(detail) < 600
    assert detail.isprintable()
    assert files_in(folder) == before
    return detail


# --- names ---------------------------------------------------------------------------------------

NAMES = {
    "zip slip": "../../../../evil.pkl",
    "absolute": "/etc/cron.d/evil.pkl",
    "windows": "C:\\Windows\\System32\\evil.pkl",
    "drive and stream": "..\\..\\evil.pkl:stream",
    "dots": "..",
    "empty": "",
    "home": "~/.ssh/authorized_keys",
    "device": "/dev/stdout",
    "right to left": "model\u202elkp.exe",
    "controls": "mo\x1b[31mdel\x07.pkl",
    "invisible": "mo\u200bdel\ufeff.pkl",
    "long": "x" * 300 + ".pkl",
    "combining": "e" + "\u0301" * 250 + ".pkl",
    "markup": f"{MARKUP}.pkl",
}


@pytest.mark.parametrize("name", list(NAMES.values()), ids=list(NAMES))
def test_names_are_for_display_only(api: str, house: Path, name: str) -> None:
    """No name becomes a path, and what is shown of it is short, visible and without folders."""
    answer = send(api, part("model", MODEL, name))
    assert answer.status_code == 200, answer.text
    shown = answer.json()["model_name"]
    assert 0 < len(shown) <= 120
    assert not any(mark in shown for mark in "/\\")
    assert not any(unicodedata.category(letter) in ("Cc", "Cf") for letter in shown)
    assert all(path.startswith("data/artifacts/") for path in files_in(house))
    assert not [path for path in files_in(house) if "incoming" in path]


# --- forms ---------------------------------------------------------------------------------------

FINE = part("model", MODEL, "m.pkl")
DEEP = 100_000
FORMS: dict[str, tuple[list[bytes], int, str]] = {
    "two models": ([FINE, FINE], 422, "came twice"),
    "no file name": ([part("model", MODEL)], 422, "text instead of a file"),
    "sample as text": ([FINE, part("sample", b"a,b")], 422, "text instead of a file"),
    "no model": ([part("sample", b"a\n1\n", "s.csv")], 422, "no file in the field 'model'"),
    "empty model": ([part("model", b"", "m.pkl")], 422, "is empty (0 bytes)"),
    "odd field": ([FINE, part("\u202ex\x1b", b"1")], 422, "Unknown field"),
    "many fields": ([part("model", MODEL, "m")] + [part("x", b"")] * 30, 422, "Unknown field"),
    "deep options": ([FINE, part("options", b"[" * DEEP)], 422, "nested too deeply"),
    "deep objects": ([FINE, part("options", b'{"a":' * DEEP)], 422, "nested too deeply"),
    "deep schema": ([FINE, part("schema", b"[" * DEEP)], 422, "nested too deeply"),
    "NaN": ([FINE, part("options", b'{"explain_seconds": NaN}')], 422, "NaN is no JSON"),
    "infinity": ([FINE, part("options", b'{"explain_seconds": 1e999}')], 422, "too large"),
    "schema NaN": ([FINE, part("schema", b'{"features": [NaN]}')], 422, "NaN is no JSON"),
    "keys twice": ([FINE, part("options", b'{"seed": 1, "seed": 2}')], 422, "comes twice"),
    "digits": ([FINE, part("options", b'{"seed": ' + b"9" * 5000 + b"}")], 422, "cannot be read"),
    "half a character": ([FINE, part("labels", b'{"a": "\\ud800"}')], 422, "half a character"),
    "not UTF-8": ([FINE, part("target", b"\xff\xfe")], 422, "not UTF-8"),
    "looser policy": ([FINE, part("policy", b"custom")], 422, "expected strict or standard"),
    "long line": (
        [FINE, part("sample", b"a," * 2**20, "s.csv")],
        413,
        "'sample': The file is larger",
    ),
    "big model": ([part("model", b"\x80\x04" * 2**20, "m.pkl")], 413, "'model': The file is"),
    "zip": ([part("model", b"PK\x03\x04" + b"\0" * 99, "m.pkl")], 415, "zip"),
    "page": ([part("model", b"<!doctype html>" + MARKUP.encode(), "m.pkl")], 415, "HTML page"),
}


@pytest.mark.parametrize("form", list(FORMS.values()), ids=list(FORMS))
def test_hostile_forms_are_refused(
    api: str, house: Path, form: tuple[list[bytes], int, str]
) -> None:
    """Each is a 4xx with one sentence about what is wrong, and leaves no file behind."""
    parts, status, words = form
    before = files_in(house)
    assert words in assert_refused(send(api, *parts), status, house, before)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "text/html",
        "multipart/mixed; boundary=x",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 5000,
        "application/x-www-form-urlencoded",
    ],
)
def test_other_content_types_are_refused(api: str, house: Path, content_type: str) -> None:
    """What is announced as something else is not looked into."""
    before = files_in(house)
    answer = requests.post(
        f"{api}/run_tests", data=FINE, headers={"Content-Type": content_type}, timeout=60
    )
    assert answer.status_code in (415, 422)
    assert_refused(answer, answer.status_code, house, before)


def test_endless_chunked_body_is_stopped(api: str, house: Path) -> None:
    """A body of unknown length is cut off at the limit of its field."""
    before = files_in(house)
    start = part("model", b"", "m.pkl")[:-2]
    chunks = (start if number == 0 else b"\x80" * 65536 for number in range(200))
    answer = requests.post(f"{api}/run_tests", data=chunks, headers=HEADERS, timeout=60)
    assert_refused(answer, 413, house, before)


def test_cut_off_body_leaves_nothing(api: str, house: Path) -> None:
    """A form without its end is refused as a whole."""
    before = files_in(house)
    answer = requests.post(f"{api}/run_tests", data=FINE, headers=HEADERS, timeout=60)
    assert "cut off" in assert_refused(answer, 422, house, before)


# --- what readers of a report get ----------------------------------------------------------------


def hostile_files() -> tuple[bytes, bytes]:
    """Return a model and its sample whose columns, classes and cells attack their readers."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(120, len(COLUMNS))), columns=COLUMNS)
    classes = np.where(rows[MARKUP] > 0, *CLASSES)
    model = RandomForestClassifier(5, random_state=0).fit(rows, classes)
    return pickle.dumps(model), rows.assign(**{"=target": classes}).to_csv(index=False).encode()


class Tags(html.parser.HTMLParser):
    """Collects the elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, requests.Response]:
    """What a real run of the hostile files gives, in every form."""
    model, sample = hostile_files()
    settings = Settings(data_dir=tmp_path_factory.mktemp("real"))
    with serving(settings) as address:
        run = send(
            address,
            part("model", model, f"../{MARKUP}{BEACON}.pkl"),
            part("sample", sample, f"{BREAK_OUT}{FORMULA}.csv"),
            part("target", b"=target"),
            part("labels", json.dumps({BREAK_OUT: MARKUP}).encode()),
            part("options", b'{"n_rows": 100, "latency_seconds": 0.02, "n_resamples": 100}'),
        )
        run = answer_at_end(run)
        here = f"{address}/runs/{run.json()['run_id']}"
        names = ("report", "report.html", "report.md", "junit.xml", "tables.zip", "data.csv")
        found = {name: requests.get(f"{here}/{name}", timeout=60) for name in names}
    assert run.json()["status"] == "done", run.text
    assert all(answer.ok for answer in found.values())
    return found | {"summary": run}


def test_json_is_json(answers: dict[str, requests.Response]) -> None:
    """The API's answers are declared as JSON that no browser takes for a page."""
    for name in ("summary", "report"):
        assert answers[name].headers["Content-Type"] == "application/json"
        assert answers[name].headers["X-Content-Type-Options"] == "nosniff"
    features = answers["report"].json()["schema"]["data_schema"]["features"]
    assert {MARKUP, BREAK_OUT, FORMULA} <= {feature["name"] for feature in features}


def test_html_report_runs_nothing_of_theirs(answers: dict[str, requests.Response]) -> None:
    """No element, handler or address of the attacker's is in the page, not even inside scripts."""
    page = answers["report.html"].text
    for tag, attributes in Tags(page).found:
        assert tag not in ("img", "iframe", "b", "base", "object", "embed")
        assert not [name for name in attributes if name.startswith("on")]
        source = attributes.get("src") or attributes.get("href") or ""
        assert "evil.example" not in source
    assert BREAK_OUT not in page
    assert MARKUP not in page


def test_markdown_report_fetches_nothing(answers: dict[str, requests.Response]) -> None:
    """No picture, link or element of the attacker's is live in the Markdown."""
    text = answers["report.md"].text
    assert "](http" not in text.replace("\\]", "")
    assert MARKUP not in text


def test_junit_is_well_formed(answers: dict[str, requests.Response]) -> None:
    """The XML parses, and holds nothing but test suites and cases."""
    root = ET.fromstring(answers["junit.xml"].text)  # noqa: S314 - our own answer
    tags = {element.tag for element in root.iter()}
    known = {"testsuites", "testsuite", "testcase", "failure", "skipped", "properties", "property"}
    assert tags <= known | {"system-out", "error"}


def cells_of(text: str) -> list[str]:
    """Return every cell of a CSV file."""
    return [cell for row in csv.reader(io.StringIO(text)) for cell in row]


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would run a cell; numbers may begin with a sign."""
    try:
        float(cell)
    except ValueError:
        return cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    return False


def test_no_table_holds_a_formula(answers: dict[str, requests.Response]) -> None:
    """No cell or header of a CSV export is run by a spreadsheet; numbers stay as they are."""
    archive = zipfile.ZipFile(io.BytesIO(answers["tables.zip"].content))
    tables = {name: archive.read(name).decode() for name in archive.namelist()}
    tables["data.csv"] = answers["data.csv"].text
    for name, text in tables.items():
        assert [cell for cell in cells_of(text) if is_formula(cell)] == [], name
    rows = cells_of(tables["data.csv"])
    assert f"'{FORMULA}" in rows
    assert f"'{CLASSES[0]}" in rows
    assert any(cell.startswith("-") for cell in rows)


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (b"a,b\n" + b"x" * (3 * 2**20) + b",1\n", "longer than 2 MB"),
        (b",".join([b"c"] * 100_000) + b"\n" + b",".join([b"1"] * 100_000), "100,000 columns"),
        (b"a\n1\n" + b"\0" * 100, "zero bytes"),
    ],
    ids=["long line", "wide", "zero bytes"],
)
def test_table_bombs_are_one_sentence(tmp_path: Path, sample: bytes, words: str) -> None:
    """A table made to exhaust its reader is refused with a sentence before it is taken apart."""
    from errors import InputError
    from table_reader import read_table

    path = tmp_path / "bomb.csv"
    path.write_bytes(sample)
    with pytest.raises(InputError, match=words):
        read_table(path)
