"""Reading tables as people really have them: CSV of any dialect, Parquet, JSON records.

Owns: ``read_table``. The kind of file is decided by its bytes, never by its name; everything that
was decided or dropped on the way is told in a note.
"""

from __future__ import annotations

import codecs
import csv
import re
import warnings
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from errors import DataError, InputError, TooLargeError
from formatting import count
from strict_json import read_json

MAX_BYTES = 200 * 1024 * 1024
MAX_COLUMNS = 10_000
MAX_LINE = 2 * 1024 * 1024
MAX_PARQUET_BYTES = 2 * 1024**3  # after decompression

_SNIFFED_LINES = 60
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
_NUMBER_LIKE = re.compile(r"[-+]?\d[\d.,]*([eE][-+]?\d+)?")
_GROUPED = re.compile(r"[-+]?\d{1,3}([.,])\d{3}(\1\d{3})*([.,]\d+)?")
_MISSING = ["?", "-"]
_OTHER_FILES = {
    b"PK\x03\x04": "looks like an Excel or zip file; save the table as CSV",
    b"\xd0\xcf\x11\xe0": "looks like an old Excel file; save the table as CSV",
    b"\x1f\x8b": "is compressed with gzip; unpack it first",
    b"\x80\x04": "looks like a pickle; save the table as CSV or Parquet",
    b"%PDF": "is a PDF; save the table as CSV",
}


class Table(NamedTuple):
    """A table read from a file, and what was decided on the way."""

    frame: pd.DataFrame
    notes: list[str]


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How a CSV file is written."""

    separator: str
    decimal: str
    thousands: str | None
    has_header: bool


def read_table(path: Path, name: str | None = None, texts: Collection[str] = ()) -> Table:
    """Read a table from a CSV, Parquet or JSON file.

    Parameters
    ----------
    path : Path
        The file, at most 200 MB.
    name : str, optional
        How messages call it; the file's own name by default.
    texts : collection of str
        Columns whose values are names even where they look like numbers: "02139" stays "02139".

    Returns
    -------
    Table
        ``frame`` with text column names and a plain row index, at most 10,000 columns; ``notes``
        for the user: encoding, delimiter, dropped columns, made-up names.

    Raises
    ------
    DataError
        No table, no rows, or a broken line; names the line or the column.
    TooLargeError
        Over a limit.
    """
    name = name or path.name
    size = path.stat().st_size
    if size > MAX_BYTES:
        message = f"{name} has {size / 2**20:,.0f} MB; at most {MAX_BYTES // 2**20} MB are read."
        raise TooLargeError(message)
    data = path.read_bytes()
    notes: list[str] = []
    frame = _parse(data, name, notes, texts)
    if frame.shape[1] > MAX_COLUMNS:
        raise _too_wide(name, frame.shape[1])
    frame = _with_texts(_tidy(frame, notes), texts)
    if frame.empty:
        message = f"{name} has no rows of data; a header and at least one row are needed."
        raise DataError(message)
    return Table(frame, list(dict.fromkeys(notes)))


def _parse(data: bytes, name: str, notes: list[str], texts: Collection[str]) -> pd.DataFrame:
    """Read the bytes by what they are."""
    if not data.strip():
        message = f"{name} is empty; a table with a header and at least one row is needed."
        raise DataError(message)
    for magic, told in _OTHER_FILES.items():
        if data.startswith(magic):
            message = f"{name} {told}."
            raise DataError(message)
    if data.startswith(b"PAR1"):
        return _read_parquet(data, name)
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{"):
        return _read_json(data, name)
    return _read_csv(data, name, notes, texts)


def _too_wide(name: str, count: int) -> TooLargeError:
    return TooLargeError(f"{name} has {count:,} columns; at most {MAX_COLUMNS:,} are read.")


# --- Parquet and JSON ------------------------------------------------------------------------


def _read_parquet(data: bytes, name: str) -> pd.DataFrame:
    """Read a Parquet file, looking at its declared size first."""
    import pyarrow as pa  # heavy, and rarely needed
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(BytesIO(data))
        described = file.metadata
        if described.num_columns > MAX_COLUMNS:
            raise _too_wide(name, described.num_columns)
        groups = range(described.num_row_groups)
        size = sum(described.row_group(group).total_byte_size for group in groups)
        if size > MAX_PARQUET_BYTES:
            message = f"{name} unpacks to {size / 2**30:.1f} GB; at most 2 GB are read."
            raise TooLargeError(message)
        # what pandas wrote about its index is not needed, and read even where it is to be ignored
        frame: pd.DataFrame = file.read().replace_schema_metadata(None).to_pandas()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: of a name
        message = f"{name} is a damaged Parquet file: {str(error)[:200]}"
        raise DataError(message) from error
    return frame.drop(columns=[c for c in frame.columns if c.startswith("__index_level_")])


def _read_json(data: bytes, name: str) -> pd.DataFrame:
    """Read JSON records, one object per line, or columns of equal length."""
    try:
        content = read_json(data, what=name, max_bytes=MAX_BYTES)
    except TooLargeError:
        raise
    except InputError as error:
        content = _json_lines(data, name, error)
    if isinstance(content, dict) and {"columns", "data"} <= content.keys():
        rows, columns = content["data"], content["columns"]
        if isinstance(rows, list) and isinstance(columns, list):
            content = _records_of_rows(columns, rows, name)
    if isinstance(content, dict):
        content = _records_of_columns(content, name)
    if not isinstance(content, list):
        message = f'{name} must be a list of records, e.g. [{{"age": 30}}].'
        raise DataError(message)
    for number, row in enumerate(content, start=1):
        if not isinstance(row, dict):
            message = f"{name}, record {number}: {str(row)[:60]!r} is not an object with columns."
            raise DataError(message)
    return pd.DataFrame.from_records(content)


def _json_lines(data: bytes, name: str, error: InputError) -> list[Any]:
    """Read one record per line, or raise the error of the whole document."""
    lines = [line for line in data.splitlines() if line.strip()]
    try:
        return [read_json(line, what=f"{name}, line {i}") for i, line in enumerate(lines, start=1)]
    except InputError as line_error:
        raise DataError(str(error if len(lines) < 2 else line_error)) from line_error


def _records_of_rows(columns: list[Any], rows: list[Any], name: str) -> list[dict[str, Any]]:
    """Turn lists of values, in the order of the columns, into records."""
    names = list(map(str, columns))
    twice = [each for each, times in Counter(names).items() if times > 1]
    if twice:
        message = f"{name}: the column {twice[0]!r} comes twice; give each a name of its own."
        raise DataError(message)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != len(names):
            message = (
                f"{name}, row {number}: {str(row)[:60]!r} is not a list of "
                f"{count(len(names), 'value')}, one for each of its columns."
            )
            raise DataError(message)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _records_of_columns(content: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Turn an object of columns into records; an object of plain values is one record."""
    lists = [value for value in content.values() if isinstance(value, list)]
    if not lists:
        return [content]
    lengths = {len(value) for value in lists}
    if len(lists) < len(content) or len(lengths) > 1:
        message = f"{name}: the columns are not lists of equal length; send a list of records."
        raise DataError(message)
    rows = zip(*content.values(), strict=True)
    return [dict(zip(content, row, strict=True)) for row in rows]


# --- CSV -------------------------------------------------------------------------------------


def _read_csv(data: bytes, name: str, notes: list[str], texts: Collection[str]) -> pd.DataFrame:
    """Read delimited text."""
    text = _as_utf8(data, notes)
    if b"\x00" in text:
        message = f"{name} holds zero bytes, so it is no text; save the table as CSV or Parquet."
        raise DataError(message)
    lines = _first_lines(text, name)
    if not lines:
        message = f"{name} is empty; a table with a header and at least one row is needed."
        raise DataError(message)
    dialect, rows = _sniff(lines)
    width = max(map(len, rows))
    if width > MAX_COLUMNS:  # pandas takes minutes to tell 100,000 equal names apart
        raise _too_wide(name, width)
    notes += _dialect_notes(dialect)
    notes += _repeated_names(rows[0]) if dialect.has_header else []
    frame = _pandas_csv(text, dialect, name, texts)
    if not dialect.has_header:
        frame.columns = pd.Index([f"x{i}" for i in range(frame.shape[1])])
        notes.append("There is no header; the columns are called x0, x1, …")
    return frame


def _as_utf8(data: bytes, notes: list[str]) -> bytes:
    """Return the text as UTF-8, whatever it is written in."""
    data = data.removeprefix(codecs.BOM_UTF8)
    encoding = _encoding(data)
    if encoding == "utf-8":
        return data
    if encoding is None:
        return _lines_as_utf8(data, notes)
    notes.append(f"Read as {encoding} text.")
    return data.decode(encoding, "replace").encode("utf-8")


def _encoding(data: bytes) -> str | None:
    """Guess the encoding: byte order marks, UTF-16 by its zero bytes, UTF-8 if valid, else None."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    head = data[:4096]
    if len(head) >= 4:
        if head[1::2].count(0) > 0.6 * len(head[1::2]) and 0 not in head[::2]:
            return "utf-16-le"
        if head[::2].count(0) > 0.6 * len(head[::2]) and 0 not in head[1::2]:
            return "utf-16-be"
    return "utf-8" if _is_utf8(data) else None


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _lines_as_utf8(data: bytes, notes: list[str]) -> bytes:
    """Return text that is not UTF-8, or not in every line: files are put together from several."""
    lines = data.splitlines(keepends=True)
    foreign = [number for number, line in enumerate(lines) if not _is_utf8(line)]
    unicode_too = sum(not line.isascii() for line in lines) - len(foreign)
    for number in foreign:
        lines[number] = _from_windows(lines[number]).encode("utf-8")
    if unicode_too:
        notes.append(
            f"The file mixes encodings: {count(unicode_too, 'line')} read as UTF-8, "
            f"{count(len(foreign), 'line')} as Windows-1252, number {foreign[0] + 1} first."
        )
    else:
        notes.append("Read as Windows-1252 text, which Latin-1 is a part of.")
    return b"".join(lines)


def _from_windows(line: bytes) -> str:
    """Read Windows-1252, which names all but five bytes; Latin-1 names those."""
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _first_lines(text: bytes, name: str) -> list[str]:
    """Return the first lines that are not blank, after checking every line's length."""
    stream = BytesIO(text)
    first: list[str] = []
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            message = f"{name}, line {number} is longer than {MAX_LINE // 2**20} MB; is it a table?"
            raise DataError(message)
        if len(first) < _SNIFFED_LINES and line.strip():
            first.append(line.decode("utf-8", "replace").rstrip("\r\n"))
    return first


def _sniff(lines: list[str]) -> tuple[_Dialect, list[list[str]]]:
    """Find out how the file is written from its first lines; return these split, too."""
    found = [mark for mark in ",;\t|" if any(mark in line for line in lines)]
    # white space separates only where nothing else can
    split = {mark: _rows(lines, mark) for mark in found or " "}
    separator, rows = max(split.items(), key=lambda item: _regularity(item[1]))
    if _regularity(rows) <= 0:
        separator = ","
        rows = _rows(lines, separator)
    decimal, thousands = _number_marks(rows, separator)
    return _Dialect(separator, decimal, thousands, _has_header(rows)), rows


def _rows(lines: list[str], separator: str) -> list[list[str]]:
    """Split lines into rows of stripped fields; a quoted field may go on in the next line."""
    if separator == " ":
        return [line.split() for line in lines]
    try:
        rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    except csv.Error:  # a field over the csv module's limit; pandas will judge the line
        rows = [line.split(separator) for line in lines]
    return [[field.strip() for field in row] for row in rows]


def _regularity(rows: list[list[str]]) -> float:
    """Return how regularly lines were split: share of the usual width, more if wide."""
    widths = Counter(map(len, rows))
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    if width < 2:
        return 0.0
    return count / len(rows) + min(width, 50) / 1000


def _number_marks(rows: list[list[str]], separator: str) -> tuple[str, str | None]:
    """Return the decimal mark and the thousands mark."""
    fields = [field for row in rows for field in row if _NUMBER_LIKE.fullmatch(field)]
    commas = [field for field in fields if "," in field]
    points = [field for field in fields if "." in field]
    if commas and separator == "," and all(_GROUPED.fullmatch(field) for field in commas):
        return ".", ","  # quoted numbers such as "1,234"
    if _is_thousands_mark(",", commas):
        return ".", ","
    if _is_thousands_mark(".", points):
        return ",", "."
    return (",", None) if separator != "," and len(commas) > len(points) else (".", None)


def _is_thousands_mark(mark: str, fields: list[str]) -> bool:
    """Whether numbers prove that ``mark`` groups digits: 1.234.567 or 1.234,5, and none denies."""
    other = "," if mark == "." else "."
    proofs = (field.count(mark) > 1 or mark in field.partition(other)[0] for field in fields)
    with_other = (field.count(mark) > 1 or other in field for field in fields)
    groups = all(_GROUPED.fullmatch(field) for field in fields)
    return groups and any(proof and sure for proof, sure in zip(proofs, with_other, strict=True))


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: texts over numbers, or just 0, 1, 2 and so on."""
    first, below = rows[0], rows[1:]
    if not below or _is_counting(first):
        return True
    named, unnamed = 0, 0
    for position, field in enumerate(first):
        column = [row[position] for row in below if position < len(row) and row[position]]
        if sum(bool(_NUMBER.fullmatch(value)) for value in column) > 0.8 * len(column):
            named += bool(field) and not _NUMBER.fullmatch(field)
            unnamed += _NUMBER.fullmatch(field) is not None
    return named >= unnamed


def _is_counting(fields: list[str]) -> bool:
    """Whether a row, a name at its ends aside, is 0, 1, 2, … or, if long, 1, 2, 3 and so on."""
    digits = fields if fields[0].isdecimal() else fields[1:]
    digits = digits[:-1] if digits and digits[-1][:1].isalpha() else digits
    if len(digits) < 3 or not all(field.isdecimal() and len(field) < 6 for field in digits):
        return False
    numbers = [int(field) for field in digits]
    start = numbers[0]
    counts = numbers == list(range(start, start + len(numbers)))
    return counts and (start == 0 or (start == 1 and len(numbers) >= 10))


def _dialect_notes(dialect: _Dialect) -> list[str]:
    """Say what is unusual about the dialect."""
    names = {";": "semicolons", "\t": "tabs", "|": "bars", " ": "white space"}
    notes = []
    if dialect.separator in names:
        notes.append(f"The columns are separated by {names[dialect.separator]}.")
    if dialect.decimal == ",":
        notes.append("Numbers are read with a decimal comma.")
    if dialect.thousands:
        notes.append(f"{dialect.thousands!r} is read as the thousands mark.")
    return notes


def _pandas_csv(text: bytes, dialect: _Dialect, name: str, texts: Collection[str]) -> pd.DataFrame:
    """Let pandas read the text; a line that does not fit is an error."""
    separator = r"\s+" if dialect.separator == " " else dialect.separator
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            return pd.read_csv(
                BytesIO(text),
                sep=separator,
                decimal=dialect.decimal,
                thousands=dialect.thousands,
                header=0 if dialect.has_header else None,
                index_col=False,
                skipinitialspace=True,
                na_values=_MISSING,
                dtype=dict.fromkeys(texts, str) if dialect.has_header else None,
                low_memory=False,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        told = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        message = (
            f"{name} is no regular table: {told}. Every line needs as many fields as the first."
        )
        raise DataError(message) from error


# --- tidying ---------------------------------------------------------------------------------


def _tidy(frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Drop index and empty columns, give every column a text name of its own."""
    names = [str(name).strip() for name in frame.columns]
    frame = frame.set_axis(_distinct(names, notes), axis=1)
    unnamed = [name for name in frame.columns if name.startswith("Unnamed: ") or not name]
    for name in unnamed:
        column = frame[name]
        if column.notna().mean() < 0.05:
            notes.append(f"Column {name!r} is (almost) empty and has no name; dropped.")
        elif name == "Unnamed: 0" and _is_index(column):
            notes.append("Column 'Unnamed: 0' only counts the rows; dropped.")
        else:
            continue
        frame = frame.drop(columns=name)
    return frame.reset_index(drop=True)


def _distinct(names: list[str], notes: list[str]) -> list[str]:
    """Return the names with a number added to repeated ones."""
    seen: Counter[str] = Counter()
    distinct = []
    for name in names:
        distinct.append(f"{name}.{seen[name]}" if seen[name] else name)
        seen[name] += 1
    notes += _repeated_names(names)
    return distinct


def _repeated_names(names: list[str]) -> list[str]:
    """Say which name comes more than once; pandas numbers those of a CSV without a word."""
    repeated = [name for name, count in Counter(names).items() if count > 1 and name]
    if not repeated:
        return []
    return [f"Column name {repeated[0]!r} comes more than once; the copies are numbered."]


def _with_texts(frame: pd.DataFrame, texts: Collection[str]) -> pd.DataFrame:
    """Return numbers of the columns ``texts`` as one writes them: 7, not 7.0."""
    numbers = [name for name in frame.columns if name in texts and frame[name].dtype.kind in "iuf"]
    return frame.assign(**{name: frame[name].map(_written, na_action="ignore") for name in numbers})


def _written(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)


def _is_index(column: pd.Series) -> bool:
    """Whether a column counts the rows from 0 or 1, or is a rising row number."""
    if column.dtype.kind != "i":
        return False
    return bool((np.diff(column.to_numpy()) > 0).all())
