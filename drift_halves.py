"""The rows of a drift simulation: two random halves and what is known of them.

Owns: ``Halves``. The reference half stays as it is; the current half is what scenarios drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drift import column_kinds, prediction_profiles
from drift_comparison import Comparison, Depth, Thresholds, compare_many
from drift_impact import Truth, quality, take, truth_of
from drift_profiles import Profile, columns_of, profile_column
from model_types import ModelInfo, Predictions
from schema_utils import Kind, Schema

MAX_HALF_ROWS = 1000
"""Rows of each half; more would only make small drifts visible, and cost time."""

MODEL_ROWS = 250
"""Rows per scenario and severity that the model is asked about."""

LIMITS = Thresholds()
"""Those of the default verdict."""
MODEL_CELLS = 250_000
"""Cells of each such table: of more than a thousand columns fewer rows are asked about."""

MIN_MODEL_ROWS = 40


@dataclass(frozen=True)
class Halves:
    """The rows of a simulation: two random halves, what the model says of them, the truth."""

    frame: pd.DataFrame
    kinds: dict[str, Kind]
    predictions: Predictions
    truth: Truth | None
    info: ModelInfo
    reference: NDArray[np.int64]
    current: NDArray[np.int64]
    seed: int

    @cached_property
    def current_frame(self) -> pd.DataFrame:
        """Rows of the current half, index = row number."""
        return self.frame.iloc[self.current]

    @cached_property
    def model_rows(self) -> NDArray[np.int64]:
        """Rows of the current half that the model is asked about."""
        fitting = max(MIN_MODEL_ROWS, MODEL_CELLS // max(1, len(self.kinds)))
        return self.current[: min(MODEL_ROWS, fitting)]

    @cached_property
    def reference_profiles(self) -> dict[str, Profile]:
        """Each input column of the reference half."""
        half = columns_of(self.frame.iloc[self.reference])
        return {name: profile_column(half[name], kind) for name, kind in self.kinds.items()}

    @cached_property
    def reference_answers(self) -> list[Profile]:
        """What the model says of the reference half."""
        return prediction_profiles(take(self.predictions, self.reference), self.info)

    @cached_property
    def untouched(self) -> dict[str, Comparison]:
        """Reference half against the current half as it is."""
        columns = columns_of(self.current_frame)
        return self.compare({name: columns[name] for name in self.kinds})

    @cached_property
    def quality_before(self) -> float | None:
        """Quality on the model's rows before any drift; None without labels."""
        return self._quality(self.model_rows)

    @cached_property
    def quality_of_half(self) -> float | None:
        """Quality on the whole current half before any drift; None without labels."""
        return self._quality(self.current)

    def _quality(self, rows: NDArray[np.int64]) -> float | None:
        if self.truth is None:
            return None
        return quality(self.truth, rows, take(self.predictions, rows)).value

    def compare(
        self, columns: Mapping[str, pd.Series[Any]], depth: Depth = Depth.VERDICT
    ) -> dict[str, Comparison]:
        """Compare columns of the reference half with what became of them."""
        pairs = {
            name: (self.reference_profiles[name], profile_column(column, self.kinds[name]))
            for name, column in columns.items()
        }
        return compare_many(pairs, LIMITS, depth=depth, exact=False)

    def rng(self, *key: int) -> np.random.Generator:
        """Return a generator of its own for each drift, whatever was drawn before."""
        return np.random.default_rng([self.seed, *key])


def split_halves(
    frame: pd.DataFrame,
    schema: Schema,
    predictions: Predictions,
    y_true: pd.Series[Any] | None,
    about: tuple[ModelInfo, int],
) -> Halves:
    """Split the rows at random into two equal halves of at most ``MAX_HALF_ROWS`` rows.

    Parameters
    ----------
    frame, schema, predictions, y_true
        As ``drift_simulation.simulate_drift`` gets them.
    about : tuple of (ModelInfo, int)
        The model, and the seed of everything random.
    """
    info, seed = about
    order = np.random.default_rng(seed).permutation(len(frame))
    half = min(len(frame) // 2, MAX_HALF_ROWS)
    inputs = {feature.name for feature in schema.inputs}
    kinds = {n: kind for n, kind in column_kinds(frame, schema).items() if n in inputs}
    return Halves(
        frame=frame.reset_index(drop=True),
        kinds=kinds or column_kinds(frame, schema),
        predictions=predictions,
        truth=truth_of(y_true, info),
        info=info,
        reference=order[:half],
        current=order[half : 2 * half],
        seed=seed,
    )
