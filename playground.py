"""Play with drift: knobs in, distributions, tests, predictions and accuracy out.

Owns: ``Knobs`` (all that a player can turn), ``play`` and ``noticed_share``. The model is one of
our own, a linear discriminant or a least-squares fit held as plain arrays, made here from the
world's own rows in a few milliseconds: nothing of a user's is loaded, so it may live in a door.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

import drift_scenarios as scenarios
from base_types import TypedModel
from drift import compare_predictions
from drift_reference import ReferenceProfile, compare_with_profile, profile_frame
from drift_types import DriftReport
from model_types import ModelInfo, Predictions, Task
from playground_data import PROGRESSION_NOISE, Floats, World, softmax, world_by_id
from playground_types import ALL_COLUMNS
from schema_utils import Kind

REFERENCE_ROWS = 5000
MAX_ROWS = 20_000
REFERENCE_SEED = 20_240_501
"""The reference stays the same whatever the player does."""

FALL = 0.03
"""Accuracy this much lower counts as fallen; with 1,000 rows chance alone makes 1.4 points."""

WORSE_ERROR = 1.06
"""An error of numbers that has grown by this factor counts as fallen quality."""


class Knobs(TypedModel):
    """Everything a player can turn; the defaults change nothing."""

    data: str = "clinic"
    columns: str = Field(default=ALL_COLUMNS, description="One column, or all that fit")
    shift: float = Field(default=0.0, ge=-3, le=3, description="Population: standard deviations")
    spread: float = Field(default=1.0, ge=0.2, le=4, description="Population: factor")
    together: float = Field(default=0.0, ge=-3, le=3, description="Population: along the main axis")
    mix: float = Field(default=0.0, ge=0, le=0.9, description="Population: share to rarest label")
    odds: float = Field(default=1.0, ge=1, le=20, description="Factor on the odds of a class")
    concept: float = Field(default=0.0, ge=0, le=1, description="Share of answers that change")
    offset: float = Field(default=0.0, ge=-3, le=3, description="Measured: standard deviations")
    noise: float = Field(default=0.0, ge=0, le=3, description="Measured: standard deviations")
    unit: float = Field(default=1.0, gt=0, le=1000, description="Measured: factor on one column")
    outliers: float = Field(default=0.0, ge=0, le=0.5, description="Measured: share of values")
    missing: float = Field(default=0.0, ge=0, le=0.95, description="Measured: share of cells")
    rows: int = Field(default=1000, ge=20, le=MAX_ROWS)
    seed: int = Field(default=0, ge=0, le=2**32 - 1)


_Step = tuple[str, float, scenarios.Change]

POPULATION: tuple[_Step, ...] = (
    ("shift", 0.0, scenarios.shift_mean),
    ("spread", 1.0, scenarios.widen),
    ("together", 0.0, scenarios.shift_together),
    ("mix", 0.0, scenarios.mix_categories),
)
"""What happens to the world itself: the true answers follow the new inputs."""

MEASUREMENT: tuple[_Step, ...] = (
    ("offset", 0.0, scenarios.shift_mean),
    ("noise", 0.0, scenarios.add_noise),
    ("unit", 1.0, scenarios.change_unit),
    ("outliers", 0.0, scenarios.add_outliers),
    ("missing", 0.0, scenarios.blank_out),
)
"""What happens on the way to the model: the true answers stay."""


@dataclass(frozen=True)
class LinearModel:
    """A fitted linear model as arrays.

    Parameters
    ----------
    numbers : dict of str to tuple of float
        Mean and standard deviation of each numeric column; gaps count as the mean.
    labels : dict of str to list of str
        Labels of each categorical column but the first; a gap counts as the first.
    classes : tuple of str
        Empty for a regression.
    weights, bias : ndarray, shapes (columns, outputs) and (outputs,)
        Of the encoded columns.
    """

    numbers: dict[str, tuple[float, float]]
    labels: dict[str, list[str]]
    classes: tuple[str, ...]
    weights: Floats
    bias: Floats

    def predict(self, frame: pd.DataFrame) -> Predictions:
        """Return classes with probabilities, or numbers."""
        scores = encode(frame, self.numbers, self.labels) @ self.weights + self.bias
        if not self.classes:
            return Predictions(scores[:, 0])
        y_proba = softmax(scores)
        return Predictions(np.array(self.classes)[y_proba.argmax(axis=1)], y_proba)


@dataclass(frozen=True)
class Reference:
    """The untouched side of a world: its rows, kept profile, model and answers."""

    world: World
    frame: pd.DataFrame
    kinds: dict[str, Kind]
    profile: ReferenceProfile
    model: LinearModel
    info: ModelInfo
    predictions: Predictions
    score: float
    estimated: float | None


@dataclass(frozen=True)
class Outcome:
    """What came out of one setting of the knobs.

    Parameters
    ----------
    report : DriftReport
        All columns and the prediction.
    score, score_before : float
        Accuracy, or the mean absolute error of numbers, of the current rows and of the reference.
    estimated, estimated_before : float or None
        Accuracy as the model's own confidence promises it; None for numbers.
    n_rows : int
        Current rows.
    """

    report: DriftReport
    score: float
    score_before: float
    estimated: float | None
    estimated_before: float | None
    n_rows: int

    @property
    def alarm(self) -> bool:
        """Whether at least one column has drifted."""
        return self.report.n_drifted > 0

    @property
    def has_fallen(self) -> bool:
        """Whether the model has become worse by more than chance is likely to do."""
        if self.estimated is None:
            return self.score > self.score_before * WORSE_ERROR
        return self.score < self.score_before - FALL

    @property
    def estimate_noticed(self) -> bool:
        """Whether the estimated accuracy has fallen by more than ``FALL``."""
        if self.estimated is None or self.estimated_before is None:
            return False
        return self.estimated < self.estimated_before - FALL


def play(knobs: Knobs) -> Outcome:
    """Draw current rows as the knobs say and compare them with the reference.

    Parameters
    ----------
    knobs : Knobs
        The same knobs give the same outcome.

    Returns
    -------
    Outcome
        Some 20 ms for 5,000 rows.

    Raises
    ------
    KeyError
        There is no such data.
    """
    reference = reference_of(knobs.data)
    frame, y_true = draw_current(knobs, reference)
    predictions = reference.model.predict(frame)
    report = compare_with_profile(reference.profile, frame)
    report.prediction = compare_predictions(reference.predictions, predictions, reference.info)
    return Outcome(
        report=report,
        score=_score(predictions, y_true),
        score_before=reference.score,
        estimated=_estimated(predictions),
        estimated_before=reference.estimated,
        n_rows=len(frame),
    )


def noticed_share(knobs: Knobs, repetitions: int = 25) -> float:
    """Return how often at least one column is flagged, over fresh draws, 0..1: the power.

    Examples
    --------
    >>> noticed_share(Knobs(offset=3.0), 5)
    1.0
    """
    reference = reference_of(knobs.data)
    hits = 0
    for seed in range(1, repetitions + 1):
        frame, _ = draw_current(knobs.model_copy(update={"seed": knobs.seed + seed}), reference)
        hits += compare_with_profile(reference.profile, frame).n_drifted > 0
    return hits / repetitions


# --- rows --------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def reference_of(world_id: str) -> Reference:
    """Return the untouched side of a world; made once, in some 30 ms."""
    world = world_by_id(world_id)
    rng = np.random.default_rng(REFERENCE_SEED)
    learned = world.draw(REFERENCE_ROWS, rng)
    model = fit(world, learned, draw_answers(world, learned, rng))
    frame = world.draw(REFERENCE_ROWS, rng)
    y_true = draw_answers(world, frame, rng)
    frame = _with_gaps(world, frame, rng)
    profile = profile_frame(frame)
    predictions = model.predict(frame)
    return Reference(
        world=world,
        frame=frame,
        kinds=profile.kinds,
        profile=profile,
        model=model,
        info=_describe(world),
        predictions=predictions,
        score=_score(predictions, y_true),
        estimated=_estimated(predictions),
    )


def _describe(world: World) -> ModelInfo:
    if not world.classes:
        return ModelInfo(estimator="LeastSquares", task=Task.REGRESSION)
    task = Task.BINARY if len(world.classes) == 2 else Task.MULTICLASS
    return ModelInfo(estimator="LinearDiscriminant", task=task, classes=list(world.classes))


def draw_current(knobs: Knobs, reference: Reference) -> tuple[pd.DataFrame, NDArray[np.generic]]:
    """Return drifted inputs and the true answers, ``knobs.rows`` of both."""
    world, seed = reference.world, knobs.seed
    rng = np.random.default_rng([seed, 0])
    setting = _setting(knobs, reference)
    frame = world.draw(_pool_size(knobs, world), rng)
    frame = _apply(POPULATION, knobs, frame, setting)
    y_true = draw_answers(world, frame, rng)
    kept = _thinned(y_true, world.rare, knobs.odds, rng)[: knobs.rows]
    frame, y_true = frame.iloc[kept].reset_index(drop=True), y_true[kept]
    y_true = _other_answers(world, frame, y_true, knobs.concept)
    frame = _with_gaps(world, frame, np.random.default_rng([seed, 1]))
    return _apply(MEASUREMENT, knobs, frame, setting), y_true


def _setting(knobs: Knobs, reference: Reference) -> scenarios.Setting:
    kinds = reference.kinds
    if knobs.columns in kinds:
        kinds = {knobs.columns: kinds[knobs.columns]}
    return scenarios.Setting(reference.frame, kinds, leading=reference.world.main)


def _apply(
    steps: Sequence[_Step], knobs: Knobs, frame: pd.DataFrame, setting: scenarios.Setting
) -> pd.DataFrame:
    for number, (name, nothing, change) in enumerate(steps):
        amount = getattr(knobs, name)
        if amount != nothing:
            # a generator of its own: turning one knob does not shuffle what another one does
            rng = np.random.default_rng([knobs.seed, 2, number])
            frame = scenarios.apply_to_table(change, frame, amount, rng, setting)
    return frame


def _pool_size(knobs: Knobs, world: World) -> int:
    """Return how many rows to draw so that enough are left of the other classes."""
    return (
        round(knobs.rows * knobs.odds * 1.5) + 50 if world.rare and knobs.odds > 1 else knobs.rows
    )


def _thinned(
    y_true: NDArray[np.generic], rare: str, odds: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the rows left when other answers than ``rare`` are left out by its odds."""
    if not rare:
        return np.arange(len(y_true))
    kept = (y_true == rare) | (rng.random(len(y_true)) < 1 / odds)
    return np.flatnonzero(kept)


def draw_answers(
    world: World, frame: pd.DataFrame, rng: np.random.Generator
) -> NDArray[np.generic]:
    """Draw true answers by their probability given the inputs."""
    truth = world.truth(frame)
    if not world.classes:
        return np.asarray(truth + rng.normal(scale=PROGRESSION_NOISE, size=len(frame)))
    chosen = (rng.random((len(frame), 1)) > truth.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return np.asarray(np.array(world.classes)[chosen])


def _other_answers(
    world: World, frame: pd.DataFrame, y_true: NDArray[np.generic], share: float
) -> NDArray[np.generic]:
    """Change the answers of the upper ``share`` of rows by the main column: a new relation."""
    if share <= 0:
        return y_true
    main = frame[world.main].to_numpy(dtype=np.float64)
    hit = main >= np.quantile(main, 1 - share)
    if not world.classes:
        return np.asarray(np.where(hit, y_true.astype(np.float64) + 2 * PROGRESSION_NOISE, y_true))
    names = np.array(world.classes)
    following = dict(zip(names.tolist(), np.roll(names, -1).tolist(), strict=True))
    others = pd.Series(y_true).map(following).to_numpy(dtype=names.dtype)
    return np.asarray(np.where(hit, others, y_true))


def _with_gaps(world: World, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    frame = frame.copy()
    for name, share in world.gaps.items():
        frame[name] = frame[name].mask(rng.random(len(frame)) < share)
    return frame


# --- model -------------------------------------------------------------------------------------


def encode(
    frame: pd.DataFrame, numbers: dict[str, tuple[float, float]], labels: dict[str, list[str]]
) -> Floats:
    """Return standardised numbers and one column per label, shape (n, columns)."""
    columns: list[Floats] = []
    for name, (mean, std) in numbers.items():
        values = (frame[name].to_numpy(dtype=np.float64, na_value=np.nan) - mean) / std
        columns.append(np.nan_to_num(values, nan=0.0))
    for name, known in labels.items():
        columns += [(frame[name] == label).to_numpy().astype(np.float64) for label in known]
    return np.column_stack(columns)


def fit(world: World, frame: pd.DataFrame, y_true: NDArray[np.generic]) -> LinearModel:
    """Fit a linear discriminant (Fisher 1936) or, for numbers, least squares."""
    kinds = profile_frame(frame.head(10)).kinds
    numbers = {
        name: (float(frame[name].mean()), float(frame[name].std()))
        for name, kind in kinds.items()
        if kind.is_numeric
    }
    labels = {name: sorted(frame[name].unique())[1:] for name in kinds if name not in numbers}
    rows = encode(frame, numbers, labels)
    solve = _discriminant if world.classes else _least_squares
    return LinearModel(numbers, labels, world.classes, *solve(rows, y_true, world.classes))


def _discriminant(
    rows: Floats, y_true: NDArray[np.generic], classes: tuple[str, ...]
) -> tuple[Floats, Floats]:
    groups = [rows[y_true == name] for name in classes]
    means = np.array([group.mean(axis=0) for group in groups])
    centred = np.concatenate([g - m for g, m in zip(groups, means, strict=True)])
    covariance = centred.T @ centred / (len(rows) - len(classes))
    weights = np.linalg.solve(covariance, means.T)
    priors = np.log([len(group) / len(rows) for group in groups])
    return weights, priors - 0.5 * np.einsum("kc,ck->k", means, weights)


def _least_squares(
    rows: Floats, y_true: NDArray[np.generic], _classes: tuple[str, ...]
) -> tuple[Floats, Floats]:
    design = np.column_stack([rows, np.ones(len(rows))])
    solved = np.linalg.lstsq(design, y_true.astype(np.float64), rcond=None)[0]
    return solved[:-1, None], solved[-1:]


def _score(predictions: Predictions, y_true: NDArray[np.generic]) -> float:
    """Return the accuracy, or the mean absolute error of numbers."""
    if predictions.y_proba is not None:
        return float(np.mean(predictions.y_pred == y_true))
    return float(np.mean(np.abs(predictions.y_pred - y_true.astype(np.float64))))


def _estimated(predictions: Predictions) -> float | None:
    """Return the mean probability of the chosen class: the accuracy a calibrated model has."""
    return None if predictions.y_proba is None else float(predictions.y_proba.max(axis=1).mean())
