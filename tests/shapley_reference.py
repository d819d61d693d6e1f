"""Shapley values by their definition, and models made of plain functions, for tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model_types import Lowered, ModelInfo, Predictions, Task, TimedCalls

Floats = NDArray[np.float64]


def coalitions(n_players: int) -> list[tuple[int, ...]]:
    """Return every subset of 0 … n - 1."""
    players = range(n_players)
    return [members for size in range(n_players + 1) for members in combinations(players, size)]


def shapley_by_definition(
    output: Callable[[pd.DataFrame], Any], rows: pd.DataFrame, background: pd.DataFrame
) -> Floats:
    """Return the interventional Shapley values, (rows, columns, outputs), from every coalition.

    The worth of a coalition is the mean output over the background rows with the coalition's
    cells replaced by those of the explained row.
    """
    d, m = rows.shape[1], len(background)
    subsets = coalitions(d)
    parts = [
        _mixed(rows.iloc[[at] * m].reset_index(drop=True), background, members)
        for at in range(len(rows))
        for members in subsets
    ]
    answers = np.asarray(output(pd.concat(parts, ignore_index=True)), dtype=float)
    worth = answers.reshape(len(rows), len(subsets), m, -1).mean(axis=2)
    place = {members: number for number, members in enumerate(subsets)}
    values = np.zeros((len(rows), d, worth.shape[2]))
    for members in subsets:
        for column in set(range(d)) - set(members):
            weight = factorial(len(members)) * factorial(d - len(members) - 1) / factorial(d)
            joined = place[tuple(sorted((*members, column)))]
            values[:, column] += weight * (worth[:, joined] - worth[:, place[members]])
    return values


def _mixed(row: pd.DataFrame, background: pd.DataFrame, members: tuple[int, ...]) -> pd.DataFrame:
    others = background.reset_index(drop=True)
    columns = [(row if at in members else others).iloc[:, at] for at in range(background.shape[1])]
    return pd.concat(columns, axis=1)


@dataclass
class FunctionModel:
    """A ``model_types.Model`` that predicts a number by a function of the table."""

    function: Callable[[pd.DataFrame], Any]
    seconds_per_row: float = 0.0
    lowered: Lowered | None = None
    rows: int = 0

    @property
    def info(self) -> ModelInfo:
        """A regression model."""
        return ModelInfo(task=Task.REGRESSION, estimator="Function")

    def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
        """Answer the function of every row, slowly if asked to."""
        self.rows += len(frame)
        time.sleep(self.seconds_per_row * len(frame))
        return Predictions(np.asarray(self.function(frame), dtype=float))

    def time_calls(
        self,
        frame: pd.DataFrame,
        *,
        batch_size: int,
        max_calls: int,
        max_seconds: float,
        warmup_calls: int = 0,
    ) -> TimedCalls:
        """Never called by explanations."""
        raise NotImplementedError

    def peak_memory_bytes(self) -> int:
        """Never called by explanations."""
        raise NotImplementedError

    def transform(self, frame: pd.DataFrame) -> Floats:
        """The table itself."""
        return frame.to_numpy(dtype=float)

    def lower(self) -> Lowered | None:
        """What the test put there."""
        return self.lowered
