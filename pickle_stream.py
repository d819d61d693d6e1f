"""The bytes of a pickle or joblib file: decompressed within a bound, arrays inside.

Owns: recognising joblib's compressors, ``open_stream`` and ``StreamUnpickler``, the pure-Python
unpickler that both the inert walk and the allow-listed loader build upon. It counts its
instructions, refuses what no model needs (persistent ids, extension codes, foreign buffers) and
reads the raw arrays that joblib writes between the instructions. Standard library only, Python 3.7
syntax: it also runs in workers of other environments.
"""

from __future__ import annotations

import _compat_pickle
import bz2
import importlib
import io
import lzma
import mmap
import pickle
import zlib
from typing import Any, BinaryIO, Union

import renamed_modules

Value = Any
"""Whatever a pickle can hold."""

CHUNK = 1 << 20
MAX_LINE = 256 << 20
MAX_FRAME = 256 << 20
MAX_INSTRUCTIONS = 6_000_000
MAX_KEPT = 256 << 20
MAX_DEPTH = 20
MAX_OPEN = 10_000
MAX_LZMA_MEMORY = 256 << 20
GIBIBYTE = 1 << 30

WRAPPER_MODULES = ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")
"""Where the marker of an inline array, ``NumpyArrayWrapper``, has lived."""

_COMPRESSORS = (
    (b"\x1f\x8b", "gzip"),
    (b"BZ", "bz2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x5d\x00\x00", "lzma"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)


class LimitError(ValueError):
    """The file asks for more than the reader grants (bytes, instructions, depth)."""


class TrailingDataError(ValueError):
    """Something follows the end of the pickle."""


def compression_of(head: bytes) -> str | None:
    """Return the compressor of a file by its first bytes, or None.

    Examples
    --------
    >>> compression_of(b"BZh91AY")
    'bz2'
    """
    for magic, name in _COMPRESSORS:
        if head.startswith(magic):
            return name
    is_zlib = len(head) > 1 and head[0] == 0x78 and (head[0] * 256 + head[1]) % 31 == 0
    return "zlib" if is_zlib else None


def open_stream(file: BinaryIO, max_bytes: int = 2 * GIBIBYTE) -> Stream:
    """Return a reader of the decompressed bytes of a file.

    Parameters
    ----------
    file : binary file
        Positioned anywhere; it is read from its beginning.
    max_bytes : int
        Bound on the decompressed size.

    Returns
    -------
    reader
        Has ``read``, ``readline`` and ``tell``; never allocates more than it can deliver. Close it
        when done.

    Raises
    ------
    LimitError
        While reading, when more than ``max_bytes`` come out.
    """
    file.seek(0)
    compression = compression_of(file.read(8))
    file.seek(0)
    if compression is not None:
        return Inflated(file, compression, max_bytes)
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # no real file (io.UnsupportedOperation), or an empty one
        return io.BytesIO(file.read(max_bytes))


def _decompressor(compression: str) -> Value:
    """Return an incremental decompressor of the standard library (or lz4, where installed)."""
    if compression == "bz2":
        return bz2.BZ2Decompressor()
    if compression in ("xz", "lzma"):
        return lzma.LZMADecompressor(memlimit=MAX_LZMA_MEMORY)
    if compression == "lz4":
        try:
            import lz4.frame
        except ImportError as error:
            message = (
                "The file is compressed with lz4: run `pip install lz4`, or save it with zlib."
            )
            raise LimitError(message) from error
        return lz4.frame.LZ4FrameDecompressor()
    if compression == "zstd":
        return _zstd().ZstdDecompressor(options={_zstd().DecompressionParameter.window_log_max: 27})
    return _Zlib(31 if compression == "gzip" else 15)


def _zstd() -> Value:
    """Return the module that reads zstd: part of Python 3.14, a package before."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    message = (
        "The file is compressed with zstd: run `pip install backports.zstd`, or unpack it first."
    )
    raise LimitError(message)


class _Zlib:
    """``zlib.decompressobj`` with the interface of the other decompressors."""

    def __init__(self, wbits: int) -> None:
        self._inflate = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


class Inflated:
    """Decompressed bytes of a file, one bounded piece at a time.

    Parameters
    ----------
    file : binary file
        The compressed file, at its beginning.
    compression : {"zlib", "gzip", "bz2", "xz", "lzma", "lz4", "zstd"}
    max_bytes : int
        More than this raises ``LimitError``.
    """

    def __init__(self, file: BinaryIO, compression: str, max_bytes: int) -> None:
        self._file = file
        self._decompressor = _decompressor(compression)
        self._max_bytes = max_bytes
        self._produced = 0
        self._piece = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer at the end."""
        end = self._at + size
        if end <= len(self._piece):
            data = self._piece[self._at : end]
            self._at = end
            return data
        parts = []
        while size > 0 and self._fill():
            part = self._piece[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def readline(self) -> bytes:
        """Return the bytes up to and including the next newline."""
        parts = []
        length = 0
        while self._fill():
            found = self._piece.find(b"\n", self._at)
            end = len(self._piece) if found < 0 else found + 1
            parts.append(self._piece[self._at : end])
            length += end - self._at
            self._at = end
            if found >= 0:
                break
            if length > MAX_LINE:
                message = "One line of the pickle is longer than 256 MiB."
                raise LimitError(message)
        return b"".join(parts)

    def tell(self) -> int:
        """Return how many bytes were handed out."""
        return self._produced - len(self._piece) + self._at

    def close(self) -> None:
        """Forget the decompressed piece; the file stays open."""
        self._piece = b""

    def _fill(self) -> bool:
        """Make sure that a byte is at hand; return False at the end."""
        while self._at >= len(self._piece):
            if self._decompressor.eof:
                self._expect_end()
                return False
            data = self._file.read(CHUNK) if self._decompressor.needs_input else b""
            piece = self._decompressor.decompress(data, CHUNK)
            if not piece and not data and not self._decompressor.eof:
                message = "The compressed file ends in the middle."
                raise EOFError(message)
            self._piece, self._at = piece, 0
            self._produced += len(piece)
            if self._produced > self._max_bytes:
                limit = f"{self._max_bytes / GIBIBYTE:.3g} GiB"
                message = f"The file decompresses to more than {limit}."
                raise LimitError(message)
        return True

    def _expect_end(self) -> None:
        """Refuse bytes after the compressed stream."""
        if self._decompressor.unused_data or self._file.read(1):
            message = "Data follows the compressed stream."
            raise TrailingDataError(message)


Stream = Union[Inflated, mmap.mmap, io.BytesIO]  # noqa: UP007 - evaluated by old Pythons too


class Budget:
    """What one file may cost: instructions, nested pickles, and bytes kept of it by a walk."""

    def __init__(self, instructions: int = MAX_INSTRUCTIONS) -> None:
        self.instructions = instructions
        self.depth = 0
        self.kept = 0


_internals: Value = pickle  # the parts of the standard module that its type stubs leave out


class StreamUnpickler(_internals._Unpickler):  # type: ignore[misc]
    """The pure-Python unpickler over a stream with joblib's inline arrays.

    Subclasses decide what a name means (``find_class``), what may be called and how an array is
    read (``is_array_wrapper``, ``read_array``).

    Parameters
    ----------
    stream
        From ``open_stream``.
    budget : Budget
        Shared with the pickles nested inside.
    """

    dispatch = _internals._Unpickler.dispatch.copy()

    def __init__(self, stream: Stream, budget: Budget) -> None:
        super().__init__(stream, encoding="latin1")  # Python 2 stored arrays as str
        self.stream = stream
        self.budget = budget
        self.highest_protocol = 0

    def load(self) -> Value:
        """Run the pickle up to its end and return its value.

        Raises
        ------
        pickle.UnpicklingError, EOFError, LimitError
            And whatever a damaged file provokes in the instructions themselves.
        """
        self._begin()
        read = self.read
        dispatch = self.dispatch
        try:
            for count in range(self.budget.instructions):  # noqa: B007 - told to the budget
                key = read(1)
                if not key:
                    message = "The file ends in the middle."
                    raise EOFError(message)
                dispatch[key[0]](self)
        except _internals._Stop as stop:
            self.budget.instructions -= count
            return stop.value
        message = "The pickle has more instructions than any model needs."
        raise LimitError(message)

    def load_all(self) -> Value:
        """Return the value of a file that must hold one pickle and nothing after it."""
        value = self.load()
        frame = self._unframer.current_frame
        if (frame is not None and frame.read(1)) or self.stream.read(1):
            message = "More data follows the end of the pickle, which no library writes."
            raise TrailingDataError(message)
        return value

    def load_nested(self) -> Value:
        """Return the value of a pickle that joblib nested in an object array."""
        self.budget.depth += 1
        if self.budget.depth > MAX_DEPTH:
            message = f"Pickles are nested more than {MAX_DEPTH} deep."
            raise LimitError(message)
        value = self.nested().load()
        self.budget.depth -= 1
        return value

    def nested(self) -> StreamUnpickler:
        """Return an unpickler of the same kind for a nested pickle."""
        return type(self)(self.stream, self.budget)

    def modern_name(self, module: str, name: str) -> tuple[str, str]:
        """Return a name as Python 3 calls it (protocols below 3 may hold Python 2 names)."""
        if self.proto < 3:
            if (module, name) in _compat_pickle.NAME_MAPPING:
                return _compat_pickle.NAME_MAPPING[(module, name)]
            module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        return renamed_modules.full_name(module), name

    def is_array_wrapper(self, value: Value) -> bool:
        """Whether joblib's marker of an inline array was just completed."""
        raise NotImplementedError

    def read_array(self, wrapper: Value) -> Value:
        """Read the array that follows its marker."""
        raise NotImplementedError

    def skip_padding(self, has_padding: bool) -> None:
        """Skip the bytes with which joblib 1.1 and later align an array."""
        if has_padding:
            self.stream.read(self.stream.read(1)[0])

    def build(self) -> None:
        """Give an object its state (the BUILD instruction)."""
        raise NotImplementedError

    def _begin(self) -> None:
        """Prepare stack and frames as ``pickle._Unpickler.load`` does."""
        self._unframer = _internals._Unframer(self._file_read, self._file_readline)
        self.read = self._unframer.read
        self.readline = self._unframer.readline
        if hasattr(self._unframer, "readinto"):  # Python 3.8 and later
            self.readinto = self._unframer.readinto
        self.metastack: list[Value] = []
        self.stack: list[Value] = []
        self.append = self.stack.append
        self.proto = 0

    def _load_build(self) -> None:
        self.build()
        if self.is_array_wrapper(self.stack[-1]):
            self.stack[-1] = self.read_array(self.stack[-1])

    def _load_proto(self) -> None:
        super().load_proto()
        self.highest_protocol = max(self.highest_protocol, self.proto)

    def _load_frame(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        if size > MAX_FRAME:
            message = "One frame of the pickle is larger than 256 MiB."
            raise LimitError(message)
        self._unframer.load_frame(size)

    def _load_mark(self) -> None:
        if len(self.metastack) > MAX_OPEN:
            message = f"More than {MAX_OPEN} values are open inside one another."
            raise LimitError(message)
        super().load_mark()

    def _load_bytearray(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        self.append(bytearray(self.read(size)))  # the original allocates whatever size is claimed

    dispatch[pickle.BUILD[0]] = _load_build
    dispatch[pickle.PROTO[0]] = _load_proto
    dispatch[pickle.FRAME[0]] = _load_frame
    dispatch[pickle.MARK[0]] = _load_mark
    dispatch[0x96] = _load_bytearray  # BYTEARRAY8, protocol 5
