"""Messages between a job and the process that holds a model.

Owns: their layout and the checks on what comes back. A message is a four-byte big-endian length,
a JSON header of that length and raw bytes. Towards the worker the bytes are a table
(``frame_codec``); back they are the arrays that the header declares, and nothing else. The
receiver of a reply trusts none of it: sizes are bounded by what was promised before memory is
taken for them, and no byte is unpickled or evaluated. Stand-alone: standard library and numpy;
written for Python 3.7 and later.
"""
# ruff: noqa: EM101, EM102 - the messages are for logs; a user sees one sentence for all of them

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import frame_codec

if TYPE_CHECKING:
    from typing import Protocol

    import pandas as pd
    from numpy.typing import NDArray

    class Channel(Protocol):
        """A socket, or something that adds a deadline to one."""

        def sendall(self, __data: bytes | memoryview) -> None:
            """Send everything."""

        def recv_into(self, __view: memoryview) -> int:
            """Fill the start of ``view``; 0 means that the other side has closed."""
            ...


MAX_HEADER_BYTES = 16 << 20
"""Largest header of a reply; a column takes some 300 bytes of it."""
MAX_REQUEST_HEADER_BYTES = 64 << 20
"""Largest header of a request, which names every column of a table."""
MAX_ARRAYS = 256
"""Most arrays in one reply."""
MAX_SIZE = 1 << 40
"""Above the cells of any array of a reply."""
DTYPES = {"f8": "<f8", "f4": "<f4", "i8": "<i8", "i4": "<i4", "u1": "|u1"}
"""What an array of a reply may hold."""
JOINED_BYTES = 1 << 20
"""Header and arrays of a message are sent in pieces of up to this size."""

_LENGTH = struct.Struct(">I")


class ProtocolError(Exception):
    """What arrived is not a message of the promised form."""


class Reply(NamedTuple):
    """A checked answer: the header without its array declarations, and the arrays by name."""

    header: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


class Request(NamedTuple):
    """What the worker is asked: a header and, for some operations, a table's bytes."""

    header: dict[str, Any]
    payload: NDArray[np.uint8]

    def frame(self) -> pd.DataFrame:
        """Return the table that came with the request."""
        return frame_codec.decode_frame(self.header["frame"], self.payload)


# ----------------------------------------------------------------------------- requests


def send_request(
    channel: Channel, header: dict[str, Any], frame: pd.DataFrame | None = None
) -> None:
    """Send a request.

    Parameters
    ----------
    channel : socket-like
        Has ``sendall``.
    header : dict
        JSON-able; ``op`` names the operation.
    frame : DataFrame, optional
        The table that goes with it.

    Raises
    ------
    frame_codec.FrameCodecError
        If the table cannot be encoded; nothing was sent then.
    """
    buffers: list[memoryview] = []
    if frame is not None:
        fields, buffers = frame_codec.encode_frame(frame)
        header = {**header, "frame": fields}
    _send(channel, _header_bytes(header, MAX_REQUEST_HEADER_BYTES), buffers)


def _send(channel: Channel, header: bytes, buffers: list[memoryview]) -> None:
    """Send a message in few pieces: each may wake the other side, which then waits for the rest."""
    some: list[bytes | memoryview] = [header]
    size = len(header)
    for buffer in buffers:
        if size + buffer.nbytes > JOINED_BYTES:
            channel.sendall(b"".join(some))
            some, size = [], 0
        if buffer.nbytes > JOINED_BYTES:  # large enough to go without a copy
            channel.sendall(buffer)
        else:
            some.append(buffer)
            size += buffer.nbytes
    if some:
        channel.sendall(b"".join(some))


def receive_request(channel: Channel) -> Request | None:
    """Return the next request, or None when the other side has closed."""
    header = _receive_header(channel, MAX_REQUEST_HEADER_BYTES)
    if header is None:
        return None
    size = frame_codec.payload_size(header["frame"]) if "frame" in header else 0
    payload = np.empty(size, dtype=np.uint8)
    _receive_into(channel, payload.data)
    return Request(header, payload)


# ----------------------------------------------------------------------------- replies


def send_reply(channel: Channel, header: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Send an answer: a small header and numeric arrays.

    Raises
    ------
    ProtocolError
        If the header is over ``MAX_HEADER_BYTES`` or an array has no code in ``DTYPES``; nothing
        was sent then.
    """
    declared = []
    blocks = []
    for name, values in arrays.items():
        block = np.ascontiguousarray(values)
        code = block.dtype.kind + str(block.dtype.itemsize)
        if code not in DTYPES:
            raise ProtocolError(f"array {name} is of type {block.dtype}")
        declared.append({"name": name, "dtype": code, "shape": list(np.shape(values))})
        blocks.append(block.astype(DTYPES[code], copy=False).reshape(-1).view(np.uint8).data)
    _send(channel, _header_bytes({**header, "arrays": declared}, MAX_HEADER_BYTES), blocks)


def receive_reply(channel: Channel, max_bytes: int) -> Reply:
    """Return the next answer after checking every claim in it.

    Parameters
    ----------
    channel : socket-like
        Has ``recv_into``.
    max_bytes : int
        Most bytes that all arrays together may take; known from what was asked.

    Raises
    ------
    EOFError
        If the other side closed before a whole answer arrived.
    ProtocolError
        If the answer is malformed or larger than promised.
    """
    header = _receive_header(channel, MAX_HEADER_BYTES)
    if header is None:
        raise EOFError
    declared = [_declared_array(entry) for entry in _declared_list(header)]
    total = sum(_array_bytes(dtype, shape) for _, dtype, shape in declared)
    if total > max_bytes:
        message = f"an answer of {total} bytes, expected at most {max_bytes}"
        raise ProtocolError(message)
    arrays: dict[str, NDArray[Any]] = {}
    for name, dtype, shape in declared:
        array = np.empty(shape, dtype=dtype)
        _receive_into(channel, array.reshape(-1).view(np.uint8).data)
        arrays[name] = array
    if len(arrays) != len(declared):
        raise ProtocolError("two arrays of the same name")
    return Reply(header, arrays)


def clean_text(text: object, limit: int) -> str:
    r"""Return ``text`` on one line, without control characters, cut to ``limit`` characters.

    Examples
    --------
    >>> clean_text("a\x1b[31m\nb", 10)
    'a [31m b'
    """
    shown = str(text)[: 4 * limit]
    printable = "".join(c if c.isprintable() else " " for c in shown)
    return " ".join(printable.split())[:limit]


# ----------------------------------------------------------------------------- parts


def _declared_list(header: dict[str, Any]) -> list[Any]:
    entries = header.pop("arrays", None)
    if not isinstance(entries, list) or len(entries) > MAX_ARRAYS:
        message = f"no list of at most {MAX_ARRAYS} arrays in the answer"
        raise ProtocolError(message)
    return entries


def _declared_array(entry: object) -> tuple[str, str, tuple[int, ...]]:
    if not isinstance(entry, dict) or set(entry) != {"name", "dtype", "shape"}:
        raise ProtocolError("an array is not declared by name, dtype and shape")
    name, dtype, shape = entry["name"], entry["dtype"], entry["shape"]
    if not isinstance(name, str) or not isinstance(dtype, str) or dtype not in DTYPES:
        raise ProtocolError("an array of an unknown type")
    if not _is_shape(shape):
        raise ProtocolError("an array of an impossible shape")
    return name[:100], DTYPES[dtype], tuple(shape)


def _is_shape(shape: object) -> bool:
    if not isinstance(shape, list) or len(shape) > 3:
        return False
    if not all(type(size) is int and 0 <= size < MAX_SIZE for size in shape):
        return False
    cells = 1
    for size in shape:
        cells *= max(size, 1)  # numpy makes no impossible array even where it would be empty
    return cells < MAX_SIZE


def _array_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    total = np.dtype(dtype).itemsize
    for size in shape:
        total *= size
    return total


def _header_bytes(header: dict[str, Any], limit: int) -> bytes:
    data = json.dumps(header).encode("ascii")
    if len(data) > limit:
        message = f"a header of {len(data)} bytes, at most {limit} are allowed"
        raise ProtocolError(message)
    return _LENGTH.pack(len(data)) + data


def _receive_header(channel: Channel, limit: int) -> dict[str, Any] | None:
    prefix = bytearray(_LENGTH.size)
    try:
        _receive_into(channel, memoryview(prefix))
    except EOFError:
        return None
    (size,) = _LENGTH.unpack(prefix)
    if size > limit:
        raise ProtocolError(f"a header of {size} bytes, expected at most {limit}")
    data = bytearray(size)
    _receive_into(channel, memoryview(data))
    try:
        header = json.loads(data.decode("ascii"), parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a header that is not JSON") from error
    if not isinstance(header, dict):
        raise ProtocolError("a header that is not an object")
    return header


def _receive_into(channel: Channel, view: memoryview) -> None:
    while view:
        n_received = channel.recv_into(view)
        if n_received == 0:
            raise EOFError
        view = view[n_received:]
