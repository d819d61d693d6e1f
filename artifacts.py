"""Uploaded and produced files, each stored once under the SHA-256 of its bytes.

Owns: where a file lies (``<data_dir>/artifacts/ab/abcd…``) and how it gets there: streamed to a
temporary file while hashing, synced, then renamed, so that a stored file is always whole. Which
files exist is the store's to know.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from errors import NotFoundError, StorageError, TooLargeError

STALE_SECONDS = 24 * 3600
"""Age at which an unfinished upload is a leftover of a crash; no upload takes a day."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class ArtifactFiles:
    """The directory of artifacts.

    Parameters
    ----------
    data_dir : Path
        Directory of the store.
    """

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / "artifacts"
        self._incoming = self._root / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Return where the file of this hash lies, whether or not it exists.

        Raises
        ------
        NotFoundError
            The text is no SHA-256 (this is what keeps foreign paths out).
        """
        if not _SHA256.fullmatch(sha256):
            msg = f"{sha256[:80]!r} is no SHA-256; expected 64 hexadecimal digits"
            raise NotFoundError(msg)
        return self._root / sha256[:2] / sha256

    def create(self, limit_bytes: int) -> IncomingFile:
        """Begin a new file of at most ``limit_bytes``."""
        return IncomingFile(self._incoming, limit_bytes)

    def keep(self, incoming: IncomingFile) -> None:
        """Move a complete file to its place; harmless when the same bytes are there already."""
        target = self.path(incoming.sha256)
        target.parent.mkdir(exist_ok=True)
        incoming.move_to(target)

    def remove(self, sha256: str) -> None:
        """Delete the file of this hash if it exists."""
        self.path(sha256).unlink(missing_ok=True)

    def remove_stale(self) -> None:
        """Delete what interrupted uploads left behind."""
        for path in self._incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):  # kept or dropped meanwhile
                if time.time() - path.stat().st_mtime > STALE_SECONDS:
                    path.unlink()


class IncomingFile:
    """A file on its way in; a context manager that leaves nothing behind unless it was kept.

    Parameters
    ----------
    directory : Path
        Where the temporary file lies, on the same file system as its final place.
    limit_bytes : int
        Largest size allowed.
    """

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        with _disk():
            descriptor, name = tempfile.mkstemp(dir=directory)
        self._file = os.fdopen(descriptor, "wb")
        self._digest = hashlib.sha256()
        self._limit = limit_bytes
        self.path = Path(name)
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """Hash of what was written so far."""
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Append some bytes.

        Raises
        ------
        TooLargeError
            The file would grow beyond its limit; nothing of the chunk is written.
        StorageError
            The disk takes no more.
        """
        self.size_bytes += len(chunk)
        if self.size_bytes > self._limit:
            msg = f"The file is larger than the {self._limit / 2**20:,.0f} MiB allowed"
            raise TooLargeError(msg)
        self._digest.update(chunk)
        with _disk():
            self._file.write(chunk)

    def complete(self) -> None:
        """Put every byte on the disk; the file may be read at ``path`` from now on.

        Raises
        ------
        StorageError
            The disk takes no more.
        """
        if not self._file.closed:
            with _disk():
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()

    def move_to(self, target: Path) -> None:
        """Rename the complete file to ``target``, atomically and durably."""
        self.complete()
        self.path.replace(target)
        descriptor = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # a full disk: what is thrown away need not be whole
            self._file.close()
        self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    """Say in one sentence that the disk refused."""
    try:
        yield
    except OSError as error:
        msg = f"The file cannot be stored: {error.strerror}; see to the disk of MONITOR_DATA_DIR"
        raise StorageError(msg) from error
