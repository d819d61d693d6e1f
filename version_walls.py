"""Reasons for which a file of one scikit-learn or XGBoost is known not to work under another.

Owns: ``known_walls``: what 176 public model files and the release notes taught, judged by the names
in a file and the versions recorded in it, before anything is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import renamed_modules
from module_packages import package_of
from version_eras import minor, parse_version

TREES = "sklearn.tree._tree.Tree"
TREES_CHANGED = (1, 3)
LIKELY_BROKEN_BEFORE = (1, 0)
"""Files older than this load at times, and most fail at the first prediction."""

_GONE = (
    (r"sklearn\.compose\._column_transformer\._RemainderColsList", (1, 8)),
    (r"sklearn\.ensemble\._gb_losses\.\w+", (1, 4)),
    (r"sklearn\.ensemble\._hist_gradient_boosting\.loss\.\w+", (1, 1)),
    (r"sklearn\._loss\._loss\.__pyx_unpickle_\w+", (1, 4)),
    (r"sklearn\.metrics\._dist_metrics\.[A-Za-z]+Distance", (1, 3)),
    (r"sklearn\.metrics\._scorer\._passthrough_scorer", (1, 4)),
    (r"xgboost\.compat\.XGBoostLabelEncoder", (1, 6)),
)
"""Private names and the first version of their library that no longer has them."""

_CHANGED_INSIDE = {
    "sklearn.calibration.CalibratedClassifierCV": (1, 2),
    "sklearn.impute._base.SimpleImputer": (1, 4),
    "sklearn.naive_bayes.GaussianNB": (1, 0),
    "sklearn.linear_model._base.LinearRegression": (0, 24),
    "sklearn.feature_extraction.text.TfidfTransformer": (1, 0),
}
"""Classes that load from files older than this version and fail at the first prediction."""


def known_walls(
    imports: Sequence[str], recorded: Mapping[str, str], installed: Mapping[str, str]
) -> list[str]:
    """Return why a file will not work under the installed versions, one sentence each.

    Parameters
    ----------
    imports : sequence of str
        ``module.name``, as the file says them.
    recorded, installed : mapping of str to str
        Package ("scikit-learn", "xgboost") to version.

    Returns
    -------
    list of str
        Empty if nothing is known to be in the way.

    Examples
    --------
    >>> tree, made, here = "sklearn.tree._tree.Tree", "1.2.2", "1.9.1"
    >>> known_walls([tree], {"scikit-learn": made}, {"scikit-learn": here})[0][:45]
    'It holds decision trees of scikit-learn 1.2.2'
    """
    here = installed.get("scikit-learn", "")
    if not here:
        return []
    walls = [*_renamed(imports, here), *_gone(imports, installed)]
    made = recorded.get("scikit-learn")
    if made is not None:
        walls += _by_version(imports, made, here)
    walls += _of_xgboost(recorded.get("xgboost"), installed.get("xgboost"))
    return walls


def _renamed(imports: Sequence[str], here: str) -> list[str]:
    old = [name for name in imports if renamed_modules.present_module(name.rpartition(".")[0])]
    old += [name for name in imports if name.startswith("sklearn.externals.joblib.")]
    if not old or minor(here) < (0, 24):
        return []
    shown = ", ".join(sorted(old)[:3])
    return [f"It names modules that scikit-learn {here} no longer has ({shown})."]


def _gone(imports: Sequence[str], installed: Mapping[str, str]) -> list[str]:
    walls = []
    for pattern, since in _GONE:
        for name in filter(re.compile(pattern).fullmatch, imports):
            library = package_of(name) or ""
            here = installed.get(library)
            if here is not None and minor(here) >= since:
                walls.append(f"It needs {name}, which {library} {here} no longer has.")
    return walls


def _by_version(imports: Sequence[str], made: str, here: str) -> list[str]:
    then, now = minor(made), minor(here)
    walls = []
    if TREES in imports and then < TREES_CHANGED <= now:
        walls.append(
            f"It holds decision trees of scikit-learn {made}, and trees of versions before 1.3 "
            f"cannot be read by {here}."
        )
    if then > now:
        walls.append(f"It was written by scikit-learn {made}, which is newer than {here} here.")
    for name, since in _CHANGED_INSIDE.items():
        if name in imports and then < since <= now:
            walls.append(
                f"A {name.rpartition('.')[2]} of scikit-learn {made} loads under {here} but lacks "
                "what its prediction needs."
            )
    if not walls and then < LIKELY_BROKEN_BEFORE <= now:
        walls.append(f"Few models of scikit-learn {made} still predict under {here}.")
    return walls


def _of_xgboost(made: str | None, here: str | None) -> list[str]:
    if not made or not here:
        return []
    if parse_version(made) < (1,) <= parse_version(here):
        return [f"Pickles of XGBoost {made} cannot be read by {here}."]
    if minor(made) > minor(here):
        return [f"It was written by XGBoost {made}, which is newer than {here} here."]
    return []
