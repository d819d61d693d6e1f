"""Dates in the form a model takes: as times, or as the numbers it was trained on.

Owns: ``TimeForm``, ``form_of_number`` (which form numbers of this size must be), ``read_times``
(texts as times), ``with_times`` (a table's texts as times) and ``as_model_takes`` (a table's times
as the model takes them). Tables hold times as ``datetime64``; only on the way to the model do they
become numbers or texts.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

TimeForm = Literal["days", "ordinal", "s", "ms", "us", "ns", "text"]
"""Days since 1970 or since the year 1 (``datetime.toordinal``), seconds and parts of them since
1970, or texts such as 2024-05-31."""

ORDINAL_OF_1970 = 719_163

SECONDS: dict[TimeForm, float] = {
    "days": 86_400.0,
    "ordinal": 86_400.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "ns": 1e-9,
}
"""How many seconds 1 is."""

_SIZES: tuple[tuple[TimeForm, float, float], ...] = (
    ("days", 3_650, 47_500),  # 1980 to 2100
    ("ordinal", 700_000, 767_000),  # 1917 to 2100
    ("s", 1e8, 4.2e9),  # 1973 to 2103
    ("ms", 1e11, 4.2e12),
    ("us", 1e14, 4.2e15),
    ("ns", 1e17, 4.2e18),
)
_FORMATS = (
    "ISO8601",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%d.%m.%y",
    "%m/%d/%y",
    "%d/%m/%y",
)
_LOOKS_LIKE_A_TIME = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{4}-\d{2}"


def form_of_number(typical: float) -> TimeForm | None:
    """Return what dates of our time are counted in if they are numbers of this size.

    Examples
    --------
    >>> form_of_number(738_000), form_of_number(1.6e18), form_of_number(42)
    ('ordinal', 'ns', None)
    """
    return next((form for form, low, high in _SIZES if low <= typical <= high), None)


def seconds_of(number: float, form: TimeForm) -> float:
    """Return a date that is a number as seconds since 1970.

    Examples
    --------
    >>> seconds_of(719_164, "ordinal")
    86400.0
    """
    since_1970 = number - ORDINAL_OF_1970 if form == "ordinal" else number
    return since_1970 * SECONDS[form]


def read_times(texts: pd.Series) -> pd.Series | None:
    """Read texts as times.

    Parameters
    ----------
    texts : Series of str
        Without missing values.

    Returns
    -------
    Series of datetime64, naive UTC, or None
        None where any text is no time, or the texts are written in no way we know.

    Examples
    --------
    >>> read_times(pd.Series(["31.12.2020"])).dt.year.tolist()
    [2020]
    """
    if not texts.head(50).str.contains(_LOOKS_LIKE_A_TIME, regex=True).all():
        return None
    for form in _FORMATS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas warns of texts that it cannot read
            read = pd.to_datetime(texts, errors="coerce", utc=True, format=form)
        if read.notna().all():
            return read.dt.tz_localize(None)
    return None


def with_times(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return a table whose named columns are times where their texts can be read as such."""
    read: dict[str, Any] = {}
    for name in names:
        column = frame[name]
        if column.dtype.kind in "Mbiuf" or isinstance(column.dtype, pd.DatetimeTZDtype):
            continue
        times = read_times(column.dropna().astype("str"))
        if times is not None:
            read[name] = times.reindex(column.index)
    return frame.assign(**read)


def as_model_takes(frame: pd.DataFrame, forms: Mapping[str, TimeForm]) -> pd.DataFrame:
    """Return a table whose times are what the model takes; other cells stay as they are.

    Parameters
    ----------
    frame : DataFrame
    forms : mapping of str to str
        By column; columns without a form stay times.

    Examples
    --------
    >>> frame = pd.DataFrame({"on": pd.to_datetime(["1970-01-02"])})
    >>> as_model_takes(frame, {"on": "ordinal"})["on"].tolist()
    [719164]
    """
    changed = {
        name: _numbers(frame[name], form)
        for name, form in forms.items()
        if name in frame.columns and pd.api.types.is_datetime64_any_dtype(frame[name].dtype)
    }
    return frame.assign(**changed) if changed else frame


def _numbers(times: pd.Series, form: TimeForm) -> pd.Series:
    """Return times as whole numbers, as floats where some are missing; or as texts."""
    if getattr(times.dtype, "tz", None) is not None:
        times = times.dt.tz_convert("UTC").dt.tz_localize(None)
    if form == "text":
        texts: pd.Series = times.dt.strftime("%Y-%m-%d")
        return texts
    unit = "D" if SECONDS[form] == 86_400 else form
    ticks = times.to_numpy().astype(f"datetime64[{unit}]").astype(np.int64)
    ticks = ticks + ORDINAL_OF_1970 if form == "ordinal" else ticks
    numbers = pd.Series(ticks, index=times.index)
    missing = times.isna()
    return numbers.astype(np.float64).mask(missing) if missing.any() else numbers
