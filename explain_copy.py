"""Exact explanations through a copy of the model, used only where the copy proves right.

Owns: ``explain_copy``. A lowered model is numbers read from the model's own attributes, so it is
compared with what the uploaded model answers for the explained rows, the background and rows
mixed from both; the smallest real difference refuses it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import explain_forest
import explain_linear
import explain_trees
from explain_arrays import check_lowered
from explain_columns import HybridPool, column_map
from explain_outputs import Space, choose_view, output_names, part_of, positive_index
from explain_request import Request, draw_rows, spread_rows
from explanation import Explanation
from model_types import Lowered, Model, ModelInfo, Predictions, Task

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
CopyMethod = Literal["linear", "tree"]

LINEAR_BACKGROUND = 1000
TREE_BACKGROUND = (100, 500)
TREE_WORK = 5_000_000  # nodes × background rows that cost little
CHECK_ROWS = 64
FEWEST_ROWS = 10
SMALL_BACKGROUND = 50
CANDIDATES = 1000  # background rows among which those to compare with are chosen, at least
CANDIDATES_PER_ROW = 4
PATIENCE = (1.0, 1.2)  # how far the first and the second try may go over the time
RELATIVE_TOLERANCE = 1e-5
FLOAT32_TOLERANCE = 4e-7
PROBABILITY_TOLERANCE = 2e-6


class NoCopyError(Exception):
    """The copy cannot be used; the message says why, as a note to the user."""


class _OutOfTime(Exception):
    """The trees would take too long; carries the projected seconds."""

    def __init__(self, projected: float) -> None:
        super().__init__(projected)
        self.projected = projected


@dataclass(frozen=True, slots=True)
class _Copy:
    """A lowered model as two functions of the matrix.

    Parameters
    ----------
    method : str
    n_columns : int
        Columns of the matrix that it needs.
    background_size : int
        How many background rows it explains against at little cost.
    evaluate : callable
        Matrix (n, k) to margins (n, outputs).
    explain : callable
        A case and a callback told the share of work done, to values (n, columns, outputs); None
        where it cannot.
    takes_all : bool
        Whether the matrix must have just ``n_columns`` columns; trees need not read them all.
    """

    method: CopyMethod
    n_columns: int
    background_size: int
    evaluate: Callable[[Floats], Floats]
    explain: Callable[[_Case, Callable[[float], None]], Floats | None]
    takes_all: bool


@dataclass(frozen=True, slots=True)
class _Case:
    """Rows, background and mixed rows as one matrix, and what the model answers for them.

    Parameters
    ----------
    rows : DataFrame
        The explained rows.
    n_background : int
    matrix : ndarray, shape (n + m + mixed, k)
        What reaches the final estimator.
    groups : ndarray of int, shape (k,)
        The raw column behind each column of the matrix; -1 for a constant.
    answers : Predictions
        Of the uploaded model, for all rows of ``matrix`` before it was cut.
    margins : ndarray, shape (n + m + mixed, outputs)
        Of the copy, once it was evaluated.
    evaluations : int
        How many rows it was asked.
    """

    rows: pd.DataFrame
    n_background: int
    matrix: Floats
    groups: Integers
    answers: Predictions
    evaluations: int
    margins: Floats = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def row_matrix(self) -> Floats:
        """The explained rows."""
        return self.matrix[: len(self.rows)]

    @property
    def background_matrix(self) -> Floats:
        """The background."""
        return self.matrix[len(self.rows) : len(self.rows) + self.n_background]

    def cut(self, n_rows: int, n_background: int) -> _Case:
        """Return the case of the first rows and part of the background, without mixed rows."""
        spread = np.linspace(0, self.n_background - 1, min(n_background, self.n_background))
        kept = np.concatenate([np.arange(n_rows), len(self.rows) + spread.astype(np.int64)])
        return replace(
            self,
            rows=self.rows.iloc[:n_rows],
            n_background=len(spread),
            matrix=self.matrix[kept],
            margins=self.margins[kept],
        )


def explain_copy(request: Request) -> Explanation:
    """Return the exact explanation by the lowered model.

    Raises
    ------
    NoCopyError
        If there is no copy, its columns mix raw columns, it differs from the model, or it is too
        large for the time allowed.
    ModelError
        If the model fails.
    """
    lowered = request.model.lower()
    if lowered is None:
        name = request.model.info.final_estimator or request.model.info.estimator
        message = f"No exact form is known for this {name}."
        raise NoCopyError(message)
    request.tell(0.05, "Reading the model")
    check_lowered(lowered)
    if request.space == "probability" and request.model.info.has_proba:
        lowered = _in_probability(lowered)
    copy = _copy_of(lowered)
    case = _prepare(request, copy, has_steps=bool(lowered.meta["steps"]))
    case, space = _checked(request.model.info, lowered, copy, case)
    request.tell(0.2, "Explaining rows")
    values, case = _values_in_time(request, copy, case)
    return _explanation(request, copy.method, case, values, space)


def _in_probability(lowered: Lowered) -> Lowered:
    """Return the copy without the forms whose margin is no probability.

    Raises
    ------
    NoCopyError
        If none is left: values that are exact in log-odds are not exact in probability.
    """
    forms = [form for form in lowered.meta["forms"] if form[2] == "probability"]
    if not forms:
        message = "This model is exact in log-odds only, and probabilities were asked for."
        raise NoCopyError(message)
    return replace(lowered, meta={**lowered.meta, "forms": forms})


def _copy_of(lowered: Lowered) -> _Copy:
    """Return the functions of a lowered model."""
    kind = lowered.meta["kind"]
    if kind == "linear":
        return _linear_copy(lowered)
    return _tree_copy(lowered) if kind == "trees" else _sum_copy(lowered)


def _linear_copy(lowered: Lowered) -> _Copy:
    model = explain_linear.from_lowered(lowered)
    return _Copy(
        "linear",
        model.coef.shape[1],
        LINEAR_BACKGROUND,
        partial(explain_linear.evaluate, model),
        partial(_linear_values, model),
        takes_all=True,
    )


def _tree_copy(lowered: Lowered) -> _Copy:
    trees = explain_forest.from_lowered(lowered)
    has_sets = len(trees.set_feature) > 0
    return _Copy(
        "tree",
        int(lowered.meta["columns"] if has_sets else trees.feature.max() + 1),
        int(np.clip(TREE_WORK // len(trees.feature), *TREE_BACKGROUND)),
        partial(explain_forest.evaluate, trees),
        partial(_tree_values, trees),
        takes_all=has_sets,
    )


def _sum_copy(lowered: Lowered) -> _Copy:
    """Return a linear model and trees added; the values of a sum are the sum of the values."""
    linear, trees = _linear_copy(lowered), _tree_copy(lowered)

    def evaluate(matrix: Floats) -> Floats:
        return linear.evaluate(matrix) + trees.evaluate(matrix)

    def explain(case: _Case, on_chunk: Callable[[float], None]) -> Floats | None:
        values = trees.explain(case, on_chunk)
        known = linear.explain(case, on_chunk)
        return None if values is None or known is None else values + known

    return _Copy("tree", linear.n_columns, trees.background_size, evaluate, explain, takes_all=True)


def _linear_values(
    model: explain_linear.LinearModel, case: _Case, on_chunk: Callable[[float], None]
) -> Floats:
    values = explain_linear.shapley_values(
        model, case.row_matrix, case.background_matrix, case.groups, case.rows.shape[1]
    )
    on_chunk(1.0)
    return values


def _tree_values(
    trees: explain_forest.Trees, case: _Case, on_chunk: Callable[[float], None]
) -> Floats | None:
    game = explain_forest.TreeGame(
        trees, case.groups, case.rows.shape[1], case.row_matrix, case.background_matrix
    )
    return explain_trees.shapley_values(game, on_chunk=on_chunk)


def _prepare(request: Request, copy: _Copy, *, has_steps: bool) -> _Case:
    """Return the matrices of rows, background and mixed rows with the model's answers."""
    model, rows = request.model, request.rows
    background, asked = _background(request, copy.background_size)
    pool = HybridPool(pd.concat([rows, background], ignore_index=True))
    matrix = _matrix(model, pool.frame, has_steps=has_steps)
    spare = matrix.shape[1] - copy.n_columns
    if spare < 0 or (spare > 0 and copy.takes_all):
        message = "The model's last step expects other columns than its first steps make."
        raise NoCopyError(message)
    groups = _groups(request, pool, matrix, has_steps=has_steps)
    rng = np.random.default_rng(request.seed)
    shown = rng.random((CHECK_ROWS, rows.shape[1])) < 0.5
    mine = rng.integers(len(rows), size=CHECK_ROWS)
    other = rng.integers(len(rows), len(pool), size=CHECK_ROWS)
    # a constant column has no raw column; it is the same in every row
    mixed = np.where(shown[:, groups], matrix[mine], matrix[other])
    mixed_frame = pool.mix(shown, mine, other)
    answers = model.predict(pd.concat([pool.frame, mixed_frame], ignore_index=True))
    asked += len(answers.y_pred)
    return _Case(rows, len(background), np.vstack([matrix, mixed]), groups, answers, asked)


def _matrix(model: Model, frame: pd.DataFrame, *, has_steps: bool) -> Floats:
    """Return what reaches the final estimator; where nothing stands before it, the table itself."""
    numbers = all(pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes)
    if has_steps or not numbers or model.info.input_form not in ("frame", "matrix"):
        return model.transform(frame)
    return frame.to_numpy(dtype=np.float64, na_value=np.nan)


def _background(request: Request, size: int) -> tuple[pd.DataFrame, int]:
    """Return background rows that cover the model's answers evenly, and how many it was asked."""
    if len(request.background) <= size:
        return request.background, 0
    enough = max(CANDIDATES, CANDIDATES_PER_ROW * size)
    candidates = draw_rows(request.background, enough, request.seed)
    answers = request.model.predict(candidates)
    outputs = choose_view(request.model.info, answers).read(answers)
    return candidates.iloc[spread_rows(outputs, size, request.seed)], len(candidates)


def _groups(request: Request, pool: HybridPool, matrix: Floats, *, has_steps: bool) -> Integers:
    """Return the raw column behind each column of the matrix.

    Raises
    ------
    NoCopyError
        If some column of the matrix depends on several raw columns.
    """
    if not has_steps and matrix.shape[1] == pool.frame.shape[1]:
        return np.arange(matrix.shape[1])
    if pool.frame.shape[1] == 1:  # a text, say: whatever the steps make of it comes from it
        return np.zeros(matrix.shape[1], dtype=np.int64)
    groups = column_map(pool, request.model.transform, matrix, seed=request.seed)
    if groups is None:
        message = "The steps before the model mix columns, so its inputs belong to no one column."
        raise NoCopyError(message)
    return groups


def _checked(info: ModelInfo, lowered: Lowered, copy: _Copy, case: _Case) -> tuple[_Case, Space]:
    """Return the case and the space in which the copy says what the model answers.

    XGBoost takes the zeros of a sparse matrix as missing, so zeros as missing are tried too.

    Raises
    ------
    NoCopyError
        If no form of the copy agrees with the model.
    """
    matrices = [case.matrix]
    if lowered.meta["steps"] and lowered.meta.get("rule") == "lt32":
        matrices.append(np.where(case.matrix == 0, np.nan, case.matrix))
    smallest = np.inf
    for matrix in matrices:
        margins = copy.evaluate(matrix)
        for target, link, space in lowered.meta["forms"]:
            gap = answer_gap(info, case.answers, linked(lowered, link, margins), target)
            if gap <= 1:
                return replace(case, matrix=matrix, margins=margins), cast("Space", space)
            smallest = min(smallest, gap)
    message = "The copy of the model for exact values does not answer as the model does"
    if np.isfinite(smallest):
        message += f" ({smallest:,.0f} times the tolerance)"
    raise NoCopyError(message + ".")


def answer_gap(info: ModelInfo, answers: Predictions, copied: Floats, target: str) -> float:
    """Return the largest difference between copy and model in units of the tolerance."""
    given = {"proba": answers.y_proba, "score": answers.y_score, "pred": answers.y_pred}[target]
    if given is None or (target == "pred" and info.task is not Task.REGRESSION):
        return np.inf
    expected = part_of(answers, target)
    if target == "proba" and copied.shape[1] == 1 and expected.shape[1] == 2:
        expected = expected[:, 1:]
    if expected.shape != copied.shape or not np.isfinite(copied).all():
        return np.inf
    difference = np.abs(expected - copied)
    if target == "proba":
        near_edge = np.minimum(expected, 1 - expected)
        return float((difference / (PROBABILITY_TOLERANCE + 1e-5 * near_edge)).max())
    spread = float(np.ptp(expected)) * RELATIVE_TOLERANCE
    tolerance = spread + FLOAT32_TOLERANCE * float(np.abs(expected).max()) + 1e-300
    return float(difference.max() / tolerance)


def linked(lowered: Lowered, link: str, margins: Floats) -> Floats:
    """Return what the margins mean."""
    if link == "isolation":
        length, offset = lowered.meta["isolation"]
        return np.asarray(-np.exp2(-margins / length) - offset)
    return LINKS[link](margins)


def _sigmoid(margins: Floats) -> Floats:
    result: Floats = 0.5 * (1 + np.tanh(margins / 2))
    return result


def _softmax(margins: Floats) -> Floats:
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    result: Floats = powers / powers.sum(axis=1, keepdims=True)
    return result


def _one_against_rest(margins: Floats) -> Floats:
    single = _sigmoid(margins)
    result: Floats = single / single.sum(axis=1, keepdims=True)
    return result


def _identity(margins: Floats) -> Floats:
    return margins


def _exponential(margins: Floats) -> Floats:
    with np.errstate(over="ignore"):
        result: Floats = np.exp(margins)
    return result


LINKS: dict[str, Callable[[Floats], Floats]] = {
    "identity": _identity,
    "exp": _exponential,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "ovr": _one_against_rest,
}


def _values_in_time(request: Request, copy: _Copy, case: _Case) -> tuple[Floats, _Case]:
    """Return the values of all rows, or of as many of the first ones as fit.

    Raises
    ------
    NoCopyError
        If not even a few rows fit, or the trees are too wide.
    """
    case = case.cut(len(case.rows), case.n_background)
    for patience in PATIENCE:
        start, allowed = time.perf_counter(), max(request.left, 0.05)
        try:
            watch = partial(_watch, request, start, allowed * patience)
            values = copy.explain(case, watch)
        except _OutOfTime as late:
            share = 0.5 * max(request.left, 0.05) / late.projected
            fewer = max(FEWEST_ROWS, int(len(case.rows) * share))
            case = case.cut(min(fewer, len(case.rows)), SMALL_BACKGROUND)
        else:
            if values is None:
                break
            return values, case
    message = "The trees are too large for exact values in the time allowed."
    raise NoCopyError(message)


def _watch(request: Request, start: float, allowed: float, share: float) -> None:
    """Report progress; give up early when the work will take much longer than allowed."""
    request.tell(0.2 + 0.8 * share, "Explaining rows")
    elapsed = time.perf_counter() - start
    projected = elapsed / max(share, 1e-9)
    if share < 0.8 and elapsed > 0.1 * allowed and projected > 1.2 * allowed:
        raise _OutOfTime(projected)


def _explanation(
    request: Request, method: CopyMethod, case: _Case, values: Floats, space: Space
) -> Explanation:
    """Return the values with everything that is known of them, for the explained class."""
    info = request.model.info
    margins = case.margins
    flipped = margins.shape[1] == 1 and (
        info.task is Task.BINARY and positive_index(info, request.positive_class) == 0
    )
    if flipped:
        values = -values
        margins = 1 - margins if space == "probability" else -margins
    n_rows = len(case.rows)
    return Explanation(
        values=values,
        base=margins[n_rows:].mean(axis=0),
        predictions=margins[:n_rows],
        error=None,
        columns=tuple(str(name) for name in case.rows.columns),
        outputs=output_names(info, margins.shape[1], request.positive_class),
        rows=case.rows,
        row_numbers=np.arange(n_rows),
        space=space,
        method=method,
        answers=case.answers.part(slice(n_rows)),
        background_rows=case.n_background,
        evaluations=case.evaluations,
        seed=request.seed,
    )
