"""Result → Plotly figure: every chart of the product, and the charts of each section in order.

Owns: ``section_charts``, which the report and the run page share, so that both show the same. The
builders themselves are in ``figures_performance``, ``figures_quality``, ``figures_drift``,
``figures_explain``, ``figures_words``, ``figures_opinion``, ``figures_load``, ``figures_details``
and ``figures_history``; most are re-exported here.
"""

from __future__ import annotations

from collections.abc import Iterator

from figure_style import COLOUR_SWAP, PALETTES, Chart, Palette, Theme
from figures_columns import column_histogram
from figures_details import gain_curve, lift_curve, residuals_by_column, residuals_by_prediction
from figures_drift import (
    drift_heat_map,
    drift_overview,
    feature_overlay,
    harm_ranking,
    scenario_chart,
)
from figures_explain import (
    beeswarm,
    dependence,
    importance_bars,
    telling_row,
    waterfall,
)
from figures_history import TrendPoint, history_trend, run_comparison
from figures_load import load_latency, load_response, load_throughput
from figures_opinion import effect_chart, permutation_bars, shift_bars
from figures_performance import (
    batch_cost,
    batch_throughput,
    behaviour_summary,
    latency_histogram,
    noise_robustness,
)
from figures_power import power_chart
from figures_quality import (
    calibration_curve,
    confidence_distribution,
    confusion_matrix,
    error_intervals,
    metric_intervals,
    precision_recall_curve,
    predicted_vs_actual,
    prediction_distribution,
    residual_histogram,
    roc_curve,
    slice_dots,
    threshold_curve,
)
from figures_words import word_bars
from glossary import title
from report_types import ExplanationSection, OutputExplanation, TestReport
from word_reading import words_of

__all__ = [
    "COLOUR_SWAP",
    "PALETTES",
    "Chart",
    "Palette",
    "Theme",
    "TrendPoint",
    "batch_cost",
    "batch_throughput",
    "beeswarm",
    "behaviour_summary",
    "calibration_curve",
    "column_histogram",
    "confidence_distribution",
    "confusion_matrix",
    "dependence",
    "drift_heat_map",
    "drift_overview",
    "error_intervals",
    "feature_overlay",
    "harm_ranking",
    "history_trend",
    "importance_bars",
    "latency_histogram",
    "main_outputs",
    "metric_intervals",
    "noise_robustness",
    "precision_recall_curve",
    "predicted_vs_actual",
    "prediction_distribution",
    "residual_histogram",
    "roc_curve",
    "run_comparison",
    "scenario_chart",
    "section_charts",
    "slice_dots",
    "telling_row",
    "threshold_curve",
    "waterfall",
]

_N_DEPENDENCE = 4
_N_COLUMNS = 12


def section_charts(report: TestReport, section: str, theme: Theme = "light") -> dict[str, Chart]:
    """Return the charts of a section in reading order, by a name that is stable across runs.

    Parameters
    ----------
    section : {"performance", "quality", "behaviour", "drift", "explanations", "data"}
        Other sections have no charts.
    """
    builders = {
        "performance": _performance,
        "quality": _quality,
        "behaviour": _behaviour,
        "drift": _drift,
        "explanations": _explanations,
        "data": _data,
    }
    if section not in builders:
        return {}
    named = builders[section](report, theme)
    return {name: chart for name, chart in named if chart is not None}


_Named = Iterator[tuple[str, Chart | None]]


def _performance(report: TestReport, theme: Theme) -> _Named:
    builders = (
        latency_histogram,
        batch_throughput,
        batch_cost,
        load_response,
        load_throughput,
        load_latency,
    )
    for build in builders:
        yield build.__name__, build(report.performance, theme)


def _quality(report: TestReport, theme: Theme) -> _Named:
    builders = (
        metric_intervals,
        error_intervals,
        confusion_matrix,
        predicted_vs_actual,
        residual_histogram,
        roc_curve,
        precision_recall_curve,
        calibration_curve,
        threshold_curve,
        gain_curve,
        lift_curve,
        residuals_by_prediction,
        residuals_by_column,
        slice_dots,
        prediction_distribution,
        confidence_distribution,
    )
    for build in builders:
        yield build.__name__, build(report.quality, theme)


def _behaviour(report: TestReport, theme: Theme) -> _Named:
    yield "behaviour_summary", behaviour_summary(report.behaviour, theme)
    yield "noise_robustness", noise_robustness(report.behaviour, theme)


def _drift(report: TestReport, theme: Theme) -> _Named:
    yield "drift_heat_map", drift_heat_map(report.drift, theme)
    yield "harm_ranking", harm_ranking(report.drift.ranking, theme)
    for scenario in report.drift.scenarios:
        yield f"scenario_{scenario.id}", scenario_chart(scenario, theme)
        yield f"power_{scenario.id}", power_chart(scenario, theme)


def _explanations(report: TestReport, theme: Theme) -> _Named:
    section = report.explanations
    for number, output in enumerate(main_outputs(section)):
        yield f"importance_{number}", importance_bars(section, output, theme)
        yield f"beeswarm_{number}", beeswarm(section, output, theme)
        top = sorted(output.importance, key=lambda item: item.rank)[:_N_DEPENDENCE]
        for item in top:
            yield (
                f"dependence_{number}_{item.rank}",
                dependence(section, output, item.feature, theme),
            )
        yield f"waterfall_{number}", waterfall(section, output, telling_row(output), theme)
        for place, text in enumerate(words_of(section, output.output)):
            yield f"words_{number}_{place}", word_bars(text, theme)
    opinion = section.opinion
    if opinion is None:
        return
    for number, curve in enumerate(opinion.curves):
        yield f"effect_{number}", effect_chart(curve, opinion.space, theme)
    yield "shuffled", permutation_bars(opinion.permutation, title(opinion.metric), theme)
    yield "drifted", shift_bars(opinion.shifted_importance, theme)


def main_outputs(section: ExplanationSection) -> list[OutputExplanation]:
    """Return the outputs worth drawing in a report: the last of two, at most the first three."""
    return section.outputs[-1:] if len(section.outputs) == 2 else section.outputs[:3]


def _data(report: TestReport, theme: Theme) -> _Named:
    for number, column in enumerate(report.data.columns[:_N_COLUMNS]):
        yield f"column_{number}", column_histogram(column, theme)
