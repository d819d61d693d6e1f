"""Claims about ``POST /validate`` over a real connection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from settings import Settings
from tests.fake_runner import fake_runner
from tests.test_api_handler import problem_of, serving
from validation_example import example_table
from validation_types import Finding, ValidationSection


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("check"), max_sample_mb=1)
    with fake_runner(settings.data_dir, "finish"), serving(settings) as address:
        yield address


def test_a_table_gets_a_score_and_its_faults(api: str) -> None:
    """The faulty example is answered with a low score and the column that leaks."""
    answer = requests.post(
        f"{api}/validate", files={"data": ("d.csv", example_table())}, timeout=60
    )
    assert answer.status_code == 200, answer.text
    section = ValidationSection.model_validate(answer.json())
    assert section.score is not None
    assert section.score < 80
    leak = next(check for check in section.checks if check.id == "target_leakage")
    assert (leak.finding, leak.columns) == (Finding.FAIL, ["cancelled_on_paper"])


def test_dates_of_several_forms_are_told(api: str) -> None:
    """A column of dates in three forms is named with how often each comes, and its order told."""
    dates = ["2024-03-01", "01/03/2024", "1.3.24"] * 40
    table = "on,n\n" + "".join(f"{text},{number}\n" for number, text in enumerate(dates))
    answer = requests.post(f"{api}/validate", files={"data": ("d.csv", table)}, timeout=60)
    section = ValidationSection.model_validate(answer.json())
    found = next(check for check in section.checks if check.id == "date_forms")
    assert (found.finding, found.columns) == (Finding.WARN, ["on"])
    for form in ("year-month-day", "day.month.yy", "day/month/year or month/day/year"):
        assert f"{form} 40 times" in found.found


def test_two_tables_are_held_against_each_other(api: str) -> None:
    """The same file twice overlaps entirely."""
    files = {"data": ("a.csv", example_table()), "test": ("b.csv", example_table())}
    answer = requests.post(f"{api}/validate", files=files, data={"target": "churn"}, timeout=60)
    section = ValidationSection.model_validate(answer.json())
    overlap = next(check for check in section.checks if check.id == "overlap")
    assert overlap.share == 1


def test_a_schema_may_be_written_as_for_a_run(api: str) -> None:
    """The short form that ``POST /run_tests`` reads is read here too, with the same names."""
    schema = '{"features": ["a", {"name": "b", "type": "number", "max": 1}]}'
    table = b"a,b\n" + b"1,0.5\n" * 30 + b"2,7\n" * 10
    answer = requests.post(
        f"{api}/validate", files={"data": ("b.csv", table)}, data={"schema": schema}, timeout=60
    )
    section = ValidationSection.model_validate(answer.json())
    found = next(check for check in section.checks if check.id == "schema")
    assert found.columns == ["b"]
    assert "25%" in found.found.replace(" ", "")


@pytest.mark.parametrize(
    ("files", "fields", "told"),
    [
        ({"test": ("b.csv", b"a\n1\n")}, {}, "'data'"),
        ({"data": ("b.csv", b"a,b\n1,2\n")}, {"target": "c"}, "'c'"),
        ({"data": ("b.csv", b"a,b\n1,2\n")}, {"schema": "{"}, "schema is no JSON"),
    ],
)
def test_what_cannot_be_checked_is_refused(
    api: str, files: dict[str, tuple[str, bytes]], fields: dict[str, str], told: str
) -> None:
    """A missing file, an unknown target and a broken schema are each named."""
    answer = requests.post(f"{api}/validate", files=files, data=fields, timeout=60)
    assert 400 <= answer.status_code < 500
    assert told in problem_of(answer, answer.status_code)["detail"]
