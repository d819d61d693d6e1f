"""The wire format of protobuf, as far as ONNX files need it.

Owns: integers of variable length, sized parts, ``OnnxError`` and ``OnnxModelError``. Standard
library only, Python 3.7 syntax.
"""

from __future__ import annotations

from typing import Any, Union

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Kinds of fields."""

Span = Any
"""(start, end) of a message inside the file."""
Value = Union[int, Span]  # noqa: UP007 - evaluated by old Pythons too
"""A field: an integer, or the place of its bytes."""
Buffer = Any
"""bytes or a memory map."""


class OnnxError(ValueError):
    """The bytes are no ONNX model, or one that asks for more than the reader grants."""


class OnnxModelError(ValueError):
    """The model cannot be run on tables, or not by this onnxruntime; the message says why."""


def varint(data: Buffer, at: int, end: int) -> tuple[int, int]:
    """Return an unsigned integer and the place after it.

    Examples
    --------
    >>> varint(bytes([0xAC, 0x02]), 0, 2)
    (300, 2)
    """
    value = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    message = "The ONNX file is damaged or cut off."
    raise OnnxError(message)


def varint_end(data: Buffer, at: int, end: int) -> int:
    """Return the place after a tag and the integer that follows it."""
    return varint(data, varint(data, at, end)[1], end)[1]


def varint_bytes(value: int) -> bytes:
    """Return a number as protobuf writes it.

    Examples
    --------
    >>> varint_bytes(300).hex()
    'ac02'
    """
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def sized(part: bytes) -> bytes:
    r"""Return a part with its length before it.

    Examples
    --------
    >>> sized(b"abc")
    b'\x03abc'
    """
    return varint_bytes(len(part)) + part


def integers(data: Buffer, value: Value) -> list[int]:
    """Return one integer, or those packed into a field."""
    if isinstance(value, int):
        return [value]
    at, end = value
    found = []
    while at < end:
        number, at = varint(data, at, end)
        found.append(number)
    return found


def signed(value: int) -> int:
    """Return a 64-bit integer with its sign.

    Examples
    --------
    >>> signed(2**64 - 1)
    -1
    """
    return value - (1 << 64) if value >= 1 << 63 else value


def number_in(value: Value) -> int:
    """Return a field that must be an integer."""
    if isinstance(value, int):
        return value
    message = "The ONNX file is damaged: a number is missing."
    raise OnnxError(message)


def place_of(value: Value) -> Span:
    """Return the place of a field that must hold bytes."""
    if isinstance(value, int):
        message = "The ONNX file is damaged: a part is missing."
        raise OnnxError(message)
    return value
