"""Notes on the raw columns of a model, and small questions to objects of any library.

Owns: ``Origin`` (where a column inside a model comes from), ``Facts`` (what is known of each raw
column) and the helpers that read attributes of foreign objects. Stand-alone: standard library and
numpy, Python 3.7 syntax.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Value = Any
"""An object of any library."""


class Origin(NamedTuple):
    """Where a column comes from: ``raw value = scale * value + offset`` of raw column ``raw``."""

    raw: int
    scale: float = 1.0
    offset: float = 0.0


class Facts:
    """What is known of each raw column so far; what is told first stays.

    Parameters
    ----------
    names : list of str
        Raw columns, in order.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.columns: list[dict[str, Value]] = [{} for _ in names]

    def tell(self, origin: Origin | None, source: str, **told: Value) -> None:
        """Note values of a raw column that are None or not finite only where nothing is known."""
        if origin is None or not 0 <= origin.raw < len(self.columns):
            return
        column = self.columns[origin.raw]
        fresh = {k: v for k, v in told.items() if k not in column and is_known(v)}
        if fresh:
            column.update(fresh)
            self.tell_part(origin, source)

    def tell_part(self, origin: Origin | None, source: str) -> None:
        """Note a part of the model that takes a raw column, also where it tells no value."""
        if origin is None or not 0 <= origin.raw < len(self.columns):
            return
        column = self.columns[origin.raw]
        sources = column.setdefault("source", "")
        if source not in sources:
            column["source"] = f"{sources}, {source}" if sources else source

    def tell_range(self, origin: Origin | None, source: str, low: Value, high: Value) -> None:
        """Note a range given in the units of a stage."""
        if origin is None or not (is_known(float(low)) and is_known(float(high))):
            return
        ends = [origin.scale * float(end) + origin.offset for end in (low, high)]
        self.tell(origin, source, minimum=min(ends), maximum=max(ends))

    def tell_moments(self, origin: Origin | None, source: str, mean: Value, std: Value) -> None:
        """Note mean and standard deviation given in the units of a stage."""
        if origin is None:
            return
        raw_mean = None if mean is None else origin.scale * float(mean) + origin.offset
        raw_std = None if std is None else abs(origin.scale) * float(std)
        self.tell(origin, source, mean=raw_mean, std=raw_std)


def is_known(value: Value) -> bool:
    """Whether a value says something: not None, not NaN, not infinite, not an empty text.

    Examples
    --------
    >>> is_known(0.0), is_known(float("nan")), is_known("")
    (True, False, False)
    """
    if isinstance(value, (float, np.floating)):
        return bool(np.isfinite(value))
    return value is not None and not (isinstance(value, str) and not value)


def plain(value: Value) -> Value:
    """Return a label as JSON can carry it: str, int, float or bool.

    Examples
    --------
    >>> plain(np.int64(3)), plain(np.str_("a"))
    (3, 'a')
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float) and np.isfinite(value):
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def class_names_of(value: Value) -> set[str]:
    """Return the names of an object's class and its bases.

    Examples
    --------
    >>> sorted(class_names_of(True))
    ['bool', 'int', 'object']
    """
    return {base.__name__ for base in type(value).__mro__}


def is_pipeline(stage: Value) -> bool:
    """Whether an object hands its input through its ``steps``: a pipeline or a composed bundle."""
    return bool(class_names_of(stage) & {"Pipeline", "Bundle"})


def read(value: Value, name: str) -> Value:
    """Return an attribute, or None where it is missing or cannot be computed.

    Properties of files written by other library versions fail in many ways.

    Examples
    --------
    >>> read(1j, "imag"), read(1j, "no_such_attribute")
    (1.0, None)
    """
    try:
        return getattr(value, name, None)
    except (AttributeError, TypeError, ValueError, KeyError, IndexError):
        return None


def shape_of(value: Value, name: str) -> tuple[int, ...]:
    """Return the shape of an array attribute, () where there is none.

    Examples
    --------
    >>> shape_of(np.zeros((2, 3)), "T"), shape_of(1, "T")
    ((3, 2), ())
    """
    return tuple(int(size) for size in getattr(read(value, name), "shape", ()))
