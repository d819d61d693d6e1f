"""The members of a bundle, read from a file's bytes: what each is and what it can be used for.

Owns: ``members_of`` and the sentences on files that hold no model. Works on what ``pickle_walk``
found; nothing is unpickled. The worker looks again at the loaded objects (``worker_bundle``).
"""

from __future__ import annotations

import re
from typing import Any

import bundle_roles as roles
import pickle_walk
from composition_types import Part
from pickle_walk import Built, Mapping, class_path, state_of

MAX_MEMBERS = 100
MAX_DEPTH = 4
MAX_KEY = 60
MAX_SHOWN = 12

DATA_CLASSES = re.compile(
    r"numpy\..*|pandas\..*|scipy\.sparse\..*|collections\..*|builtins\..*"
    r"|str|int|float|bool|bytes|bytearray|NoneType"
)
TRANSFORMERS = re.compile(
    r"sklearn\.(preprocessing|feature_extraction|impute|decomposition|compose|random_projection"
    r"|kernel_approximation|feature_selection)\.(?!.*(TransformedTargetRegressor|RFE|RFECV)$).*"
)
"""Classes without ``predict``, by their full name."""

HOLDERS = re.compile(r"types\.SimpleNamespace|sklearn\.utils\._?bunch\.Bunch|argparse\.Namespace")
"""Plain objects that people keep a model and its parts in."""

BESIDE = "Upload the model's file together with this one, or a Pipeline of both."


def members_of(root: Any) -> list[Part]:  # noqa: ANN401 - a walked value
    """Return the members of a walked dict, list, tuple or plain object, containers opened.

    Examples
    --------
    >>> [(part.path, part.role) for part in members_of([["age", "city"], 0.5])]
    [('0', 'columns'), ('1', 'other')]
    """
    found: list[Part] = []
    for key, value in _items(root, is_root=True) or []:
        _collect(value, key, 1, found)
    return found


def _collect(value: Any, path: str, depth: int, found: list[Part]) -> None:  # noqa: ANN401
    items = _items(value) if depth < MAX_DEPTH else None
    if len(found) >= MAX_MEMBERS:
        return
    if items is None:
        found.append(_part(value, path))
        return
    for key, item in items:
        _collect(item, f"{path}.{key}", depth + 1, found)


def _part(value: Any, path: str) -> Part:  # noqa: ANN401
    module, _, name = _class_of(value).rpartition(".")
    role = _role(value, path)
    return Part(path=path[:400], class_name=name[:200], module=module[:200], role=role)


def _class_of(value: Any) -> str:  # noqa: ANN401
    path = class_path(value)
    return "numpy.ndarray" if re.fullmatch(r"numpy\..*\._(reconstruct|frombuffer)", path) else path


def _items(value: Any, *, is_root: bool = False) -> list[tuple[str, Any]] | None:  # noqa: ANN401
    """Return keys and values of a walked container of parts, None for a part itself."""
    if isinstance(value, Mapping):
        pairs = list(zip(value[0::2], value[1::2], strict=False))
        if pairs and not is_root and all(_is_scalar(item) for _, item in pairs):
            return None
        return [(_key(key), item) for key, item in pairs]
    if isinstance(value, (list, tuple)):
        if value and not is_root and all(_is_scalar(item) for item in value):
            return None
        return [(str(number), item) for number, item in enumerate(value)]
    if isinstance(value, Built) and (is_root or HOLDERS.fullmatch(class_path(value))):
        return _items(value.items, is_root=True) or list(state_of(value).items()) or None
    return None


def _key(key: Any) -> str:  # noqa: ANN401
    return (key if type(key) is str else str(key) if _is_scalar(key) else class_path(key))[:MAX_KEY]


def _is_scalar(value: Any) -> bool:  # noqa: ANN401
    return value is None or type(value) in (str, int, float, bool)


def _role(value: Any, path: str) -> str:  # noqa: ANN401
    if may_predict(value):
        return roles.MODEL
    if isinstance(value, Built) and (role := roles.role_of_class(class_path(value))):
        return role
    if isinstance(value, (list, tuple)) and value and all(type(one) is str for one in value):
        return roles.LABELS if roles.names_target(path) else roles.COLUMNS
    if isinstance(value, float) and set(roles.words_of(path)) & roles.THRESHOLD_WORDS:
        return roles.THRESHOLD
    return _role_of_mapping(value, path) if isinstance(value, Mapping) else roles.OTHER


def _role_of_mapping(value: Mapping, path: str) -> str:
    keys, items = value[0::2], value[1::2]
    if keys and all(type(one) is int for one in keys) and all(type(one) is str for one in items):
        return roles.LABELS
    if keys and all(type(one) is str for one in keys) and all(type(one) is int for one in items):
        return roles.LABELS if roles.names_target(path) else roles.ENCODER
    return roles.OTHER


def may_predict(value: Any) -> bool:  # noqa: ANN401
    """Whether a walked object can be a model: not data, not a class, not a bare transformer."""
    path = class_path(value)
    is_other = DATA_CLASSES.fullmatch(path) or TRANSFORMERS.fullmatch(path)
    return isinstance(value, Built) and not is_other and not HOLDERS.fullmatch(path)


def parts_of_file(root: Any) -> list[Part]:  # noqa: ANN401
    """Return the members of one file of several; a lone object is one with the path ""."""
    path = class_path(root)
    names = isinstance(root, (list, tuple)) and root and all(_is_scalar(one) for one in root)
    if not names and (path in ("dict", "list", "tuple") or HOLDERS.fullmatch(path)):
        return members_of(root)
    return [_part(root, "")]


def kind_of(root: Any) -> str:  # noqa: ANN401
    """Return what a container is called in a sentence.

    Examples
    --------
    >>> kind_of({"a": 1}), kind_of((1, 2))
    ('dict', 'tuple')
    """
    if isinstance(root, (list, tuple)) and root and all(type(one) is str for one in root):
        return f"list of {len(root):,} texts, such as names of columns,"
    return class_path(root).rsplit(".", 1)[-1]


def listed(members: list[Part]) -> str:
    """Return members for a sentence.

    Examples
    --------
    >>> listed([Part(path="le", class_name="LabelEncoder")])
    'le (LabelEncoder)'
    """
    shown = ", ".join(f"{part.path} ({part.class_name})" for part in members[:MAX_SHOWN])
    more = len(members) - MAX_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def why_no_model(kind: str, members: list[Part]) -> str:
    """Return one sentence on a container in which nothing can predict."""
    what = f"The file holds a {kind} with {listed(members) or 'nothing in it'}"
    if any(part.role in roles.TRANSFORMER_ROLES for part in members):
        return f"{what}: parts that prepare data, and none of it can predict. {BESIDE}"
    if members and all(part.role in (roles.COLUMNS, roles.LABELS) for part in members):
        return f"{what}: names, and none of it can predict. {BESIDE}"
    return f"{what}, and none of it can predict. Upload the fitted model itself."


def not_a_model(root: Any) -> str:  # noqa: ANN401
    """Return one sentence on a walked object that cannot predict."""
    path = _class_of(root)
    name = path.rsplit(".", 1)[-1]
    if isinstance(root, pickle_walk.Global):
        return f"The file holds the name {path}, a class or function. Upload a fitted model object."
    if TRANSFORMERS.fullmatch(path):
        return f"The file holds a {name}, which transforms data but does not predict. {BESIDE}"
    if path.startswith(("pandas.", "numpy.", "scipy.")):
        return f"The file holds data ({name}), not a model. Upload the fitted model."
    return f"The file holds a {name}, not a model. Upload the fitted model."
