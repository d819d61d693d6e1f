"""Model files that misbehave, for tests of the processes that hold models."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # a worker cannot import the tests


class _Calls:
    """Calls a function when unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def file_that_calls(path: Path, function: Callable[..., Any], *arguments: Any) -> Path:
    """Write a pickle that calls ``function`` while it is loaded."""
    path.write_bytes(cloudpickle.dumps(_Calls(function, *arguments)))
    return path


def regressor_that(path: Path, act: Callable[[Any], Any]) -> Path:
    """Write a regressor of one feature whose ``predict`` returns ``act(rows)``.

    Its class travels inside the file, so that a worker needs nothing of the tests.
    """

    class Regressor:
        _estimator_type = "regressor"
        n_features_in_ = 1

        def predict(self, rows: Any) -> Any:
            return act(rows)

    path.write_bytes(cloudpickle.dumps(Regressor()))
    return path


def on_big_input(misbehave: Callable[[], Any]) -> Callable[[Any], Any]:
    """Return a prediction function that answers 0 and misbehaves for any value above 100."""

    def act(rows: Any) -> Any:
        values = np.asarray(rows, dtype=float)
        if values.max() > 100:
            misbehave()
        return np.zeros(len(values))

    return act


def segfault() -> None:
    """Read address 0."""
    ctypes.string_at(0)


def exit_with_3() -> None:
    """End the process at once."""
    os._exit(3)


def spin() -> None:
    """Never come back."""
    while True:
        time.monotonic()


def allocate_50_gb() -> None:
    """Ask for more memory than any limit here."""
    np.ones(50 << 27)


def abort_for_memory() -> None:
    """Fail to allocate inside C++, which ends the process with SIGABRT."""
    ctypes.CDLL("libstdc++.so.6")._Znwm(ctypes.c_size_t(50 << 30))


def tell_surroundings() -> None:
    """Raise an exception that names every environment variable and open descriptor."""
    seen = list(os.environ)
    for fd in range(256):
        with contextlib.suppress(OSError):
            os.fstat(fd)
            seen.append(str(fd))
    raise ValueError(" ".join(seen))


def exit_sentence() -> dict[Callable[[], None], str]:
    """Return each misbehaviour and what is said of it, with a limit of 2,048 MB and 2 s."""
    return {
        segfault: "The model crashed (signal 11, segmentation fault) while {}.",
        exit_with_3: "The model ended itself (exit code 3) while {}.",
        spin: "The model gave no answer within 1 s and was stopped ({}).",
        allocate_50_gb: "The model used more than 2048 MB while {} and was stopped.",
        abort_for_memory: "The model used more than 2048 MB while {} and was stopped.",
    }
