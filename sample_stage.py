"""What the columns of a sample are: inputs of the model, true answers, or weights of rows.

Owns: ``SampleRoles``, ``assign_roles``, and ``SampleRows``, the rows of a sample that are tested.
Answers and weights never become inputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import schema_inference
from errors import DataError
from model_types import ModelInfo
from report_types import RunConfig


@dataclass(frozen=True, slots=True)
class SampleRoles:
    """Columns of a sample that are no inputs.

    Parameters
    ----------
    target : str or None
        Column of true answers of a model with one output.
    targets : tuple of str
        Columns of true answers of a model with several, in the order of its outputs.
    weight : str or None
        Column that says what each row counts for.
    target_problem, weight_problem : str or None
        Why a column that was asked for cannot be used, one sentence.
    """

    target: str | None = None
    targets: tuple[str, ...] = ()
    weight: str | None = None
    target_problem: str | None = None
    weight_problem: str | None = None

    def without_roles(self, sample: pd.DataFrame) -> pd.DataFrame:
        """Return the sample without weights and several answers; a single one stays, named."""
        roles = {*self.targets, self.weight}
        return sample[[name for name in sample.columns if name not in roles]]


@dataclass(frozen=True, slots=True)
class SampleRows:
    """The rows of a sample that a model is tested on.

    Parameters
    ----------
    sample : DataFrame
        All rows and columns, as read.
    numbers : ndarray of int, shape (n,)
        Positions of the tested rows.
    roles : SampleRoles
        Of the columns.
    """

    sample: pd.DataFrame
    numbers: NDArray[np.int64]
    roles: SampleRoles

    @property
    def table(self) -> pd.DataFrame:
        """The tested rows with all columns of the sample, numbered from 0."""
        return self.sample.iloc[self.numbers].reset_index(drop=True)

    def keep(self, good: NDArray[np.int64]) -> SampleRows:
        """Return some of the tested rows, by their positions among them."""
        return replace(self, numbers=self.numbers[good])

    def with_answers(self, answers: pd.Series[Any]) -> SampleRows:
        """Return the same rows with other words for the true answers, shape (n,)."""
        sample = self.sample.copy(deep=False)
        column = sample[self.roles.target].astype(object)
        column.iloc[self.numbers] = answers.to_numpy()
        sample[self.roles.target] = column
        return replace(self, sample=sample)

    def without_answers(self) -> SampleRows:
        """Return the same rows, their true answers being of no use."""
        return replace(self, roles=replace(self.roles, target=None))

    def single_answers(self) -> pd.Series[Any] | None:
        """Return the true answers of a model with one output, None where there are none."""
        if self.roles.target is None:
            return None
        return self.sample[self.roles.target].iloc[self.numbers].reset_index(drop=True)

    def answers(self) -> pd.Series[Any] | pd.DataFrame | None:
        """Return the true answers, a column per output where there are several."""
        return self.table[list(self.roles.targets)] if self.roles.targets else self.single_answers()

    def weights(self) -> NDArray[np.float64] | None:
        """Return what each row counts for, their mean near 1; None where all count alike.

        Raises
        ------
        DataError
            The column cannot be used; a weight is missing, negative or no number; all are 0.
        """
        if self.roles.weight_problem is not None:
            raise DataError(self.roles.weight_problem)
        name = self.roles.weight
        if name is None:
            return None
        given = pd.to_numeric(self.sample[name].iloc[self.numbers], errors="coerce")
        weights = given.to_numpy(dtype=np.float64, na_value=np.nan)
        wrong = ~(np.isfinite(weights) & (weights >= 0))
        if wrong.any() or not weights.any():
            found = f"{int(wrong.sum()):,} of {weights.size:,} are missing, negative or no number"
            msg = (
                f"The weights in {name!r} cannot be used: "
                f"{found if wrong.any() else 'all are 0'}; give numbers of 0 or more."
            )
            raise DataError(msg)
        # only the ratios matter; a power of two changes no digit
        scaled: NDArray[np.float64] = weights / 2.0 ** round(float(np.log2(weights.mean())))
        return scaled


def as_written(rows: pd.DataFrame, tested: SampleRows | None) -> pd.DataFrame:
    """Return tested rows whose times are as the sample writes them, which a model need not see.

    Parameters
    ----------
    rows : DataFrame, shape (n, k)
        As the model takes them.
    tested : SampleRows or None
        The same n rows of the sample.
    """
    if tested is None:
        return rows
    times = [str(name) for name, kind in rows.dtypes.items() if kind.kind == "M"]
    written = {name: tested.sample[name] for name in times if name in tested.sample.columns}
    return rows.assign(**{name: w.to_numpy()[tested.numbers] for name, w in written.items()})


def assign_roles(frame: pd.DataFrame, config: RunConfig, info: ModelInfo | None) -> SampleRoles:
    """Say which columns of a sample are answers and weights.

    Parameters
    ----------
    frame : DataFrame, shape (n, k)
        The sample as it was read.
    config : RunConfig
        ``target``, ``targets`` and ``weight_column`` name columns.
    info : ModelInfo, optional
        Of the loaded model; with several outputs whose names are columns, these are the answers.

    Examples
    --------
    >>> frame = pd.DataFrame({"x": [1.0], "y": [0], "w": [2.0]})
    >>> roles = assign_roles(frame, RunConfig(target="y", weight_column="w"), None)
    >>> roles.target, roles.weight, list(roles.without_roles(frame))
    ('y', 'w', ['x', 'y'])
    """
    problem = _weight_problem(frame, config.weight_column, info)
    weight = None if problem else config.weight_column
    several = config.targets or _outputs_among(frame, info)
    if several:
        absent = [name for name in several if name not in frame.columns]
        told = _not_there(absent[0], frame) if absent else None
        return SampleRoles(None, () if absent else tuple(several), weight, told, problem)
    others = SampleRoles(weight=weight).without_roles(frame)
    target = config.target or schema_inference.guess_target(others, info)
    if target is not None and target not in frame.columns:
        return SampleRoles(None, (), weight, _not_there(target, frame), problem)
    return SampleRoles(target, (), weight, None, problem)


def _not_there(name: str, frame: pd.DataFrame) -> str:
    return f"The sample has no column {name!r} to use as the target; it has {_columns(frame)}."


def _columns(frame: pd.DataFrame) -> str:
    return ", ".join(repr(str(column)) for column in frame.columns[:20])


def _outputs_among(frame: pd.DataFrame, info: ModelInfo | None) -> list[str]:
    """Return the names of several outputs where all of them are columns of the sample."""
    names = info.output_names if info is not None and info.n_outputs > 1 else []
    return list(names) if names and all(name in frame.columns for name in names) else []


def _weight_problem(frame: pd.DataFrame, name: str | None, info: ModelInfo | None) -> str | None:
    if name is None:
        return None
    if name not in frame.columns:
        return f"The sample has no column {name!r} to weigh rows by; it has {_columns(frame)}."
    if info is not None and name in {feature.name for feature in info.features}:
        return f"The model takes {name!r} as an input, so it cannot say what each row counts for."
    return None
