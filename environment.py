"""Where the numbers of a run were made: machine, interpreter and library versions.

Owns: ``describe_environment``. It reads, and changes nothing.
"""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from report_types import Environment

PRODUCT_VERSION = "0.1.0"
"""Stands in every report; raise it together with CHANGELOG.md."""

_LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "xgboost-cpu", "lightgbm", "pydantic")


def describe_environment() -> Environment:
    """Return versions and machine of this process, with the load at this moment."""
    return Environment(
        product_version=PRODUCT_VERSION,
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=_cpu_name(),
        n_cpus=os.cpu_count(),
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        libraries=_library_versions(),
    )


@cache
def _library_versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()
