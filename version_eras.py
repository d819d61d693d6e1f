"""Which libraries belong together: one row per scikit-learn release, with its neighbours in time.

Owns: ``ERAS``, ``era_of`` and ``parse_version``. The bounds are upper bounds (exclusive): the
newest releases of the months in which people used that scikit-learn, so that an installer finds a
set which worked together. Interpreters are those for which the release has wheels, the best first.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Era(NamedTuple):
    """A scikit-learn release and the first versions of its neighbours that came too late.

    Parameters
    ----------
    sklearn : tuple of int
        Major and minor version.
    pythons : str
        Minor versions of CPython with wheels, the best first.
    numpy, scipy, pandas, xgboost, lightgbm, catboost, imblearn : str
        Exclusive upper bounds.
    """

    sklearn: tuple[int, int]
    pythons: str
    numpy: str
    scipy: str
    pandas: str
    xgboost: str
    lightgbm: str
    catboost: str
    imblearn: str


ERAS = (
    Era((0, 20), "3.7", "1.17", "1.4", "0.26", "0.91", "2.4", "0.25", "0.5"),
    Era((0, 21), "3.7", "1.18", "1.4", "1.0", "1.0", "2.4", "0.25", "0.6"),
    Era((0, 22), "3.7 3.8", "1.19", "1.5", "1.1", "1.1", "2.4", "0.27", "0.7"),
    Era((0, 23), "3.8 3.7", "1.20", "1.6", "1.2", "1.3", "3.1", "0.27", "0.8"),
    Era((0, 24), "3.8 3.9 3.7", "1.21", "1.7", "1.3", "1.5", "3.3", "1.1", "0.9"),
    Era((1, 0), "3.9 3.8 3.10 3.7", "1.22", "1.8", "1.4", "1.6", "3.4", "1.1", "0.10"),
    Era((1, 1), "3.10 3.9 3.8", "1.24", "1.10", "1.6", "1.7", "3.4", "1.2", "0.10"),
    Era((1, 2), "3.10 3.11 3.9 3.8", "1.25", "1.11", "2.1", "1.8", "4.0", "1.3", "0.11"),
    Era((1, 3), "3.11 3.10 3.12 3.9 3.8", "2.0", "1.12", "2.2", "2.1", "4.2", "1.3", "0.12"),
    Era((1, 4), "3.11 3.10 3.12 3.9", "2.1", "1.14", "2.3", "2.1", "4.4", "1.3", "0.13"),
    Era((1, 5), "3.11 3.12 3.10 3.9 3.13", "2.2", "1.15", "2.3", "2.2", "4.6", "1.3", "0.14"),
    Era((1, 6), "3.12 3.11 3.13 3.10 3.9", "2.3", "1.16", "2.4", "3.1", "4.7", "1.3", "0.14"),
    Era((1, 7), "3.12 3.11 3.13 3.10", "2.4", "1.17", "2.4", "3.2", "4.7", "1.3", "0.15"),
    Era((1, 8), "3.13 3.12 3.11 3.14", "2.5", "1.18", "3.1", "3.3", "4.7", "1.3", "0.15"),
    Era((1, 9), "3.13 3.12 3.11 3.14", "3.0", "2.0", "4.0", "4.0", "5.0", "2.0", "1.0"),
)
"""Oldest first. What came before the first row needs an interpreter older than workers can use."""


def parse_version(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version; empty if there are none.

    Examples
    --------
    >>> parse_version("0.22.2.post1"), parse_version("1.7.dev0"), parse_version("unknown")
    ((0, 22, 2), (1, 7), ())
    """
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def minor(text: str) -> tuple[int, int]:
    """Return major and minor number of a version; missing ones are 0.

    Examples
    --------
    >>> minor("1.6.1"), minor("2")
    ((1, 6), (2, 0))
    """
    numbers = (*parse_version(text), 0, 0)
    return numbers[0], numbers[1]


def era_of(sklearn: str) -> Era:
    """Return the row of a scikit-learn version; the first or last row where it is beyond them.

    Examples
    --------
    >>> era_of("0.24.1").numpy, era_of("0.19.1").sklearn
    ('1.21', (0, 20))
    """
    wanted = minor(sklearn)
    reached = [era for era in ERAS if era.sklearn <= wanted]
    return reached[-1] if reached else ERAS[0]


def era_of_xgboost(xgboost: str) -> Era:
    """Return the first row whose time had this XGBoost version.

    Examples
    --------
    >>> era_of_xgboost("1.7.6").sklearn
    (1, 2)
    """
    wanted = parse_version(xgboost)
    later = [era for era in ERAS if wanted < parse_version(era.xgboost)]
    return later[0] if later else ERAS[-1]
