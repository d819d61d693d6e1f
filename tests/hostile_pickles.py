"""Pickles that try to run code, each writing a marker file if it succeeds."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np


class Calls:
    """Pickles as a call of ``function(*arguments)``."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def text(value: str) -> bytes:
    """Return the instruction that pushes a string."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def named(module: str, name: str) -> bytes:
    """Return the instruction that pushes a name."""
    return f"c{module}\n{name}\n".encode()


def call(module: str, name: str, *arguments: str) -> bytes:
    """Return a pickle that calls a name with strings."""
    return named(module, name) + b"(" + b"".join(map(text, arguments)) + b"tR."


def stack_call(module: str, name: str, *arguments: str) -> bytes:
    """Return a protocol 4 pickle that takes module and name from the stack."""
    body = text(module) + text(name) + b"\x93(" + b"".join(map(text, arguments)) + b"tR."
    return b"\x80\x04" + body


def in_joblib(value: object, compress: Any = 0) -> bytes:
    """Return what joblib writes for an object."""
    file = io.BytesIO()
    joblib.dump(value, file, compress=compress)
    return file.getvalue()


def hostile_pickles(marker: Path) -> dict[str, bytes]:
    """Return one pickle per way of running code, each creating ``marker`` when it runs."""
    command = f"touch {marker}"
    code = f"open({str(marker)!r}, 'w').close()"
    system = Calls(os.system, command)
    payload = pickle.dumps(system)
    array = np.arange(50.0)
    objects = np.array([system, 1], dtype=object)
    plain = pickle.dumps({"a": 1})
    return {
        **{f"reduce, protocol {p}": pickle.dumps(system, p) for p in range(6)},
        "eval": pickle.dumps(Calls(eval, code)),
        "exec": pickle.dumps(Calls(exec, code)),
        "getattr": call("builtins", "getattr", "x", "y"),
        "__import__": call("builtins", "__import__", "antigravity"),
        "python 2 names": call("__builtin__", "eval", code),
        "open": call("builtins", "open", str(marker), "w"),
        "after an array": in_joblib([array, system]),
        "in an object array": in_joblib([array, objects]),
        "joblib zlib": in_joblib([array, system], ("zlib", 3)),
        "joblib gzip": in_joblib([array, system], ("gzip", 3)),
        "joblib bz2": in_joblib([array, system], ("bz2", 3)),
        "joblib xz": in_joblib([array, system], ("xz", 3)),
        "joblib lzma": in_joblib([objects], ("lzma", 3)),
        "gzip": gzip.compress(payload),
        "bz2": bz2.compress(payload),
        "xz": lzma.compress(payload),
        "zlib": zlib.compress(payload),
        "INST": b"(" + text(command) + b"iposix\nsystem\n.",
        "OBJ": b"(" + named("posix", "system") + text(command) + b"o.",
        "dotted name": stack_call("sklearn.datasets._base", "os.system", command),
        "dotted through an allowed module": stack_call("numpy", "f2py.os.system", command),
        "dotted module": stack_call("sklearn.utils.os", "system", command),
        "datasets remove": call("sklearn.datasets._california_housing", "remove", str(marker)),
        "datasets urlretrieve": call("sklearn.datasets._base", "urlretrieve", "file:///etc/passwd"),
        "runstring": call("numpy.testing._private.utils", "runstring", code, "{}"),
        "numpy load": call("numpy", "load", "/etc/passwd"),
        "functools.partial": call("functools", "partial", "x"),
        "operator.attrgetter": call("operator", "attrgetter", "x"),
        "operator.methodcaller": call("operator", "methodcaller", "to_csv", str(marker)),
        "pip.main": call("pip._internal.cli.main", "main", "install"),
        "ctypes": call("ctypes", "CDLL", "libc.so.6"),
        "importlib": call("importlib", "import_module", "antigravity"),
        "joblib.load": call("joblib.numpy_pickle", "load", "/etc/passwd"),
        "old joblib array": call("joblib.numpy_pickle_compat", "NDArrayWrapper", "/etc/passwd"),
        "pandas.read_pickle": call("pandas.io.pickle", "read_pickle", "/etc/passwd"),
        "nested loads": call("_pickle", "loads", "x"),
        "cloudpickle": call("cloudpickle.cloudpickle", "_make_function", "x"),
        "scipy distribution": call("scipy.stats._distn_infrastructure", "exec", code),
        "xgboost DMatrix": call("xgboost.core", "DMatrix", "/etc/passwd"),
        "persistent id": b"Pwhatever\n.",
        "binary persistent id": text("x") + b"Q.",
        "extension code": b"\x80\x02\x82\x01.",
        "foreign buffer": b"\x80\x05\x97.",
        "trailing data": plain + b"x",
        "stacked pickles": plain + payload,
        "trailing after compression": zlib.compress(plain) + payload,
        "BUILD on a class": named("sklearn.linear_model._base", "LinearRegression")
        + b"}"
        + text("predict")
        + named("numpy", "log1p")
        + b"sb.",
        "BUILD on a function": named("numpy", "log1p") + b"}" + text("a") + text("b") + b"sb.",
        "slot that changes the class": named("joblib.numpy_pickle", "NumpyArrayWrapper")
        + b")\x81(N}"
        + text("__class__")
        + named("builtins", "dict")
        + b"stb.",
        "own append": named("joblib.numpy_pickle", "NumpyArrayWrapper")
        + b")\x81"
        + text("x")
        + b"a.",
        "name from the memo": text("posix") + b"q\x00" + text("system") + b"q\x01"
        b"h\x00h\x01\x93(" + text(command) + b"tR.",
        "call of a reference": call("numpy", "log1p", "x"),
        "call of a metric": call("sklearn.metrics._classification", "accuracy_score", "x", "y"),
        "estimator's constructor": call("xgboost.core", "Booster", "x", "y", "/etc/passwd"),
        "payload, then cut off": payload[:-1],
        "cut off in a frame": payload[:-8],
        "codec": call("_codecs", "encode", "x", "rot13"),
        "nothing but a class of tests": named("sklearn.tests.random_seed", "pytest_configure")
        + b".",
        "rebuilt on an odd base": named("copyreg", "_reconstructor")
        + b"("
        + named("sklearn.linear_model._base", "LinearRegression")
        + named("sklearn.linear_model._base", "LinearRegression")
        + b"NtR.",
    }
