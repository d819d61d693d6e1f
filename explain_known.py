"""A model that is explained by several methods, and what they may learn of it from one another.

Owns: ``KnownModel``, which is read as arrays once, and which knows the speed that it has shown.
"""

from __future__ import annotations

import time
from functools import cache

import pandas as pd

from model_types import Model, Predictions, SparseModel


class KnownModel:
    """A model that was read once: every further question needs its answers alone.

    Parameters
    ----------
    model : Model
        It does not change; a copy of it is compared with its answers wherever it is used.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.info = model.info
        self.time_calls = model.time_calls
        self.peak_memory_bytes = model.peak_memory_bytes
        self.transform = model.transform
        if isinstance(model, SparseModel):
            self.transform_sparse = model.transform_sparse
        self.lower = cache(model.lower)
        self.rows_per_second = 0.0
        """Of the quickest call so far: a busy machine slows some of them."""

    def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
        """Predict the rows of ``frame``; see ``model_types.Model``."""
        started = time.perf_counter()
        answers = self._model.predict(frame, proba=proba)
        elapsed = time.perf_counter() - started
        self.rows_per_second = max(self.rows_per_second, len(frame) / elapsed)
        return answers
