"""Names of the quality metrics, in the order they are shown, and which way is better.

Owns: the lists per task. Names are scikit-learn's; the glossary explains each of them.
"""

from __future__ import annotations

from base_types import Estimate
from report_types import Metric

LABEL_METRICS = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")
SCORE_METRICS = ("roc_auc", "average_precision", "log_loss", "brier")
REGRESSION_METRICS = (
    "mean_absolute_error",
    "root_mean_squared_error",
    "r2",
    "mean_absolute_percentage_error",
    "median_absolute_error",
)
MULTILABEL_METRICS = ("accuracy", "f1_micro", "f1_macro", "hamming_loss")
MULTILABEL_SCORES = ("roc_auc", "average_precision")
MULTIOUTPUT_METRICS = ("accuracy", "hamming_loss")
CLUSTERING_METRICS = ("adjusted_rand_score", "normalized_mutual_info_score")

LOWER_IS_BETTER = frozenset({"brier"})


def higher_is_better(name: str) -> bool:
    """Return whether a larger value is better; scikit-learn's names end in loss or error if not.

    Examples
    --------
    >>> higher_is_better("r2"), higher_is_better("log_loss"), higher_is_better("brier")
    (True, False, False)
    """
    return not (name in LOWER_IS_BETTER or name.endswith(("_loss", "_error")))


def undefined_metrics(names: tuple[str, ...], reason: str, n: int | None = None) -> list[Metric]:
    """Return metrics without value, for one common reason.

    Parameters
    ----------
    names : tuple of str
    reason : str
        One plain sentence.
    n : int, optional
        Rows that were looked at.
    """
    return [
        Metric(
            name=name,
            estimate=Estimate(n=n, reason=reason),
            higher_is_better=higher_is_better(name),
        )
        for name in names
    ]
