"""Claims about how a table writes its dates, numbers, truths and letters."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from date_writing import date_writing
from number_writing import number_writing
from schema_inference import schema_from_sample
from table_reader import read_table
from validation import check_table
from validation_types import DataCheck, Finding

FORMS = {
    "year-month-day": "%Y-%m-%d",
    "day.month.yy": "%d.%m.%y",
    "day/month/year": "%d/%m/%Y",
    "month-day-year": "%m-%d-%Y",
    "month in words": "%d %b %Y",
}
DATES = st.dates(date(1970, 1, 1), date(2060, 1, 1))


def about(column: list[object], check_id: str, name: str = "x") -> DataCheck:
    """Return what a check says of a table with this column."""
    frame = pd.DataFrame({name: column})
    section = check_table(frame, schema_from_sample(frame))
    return next(check for check in section.checks if check.id == check_id)


def repeated(values: list[object], times: int = 40) -> list[object]:
    return values * times


@given(st.lists(st.tuples(DATES, st.sampled_from(list(FORMS))), min_size=1, max_size=40))
def test_each_form_is_counted(written: list[tuple[date, str]]) -> None:
    """Dates written by the standard library in several forms are counted form by form."""
    sure = [(date(2024, 7, 31), name) for name in {name for _, name in written}]
    counts: dict[str, int] = {}
    for day, name in [*written, *sure]:
        text = day.strftime(FORMS[name])
        counts[text] = counts.get(text, 0) + 1
    writing = date_writing(counts)
    assert writing is not None
    expected = {name: sum(own == name for _, own in [*written, *sure]) for _, name in sure}
    assert {form.name: form.count for form in writing.forms} == expected
    assert writing.open_order is None
    assert writing.others is None


@given(st.lists(DATES, min_size=1, max_size=30))
def test_the_order_is_open_where_no_number_is_above_twelve(days: list[date]) -> None:
    """Day/month dates are known as such by one day above 12, and are open without any."""
    writing = date_writing({day.strftime("%d/%m/%Y"): 1 for day in days})
    assert writing is not None
    assert (writing.open_order is None) == any(day.day > 12 for day in days)


@given(st.dictionaries(st.text(max_size=30), st.integers(1, 9), max_size=20))
def test_any_texts_are_looked_at(counts: dict[str, int]) -> None:
    """No text is too odd, and what is told adds up to all values."""
    writing = date_writing(counts)
    if writing is not None:
        others = writing.others.count if writing.others else 0
        assert sum(form.count for form in writing.forms) + others == sum(counts.values())
    number_writing(counts)


@given(
    st.lists(st.floats(1000, 1e9), min_size=1, max_size=30),
    st.sampled_from(["kg", "km/h", "°C", "m²"]),
)
def test_a_number_with_marks_is_told_by_each_of_them(numbers: list[float], unit: str) -> None:
    """Thousands marks and the unit of every number are counted; plain numbers have none."""
    counts = {f"{number:,.2f} {unit}": 1 for number in numbers}
    assert number_writing(counts) == {
        "a thousands mark": len(counts),
        f"the unit {unit!r}": len(counts),
    }
    assert number_writing({f"{number:.2f}": 1 for number in numbers}) is None


@pytest.mark.parametrize(
    ("texts", "marks"),
    [
        (["$1,200.50", "$80"], {"the currency '$'", "a thousands mark"}),
        (["3,5", "12,25"], {"a comma"}),
        (["(1.50)", "2.50"], {"brackets"}),
        (["50%", "7.5 %"], {"the sign '%'"}),
        (["12 kg", "30 lb"], {"the unit 'kg'", "the unit 'lb'"}),
        (["12A", "7B", "9C", "1D"], set()),
        (["10-20", "20-30"], set()),
        (["1.2.3", "1.2.4"], set()),
        (["red", "12 kg"], set()),
    ],
)
def test_marks_of_numbers(texts: list[str], marks: set[str]) -> None:
    """Usual marks are told; house numbers, ranges, versions and words are no numbers."""
    assert set(number_writing(dict.fromkeys(texts, 1)) or ()) == marks


@pytest.mark.parametrize(
    ("check_id", "column", "told"),
    [
        ("date_forms", ["2024-03-01", "01/03/2024", "1.3.24"], "year-month-day 40 times"),
        ("date_forms", ["01/03/2024", "02/03/2024"], "day/month/year or month/day/year 80 times"),
        ("date_forms", ["2024-03-01"] * 9 + ["soon"], "no date 40 times, such as 'soon'"),
        ("marked_numbers", ["12 kg", "13 kg", "30 lb"], "the unit 'kg' 80 times"),
        ("truth_words", ["yes", "No", "TRUE", "0", "n"], "yes/no 80 times"),
        ("letters", ["MÃ¼ller", "Jones"], "'MÃ¼ller' and the like, 40 times"),
        ("placeholders", [*range(18, 60), -999], "-999 40 times"),
        ("placeholders", [*range(18, 60), 9999], "9999 40 times"),
        ("mixed_types", ["7", "3", "12", "unknown"], "'unknown' 40 times"),
    ],
)
def test_what_is_odd_is_told_with_counts(check_id: str, column: list[object], told: str) -> None:
    """The check of each oddity warns and says what it found, how often, by an example."""
    found = about(repeated(column), check_id)
    assert found.finding is Finding.WARN
    assert told in found.found
    assert found.cost > 0


@pytest.mark.parametrize(
    "column",
    [
        ["2024-03-01", "2024-12-31"],
        ["31/12/2024", "01/02/2024"],
        ["yes", "no"],
        ["red", "blue"],
        ["Müller", "Weiß", "José"],
        ["straße", "“quoted”", "日本"],
        [*range(-999, 1000, 3)],
        [90, 95, 99],
        ["02139-1234", "94110-0001"],
    ],
)
def test_what_is_usual_is_left_alone(column: list[object]) -> None:
    """Dates of one known form, plain words and numbers that reach 99 or -999 raise no alarm."""
    for check_id in ("date_forms", "marked_numbers", "truth_words", "letters", "placeholders"):
        assert about(repeated(column), check_id).finding is Finding.PASS, check_id


def test_days_of_a_spreadsheet_are_named() -> None:
    """The days that Excel counts from are those of the standard library, told by the column."""
    days = [date(2023, 3, 15) + timedelta(days=i) for i in range(120)]
    column: list[object] = [(day - date(1899, 12, 30)).days for day in days]
    found = about(column, "date_forms", "order_date")
    assert f"{column[0]} is the day 2023-03-15" in found.found
    assert about(column, "date_forms", "distance").finding is Finding.PASS


def test_numbers_with_units_are_no_identifiers() -> None:
    """A measured column that writes its unit is not taken for names of rows."""
    column: list[object] = [f"{x:.3f} kg" for x in np.linspace(1, 99, 300)]
    assert about(column, "high_cardinality").finding is Finding.PASS
    assert about(column, "marked_numbers").finding is Finding.WARN


def test_files_put_together_from_two_encodings_are_read_line_by_line(tmp_path: Path) -> None:
    """Each line keeps its letters, and a note says which encodings were found where."""
    path = tmp_path / "mixed.csv"
    path.write_bytes("name,n\nMüller,1\n".encode() + "Weiß,2\n“José” €,3\n".encode("cp1252"))
    frame, notes = read_table(path)
    assert frame["name"].tolist() == ["Müller", "Weiß", "“José” €"]
    assert any("1 line read as UTF-8, 2 lines as Windows-1252, number 3" in note for note in notes)
