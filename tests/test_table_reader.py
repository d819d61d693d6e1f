"""Tables as people really have them."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import table_reader
from errors import DataError, InputError, TooLargeError
from table_reader import read_table


def read(tmp_path: Path, data: bytes | str) -> tuple[pd.DataFrame, list[str]]:
    path = tmp_path / "sample.bin"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_table(path, "sample.csv")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " ", "   "])
def test_delimiters_are_found(tmp_path: Path, separator: str) -> None:
    """The usual separators give the same table."""
    rows = [["age", "city", "income"], ["31", "Oslo", "1.5"], ["42", "Rome", "2.5"]]
    frame, _ = read(tmp_path, "\n".join(separator.join(row) for row in rows))
    assert frame.to_dict("list") == {
        "age": [31, 42],
        "city": ["Oslo", "Rome"],
        "income": [1.5, 2.5],
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le"])
def test_encodings_are_found(tmp_path: Path, encoding: str) -> None:
    """Accents survive in every usual encoding."""
    frame, _ = read(tmp_path, "städte,größe\nKöln,1\nMünchen,2\n".encode(encoding))
    assert list(frame.columns) == ["städte", "größe"]
    assert list(frame["städte"]) == ["Köln", "München"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;b\n1,5;2\n2,25;3\n", [1.5, 2.25]),
        ("a;b\n1.234,5;2\n2.345,25;3\n", [1234.5, 2345.25]),
        ('a,b\n"1,234",2\n"12,345",3\n', [1234, 12345]),
        ("a;b\n1,234,567;2\n2;3\n", [1234567, 2]),
        ("a,b\n1.5,2\n2.25,3\n", [1.5, 2.25]),
        ("a\tb\n1.234\t2\n2.5\t3\n", [1.234, 2.5]),
    ],
)
def test_decimal_and_thousands_marks(tmp_path: Path, text: str, expected: list[float]) -> None:
    """Numbers are read as the country of the file writes them."""
    frame, _ = read(tmp_path, text)
    assert list(frame["a"]) == expected


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", ["x0", "x1", "x2"]),
        ("1 2\n3 4\n", ["x0", "x1"]),
        ("0,1,2\n5,6,7\n", ["0", "1", "2"]),
        ("label,1x1,1x2\n5,0,0\n", ["label", "1x1", "1x2"]),
        ("city,country\nOslo,Norway\n", ["city", "country"]),
    ],
)
def test_header_or_none(tmp_path: Path, text: str, columns: list[str]) -> None:
    """A first row of data is not taken for the names."""
    frame, _ = read(tmp_path, text)
    assert list(frame.columns) == columns


def test_index_and_empty_columns_are_dropped(tmp_path: Path) -> None:
    """The index that pandas wrote, and nameless empty columns, go with a note."""
    frame, notes = read(tmp_path, ",a,b,\n0,1,x,\n\n1,2,y,\n")
    assert list(frame.columns) == ["a", "b"]
    assert any("'Unnamed: 0'" in note for note in notes)


def test_repeated_names_are_numbered(tmp_path: Path) -> None:
    """Two columns of one name stay two columns."""
    frame, _ = read(tmp_path, "a,a,b\n1,2,3\n")
    assert list(frame.columns) == ["a", "a.1", "b"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (b"  \n ", "is empty"),
        (b"a,b\n", "no rows"),
        (b"a,b\n1,2\n1,2,3\n", "line 3"),
        (b"PK\x03\x04rest", "Excel"),
        (b"\x80\x04\x95rest", "pickle"),
        (b"PAR1broken", "Parquet"),
        (b"[1, 2]", "record 1"),
        (b'{"a": [1, 2], "b": [1]}', "equal length"),
        (b'{"a": 1, "a": 2}', "comes twice"),
        (b'{"columns": ["a", "a"], "data": [[1, 2]]}', "'a' comes twice"),
        (
            b'{"columns": ["a"], "data": [[1], [2, 3]]}',
            "row 2: .* is not a list of 1 value",
        ),
        (b'{"columns": ["a"], "data": [null]}', "row 1: 'None' is not a list"),
        (b"a,b\n\x00\x01,2\n", "zero bytes"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, data: bytes, told: str) -> None:
    """A file that is no table is answered with what it is and where it breaks."""
    with pytest.raises(DataError, match=told):
        read(tmp_path, data)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many columns, too long a line and too large a file are refused."""
    with pytest.raises(TooLargeError, match="columns"):
        read(tmp_path, ",".join(f"c{i}" for i in range(10_001)) + "\n" + ",".join(["1"] * 10_001))
    with pytest.raises(DataError, match="line 2 is longer"):
        read(tmp_path, "a,b\n" + "x" * (table_reader.MAX_LINE + 2))
    monkeypatch.setattr(table_reader, "MAX_BYTES", 3)
    with pytest.raises(TooLargeError, match="MB"):
        read(tmp_path, "a,b\n1,2\n")


@pytest.mark.parametrize(
    "content",
    ['[{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]', '{"a": [1, 2], "b": ["x", "y"]}',
     '{"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]}',
     '{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n'],
)  # fmt: skip
def test_json_shapes(tmp_path: Path, content: str) -> None:
    """Records, columns, split and lines give the same table."""
    frame, _ = read(tmp_path, content)
    assert frame.to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}


def test_parquet_round_trip(tmp_path: Path) -> None:
    """A Parquet file with an index comes back without it."""
    frame = pd.DataFrame({"a": [1.5, np.nan], "b": ["x", "y"]}, index=[7, 9])
    frame.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(
        read_table(tmp_path / "t.parquet").frame, frame.reset_index(drop=True)
    )


@given(
    st.lists(st.tuples(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6)), min_size=1, max_size=20)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_csv_round_trip(tmp_path: Path, rows: list[tuple[int, float]]) -> None:
    """What pandas writes is read back exactly."""
    frame = pd.DataFrame(rows, columns=["count", "size"])
    back, _ = read(tmp_path, frame.to_csv(index=False))
    np.testing.assert_allclose(back.to_numpy(dtype=float), frame.to_numpy(dtype=float), rtol=1e-12)


WORDS = st.text("abé ,;|'\"\t\n.-", max_size=12).map(lambda text: f"a{text}b")
REMARKS = st.lists(
    st.tuples(st.integers(-999, 999), WORDS, st.integers(-99_999, 99_999)), min_size=3, max_size=20
)


@given(REMARKS, st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", ","), ("|", ".")]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_cells_of_any_text_are_read_back(
    tmp_path: Path, rows: list[tuple[int, str, int]], marks: tuple[str, str]
) -> None:
    """Quotes, separators and line breaks inside a cell take no table apart."""
    frame = pd.DataFrame(rows, columns=["count", "remark", "size"])
    frame["size"] /= 100
    back, _ = read(tmp_path, frame.to_csv(index=False, sep=marks[0], decimal=marks[1]))
    assert back["remark"].tolist() == frame["remark"].tolist()
    assert back[["count", "size"]].to_numpy(float) == pytest.approx(
        frame[["count", "size"]].to_numpy(float)
    )


def test_a_cell_over_several_lines_decides_no_separator(tmp_path: Path) -> None:
    """Decimal commas are not taken for separators because remarks go over two lines."""
    frame, _ = read(tmp_path, 'n;remark;size\n1;fine;0,5\n2;"good,\nbut late";1,5\n')
    assert frame.to_dict("list") == {
        "n": [1, 2],
        "remark": ["fine", "good,\nbut late"],
        "size": [0.5, 1.5],
    }


@functools.cache
def small_parquet() -> bytes:
    table = pd.DataFrame({"a": [1.5, None, 3.0], "b": ["x", "yy", "z"]}, index=[3, 5, 7])
    return bytes(table.to_parquet())


def damaged(places: list[tuple[int, int]]) -> bytes:
    """Return a Parquet file, told by its first and last four bytes, with other bytes changed."""
    whole = bytearray(small_parquet())
    for place, byte in places:
        whole[4 + place % (len(whole) - 8)] = byte
    return bytes(whole)


CELLS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
JSON = st.recursive(
    CELLS,
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.sampled_from("abc"), part, max_size=3)
    ),
    max_leaves=8,
)
UPLOADS = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(str.encode),
    JSON.map(lambda document: json.dumps(document).encode()),
    st.fixed_dictionaries({"columns": JSON, "data": st.lists(JSON, max_size=3) | JSON}).map(
        lambda document: json.dumps(document).encode()
    ),
    st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), max_size=4).map(damaged),
)


@given(UPLOADS)
@example(damaged([(336, 128)]))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None
)
def test_any_bytes_give_a_table_or_an_input_error(tmp_path: Path, data: bytes) -> None:
    """No upload makes the reader raise anything but its own errors."""
    try:
        frame, _ = read(tmp_path, data)
    except InputError:
        return
    assert len(frame) > 0
    assert frame.columns.is_unique
    json.dumps(list(frame.columns))


def test_numbered_columns_with_a_named_target_are_a_header(tmp_path: Path) -> None:
    """The header 0, 1, 2, …, y of an array with a target is no row of data."""
    frame = pd.DataFrame(np.arange(20.0).reshape(4, 5)).assign(y=[0, 1, 0, 1])
    path = tmp_path / "array.csv"
    frame.to_csv(path, index=False)
    read = read_table(path).frame
    assert list(read.columns) == ["0", "1", "2", "3", "4", "y"]
    assert len(read) == 4


def test_names_made_of_digits_stay_texts_where_asked(tmp_path: Path) -> None:
    """A postal code keeps its leading zero and a missing one stays missing; others are numbers."""
    (tmp_path / "t.csv").write_text("zip;floor\n02139;1\n;2\n10001;3\n")
    frame = read_table(tmp_path / "t.csv", texts=["zip", "absent"]).frame
    assert frame["zip"].dropna().tolist() == ["02139", "10001"]
    assert frame["zip"].isna().tolist() == [False, True, False]
    assert frame["floor"].tolist() == [1, 2, 3]


def test_numbers_of_a_parquet_become_texts_where_asked(tmp_path: Path) -> None:
    """Whole numbers are written without a point, also where a missing one made them floats."""
    table = pd.DataFrame({"zip": [2139, None, 10001], "share": [0.5, 1.0, None]})
    table.to_parquet(tmp_path / "t.parquet")
    frame = read_table(tmp_path / "t.parquet", texts=["zip", "share"]).frame
    assert frame["zip"].dropna().tolist() == ["2139", "10001"]
    assert frame["share"].dropna().tolist() == ["0.5", "1"]


def test_repeated_names_of_a_csv_are_told(tmp_path: Path) -> None:
    """Two columns of one name are numbered, and a note says which."""
    frame, notes = read(tmp_path, "age,city,age\n1,Oslo,2\n3,Rome,4\n")
    assert list(frame.columns) == ["age", "city", "age.1"]
    assert notes == ["Column name 'age' comes more than once; the copies are numbered."]
