"""Full ``TestReport`` objects made by hand, with the names people and attackers really use.

Owns: ``make_report``. Numbers are plausible and fixed; nothing is computed by the product.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Literal

import numpy as np

import drift_types as dt
import report_types as rt
from base_types import Cell, Estimate, Histogram, Label, Status
from load_types import ArrivalPoint, ConcurrencyPoint, LoadTest
from model_types import ModelFeature, ModelFileInfo, ModelInfo, PipelineStep, Safety, Task
from quality_types import GainPoint, QualityDetails, ResidualTrend
from schema_utils import Feature, Kind, Schema

SCRIPT_NAME = "<script>alert('x')</script>"
FORMULA_NAME = "=cmd|' /C calc'!A0"
MARKDOWN_NAME = "**bold** _it_ [x](http://evil.example) :red[no] $x^2$ |"
LONG_NAME = "a_very_long_column_name_" * 9
UNICODE_NAME = "größe_身長_🙂\u202etxt"
CONTROL_NAME = "bell\x07name\x00"
HOSTILE_NAMES = [
    SCRIPT_NAME,
    FORMULA_NAME,
    MARKDOWN_NAME,
    LONG_NAME,
    UNICODE_NAME,
    CONTROL_NAME,
]
FRIENDLY_NAMES = ["age", "income", "tenure_months", "balance", "region", "n_products"]

FactoryTask = Literal["binary", "multiclass", "regression"]


def make_report(task: FactoryTask = "binary", *, hostile: bool = True) -> rt.TestReport:
    """Return a finished report of a plausible run.

    Parameters
    ----------
    hostile : bool
        Name columns, classes and files so that careless output breaks.
    """
    names = HOSTILE_NAMES if hostile else FRIENDLY_NAMES
    classes = _classes(task, hostile=hostile)
    return rt.TestReport(
        run_id="0f3c2a9e4b7d",
        status=rt.RunStatus.DONE,
        created_at=datetime(2026, 11, 21, 14, 3, 5, tzinfo=UTC),
        finished_at=datetime(2026, 11, 21, 14, 3, 7, tzinfo=UTC),
        verdict=_verdict(names),
        stages=[rt.StageRecord(stage=stage, status=Status.OK, seconds=0.2) for stage in rt.Stage],
        model=_model(task, names, classes),
        schema_=rt.SchemaSection(
            data_schema=Schema(features=[Feature(name=name, kind=Kind.FLOAT) for name in names]),
            sources=["sample", "model"],
        ),
        data=_data(names),
        performance=_performance(names),
        quality=_quality(task, classes, names),
        behaviour=_behaviour(task),
        drift=_drift(names),
        explanations=_explanations(task, names, classes),
        environment=rt.Environment(
            product_version="0.1.0",
            python="3.11.7",
            platform="Linux x86_64",
            cpu="EPYC",
            n_cpus=2,
            load_average=0.4,
            libraries={"numpy": "2.4.6", "scikit-learn": "1.9.1"},
        ),
        config=rt.RunConfig(seed=7),
    )


def make_empty_report(reason: str = "The model could not be loaded.") -> rt.TestReport:
    """Return a report in which every section was skipped, each with its reason."""
    report = rt.TestReport(
        run_id="empty", status=rt.RunStatus.ERROR, created_at=datetime(2026, 11, 21, tzinfo=UTC)
    )
    for section in (
        report.model,
        report.schema_,
        report.data,
        report.performance,
        report.quality,
        report.behaviour,
        report.drift,
        report.explanations,
    ):
        section.status = Status.SKIPPED
        section.reason = reason
    report.model.status = Status.FAILED
    return report


def _classes(task: FactoryTask, *, hostile: bool) -> list[Label]:
    if task == "binary":
        return ["no", "<b>yes</b>" if hostile else "yes"]
    if task == "multiclass":
        return ["setosa", "=1+1" if hostile else "versicolor", "virginica"]
    return []


# --- histograms and estimates ----------------------------------------------------------------


def _normal_histogram(mean: float = 0.0, std: float = 1.0, n_bins: int = 24) -> Histogram:
    edges = np.linspace(mean - 3 * std, mean + 3 * std, n_bins + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    counts = 1000 * np.exp(-(((middles - mean) / std) ** 2) / 2) * 6 / n_bins / 2.507
    return Histogram(edges=edges.tolist(), counts=[int(value) for value in counts])


def _latency_histogram() -> Histogram:
    edges = np.geomspace(0.8, 40, 41)
    middles = np.log(np.sqrt(edges[:-1] * edges[1:]))
    counts = 120 * np.exp(-(((middles - 0.35) / 0.35) ** 2)) + 3 * np.exp(-((middles - 2) ** 2))
    return Histogram(edges=edges.tolist(), counts=[int(value) for value in counts])


def _estimate(value: float, spread: float, n: int = 1000) -> Estimate:
    return Estimate(value=value, low=value - spread, high=value + spread, n=n)


# --- sections --------------------------------------------------------------------------------


def _verdict(names: list[str]) -> rt.VerdictSection:
    check = rt.Check
    return rt.VerdictSection(
        verdict=rt.Verdict.FAIL,
        summary="1 of 5 checks failed: Alarm before damage.",
        checks=[
            check(
                id="drift.alarm",
                section="drift",
                title=f"Drift of {names[0]} goes unnoticed",
                verdict=rt.Verdict.FAIL,
                value=0.21,
                unit="share",
                threshold=0.05,
                comparison="<=",
                threshold_source="Our default.",
                reason="A unit change flips 21 % of the answers and no test notices.",
            ),
            check(
                id="behaviour.values",
                section="behaviour",
                title="Odd values are handled",
                verdict=rt.Verdict.WARN,
                value=2,
                unit="cases",
                threshold=0,
                comparison="<=",
                reason="2 cases were answered as if nothing were wrong.",
            ),
            check(
                id="performance.latency",
                section="performance",
                title="p95 latency",
                verdict=rt.Verdict.PASS,
                value=2.31,
                unit="ms",
                threshold=100,
                comparison="<=",
                threshold_source="Nielsen 1993.",
                reason="2.31 ms is below 100 ms.",
            ),
            check(
                id="quality.baseline",
                section="quality",
                title="Better than a trivial model",
                verdict=rt.Verdict.PASS,
                value=0.913,
                threshold=0.5,
                comparison=">=",
                reason="The whole interval lies above the baseline.",
            ),
            check(
                id="model.safety",
                section="model",
                title="Safe file",
                verdict=rt.Verdict.PASS,
                reason="Trusted types only.",
            ),
            check(
                id="quality.calibration",
                section="quality",
                title="Calibration",
                verdict=rt.Verdict.SKIP,
                reason=f"No probabilities for {names[1]}\x07.",
            ),
        ],
    )


def _model(task: FactoryTask, names: list[str], classes: list[Label]) -> rt.ModelSection:
    return rt.ModelSection(
        seconds=0.3,
        load_ms=38.2,
        isolation="full",
        file=ModelFileInfo(
            name=f"{names[0]}.pkl",
            size_bytes=1_482_113,
            sha256="ab12" * 16,
            container="joblib",
            compression="zlib",
            protocol=4,
            safety=Safety.TRUSTED,
            reasons=["Only scikit-learn and numpy types."],
            written_with={"scikit-learn": "1.9.1"},
        ),
        info=ModelInfo(
            task=Task(task),
            estimator="Pipeline",
            final_estimator="RandomForestClassifier" if classes else "RandomForestRegressor",
            n_features=len(names),
            features=[ModelFeature(name=name) for name in names],
            classes=classes or None,
            has_proba=bool(classes),
            steps=[PipelineStep(name="scale", estimator="StandardScaler")],
            parameters={"n_estimators": "100", names[1]: "None"},
            versions={"scikit-learn": "1.9.1"},
        ),
        warnings=[f"Column {names[2]} was renamed."],
    )


def _data(names: list[str]) -> rt.DataSection:
    columns = [
        rt.ColumnSummary(
            name=name,
            kind="float",
            n_missing=index,
            n_unique=900,
            mean=float(index),
            std=1.0,
            minimum=index - 3.0,
            median=float(index),
            maximum=index + 3.0,
            histogram=_normal_histogram(float(index)),
        )
        for index, name in enumerate(names[:-2])
    ]
    columns.append(
        rt.ColumnSummary(
            name=names[4],
            kind="categorical",
            n_unique=3,
            histogram=Histogram(labels=["north", names[0], names[1]], counts=[500, 300, 200]),
        )
    )
    return rt.DataSection(
        source="sample",
        name="customers.csv",
        n_rows=1000,
        n_sample_rows=1000,
        target="churned",
        columns=columns,
        preview=[
            {name: (names[1] if name == names[4] else row + 0.5) for name in names}
            for row in range(20)
        ],
    )


def _performance(names: list[str]) -> rt.PerformanceSection:
    sizes = (1, 10, 100, 1000, 10_000)
    costs = (1450.0, 160.0, 22.0, 14.1, 13.9)
    return rt.PerformanceSection(
        seconds=0.5,
        cold_call_ms=41.7,
        n_calls=640,
        warmup_calls=20,
        percentiles_ms={
            "p50": _estimate(1.42, 0.03),
            "p90": _estimate(1.98, 0.06),
            "p95": _estimate(2.31, 0.12),
            "p99": _estimate(7.9, 2.1),
            "max": Estimate(value=38.4, n=640, interval_reason="One single event."),
        },
        undisturbed_p95_ms=2.1,
        disturbed_share=0.034,
        single_row_histogram=_latency_histogram(),
        batches=[
            rt.BatchPoint(
                batch_size=size,
                n_calls=max(4, 160 // (index + 1)),
                p50_ms=size * cost / 1000,
                p95_ms=size * cost / 900,
                rows_per_second=1e6 / cost,
                us_per_row=cost,
            )
            for index, (size, cost) in enumerate(zip(sizes, costs, strict=True))
        ],
        best_rows_per_second=71_942.4,
        peak_memory_mb=182.4,
        n_rows_tried=1000,
        n_rows_failed=2,
        error_rate=Estimate(value=0.002, low=0.00055, high=0.0073, n=1000),
        failing_rows=[
            rt.FailingRow(
                row=17, error=f"ValueError: could not read {names[0]}", values={names[1]: names[1]}
            )
        ],
        threads=1,
        load=_load(),
        protocol="640 timed calls of one row after 20 warm-up calls, inside the model's process.",
    )


def _load() -> LoadTest:
    return LoadTest(
        arrivals=[
            ArrivalPoint(
                rate=700 * busy,
                utilisation=busy,
                p50_ms=1.4 / (1 - busy),
                p99_ms=6.4 / (1 - busy),
                p99_low_ms=5.5 / (1 - busy),
                p99_high_ms=7.9 / (1 - busy),
            )
            for busy in (0.3, 0.5, 0.7, 0.8, 0.9)
        ],
        p99_limit_ms=14.2,
        p99_limit_source="10 times the median call",
        highest_rate=_estimate(385.0, 9.0, 640),
        offline_batch=10_000,
        offline_rows_per_second=71_942.4,
        concurrency=[
            ConcurrencyPoint(
                processes=n,
                n_calls=500 * n,
                calls_per_second=700 * n**0.8,
                efficiency=n**-0.2,
                p50=_estimate(1.42 * n**0.2, 0.03),
                p95=_estimate(2.31 * n**0.3, 0.12),
                p99=_estimate(7.9 * n**0.4, 2.1),
            )
            for n in (1, 2, 4)
        ],
        cold_start_ms=310.5,
    )


def _quality(task: FactoryTask, classes: list[Label], names: list[str]) -> rt.QualitySection:
    common = {
        "has_labels": True,
        "n_rows": 1000,
        "labels_from": "column churned of the sample",
        "slices": _slices(names, "accuracy" if classes else "mean_absolute_error"),
    }
    if task == "regression":
        return _regression_quality(common, names)
    return _classification_quality(common, [str(label) for label in classes])


def _slices(names: list[str], metric: str) -> list[rt.Slice]:
    return [
        rt.Slice(
            description=f"{name} > {60.5 - index}",
            feature=name,
            n=140 - 30 * index,
            share=0.14 - 0.03 * index,
            metric=metric,
            value=_estimate(0.71 + 0.05 * index, 0.07),
            rest=0.94,
            p_value=0.0004 * (index + 1),
            p_adjusted=0.004 * (index + 1) ** 3,
            confirmed=index < 2,
        )
        for index, name in enumerate(names[:4])
    ]


def _metric(name: str, value: float, baseline: float, *, higher: bool = True) -> rt.Metric:
    return rt.Metric(
        name=name,
        estimate=_estimate(value, abs(value) * 0.03),
        baseline=baseline,
        baseline_name="most frequent class",
        higher_is_better=higher,
    )


def _classification_quality(common: dict[str, object], classes: list[str]) -> rt.QualitySection:
    n_classes = len(classes)
    confusion = [
        [280 + 20 * row if row == column else 12 + 3 * column for column in range(n_classes)]
        for row in range(n_classes)
    ]
    grid = np.linspace(0, 1, 60)
    curves = [
        rt.Curve(
            name=name,
            x=grid.tolist(),
            y=(grid ** (0.12 + 0.08 * index)).tolist(),
            thresholds=[1 - float(value) for value in grid],
        )
        for index, name in enumerate(classes[1:] if n_classes == 2 else classes)
    ]
    falling = [
        curve.model_copy(update={"y": [1 - 0.6 * value**4 for value in curve.x]})
        for curve in curves
    ]
    return rt.QualitySection(
        **common,
        positive_class=classes[1] if n_classes == 2 else None,
        classes=classes,
        metrics=[
            _metric("balanced_accuracy", 0.913, 0.5),
            _metric("accuracy", 0.931, 0.68),
            _metric("precision", 0.88, 0.32),
            _metric("recall", 0.86, 0.3),
            _metric("f1", 0.87, 0.31),
            _metric("roc_auc", 0.962, 0.5),
            _metric("average_precision", 0.91, 0.32),
            _metric("log_loss", 0.21, 0.63, higher=False),
            _metric("brier", 0.062, 0.22, higher=False),
            rt.Metric(
                name="hamming_loss", estimate=Estimate(reason="Only one class was predicted.")
            ),
        ],
        confusion=confusion,
        per_class=[
            rt.ClassRow(label=name, support=320, predicted=310, precision=0.9, recall=0.88, f1=0.89)
            for name in classes
        ],
        roc=curves,
        precision_recall=falling,
        calibration=[
            rt.CalibrationBin(n=100, predicted=p, observed=p**1.2, low=p**1.2 * 0.8, high=p**0.8)
            for p in np.linspace(0.05, 0.95, 10).tolist()
        ],
        expected_calibration_error=0.041,
        thresholds=[
            rt.ThresholdPoint(
                threshold=t,
                precision=0.4 + 0.6 * t,
                recall=1 - t**2,
                f1=0.6 + t * (1 - t),
                predicted_positive_share=1 - t,
            )
            for t in np.linspace(0, 1, 41).tolist()
        ],
        prediction_distribution=Histogram(labels=classes, counts=[640, 360, 200][:n_classes]),
        actual_distribution=Histogram(labels=classes, counts=[660, 340, 190][:n_classes]),
        confidence_distribution=Histogram(
            edges=np.linspace(0.5, 1, 11).tolist(),
            counts=[12, 18, 25, 31, 44, 62, 95, 140, 230, 343],
        ),
        details=QualityDetails(
            gain=[
                GainPoint(share_flagged=s, recall=s**0.4, precision=0.9 * (1 - s / 2), lift=s**-0.6)
                for s in (0.01, 0.1, 0.2, 0.5, 1.0)
            ]
        ),
    )


def _regression_quality(common: dict[str, object], names: list[str]) -> rt.QualitySection:
    true = np.linspace(0, 100, 400)
    predicted = true + 8 * np.sin(np.arange(400) * 12.9898)
    return rt.QualitySection(
        **common,
        metrics=[
            _metric("r2", 0.87, 0.0),
            _metric("root_mean_squared_error", 5.66, 28.9, higher=False),
            _metric("mean_absolute_error", 5.09, 25.0, higher=False),
            _metric("mean_absolute_percentage_error", 0.17, 1.9, higher=False),
        ],
        residuals=_normal_histogram(0, 5.7),
        predicted_vs_actual=list(zip(true.tolist(), predicted.tolist(), strict=True)),
        prediction_distribution=_normal_histogram(50, 16),
        actual_distribution=_normal_histogram(50, 17),
        details=QualityDetails(
            residuals=[
                ResidualTrend(
                    against=name,
                    correlation=0.3,
                    p_value=0.001,
                    p_adjusted=0.006,
                    size_correlation=0.1,
                    means=[(10.0 * k, 0.2 * k - 1) for k in range(10)],
                )
                for name in ["prediction", *names]
            ]
        ),
    )


def _behaviour(task: FactoryTask) -> rt.BehaviourSection:
    verdicts = list(rt.BehaviourVerdict)
    groups: tuple[Literal["consistency", "values", "structure", "robustness"], ...] = (
        "consistency",
        "values",
        "structure",
        "robustness",
    )
    cases = [
        rt.BehaviourCase(
            id=f"{group}.{index}",
            group=group,
            title=f"Case {index} of {group}",
            sent="all values missing <NaN>",
            came_back="ValueError: Input X contains NaN.",
            verdict=verdicts[(index * (2 + place)) % len(verdicts)] if index else verdicts[0],
            why="The message names the column.",
            affected_share=0.1 * index,
        )
        for place, group in enumerate(groups)
        for index in range(6 - place)
    ]
    by_label = task != "regression"
    noise = [
        rt.NoisePoint(
            noise=size,
            flipped_share=_estimate(share, share / 4) if by_label else Estimate(reason="Numbers."),
            mean_change=None if by_label else share * 2,
        )
        for size, share in ((0.01, 0.004), (0.05, 0.02), (0.1, 0.045), (0.5, 0.16))
    ]
    return rt.BehaviourSection(cases=cases, noise=noise)


_TESTS = ("default", "kolmogorov_smirnov", "psi", "wasserstein")
_SCENARIOS = (
    ("mean_shift", "Mean shift", 0.16, 0.5),
    ("variance_change", "Wider spread", 0.08, 1.0),
    ("missing_values", "Missing values", 0.11, 0.25),
    ("unit_change", "Unit change", 0.21, None),
    ("noise", "Noise", 0.05, 2.0),
)


def _drift(names: list[str]) -> dt.DriftSection:
    return dt.DriftSection(
        reference="the uploaded sample",
        n_reference=1000,
        n_current=1000,
        quality_metric="balanced_accuracy",
        quality_reference=0.913,
        scenarios=[
            *(_scenario(names, *facts) for facts in _SCENARIOS),
            dt.ScenarioResult(
                id="prior_shift",
                title="Prior shift",
                description="Classes become more frequent.",
                unit="",
                skipped="There are no labels.",
            ),
        ],
        ranking=[
            dt.FeatureHarm(
                feature=name,
                harm=0.21 / (index + 1),
                quality_change=-0.1 / (index + 1),
                noticed=index % 3 != 0,
                scenario="mean_shift",
            )
            for index, name in enumerate(names)
        ],
    )


def _scenario(
    names: list[str], identifier: str, title: str, worst: float, noticed: float | None
) -> dt.ScenarioResult:
    severities = (0.25, 0.5, 1.0, 2.0)
    points = [
        dt.SeverityPoint(
            severity=severity,
            features=[_feature_drift(names[0], severity)],
            tests_noticed={
                test: noticed is not None and severity >= noticed * (1 + place) / 2
                for place, test in enumerate(_TESTS, start=1)
            },
            n_columns_flagged=int(noticed is not None and severity >= noticed),
            prediction=dt.PredictionChange(
                distance=severity / 10,
                distance_name="total_variation",
                flipped_share=worst * (severity / 2) ** 0.8,
            ),
            harm=worst * (severity / 2) ** 0.8,
            quality=_estimate(0.913 - worst * severity / 2, 0.03),
            quality_change=-worst * severity / 2,
        )
        for severity in severities
    ]
    return dt.ScenarioResult(
        id=identifier,
        title=title,
        description="Values move.",
        unit="one standard deviation",
        columns=names[:2],
        points=points,
        first_noticed={
            test: next((p.severity for p in points if p.tests_noticed[test]), None)
            for test in _TESTS
        },
        harm=worst,
        harm_severity=0.5 if worst > 0.1 else 1.0 if worst > 0.05 else None,
    )


def _feature_drift(name: str, shift: float) -> dt.FeatureDrift:
    reference = _normal_histogram(0, 1)
    moved = [
        int(1000 * math.exp(-((middle - shift) ** 2) / 2) / 10)
        for middle in np.linspace(-2.9, 2.9, 24)
    ]
    return dt.FeatureDrift(
        feature=name,
        kind="float",
        n_reference=1000,
        n_current=1000,
        verdict=dt.DriftVerdict.DRIFT if shift >= 0.5 else dt.DriftVerdict.POSSIBLE,
        why="Unlikely by chance, and the values have moved by half a standard deviation.",
        tests=[
            dt.DriftTest(
                name="kolmogorov_smirnov",
                statistic=0.19,
                p_value=1e-9,
                p_adjusted=4e-9,
                effect_size=0.19,
                threshold=0.05,
                threshold_source="p_adjusted",
                drift_detected=True,
            )
        ],
        reference=reference,
        current=Histogram(edges=reference.edges, counts=moved),
    )


def _explanations(
    task: FactoryTask, names: list[str], classes: list[Label]
) -> rt.ExplanationSection:
    n_rows = 120
    phase = np.arange(n_rows)[:, None] * (np.arange(len(names)) + 1.3)
    raw = np.sin(phase)
    scale = 0.3 / (np.arange(len(names)) + 1)
    output_names = [str(label) for label in classes] or ["prediction"]
    rows: list[dict[str, Cell]] = [
        {
            name: (["north", "south", None][row % 3] if column == 4 else float(raw[row, column]))
            for column, name in enumerate(names)
        }
        for row in range(n_rows)
    ]
    outputs = [
        _output(name, raw * scale * (1 if place else -1), names)
        for place, name in enumerate(output_names)
    ]
    return rt.ExplanationSection(
        method="tree",
        exact=True,
        space="probability" if task != "regression" else "prediction",
        columns=names,
        rows=rows,
        row_numbers=list(range(n_rows)),
        outputs=outputs,
        background_rows=100,
        n_model_calls=12_000,
        seconds_used=0.3,
        relative_error=0.0,
        additivity_gap=1e-12,
    )


def _output(name: str, values: np.ndarray, names: list[str]) -> rt.OutputExplanation:
    importance = np.abs(values).mean(axis=0)
    return rt.OutputExplanation(
        output=name,
        base_value=0.32,
        importance=[
            rt.FeatureImportance(
                feature=feature,
                importance=float(importance[column]),
                error=float(importance[column]) * (0.1 + column * 0.15),
                share=float(importance[column] / importance.sum()),
                direction=0.8 - 0.3 * column,
                rank=column + 1,
                clear=column < 4,
            )
            for column, feature in enumerate(names)
        ],
        values=values.tolist(),
        predictions=(0.32 + values.sum(axis=1)).tolist(),
    )
