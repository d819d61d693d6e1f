"""Which uploads are taken: decided while the body is still on the way.

Owns: ``Admission``. An upload that is no form, is longer than its files may be together, or finds
all places taken, is refused before a byte of it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from starlette.datastructures import Headers

import drift_job
import validation_job
from access_types import Caller
from errors import TooLargeError, UnsupportedFileError
from settings import MIB, Settings
from storage import Store

FORM_OVERHEAD_BYTES = 4 * MIB
"""What a form may hold beside its files."""


class _Upload(NamedTuple):
    """What an address takes: its fields with files, their longest bytes together, its places."""

    fields: str
    max_bytes: int
    check_places: Callable[[Caller], None]


class Admission:
    """Refuses uploads that cannot be taken.

    Parameters
    ----------
    settings : Settings
        Longest files, and how many may be worked on.
    store : Store
        Asked for the length of the queue.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        model, table = settings.max_model_bytes, settings.max_sample_bytes
        self._uploads: Mapping[str, _Upload] = {
            "/run_tests": _Upload(
                "the field 'model'", model + table, lambda caller: store.check_queue(caller.actor)
            ),
            "/drift": _Upload(
                "the fields 'reference' and 'current'",
                2 * table + model,
                lambda _: drift_job.check_places(settings),
            ),
            "/validate": _Upload(
                "the field 'data'", 2 * table, lambda _: validation_job.check_places()
            ),
        }

    def concerns(self, method: str, path: str) -> bool:
        """Whether the request is an upload at all."""
        return method == "POST" and path in self._uploads

    def check(self, path: str, headers: Headers, caller: Caller) -> None:
        """Let an upload pass.

        Raises
        ------
        UnsupportedFileError
            It is no form.
        TooLargeError
            It says that it is longer than its files may be together.
        BusyError
            All places are taken.
        """
        upload = self._uploads[path]
        kind = headers.get("content-type", "none")
        if not kind.lower().startswith("multipart/form-data"):
            msg = (
                f"Found Content-Type {kind[:100]!r}, expected multipart/form-data with files in "
                f"{upload.fields}, as curl -F sends them"
            )
            raise UnsupportedFileError(msg)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > upload.max_bytes + FORM_OVERHEAD_BYTES:
            msg = (
                f"The upload has {int(length) / MIB:,.0f} MiB; its files may have "
                f"{upload.max_bytes // MIB} MiB together"
            )
            raise TooLargeError(msg)
        upload.check_places(caller)
