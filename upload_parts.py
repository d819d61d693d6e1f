"""Several uploaded model files kept as one: what the rest of the product sees is a single file.

Owns: ``keep_together``. The container's SHA-256 depends on all files and their names, so that the
list of runs, retries and what is remembered of a file tell different sets apart.
"""

from __future__ import annotations

from typing import BinaryIO

import container_file
from errors import InputError
from model_file import display_name, inspect_file
from model_types import ModelFileInfo
from storage import Store

MAX_DIRECTORY = 64 << 10


def keep_together(
    store: Store, files: list[tuple[str, BinaryIO]], limit_bytes: int
) -> ModelFileInfo:
    """Store several model files as one and return what their bytes tell.

    Parameters
    ----------
    store : Store
    files : list of (str, binary file)
        File names as the client said them, and contents.
    limit_bytes : int
        Most that all of them may have together.

    Raises
    ------
    InputError
        There are too many, two have the same name, or none of them holds a model.
    TooLargeError
        Together they are too large.
    """
    named = [(display_name(name), file) for name, file in files]
    title = display_name(" + ".join(sorted(name for name, _ in named)))
    with store.artifact_writer(limit_bytes + MAX_DIRECTORY) as incoming:
        try:
            container_file.pack(named, incoming.write)
        except container_file.ContainerError as error:
            raise InputError(str(error)) from error
        incoming.complete()
        info = inspect_file(incoming.path, title)
        store.keep_artifact(incoming, kind="model", name=title)
    return info
