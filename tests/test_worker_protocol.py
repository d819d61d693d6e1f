"""Messages and tables survive the way to a worker and back, and lies are noticed."""

from __future__ import annotations

import ast
import json
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frame_codec
import worker_protocol
from worker_protocol import ProtocolError, Reply

ROOT = Path(__file__).resolve().parent.parent


def stand_alone() -> list[str]:
    """Return the worker's module and all of ours that it imports, directly or not."""
    found, waiting = set(), ["model_worker"]
    while waiting:
        name = waiting.pop()
        if name in found or not (ROOT / f"{name}.py").exists():
            continue
        found.add(name)
        for node in ast.walk(ast.parse((ROOT / f"{name}.py").read_text())):
            if isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                waiting.append(node.module or "")
    return sorted(found)


cells = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.integers(0, 3), max_size=2)
)
names = st.text(max_size=4) | st.integers(-3, 3) | st.booleans() | st.none()


def columns(n_rows: int) -> st.SearchStrategy[pd.Series[Any]]:
    """Draw a column of any kind that a table may have."""

    def of(values: st.SearchStrategy[Any], dtype: Any) -> st.SearchStrategy[pd.Series[Any]]:
        drawn = st.lists(values, min_size=n_rows, max_size=n_rows)
        return drawn.map(lambda data: pd.Series(data, dtype=dtype))

    text = st.text(st.characters(codec="utf-8"), max_size=5)
    return st.one_of(
        of(st.floats(), "float64"),
        of(st.integers(-(2**63), 2**63 - 1), "int64"),
        of(st.booleans(), "bool"),
        of(text | st.none(), "str"),
        of(st.datetimes(pd.Timestamp(1700, 1, 1), pd.Timestamp(2200, 1, 1)), "datetime64[us]"),
        of(cells, object),
    )


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Draw a table, possibly empty, with repeated names, of columns of any kind."""
    n_rows = draw(st.integers(0, 5))
    drawn = draw(st.lists(columns(n_rows), max_size=5))
    frame = pd.DataFrame(dict(enumerate(drawn)), index=pd.RangeIndex(n_rows))
    frame.columns = pd.Index([draw(names) for _ in drawn], dtype=object)
    return frame


def sent(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what a worker sees of a table."""
    header, buffers = frame_codec.encode_frame(frame)
    payload = np.frombuffer(b"".join(buffers), dtype=np.uint8)
    assert len(payload) == frame_codec.payload_size(header)
    return frame_codec.decode_frame(json.loads(json.dumps(header)), payload)


def answered(raw: bytes, max_bytes: int = 100) -> Reply:
    """Receive ``raw`` as if a worker had sent it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(raw)
        theirs.shutdown(socket.SHUT_WR)
        return worker_protocol.receive_reply(ours, max_bytes)


def message(header: Any, data: bytes = b"") -> bytes:
    """Return the bytes of a message."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack(">I", len(text)) + text + data


@settings(max_examples=60)
@given(frames())
def test_any_table_arrives_as_it_was_sent(frame: pd.DataFrame) -> None:
    """Names, order, types, None, NaN and infinities survive, also in empty tables."""
    received = sent(frame)
    assert list(map(repr, received.columns)) == list(map(repr, frame.columns))
    assert len(received) == len(frame)
    for position in range(frame.shape[1]):
        was, now = frame.iloc[:, position], received.iloc[:, position]
        assert now.dtype == was.dtype
        assert list(map(repr, now.tolist())) == list(map(repr, was.tolist()))


def test_tables_of_the_same_columns_do_not_share_them() -> None:
    """A model that names the columns it was given does not name those of the next table."""
    frame = pd.DataFrame({"a": [1.0], "b": ["x"]})
    sent(frame).columns.name = "mine"
    assert sent(frame).columns.name is None


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Series([1.5, 2], dtype="float32"), pd.Series([1.5, 2.0])),
        (pd.Series([1, 2], dtype="uint8"), pd.Series([1, 2])),
        (pd.Series([1, None], dtype="Int64"), pd.Series([1.0, np.nan])),
        (pd.Series([True, None], dtype="boolean"), pd.Series([True, np.nan], dtype=object)),
        (pd.Series(["a", None], dtype="category"), pd.Series(["a", np.nan], dtype=object)),
        (pd.Series([2**64 - 1], dtype="uint64"), pd.Series([2**64 - 1], dtype=object)),
        (pd.Series([pd.Timedelta("1s")]), pd.Series(["0 days 00:00:01"], dtype=object)),
        (pd.Series([pd.NaT, pd.NA], dtype=object), pd.Series([None, None], dtype=object)),
    ],
)
def test_other_types_become_the_nearest_plain_one(column: Any, expected: Any) -> None:
    """Types that a model would not see from a file are sent as the plain type they stand for."""
    received = sent(pd.DataFrame({"a": column}))["a"]
    if isinstance(column.dtype, pd.CategoricalDtype):
        expected = expected.astype("str")
    pd.testing.assert_series_equal(received, expected, check_names=False)


def test_time_zones_survive() -> None:
    """A column of zoned times denotes the same instants in the same zone."""
    times = pd.Series([pd.Timestamp("2020-06-01 12:00"), pd.NaT]).dt.tz_localize("Europe/Berlin")
    pd.testing.assert_series_equal(sent(pd.DataFrame({"t": times}))["t"], times, check_names=False)


def test_a_name_without_a_plain_form_is_refused() -> None:
    """A column named by a tuple is refused with its name."""
    frame = pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")]))
    with pytest.raises(frame_codec.FrameCodecError, match=r"\('a', 'b'\) is a tuple"):
        frame_codec.encode_frame(frame)


def test_a_request_arrives_whole() -> None:
    """Header and table of a request come out at the other end; then the end is told."""
    frame = pd.DataFrame({"a": np.arange(200_000.0), "b": "x"})
    ours, theirs = socket.socketpair()
    with theirs:
        sender = threading.Thread(
            target=worker_protocol.send_request, args=(ours, {"op": "predict"}, frame)
        )
        sender.start()
        request = worker_protocol.receive_request(theirs)
        sender.join()
        ours.close()
        assert request is not None
        assert request.header["op"] == "predict"
        pd.testing.assert_frame_equal(request.frame(), frame)
        assert worker_protocol.receive_request(theirs) is None


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "i4", "u1"])
def test_arrays_come_back_bit_for_bit(dtype: str) -> None:
    """Every numeric type and shape of a reply arrives unchanged."""
    values = np.arange(6).reshape(2, 3).astype(dtype)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker_protocol.send_reply(theirs, {"x": 1}, {"a": values, "none": values[:0]})
        reply = worker_protocol.receive_reply(ours, 48)
    assert reply.header == {"x": 1}
    np.testing.assert_array_equal(reply.arrays["a"], values)
    assert reply.arrays["none"].shape == (0, 3)


F8 = {"name": "a", "dtype": "f8", "shape": [2]}


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack(">I", 2**31),
        message(b"{" * 100_000),
        message(b"\xff\xfe"),
        message([1, 2]),
        message({}),
        message({"arrays": "none"}),
        message({"arrays": [{**F8, "dtype": "O"}]}),
        message({"arrays": [{**F8, "dtype": ["f8"]}]}),
        message({"arrays": [{**F8, "shape": [-1]}]}),
        message({"arrays": [{**F8, "shape": [True]}]}),
        message({"arrays": [{**F8, "shape": [1, 1, 1, 1]}]}),
        message({"arrays": [{**F8, "shape": [2**39, 2**39]}]}),
        message({"arrays": [{**F8, "shape": [2**39, 2**39, 0]}]}),
        message({"arrays": [{**F8, "more": 1}]}),
        message({"arrays": [F8] * 2}, bytes(32)),
        message({"arrays": [F8] * 257}),
        message({"arrays": [{**F8, "shape": [13]}]}, bytes(104)),
    ],
)
def test_a_malformed_or_oversized_answer_is_refused(raw: bytes) -> None:
    """Whatever is not exactly of the promised form and size is a protocol error."""
    with pytest.raises(ProtocolError):
        answered(raw)


@pytest.mark.parametrize("raw", [b"", b"\0\0", message({"arrays": [F8]}, bytes(15))])
def test_an_answer_cut_short_is_noticed(raw: bytes) -> None:
    """A worker that stops in the middle of an answer is never taken at its word."""
    with pytest.raises(EOFError):
        answered(raw)


@given(st.binary(max_size=60))
def test_garbage_never_gets_through(raw: bytes) -> None:
    """Random bytes end in one of the two errors a caller handles."""
    with pytest.raises((ProtocolError, EOFError)):
        answered(raw)


def test_numbers_that_json_lacks_become_null() -> None:
    """NaN and infinities in a header arrive as None."""
    raw = b'{"arrays": [], "x": [NaN, Infinity]}'
    assert answered(message(raw)).header == {"x": [None, None]}


@given(st.text(), st.integers(1, 50))
def test_texts_from_a_worker_are_one_clean_line(text: str, limit: int) -> None:
    """Control characters, line breaks and direction marks go; the length is bounded."""
    cleaned = worker_protocol.clean_text(text, limit)
    assert len(cleaned) <= limit
    assert cleaned.isprintable()


@pytest.mark.parametrize("name", stand_alone())
def test_what_runs_in_a_worker_is_valid_python_3_7(name: str) -> None:
    """The worker's own modules parse under the oldest interpreter that is promised."""
    ast.parse((ROOT / f"{name}.py").read_text(), feature_version=(3, 7))


def test_the_loader_is_among_what_runs_in_a_worker() -> None:
    """The list is found by following imports; it reaches the rules of the unpickler."""
    assert {"restricted_pickle", "pickle_rules", "model_facts", "frame_codec"} <= {*stand_alone()}
