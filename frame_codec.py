"""Tables as raw columns: how a DataFrame crosses to the process that holds the model.

Owns: the column kinds and their byte layout. Numbers travel as little-endian arrays, never as
text. Each buffer is padded to eight bytes so that decoded columns are aligned views of the
received bytes. Stand-alone: standard library, numpy, and pandas where a frame is made; written
for Python 3.7 and later because a worker may run under an old interpreter.

=========  ==========================================================  ====================
kind       buffers                                                     decodes to
=========  ==========================================================  ====================
float64    values                                                      float64
int64      values                                                      int64
bool       values u1, missing u1                                       bool; object with NaN
str        distinct texts UTF-8, their ends i8, codes i4 (-1 missing)  str; object before 3.0
datetime   ticks i8 (``unit``, ``tz`` in the header)                   datetime64
mixed      JSON list (None, NaN, numbers, texts as they are)           object
=========  ==========================================================  ====================
"""

from __future__ import annotations

import functools
import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

_ALIGNMENT = 8
_FLOAT64 = np.dtype(np.float64)
_WRONG_SIZE = "the table has not the size its header says"


class FrameCodecError(ValueError):
    """A table cannot be encoded, or its bytes are not what its header says."""


def encode_frame(frame: pd.DataFrame) -> tuple[dict[str, Any], list[memoryview]]:
    """Turn a table into a JSON-able header and its column buffers.

    Parameters
    ----------
    frame : DataFrame, shape (n, k)
        Column names may repeat and may be text, numbers, booleans or None; the index is not sent.

    Returns
    -------
    dict
        ``n_rows``, ``names`` and ``columns``: kind and buffer sizes of a column, and how many
        ``times`` such columns stand side by side.
    list of memoryview
        The buffers in order, each padded to a multiple of eight bytes.

    Raises
    ------
    FrameCodecError
        If a column name or a cell has no JSON form.

    Examples
    --------
    >>> import pandas as pd
    >>> header, buffers = encode_frame(pd.DataFrame({"a": [1.5, 2.5]}))
    >>> header
    {'n_rows': 2, 'names': ['a'], 'columns': [{'kind': 'float64', 'sizes': [16], 'times': 1}]}
    >>> decode_frame(header, np.frombuffer(buffers[0], np.uint8))["a"].tolist()
    [1.5, 2.5]
    """
    names = [_plain_name(name) for name in frame.columns.tolist()]
    columns: list[dict[str, Any]] = []
    buffers: list[memoryview] = []
    for fields, parts, times in _encoded_columns(frame):
        views = [_bytes_of(part) for part in parts]
        sizes = [view.nbytes // times for view in views]
        columns.append({**fields, "sizes": sizes, "times": times})
        for view in views:
            buffers.extend(_padded(view))
    return {"n_rows": len(frame), "names": names, "columns": columns}, buffers


def decode_columns(header: dict[str, Any], payload: NDArray[np.uint8]) -> list[NDArray[Any]]:
    """Turn received bytes back into one array per column; numbers are views, not copies.

    Raises
    ------
    FrameCodecError
        If the bytes do not fit the header.
    """
    columns = []
    start = 0
    for fields in _each_column(header):
        parts = []
        for size in fields["sizes"]:
            if start + size > payload.nbytes:
                raise FrameCodecError(_WRONG_SIZE)
            parts.append(payload[start : start + size])
            start += _rounded(size)
        columns.append(_DECODERS[fields["kind"]](parts, fields))
    wrong = [len(column) for column in columns if len(column) != header["n_rows"]]
    if wrong:
        message = f"a column has {wrong[0]} rows, expected {header['n_rows']}"
        raise FrameCodecError(message)
    return columns


def decode_frame(header: dict[str, Any], payload: NDArray[np.uint8]) -> pd.DataFrame:
    """Turn received bytes back into a DataFrame with a fresh range index.

    A table of float64 columns only becomes one block without a copy.

    Raises
    ------
    FrameCodecError
        If the bytes do not fit the header.
    """
    import pandas as pd

    n_rows, names, kinds = header["n_rows"], header["names"], header["columns"]
    if len(kinds) == 1 and kinds[0]["kind"] == "float64":
        if payload.nbytes != n_rows * len(names) * 8:
            raise FrameCodecError(_WRONG_SIZE)
        matrix = payload.view("<f8").reshape(len(names), n_rows).T
        return pd.DataFrame(matrix, columns=_index(names))
    arrays = decode_columns(header, payload)
    plain = ("float64", "int64")
    series = {
        i: arrays[i] if fields["kind"] in plain else _series(arrays[i], fields)
        for i, fields in enumerate(_each_column(header))
    }
    frame = pd.DataFrame(series, index=pd.RangeIndex(n_rows))
    frame.columns = _index(names)
    return frame


def payload_size(header: dict[str, Any]) -> int:
    """Return the number of bytes that follow a table's header."""
    return sum(
        _rounded(size) * fields["times"] for fields in header["columns"] for size in fields["sizes"]
    )


def _each_column(header: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a header says of every column."""
    return [fields for fields in header["columns"] for _ in range(fields["times"])]


def _rounded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _padded(view: memoryview) -> list[memoryview]:
    padding = _rounded(view.nbytes) - view.nbytes
    return [view, memoryview(bytes(padding))] if padding else [view]


def _bytes_of(part: NDArray[Any] | bytes) -> memoryview:
    if isinstance(part, bytes):
        return memoryview(part)
    return np.ascontiguousarray(part).view(np.uint8).reshape(-1).data


def _plain_name(name: Any) -> Any:  # noqa: ANN401 - a column may be named by anything
    if type(name) is str:
        return name
    if isinstance(name, np.generic):
        name = name.item()
    if name is None or isinstance(name, (str, int, float)):
        return name
    message = f"column name {name!r} is a {type(name).__name__}, expected a text or a number"
    raise FrameCodecError(message)


# ----------------------------------------------------------------------------- encoding


def _encoded_columns(frame: pd.DataFrame) -> Iterator[tuple[dict[str, Any], list[Any], int]]:
    """Yield kind and parts of a column, or of several neighbours that hold floats, and how many.

    All floats are taken at once; those of neighbours lie behind each other, without a gap.
    """
    holds_floats = [dtype == _FLOAT64 for dtype in frame.dtypes.tolist()]
    some = frame if all(holds_floats) else frame.take(np.flatnonzero(holds_floats), axis=1)
    rows = np.ascontiguousarray(some.to_numpy(dtype="<f8").T)
    taken = 0
    for are_floats, group in itertools.groupby(range(len(holds_floats)), holds_floats.__getitem__):
        places = list(group)
        if are_floats:
            yield {"kind": "float64"}, [rows[taken : taken + len(places)]], len(places)
            taken += len(places)
            continue
        for place in places:
            yield (*_encode_column(frame.iloc[:, place]), 1)


def _encode_column(series: pd.Series[Any]) -> tuple[dict[str, Any], list[Any]]:
    import pandas as pd

    dtype: Any = series.dtype
    if isinstance(dtype, (pd.CategoricalDtype, pd.SparseDtype)):
        series = pd.Series(np.asarray(series))
        dtype = series.dtype
    if isinstance(dtype, pd.StringDtype):
        return {"kind": "str"}, _text_parts(series)
    if dtype == np.dtype(bool):  # nothing is missing in it, nor among whole numbers
        return {"kind": "bool"}, [series.to_numpy(), np.zeros(len(series), dtype=bool)]
    if pd.api.types.is_bool_dtype(dtype):
        missing = np.asarray(series.isna())
        return {"kind": "bool"}, [np.asarray(series.fillna(False), dtype=bool), missing]
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return _encode_datetime(series)
    if pd.api.types.is_numeric_dtype(dtype) and dtype.kind in "fiu":
        return _encode_number(series)
    return {"kind": "mixed"}, [_json_bytes(series.tolist())]


def _encode_number(series: pd.Series[Any]) -> tuple[dict[str, Any], list[Any]]:
    dtype: Any = series.dtype
    is_plain = isinstance(dtype, np.dtype)
    if dtype.kind == "f" or (not is_plain and bool(series.isna().any())):
        return {"kind": "float64"}, [series.to_numpy(dtype="<f8", na_value=np.nan)]
    if dtype.kind == "u" and len(series) and int(series.max()) > np.iinfo(np.int64).max:
        return {"kind": "mixed"}, [_json_bytes(series.tolist())]
    return {"kind": "int64"}, [series.to_numpy(dtype="<i8")]


def _encode_datetime(series: pd.Series[Any]) -> tuple[dict[str, Any], list[Any]]:
    tz = getattr(series.dt, "tz", None)
    if tz is not None:
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    values = np.asarray(series)
    unit = np.datetime_data(values.dtype)[0]
    fields = {"kind": "datetime", "unit": unit, "tz": None if tz is None else str(tz)}
    return fields, [values.view("i8").astype("<i8", copy=False)]


def _text_parts(series: pd.Series[Any]) -> list[Any]:
    codes, distinct = series.array.factorize()
    texts = [str(text).encode("utf-8", "surrogatepass") for text in distinct.tolist()]
    ends = np.cumsum([len(text) for text in texts], dtype="<i8")
    return [b"".join(texts), ends, codes.astype("<i4")]


def _json_bytes(cells: list[Any]) -> bytes:
    try:
        return json.dumps(cells, default=_plain_cell).encode("ascii")
    except (TypeError, ValueError) as error:
        message = f"a cell has no JSON form: {error}"
        raise FrameCodecError(message) from error


def _plain_cell(cell: Any) -> Any:  # noqa: ANN401 - json's hook for cells it does not know
    if isinstance(cell, np.generic) and not isinstance(cell, (np.datetime64, np.timedelta64)):
        return cell.item()
    if type(cell).__name__ in ("NAType", "NaTType"):
        return None
    return str(cell)


# ----------------------------------------------------------------------------- decoding


def _decode_bool(parts: list[Any], fields: dict[str, Any]) -> NDArray[Any]:
    values, missing = parts[0].view(bool), parts[1].view(bool)
    if not missing.any():
        return values  # type: ignore[no-any-return]
    cells = values.astype(object)
    cells[missing] = np.nan
    return cells  # type: ignore[no-any-return]


def _decode_text(parts: list[Any], fields: dict[str, Any]) -> NDArray[Any]:
    blob, ends, codes = parts[0].tobytes(), parts[1].view("<i8"), parts[2].view("<i4")
    starts = [0, *ends[:-1].tolist()]
    distinct = np.empty(len(ends) + 1, dtype=object)
    for i, end in enumerate(ends.tolist()):
        distinct[i] = blob[starts[i] : end].decode("utf-8", "surrogatepass")
    distinct[-1] = np.nan  # code -1
    texts: NDArray[Any] = distinct[codes]
    return texts


def _decode_datetime(parts: list[Any], fields: dict[str, Any]) -> NDArray[Any]:
    return parts[0].view("<M8[" + fields["unit"] + "]")  # type: ignore[no-any-return]


def _decode_mixed(parts: list[Any], fields: dict[str, Any]) -> NDArray[Any]:
    cells = json.loads(parts[0].tobytes().decode("ascii"))
    column = np.empty(len(cells), dtype=object)
    for i, cell in enumerate(cells):  # one by one: a cell may itself be a list
        column[i] = cell
    return column


_DECODERS: dict[str, Any] = {
    "float64": lambda parts, fields: parts[0].view("<f8"),
    "int64": lambda parts, fields: parts[0].view("<i8"),
    "bool": _decode_bool,
    "str": _decode_text,
    "datetime": _decode_datetime,
    "mixed": _decode_mixed,
}


def _index(names: list[Any]) -> pd.Index[Any]:
    """Return column names; only texts get a type of their own, so that None stays None."""
    import pandas as pd

    if set(map(type, names)) == {str}:
        return _text_index(tuple(names)).copy()  # a model may name the index, not its neighbour's
    index: pd.Index[Any] = pd.Index(names, dtype=object)
    return index


@functools.lru_cache(maxsize=8)
def _text_index(names: tuple[str, ...]) -> pd.Index[Any]:
    """Return the names of a table; most tables sent to a model have the same ones."""
    import pandas as pd

    index: pd.Index[Any] = pd.Index(names)
    return index


def _series(column: NDArray[Any], fields: dict[str, Any]) -> pd.Series[Any]:
    import pandas as pd

    if fields["kind"] == "str":
        modern = int(pd.__version__.split(".")[0]) >= 3
        return pd.Series(column, dtype="str" if modern else object)
    if fields.get("tz"):
        return pd.Series(column).dt.tz_localize("UTC").dt.tz_convert(fields["tz"])
    return pd.Series(column, dtype=column.dtype)
