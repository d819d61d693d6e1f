"""xgboost and lightgbm boosters inside a model: as estimators, and what they know of columns.

Stand-alone like ``model_describe``; no booster library is imported here.
"""

from __future__ import annotations

from typing import Any


def wrap(loaded: Any) -> Any:
    """Return a bare booster as an estimator, or None for anything else."""
    return None
