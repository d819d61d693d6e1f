"""Reading JSON from strangers: one strict parser that always answers with a readable error.

Owns: ``read_json``. Python's ``json`` takes the last of two equal keys, reads ``NaN`` and turns
``1e999`` into infinity; here each of these is an ``InputError`` that says so, as is half a
character, which nothing could write out again.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from errors import InputError, TooLargeError

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
MAX_BYTES = 64 * 1024 * 1024


def read_json(
    data: str | bytes,
    *,
    what: str = "The JSON",
    max_bytes: int = MAX_BYTES,
) -> Any:  # noqa: ANN401 - JSON is any
    """Parse one JSON document strictly.

    Parameters
    ----------
    data : str or bytes
        The document; bytes are UTF-8, with or without a byte order mark.
    what : str
        How messages call the document.
    max_bytes : int
        Larger documents are refused unread.

    Returns
    -------
    object
        Dicts, lists, strings, finite numbers, booleans and None.

    Raises
    ------
    InputError
        Not UTF-8, not JSON, a repeated key, NaN or infinity, too deeply nested.
    TooLargeError
        More than ``max_bytes``.

    Examples
    --------
    >>> read_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    if len(data) > max_bytes:
        message = f"{what} has {len(data):,} bytes; at most {max_bytes:,} are read."
        raise TooLargeError(message)
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data.removeprefix("\ufeff")
        value = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()  # fails where one has no partner
    except UnicodeEncodeError as error:
        message = f"{what} holds half a character (an unpaired surrogate); use whole characters."
        raise InputError(message) from error
    except UnicodeDecodeError as error:
        message = f"{what} is not UTF-8 text (byte {error.start}); save it as UTF-8."
        raise InputError(message) from error
    except RecursionError as error:
        message = f"{what} is nested too deeply to be read; flatten it."
        raise InputError(message) from error
    except json.JSONDecodeError as error:
        message = f"{what} is no JSON: line {error.lineno}, column {error.colno}: {error.msg}."
        raise InputError(message) from error
    except ValueError as error:  # our own hooks, and integers of more digits than Python reads
        message = f"{what} cannot be read: {error}."
        raise InputError(message) from error
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object, refusing a key that comes twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            message = f"the key {key[:80]!r} comes twice in one object"
            raise ValueError(message)
        found[key] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN, Infinity and -Infinity, which JSON does not have."""
    message = f"{name} is no JSON number; use null"
    raise ValueError(message)


def _finite(text: str) -> float:
    """Read a number, refusing one that overflows to infinity."""
    value = float(text)
    if not math.isfinite(value):
        message = f"the number {text[:40]} is too large"
        raise ValueError(message)
    return value
