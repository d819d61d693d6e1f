"""Reading a pickle without doing what it says.

Owns: ``walk``, which runs a pickle or joblib file with inert stand-ins for everything and tells
what it refers to, what it would do that no library's file does, which library versions it records
and what lies at its root. Nothing is imported or called, no attacker's value is hashed or compared,
and big strings and arrays are skipped, so that a hostile file costs bounded time and memory.
Standard library only, Python 3.7 syntax.
"""

from __future__ import annotations

import pickle
from typing import Any, BinaryIO

import pickle_rules
from pickle_stream import (
    CHUNK,
    GIBIBYTE,
    MAX_KEPT,
    WRAPPER_MODULES,
    Budget,
    LimitError,
    Stream,
    StreamUnpickler,
    open_stream,
)

KEEP = 4096
"""Strings and bytes up to this length are kept, longer ones are skipped."""

MAX_IMPORTS = 2000
MAX_NAME = 200
MAX_ATTRIBUTES = 400

WRAPPERS = frozenset(f"{module}.NumpyArrayWrapper" for module in WRAPPER_MODULES)

Value = Any
"""Whatever stands on the stack: plain values, Global, Built, Mapping or Skipped."""


class Mapping(list):  # type: ignore[type-arg]
    """A dict as a flat list of keys and values: nothing is hashed."""

    __slots__ = ()


class Global:
    """A name the pickle refers to."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    @property
    def path(self) -> str:
        """``module.name``."""
        return f"{self.module}.{self.name}"


class Built:
    """An object that would be made by calling ``callee`` with ``args``."""

    __slots__ = ("args", "callee", "items", "state")

    def __init__(self, callee: Value, args: Value) -> None:
        self.callee = callee
        self.args = args
        self.state: Value = None
        self.items = Mapping()  # of an object that is a dict besides


class Skipped:
    """A long string or byte string of which only both ends were kept."""

    __slots__ = ("head", "size", "tail")

    def __init__(self, head: bytes, tail: bytes, size: int) -> None:
        self.head = head
        self.tail = tail
        self.size = size


class Walk:
    """What a walk found.

    Parameters
    ----------
    imports : dict of (module, name) to None
        Names in order of appearance, as Python 3 calls them.
    problems : list of str
        What the pickle would do that no library's file does, one phrase each.
    called : set of (module, name)
        Names that would be called.
    n_bytes : int or None
        How much was read, after decompression; None where it could not be read to its end.
    """

    def __init__(self) -> None:
        self.imports: dict[tuple[str, str], None] = {}
        self.problems: dict[str, None] = {}
        self.called: dict[tuple[str, str], None] = {}
        self.versions: dict[str, str] = {}
        self.xgboost_handle: Value = None
        self.has_inline_arrays = False
        self.protocol = 0
        self.root: Value = None
        self.error: str | None = None
        self.n_bytes: int | None = None

    def judged(self, verdict: str) -> list[str]:
        """Return the names of one verdict of ``pickle_rules.judge``, sorted."""
        return sorted(
            f"{module}.{name}"
            for module, name in self.imports
            if pickle_rules.judge(module, name) == verdict
        )


def walk(file: BinaryIO, *, max_bytes: int = 2 * GIBIBYTE) -> Walk:
    """Read a pickle or joblib file to its end without importing or calling anything.

    Parameters
    ----------
    file : binary file
        Compressed or not.
    max_bytes : int
        Bound on the decompressed size.

    Returns
    -------
    Walk
        With ``error`` set where the file could not be read to its end; what was found up to there
        is kept.

    Examples
    --------
    >>> import io, pickle
    >>> walk(io.BytesIO(pickle.dumps({"a": 1}))).root
    ['a', 1]
    """
    found = Walk()
    try:
        stream = open_stream(file, max_bytes)
        walker = _Walker(stream, Budget(), found)
        found.root = walker.load_all()
        found.protocol = walker.highest_protocol
        found.n_bytes = stream.tell()
    except Exception as error:  # noqa: BLE001 - a damaged file may raise anything; it is told
        found.error = f"{type(error).__name__}: {error}"[:MAX_NAME]
    _judge_calls(found)
    return found


def class_path(value: Value) -> str:
    """Return ``module.name`` of the class of a walked object, or the name of a plain type.

    Examples
    --------
    >>> class_path([1, 2])
    'list'
    """
    if isinstance(value, Built):
        callee, args = value.callee, value.args
        if isinstance(callee, Global) and callee.name in ("_reconstructor", "__newobj__"):
            callee = args[0] if isinstance(args, tuple) and args else callee
        return callee.path if isinstance(callee, Global) else "unknown"
    if isinstance(value, Global):
        return value.path
    if isinstance(value, Mapping):
        return "dict"
    return "str" if isinstance(value, Skipped) else type(value).__name__


def is_dill_type(callee: Value, args: Value) -> bool:
    """Whether a call only names one of Python's own types, as dill writes ``slice``."""
    named = isinstance(callee, Global) and callee.path == "dill._dill._load_type"
    return named and isinstance(args, tuple) and len(args) == 1 and type(args[0]) is str


def state_of(value: Value) -> dict[str, Value]:
    """Return the attributes that a walked object would have."""
    state = value.state if isinstance(value, Built) else value
    if isinstance(state, tuple) and state and isinstance(state[0], Mapping):
        state = state[0]
    if not isinstance(state, Mapping):
        return {}
    pairs = zip(state[0::2], state[1::2])  # noqa: B905 - zip(strict=) needs Python 3.10
    return {key: item for key, item in pairs if type(key) is str}


def _bytes_of(value: Value) -> Value:
    """Return the bytes (or their ends) of a walked bytes or bytearray, else None."""
    if isinstance(value, Built) and isinstance(value.args, tuple) and value.args:
        value = value.args[0]
    return value if isinstance(value, (bytes, Skipped)) else None


def _judge_calls(found: Walk) -> None:
    """Add a problem for every name that is allowed as a value but would be called."""
    for module, name in found.called:
        allowed = pickle_rules.judge(module, name) == pickle_rules.ALLOWED
        if allowed and not pickle_rules.might_be_callable(module, name):
            found.problems[f"it calls {module}.{name} while loading"] = None


class _Walker(StreamUnpickler):
    """Runs every instruction on inert values."""

    dispatch = StreamUnpickler.dispatch.copy()

    def __init__(self, stream: Stream, budget: Budget, found: Walk) -> None:
        super().__init__(stream, budget)
        self.found = found

    def nested(self) -> StreamUnpickler:
        return _Walker(self.stream, self.budget, self.found)

    # -------------------------------------------------------------- names

    def find_class(self, module: str, name: str) -> Global:
        module, name = self.modern_name(module, name)
        found = Global(module[:MAX_NAME], name[:MAX_NAME])
        self.found.imports[(found.module, found.name)] = None
        if len(self.found.imports) > MAX_IMPORTS:
            message = f"The pickle refers to more than {MAX_IMPORTS} names."
            raise LimitError(message)
        return found

    def persistent_load(self, pid: Value) -> None:
        self._problem("it refers to objects outside the file (persistent ids)")

    def get_extension(self, code: int) -> None:
        self._problem("it uses extension codes instead of names")
        self.append(None)

    def _problem(self, text: str) -> None:
        self.found.problems[text] = None

    def _load_buffer(self) -> None:
        self._problem("it refers to buffers outside the file")
        self.append(None)

    def _load_readonly_buffer(self) -> None:
        self._problem("it refers to buffers outside the file")

    dispatch[0x97] = _load_buffer  # NEXT_BUFFER
    dispatch[0x98] = _load_readonly_buffer

    # -------------------------------------------------------------- objects

    def _make(self, callee: Value, args: Value) -> Built:
        if isinstance(callee, Global):
            self.found.called[(callee.module, callee.name)] = None
        else:
            self._problem("it calls something that is not named in the file")
        return Built(callee, args)

    def _instantiate(self, klass: Value, args: Value) -> None:
        self.append(self._make(klass, tuple(args)))

    def _load_reduce(self) -> None:
        args = self.stack.pop()
        if is_dill_type(self.stack[-1], args):
            self.stack[-1] = self.find_class("builtins", args[0])
            return
        self.stack[-1] = self._make(self.stack[-1], args)

    def _load_newobj_ex(self) -> None:
        self.stack.pop()
        self._load_newobj()

    def _load_newobj(self) -> None:
        args = self.stack.pop()
        if not isinstance(self.stack[-1], Global):
            self._problem("it creates an object of something that is not named in the file")
        self.stack[-1] = Built(self.stack[-1], args)

    def build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Global):
            self._problem(f"it changes {target.path} itself, not an object of it")
        if isinstance(target, Built):
            target.state = state
            self._note_version(target)
            if class_path(target) == "xgboost.core.Booster":
                self.found.xgboost_handle = _bytes_of(state_of(target).get("handle"))

    dispatch[pickle.REDUCE[0]] = _load_reduce
    dispatch[pickle.NEWOBJ[0]] = _load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = _load_newobj_ex

    def _note_version(self, target: Built) -> None:
        """Keep the library versions that estimators write into their state."""
        state = target.state
        if not isinstance(state, Mapping):
            return
        for i in range(len(state) - 2, max(len(state) - MAX_ATTRIBUTES, -1), -2):
            if type(state[i]) is str and state[i] == "_sklearn_version":
                if type(state[i + 1]) is str:
                    self.found.versions.setdefault("scikit-learn", state[i + 1][:40])
                return

    # -------------------------------------------------------------- containers

    def _load_empty_dict(self) -> None:
        self.append(Mapping())

    def _load_dict(self) -> None:
        items = self.pop_mark()  # it changes what self.append appends to
        self.append(Mapping(items))

    def _load_set(self) -> None:
        items = self.pop_mark()
        self.append(Built(Global("builtins", "frozenset"), (items,)))

    def _load_empty_set(self) -> None:
        self.append(Built(Global("builtins", "set"), ([],)))

    def _load_additems(self) -> None:
        self.pop_mark()

    def _load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._fill(self.stack[-1], (key, value))

    def _load_setitems(self) -> None:
        items = self.pop_mark()
        self._fill(self.stack[-1], items)

    def _fill(self, target: Value, items: Value) -> None:
        if isinstance(target, Built):
            target.items += items
        elif isinstance(target, Mapping):
            target += items

    def _load_append(self) -> None:
        value = self.stack.pop()
        if type(self.stack[-1]) is list:
            self.stack[-1].append(value)

    def _load_appends(self) -> None:
        items = self.pop_mark()
        if type(self.stack[-1]) is list:
            self.stack[-1].extend(items)

    dispatch[pickle.EMPTY_DICT[0]] = _load_empty_dict
    dispatch[pickle.DICT[0]] = _load_dict
    dispatch[pickle.FROZENSET[0]] = _load_set
    dispatch[pickle.EMPTY_SET[0]] = _load_empty_set
    dispatch[pickle.ADDITEMS[0]] = _load_additems
    dispatch[pickle.SETITEM[0]] = _load_setitem
    dispatch[pickle.SETITEMS[0]] = _load_setitems
    dispatch[pickle.APPEND[0]] = _load_append
    dispatch[pickle.APPENDS[0]] = _load_appends

    # -------------------------------------------------------------- long values

    def _load_sized(self, length_bytes: int, encoding: str | None) -> None:
        """Push a value of known length, or skip over it keeping both ends."""
        size = int.from_bytes(self.read(length_bytes), "little")
        if size > KEEP:
            self.append(self._skip(size, self.read))
            return
        self.budget.kept += size
        if self.budget.kept > MAX_KEPT:
            message = "The pickle holds more text than any model needs."
            raise LimitError(message)
        data = self.read(size)
        self.append(data.decode(encoding, "surrogatepass") if encoding else data)

    def _skip(self, size: int, read: Value) -> Skipped:
        head = tail = read(min(size, KEEP))
        left = size - len(head)
        while left > 0:
            piece = read(min(left, CHUNK))
            if not piece:
                message = "The file ends in the middle."
                raise EOFError(message)
            left -= len(piece)
            tail = (tail + piece)[-KEEP:]
        return Skipped(head, tail, size)

    def _load_text(self) -> None:
        self._load_sized(4, "utf-8")

    def _load_short_text(self) -> None:
        self._load_sized(1, "utf-8")

    def _load_long_text(self) -> None:
        self._load_sized(8, "utf-8")

    def _load_old_text(self) -> None:
        self._load_sized(4, "latin1")

    def _load_short_old_text(self) -> None:
        self._load_sized(1, "latin1")

    def _load_bytes(self) -> None:
        self._load_sized(4, None)

    def _load_short_bytes(self) -> None:
        self._load_sized(1, None)

    def _load_long_bytes(self) -> None:
        self._load_sized(8, None)

    dispatch[pickle.BINUNICODE[0]] = _load_text
    dispatch[pickle.SHORT_BINUNICODE[0]] = _load_short_text
    dispatch[pickle.BINUNICODE8[0]] = _load_long_text
    dispatch[pickle.BINSTRING[0]] = _load_old_text
    dispatch[pickle.SHORT_BINSTRING[0]] = _load_short_old_text
    dispatch[pickle.BINBYTES[0]] = _load_bytes
    dispatch[pickle.SHORT_BINBYTES[0]] = _load_short_bytes
    dispatch[pickle.BINBYTES8[0]] = _load_long_bytes
    dispatch[0x96] = _load_long_bytes  # BYTEARRAY8
    dispatch[pickle.LONG4[0]] = _load_bytes  # the digits of a huge integer are of no interest

    # -------------------------------------------------------------- joblib's inline arrays

    def is_array_wrapper(self, value: Value) -> bool:
        return isinstance(value, Built) and class_path(value) in WRAPPERS

    def read_array(self, wrapper: Value) -> Value:
        """Skip the raw bytes after a marker, or walk the pickle nested there."""
        self.found.has_inline_arrays = True
        state = state_of(wrapper)
        dtype = state["dtype"]
        if has_object(dtype):
            return self.load_nested()
        self.skip_padding(state.get("numpy_array_alignment_bytes") is not None)
        size = item_size(dtype)
        for length in state["shape"]:
            size *= length if type(length) is int else _refuse_shape()
        if size < 0:
            _refuse_shape()
        self._skip(size, self.stream.read)
        return Built(Global("numpy", "ndarray"), ())


def has_object(dtype: Value) -> bool:
    """Whether a walked ``numpy.dtype`` holds Python objects."""
    code, state = _dtype_parts(dtype)
    if state is not None and len(state) > 7 and type(state[7]) is int and state[7] & 1:
        return True  # NPY_ITEM_REFCOUNT
    return code.lstrip("|<>=").startswith("O")


def item_size(dtype: Value) -> int:
    """Return the bytes per element of a walked ``numpy.dtype``."""
    code, state = _dtype_parts(dtype)
    if state is not None and type(state[5]) is int and state[5] > 0:
        return int(state[5])
    digits = code.lstrip("|<>=")[1:]
    return int(digits) if digits else 1


def _dtype_parts(dtype: Value) -> tuple[str, Value]:
    """Return the type code and the state tuple of a walked ``numpy.dtype``."""
    if not isinstance(dtype, Built) or class_path(dtype) != "numpy.dtype":
        message = "An inline array has no readable type."
        raise ValueError(message)
    code = dtype.args[0]
    if isinstance(code, bytes):
        code = code.decode("ascii")
    state = dtype.state if isinstance(dtype.state, tuple) and len(dtype.state) > 5 else None
    return str(code), state


def _refuse_shape() -> int:
    message = "An inline array has no readable shape."
    raise ValueError(message)
