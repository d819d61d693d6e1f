"""Forms with large files, streamed to the disk as they come.

Owns: ``read_form``. The files of a form go straight into the store's incoming directory, hashed on
the way and refused at their limit; nothing larger than a field is held in memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Self

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from artifacts import IncomingFile
from errors import InputError, TooLargeError, UnsupportedFileError
from settings import MIB
from storage import Store

FIELD_BYTES = MIB
"""Largest value of a field that is not stored as a file: options, labels, a schema."""

MAX_PARTS = 40
REPEATABLE = "extra"
"""The one field that may come several times: further files of a model."""


@dataclass
class Upload:
    """A file that has been received and not been kept yet."""

    name: str
    incoming: IncomingFile


@dataclass
class Form:
    """What a form held; a context manager, since its files vanish unless they were kept."""

    files: dict[str, Upload] = field(default_factory=dict)
    extras: list[Upload] = field(default_factory=list)
    fields: dict[str, bytes] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stack.close()


def required_file(form: Form, name: str, example: str) -> Upload:
    """Return the file in a field of a form.

    Raises
    ------
    InputError
        There is none, or it is empty; curl sends an empty file without a word.
    """
    upload = form.files.get(name)
    if upload is None or not (upload.name or upload.incoming.size_bytes):
        msg = f"There is no file in the field {name!r}; send one, as curl -F {name}=@{example} does"
        raise InputError(msg)
    if upload.incoming.size_bytes == 0:
        msg = f"The file in the field {name!r} is empty (0 bytes): its export or upload went wrong"
        raise InputError(msg)
    return upload


async def read_form(
    chunks: AsyncIterator[bytes],
    content_type: str,
    store: Store,
    file_limits: Mapping[str, int],
    field_names: frozenset[str],
) -> Form:
    """Receive a multipart form.

    Parameters
    ----------
    chunks : async iterator of bytes
        The body as it comes.
    content_type : str
        The request's Content-Type.
    store : Store
        Where files go.
    file_limits : mapping of str to int
        Fields that are stored as files, with the most bytes each may have.
    field_names : frozenset of str
        All other fields; they may come as files too, but are small.

    Raises
    ------
    InputError
        It is no proper form, or holds an unknown or repeated field.
    TooLargeError
        A file or field is over its limit; the rest is not read.
    UnsupportedFileError
        It is no form at all.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        msg = "The Content-Type has no boundary; send a form, as curl -F does"
        raise UnsupportedFileError(msg)
    form = Form()
    reader = _FormReader(form, store, file_limits, field_names)
    try:
        parser = MultipartParser(boundary, reader.callbacks)  # type: ignore[arg-type]
        async for chunk in chunks:
            parser.write(chunk)
        reader.check_complete()
    except FormParserError as error:
        form.stack.close()
        msg = "The form is damaged or was cut off; send it again"
        raise InputError(msg) from error
    except BaseException:
        form.stack.close()
        raise
    return form


class _FormReader:
    """Receives the parser's events and sorts what comes into files and fields."""

    def __init__(
        self, form: Form, store: Store, limits: Mapping[str, int], field_names: frozenset[str]
    ) -> None:
        self._form = form
        self._store = store
        self._limits = limits
        together = sum(most for name, most in limits.items() if name != REPEATABLE)
        self._together = self._left = together
        self._field_names = field_names
        self._header = (b"", b"")
        self._disposition = b""
        self._name = ""
        self._file: IncomingFile | None = None
        self._value = bytearray()
        self._complete = False
        self.callbacks = {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_name,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def check_complete(self) -> None:
        """Raise unless the closing boundary has come."""
        if not self._complete:
            msg = "The form was cut off before its end; send it again"
            raise InputError(msg)

    def _on_part_begin(self) -> None:
        self._header, self._disposition = (b"", b""), b""
        self._file, self._value = None, bytearray()
        form = self._form
        if len(form.files) + len(form.extras) + len(form.fields) >= MAX_PARTS:
            msg = f"The form has more than {MAX_PARTS} fields"
            raise InputError(msg)

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], self._header[1])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _on_header_end(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = self._header[1]
        self._header = (b"", b"")

    def _on_headers_finished(self) -> None:
        options = parse_options_header(self._disposition)[1]
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._check_name()
        if self._name in self._limits:
            self._check_is_file(options)
            incoming = self._store.artifact_writer(self._limits[self._name])
            self._file = self._form.stack.enter_context(incoming)
            display = options.get(b"filename", b"").decode("utf-8", "replace")
            upload = Upload(display or self._name, incoming)
            if self._name == REPEATABLE:
                self._form.extras.append(upload)
            else:
                self._form.files[self._name] = upload

    def _check_is_file(self, options: Mapping[bytes, bytes]) -> None:
        if b"filename" not in options:
            msg = (
                f"The field {self._name!r} holds text instead of a file; send a file, as "
                f"curl -F {self._name}=@path does"
            )
            raise InputError(msg)

    def _check_name(self) -> None:
        known = {*self._limits, *self._field_names}
        if self._name not in known:
            msg = f"Unknown field {self._name[:100]!r}; expected {', '.join(sorted(known))}"
            raise InputError(msg)
        if self._name in self._form.files or self._name in self._form.fields:
            msg = f"The field {self._name!r} came twice; send it once"
            raise InputError(msg)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._write(self._file, data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > FIELD_BYTES:
            msg = f"The field {self._name!r} is larger than the 1 MiB allowed"
            raise TooLargeError(msg)

    def _write(self, file: IncomingFile, chunk: bytes) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            msg = f"The files are larger than the {self._together // MIB} MiB allowed together"
            raise TooLargeError(msg)
        try:
            file.write(chunk)
        except TooLargeError as error:
            msg = f"The field {self._name!r}: {error}"
            raise TooLargeError(msg) from error

    def _on_part_end(self) -> None:
        if self._file is None:
            self._form.fields[self._name] = bytes(self._value)

    def _on_end(self) -> None:
        self._complete = True
