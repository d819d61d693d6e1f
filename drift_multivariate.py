"""Drift that shows only in several columns together: domain classifier and MMD.

Owns: both tests and the encoding of a mixed table as numbers they work on. Column by column
nothing need change when, say, two columns stop going together; these tests see that.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drift import column_kinds
from drift_merge import merge
from drift_order import Floats
from drift_profiles import category_label
from drift_tests import rank_location
from drift_types import DriftTest
from schema_utils import Kind, Schema

MAX_CLASSIFIER_ROWS = 4000
MAX_MMD_ROWS = 500
PERMUTATIONS = 499
MIN_ROWS = 40
ALPHA = 0.05
AUC_LIMIT = 0.55
"""Evidently's default for its domain classifier: below it the difference hardly matters."""

MAX_CATEGORIES = 20


def compare_jointly(
    reference: pd.DataFrame, current: pd.DataFrame, schema: Schema | None = None, *, seed: int = 0
) -> list[DriftTest]:
    """Test all columns of two tables at once.

    Parameters
    ----------
    reference, current : DataFrame
        Only the columns of both are used; of long tables a random part.
    schema : Schema, optional
        Kinds of the columns.
    seed : int
        Of the random parts, the split and the permutations.

    Returns
    -------
    list of DriftTest
        ``domain_classifier`` and ``mmd``; with a reason instead of values where there are fewer
        than ``MIN_ROWS`` rows in a table, or no column to compare.
    """
    kinds = {n: k for n, k in column_kinds(reference, schema).items() if n in current.columns}
    rng = np.random.default_rng(seed)
    sizes = min(len(reference), len(current))
    if sizes < MIN_ROWS or not kinds:
        reason = f"{sizes} rows and {len(kinds)} common columns; {MIN_ROWS} rows are needed."
        return [DriftTest(name=name, reason=reason) for name in ("domain_classifier", "mmd")]
    parts = [_some_rows(frame, MAX_CLASSIFIER_ROWS, rng) for frame in (reference, current)]
    encoded = encode_tables(parts[0], parts[1], kinds)
    return [
        domain_classifier(*encoded, seed=seed),
        maximum_mean_discrepancy(encoded[0][:MAX_MMD_ROWS], encoded[1][:MAX_MMD_ROWS], seed=seed),
    ]


def _some_rows(frame: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    return frame.iloc[rng.permutation(len(frame))[:n]]


def encode_tables(
    reference: pd.DataFrame, current: pd.DataFrame, kinds: dict[str, Kind]
) -> tuple[Floats, Floats]:
    """Return both tables as standardised numbers, fitted on both so that neither is favoured.

    Parameters
    ----------
    reference, current : DataFrame, n and m rows
        With the columns of ``kinds``.
    kinds : dict of str to Kind
        Numbers and times become z-scores of their ranks (robust to outliers), missing or infinite
        ones 0; texts count by length; categories become one column for each of the 20 most
        frequent; columns with missing values add a column that marks them.

    Returns
    -------
    tuple of ndarray of float, shapes (n, k) and (m, k)
        Constant columns are left out; one column of zeros if nothing is left.
    """
    pooled = pd.concat([reference[list(kinds)], current[list(kinds)]], ignore_index=True)
    blocks = [_encode_column(pooled[name], kind) for name, kind in kinds.items()]
    matrix = np.column_stack([*blocks, np.zeros(len(pooled))])
    spread = matrix.std(axis=0)
    varying = spread > 0
    if not varying.any():
        varying[-1], spread[-1] = True, 1.0
    scaled = (matrix[:, varying] - matrix[:, varying].mean(axis=0)) / spread[varying]
    return scaled[: len(reference)], scaled[len(reference) :]


def _encode_column(column: pd.Series, kind: Kind) -> Floats:
    missing = column.isna().to_numpy(dtype=np.float64)
    if kind in (Kind.CATEGORICAL, Kind.BOOLEAN):
        labels = column.map(lambda v: category_label(v, boolean=kind is Kind.BOOLEAN))
        top = labels[column.notna()].value_counts().index[:MAX_CATEGORIES]
        hits = [(labels == label).to_numpy(dtype=np.float64) for label in top]
        return np.column_stack([*hits, missing])
    if kind is Kind.DATETIME:
        column = pd.to_datetime(column, errors="coerce", utc=True, format="mixed")
    elif kind is Kind.TEXT:
        column = column.astype(str).str.len()
    else:
        column = pd.to_numeric(column, errors="coerce").replace([np.inf, -np.inf], np.nan)
    ranks = column.rank(pct=True) - 0.5
    return np.column_stack([ranks.fillna(0.0).to_numpy(dtype=np.float64), missing])


def domain_classifier(reference: Floats, current: Floats, *, seed: int = 0) -> DriftTest:
    """Test whether a classifier tells current from reference rows it has not seen.

    Parameters
    ----------
    reference, current : ndarray of float, shapes (n, k) and (m, k)
        Encoded rows.
    seed : int
        Of the split.

    Returns
    -------
    DriftTest
        ``statistic`` is the ROC AUC on the held-out half, 0.5 where the tables are alike, 1 where
        they can be told apart; the p-value is that of the rank-sum test of the held-out scores,
        which is valid as the classifier saw none of these rows (Lopez-Paz & Oquab 2017).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # slow to import

    rng = np.random.default_rng(seed)
    rows = np.concatenate([reference, current])
    is_current = np.arange(len(rows)) >= len(reference)
    halves = [rng.permutation(np.flatnonzero(is_current == side)) for side in (False, True)]
    train = np.concatenate([half[: len(half) // 2] for half in halves])
    held_out = np.setdiff1d(np.arange(len(rows)), train)
    model = HistGradientBoostingClassifier(
        max_iter=40, early_stopping=False, class_weight="balanced", random_state=seed
    )
    model.fit(rows[train], is_current[train])
    scores = model.predict_proba(rows[held_out])[:, 1]
    old, new = (np.sort(scores[is_current[held_out] == side]) for side in (False, True))
    merged = merge(old, new)
    result = rank_location(merged)
    auc = 0.5 + merged.current_rank / (merged.n * merged.m)
    return DriftTest(
        name="domain_classifier",
        statistic=auc,
        p_value=result.p_value,
        effect_size=auc,
        threshold=AUC_LIMIT,
        threshold_source=f"Evidently's default, and p <= {ALPHA:g}",
        drift_detected=auc >= AUC_LIMIT and (result.p_value or 0.0) <= ALPHA,
        method="gradient boosting, trained on one half of the rows, tested on the other",
    )


def maximum_mean_discrepancy(reference: Floats, current: Floats, *, seed: int = 0) -> DriftTest:
    """Squared MMD with a Gaussian kernel (Gretton et al. 2012, JMLR 13, eq. 5).

    Parameters
    ----------
    reference, current : ndarray of float, shapes (n, k) and (m, k)
        Encoded rows.
    seed : int
        Of the permutations.

    Returns
    -------
    DriftTest
        ``statistic`` is the biased estimate of MMD², 0 or more; the p-value is by permutation of
        the rows over the tables. The kernel's width is the median distance of all rows.
    """
    rows = np.concatenate([reference, current])
    kernel = _gaussian_kernel(rows)
    signs = np.where(np.arange(len(rows)) < len(reference), 1 / len(reference), -1 / len(current))
    rng = np.random.default_rng(seed)
    permuted = rng.permuted(np.tile(signs, (PERMUTATIONS, 1)), axis=1)
    observed = float(signs @ kernel @ signs)
    drawn = np.einsum("ij,ij->i", permuted @ kernel, permuted)
    p_value = (1 + int((drawn >= observed - 1e-12).sum())) / (1 + PERMUTATIONS)
    return DriftTest(
        name="mmd",
        statistic=max(0.0, observed),
        p_value=p_value,
        threshold=ALPHA,
        threshold_source="convention",
        drift_detected=p_value <= ALPHA,
        method=f"Gaussian kernel of median width, {PERMUTATIONS} permutations",
    )


def _gaussian_kernel(rows: Floats) -> NDArray[np.float64]:
    squares = np.einsum("ij,ij->i", rows, rows)
    distances = np.maximum(squares[:, None] + squares[None, :] - 2 * rows @ rows.T, 0.0)
    width = float(np.median(distances[np.triu_indices(len(rows), 1)]))
    return np.asarray(np.exp(-distances / (width or 1.0)))
