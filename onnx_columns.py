"""What the graph of an ONNX model tells of its input columns and its classes.

Owns: ``class_labels`` (from classifiers, ``ZipMap`` or the constant that labels are picked from)
and ``tell_columns`` (ranges, categories and words, followed from the inputs through the operators
that scikit-learn pipelines are exported to). Stand-alone: standard library and numpy, Python 3.7
syntax.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import model_ranges
from model_facts import Facts, Origin
from onnx_graph import Node, OnnxFile
from onnx_values import attribute, values_of

if TYPE_CHECKING:
    Columns = list[Origin | None]

MAX_CATEGORIES = 200
MAX_STEPS = 64
"""How far a label is followed back."""

LABELS = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
"""Attributes of classifiers and of ZipMap that hold the classes."""

TRANSPARENT = frozenset(
    ("Identity", "Cast", "Reshape", "Flatten", "Dropout", "StringNormalizer", "Tokenizer")
)
"""Operators that leave columns where they are (as exporters of pipelines use them)."""

WORDS = "TfIdfVectorizer"


def class_labels(file: OnnxFile, output: str) -> list[Any] | None:
    """Return the classes that an output's labels are taken from, or None where they are not told.

    Parameters
    ----------
    file : OnnxFile
    output : str
        Name of the output with one label per row.
    """
    makers = {name: node for node in file.nodes for name in node.outputs}
    zipped = [_labels_of(file, node) for node in file.nodes if node.op == "ZipMap"]
    if zipped and zipped[0]:
        return zipped[0]
    return _traced(file, makers, output)


def label_columns(file: OnnxFile, output: str) -> list[list[Any]] | None:
    """Return the classes of each column of an output that joins several labels, or None."""
    makers = {name: node for node in file.nodes for name in node.outputs}
    node = _before(makers, output, {"Concat"})
    if node is None:
        return None
    found = [_traced(file, makers, name) for name in node.inputs]
    return None if None in found else [labels for labels in found if labels is not None]


def is_nearest(file: OnnxFile, output: str) -> bool:
    """Whether labels are places of a minimum, as k-means makes them."""
    makers = {name: node for node in file.nodes for name in node.outputs}
    return _before(makers, output, {"ArgMin"}) is not None


def ends_in(file: OnnxFile, output: str, ops: frozenset[str]) -> bool:
    """Whether an output is made by one of some operators, but for changes of form."""
    makers = {name: node for node in file.nodes for name in node.outputs}
    node = makers.get(output)
    while node is not None and node.op in TRANSPARENT and node.inputs:
        node = makers.get(node.inputs[0])
    return node is not None and node.op in ops


def _before(makers: dict[str, Node], output: str, ops: set[str]) -> Node | None:
    """Return the nearest of some operators on the way back from an output."""
    name = output
    for _ in range(MAX_STEPS):
        node = makers.get(name)
        if node is None or node.op in ops:
            return node
        if not node.inputs:
            return None
        name = node.inputs[0]
    return None


def _traced(file: OnnxFile, makers: dict[str, Node], output: str) -> list[Any] | None:
    """Follow a label back to a classifier, or to the constant it is picked from."""
    queue = [output]
    for _ in range(MAX_STEPS):
        node = makers.get(queue.pop(0)) if queue else None
        if node is None:
            continue
        labels = _labels_of(file, node)
        if labels:
            return labels
        if node.op == "ArrayFeatureExtractor" and node.inputs[:1]:
            values = values_of(file, file.constants.get(node.inputs[0]))
            if values is not None and len(values):
                return _plain(values)
        if node.op == "LabelEncoder":
            for name in ("values_strings", "values_int64s"):
                values = attribute(file, node, name)
                if values is not None and len(values):
                    return _plain(values)
        queue += node.inputs
    return None


def _labels_of(file: OnnxFile, node: Node) -> list[Any] | None:
    for name in LABELS:
        values = attribute(file, node, name)
        if values is not None and len(values):
            return _plain(values)
    return None


def _plain(values: Any) -> list[Any]:  # noqa: ANN401 - texts or numbers
    if isinstance(values, list):
        return [text.decode("utf-8", "replace") for text in values]
    return [int(one) if float(one).is_integer() else float(one) for one in values]


# ---------------------------------------------------------------- columns


def tell_columns(file: OnnxFile, where: dict[str, Columns], facts: Facts) -> None:
    """Note what the operators know of the columns they see.

    Parameters
    ----------
    file : OnnxFile
    where : dict of str to list of Origin
        The raw columns in each graph input; extended by every tensor that keeps them.
    facts : Facts
    """
    for node in file.nodes:
        if not node.inputs or not node.outputs:
            continue
        if node.op == "Concat":
            parts = [where.get(name) for name in node.inputs]
            if None not in parts:
                where[node.outputs[0]] = [one for part in parts if part for one in part]
            continue
        columns = where.get(node.inputs[0])
        if columns:
            after = _through(file, node, columns, facts)
            if after is not None:
                where[node.outputs[0]] = after


def _through(file: OnnxFile, node: Node, columns: Columns, facts: Facts) -> Columns | None:
    """Note what one operator knows; return where its output's columns come from."""
    if node.op in TRANSPARENT:
        return columns
    if node.op == "ArrayFeatureExtractor" and len(node.inputs) > 1:
        places = values_of(file, file.constants.get(node.inputs[1]))
        inside = places is not None and all(0 <= int(i) < len(columns) for i in places)
        return [columns[int(i)] for i in places] if inside and places is not None else None
    if node.op == "Imputer":
        _tell_means(columns, attribute(file, node, "imputed_value_floats"), facts)
        return columns
    if node.op == "Scaler":
        return _scaled(file, node, columns, facts)
    if node.op in ("OneHotEncoder", "LabelEncoder") and len(columns) == 1:
        _tell_categories(file, node, columns[0], facts)
    elif node.op == WORDS:
        _tell_words(file, node, columns, facts)
    elif node.op in ("TreeEnsembleClassifier", "TreeEnsembleRegressor"):
        _tell_splits(file, node, columns, facts)
    return None


def _tell_means(columns: Columns, values: Any, facts: Facts) -> None:  # noqa: ANN401
    if values is not None and len(values) == len(columns):
        for origin, value in zip(columns, values):  # noqa: B905 - old Pythons
            facts.tell_moments(origin, "Imputer", float(value), None)


def _scaled(file: OnnxFile, node: Node, columns: Columns, facts: Facts) -> Columns | None:
    """Note means and deviations of a scaler: ``(x - offset) * scale``."""
    offset, scale = attribute(file, node, "offset"), attribute(file, node, "scale")
    if offset is None or scale is None or not len(columns) == len(offset) == len(scale):
        return None
    after: Columns = []
    for origin, middle, factor in zip(columns, offset, scale):  # noqa: B905
        if origin is None or factor == 0:
            after.append(None)
            continue
        facts.tell_moments(origin, "Scaler", float(middle), 1 / float(factor))
        raw = origin.scale * float(middle) + origin.offset
        after.append(Origin(origin.raw, origin.scale / float(factor), raw))
    return after


def _tell_categories(file: OnnxFile, node: Node, origin: Origin | None, facts: Facts) -> None:
    names = ("cats_strings", "cats_int64s", "keys_strings", "keys_int64s")
    for name in names:
        values = attribute(file, node, name)
        if values is not None and len(values):
            known = _plain(values)[:MAX_CATEGORIES]
            facts.tell(origin, node.op, kind="categorical", categories=known)
            return


def _tell_words(file: OnnxFile, node: Node, columns: Columns, facts: Facts) -> None:
    words = attribute(file, node, "pool_strings") or []
    known = list(dict.fromkeys(word.decode("utf-8", "replace") for word in words))
    step = max(len(known) // MAX_CATEGORIES, 1)
    for origin in columns:
        facts.tell(origin, node.op, kind="text", categories=known[::step][:MAX_CATEGORIES] or None)


def _tell_splits(file: OnnxFile, node: Node, columns: Columns, facts: Facts) -> None:
    """Note the range that the split points of each column span."""
    places = attribute(file, node, "nodes_featureids")
    values = attribute(file, node, "nodes_values")
    modes = attribute(file, node, "nodes_modes")
    if any(part is None for part in (places, values, modes)):
        return
    is_leaf = np.array([mode == b"LEAF" for mode in modes])
    if not len(places) == len(values) == len(is_leaf):
        return
    for i, origin in enumerate(columns):
        chosen = (places == i) & ~is_leaf
        model_ranges.tell_splits(facts, origin, values[chosen].astype(float), node.op)
