"""Loading a model file under a policy.

Owns: ``load`` (formats of boosters, pickle, joblib) and the unpickler behind the policy
``standard``: names of the allow-list only (``pickle_rules``), nothing called that the list does not
let be called, no object of the process changed. It bounds what a file can *do*, not what it can
cost or corrupt: malformed trees still crash the process and big claims still take memory, therefore
it runs in a confined worker. Joblib's format is read by ourselves, so that no second, unrestricted
unpickler lies behind an array.

This is the only module that unpickles anything, and ``_load_unrestricted`` the only place that does
so without rules (policy ``custom``). Python 3.7 syntax, standard library and numpy.
"""

from __future__ import annotations

import collections
import importlib
import io
import pickle
import types
import warnings
from typing import Any, BinaryIO

import numpy as np

import container_file
import file_kinds
import pickle_rules
import pickle_walk
import renamed_modules
import skops_walk
import worker_formats
from pickle_stream import (
    GIBIBYTE,
    Budget,
    LimitError,
    Stream,
    StreamUnpickler,
    compression_of,
    open_stream,
)

MAX_DTYPE_DEPTH = 8
RENAMED = "{} is now in {}: read with the present class, which may predict otherwise"
POLICIES = ("strict", "standard", "custom")

Value = Any
"""Whatever a model file can hold."""


class RefusedError(ValueError):
    """The policy does not let this file be loaded.

    Parameters
    ----------
    names : list of str
        Every name the policy blocks, sorted.
    problems : list of str
        What the file would do that no library's file does.
    """

    def __init__(self, names: list[str], problems: list[str]) -> None:
        super().__init__(_refusal(names, problems))
        self.names = names
        self.problems = problems


def load(file: BinaryIO, *, policy: str = "standard", max_bytes: int = 2 * GIBIBYTE) -> Value:
    """Load what a model file holds.

    Parameters
    ----------
    file : binary file
        A pickle, compressed by joblib or not, or a file in one of the formats of
        ``worker_formats``.
    policy : {"strict", "standard", "custom"}
        ``strict`` refuses every pickle, ``standard`` loads pickles by the allow-list, ``custom``
        runs whatever code the file asks for. The names of a skops file are judged by the
        allow-list under ``strict`` too.
    max_bytes : int
        Bound on the decompressed size.

    Returns
    -------
    object

    Raises
    ------
    RefusedError
        Naming everything that is blocked, before anything was loaded.
    Exception
        Whatever libraries raise over a file of another version or a damaged one.
    """
    if policy not in POLICIES:
        message = f"unknown policy {policy!r}; known are {', '.join(POLICIES)}"
        raise ValueError(message)
    file.seek(0)
    container = file_kinds.kind_of(file.read(file_kinds.HEAD), file)
    if container == "parts":
        return _load_parts(file, policy, max_bytes)
    if container not in (None, "pickle"):
        if policy == "strict" and container in file_kinds.PROGRAMS:
            raise RefusedError([], ["it carries a program for PyTorch's own interpreter"])
        trusted = _skops_names(file, policy, max_bytes) if container == "skops" else []
        return worker_formats.read_model(_whole(file, max_bytes), container, trusted)
    if policy == "custom":
        return _load_unrestricted(file)
    if policy == "strict":
        raise RefusedError([], ["it is a pickle, and the policy strict takes formats without code"])
    refuse_unless_clean(pickle_walk.walk(file, max_bytes=max_bytes))
    stream = open_stream(file, max_bytes)
    return AllowListUnpickler(stream, Budget()).load_all()


def _whole(file: BinaryIO, max_bytes: int) -> bytes:
    """Return a file's bytes; its size is asked first, since reading reserves what is asked for."""
    size = file.seek(0, 2)
    if size > max_bytes:
        message = f"the file has {size:,} bytes; {max_bytes:,} are the most"
        raise LimitError(message)
    file.seek(0)
    return file.read(size)


def _skops_names(file: BinaryIO, policy: str, max_bytes: int) -> list[str]:
    """Return the names that a skops file may import: all of its own, once each was judged."""
    walk = skops_walk.walk(file, max_bytes=max_bytes)
    if policy != "custom":
        refuse_unless_clean(walk)
        for module, name in walk.imports:
            value = _allowed(module, name)
            if (module, name) in walk.called and not _may_be_called(module, name, value):
                raise RefusedError([], [f"it calls {module}.{name} while loading"])
    return [f"{module}.{name}" for module, name in walk.imports]


def _allowed(module: str, name: str) -> Value:
    """Return what a name stands for, or refuse where it is not what its text promised."""
    try:
        return pickle_rules.resolve(module, name)
    except ModuleNotFoundError:
        present = renamed_modules.present_module(module)
        if present is None:
            raise
        warnings.warn(RENAMED.format(f"{module}.{name}", present), stacklevel=2)
        return _allowed(present, name)
    except LookupError as error:
        raise RefusedError([f"{module}.{name}"], [str(error)]) from error


def _may_be_called(module: str, name: str, value: Value) -> bool:
    return pickle_rules.may_be_called(module, name) or pickle_rules.is_callable(value, {})


def _load_parts(file: BinaryIO, policy: str, max_bytes: int) -> dict[str, Value]:
    """Load several files that were put together, each under the same policy, by their names."""
    files = container_file.unpack(file)
    keys = container_file.keys_of([name for name, _ in files])
    loaded = {}
    for key, (_, part) in zip(keys, files):  # noqa: B905 - Python 3.7
        if part.read(len(container_file.MAGIC)) == container_file.MAGIC:
            raise RefusedError([], ["it holds files put together inside files put together"])
        loaded[key] = load(part, policy=policy, max_bytes=max_bytes)
    return loaded


def refuse_unless_clean(walk: pickle_walk.Walk) -> None:
    """Raise ``RefusedError`` with everything that speaks against loading a walked file."""
    names = sorted(
        walk.judged(pickle_rules.BLOCKED) + walk.judged(pickle_rules.DANGEROUS),
    )
    problems = list(walk.problems)
    if walk.error is not None:
        problems.append(f"it cannot be read to its end ({walk.error})")
    if names or problems:
        raise RefusedError(names, problems)


def _refusal(names: list[str], problems: list[str]) -> str:
    """Return the sentence that tells a data scientist what is in the way."""
    parts = []
    if names:
        shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        parts.append(f"it refers to {shown}, which the allow-list does not know")
    parts.extend(problems)
    return (
        f"This file was not loaded: {'; '.join(parts)}. If you made it yourself, save the model "
        "with library classes only, or load it under the policy custom."
    )


def _load_unrestricted(file: BinaryIO) -> Value:
    """Load a file with all the code in it (policy ``custom``)."""
    file.seek(0)
    try:
        import joblib
    except ImportError:
        return pickle.load(file)  # noqa: S301 - the policy custom says so
    if compression_of(file.read(8)) == "zstd":  # joblib does not know it
        file = io.BytesIO(open_stream(file).read(2 * GIBIBYTE))
    file.seek(0)
    return joblib.load(file)


class AllowListUnpickler(StreamUnpickler):
    """Unpickles by the allow-list and reads joblib's arrays itself.

    Parameters
    ----------
    stream : Stream
        From ``pickle_stream.open_stream``.
    budget : Budget
        Instructions and depth the file may use.
    exact : dict of int to object, optional
        Objects that may be called, by ``id``; shared with nested pickles.
    """

    dispatch = StreamUnpickler.dispatch.copy()

    def __init__(
        self, stream: Stream, budget: Budget, exact: dict[int, Value] | None = None
    ) -> None:
        super().__init__(stream, budget)
        self.exact: dict[int, Value] = {} if exact is None else exact

    def nested(self) -> StreamUnpickler:
        """Return an unpickler under the same rules."""
        return AllowListUnpickler(self.stream, self.budget, self.exact)

    def find_class(self, module: str, name: str) -> Value:
        """Return what an allowed name stands for, or refuse."""
        module, name = self.modern_name(module, name)
        verdict = pickle_rules.judge(module, name)
        if verdict not in (pickle_rules.ALLOWED, pickle_rules.LEFT_OUT):
            raise RefusedError([f"{module}.{name}"], [])
        value = REPLACED.get((module, name))
        if value is None:
            value = _allowed(module, name)
        if verdict == pickle_rules.LEFT_OUT or pickle_rules.may_be_called(module, name):
            self.exact[id(value)] = value
        return value

    def persistent_load(self, pid: Value) -> Value:
        """Refuse objects outside the file."""
        raise RefusedError([], ["it refers to objects outside the file (persistent ids)"])

    def get_extension(self, code: int) -> None:
        """Refuse names by number."""
        raise RefusedError([], ["it uses extension codes instead of names"])

    # -------------------------------------------------------------- calls and state

    def _check_call(self, callee: Value) -> None:
        if not pickle_rules.is_callable(callee, self.exact):
            raise RefusedError([], [f"it calls {callee!r:.100} while loading"])

    def _load_reduce(self) -> None:
        args = self.stack.pop()
        callee = self.stack[-1]
        self._check_call(callee)
        if callee is _load_type:
            self.stack[-1] = self.find_class("builtins", *args)
            return
        self.stack[-1] = callee(*args)

    def _instantiate(self, klass: Value, args: Value) -> None:
        if args:
            self._check_call(klass)
            self.append(klass(*args))
        else:
            self.append(_new(klass, (), {}))

    def _load_newobj(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = _new(self.stack[-1], args, {})

    def _load_newobj_ex(self) -> None:
        kwargs, args = self.stack.pop(), self.stack.pop()
        self.stack[-1] = _new(self.stack[-1], args, kwargs)

    def build(self) -> None:
        """Give an object its state; refuse to change classes, functions and modules."""
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, UNCHANGEABLE):
            raise RefusedError([], [f"it changes {target!r:.100} itself, not an object of it"])
        set_state = getattr(type(target), "__setstate__", None)  # never one the file put there
        if set_state is not None:
            if type(target).__module__ == "sklearn.tree._tree" and not is_sound_tree(state):
                raise RefusedError([], ["it holds a malformed decision tree"])
            set_state(target, state)
            if isinstance(target, np.dtype) and not is_sound(target):
                raise RefusedError([], ["it holds a malformed array type"])
            return
        slots = None
        if isinstance(state, tuple) and len(state) == 2:
            state, slots = state
        if state:
            target.__dict__.update(state)
        for name, value in (slots or {}).items():
            _set_slot(target, name, value)

    # Filling is for containers only: an object's own "append" could be anything the file put there.

    def _expect(self, target: Value, *kinds: type) -> None:
        if not isinstance(target, kinds):
            raise RefusedError([], [f"it fills a {type(target).__name__} like a container"])

    def _load_append(self) -> None:
        value = self.stack.pop()
        self._expect(self.stack[-1], list, collections.deque)
        self.stack[-1].append(value)

    def _load_appends(self) -> None:
        items = self.pop_mark()
        self._expect(self.stack[-1], list, collections.deque)
        self.stack[-1].extend(items)

    def _load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._expect(self.stack[-1], dict)
        self.stack[-1][key] = value

    def _load_setitems(self) -> None:
        items = self.pop_mark()
        self._expect(self.stack[-1], dict)
        for i in range(0, len(items), 2):
            self.stack[-1][items[i]] = items[i + 1]

    def _load_additems(self) -> None:
        items = self.pop_mark()
        self._expect(self.stack[-1], set)
        self.stack[-1].update(items)

    dispatch[pickle.APPEND[0]] = _load_append
    dispatch[pickle.APPENDS[0]] = _load_appends
    dispatch[pickle.SETITEM[0]] = _load_setitem
    dispatch[pickle.SETITEMS[0]] = _load_setitems
    dispatch[pickle.ADDITEMS[0]] = _load_additems
    dispatch[pickle.REDUCE[0]] = _load_reduce
    dispatch[pickle.NEWOBJ[0]] = _load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = _load_newobj_ex

    # -------------------------------------------------------------- joblib's inline arrays

    def is_array_wrapper(self, value: Value) -> bool:
        """Whether joblib's marker of an inline array was just completed."""
        return isinstance(value, ArrayMarker)

    def read_array(self, wrapper: ArrayMarker) -> Value:
        """Return the array that follows its marker, in native byte order."""
        dtype = wrapper.dtype
        if not isinstance(dtype, np.dtype):
            message = "An inline array has no readable type."
            raise TypeError(message)
        if dtype.hasobject:
            return self.load_nested()
        self.skip_padding(wrapper.numpy_array_alignment_bytes is not None)
        count = 1
        for length in wrapper.shape:
            count *= int(length)
        data = self.stream.read(count * dtype.itemsize)
        array = np.frombuffer(data, dtype=dtype, count=count).copy() if data else np.empty(0, dtype)
        if not dtype.isnative:
            array = array.astype(dtype.newbyteorder("="))
        if wrapper.order == "F":
            return array.reshape(wrapper.shape[::-1]).T
        return array.reshape(wrapper.shape)


class ArrayMarker:
    """Takes the place of joblib's ``NumpyArrayWrapper``: what it says of the array that follows."""

    dtype: Value = None
    shape: Value = ()
    order = "C"
    numpy_array_alignment_bytes: int | None = None  # joblib before 1.2 did not align


UNCHANGEABLE = (
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.ModuleType,
    np.ufunc,
)


def is_sound(dtype: np.dtype[Any], depth: int = 0) -> bool:
    """Whether an array type is one that numpy itself makes; forged ones crash the process.

    Examples
    --------
    >>> is_sound(np.dtype([("a", "f8"), ("b", "i4")]))
    True
    """
    if depth > MAX_DTYPE_DEPTH or dtype.alignment not in (1, 2, 4, 8, 16):
        return False
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return dtype.itemsize == base.itemsize * int(np.prod(shape)) and is_sound(base, depth + 1)
    if dtype.fields is None:
        sizes = {"S": 1, "U": 4, "V": 1}
        unit = sizes.get(dtype.kind)
        fixed = np.dtype(dtype.char).itemsize if unit is None else None
        right = dtype.itemsize == fixed if unit is None else dtype.itemsize % unit == 0
        return right and dtype.hasobject == (dtype.kind == "O")
    parts = [(field[0], field[1]) for field in dtype.fields.values()]
    inside = all(at >= 0 and at + part.itemsize <= dtype.itemsize for part, at in parts)
    objects = any(part.hasobject for part, _ in parts)
    named = set(dtype.names or ()) <= set(dtype.fields)
    sound = all(is_sound(part, depth + 1) for part, _ in parts)
    return inside and named and sound and dtype.hasobject == objects


def is_sound_tree(state: Value) -> bool:
    """Whether a tree's state is one that scikit-learn grows: children in range, after parents.

    Trees that are not loop for ever or crash the process when they predict.
    """
    nodes, values = state["nodes"], state["values"]
    count = state["node_count"]
    if not (isinstance(nodes, np.ndarray) and isinstance(values, np.ndarray)):
        return False
    if nodes.shape != (count,) or values.ndim != 3 or len(values) != count:
        return False
    places = np.arange(count)
    for side in ("left_child", "right_child"):
        child = nodes[side]
        if not bool(np.all((child == -1) | ((child > places) & (child < count)))):
            return False
    return bool(np.all((nodes["left_child"] == -1) == (nodes["right_child"] == -1)))


def _new(cls: Value, args: Value, kwargs: Value) -> Value:
    """Allocate an object of a class without initialising it."""
    if not isinstance(cls, type):
        raise RefusedError([], [f"it creates an object of {cls!r:.100}, which is no class"])
    return cls.__new__(cls, *args, **kwargs)


def _set_slot(target: Value, name: Value, value: Value) -> None:
    """Set an attribute that is not in ``__dict__``; never one that changes what the object is."""
    if not isinstance(name, str) or name.startswith("__"):
        raise RefusedError([], [f"it sets the attribute {name!r:.100}"])
    setattr(target, name, value)


def _reconstructor(cls: Value, base: Value, state: Value) -> Value:
    """Do what ``copyreg._reconstructor`` does, for plain bases only."""
    if base is object:
        return _new(cls, (), {})
    if base not in (dict, list, tuple, set, frozenset, str, int, float, bytes):
        raise RefusedError([], [f"it rebuilds an object on {base!r:.100}"])
    rebuilt = base.__new__(cls, state)
    if base.__init__ is not object.__init__:
        base.__init__(rebuilt, state)
    return rebuilt


def _newobj(cls: Value, *args: Value) -> Value:
    """Do what ``copyreg.__newobj__`` does."""
    return _new(cls, args, {})


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Do what ``_codecs.encode`` does for the bytes of Python 2 protocols."""
    if encoding not in ("latin1", "latin-1", "ascii", "utf-8"):
        raise RefusedError([], [f"it uses the codec {encoding!r:.40}"])
    return text.encode(encoding)


def _random(name: str, *first: Value) -> Value:
    """Rebuild a random generator; the file may not choose what its bit generator is made with."""
    return getattr(importlib.import_module("numpy.random._pickle"), name)(*first[:1])


def _random_state(*args: Value) -> Value:
    return _random("__randomstate_ctor", *args)


def _generator(*args: Value) -> Value:
    return _random("__generator_ctor", *args)


def _new_index(kind: Value, parts: Value) -> Value:
    """Return the labels of a pandas index as an array: old column transformers compare them."""
    labels = parts.get("data") if isinstance(parts, dict) else None
    return labels if isinstance(labels, np.ndarray) else kind()


def _create_array(function: Value, args: Value, state: Value, extra: Value = None) -> Value:
    """Rebuild an array as dill wrote it, by the one function that makes arrays."""
    if function is not pickle_rules.resolve("numpy.core.multiarray", "_reconstruct"):
        raise RefusedError([], [f"it calls {function!r:.100} while loading"])
    array = function(*args)
    array.__setstate__(state)
    return array


def _load_type(name: Value) -> Value:
    """Stand for dill's name of one of Python's own types; the unpickler looks it up itself."""
    raise RefusedError([], [f"it asks dill for {name!r:.40}"])


REPLACED = {
    ("dill._dill", "_create_array"): _create_array,
    ("dill._dill", "_load_type"): _load_type,
    ("pandas.core.indexes.base", "_new_Index"): _new_index,
    ("numpy.random._pickle", "__randomstate_ctor"): _random_state,
    ("numpy.random._pickle", "__generator_ctor"): _generator,
    ("copyreg", "_reconstructor"): _reconstructor,
    ("copyreg", "__newobj__"): _newobj,
    ("_codecs", "encode"): _encode,
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): ArrayMarker,
    ("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"): ArrayMarker,
}
"""Names answered with our own, narrower versions."""
