r"""Several model files in one: a vectorizer beside its model, uploaded together.

Owns: the format (``MAGIC``, a directory in JSON, the files behind one another), ``pack`` and
``unpack``. The same files in any order give the same bytes, so that the container's SHA-256 stands
for all of them. Stand-alone: standard library, Python 3.7 syntax; it is also read in the worker.
"""

from __future__ import annotations

import io
import json
import re
import struct
from collections.abc import Callable
from typing import BinaryIO

MAGIC = b"\x89parts\r\n\x1a\x01"
MAX_FILES = 16
MAX_DIRECTORY = 16 * 1024
CHUNK = 1 << 20
_LENGTH = struct.Struct(">I")
_ENDINGS = r"(\.(pkl|pickle|joblib|sav|dill|dat|bin|model|json|ubj|txt|gz|bz2|xz|lzma|z|lz4|p))+$"


class ContainerError(ValueError):
    """The container is damaged or holds more than it may; the message says what."""


def pack(files: list[tuple[str, BinaryIO]], write: Callable[[bytes], object]) -> None:
    """Write files into one.

    Parameters
    ----------
    files : list of (str, binary file)
        Names as they may be shown, and contents.
    write : callable
        Takes the container's bytes, piece by piece.

    Raises
    ------
    ContainerError
        If there are too many, or two have the same name.

    Examples
    --------
    >>> out = io.BytesIO()
    >>> pack([("b.pkl", io.BytesIO(b"2")), ("a.pkl", io.BytesIO(b"1"))], out.write)
    >>> [(name, part.read()) for name, part in unpack(out)]
    [('a.pkl', b'1'), ('b.pkl', b'2')]
    """
    ordered = sorted(files, key=lambda one: one[0])
    names = [name for name, _ in ordered]
    if len(names) > MAX_FILES:
        message = f"There are {len(names)} model files; at most {MAX_FILES} can be put together."
        raise ContainerError(message)
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        message = f"Two model files are called {double!r}; rename one of them."
        raise ContainerError(message)
    sizes = [file.seek(0, io.SEEK_END) for _, file in ordered]
    directory = json.dumps(list(zip(names, sizes))).encode()  # noqa: B905 - Python 3.7
    write(MAGIC + _LENGTH.pack(len(directory)) + directory)
    for _, file in ordered:
        file.seek(0)
        piece = file.read(CHUNK)
        while piece:
            write(piece)
            piece = file.read(CHUNK)


def unpack(file: BinaryIO) -> list[tuple[str, BinaryIO]]:
    """Return names and contents of the files in a container.

    Raises
    ------
    ContainerError
        If the directory does not fit the bytes.

    Examples
    --------
    >>> written = io.BytesIO()
    >>> pack([("model.pkl", io.BytesIO(b"12")), ("scaler.pkl", io.BytesIO(b"345"))], written.write)
    >>> [(name, part.read()) for name, part in unpack(written)]
    [('model.pkl', b'12'), ('scaler.pkl', b'345')]
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(len(MAGIC))
    try:
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        if length > MAX_DIRECTORY:
            raise ValueError(length)
        entries = [(str(name), int(count)) for name, count in json.loads(file.read(length))]
    except (struct.error, ValueError, TypeError) as error:
        message = "The directory of the files put together cannot be read; upload them again."
        raise ContainerError(message) from error
    whole = file.tell() + sum(count for _, count in entries)
    if whole != size or len(entries) > MAX_FILES or any(count < 0 for _, count in entries):
        message = "The files put together were cut off; upload them again."
        raise ContainerError(message)
    return [(name, io.BytesIO(file.read(count))) for name, count in entries]


def keys_of(names: list[str]) -> list[str]:
    """Return the key under which each file is a member: its name without ending.

    Examples
    --------
    >>> keys_of(["model.pkl", "tfidf.v2.joblib.gz", "model.joblib"])
    ['model', 'tfidf_v2', 'model_2']
    """
    keys: list[str] = []
    for name in names:
        stem = re.sub(_ENDINGS, "", name, flags=re.IGNORECASE).replace(".", "_") or "file"
        taken = sum(key == stem or key.startswith(stem + "_") for key in keys)
        keys.append(f"{stem}_{taken + 1}" if stem in keys else stem)
    return keys
