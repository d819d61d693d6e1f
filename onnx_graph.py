"""What an ONNX file says, read from its protobuf bytes without onnxruntime and within bounds.

Owns: ``read_onnx`` (producer, opsets, inputs, outputs, nodes, initializers, what makes the file
unusable). Nothing is run, no second file is
opened, big tensors are skipped. Field numbers follow ``onnx.proto3`` of the ONNX standard.
Standard library only, Python 3.7 syntax.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from onnx_bytes import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    Buffer,
    OnnxError,
    Span,
    Value,
    integers,
    number_in,
    place_of,
    varint,
    varint_end,
)

MAX_FIELDS = 3_000_000
MAX_NODES = 200_000
MAX_DEPTH = 12
MAX_TEXT = 400

FLOAT_RUN = re.compile(rb"(?:\x3d[\x00-\xff]{4}){1,4096}")
INT_RUN = re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f]){1,4096}")
_SHORT = (b"\\x%02x[\\x00-\\xff]{%d}" % (size, size) for size in range(32))
TEXT_RUN = re.compile(b"(?:\\x4a(?:%s)){1,4096}" % b"|".join(_SHORT))
"""Values of the fields ``floats``, ``ints`` and ``strings`` (short ones) of an attribute, one tag
each: a forest has millions of them."""
RUNS = {0x3D: (FLOAT_RUN, -7), 0x40: (INT_RUN, -8), 0x4A: (TEXT_RUN, -9)}
"""By the tag they begin with; what ``attribute_fields`` calls them."""

KNOWN_DOMAINS = frozenset(("", "ai.onnx", "ai.onnx.ml", "com.microsoft"))
"""Whose operators plain onnxruntime has."""

ELEMENTS = {
    1: "float",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "double",
    12: "uint32",
    13: "uint64",
}
"""Element types of tensors by their number."""


class Tensor(NamedTuple):
    """A constant of the graph: its size, its type, and where its values are."""

    name: str
    dims: tuple[int, ...]
    element: int
    span: Span


class Node(NamedTuple):
    """One operation: what it reads and writes, by name, and its attributes' places."""

    op: str
    domain: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Span]
    span: Span


class Port(NamedTuple):
    """An input or output: ``kind`` as onnxruntime writes it, ``shape`` with None where free."""

    name: str
    kind: str
    shape: list[int | None] | None


class OnnxFile:
    """What a file says.

    Parameters
    ----------
    data : bytes or mmap
        The whole file; kept for ``attribute`` and ``values_of``.
    """

    def __init__(self, data: Buffer) -> None:
        self.data = data
        self.ir_version = 0
        self.producer = ""
        self.producer_version = ""
        self.name = ""
        self.graph_span: Span = (0, 0)
        self.opsets: dict[str, int] = {}
        self.nodes: list[Node] = []
        self.inputs: list[Port] = []
        self.outputs: list[Port] = []
        self.constants: dict[str, Tensor] = {}
        self.operators: dict[tuple[str, str], int] = {}
        self.functions: set[tuple[str, str]] = set()
        self.external: list[str] = []

    def trouble(self) -> str | None:
        """Return one sentence on why the file cannot be run here, or None."""
        if not self.nodes or not self.outputs:
            return (
                "The file reads like ONNX but holds no graph with outputs (a TensorFlow model "
                "perhaps). Export the model to ONNX and upload that file."
            )
        if self.external:
            return (
                f"The model keeps numbers in another file ({self.external[0]!r}), which is never "
                "opened. Save it as one file: onnx.save(model, path, save_as_external_data=False)."
            )
        foreign = sorted(
            f"{domain}.{op}"
            for domain, op in self.operators
            if domain not in KNOWN_DOMAINS and (domain, op) not in self.functions
        )
        if foreign:
            return (
                f"The model uses operators that plain onnxruntime does not have: "
                f"{', '.join(foreign[:8])}. Export it without custom operators."
            )
        return None


class Reader:
    """Walks messages within a budget of fields."""

    def __init__(self, file: OnnxFile) -> None:
        self.file = file
        self.data = file.data
        self.left = MAX_FIELDS

    def fields(self, span: Span) -> Iterator[tuple[int, Value]]:
        """Yield field numbers with integers or places; runs of numbers are skipped."""
        at, end = span
        while at < end:
            self.left -= 1
            if self.left < 0:
                message = "The ONNX file has more fields than any model needs."
                raise OnnxError(message)
            tag, at = varint(self.data, at, end)
            number, wire = tag >> 3, tag & 7
            if wire == VARINT:
                value, at = varint(self.data, at, end)
                yield number, value
                continue
            size, at = self._size(wire, at, end)
            if at + size > end:
                message = "The ONNX file is damaged or cut off."
                raise OnnxError(message)
            yield number, (at, at + size)
            at += size

    def _size(self, wire: int, at: int, end: int) -> tuple[int, int]:
        """Return how many bytes a field has, and where they begin."""
        if wire == BYTES:
            return varint(self.data, at, end)
        if wire in (FIXED32, FIXED64):
            return (4 if wire == FIXED32 else 8), at
        message = "The ONNX file is damaged: it holds a field of no known kind."
        raise OnnxError(message)

    def text(self, value: Value) -> str:
        """Return a short text field."""
        start, end = place_of(value)
        return bytes(self.data[start : min(end, start + MAX_TEXT)]).decode("utf-8", "replace")

    # -------------------------------------------------------------- the model

    def model(self, span: Span) -> None:
        """Fill in a ``ModelProto``."""
        file = self.file
        for number, value in self.fields(span):
            if number == 1:
                file.ir_version = number_in(value)
            elif number == 2:
                file.producer = self.text(value)
            elif number == 3:
                file.producer_version = self.text(value)
            elif number == 7:
                file.graph_span = place_of(value)
                self.graph(place_of(value), 0)
            elif number == 8:
                self._opset(place_of(value))
            elif number == 25:
                self._function(place_of(value))

    def _opset(self, span: Span) -> None:
        domain, version = "", 0
        for number, value in self.fields(span):
            if number == 1:
                domain = self.text(value)
            elif number == 2:
                version = number_in(value)
        self.file.opsets[domain or "ai.onnx"] = version

    def _function(self, span: Span) -> None:
        """Note a function that the file defines for itself, and the nodes in it."""
        name = domain = ""
        for number, value in self.fields(span):
            if number == 1:
                name = self.text(value)
            elif number == 10:
                domain = self.text(value)
            elif number == 7:
                self.node(place_of(value), 1)
        self.file.functions.add((domain, name))

    def graph(self, span: Span, depth: int) -> None:
        """Note a ``GraphProto``: the model's own one (depth 0), or the body of a loop or branch."""
        if depth > MAX_DEPTH:
            message = f"The ONNX file nests graphs more than {MAX_DEPTH} deep."
            raise OnnxError(message)
        file = self.file
        for number, value in self.fields(span):
            if number == 1:
                node = self.node(place_of(value), depth)
                if depth == 0:
                    file.nodes.append(node)
            elif number == 5:
                tensor = self.tensor(place_of(value))
                if depth == 0:
                    file.constants[tensor.name] = tensor
            elif number == 15:
                self._sparse(place_of(value))
            elif depth == 0 and number in (11, 12):
                (file.inputs if number == 11 else file.outputs).append(self._port(place_of(value)))
            elif depth == 0 and number == 2:
                file.name = self.text(value)

    def node(self, span: Span, depth: int) -> Node:
        """Return a ``NodeProto`` and count its operator."""
        inputs: list[str] = []
        outputs: list[str] = []
        attributes: dict[str, Span] = {}
        op = domain = ""
        for number, value in self.fields(span):
            if number in (1, 2):
                (inputs if number == 1 else outputs).append(self.text(value))
            elif number == 4:
                op = self.text(value)
            elif number == 7:
                domain = self.text(value)
            elif number == 5:
                attributes[self._attribute(place_of(value), depth)] = value
        key = (domain, op)
        self.file.operators[key] = self.file.operators.get(key, 0) + 1
        if sum(self.file.operators.values()) > MAX_NODES:
            message = f"The ONNX file has more than {MAX_NODES:,} operations."
            raise OnnxError(message)
        return Node(op, domain, inputs, outputs, attributes, span)

    def _attribute(self, span: Span, depth: int) -> str:
        """Return an attribute's name; look into the tensors and graphs it holds."""
        name = ""
        for number, value in self.attribute_fields(span):
            if number == 1:
                name = self.text(value)
            elif number in (5, 10):
                self.tensor(place_of(value))
            elif number in (6, 11):
                self.graph(place_of(value), depth + 1)
            elif number in (22, 23):
                self._sparse(place_of(value))
        return name

    def attribute_fields(self, span: Span) -> Iterator[tuple[int, Value]]:
        """Yield an attribute's fields; runs of numbers come as one place each."""
        at, end = span
        while at < end:
            pattern, name = RUNS.get(self.data[at], (None, 0))
            run = pattern.match(self.data, at, end) if pattern else None
            if run is not None:
                self.left -= 1
                yield name, run.span()
                at = run.end()
                continue
            for number, value in self.fields((at, end)):
                yield number, value
                at = value[1] if isinstance(value, tuple) else varint_end(self.data, at, end)
                break

    def _sparse(self, span: Span) -> None:
        for number, value in self.fields(span):
            if number in (1, 2):
                self.tensor(place_of(value))

    def tensor(self, span: Span) -> Tensor:
        """Return a ``TensorProto``'s header; note numbers kept in another file."""
        name, element = "", 0
        dims: list[int] = []
        outside = None
        for number, value in self.fields(span):
            if number == 1:
                dims += integers(self.data, value)
            elif number == 2:
                element = number_in(value)
            elif number == 8:
                name = self.text(value)
            elif number == 13:
                outside = self._location(place_of(value)) or outside or "unnamed"
            elif number == 14 and value == 1:
                outside = outside or "unnamed"
        if outside is not None:
            self.file.external.append(outside)
        return Tensor(name, tuple(dims), element, span)

    def _location(self, span: Span) -> str | None:
        """Return the file of an entry of ``external_data``, or None for its other entries."""
        texts = {number: self.text(value) for number, value in self.fields(span)}
        return texts.get(2) if texts.get(1) == "location" else None

    # -------------------------------------------------------------- inputs and outputs

    def _port(self, span: Span) -> Port:
        name, kind = "", "unknown"
        shape: list[int | None] | None = None
        for number, value in self.fields(span):
            if number == 1:
                name = self.text(value)
            elif number == 2:
                kind, shape = self._type(place_of(value), 0)
        return Port(name, kind, shape)

    def _type(self, span: Span, depth: int) -> tuple[str, list[int | None] | None]:
        """Return a type as onnxruntime writes it, with the shape of a tensor."""
        if depth > MAX_DEPTH:
            message = "The ONNX file nests types too deep."
            raise OnnxError(message)
        for number, value in self.fields(span):
            if number == 1:
                return self._tensor_type(place_of(value))
            if number == 4:
                inner = dict(self.fields(place_of(value))).get(1)
                told = "unknown" if inner is None else self._type(place_of(inner), depth + 1)[0]
                return f"seq({told})", None
            if number == 5:
                parts = dict(self.fields(place_of(value)))
                key = ELEMENTS.get(number_in(parts.get(1, 0)), "unknown")
                inner = parts.get(2)
                told = "unknown" if inner is None else self._type(place_of(inner), depth + 1)[0]
                return f"map({key},{told})", None
        return "unknown", None

    def _tensor_type(self, span: Span) -> tuple[str, list[int | None] | None]:
        element = 0
        shape: list[int | None] | None = None
        for number, value in self.fields(span):
            if number == 1:
                element = number_in(value)
            elif number == 2:
                parts = [place for n, place in self.fields(place_of(value)) if n == 1]
                dims = [dict(self.fields(place_of(part))) for part in parts]
                shape = [number_in(dim[1]) if dim.get(1) else None for dim in dims]
        return f"tensor({ELEMENTS.get(element, 'unknown')})", shape


def read_onnx(data: Buffer) -> OnnxFile:
    """Return what an ONNX file says.

    Parameters
    ----------
    data : bytes or mmap
        The whole file.

    Raises
    ------
    OnnxError
        If the bytes are not a protobuf message of this form.

    Examples
    --------
    >>> read_onnx(bytes.fromhex("08 08 12 04") + b"mine").producer
    'mine'
    """
    file = OnnxFile(data)
    Reader(file).model((0, len(data)))
    return file
