"""What will become of a model file here, told before anything of it is loaded.

Owns: ``diagnose`` (what the file is, what wrote it, what is missing, what is known to go wrong and
what will be done) and ``matching_spec`` (the libraries of its time). Pure: it judges what
``model_file`` read and what the caller says is installed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from diagnosis_types import Diagnosis, EnvironmentSpec, MissingPackage, Outlook
from model_types import ModelFileInfo, Safety
from module_packages import package_of
from version_eras import ERAS, Era, era_of, era_of_xgboost, minor, parse_version
from version_walls import known_walls

CONTAINERS = {
    "pickle": "pickle",
    "joblib": "joblib file",
    "xgboost-json": "XGBoost model (JSON)",
    "xgboost-ubj": "XGBoost model (UBJSON)",
    "lightgbm-text": "LightGBM model (text)",
    "catboost-cbm": "CatBoost model",
    "onnx": "ONNX model",
    "skops": "skops file",
    "torchscript": "TorchScript program",
    "torch-export": "exported PyTorch program",
}
READERS = {
    "xgboost-json": "xgboost",
    "xgboost-ubj": "xgboost",
    "lightgbm-text": "lightgbm",
    "catboost-cbm": "catboost",
    "onnx": "onnxruntime",
    "skops": "skops",
    "torchscript": "torch",
    "torch-export": "torch",
}
"""The module that each format needs besides those it names."""
PICKLES = ("pickle", "joblib")
OLDEST_EXACT = (0, 20)
"""Older scikit-learn versions need interpreters that workers cannot use."""

CPU_XGBOOST = (2, 1, 1)
"""Since this version there is a package of XGBoost without libraries for graphics processors."""

IMPLIED = (
    (r"numpy\._core\b", "numpy", "2.0", "2.1"),
    (r"numpy\.random\._pickle\b", "numpy", "1.17", "1.20"),
    (r"scipy\.sparse\._(csr|csc|coo|bsr|dia|dok|lil)\b", "scipy", "1.8", "1.9"),
)
"""Names that came with a version: pattern, library, that version, and a bound that allows it."""

VERSION = re.compile(r"[0-9]+(\.[0-9]+){1,3}((a|b|rc|\.post|\.dev)[0-9]+)?")
MAX_VERSION = 30
MAX_CUSTOM = 20


@dataclass(frozen=True, slots=True)
class Installed:
    """What is here.

    Parameters
    ----------
    versions : mapping of str to str
        Package, as in "scikit-learn", to version.
    has_module : callable
        Whether a top-level module can be imported.
    may_build : bool
        Whether environments may be built.
    """

    versions: Mapping[str, str]
    has_module: Callable[[str], bool]
    may_build: bool = False


def diagnose(file: ModelFileInfo, installed: Installed) -> Diagnosis:
    """Say what a file is and what will be done about it.

    Parameters
    ----------
    file : ModelFileInfo
        From ``model_file.inspect_file``.
    installed : Installed

    Returns
    -------
    Diagnosis
    """
    found = Diagnosis(
        what=_what(file),
        written_with=dict(file.written_with),
        hints=_hints(file),
        missing=_missing([*file.imports, READERS.get(file.container, "builtins")], installed),
        custom_classes=_custom_classes(file)[:MAX_CUSTOM],
        walls=known_walls(file.imports, file.written_with, installed.versions),
        environment=matching_spec(file),
    )
    found.outlook = _outlook(file, found, installed)
    found.plan, found.next_step = _plan(file, found, installed)
    return found


def matching_spec(file: ModelFileInfo) -> EnvironmentSpec | None:
    """Return the environment in which a pickle was most likely written, None if nothing tells.

    Examples
    --------
    >>> told = {"scikit-learn": "0.24.2"}
    >>> file = ModelFileInfo(
    ...     name="m", size_bytes=1, sha256="0", container="pickle", written_with=told
    ... )
    >>> spec = matching_spec(file)
    >>> spec.pythons[0], spec.requirements[3], spec.requirements[4]
    ('3.8', 'scikit-learn==0.24.2', 'scipy<1.7')
    """
    if file.container not in PICKLES:
        return None
    made, xgboost = _recorded(file, "scikit-learn"), _recorded(file, "xgboost")
    roots = {name.split(".", maxsplit=1)[0] for name in file.imports}
    if made is None and xgboost is None and not _is_old(file):
        return None
    era = era_of(made) if made else era_of_xgboost(xgboost) if xgboost else ERAS[1]
    exact = made is not None and minor(made) >= OLDEST_EXACT
    return EnvironmentSpec(
        pythons=era.pythons.split(),
        requirements=sorted(_requirements(file, era, roots, made if exact else None)),
        exact=exact or (made is None and xgboost is not None),
    )


def _recorded(file: ModelFileInfo, library: str) -> str | None:
    """Return a recorded version; a text that is none must never reach an installer."""
    told = file.written_with.get(library, "")
    return told if len(told) <= MAX_VERSION and VERSION.fullmatch(told) else None


def _is_old(file: ModelFileInfo) -> bool:
    """Whether names alone tell that scikit-learn was 0.21 or older."""
    return bool(known_walls(file.imports, {}, {"scikit-learn": "1.0"}))


def _requirements(
    file: ModelFileInfo, era: Era, roots: Iterable[str], sklearn: str | None
) -> list[str]:
    series = f"scikit-learn=={'.'.join(map(str, era.sklearn))}.*"
    wanted = [
        f"scikit-learn=={sklearn}" if sklearn and "dev" not in sklearn else series,
        f"numpy{_range(file, 'numpy', _bounded_numpy(file, era))}",
        f"scipy{_range(file, 'scipy', era.scipy)}",
        f"pandas<{era.pandas}",
        "joblib",
        "threadpoolctl",
    ]
    if "xgboost" in roots:
        wanted.append(_xgboost_requirement(_recorded(file, "xgboost"), era))
    bounds = {"lightgbm": era.lightgbm, "catboost": era.catboost, "imblearn": era.imblearn}
    wanted += [f"{package_of(root)}<{bounds[root]}" for root in bounds if root in roots]
    return wanted


def _range(file: ModelFileInfo, library: str, bound: str) -> str:
    """Return the range of a library: its time, and what names in the file ask for at least."""
    for pattern, of, least, below in IMPLIED:
        if of == library and any(map(re.compile(pattern).match, file.imports)):
            return f">={least},<{max(bound, below, key=parse_version)}"
    return f"<{bound}"


def _bounded_numpy(file: ModelFileInfo, era: Era) -> str:
    """Return the bound of numpy: below 2 where names of the old numpy stand in the file."""
    old = any(name.startswith("numpy.core") for name in file.imports)
    return "2" if old and parse_version(era.numpy) > (2,) else era.numpy


def _xgboost_requirement(made: str | None, era: Era) -> str:
    newest = parse_version(made or era.xgboost)
    package = "xgboost-cpu" if newest >= CPU_XGBOOST else "xgboost"
    return f"{package}=={made}" if made else f"{package}<{era.xgboost}"


def _what(file: ModelFileInfo) -> str:
    kind = CONTAINERS.get(file.container, f"file of the form {file.container}")
    if file.protocol is not None:
        kind += f" (protocol {file.protocol})"
    if file.compression:
        kind += f", compressed with {file.compression}"
    holds = f" that holds a {file.estimator.rpartition('.')[2]}" if file.estimator else ""
    article = "An" if kind.startswith(("X", "ON", "ex")) else "A"
    return f"{article} {kind}{holds}."


def _hints(file: ModelFileInfo) -> list[str]:
    """Return what names and protocol tell of versions that are not recorded."""
    hints = []
    if any(name.startswith("numpy._core") for name in file.imports):
        hints.append("numpy 2 or later: it names numpy._core")
    elif any(name.startswith("numpy.core") for name in file.imports):
        hints.append("numpy 1: it names numpy.core")
    pythons = {
        0: "Python 2, or saved with protocol 0",
        2: "Python 2, or saved with protocol 2",
        3: "Python 3.7 or earlier, or saved with protocol 3",
        4: "Python 3.8 to 3.13, or saved with protocol 4",
        5: "Python 3.14, or saved with protocol 5 by 3.8 or later",
    }
    if file.container in PICKLES and file.protocol in pythons:
        hints.append(f"{pythons[file.protocol]}: protocol {file.protocol} is the default there")
    if "scikit-learn" not in file.written_with and _is_old(file):
        hints.append("scikit-learn 0.21 or earlier: it names modules of that time")
    return hints


def _missing(imports: Iterable[str], installed: Installed) -> list[MissingPackage]:
    roots = sorted({name.split(".", maxsplit=1)[0] for name in imports})
    named = [(root, package_of(root)) for root in roots]
    return [
        MissingPackage(module=root, package=package)
        for root, package in named
        if package is not None and not installed.has_module(root)
    ]


def _custom_classes(file: ModelFileInfo) -> list[str]:
    """Return the refused names that belong to no library known here."""
    return [
        name
        for name in file.blocked
        if package_of(name) is None
        and name.split(".", maxsplit=1)[0] not in sys.stdlib_module_names
    ]


def _outlook(file: ModelFileInfo, found: Diagnosis, installed: Installed) -> Outlook:
    if file.safety is Safety.DANGEROUS or found.missing or found.custom_classes:
        return Outlook.CANNOT
    if found.walls:
        return Outlook.BREAKS
    for library, same in (("scikit-learn", minor), ("xgboost", _major)):
        made, here = file.written_with.get(library), installed.versions.get(library)
        if file.container in PICKLES and made and here and same(made) != same(here):
            return Outlook.MAY_DIFFER
    return Outlook.LOADS


def _major(version: str) -> int:
    return minor(version)[0]


def _plan(file: ModelFileInfo, found: Diagnosis, installed: Installed) -> tuple[str, str | None]:
    """Return what will be done, and what the user can do."""
    here = installed.versions.get("scikit-learn", "installed here")
    if found.outlook is Outlook.CANNOT:
        return _plan_of_refused(file, found)
    if found.outlook is Outlook.LOADS:
        return "It will be loaded with the libraries installed here.", None
    spec = found.environment
    again = f"Or save the model again with scikit-learn {here}."
    where = "" if spec is None else f"Python {spec.pythons[0]}, {spec.title}"
    if found.outlook is Outlook.MAY_DIFFER:
        plan = (
            f"It will be loaded with the libraries installed here (scikit-learn {here}); "
            "predictions may differ from those at training."
        )
        if spec is None or not installed.may_build:
            return plan, None
        return plan, f"Choose the matching environment to run it as it was made: {where}."
    if spec is None:
        return f"It will be tried with scikit-learn {here}, which most likely fails.", again[3:]
    if installed.may_build:
        return f"It will run in an environment of its own: {where}.", None
    return (
        f"It will be tried with scikit-learn {here}, which most likely fails.",
        f"Start with MONITOR_ENVIRONMENTS=true to run it under {where}. {again}",
    )


def _plan_of_refused(file: ModelFileInfo, found: Diagnosis) -> tuple[str, str]:
    if found.missing:
        return "It cannot be loaded as it is.", " ".join(f"{m.sentence}." for m in found.missing)
    if file.safety is Safety.DANGEROUS:
        return "It will be refused.", "Save the fitted model itself with joblib.dump."
    return (
        "It needs classes of its author, which are not in the file, and will be refused.",
        "Save the model with classes of libraries only, or ask the operator to approve the file.",
    )
