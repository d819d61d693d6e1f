"""Quality metrics against scikit-learn, and a reason wherever there is no number."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from errors import DataError
from metric_names import higher_is_better
from metrics import evaluate_quality
from model_types import ModelInfo, Predictions, Task
from probability_curves import MAX_POINTS
from report_types import QualitySection, RunConfig

CONFIG = RunConfig(n_resamples=200)
CLASSES = ["c0", "c1", "c2"]


def info(task: Task, classes: list[Any] | None = None, **more: Any) -> ModelInfo:
    return ModelInfo(task=task, estimator="Stub", classes=classes, **more)


def evaluate(
    predictions: Predictions,
    described: ModelInfo,
    y_true: Any,
    config: RunConfig = CONFIG,
) -> QualitySection:
    frame = pd.DataFrame({"x": np.arange(len(predictions.y_pred), dtype=float)})
    return evaluate_quality(
        predictions, described, frame, y_true, config=config, labels_from="the sample"
    )


def classifier(
    n_classes: int, n: int = 500, *, ties: bool = False, seed: int = 0
) -> tuple[pd.Series, Predictions, ModelInfo]:
    """Return labels, predictions somewhat better than chance, and a description."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(n_classes, n, p=np.arange(1, n_classes + 1) / sum(range(n_classes + 1)))
    y_proba = rng.dirichlet(np.ones(n_classes), n) + 0.5 * np.eye(n_classes)[codes]
    y_proba = np.round(y_proba, 1) + 0.05 if ties else y_proba
    y_proba /= y_proba.sum(axis=1, keepdims=True)
    classes = [f"c{i}" for i in range(n_classes)]
    names = np.array(classes, dtype=object)
    task = Task.BINARY if n_classes == 2 else Task.MULTICLASS
    predictions = Predictions(names[y_proba.argmax(axis=1)], y_proba)
    return pd.Series(names[codes]), predictions, info(task, classes)


def values(section: QualitySection) -> dict[str, float | None]:
    return {metric.name: metric.estimate.value for metric in section.metrics}


def reasons(section: QualitySection) -> dict[str, str | None]:
    return {metric.name: metric.estimate.reason for metric in section.metrics}


def assert_honest(section: QualitySection) -> None:
    """Every number is finite, every gap has a reason, and the section survives JSON."""
    for metric in section.metrics:
        estimate = metric.estimate
        assert (estimate.value is None) == (estimate.reason is not None)
        for number in (estimate.value, estimate.low, estimate.high, metric.baseline):
            assert number is None or math.isfinite(number)
        if estimate.value is not None and estimate.low is None:
            assert estimate.interval_reason
    written = section.model_dump_json()
    assert QualitySection.model_validate_json(written) == section
    assert "NaN" not in written


# --- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", [False, True])
def test_binary_metrics_equal_scikit_learn(ties: bool) -> None:
    """All nine values for two classes, with and without tied probabilities."""
    y_true, predictions, described = classifier(2, ties=ties)
    y_pred, y_proba = predictions.y_pred, predictions.y_proba
    assert y_proba is not None
    positive = {"pos_label": "c1"}
    is_positive = y_true == "c1"
    assert values(evaluate(predictions, described, y_true)) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(y_true, y_pred),
            "balanced_accuracy": sk.balanced_accuracy_score(y_true, y_pred),
            "precision": sk.precision_score(y_true, y_pred, **positive),
            "recall": sk.recall_score(y_true, y_pred, **positive),
            "f1": sk.f1_score(y_true, y_pred, **positive),
            "roc_auc": sk.roc_auc_score(is_positive, y_proba[:, 1]),
            "average_precision": sk.average_precision_score(is_positive, y_proba[:, 1]),
            "log_loss": sk.log_loss(y_true, y_proba),
            "brier": sk.brier_score_loss(is_positive, y_proba[:, 1]),
        },
        abs=1e-12,
    )


@pytest.mark.parametrize("n_classes", [3, 7])
@pytest.mark.parametrize("ties", [False, True])
def test_multiclass_metrics_equal_scikit_learn(n_classes: int, ties: bool) -> None:
    """All nine values for more classes: macro averages, one-vs-rest."""
    y_true, predictions, described = classifier(n_classes, ties=ties)
    y_pred, y_proba = predictions.y_pred, predictions.y_proba
    macro = {"average": "macro"}
    assert values(evaluate(predictions, described, y_true)) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(y_true, y_pred),
            "balanced_accuracy": sk.balanced_accuracy_score(y_true, y_pred),
            "precision": sk.precision_score(y_true, y_pred, **macro),
            "recall": sk.recall_score(y_true, y_pred, **macro),
            "f1": sk.f1_score(y_true, y_pred, **macro),
            "roc_auc": sk.roc_auc_score(y_true, y_proba, multi_class="ovr"),
            "average_precision": sk.average_precision_score(y_true, y_proba),
            "log_loss": sk.log_loss(y_true, y_proba),
            "brier": sk.brier_score_loss(y_true, y_proba),
        },
        abs=1e-12,
    )


REGRESSION_SCORES: dict[str, Callable[..., float]] = {
    "mean_absolute_error": sk.mean_absolute_error,
    "root_mean_squared_error": sk.root_mean_squared_error,
    "r2": sk.r2_score,
    "mean_absolute_percentage_error": sk.mean_absolute_percentage_error,
    "median_absolute_error": sk.median_absolute_error,
}


@pytest.mark.parametrize("n", [2, 7, 500])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_regression_metrics_equal_scikit_learn(n: int, offset: float) -> None:
    """All five values, also for targets far from zero."""
    rng = np.random.default_rng(0)
    y_true = offset + rng.normal(size=n)
    y_pred = y_true + rng.normal(size=n) / 2
    section = evaluate(Predictions(y_pred), info(Task.REGRESSION), pd.Series(y_true))
    expected = {name: score(y_true, y_pred) for name, score in REGRESSION_SCORES.items()}
    assert values(section) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert_honest(section)


def test_multilabel_metrics_equal_scikit_learn() -> None:
    """Subset accuracy, both F1, the Hamming loss, and the areas of the labels that vary."""
    rng = np.random.default_rng(0)
    y_true = (rng.random((300, 4)) < [0.1, 0.3, 0.5, 0.0]).astype(int)
    y_proba = np.clip(0.4 * y_true + 0.6 * rng.random((300, 4)), 0, 1)
    y_pred = (y_proba > 0.5).astype(int)
    y_pred[:, 3] = 0  # never present, never predicted
    described = info(Task.MULTILABEL, n_outputs=4, output_names=list("abcd"))
    section = evaluate(Predictions(y_pred, y_proba), described, pd.DataFrame(y_true))
    assert values(section) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(y_true, y_pred),
            "f1_micro": sk.f1_score(y_true, y_pred, average="micro"),
            "f1_macro": sk.f1_score(y_true, y_pred, average="macro", zero_division=0),
            "hamming_loss": sk.hamming_loss(y_true, y_pred),
            "roc_auc": sk.roc_auc_score(y_true[:, :3], y_proba[:, :3]),
            "average_precision": sk.average_precision_score(y_true[:, :3], y_proba[:, :3]),
        },
        abs=1e-12,
    )
    assert_honest(section)


def test_multioutput_counts_rows_with_all_outputs_right() -> None:
    """Of four rows two are right in both outputs; three of eight single answers are wrong."""
    described = info(Task.MULTIOUTPUT, n_outputs=2, output_classes=[["a", "b"], [0, 1, 2]])
    y_true = pd.DataFrame({"one": ["a", "a", "b", "b"], "two": ["0", "1", "2", "2"]})
    y_pred = np.array([["a", 0], ["b", 0], ["b", 2], ["a", 2]], dtype=object)
    section = evaluate(Predictions(y_pred), described, y_true)
    assert values(section) == {"accuracy": 0.5, "hamming_loss": 0.375}


@pytest.mark.parametrize("n", [2, 400])
def test_several_numbers_equal_scikit_learn(n: int) -> None:
    """Plain means over the outputs, and every output alone, for a model with three numbers."""
    rng = np.random.default_rng(0)
    y_true = rng.normal([1.0, 10.0, -5.0], [1.0, 3.0, 0.1], (n, 3))
    y_pred = y_true + rng.normal(size=(n, 3))
    described = info(Task.REGRESSION, n_outputs=3, output_names=list("abc"))
    table = pd.DataFrame(y_true, columns=list("abc"))
    section = evaluate(Predictions(y_pred), described, table)
    expected = {name: score(y_true, y_pred) for name, score in REGRESSION_SCORES.items()}
    assert values(section) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert section.details is not None
    found = {(item.output, item.name): item.estimate.value for item in section.details.outputs}
    for name, score in REGRESSION_SCORES.items():
        single = score(y_true, y_pred, multioutput="raw_values")
        assert [found[k, name] for k in "abc"] == pytest.approx(single, rel=1e-9, abs=1e-12)
    assert_honest(section)


def test_an_output_without_a_metric_leaves_the_mean_without_it() -> None:
    """A constant target has no R²; the mean says which output, the others keep theirs."""
    y_true = pd.DataFrame({"a": np.arange(50.0), "b": np.ones(50)})
    described = info(Task.REGRESSION, n_outputs=2, output_names=["a", "b"])
    section = evaluate(Predictions(y_true.to_numpy() + 0.5), described, y_true)
    assert str(reasons(section)["r2"]).startswith("b: All labels are equal")
    assert values(section)["mean_absolute_error"] == pytest.approx(0.5)
    assert_honest(section)


def test_clusters_are_compared_with_labels() -> None:
    """Agreement of clusters equals scikit-learn's, and a note says that it is not accuracy."""
    rng = np.random.default_rng(0)
    y_true, clusters = rng.choice(list("abc"), 200), rng.integers(0, 4, 200)
    section = evaluate(Predictions(clusters), info(Task.CLUSTERING), pd.Series(y_true))
    assert values(section) == {
        "adjusted_rand_score": pytest.approx(sk.adjusted_rand_score(y_true, clusters)),
        "normalized_mutual_info_score": pytest.approx(
            sk.normalized_mutual_info_score(y_true, clusters)
        ),
    }
    assert any("not how accurate" in note for note in section.notes)


@pytest.mark.parametrize(("outlier", "inlier"), [(-1, 1), (1, 0), ("1", "0"), (True, False)])
def test_outlier_detector_is_scored_as_two_classes(outlier: Any, inlier: Any) -> None:
    """Whichever way outliers are labelled, precision, recall and AUC are those of the outliers."""
    rng = np.random.default_rng(0)
    is_outlier = rng.random(300) < 0.1
    score = rng.normal(size=300) - 2 * is_outlier
    y_pred = np.where(score < -1.5, -1, 1)
    y_true = pd.Series([outlier if flag else inlier for flag in is_outlier])
    section = evaluate(Predictions(y_pred, y_score=score), info(Task.OUTLIER), y_true)
    found = values(section)
    assert found["precision"] == pytest.approx(sk.precision_score(is_outlier, y_pred == -1))
    assert found["recall"] == pytest.approx(sk.recall_score(is_outlier, y_pred == -1))
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(is_outlier, -score))
    assert found["log_loss"] is None
    assert_honest(section)


# --- intervals and baselines -----------------------------------------------------------------


def expanded_percentiles(plain: np.ndarray[Any, Any], n: int) -> np.ndarray[Any, Any]:
    """Return the ends at the levels of Hesterberg 2015: Student's t, times sqrt(n / (n - 1))."""
    level = stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf(0.025, n - 1))
    return np.asarray(np.quantile(plain, [level, 1 - level], method="weibull"))


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [2, 3])
def test_intervals_equal_those_of_a_plain_bootstrap(n_classes: int) -> None:
    """A loop that resamples rows and calls scikit-learn gives the same bounds.

    A bound from 500 resamples has a standard error of 0.12 standard deviations.
    """
    y_true, predictions, described = classifier(n_classes, n=300)
    section = evaluate(predictions, described, y_true, RunConfig(n_resamples=4000))
    y_proba = predictions.y_proba
    assert y_proba is not None
    rng = np.random.default_rng(1)
    drawn = []
    for rows in rng.integers(0, 300, (500, 300)):
        true, proba = y_true.to_numpy()[rows], y_proba[rows]
        ranked = (true == "c1", proba[:, 1]) if n_classes == 2 else (true, proba)
        drawn.append(
            [
                sk.balanced_accuracy_score(true, predictions.y_pred[rows]),
                sk.f1_score(true, predictions.y_pred[rows], average="macro")
                if n_classes > 2
                else sk.f1_score(true, predictions.y_pred[rows], pos_label="c1"),
                sk.roc_auc_score(*ranked, multi_class="ovr"),
                sk.average_precision_score(*ranked),
                sk.log_loss(true, proba, labels=described.classes),
            ]
        )
    names = ["balanced_accuracy", "f1", "roc_auc", "average_precision", "log_loss"]
    found = {metric.name: metric.estimate for metric in section.metrics}
    for name, plain in zip(names, np.array(drawn).T, strict=True):
        bounds = expanded_percentiles(plain, 300)
        assert [found[name].low, found[name].high] == pytest.approx(bounds, abs=0.5 * plain.std())


def test_regression_intervals_equal_those_of_a_plain_bootstrap() -> None:
    """The same for numbers, with scikit-learn in a loop.

    The upper end of the root mean squared error is that of the bootstrap-t where it lies higher.
    """
    rng = np.random.default_rng(0)
    y_true = rng.exponential(size=200) + 1
    y_pred = y_true + rng.normal(size=200) / 2
    config = RunConfig(n_resamples=4000)
    section = evaluate(Predictions(y_pred), info(Task.REGRESSION), pd.Series(y_true), config)
    rows = rng.integers(0, 200, (1000, 200))
    for metric in section.metrics:
        score = REGRESSION_SCORES[metric.name]
        plain = np.array([score(y_true[part], y_pred[part]) for part in rows])
        bounds = expanded_percentiles(plain, 200)
        if metric.name == "root_mean_squared_error":
            squares = (y_true - y_pred)[rows] ** 2
            errors = squares.std(axis=1) / (2 * plain)
            whole = (y_true - y_pred) ** 2
            root = np.sqrt(whole.mean())
            low = expanded_percentiles((plain - root) / errors, 200)[0]
            bounds[1] = max(bounds[1], root - low * whole.std() / (2 * root))
        found = [metric.estimate.low, metric.estimate.high]
        assert found == pytest.approx(bounds, abs=0.4 * plain.std())


def test_intervals_narrow_with_the_square_root_of_the_rows() -> None:
    """40,000 rows, of which a part is resampled, give a tenth of the width of 400 rows."""
    widths = {}
    for n in (400, 40_000):
        y_true, predictions, described = classifier(2, n=n)
        found = evaluate(predictions, described, y_true).metrics
        widths[n] = {m.name: (m.estimate.high or 0) - (m.estimate.low or 0) for m in found}
    for name, width in widths[400].items():
        assert widths[40_000][name] == pytest.approx(width / 10, rel=0.25), name


def test_classification_baselines_are_constant_answers() -> None:
    """Beside each value stands what 'always the majority' or the class shares would get."""
    y_true, predictions, described = classifier(3)
    metrics = {m.name: m for m in evaluate(predictions, described, y_true).metrics}
    constant = np.full(500, "c2")
    shares = np.tile((y_true.value_counts() / 500)[CLASSES].to_numpy(), (500, 1))
    assert metrics["accuracy"].baseline == pytest.approx(sk.accuracy_score(y_true, constant))
    assert metrics["accuracy"].baseline_name == 'always "c2"'
    assert metrics["f1"].baseline == pytest.approx(sk.f1_score(y_true, constant, average="macro"))
    assert metrics["roc_auc"].baseline == 0.5
    assert metrics["log_loss"].baseline == pytest.approx(sk.log_loss(y_true, shares))
    assert metrics["brier"].baseline == pytest.approx(sk.brier_score_loss(y_true, shares))
    average_precision = sk.average_precision_score(y_true, shares)
    assert metrics["average_precision"].baseline == pytest.approx(average_precision)


def test_regression_baselines_are_mean_and_median() -> None:
    """Squares are compared with the mean, absolute errors with the median."""
    y_true = np.random.default_rng(0).exponential(size=101) + 1
    section = evaluate(Predictions(y_true + 0.1), info(Task.REGRESSION), pd.Series(y_true))
    for metric in section.metrics:
        uses_mean = metric.name in ("r2", "root_mean_squared_error")
        constant = np.full(101, y_true.mean() if uses_mean else np.median(y_true))
        expected = REGRESSION_SCORES[metric.name](y_true, constant)
        assert metric.baseline == pytest.approx(expected, abs=1e-12)
        assert metric.baseline_name == f"always the {'mean' if uses_mean else 'median'}"


def test_a_perfect_classifier_is_not_certain() -> None:
    """Without any error among n rows the lower bound is 0.05 ** (1 / n), not 1."""
    y_true = pd.Series(["a", "b"] * 25)
    section = evaluate(Predictions(y_true.to_numpy()), info(Task.BINARY, ["a", "b"]), y_true)
    bounds = {metric.name: metric.estimate.low for metric in section.metrics}
    assert bounds["accuracy"] == pytest.approx(0.05 ** (1 / 50))
    assert bounds["recall"] == pytest.approx(0.05 ** (1 / 25))


def test_same_seed_gives_the_same_section() -> None:
    """Everything but the seed being equal, two evaluations agree to the last digit."""
    y_true, predictions, described = classifier(3)
    assert evaluate(predictions, described, y_true) == evaluate(predictions, described, y_true)


def test_direction_of_every_metric_is_told() -> None:
    """Losses, errors and the Brier score are better when lower, the others when higher."""
    y_true, predictions, described = classifier(2)
    lower = {
        m.name for m in evaluate(predictions, described, y_true).metrics if not m.higher_is_better
    }
    assert lower == {"log_loss", "brier"}
    assert not higher_is_better("mean_absolute_error")


@pytest.mark.parametrize("n_classes", [2, 4])
def test_order_of_rows_does_not_matter(n_classes: int) -> None:
    """Shuffled rows have the same values."""
    y_true, predictions, described = classifier(n_classes)
    order = np.random.default_rng(0).permutation(500)
    assert predictions.y_proba is not None
    shuffled = Predictions(predictions.y_pred[order], predictions.y_proba[order])
    again = evaluate(shuffled, described, y_true.iloc[order])
    assert values(again) == pytest.approx(values(evaluate(predictions, described, y_true)))


# --- curves and tables -----------------------------------------------------------------------


def test_curves_lie_on_scikit_learns() -> None:
    """Every point of the thinned ROC curve is a point of the full one, with the right area."""
    y_true, predictions, described = classifier(2, n=5000)
    section = evaluate(predictions, described, y_true)
    assert predictions.y_proba is not None
    fall_out, recall, _ = sk.roc_curve(
        y_true == "c1", predictions.y_proba[:, 1], drop_intermediate=False
    )
    roc = section.roc[0]
    assert len(roc.x) <= MAX_POINTS
    assert {(x, y) for x, y in zip(roc.x, roc.y, strict=True)} <= set(
        zip(fall_out.tolist(), recall.tolist(), strict=True)
    )
    assert (roc.x[0], roc.y[0], roc.x[-1], roc.y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(values(section)["roc_auc"], abs=0.005)


def test_every_class_of_several_has_its_own_curve() -> None:
    """Three classes give three one-vs-rest curves of both kinds, named by class."""
    y_true, predictions, described = classifier(3)
    section = evaluate(predictions, described, y_true)
    assert [curve.name for curve in section.roc] == ["c0", "c1", "c2"]
    assert [curve.name for curve in section.precision_recall] == ["c0", "c1", "c2"]


def test_calibration_bins_equal_scikit_learns() -> None:
    """Means and frequencies equal ``calibration_curve``; the error is their weighted distance."""
    y_true, predictions, described = classifier(2, n=2000)
    section = evaluate(predictions, described, y_true)
    assert predictions.y_proba is not None
    observed, predicted = calibration_curve(y_true == "c1", predictions.y_proba[:, 1], n_bins=10)
    assert [b.predicted for b in section.calibration] == pytest.approx(predicted.tolist())
    assert [b.observed for b in section.calibration] == pytest.approx(observed.tolist())
    weights = [b.n / 2000 for b in section.calibration]
    error = np.sum(weights * np.abs(observed - predicted))
    assert section.expected_calibration_error == pytest.approx(error)
    assert all(b.low <= b.observed <= b.high for b in section.calibration)


def test_threshold_table_equals_scikit_learn() -> None:
    """Precision, recall and F1 at each threshold are those of the thresholded probabilities."""
    y_true, predictions, described = classifier(2)
    assert predictions.y_proba is not None
    for point in evaluate(predictions, described, y_true).thresholds:
        flagged = predictions.y_proba[:, 1] >= point.threshold
        expected = sk.precision_recall_fscore_support(
            y_true == "c1", flagged, average="binary", zero_division=0
        )
        assert (point.precision or 0, point.recall, point.f1) == pytest.approx(expected[:3])


def test_confusion_matrix_and_class_table_equal_scikit_learn() -> None:
    """Counts per pair of labels, and precision, recall, F1 and support per class."""
    y_true, predictions, described = classifier(4)
    section = evaluate(predictions, described, y_true)
    matrix = sk.confusion_matrix(y_true, predictions.y_pred, labels=described.classes)
    table = sk.precision_recall_fscore_support(y_true, predictions.y_pred)
    assert section.confusion == matrix.tolist()
    for column, name in zip(table, ("precision", "recall", "f1", "support"), strict=True):
        assert [getattr(row, name) for row in section.per_class] == pytest.approx(column.tolist())


def test_distributions_count_every_row() -> None:
    """Predicted, actual and confidence counts add up to the rows."""
    y_true, predictions, described = classifier(3)
    section = evaluate(predictions, described, y_true)
    assert section.actual_distribution is not None
    assert section.confidence_distribution is not None
    assert sum(section.prediction_distribution.counts) == 500
    assert section.actual_distribution.counts == y_true.value_counts()[CLASSES].tolist()
    assert sum(section.confidence_distribution.counts) == 500


def test_regression_charts_show_residuals_and_a_sample_of_pairs() -> None:
    """All residuals y_true - y_pred are counted; at most 1,000 pairs are drawn."""
    y_true = np.arange(3000.0)
    section = evaluate(Predictions(y_true - 2), info(Task.REGRESSION), pd.Series(y_true))
    assert section.residuals is not None
    assert sum(section.residuals.counts) == 3000
    assert section.residuals.edges[0] <= 2 <= section.residuals.edges[-1]
    assert len(section.predicted_vs_actual) == 1000
    assert all(true - answer == 2 for true, answer in section.predicted_vs_actual)


# --- what cannot be computed -----------------------------------------------------------------


@pytest.mark.parametrize("y_true", [None, pd.Series([None] * 500), pd.Series([np.nan] * 500)])
def test_without_labels_only_distributions(y_true: pd.Series | None) -> None:
    """No metric is invented; a note says what would be needed."""
    _, predictions, described = classifier(2)
    section = evaluate(predictions, described, y_true)
    assert not section.has_labels
    assert section.metrics == []
    assert "target column" in section.notes[0]
    assert sum(section.prediction_distribution.counts) == 500


@pytest.mark.parametrize("cast", [str, float, bool, np.int8])
def test_labels_of_another_type_give_the_same_metrics(cast: Callable[[Any], Any]) -> None:
    """The labels "1", 1.0, True and 1 are the same."""
    y_true, predictions, _ = classifier(2)
    assert predictions.y_proba is not None
    numbers = (y_true == "c1").astype(int)
    answers = Predictions((predictions.y_pred == "c1").astype(int), predictions.y_proba)
    described = info(Task.BINARY, [0, 1])
    section = evaluate(answers, described, pd.Series([cast(label) for label in numbers]))
    assert section == evaluate(answers, described, numbers)


def test_labels_without_any_match_are_named() -> None:
    """When nothing matches every metric says both sets of labels."""
    _, predictions, described = classifier(2)
    section = evaluate(predictions, described, pd.Series(["yes", "no"] * 250))
    assert set(values(section).values()) == {None}
    assert "'yes', 'no'" in str(reasons(section)["accuracy"])
    assert "'c0', 'c1'" in str(reasons(section)["accuracy"])


def test_labels_the_model_does_not_know_count_as_wrong() -> None:
    """Accuracy counts them, as scikit-learn does; probabilities are judged without them."""
    y_true, predictions, described = classifier(3)
    y_true[:50] = "new"
    section = evaluate(predictions, described, y_true)
    found = values(section)
    assert predictions.y_proba is not None
    assert found["accuracy"] == sk.accuracy_score(y_true, predictions.y_pred)
    assert found["log_loss"] == pytest.approx(sk.log_loss(y_true[50:], predictions.y_proba[50:]))
    assert any("50 rows" in note and "'new'" in note for note in section.notes)
    assert_honest(section)


def test_missing_labels_are_left_out_and_told() -> None:
    """Metrics rest on the labelled rows only."""
    y_true, predictions, described = classifier(2)
    expected = sk.accuracy_score(y_true[100:], predictions.y_pred[100:])
    y_true[:100] = None
    section = evaluate(predictions, described, y_true)
    assert values(section)["accuracy"] == expected
    assert section.metrics[0].estimate.n == 400
    assert any("100 of 500 rows have no label" in note for note in section.notes)


def test_one_class_only_has_no_ranking() -> None:
    """With one label left AUC and average precision say why they do not exist."""
    _, predictions, described = classifier(2)
    section = evaluate(predictions, described, pd.Series(["c0"] * 500))
    found = reasons(section)
    assert "all are 'c0'" in str(found["roc_auc"])
    assert "No labelled row is 'c1'" in str(found["recall"])
    assert_honest(section)


def test_class_absent_from_the_sample_is_told() -> None:
    """AUC then averages the classes there are; a note names the one that is not."""
    y_true, predictions, described = classifier(3)
    rows = np.flatnonzero(y_true != "c0")
    assert predictions.y_proba is not None
    part = Predictions(predictions.y_pred[rows], predictions.y_proba[rows])
    section = evaluate(part, described, y_true.iloc[rows])
    areas = [
        sk.roc_auc_score(y_true.iloc[rows] == name, predictions.y_proba[rows, i])
        for i, name in enumerate(["c0", "c1", "c2"])
        if name != "c0"
    ]
    assert values(section)["roc_auc"] == pytest.approx(np.mean(areas))
    assert any("No labelled row is 'c0'" in note for note in section.notes)
    assert_honest(section)


def test_class_never_predicted_has_no_precision() -> None:
    """Precision of the positive class is undefined, recall is 0."""
    y_true, _, described = classifier(2)
    section = evaluate(Predictions(np.full(500, "c0")), described, y_true)
    assert "never predicts 'c1'" in str(reasons(section)["precision"])
    assert values(section)["recall"] == 0.0
    assert "no probabilities" in str(reasons(section)["log_loss"])
    assert_honest(section)


@pytest.mark.parametrize(
    ("y_proba", "metric", "said"),
    [
        (np.full((500, 2), np.nan), "roc_auc", "not finite"),
        (np.full((500, 2), np.nan), "log_loss", "between 0 and 1"),
        (np.full((500, 2), 0.9), "log_loss", "sum to 1"),
        (np.full((500, 2), -0.1), "brier", "between 0 and 1"),
        (np.full((500, 3), 1 / 3), "roc_auc", "neither"),
    ],
)
def test_useless_probabilities_are_refused(y_proba: Any, metric: str, said: str) -> None:
    """Probabilities that are none give no number but a reason."""
    y_true, predictions, described = classifier(2)
    section = evaluate(Predictions(predictions.y_pred, y_proba), described, y_true)
    assert said in str(reasons(section)[metric])
    assert_honest(section)


@pytest.mark.parametrize("positive", ["c0", "c1"])
def test_positive_class_can_be_chosen(positive: str) -> None:
    """Precision, AUC and average precision follow the chosen class."""
    y_true, predictions, described = classifier(2)
    config = RunConfig(positive_class=positive, n_resamples=100)
    section = evaluate(predictions, described, y_true, config)
    assert predictions.y_proba is not None
    score = predictions.y_proba[:, int(positive[1])]
    found = values(section)
    assert section.positive_class == positive
    assert found["precision"] == sk.precision_score(y_true, predictions.y_pred, pos_label=positive)
    assert found["average_precision"] == pytest.approx(
        sk.average_precision_score(y_true == positive, score)
    )


def test_unknown_positive_class_is_told() -> None:
    """A positive class the model does not have falls back to the second, with a note."""
    y_true, predictions, described = classifier(2)
    section = evaluate(predictions, described, y_true, RunConfig(positive_class="yes"))
    assert section.positive_class == "c1"
    assert any("'yes' is no class" in note for note in section.notes)


def test_scores_stand_in_for_probabilities_in_rankings() -> None:
    """With decision values only, AUC exists and log loss says why it does not."""
    y_true, predictions, described = classifier(2)
    score = np.random.default_rng(0).normal(size=500) + (y_true == "c1").to_numpy()
    section = evaluate(Predictions(predictions.y_pred, y_score=score), described, y_true)
    assert values(section)["roc_auc"] == pytest.approx(sk.roc_auc_score(y_true == "c1", score))
    assert values(section)["log_loss"] is None
    assert section.calibration == []


@pytest.mark.parametrize(
    ("y_true", "y_pred", "metric", "said"),
    [
        ([0.0, 1.0, 2.0], [0.1, 1.0, 2.0], "mean_absolute_percentage_error", "1 labels are 0"),
        ([5.0, 5.0, 5.0], [5.0, 4.0, 6.0], "r2", "no variance"),
        ([5.0], [4.0], "r2", "two rows"),
        (["a", "b"], [1.0, 2.0], "r2", "No label is a finite number"),
        ([1.0, 2.0], [np.nan, np.inf], "r2", "finite prediction"),
        ([1e200, 2e200], [-1e200, 1e200], "root_mean_squared_error", "too large"),
    ],
)
def test_regression_metrics_that_do_not_exist(
    y_true: list[Any], y_pred: list[float], metric: str, said: str
) -> None:
    """Zeros, constant labels, text, failed predictions and overflow are told."""
    section = evaluate(Predictions(np.array(y_pred)), info(Task.REGRESSION), pd.Series(y_true))
    assert said in str(reasons(section)[metric])
    assert_honest(section)


def test_wrong_number_of_target_columns_is_told() -> None:
    """Several outputs and one target column cannot be compared."""
    y_pred = np.zeros((5, 3), dtype=int)
    section = evaluate(Predictions(y_pred), info(Task.MULTILABEL, n_outputs=3), pd.Series([1] * 5))
    assert "3 values per row" in str(reasons(section)["accuracy"])
    numbers = evaluate(Predictions(y_pred), info(Task.REGRESSION, n_outputs=3), pd.Series([1] * 5))
    assert "3 values per row" in str(reasons(numbers)["r2"])


@pytest.mark.parametrize("n", [499, 501])
def test_labels_must_belong_to_the_rows(n: int) -> None:
    """One label too many or too few is refused."""
    _, predictions, described = classifier(2)
    with pytest.raises(DataError, match="500 rows"):
        evaluate(predictions, described, pd.Series(["c0"] * n))


ODD_LABELS = st.one_of(
    st.sampled_from(["c0", "c1", "c2", "", " c1", None]),
    st.integers(-2, 3),
    st.floats(),
    st.booleans(),
)


@settings(max_examples=50, deadline=None)
@given(labels=st.lists(ODD_LABELS, min_size=1, max_size=40), n_classes=st.integers(2, 3))
def test_any_labels_give_an_honest_section(labels: list[Any], n_classes: int) -> None:
    """Whatever the label column holds: no NaN, no exception, no warning, a reason for each gap."""
    _, predictions, described = classifier(n_classes, n=len(labels))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_honest(evaluate(predictions, described, pd.Series(labels, dtype=object)))


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.one_of(st.floats(), st.text(max_size=2)), st.floats()), min_size=1, max_size=30
    )
)
def test_any_numbers_give_an_honest_section(rows: list[tuple[Any, float]]) -> None:
    """The same for regression, with infinite, huge and missing numbers and text."""
    y_true = pd.Series([true for true, _ in rows], dtype=object)
    y_pred = np.array([answer for _, answer in rows])
    assert_honest(evaluate(Predictions(y_pred), info(Task.REGRESSION), y_true))


def test_progress_rises_from_zero_to_one() -> None:
    """The callback sees fractions in order, from 0 to 1."""
    y_true, predictions, described = classifier(2)
    said: list[float] = []
    evaluate_quality(
        predictions,
        described,
        pd.DataFrame({"x": np.arange(500.0)}),
        y_true,
        config=CONFIG,
        labels_from=None,
        progress=lambda fraction, message: said.append(fraction),
    )
    assert (said[0], said[-1]) == (0.0, 1.0)
    assert said == sorted(said)
