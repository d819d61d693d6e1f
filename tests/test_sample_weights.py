"""Weights of rows: every metric as scikit-learn has it, and the column never reaches the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from bootstrap import weighted_medians
from errors import DataError
from group_gaps import compare_groups
from group_stage import compare_sample_groups
from metrics import evaluate_quality
from model_types import ModelFeature, ModelInfo, Predictions, Task
from quality_details import cheapest_threshold, gain_table, spiegelhalter
from report_types import QualitySection, RunConfig
from sample_stage import SampleRoles, SampleRows, assign_roles
from slices import find_slices
from tests.test_metrics import assert_honest, classifier, info, values

CONFIG = RunConfig(n_resamples=200)


def weights_of(n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return uneven weights, some of them 0 and some equal."""
    rng = np.random.default_rng(7)
    return np.where(rng.random(n) < 0.1, 0.0, rng.integers(1, 6, n) * 0.3)


def weighed(
    predictions: Predictions,
    described: ModelInfo,
    y_true: Any,
    weights: Any,
    config: RunConfig = CONFIG,
) -> QualitySection:
    frame = pd.DataFrame({"x": np.arange(len(predictions.y_pred), dtype=float)})
    section = evaluate_quality(
        predictions, described, frame, y_true, config=config, labels_from="s", weights=weights
    )
    assert_honest(section)
    return section


@pytest.mark.parametrize("n_classes", [2, 4])
def test_weighted_classification_equals_scikit_learn(n_classes: int) -> None:
    """All nine metrics, the curve and the per-class table take sample_weight as scikit-learn."""
    y_true, predictions, described = classifier(n_classes, ties=True)
    weights, y_pred, proba = weights_of(500), predictions.y_pred, predictions.y_proba
    assert proba is not None
    codes = y_true.str[1:].astype(int)
    average = {"average": "binary", "pos_label": "c1"} if n_classes == 2 else {"average": "macro"}
    ranked = proba[:, 1] if n_classes == 2 else proba
    one_hot = np.eye(n_classes)[codes] if n_classes > 2 else codes
    by = {"sample_weight": weights}
    section = weighed(predictions, described, y_true, weights)
    expected = {
        "accuracy": sk.accuracy_score(y_true, y_pred, **by),
        "balanced_accuracy": sk.balanced_accuracy_score(y_true, y_pred, **by),
        "precision": sk.precision_score(y_true, y_pred, **average, **by),
        "recall": sk.recall_score(y_true, y_pred, **average, **by),
        "f1": sk.f1_score(y_true, y_pred, **average, **by),
        "roc_auc": sk.roc_auc_score(codes, ranked, multi_class="ovr", **by)
        if n_classes == 2
        else np.mean([sk.roc_auc_score(codes == k, proba[:, k], **by) for k in range(n_classes)]),
        "average_precision": sk.average_precision_score(one_hot, ranked, **by),
        "log_loss": sk.log_loss(codes, proba, **by),
        "brier": sk.brier_score_loss(codes, ranked, labels=range(n_classes), **by),
    }
    assert values(section) == pytest.approx(expected, abs=1e-12)
    table = sk.precision_recall_fscore_support(y_true, y_pred, sample_weight=weights)
    assert [row.recall for row in section.per_class] == pytest.approx(table[1].tolist(), abs=1e-12)
    assert section.details is not None
    cells = sk.confusion_matrix(y_true, y_pred, **by)
    assert np.array(section.details.weighted_confusion) == pytest.approx(cells, abs=1e-9)
    if n_classes == 2:
        curve = section.roc[0]
        assert np.trapezoid(curve.y, curve.x) == pytest.approx(expected["roc_auc"], abs=1e-12)


def test_weighted_regression_equals_scikit_learn() -> None:
    """All five metrics of numbers, the median among them."""
    rng = np.random.default_rng(0)
    y_true = rng.normal(10, 2, 400)
    y_pred, weights = y_true + np.round(rng.normal(size=400), 1), weights_of(400)
    section = weighed(Predictions(y_pred), info(Task.REGRESSION), pd.Series(y_true), weights)
    by = {"sample_weight": weights}
    expected = {
        "mean_absolute_error": sk.mean_absolute_error(y_true, y_pred, **by),
        "root_mean_squared_error": sk.root_mean_squared_error(y_true, y_pred, **by),
        "r2": sk.r2_score(y_true, y_pred, **by),
        "mean_absolute_percentage_error": sk.mean_absolute_percentage_error(y_true, y_pred, **by),
        "median_absolute_error": sk.median_absolute_error(y_true, y_pred, **by),
    }
    assert values(section) == pytest.approx(expected, abs=1e-12)
    baseline = {metric.name: metric.baseline for metric in section.metrics}
    mean = np.full(400, np.average(y_true, weights=weights))
    rmse = sk.root_mean_squared_error(y_true, mean, **by)
    assert baseline["root_mean_squared_error"] == pytest.approx(rmse, abs=1e-12)


def test_weighted_multilabel_equals_scikit_learn() -> None:
    """Subset accuracy, F1, Hamming loss and the areas over labels."""
    rng = np.random.default_rng(1)
    y_true = (rng.random((300, 3)) < [0.2, 0.4, 0.6]).astype(int)
    proba = np.clip(0.3 * y_true + 0.7 * rng.random((300, 3)), 0, 1)
    y_pred, weights = (proba > 0.5).astype(int), weights_of(300)
    described = info(Task.MULTILABEL, n_outputs=3, output_names=list("abc"))
    section = weighed(Predictions(y_pred, proba), described, pd.DataFrame(y_true), weights)
    by = {"sample_weight": weights}
    expected = {
        "accuracy": sk.accuracy_score(y_true, y_pred, **by),
        "f1_micro": sk.f1_score(y_true, y_pred, average="micro", **by),
        "f1_macro": sk.f1_score(y_true, y_pred, average="macro", **by),
        "hamming_loss": sk.hamming_loss(y_true, y_pred, **by),
        "roc_auc": sk.roc_auc_score(y_true, proba, **by),
        "average_precision": sk.average_precision_score(y_true, proba, **by),
    }
    assert values(section) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("task", ["binary", "numbers"])
def test_a_weight_counts_like_that_many_rows(task: str) -> None:
    """Whole weights give the values of a table in which each row stands that often."""
    copies = np.random.default_rng(3).integers(0, 4, 500)
    rows = np.repeat(np.arange(500), copies)
    if task == "binary":
        y_true, predictions, described = classifier(2)
        assert predictions.y_proba is not None
        long = Predictions(predictions.y_pred[rows], predictions.y_proba[rows])
    else:
        y_true = pd.Series(np.random.default_rng(0).normal(size=500))
        predictions, described = Predictions(y_true.to_numpy() * 0.9), info(Task.REGRESSION)
        long = Predictions(predictions.y_pred[rows])
    short = weighed(predictions, described, y_true, copies.astype(float))
    repeated = weighed(long, described, y_true.iloc[rows].reset_index(drop=True), None)
    assert values(short) == pytest.approx(values(repeated), abs=1e-12)
    assert short.expected_calibration_error == pytest.approx(repeated.expected_calibration_error)


@pytest.mark.parametrize("task", ["binary", "numbers"])
def test_equal_weights_give_the_intervals_of_no_weights(task: str) -> None:
    """With every row worth the same, values agree and intervals differ by chance only."""
    if task == "binary":
        y_true, predictions, described = classifier(2, 2000)
    else:
        rng = np.random.default_rng(0)
        y_true, described = pd.Series(rng.normal(size=2000)), info(Task.REGRESSION)
        predictions = Predictions(y_true.to_numpy() + rng.normal(size=2000))
    config = RunConfig(n_resamples=2000)
    plain = weighed(predictions, described, y_true, None, config)
    equal = weighed(predictions, described, y_true, np.full(2000, 0.75), config)
    assert values(equal) == pytest.approx(values(plain), abs=1e-12)
    for one, other in zip(plain.metrics, equal.metrics, strict=True):
        a, b = one.estimate, other.estimate
        assert a.low is not None
        assert a.high is not None
        assert (b.low, b.high) == pytest.approx((a.low, a.high), abs=0.1 * (a.high - a.low))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-5, 5), st.integers(0, 4)).map(lambda t: (float(t[0]), t[1])),
        min_size=1,
        max_size=20,
    )
)
def test_weighted_median_is_that_of_repeated_values(pairs: list[tuple[float, int]]) -> None:
    """Whole weights stand for repetitions, whatever ties and zeros there are."""
    pairs = [*sorted(pairs), (9.0, 1)]
    numbers, weights = np.array([v for v, _ in pairs]), np.array([[float(w) for _, w in pairs]])
    expected = np.median(np.repeat(numbers, weights[0].astype(int)))
    assert weighted_medians(numbers, weights)[0] == expected


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.booleans(), st.integers(1, 5)), min_size=1, max_size=15
    )
)
def test_gain_and_costs_count_a_row_like_that_many_rows(rows: list[tuple[int, bool, int]]) -> None:
    """Whole weights give the table and the threshold of rows that stand that often."""
    rows = [
        *rows,
        (0, True, 100 - sum(row[2] for row in rows)),
    ]  # 100 in all: shares are whole rows
    scores = np.array([row[0] for row in rows]) / 10
    positive, weights = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    long = (np.repeat(scores, weights), np.repeat(positive, weights))
    for one, many in zip(
        gain_table(scores, positive, weights.astype(float)), gain_table(*long), strict=True
    ):
        assert one.model_dump() == pytest.approx(many.model_dump())
    costs: dict[str, Any] = {"false_positive": 1.0, "false_negative": 3.0}
    short = cheapest_threshold(scores, positive, weights=weights.astype(float), **costs)
    assert short.model_dump() == pytest.approx(cheapest_threshold(*long, **costs).model_dump())


def test_weighted_true_probabilities_pass_as_often_as_they_should() -> None:
    """Of 1,000 weighted samples from the stated probabilities, 3.5 to 6.5 % are rejected at 5 %."""
    rng = np.random.default_rng(0)
    rejected = 0
    for _ in range(1000):
        p, weights = rng.beta(2, 3, 300), rng.lognormal(0, 0.5, 300)
        found = spiegelhalter(p, rng.random(300) < p, weights)
        assert found is not None
        rejected += found.p_value < 0.05
    assert 0.035 <= rejected / 1000 <= 0.065


def test_groups_are_weighed_as_by_scikit_learn() -> None:
    """Accuracy, recall and share of positives of each group take the weights of its rows."""
    y_true, predictions, described = classifier(2)
    weights, groups = weights_of(500), np.array(["a", "b"] * 250)
    table = pd.DataFrame({"g": groups})
    found = compare_sample_groups(
        predictions, described, table, y_true, column="g", positive_class="c1", weights=weights
    )
    assert found is not None
    gaps = {gap.measure: gap for gap in found.gaps}
    for group in "ab":
        rows = groups == group
        answers = y_true[rows], predictions.y_pred[rows]
        by = {"sample_weight": weights[rows]}
        expected = {
            "accuracy": sk.accuracy_score(*answers, **by),
            "recall": sk.recall_score(*answers, pos_label="c1", **by),
            "specificity": sk.recall_score(*answers, pos_label="c0", **by),
        }
        for measure, value in expected.items():
            values = {item.group: item.estimate.value for item in gaps[measure].groups}
            assert values[group] == pytest.approx(value, abs=1e-12)


def test_weighted_gaps_hold_the_truth_of_equal_groups() -> None:
    """Uneven weights, no difference: of 300 samples at least 93 % of the intervals hold 0."""
    rng, held = np.random.default_rng(2), 0
    groups = pd.Series(["a", "b"] * 150, name="g")
    for _ in range(300):
        right, weights = rng.random(300) < 0.7, rng.lognormal(0, 0.7, 300)
        everywhere = np.ones(300, dtype=bool)
        gap = compare_groups(groups, {"accuracy": (right, everywhere)}, weights=weights).gaps[0].gap
        assert gap.low is not None
        held += gap.low <= 0
    assert held / 300 >= 0.93


def test_weak_parts_are_found_where_the_weight_is() -> None:
    """Errors confined to rows of almost no weight are no weak part; heavy ones are."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"x": rng.normal(size=4000), "noise": rng.normal(size=4000)})
    weak = (frame["x"] > frame["x"].quantile(0.8)).to_numpy()
    light = rng.random(4000) < 0.5
    loss = (rng.random(4000) < np.where(weak & light, 0.6, 0.1)).astype(float)
    heavy, _ = find_slices(frame, loss, weights=np.where(light, 1.0, 0.01))
    hidden, _ = find_slices(frame, loss, weights=np.where(light, 0.01, 1.0))
    assert "x" in [part.feature for part in heavy]
    assert hidden == []
    best = heavy[0].value.value
    assert best is not None
    assert best == pytest.approx(0.4, abs=0.1)


def test_weights_invent_no_weak_parts() -> None:
    """Pure noise with uneven weights: at least 95 % of 60 samples show no weak part."""
    quiet = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame(rng.normal(size=(500, 6)))
        loss = (rng.random(500) < 0.2).astype(float)
        quiet += not find_slices(frame, loss, seed=seed, weights=rng.lognormal(0, 0.7, 500))[0]
    assert quiet / 60 >= 0.95


def test_weights_and_answers_are_no_inputs() -> None:
    """Neither the weights nor several targets remain among the columns a schema is read from."""
    frame = pd.DataFrame({"x": [1.0, 2.0], "w": [1, 2], "a": [0, 1], "b": [1, 0]})
    config = RunConfig(weight_column="w", targets=["a", "b"])
    roles = assign_roles(frame, config, None)
    assert list(roles.without_roles(frame)) == ["x"]
    answers = SampleRows(frame, np.array([1]), roles).answers()
    assert isinstance(answers, pd.DataFrame)
    assert answers.to_dict("list") == {"a": [1], "b": [0]}


def test_outputs_named_like_columns_are_recognised() -> None:
    """A model with several outputs finds its answers in the sample by their names."""
    frame = pd.DataFrame({"x": [1.0], "up": [0], "down": [1]})
    several = info(Task.MULTILABEL, n_outputs=2, output_names=["up", "down"])
    assert assign_roles(frame, RunConfig(), several).targets == ("up", "down")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ([1, None, 1], "1 of 3"),
        ([1, -1, "x"], "2 of 3"),
        ([0, 0, 0], "all are 0"),
        ([1, np.inf, 1], "1 of 3"),
    ],
)
def test_unusable_weights_are_refused(column: list[Any], said: str) -> None:
    """Missing, negative, endless, textual or only zero weights stop the stage with a sentence."""
    rows = SampleRows(pd.DataFrame({"w": column}), np.arange(3), SampleRoles(weight="w"))
    with pytest.raises(DataError, match=said):
        rows.weights()


def test_a_column_of_the_model_cannot_weigh_rows() -> None:
    """Weights that are missing, or that the model takes as an input, are refused by name."""
    frame = pd.DataFrame({"x": [1.0]})
    told = info(Task.BINARY, [0, 1], features=[ModelFeature(name="x")])
    for name, said in (("x", "takes 'x' as an input"), ("w", "no column 'w'")):
        roles = assign_roles(frame, RunConfig(weight_column=name), told)
        with pytest.raises(DataError, match=said):
            SampleRows(frame, np.array([0]), roles).weights()
