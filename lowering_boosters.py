"""XGBoost and LightGBM models as plain arrays.

Owns: the readers of both libraries' own model formats. Runs in the model's process (standard
library and numpy, Python 3.7 syntax); the arrays are described in ``model_lowering``. A reader
returns None for what it does not know (category splits, linear leaves, vector leaves, custom
objectives): such a model is explained through its predictions instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

READERS: dict[str, Callable[[Any], Any]] = {}
