"""Hostile model files of every kind, made anew for each test, and the traps that notice effects.

Owns: ``GROUPS`` (files by name) and ``Traps``. Files of the groups "code" and "gadgets"
leave a trace in a process that loads them without care; the others attack memory, time or the
reader of their answers.
"""

from __future__ import annotations

import bz2
import functools
import io
import lzma
import operator
import os
import pickle
import socket
import struct
import subprocess
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tests.hostile_pickles import Calls, call, hostile_pickles, in_joblib, named, text
from tests.hostile_results import forged_models, lying_models

SECRET = "the-secret-of-the-service-4711"  # noqa: S105 - a bait
SECRET_NAME = "MONITOR_BAIT"  # noqa: S105 - its name
GIBIBYTE = 1 << 30
X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)

Files = dict[str, bytes]


class Traps:
    """Things that must stay untouched: a folder, a TCP listener and a UDP socket.

    Parameters
    ----------
    folder : Path
        An empty folder in which every file counts as a trace.
    """

    def __init__(self, folder: Path, tcp: socket.socket, udp: socket.socket) -> None:
        self.folder, self._tcp, self._udp = folder, tcp, udp
        self.marker = folder / "marker"
        self.port: int = tcp.getsockname()[1]
        self.udp_port: int = udp.getsockname()[1]

    def traces(self) -> list[str]:
        """Return what happened since the last call, and set the traps again."""
        found = [str(path.name) for path in self.folder.iterdir()]
        for path in self.folder.iterdir():
            path.unlink()
        found += ["TCP connection" for _ in range(_accepted(self._tcp))]
        found += ["UDP datagram" for _ in range(_received(self._udp))]
        return found


@contextmanager
def traps(folder: Path) -> Iterator[Traps]:
    """Lay traps in a new folder and on free ports of 127.0.0.1."""
    folder.mkdir()
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.socket())
        udp = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        for trap in (tcp, udp):
            trap.bind(("127.0.0.1", 0))
            trap.setblocking(False)
        tcp.listen(100)
        yield Traps(folder, tcp, udp)


def _accepted(listener: socket.socket) -> int:
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def _received(receiver: socket.socket) -> int:
    count = 0
    while True:
        try:
            receiver.recv(1 << 16)
        except BlockingIOError:
            return count
        count += 1


GROUPS: dict[str, Callable[[Traps], Files]] = {
    "pickles": lambda set_traps: hostile_pickles(set_traps.marker),
    "code": lambda set_traps: code(set_traps),
    "gadgets": lambda set_traps: gadgets(set_traps),
    "bombs": lambda _: bombs(),
    "damaged": lambda _: damaged(),
    "forged": lambda _: forged_models(),
    "liars": lambda _: lying_models(),
}
"""What makes the files of each group."""


# ---------------------------------------------------------------- code that runs when loaded


def code(set_traps: Traps) -> Files:
    """Return files that bring code of their own."""
    touch = f"open({str(set_traps.marker)!r}, 'w').close()"
    connect = f"import socket; socket.create_connection(('127.0.0.1', {set_traps.port}), 2)"
    send = (
        "import socket; socket.socket(type=socket.SOCK_DGRAM)"
        f".sendto(b'x', ('127.0.0.1', {set_traps.udp_port}))"
    )
    fetch = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{set_traps.port}', timeout=1)"
    thread = f"import threading as t; x = t.Thread(target=exec, args=({touch!r},)); x.start()"
    daemon = f"import os\nif os.fork() == 0:\n os.setsid()\n {touch}\n os._exit(0)\nos.wait()"
    program = f"import subprocess; subprocess.run(['touch', {str(set_traps.marker)!r}])"
    sources = {
        **{"write": touch, "connect": connect, "send by UDP": send, "fetch a page": fetch},
        **{"thread": thread, "daemon": daemon, "another program": program},
    }
    files = {name: pickle.dumps(Calls(exec, source)) for name, source in sources.items()}
    own_class = _stealthy(touch)
    return files | {
        "own class": cloudpickle.dumps(own_class),
        "malicious step": in_joblib(_pipeline(Calls(exec, touch))),
        "malicious step, zlib": in_joblib(_pipeline(Calls(exec, connect)), 3),
        "malicious lambda": cloudpickle.dumps(_pipeline_by_value(touch)),
        "parameter of an honest class": pickle.dumps(LogisticRegression(C=Calls(exec, touch))),
        "attribute of a fitted model": in_joblib(_fitted(extra_=Calls(exec, connect))),
        "inside an array of an array": in_joblib(_nested_arrays(Calls(exec, touch), 5), 3),
        "fifteen pickles deep": _nested_pickles(Calls(exec, touch), 15),
        "metaclass": cloudpickle.dumps(_metaclass(touch)),
    }


def _stealthy(source: str) -> Any:
    """Return an object whose state, not its making, runs code."""

    class Model:
        def __setstate__(self, state: Any) -> None:
            exec(source, {})  # noqa: S102 - the attack

        def __getstate__(self) -> Any:
            return {"a": 1}

        def predict(self, rows: Any) -> Any:
            return np.zeros(len(rows))

    return Model()


def _metaclass(source: str) -> Any:
    """Return a call that makes a class, which runs code."""

    class Meta(type):
        def __init__(cls, *args: Any) -> None:
            super().__init__(*args)
            if args[0] == "Again":
                exec(source, {})  # noqa: S102 - the attack

    return Calls(Meta, "Again", (), {})


def _pipeline(step: Any) -> Any:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    model.steps.insert(1, ("innocent", step))
    return model


def _pipeline_by_value(source: str) -> Any:
    """Return a working pipeline whose step runs code at every prediction and when loaded."""
    quiet = make_pipeline(FunctionTransformer(lambda rows: rows), LogisticRegression()).fit(X, Y)
    quiet.steps.append(("late", Calls(exec, source)))
    return quiet


def _fitted(**attributes: Any) -> Any:
    model = LinearRegression().fit(X, Y)
    vars(model).update(attributes)
    return model


def _nested_arrays(value: Any, depth: int) -> Any:
    for _ in range(depth):
        holder = np.empty(1, dtype=object)
        holder[0] = value
        value = holder
    return [np.arange(3.0), value]


def _nested_pickles(value: Any, depth: int) -> bytes:
    data = pickle.dumps(value)
    for _ in range(depth):
        data = pickle.dumps(Calls(pickle.loads, data))
    return data


# ---------------------------------------------------------------- gadgets of installed packages


def gadgets(set_traps: Traps) -> Files:
    """Return chains through functions of libraries that models need or that lie about."""
    marker = str(set_traps.marker)
    command, touch = f"touch {marker}", f"open({marker!r}, 'w').close()"
    copied = Path(os.__file__).as_uri()
    loads = Calls(pickle.loads, pickle.dumps(Calls(os.system, command)))
    reduced: dict[str, Any] = {
        "functools.partial": Calls(functools.partial(exec, touch)),
        "operator.methodcaller": Calls(operator.methodcaller("touch"), Path(marker)),
        "subprocess": Calls(subprocess.call, ["touch", marker]),
        "importlib": Calls(
            exec, f"import importlib as i; i.import_module('os').system({command!r})"
        ),
        "nested loads": loads,
        "ctypes": Calls(exec, f"import ctypes; ctypes.CDLL(None).system({command.encode()!r})"),
        "numpy.save": Calls(np.save, marker, np.zeros(3)),
        "numpy.fromfile": Calls(np.ndarray.tofile, np.zeros(3), marker),
        "numpy.savetxt": Calls(np.savetxt, marker, np.zeros(3)),
        "numpy.memmap": Calls(np.memmap, marker, "uint8", "w+", 0, 16),
        "map": Calls(list, Calls(map, os.system, [command])),
    }
    files = {name: pickle.dumps(gadget) for name, gadget in reduced.items()}
    return files | {
        "numpy runstring": _named_call("numpy.testing._private.utils", "runstring", touch, {}),
        "scikit-learn urlretrieve": call("sklearn.datasets._base", "urlretrieve", copied, marker),
        "pandas to_pickle": _named_call("pandas.io.pickle", "to_pickle", {"a": 1}, marker),
        "joblib dump": _named_call("joblib.numpy_pickle", "dump", [1], marker),
        "second file by joblib": _second_file(set_traps, loads),
        "timeit": _named_call("timeit", "repeat", touch, "pass", time.perf_counter, 1, 1),
        "profile": _named_call("cProfile", "run", touch),
        "logging": _named_call("logging", "FileHandler", marker),
        "sqlite": _named_call("sqlite3", "connect", marker),
        "zip": _named_call("zipfile", "ZipFile", marker, "w"),
        "mailbox": _named_call("mailbox", "mbox", marker),
        "torch-like": _torch_like(pickle.dumps(Calls(os.system, command))),
        "pip": call("pip._internal.cli.main", "main", "download"),
    }


def _named_call(module: str, name: str, *arguments: Any) -> bytes:
    """Return a pickle that calls whatever a name stands for."""
    callee = named(module, name)
    packed = pickle.dumps(arguments, 2)[2:-1]
    return b"\x80\x02" + callee + packed + b"R."


def _second_file(set_traps: Traps, payload: Any) -> bytes:
    """Return a pickle that loads another pickle from the disk."""
    beside = set_traps.folder.with_suffix(".second")
    beside.write_bytes(pickle.dumps(payload))
    return call("joblib.numpy_pickle", "load", str(beside))


def _torch_like(payload: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3")
    return file.getvalue()


# ---------------------------------------------------------------- memory, time, broken bytes


def bombs() -> Files:
    """Return small files that ask for much."""
    zeros = bytes(16 << 20)
    return {
        "zlib to 3 GiB": _zlib_bomb(3 * GIBIBYTE),
        "bz2 of xz of zeros": bz2.compress(lzma.compress(zeros)),
        "3 GiB of a claimed text": b"\x80\x04\x8d" + struct.pack("<Q", 3 * GIBIBYTE) + b"x",
        "huge bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x",
        "huge bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 62) + b"x",
        "huge frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"x.",
        "huge memo": b"\x80\x02]r\xff\xff\xff\x0f.",
        "huge array": named("builtins", "bytearray") + b"(\x8a\x05\x00\x00\x00\x00\x10tR.",
        "huge numpy array": pickle.dumps(Calls(np.ndarray, (1 << 40,), "f8")),
        "huge inline array": in_joblib(np.zeros(5)).replace(b"K\x05\x85", b"J\xff\xff\xff\x7f\x85"),
        "ten to the 9 by sharing": _laughs(9),
        "100,000 lists deep": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        "100,000 marks": b"\x80\x02" + b"(" * 100_000 + b".",
        "million memo entries": b"\x80\x04]" + b"\x94" * 1_000_000 + b".",
        "long integer": b"\x80\x02\x8b" + struct.pack("<i", 1 << 24) + b"\xff" * (1 << 24) + b".",
        "digits of an integer": b"I" + b"9" * 5_000_000 + b"\n.",
        "range": pickle.dumps({"model": range(10**18)}),
    }


def _zlib_bomb(size: int) -> bytes:
    """Return a zlib stream of zeros, put together from equal blocks."""
    packer = zlib.compressobj(9)
    block = 16 << 20
    first = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * (size // block)


def _laughs(depth: int) -> bytes:
    value: Any = "ha"
    for _ in range(depth):
        value = [value] * 10
    return pickle.dumps(value)


def damaged() -> Files:
    """Return honest files that were cut or changed somewhere."""
    import lightgbm
    import xgboost

    table = lightgbm.Dataset(X, Y, free_raw_data=False)
    settings = {"objective": "binary", "verbose": -1, "min_data_in_leaf": 2, "num_threads": 1}
    text_model = lightgbm.train(settings, table, 4).model_to_string().encode()
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(X, Y), 4)
    raw = {form: bytes(booster.save_raw(form)) for form in ("ubj", "json")}
    whole = pickle.dumps(LogisticRegression().fit(X, Y))
    cuts = {f"lightgbm cut at {share:.0%}": text_model[: int(len(text_model) * share)]
            for share in (0.1, 0.3, 0.5, 0.7, 0.9)}  # fmt: skip
    cuts |= {f"xgboost cut at {share:.0%}": raw["ubj"][: int(len(raw["ubj"]) * share)]
             for share in (0.2, 0.5, 0.9)}  # fmt: skip
    cuts |= {f"pickle cut at {share:.0%}": whole[: int(len(whole) * share)]
             for share in (0.01, 0.5, 0.99)}  # fmt: skip
    cuts |= {f"lightgbm changed {i}": _changed(text_model, i) for i in range(22)}
    cuts |= {f"xgboost ubj changed {i}": _changed(raw["ubj"], i) for i in range(16)}
    cuts |= {f"xgboost json changed {i}": _changed(raw["json"], i) for i in range(10)}
    cuts |= {f"pickle changed {i}": _changed(whole, i) for i in range(12)}
    return cuts | {
        "lightgbm leaf out of range": text_model.replace(b"left_child=", b"left_child=9999 "),
        "nothing": b"",
        "zeros": bytes(5000),
        "pickle of nothing": b"\x80\x04.",
        "text": text("x"),
    }


def _changed(data: bytes, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    changed = bytearray(data)
    for place in rng.integers(40, len(data), 20):
        changed[place] = rng.integers(0, 256)
    return bytes(changed)
