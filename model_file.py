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

import bundle_roles as roles
import container_file
import file_kinds
import file_members
import format_inspection
import pickle_rules
import pickle_walk
import skops_walk
from composition_types import Part
from errors import TooLargeError, UnsupportedFileError
from formatting import named
from model_types import ModelFileInfo, Safety
from pickle_stream import GIBIBYTE, LimitError, compression_of, open_stream
from pickle_walk import Built, Skipped, Walk, class_path, state_of

MAX_NAME = 120
MAX_SHOWN = 30
LIBRARIES = ("sklearn.", "xgboost.", "lightgbm.", "catboost.", "imblearn.")

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
        if info.container == "parts":
            return _inspect_parts(info, file, max_decompressed)
        walk = _walk_file(info, file, head, max_decompressed)
        if walk is None:
            return format_inspection.inspect_format(info, file, head)
        if info.safety is not Safety.DANGEROUS and walk.error is None:
            _describe_root(info, walk)
        return info


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


def _walk_file(
    info: ModelFileInfo, file: BinaryIO, head: bytes, max_decompressed: int
) -> Walk | None:
    """Fill in what a walk over a file finds, but for what lies at its root.

    Returns None for formats that are not walked.
    """
    if info.container in ("pickle", "unknown"):
        walk = _walk_pickle(info, file, head, max_decompressed)
    elif info.container == "skops":
        walk = _walk_skops(info, file, max_decompressed)
    else:
        return None
    info.imports = sorted(f"{module}.{name}" for module, name in walk.imports)
    info.written_with = _versions(walk)
    _judge(info, walk)
    return walk


def _walk_pickle(info: ModelFileInfo, file: BinaryIO, head: bytes, max_decompressed: int) -> Walk:
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
    return walk


def _walk_skops(info: ModelFileInfo, file: BinaryIO, max_decompressed: int) -> Walk:
    """Walk over a skops archive; the same allow-list judges its names."""
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
    return walk


def _refuse_too_large(walk: Walk) -> None:
    if walk.error and walk.error.startswith("LimitError: The file decompresses"):
        raise TooLargeError(walk.error.removeprefix("LimitError: "))


def _judge(info: ModelFileInfo, walk: Walk) -> None:
    """Set the safety verdict and its reasons."""
    dangerous = walk.judged(pickle_rules.DANGEROUS)
    unknown = walk.judged(pickle_rules.BLOCKED)
    info.blocked = sorted(dangerous + unknown)
    reasons = []
    if dangerous:
        reasons.append(
            "Loading it could run programs or read files: it refers to "
            f"{named(dangerous, MAX_SHOWN)}."
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
        info.notes.append(f"Left out when loading, since not needed: {named(left_out, MAX_SHOWN)}.")
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
    return f"It needs {what}: {named(names, MAX_SHOWN)}."


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
    if path in ("dict", "list", "tuple") or file_members.HOLDERS.fullmatch(path):
        _describe_bundle(info, file_members.kind_of(root), file_members.members_of(root))
        return
    if not file_members.may_predict(root):
        raise UnsupportedFileError(file_members.not_a_model(root))
    info.estimator = path
    members = [] if path.startswith(LIBRARIES) else file_members.members_of(root)
    if any(part.role == roles.MODEL for part in members):
        info.members = members  # a class of the author's that holds a model
    if steps := _step_classes(root):
        info.notes.append("Steps: " + " → ".join(steps))


def _describe_bundle(info: ModelFileInfo, kind: str, members: list[Part]) -> None:
    """Tell the members of a container; raise if none can be a model."""
    models = [part for part in members if part.role == roles.MODEL]
    if not models:
        raise UnsupportedFileError(file_members.why_no_model(kind, members))
    info.members = members
    info.estimator = models[0].full_name if len(models) == 1 else None
    info.notes.append(f"The file holds a {kind} with {file_members.listed(members)}.")


# ---------------------------------------------------------------- several files put together


def _inspect_parts(info: ModelFileInfo, file: BinaryIO, max_decompressed: int) -> ModelFileInfo:
    """Fill in what each of several files tells; the worst of them decides what may be loaded."""
    try:
        files = container_file.unpack(file)
    except container_file.ContainerError as error:
        raise UnsupportedFileError(str(error)) from error
    keys = container_file.keys_of([name for name, _ in files])
    told = [_inspect_part(name, part, max_decompressed) for name, part in files]
    members = []
    for key, (_, parts) in zip(keys, told, strict=True):
        members += [part.model_copy(update={"path": _below(key, part.path)}) for part in parts]
    _merge(info, [one for one, _ in told])
    if info.safety is not Safety.DANGEROUS:
        _describe_bundle(info, f"set of {len(files)} files", members)
    return info


def _below(key: str, path: str) -> str:
    return f"{key}.{path}" if path else key


def _inspect_part(
    name: str, file: BinaryIO, max_decompressed: int
) -> tuple[ModelFileInfo, list[Part]]:
    """Return what one file of several tells, and its members; a lone object has the path ""."""
    compression, head = _head(file, max_decompressed)
    kind = file_kinds.kind_of(head, file) or "unknown"
    if kind == "parts":
        message = "Files that were put together cannot hold others of the kind."
        raise UnsupportedFileError(message)
    size = file.seek(0, 2)
    info = ModelFileInfo(
        name=display_name(name), size_bytes=size, sha256="", container=kind, compression=compression
    )
    walk = _walk_file(info, file, head, max_decompressed)
    if walk is None:
        format_inspection.inspect_format(info, file, head)
        module, _, class_name = (info.estimator or "").rpartition(".")
        model = Part(path="", class_name=class_name, module=module, role=roles.MODEL)
        return info, [model]
    return info, file_members.parts_of_file(walk.root) if walk.error is None else []


def _merge(info: ModelFileInfo, told: list[ModelFileInfo]) -> None:
    order = (Safety.TRUSTED, Safety.UNKNOWN, Safety.DANGEROUS)
    info.safety = max((one.safety for one in told), key=order.index)
    info.imports = sorted({name for one in told for name in one.imports})
    info.blocked = sorted({name for one in told for name in one.blocked})
    info.reasons = [f"{one.name}: {reason}" for one in told for reason in one.reasons]
    for one in told:
        info.written_with = {**one.written_with, **info.written_with}
        info.notes += [f"{one.name}: {note}" for note in one.notes]


def _step_classes(root: Built) -> list[str]:
    """Return the class names of a walked pipeline's steps."""
    steps = state_of(root).get("steps")
    if not isinstance(steps, list):
        return []
    pairs = [step for step in steps[:20] if isinstance(step, tuple) and len(step) == 2]
    return [class_path(estimator).rsplit(".", 1)[-1] for _, estimator in pairs]
