"""What the bytes of an uploaded model file say, found without loading anything.

Owns: ``inspect_file`` (format, compression, imports, recorded versions, root class, safety) and
``display_name``. Runs where uploads arrive: no machine-learning library is imported, nothing is
unpickled, time and memory are bounded (``pickle_walk``).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import BinaryIO

import file_kinds
import format_inspection
import pickle_rules
import pickle_walk
import skops_walk
from errors import TooLargeError, UnsupportedFileError
from model_types import ModelFileInfo, Safety
from pickle_stream import GIBIBYTE, LimitError, compression_of, open_stream
from pickle_walk import Built, Mapping, Skipped, Walk, class_path, state_of

MAX_NAME = 120
MAX_SHOWN = 30

DATA_CLASSES = re.compile(
    r"numpy\..*|pandas\..*|scipy\.sparse\..*|collections\..*|builtins\..*"
    r"|str|int|float|bool|bytes|bytearray|NoneType"
)
TRANSFORMERS = re.compile(
    r"sklearn\.(preprocessing|feature_extraction|impute|decomposition|compose|random_projection"
    r"|kernel_approximation)\.(?!.*TransformedTargetRegressor$).*"
)
"""Classes without ``predict``, by their full name."""

_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def inspect_file(path: Path, name: str, *, max_decompressed: int = 2 * GIBIBYTE) -> ModelFileInfo:
    """Return what a model file's bytes tell, without loading it.

    Parameters
    ----------
    path : Path
        The stored upload.
    name : str
        The file name as the client said it; only shown.
    max_decompressed : int
        Bound in bytes on what a compressed file may expand to.

    Returns
    -------
    ModelFileInfo
        ``safety`` says whether it may be loaded under the policy ``standard``.

    Raises
    ------
    errors.UnsupportedFileError
        If the file is no model that can be tested; the message says what it is instead.
    errors.TooLargeError
        If it decompresses to more than ``max_decompressed``.
    """
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
        compression, head = _head(file, max_decompressed)
        info = ModelFileInfo(
            name=display_name(name),
            size_bytes=size,
            sha256=sha256,
            container=file_kinds.kind_of(head, file) or "unknown",
            compression=compression,
        )
        if info.container in ("pickle", "unknown"):
            return _inspect_pickle(info, file, head, max_decompressed)
        if info.container == "skops":
            return _inspect_skops(info, file, max_decompressed)
        return format_inspection.inspect_format(info, file, head)


def display_name(name: str) -> str:
    r"""Return a client's file name as it may be shown: no folders, no invisible characters.

    Examples
    --------
    >>> display_name("../../etc/pass\u202ewd")
    'passwd'
    """
    last = re.split(r"[/\\]", name)[-1]
    visible = (c for c in unicodedata.normalize("NFC", last) if _is_visible(c))
    clean = "".join(visible).strip()
    if len(clean) > MAX_NAME:
        ending = clean[-16:]
        clean = clean[: MAX_NAME - len(ending) - 1] + "…" + ending
    return clean or "model"


def _is_visible(char: str) -> bool:
    return unicodedata.category(char) not in _INVISIBLE


def _head(file: BinaryIO, max_bytes: int) -> tuple[str | None, bytes]:
    """Return the compressor and the first decompressed bytes."""
    file.seek(0)
    start = file.read(8)
    if not start:
        raise UnsupportedFileError(file_kinds.EMPTY)
    compression = compression_of(start)
    try:
        return compression, open_stream(file, max_bytes).read(file_kinds.HEAD)
    except LimitError as error:
        raise UnsupportedFileError(str(error)) from error
    except Exception as error:
        file.seek(0)
        head = file.read(file_kinds.HEAD)
        why = file_kinds.why_unsupported(head, file)
        damaged = f"The file starts like {compression} but is damaged ({error}). Save it again."
        raise UnsupportedFileError(why or damaged) from error


# ---------------------------------------------------------------- pickle and joblib


def _inspect_pickle(
    info: ModelFileInfo, file: BinaryIO, head: bytes, max_decompressed: int
) -> ModelFileInfo:
    """Fill in what a walk over the pickle finds."""
    certain = info.container == "pickle"
    if not certain and (why := file_kinds.why_unsupported(head, file)):
        raise UnsupportedFileError(why)
    walk = pickle_walk.walk(file, max_bytes=max_decompressed)
    _refuse_too_large(walk)
    if walk.error and not certain and not walk.imports:
        message = (
            "This is no model file that is known here: neither pickle, joblib, skops, ONNX, "
            "XGBoost, LightGBM, CatBoost nor TorchScript. Save the fitted model with joblib.dump "
            "and upload that file."
        )
        raise UnsupportedFileError(message)
    info.container = "joblib" if walk.has_inline_arrays else "pickle"
    info.protocol = walk.protocol
    info.decompressed_bytes = walk.n_bytes if info.compression else None
    return _fill_in(info, walk)


def _inspect_skops(info: ModelFileInfo, file: BinaryIO, max_decompressed: int) -> ModelFileInfo:
    """Fill in what a walk over a skops archive finds; the same allow-list judges its names."""
    if info.compression is not None:
        message = f"Unpack the {info.compression} file and upload the model inside."
        raise UnsupportedFileError(message)
    walk = skops_walk.walk(file, max_bytes=max_decompressed)
    _refuse_too_large(walk)
    if walk.error and not walk.imports and not walk.problems:
        message = (
            f"This looks like a skops file but cannot be read ({walk.error}). Save the model again "
            "with skops.io.dump."
        )
        raise UnsupportedFileError(message)
    return _fill_in(info, walk)


def _refuse_too_large(walk: Walk) -> None:
    if walk.error and walk.error.startswith("LimitError: The file decompresses"):
        raise TooLargeError(walk.error.removeprefix("LimitError: "))


def _fill_in(info: ModelFileInfo, walk: Walk) -> ModelFileInfo:
    """Fill in names, versions, the verdict and what lies at the root."""
    info.imports = sorted(f"{module}.{name}" for module, name in walk.imports)
    info.written_with = _versions(walk)
    _judge(info, walk)
    if info.safety is not Safety.DANGEROUS and walk.error is None:
        _describe_root(info, walk)
    return info


def _judge(info: ModelFileInfo, walk: Walk) -> None:
    """Set the safety verdict and its reasons."""
    dangerous = walk.judged(pickle_rules.DANGEROUS)
    unknown = walk.judged(pickle_rules.BLOCKED)
    info.blocked = sorted(dangerous + unknown)
    reasons = []
    if dangerous:
        reasons.append(
            f"Loading it could run programs or read files: it refers to {_listed(dangerous)}."
        )
    reasons += [f"No library writes this: {problem}." for problem in walk.problems]
    if dangerous or walk.problems:
        info.safety = Safety.DANGEROUS
    elif unknown or walk.error:
        info.safety = Safety.UNKNOWN
    else:
        info.safety = Safety.TRUSTED
    if unknown:
        reasons.append(_why_unknown(unknown))
    if walk.error:
        reasons.append(f"It cannot be read to its end, perhaps it is damaged: {walk.error}.")
    if info.safety is Safety.TRUSTED:
        reasons.append(_why_trusted(walk))
    if left_out := walk.judged(pickle_rules.LEFT_OUT):
        info.notes.append(f"Left out when loading, since not needed: {_listed(left_out)}.")
    info.reasons = reasons


def _why_trusted(walk: Walk) -> str:
    libraries = sorted({module.split(".")[0] for module, _ in walk.imports} - {"builtins"})
    names = ", ".join(libraries) or "plain Python"
    return f"It refers only to known types of {names}; loading it runs no other code."


def _why_unknown(names: list[str]) -> str:
    """Return one sentence on names that are not known to be harmless."""
    roots = {name.split(".")[0] for name in names}
    if "__main__" in roots:
        what = "classes or functions defined in the author's script or notebook"
    elif roots & {"cloudpickle", "dill"}:
        what = "functions stored as code (cloudpickle, dill)"
    else:
        what = "code of its author or of libraries that are not known here"
    return f"It needs {what}: {_listed(names)}."


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(names[:MAX_SHOWN]) + more


def _versions(walk: Walk) -> dict[str, str]:
    """Return the library versions recorded in a pickle."""
    versions = dict(walk.versions)
    if walk.xgboost_handle is not None:
        handle = walk.xgboost_handle
        tail = handle.tail if isinstance(handle, Skipped) else handle
        versions.update(format_inspection.xgboost_version(tail))
    return versions


# ---------------------------------------------------------------- what lies at the root


def _describe_root(info: ModelFileInfo, walk: Walk) -> None:
    """Tell the estimator at the root, or raise if there is none."""
    root = walk.root
    path = class_path(root)
    if path in ("dict", "list", "tuple"):
        _describe_bundle(info, root, path)
        return
    if not isinstance(root, Built):
        raise UnsupportedFileError(_not_a_model(path, root))
    if DATA_CLASSES.fullmatch(path) or TRANSFORMERS.fullmatch(path):
        raise UnsupportedFileError(_not_a_model(path, root))
    info.estimator = path
    if steps := _step_classes(root):
        info.notes.append("Steps: " + " → ".join(steps))


def _describe_bundle(info: ModelFileInfo, root: object, kind: str) -> None:
    """Tell the members of a dict, list or tuple; raise if none can be a model."""
    members = _members(root)
    shown = ", ".join(f"{key} ({class_path(value)})" for key, value in members[:12])
    models = [value for _, value in members if _may_predict(value)]
    if not models:
        message = (
            f"The file holds a {kind} with {shown or 'nothing in it'}, and none of it can predict. "
            "Upload the fitted model itself."
        )
        raise UnsupportedFileError(message)
    info.estimator = class_path(models[0]) if len(models) == 1 else None
    info.notes.append(f"The file holds a {kind} with {shown}.")


def _members(root: object) -> list[tuple[str, object]]:
    """Return the first members of a walked container, with their names."""
    if isinstance(root, Mapping):
        keys = [key if type(key) is str else class_path(key) for key in root[0:200:2]]
        return [(key[:40], value) for key, value in zip(keys, root[1:200:2], strict=True)]
    if isinstance(root, (list, tuple)):
        return [(str(i), value) for i, value in enumerate(root[:100])]
    return []


def _may_predict(value: object) -> bool:
    """Whether a walked object can be a model: not data, not a class, not a bare transformer."""
    path = class_path(value)
    is_data = DATA_CLASSES.fullmatch(path) or TRANSFORMERS.fullmatch(path)
    return isinstance(value, Built) and not is_data


def _not_a_model(path: str, root: object) -> str:
    """Return one sentence on an object that cannot predict."""
    name = path.rsplit(".", 1)[-1]
    if isinstance(root, pickle_walk.Global):
        return f"The file holds the name {path}, a class or function. Upload a fitted model object."
    if TRANSFORMERS.fullmatch(path):
        return (
            f"The file holds a {name}, which transforms data but does not predict. Upload the "
            "model, or a Pipeline of both."
        )
    if path.startswith(("pandas.", "numpy.", "scipy.")):
        return f"The file holds data ({name}), not a model. Upload the fitted model."
    return f"The file holds a {name}, not a model. Upload the fitted model."


def _step_classes(root: Built) -> list[str]:
    """Return the class names of a walked pipeline's steps."""
    steps = state_of(root).get("steps")
    if not isinstance(steps, list):
        return []
    pairs = [step for step in steps[:20] if isinstance(step, tuple) and len(step) == 2]
    return [class_path(estimator).rsplit(".", 1)[-1] for _, estimator in pairs]
