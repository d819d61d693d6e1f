"""A reference kept small: all that later comparisons need of a table, whatever its length.

Owns: ``ReferenceProfile``, how it is made from a table or, row group by row group, from a Parquet
file, its saved form, and the comparison of a window of new rows with it.

Numbers are kept as at most ``MAX_POINTS`` of their sorted values at even ranks, both ends included:
the distribution function is off by at most 1 / ``MAX_POINTS``, every kept value is a real one, and
values beyond the reference's range are still told. Tests then count the reference as ``MAX_POINTS``
values, so their p-values are slightly too large, never too small; shares of missing values and of
categories are exact. A window is compared in time that does not depend on the reference's length.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from base_types import TypedModel
from drift import column_kinds, report_on
from drift_comparison import Thresholds, compare_profiles
from drift_profiles import (
    LARGEST,
    CategoryProfile,
    NumberProfile,
    Profile,
    kind_of,
    profile_column,
    profile_lengths,
    texts_of,
)
from drift_types import DriftReport
from drift_words import MAX_TEXTS, Words, count_words
from errors import DataError, MonitorError
from schema_utils import Kind, Schema

FORMAT_VERSION = 1

MAX_POINTS = 4096
"""Sorted values kept per column; 32 KiB, and the distribution function to 1 / 4,096. Four times as
many would double the time of a window and lower p-values hardly: a shift of 0.1 standard deviations
in 1,000 rows has z = 2.8 against 4,096 values and 3.2 against infinitely many."""

MAX_LABELS = 10_000
"""A column of texts with more distinct values in a row group is compared by their length."""

MAX_UNPACKED_BYTES = 512 * 2**20
"""Larger than any profile of 5,000 columns is."""

Progress = Callable[[float, str], None]


class _ColumnHeader(TypedModel):
    """What the saved form says of a column beside its values."""

    name: str
    kind: Kind
    n_rows: int = Field(ge=0)
    n_missing: int = Field(ge=0)
    n_invalid: int = Field(default=0, ge=0)
    counts: dict[str, int] | None = None
    words: dict[str, int] | None = None
    n_texts: int = Field(default=0, ge=0)
    n_lone: int = Field(default=0, ge=0)


class _Header(TypedModel):
    format_version: int
    n_rows: int = Field(ge=0)
    columns: list[_ColumnHeader]


@dataclass(frozen=True)
class ReferenceProfile:
    """What a comparison needs of a reference table.

    Parameters
    ----------
    n_rows : int
        Rows of the table.
    kinds : dict of str to Kind
        Its columns, in order.
    columns : dict of str to NumberProfile or CategoryProfile
        Of each column; numbers have at most ``MAX_POINTS`` values.
    """

    n_rows: int
    kinds: dict[str, Kind]
    columns: dict[str, Profile]

    def to_bytes(self) -> bytes:
        """Return the saved form: a compressed ``.npz`` of one header and one array per column."""
        header = _Header(
            format_version=FORMAT_VERSION,
            n_rows=self.n_rows,
            columns=[_header_of(n, self.kinds[n], c) for n, c in self.columns.items()],
        )
        arrays = {
            f"values_{i}": column.values
            for i, column in enumerate(self.columns.values())
            if isinstance(column, NumberProfile)
        }
        text = np.frombuffer(header.model_dump_json().encode(), dtype=np.uint8)
        stream = BytesIO()
        np.savez_compressed(stream, header=text, **arrays)  # type: ignore[arg-type]
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> ReferenceProfile:
        """Read the saved form; nothing in it is executed.

        Raises
        ------
        DataError
            It is no profile, damaged, or of a version this program does not know.
        """
        try:
            _refuse_bomb(data)
            with np.load(BytesIO(data), allow_pickle=False) as arrays:
                header = _read_header(arrays["header"].tobytes())
                columns = [_column_of(arrays, i, c) for i, c in enumerate(header.columns)]
        except (BadZipFile, OSError, ValueError, KeyError, EOFError) as error:
            msg = f"This is no reference profile, or it is damaged: {str(error)[:200]}"
            raise DataError(msg) from error
        names = [column.name for column in header.columns]
        kinds = {column.name: column.kind for column in header.columns}
        return cls(header.n_rows, kinds, dict(zip(names, columns, strict=True)))


def is_profile(data: bytes) -> bool:
    """Whether these bytes are the saved form of a profile, sound or not."""
    try:
        with ZipFile(BytesIO(data)) as archive:
            return "header.npy" in archive.namelist()
    except BadZipFile:
        return False


def _refuse_bomb(data: bytes) -> None:
    with ZipFile(BytesIO(data)) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > MAX_UNPACKED_BYTES:
        msg = f"it unpacks to {size:,} bytes; at most {MAX_UNPACKED_BYTES:,} are read"
        raise ValueError(msg)


def _header_of(name: str, kind: Kind, column: Profile) -> _ColumnHeader:
    header = _ColumnHeader(name=name, kind=kind, n_rows=column.n_rows, n_missing=column.n_missing)
    if isinstance(column, CategoryProfile):
        header.counts = column.counts
        return header
    header.n_invalid = column.n_invalid
    if column.words is not None:
        header.words = column.words.counts
        header.n_texts, header.n_lone = column.words.n_texts, column.words.n_lone
    return header


def _read_header(text: bytes) -> _Header:
    version = json.loads(text).get("format_version")
    if version != FORMAT_VERSION:
        msg = f"the profile has format {version!r}, this program reads {FORMAT_VERSION}"
        raise ValueError(msg)
    return _Header.model_validate_json(text)


def _column_of(arrays: Any, position: int, header: _ColumnHeader) -> Profile:  # noqa: ANN401 - NpzFile is untyped
    if header.counts is not None:
        return CategoryProfile(header.n_rows, header.n_missing, header.counts)
    values: NDArray[Any] = arrays[f"values_{position}"]
    if values.dtype != np.float64 or values.ndim != 1 or len(values) > MAX_POINTS:
        msg = f"the values of column {header.name!r} are not of the expected form"
        raise ValueError(msg)
    if not (np.abs(values) <= LARGEST).all() or (values[1:] < values[:-1]).any():
        msg = f"the values of column {header.name!r} are not finite and ascending"
        raise ValueError(msg)
    words = None
    if header.words is not None:
        words = Words(header.words, header.n_texts, header.n_lone)
    return NumberProfile(header.n_rows, header.n_missing, header.n_invalid, values, words)


# --- from a table ------------------------------------------------------------------------------


def profile_frame(frame: pd.DataFrame, schema: Schema | None = None) -> ReferenceProfile:
    """Make a profile of a table in memory.

    Parameters
    ----------
    frame : DataFrame
        The reference; not changed.
    schema : Schema, optional
        Kinds of the columns; without it they follow from the dtypes.
    """
    frame = frame.rename(columns=str)
    kinds = column_kinds(frame, schema)
    columns = {name: summarise(profile_column(frame[name], kind)) for name, kind in kinds.items()}
    return ReferenceProfile(len(frame), kinds, columns)


def summarise(profile: Profile) -> Profile:
    """Keep at most ``MAX_POINTS`` of the values, at even ranks, both ends included."""
    if isinstance(profile, CategoryProfile) or profile.n_values <= MAX_POINTS:
        return profile
    ranks = np.linspace(0, profile.n_values - 1, MAX_POINTS).round().astype(np.int64)
    return replace(profile, values=profile.values[ranks])


def compare_with_profile(
    profile: ReferenceProfile,
    window: pd.DataFrame | ReferenceProfile,
    *,
    thresholds: Thresholds | None = None,
) -> DriftReport:
    """Compare new rows with a kept reference.

    Parameters
    ----------
    profile : ReferenceProfile
        The reference.
    window : DataFrame or ReferenceProfile
        The rows in question, or their own profile.
    thresholds : Thresholds, optional
        Limits of the verdict.

    Returns
    -------
    DriftReport
        As ``drift.compare_frames`` gives it for the two tables.
    """
    limits = thresholds or Thresholds()
    if isinstance(window, pd.DataFrame):
        window = _window_profile(window, profile.kinds)
    common = [name for name in profile.columns if name in window.columns]
    compared = {
        name: compare_profiles(profile.columns[name], window.columns[name], limits)
        for name in common
    }
    extra = [name for name in window.columns if name not in profile.columns]
    sizes = (profile.n_rows, window.n_rows)
    return report_on(compared, profile.kinds, limits, sizes=sizes, extra=extra)


def _window_profile(frame: pd.DataFrame, kinds: dict[str, Kind]) -> ReferenceProfile:
    """Profile the columns of ``kinds`` by these kinds, the others by their dtypes."""
    parts = {str(name): column for name, column in frame.items()}
    all_kinds = {**kinds, **{n: kind_of(part) for n, part in parts.items() if n not in kinds}}
    columns = {name: profile_column(part, all_kinds[name]) for name, part in parts.items()}
    return ReferenceProfile(len(frame), all_kinds, columns)


# --- from Parquet ------------------------------------------------------------------------------


def profile_parquet(
    path: Path, kinds: dict[str, Kind] | None = None, *, progress: Progress | None = None
) -> ReferenceProfile:
    """Make a profile of a Parquet file, one column at a time and of it one row group at a time.

    Parameters
    ----------
    path : Path
        The file, of any size: only the numbers of one column are ever held.
    kinds : dict of str to Kind, optional
        What columns are compared as; the others as their first row group suggests.
    progress : callable, optional
        Called with (fraction, message) per column.

    Raises
    ------
    DataError
        It is no Parquet file, or has no rows.
    """
    import pyarrow as pa  # heavy, and only wanted here
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return _profile_file(file, dict(kinds or {}), progress)
    except (pa.ArrowException, OSError) as error:
        msg = f"{path.name} is no Parquet file, or a damaged one: {str(error)[:200]}"
        raise DataError(msg) from error


def _profile_file(
    file: Any,  # noqa: ANN401 - pyarrow is untyped
    kinds: dict[str, Kind],
    progress: Progress | None,
) -> ReferenceProfile:
    if not file.metadata.num_rows:
        msg = "The Parquet file has no rows; at least one is needed."
        raise DataError(msg)
    names = [name for name in file.schema_arrow.names if not name.startswith("__index_level_")]
    columns: dict[str, Profile] = {}
    for i, name in enumerate(names):
        if progress is not None:
            progress(i / len(names), f"reading {name}")
        if name not in kinds:
            kinds[name] = _kind_in_file(next(_row_groups(file, name)))
        kind = kinds[name]
        read = _profile_texts if kind is Kind.TEXT else _profile_groups
        columns[name] = summarise(read(file, name, kind))
    return ReferenceProfile(file.metadata.num_rows, {n: kinds[n] for n in names}, columns)


def _profile_groups(file: Any, name: str, kind: Kind) -> Profile:  # noqa: ANN401 - pyarrow is untyped
    return joined([profile_column(part, kind) for part in _row_groups(file, name)])


def _profile_texts(file: Any, name: str, _kind: Kind) -> Profile:  # noqa: ANN401 - pyarrow is untyped
    """Count words in evenly chosen texts of the whole file, which are all that is kept of it."""
    every = max(1, -(-file.metadata.num_rows // MAX_TEXTS))
    parts: list[Profile] = []
    kept: list[str] = []
    for column in _row_groups(file, name):
        texts = texts_of(column)
        parts.append(profile_lengths(texts, len(column)))
        kept += texts[::every]
    lengths = joined(parts)
    return (
        replace(lengths, words=count_words(kept)) if isinstance(lengths, NumberProfile) else lengths
    )


def _row_groups(file: Any, name: str) -> Iterator[pd.Series[Any]]:  # noqa: ANN401 - pyarrow is untyped
    for group in range(file.num_row_groups):
        yield file.read_row_group(group, columns=[name], use_threads=False).to_pandas()[name]


def _kind_in_file(part: pd.Series[Any]) -> Kind:
    kind = column_kinds(part.to_frame(), None)[str(part.name)]
    many = kind is Kind.CATEGORICAL and part.nunique() > MAX_LABELS
    return Kind.TEXT if many else kind


def joined(parts: list[Profile]) -> Profile:
    """Return the profile of all rows from the profiles of parts of one column.

    Raises
    ------
    ValueError
        There are no parts.
    """
    if not parts:
        msg = "no parts to join"
        raise ValueError(msg)
    n_rows = sum(part.n_rows for part in parts)
    n_missing = sum(part.n_missing for part in parts)
    numbers = [part for part in parts if isinstance(part, NumberProfile)]
    if not numbers:
        return CategoryProfile(n_rows, n_missing, _added(parts))
    values = np.concatenate([part.values for part in numbers])
    values.sort(kind="stable")  # of sorted runs, which it merges
    return NumberProfile(n_rows, n_missing, sum(part.n_invalid for part in numbers), values)


def _added(parts: list[Profile]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for part in parts:
        if isinstance(part, CategoryProfile):
            for label, count in part.counts.items():
                counts[label] = counts.get(label, 0) + count
    return counts


def compare_parquet(
    profile: ReferenceProfile,
    path: Path,
    *,
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
) -> DriftReport:
    """Compare a Parquet file of any size with a kept reference; see ``compare_with_profile``.

    Raises
    ------
    DataError
        It is no Parquet file, or has no rows.
    """
    window = profile_parquet(path, profile.kinds, progress=progress)
    return compare_with_profile(profile, window, thresholds=thresholds)


def main() -> None:
    """Save the profile of a table: ``python -m drift_reference rows.parquet profile.npz``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("table", type=Path, help="Parquet of any size, or CSV or JSON")
    parser.add_argument("profile", type=Path, help="where to save it")
    arguments = parser.parse_args()
    with arguments.table.open("rb") as stream:
        is_parquet = stream.read(4) == b"PAR1"
    made = profile_parquet if is_parquet else _profile_table
    try:
        arguments.profile.write_bytes(made(arguments.table).to_bytes())
    except MonitorError as error:
        raise SystemExit(str(error)) from error


def _profile_table(path: Path) -> ReferenceProfile:
    from schema_inference import schema_from_sample
    from table_reader import read_table

    frame = read_table(path).frame
    return profile_frame(frame, schema_from_sample(frame))


if __name__ == "__main__":
    main()
