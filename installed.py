"""What is installed beside the product, for judging a model file before it is loaded.

Owns: ``installed_here``. It reads the metadata of packages and imports nothing.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from model_diagnosis import Installed
from settings import Settings

_PACKAGES = {
    "scikit-learn": ("scikit-learn",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "lightgbm": ("lightgbm",),
    "numpy": ("numpy",),
    "pandas": ("pandas",),
}
"""What files record, and the packages that bring it."""


def installed_here(settings: Settings) -> Installed:
    """Return the versions, the modules and whether environments may be built."""
    return Installed(_versions(), _has_module, settings.environments)


@cache
def _versions() -> dict[str, str]:
    found = {}
    for name, packages in _PACKAGES.items():
        for package in packages:
            try:
                found[name] = version(package)
            except PackageNotFoundError:
                continue
    return found


@cache
def _has_module(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
