"""The members of a bundle, and how many columns each takes and gives.

Owns: ``flatten`` (a loaded dict, list, tuple or plain object -> members by path) and the widths and
names of fitted transformers. Runs in the worker: standard library and numpy, Python 3.7 syntax;
nothing is asked to predict, at most one made-up row is transformed.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

import bundle_roles as roles
from model_columns import TEXT_VECTORIZERS, raw_names
from model_facts import class_names_of, plain, read

Value = Any
"""An object of any library."""

MAX_MEMBERS = 200
MAX_DEPTH = 4
MAX_KEY = 60
MAX_NAMES = 20_000
PROBED_WIDTH = 5_000
"""Widest transformer that is tried on a made-up row to learn its output's width."""


class Member(NamedTuple):
    """One thing of a bundle.

    Parameters
    ----------
    path : str
        Keys that lead to it, joined by dots.
    value : object
        The thing itself; ``CategoryMap`` for a dict that codes categories.
    class_path : str
        ``module.name`` of its class.
    role : str
        One of ``bundle_roles``; what it can be, not yet what it is used for.
    """

    path: str
    value: Value
    class_path: str
    role: str


class CategoryMap:
    """A dict that codes the values of one column, used like an encoder.

    Parameters
    ----------
    codes : dict
        Value -> number.
    """

    def __init__(self, codes: dict[Value, Value]) -> None:
        self.codes = codes
        self.classes_ = np.array(list(codes), dtype=object)

    def transform(self, values: Value) -> np.ndarray[Any, Any]:
        """Return the number of each value, as ``Series.map`` does; unknown values are missing."""
        return np.array([self.codes.get(value, np.nan) for value in values], dtype=np.float64)


def flatten(loaded: Value) -> list[Member]:
    """Return the members of whatever a file held, containers opened.

    Examples
    --------
    >>> [(m.path, m.role) for m in flatten({"threshold": 0.3, "lists": {"columns": ["a", "b"]}})]
    [('threshold', 'threshold'), ('lists.columns', 'columns')]
    """
    found: list[Member] = []
    _collect(loaded, "", 0, found)
    return found


def _collect(value: Value, path: str, depth: int, found: list[Member]) -> None:
    items = items_of(value)
    if items is None and depth == 0 and isinstance(value, dict):
        items = list(value.items())
    if items is None and depth == 0 and isinstance(value, (list, tuple)):
        items = [(str(number), item) for number, item in enumerate(value)]
    if items is None or depth >= MAX_DEPTH:
        held, role = _with_role(value, path)
        found.append(Member(path or "model", held, _class_path(value), role))
        return
    for key, item in items:
        if len(found) >= MAX_MEMBERS:
            return
        short = str(key)[:MAX_KEY]
        _collect(item, f"{path}.{short}" if path else short, depth + 1, found)


def items_of(value: Value) -> list[tuple[Value, Value]] | None:
    """Return keys and values of a container of parts, None for anything that is a part itself.

    Examples
    --------
    >>> items_of({"scaler": 1}), items_of("text")
    (None, None)
    """
    if callable(getattr(value, "predict", None)) or hasattr(value, "transform"):
        return None
    if isinstance(value, dict):
        flat = value and all(_is_scalar(one) for one in value.values())
        return None if flat and not _tells_settings(value) else list(value.items())
    if isinstance(value, (list, tuple)):
        if value and all(_is_scalar(one) for one in value):
            return None
        fields = getattr(value, "_fields", None) or range(len(value))
        return [(str(key), item) for key, item in zip(fields, value)]  # noqa: B905 - Python 3.7
    state = getattr(value, "__dict__", None)
    library = type(value).__module__.split(".")[0] in ("numpy", "pandas", "scipy", "sklearn")
    if state and not library and not isinstance(value, type) and not callable(value):
        return list(state.items())
    return None


def _tells_settings(value: dict[Value, Value]) -> bool:
    """Whether a dict of plain values is a dict of settings (threshold, version), not a mapping."""
    return any(set(roles.words_of(str(key))) & roles.THRESHOLD_WORDS for key in value)


def _is_scalar(value: Value) -> bool:
    return value is None or isinstance(value, (str, int, float, bool, np.generic))


def _class_path(value: Value) -> str:
    kind = type(value)
    name = kind.__name__
    return name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}"


def _with_role(value: Value, path: str) -> tuple[Value, str]:
    """Return a member as it is used, with what it can be."""
    if isinstance(value, type):
        return value, roles.OTHER
    if callable(getattr(value, "predict", None)):
        return value, roles.MODEL
    if callable(getattr(value, "transform", None)) and not _is_table(value):
        return value, roles.role_of_class(_class_path(value)) or roles.PREPROCESSOR
    if isinstance(value, dict):
        return _mapping_with_role(value, path)
    names = names_of(value)
    if names is not None:
        return names, roles.LABELS if roles.names_target(path) else roles.COLUMNS
    words = set(roles.words_of(path))
    if isinstance(value, (float, int)) and not isinstance(value, bool) and 0 < value < 1:
        return value, roles.THRESHOLD if words & roles.THRESHOLD_WORDS else roles.OTHER
    return value, roles.OTHER


def _is_table(value: Value) -> bool:
    """Whether an object is pandas' own: tables have a method ``transform`` too."""
    return type(value).__module__.split(".")[0] == "pandas"


def _mapping_with_role(value: dict[Value, Value], path: str) -> tuple[Value, str]:
    """Tell a dict of class names (0 -> "no") and a dict that codes categories ("no" -> 0) apart."""
    numbers = (int, float, np.integer, np.floating)
    if _are(value, numbers) and _are(value.values(), (str,)):
        return value, roles.LABELS
    if _are(value, (str, bool)) and _are(value.values(), numbers) and _are_codes(value.values()):
        if roles.names_target(path):
            return {item: key for key, item in value.items()}, roles.LABELS
        return CategoryMap(value), roles.ENCODER
    return value, roles.OTHER


def _are_codes(values: Value) -> bool:
    """Whether numbers count categories: whole, and no larger than there are categories."""
    return all(number == int(number) and -1 <= number <= len(values) for number in values)


def _are(values: Value, kinds: tuple[type, ...]) -> bool:
    """Whether there are values, and all of them are of these kinds."""
    return bool(values) and all(isinstance(one, kinds) for one in values)


def names_of(value: Value) -> list[str] | None:
    """Return a list, tuple or array of texts as a list, None for anything else.

    Examples
    --------
    >>> names_of(["age", "city"]), names_of([1, 2])
    (['age', 'city'], None)
    """
    is_list = isinstance(value, (list, tuple, np.ndarray)) or type(value).__name__ == "Index"
    if not is_list or np.ndim(value) != 1 or len(value) > MAX_NAMES:
        return None
    texts = list(value)
    return [str(one) for one in texts] if _are(texts, (str,)) else None


# ---------------------------------------------------------------- widths and names


def takes_one_column(part: Value) -> bool:
    """Whether a transformer takes one column as a flat list: label encoders, mappings, texts."""
    names = class_names_of(part)
    flat = {"LabelEncoder", "LabelBinarizer", "CategoryMap", "DictVectorizer"}
    return bool(names & (flat | TEXT_VECTORIZERS))


def input_names(part: Value) -> list[str] | None:
    """Return the columns a part was fitted on, None where it was fitted on an array."""
    names = raw_names(part)[0]
    return None if names is None or takes_one_column(part) else names


def input_width(part: Value) -> int:
    """Return how many columns a part takes, 0 where it does not tell."""
    if takes_one_column(part):
        return 1
    weights = read(part, "idf_")  # all that old TfidfTransformers tell
    return raw_names(part)[1] or (0 if weights is None else len(weights))


def output_width(part: Value, width: int) -> int | None:
    """Return how many columns a part gives for ``width`` columns, None where that is not known."""
    names = output_names(part)
    if names is not None:
        return len(names)
    if "CategoryMap" in class_names_of(part) or "LabelEncoder" in class_names_of(part):
        return 1
    if "LabelBinarizer" in class_names_of(part):
        return 1 if len(part.classes_) == 2 else len(part.classes_)
    for name in ("vocabulary_", "feature_names_"):
        told = read(part, name)
        if told is not None:
            return len(told)
    if takes_one_column(part):
        told = read(part, "n_features")
        return int(told) if told is not None else None
    return _probed_width(part, width)


def _probed_width(part: Value, width: int) -> int | None:
    """Return the width of what a part makes of one row of zeros."""
    if not 0 < width <= PROBED_WIDTH:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return int(np.shape(part.transform(np.zeros((1, width))))[1])
        except (TypeError, ValueError, AttributeError, IndexError, KeyError):
            return None  # it wants texts, or the file is of another version: not known


def output_names(part: Value) -> list[str] | None:
    """Return the names of a part's output columns, None where it does not tell."""
    for method in ("get_feature_names_out", "get_feature_names"):
        tell = getattr(part, method, None)
        if tell is None:
            continue
        try:
            return [str(plain(name)) for name in tell()]
        except (TypeError, ValueError, AttributeError, IndexError, KeyError):
            return None  # not every version can tell without the input's names
    return None
