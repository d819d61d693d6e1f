"""The values of attributes and constants in an ONNX file, and a copy with one more attribute.

Owns: ``attribute``, ``values_of`` and ``with_text_attribute``. Only what a caller asks for is
decoded; constants only up to ``MAX_SMALL`` bytes. Standard library and numpy, Python 3.7 syntax.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from onnx_bytes import (
    BYTES,
    Buffer,
    Span,
    Value,
    integers,
    number_in,
    place_of,
    signed,
    sized,
    varint_bytes,
)
from onnx_graph import Node, OnnxFile, Reader, Tensor

if TYPE_CHECKING:  # old numpy versions have no numpy.typing
    from numpy.typing import NDArray

MAX_SMALL = 1 << 20
"""Most bytes of a tensor whose values are read."""

_DTYPES = {1: "<f4", 6: "<i4", 7: "<i8", 11: "<f8"}
_TYPED_FIELDS = {1: 4, 6: 5, 7: 7, 11: 10}
"""Where a tensor keeps its values when not in ``raw_data``."""


def attribute(file: OnnxFile, node: Node, name: str) -> Any:  # noqa: ANN401 - of many kinds
    """Return a node's attribute: float, int, bytes, array, list of bytes, or None if missing."""
    span = node.attributes.get(name)
    if span is None:
        return None
    reader = Reader(file)
    texts: list[bytes] = []
    arrays: list[NDArray[Any]] = []
    for number, value in reader.attribute_fields(span):
        if number == 2:
            return struct.unpack("<f", file.data[_slice(value)])[0]
        if number == 3:
            return signed(number_in(value))
        if number == 4:
            return bytes(file.data[_slice(value)])
        if number == 5:
            return values_of(file, reader.tensor(place_of(value)))
        if number == 9:
            texts.append(bytes(file.data[_slice(value)]))
        elif number == -9:
            texts += _short_texts(bytes(file.data[_slice(value)]))
        elif number in (-7, -8, 7, 8):
            arrays.append(_numbers(file.data, number, place_of(value)))
    return np.concatenate(arrays) if arrays else texts


def with_text_attribute(file: OnnxFile, nodes: list[Node], name: str, text: str) -> bytes:
    """Return the file's bytes with one more text attribute on some nodes.

    Parameters
    ----------
    file : OnnxFile
    nodes : list of Node
        Of the model's own graph, in order.
    name, text : str
        The attribute.
    """
    parts = ((1, name.encode()), (4, text.encode()))
    body = b"".join(bytes([number << 3 | BYTES]) + sized(part) for number, part in parts)
    body += bytes([20 << 3 & 0x7F | 0x80, 1, 3])  # field 20, type: a text
    extra = bytes([5 << 3 | BYTES]) + sized(body)
    first, last = file.graph_span
    pieces = []
    at = first
    for node in nodes:
        start, end = node.span
        before = len(sized(bytes(file.data[start:end]))) - (end - start)
        pieces += [bytes(file.data[at : start - before])]
        pieces += [sized(bytes(file.data[start:end]) + extra)]
        at = end
    pieces.append(bytes(file.data[at:last]))
    head = first - len(varint_bytes(last - first))
    return bytes(file.data[:head]) + sized(b"".join(pieces)) + bytes(file.data[last:])


def values_of(file: OnnxFile, tensor: Tensor | None) -> NDArray[Any] | list[bytes] | None:
    """Return the values of a small constant, flat; None where it is big or of another type."""
    if tensor is None or tensor.span[1] - tensor.span[0] > MAX_SMALL:
        return None
    reader = Reader(file)
    texts: list[bytes] = []
    for number, value in reader.fields(tensor.span):
        if number == 6 and tensor.element == 8:
            texts.append(bytes(file.data[_slice(value)]))
        elif number == 9 and tensor.element in _DTYPES:
            dtype = np.dtype(_DTYPES[tensor.element])
            raw = bytes(file.data[_slice(value)])
            return _whole_items(raw, dtype)
    if tensor.element == 8:
        return texts
    return _typed_values(file, reader, tensor)


def _typed_values(file: OnnxFile, reader: Reader, tensor: Tensor) -> NDArray[Any] | None:
    """Return values kept in a field of their own type."""
    if tensor.element not in _TYPED_FIELDS:
        return None
    found: list[Any] = []
    dtype = np.dtype(_DTYPES[tensor.element])
    for number, value in reader.fields(tensor.span):
        if number != _TYPED_FIELDS[tensor.element]:
            continue
        if dtype.kind == "i":
            found += [signed(one) for one in integers(file.data, value)]
        else:
            raw = bytes(file.data[_slice(value)])
            found += np.frombuffer(
                raw[: len(raw) // dtype.itemsize * dtype.itemsize], dtype
            ).tolist()
    return np.array(found, dtype)


def _numbers(data: Buffer, number: int, span: Span) -> NDArray[Any]:
    """Return the numbers of an attribute, one tag each (negative ``number``) or packed."""
    raw = bytes(data[_slice(span)])
    if number == -7:
        table = np.frombuffer(raw, np.uint8).reshape(-1, 5)
        return np.ascontiguousarray(table[:, 1:]).view("<f4").ravel()
    if number == 7:
        return _whole_items(raw, np.dtype("<f4"))
    if number == -8:
        raw = _without_tags(raw)
    return np.array([signed(one) for one in integers(raw, (0, len(raw)))], np.int64)


def _short_texts(raw: bytes) -> list[bytes]:
    """Return the texts of a run: before each its tag and its length, one byte each."""
    texts = []
    at = 0
    while at < len(raw):
        end = at + 2 + raw[at + 1]
        texts.append(raw[at + 2 : end])
        at = end
    return texts


def _without_tags(raw: bytes) -> bytes:
    """Return the integers of a run without the tag before each."""
    return b"".join(part[1:] for part in re.findall(rb"\x40[\x80-\xff]{0,9}[\x00-\x7f]", raw))


def _whole_items(raw: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the numbers in raw bytes, without an incomplete one at the end."""
    return np.frombuffer(raw[: len(raw) // dtype.itemsize * dtype.itemsize], dtype)


def _slice(value: Value) -> slice:
    """Return the place of a field that must hold bytes, as a slice."""
    return slice(*place_of(value))
