"""Why a model file could not be loaded, in one sentence that names the cause and the next step.

Owns: ``why_not_loaded``. Pure: it words what the worker reported.
"""

from __future__ import annotations

import re

import model_policy
from errors import ModelRaisedError
from model_types import ModelFileInfo
from module_packages import package_of

SENTENCES = frozenset(
    ("MissingLibraryError", "NotAModelError", "OnnxModelError", "TorchModelError")
)
"""Exceptions of our own worker whose text is the whole answer."""

PICKLES = ("pickle", "joblib", "unknown", "skops")
MISSING = re.compile(r"No module named '([\w.]{1,100})'")


def why_not_loaded(file: ModelFileInfo, policy: str, error: ModelRaisedError) -> str:
    """Return what to tell of a file whose loading raised an exception.

    Parameters
    ----------
    file : ModelFileInfo
        What the file's bytes say.
    policy : {"strict", "standard", "custom"}
        Under which it was loaded.
    error : ModelRaisedError
        As the worker reported it.
    """
    if error.exception_type == "RefusedError":
        return model_policy.refusal(file, policy, error.message)
    if error.exception_type in SENTENCES:
        return f"{file.name} could not be loaded: {error.message}"
    missing = MISSING.search(error.message)
    if missing:
        return f"{file.name} could not be loaded: {_missing(missing.group(1))}"
    if file.container not in PICKLES:
        return (
            f"{file.name} could not be loaded: it is damaged, or of a version that is not known "
            f"here ({error}). Save it again with the library that made it."
        )
    return f"{file.name} could not be loaded: {error}"


def _missing(module: str) -> str:
    """Return what to do about a module that is not here.

    Examples
    --------
    >>> _missing("imblearn")
    'imblearn is not installed here. Install it (pip install imbalanced-learn) and try again.'
    >>> _missing("sklearn.ensemble._gb_losses")
    'it needs sklearn.ensemble._gb_losses, which the scikit-learn installed here does not have.'
    """
    root = module.partition(".")[0]
    package = package_of(root)
    if package is None:
        return (
            f"its module {module} is not here and belongs to no known library. Save the model with "
            "classes of libraries only."
        )
    if module != root:  # Python names the part that is missing: the library itself is there
        return f"it needs {module}, which the {package} installed here does not have."
    return f"{root} is not installed here. Install it (pip install {package}) and try again."
