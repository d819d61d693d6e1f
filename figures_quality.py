"""Charts of the quality section: metrics, confusion, curves, calibration, residuals, slices.

Owns: pure functions from a ``QualitySection`` to a ``Chart``; None where there is nothing to draw.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from base_types import Estimate
from figure_style import (
    DASHES,
    LINE_SYMBOLS,
    MAX_SERIES,
    PALETTES,
    Chart,
    Key,
    Theme,
    add_histogram,
    add_key,
    add_pair,
    has_bins,
    name_axis,
    new_figure,
    soft_line,
    text_on_chart,
    whiskers,
)
from formatting import count, estimate, number, percent, plain_text
from glossary import title
from report_types import Curve, Metric, QualitySection, Slice

_MAX_LABELLED_CLASSES = 8
_BOUNDED = {
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "average_precision",
    "brier",
    "expected_calibration_error",
    "hamming_loss",
    "r2",
}
_IN_TARGET_UNITS = {"mean_absolute_error", "root_mean_squared_error", "median_absolute_error"}
_AVERAGES = ("_macro", "_micro", "_weighted", "_ovr", "_samples")


# --- metrics ---------------------------------------------------------------------------------


def metric_intervals(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw the metrics between 0 and 1 as dots with intervals, each beside its baseline."""
    chosen = [metric for metric in section.metrics if _is_bounded(metric.name)]
    return _dots(chosen, "Metrics with 95 % intervals", "Score", theme)


def error_intervals(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw the errors that are in the target's own unit as dots with intervals."""
    chosen = [metric for metric in section.metrics if metric.name in _IN_TARGET_UNITS]
    return _dots(chosen, "Errors with 95 % intervals", "Error (unit of the target)", theme)


def _is_bounded(name: str) -> bool:
    stem = next((name.removesuffix(end) for end in _AVERAGES if name.endswith(end)), name)
    return stem in _BOUNDED


def _dots(metrics: Sequence[Metric], heading: str, x_title: str, theme: Theme) -> Chart | None:
    known = [metric for metric in metrics if metric.estimate.value is not None][::-1]
    if not known:
        return None
    figure = new_figure(theme, heading, x_title, "", height=120 + 34 * len(known))
    colours = PALETTES[theme]
    _add_baselines(figure, known, theme)
    texts = [f"<b>{title(item.name)}</b><br>{estimate(item.estimate)}" for item in known]
    _add_dots(figure, [metric.estimate for metric in known], colours.current, texts)
    figure.data[-1].name = "This model"
    name_axis(figure.layout.yaxis, [title(metric.name) for metric in known])
    figure.update_layout(yaxis_range=[-0.6, len(known) - 0.4])
    keys = [Key("●", colours.current, "this model")]
    if any(metric.baseline is not None for metric in known):
        keys.append(Key("◇", colours.reference, "trivial baseline"))
    add_key(figure, theme, *keys)
    words = ", ".join(
        f"{title(metric.name)} {number(metric.estimate.value)}" for metric in known[::-1]
    )
    return Chart(figure, f"{heading}: {words}.")


def _add_baselines(figure: go.Figure, metrics: Sequence[Metric], theme: Theme) -> None:
    rows = [(row, metric) for row, metric in enumerate(metrics) if metric.baseline is not None]
    if not rows:
        return
    colour = PALETTES[theme].reference
    figure.add_scatter(
        x=[metric.baseline for _, metric in rows],
        y=[row for row, _ in rows],
        mode="markers",
        name="Trivial baseline",
        marker={"color": colour, "size": 11, "symbol": "diamond-open", "line": {"width": 2}},
        customdata=[
            (number(metric.baseline), text_on_chart(metric.baseline_name or "trivial model", 60))
            for _, metric in rows
        ],
        hovertemplate="baseline %{customdata[0]}<br>%{customdata[1]}<extra></extra>",
    )


def _add_dots(
    figure: go.Figure, estimates: Sequence[Estimate], colour: str, texts: list[str]
) -> None:
    values = [item.value for item in estimates]
    figure.add_scatter(
        x=values,
        y=list(range(len(estimates))),
        mode="markers",
        marker={"color": colour, "size": 10},
        customdata=texts,
        hovertemplate="%{customdata}<extra></extra>",
        error_x=whiskers(estimates, colour, thickness=2),
    )


# --- classification --------------------------------------------------------------------------


def confusion_matrix(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw true classes against predicted ones: colour and percent by row, counts beneath.

    Where rows have weights, these are added up instead of the rows.
    """
    counts = _cells(section)
    if not counts:
        return None
    row_shares = [[value / (sum(row) or 1) for value in row] for row in counts]
    size = len(counts)
    heading = "Confusion matrix (weights)" if _is_weighted(section) else "Confusion matrix"
    figure = new_figure(
        theme, heading, "Predicted class", "True class", height=max(320, 150 + 46 * size)
    )
    colours = PALETTES[theme]
    figure.add_heatmap(
        z=row_shares,
        zmin=0,
        zmax=1,
        colorscale=[[0, colours.zero], [1, colours.reference]],
        showscale=False,
        xgap=2,
        ygap=2,
        customdata=_confusion_hover(section, row_shares),
        hovertemplate="true <b>%{customdata[0]}</b><br>predicted <b>%{customdata[1]}</b>"
        "<br>%{customdata[2]}, %{customdata[3]} of the true class<extra></extra>",
    )
    if size <= _MAX_LABELLED_CLASSES:
        _write_cells(figure, counts, row_shares, theme)
    name_axis(figure.layout.xaxis, section.classes)
    name_axis(figure.layout.yaxis, section.classes)
    figure.update_layout(yaxis_autorange="reversed")
    right = sum(counts[index][index] for index in range(size))
    total = sum(map(sum, counts))
    unit = "of the weight" if _is_weighted(section) else "rows"
    words = f"{number(right)} of {number(total)} {unit} are right"
    return Chart(figure, f"Confusion matrix of {size} classes: {words}.")


def _is_weighted(section: QualitySection) -> bool:
    return section.details is not None and section.details.weighted_confusion is not None


def _cells(section: QualitySection) -> Sequence[Sequence[float]]:
    """Return what each cell counts: rows, or their weights where they have some."""
    if section.details is not None and section.details.weighted_confusion is not None:
        return section.details.weighted_confusion
    return section.confusion or []


def _confusion_hover(
    section: QualitySection, row_shares: list[list[float]]
) -> list[list[tuple[str, str, str, str]]]:
    names = [text_on_chart(name, 60) for name in section.classes]
    words = "weight {}" if _is_weighted(section) else "{} rows"
    return [
        [
            (
                names[row],
                names[column],
                words.format(number(amount)),
                percent(row_shares[row][column]),
            )
            for column, amount in enumerate(line)
        ]
        for row, line in enumerate(_cells(section))
    ]


def _write_cells(
    figure: go.Figure,
    counts: Sequence[Sequence[float]],
    row_shares: list[list[float]],
    theme: Theme,
) -> None:
    colours = PALETTES[theme]
    for row, line in enumerate(counts):
        for column, amount in enumerate(line):
            share = row_shares[row][column]
            figure.add_annotation(
                x=column,
                y=row,
                text=f"<b>{number(amount)}</b><br>{share:.0%}",
                showarrow=False,
                font={"size": 12, "color": colours.surface if share > 0.5 else colours.text},
            )


def roc_curve(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw found positives against false alarms, with the line of guessing."""
    if not section.roc:
        return None
    figure = new_figure(theme, "ROC curve", "False positive rate", "True positive rate", height=360)
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        name="Guessing",
        line=soft_line(PALETTES[theme].muted),
        hoverinfo="skip",
    )
    _add_curves(figure, section.roc, theme, "false alarms %{x:.1%}<br>found %{y:.1%}")
    return Chart(figure, f"ROC curve of {_curve_names(section.roc)}.")


def precision_recall_curve(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw precision against recall for every threshold."""
    if not section.precision_recall:
        return None
    figure = new_figure(theme, "Precision and recall", "Recall", "Precision", height=360)
    _add_curves(figure, section.precision_recall, theme, "recall %{x:.1%}<br>precision %{y:.1%}")
    names = _curve_names(section.precision_recall)
    return Chart(figure, f"Precision-recall curve of {names}.")


def _curve_names(curves: Sequence[Curve]) -> str:
    return ", ".join(plain_text(curve.name, 40) for curve in curves[:MAX_SERIES])


def _add_curves(figure: go.Figure, curves: Sequence[Curve], theme: Theme, hover: str) -> None:
    shown = curves[:MAX_SERIES]
    for index, curve in enumerate(shown):
        colour = PALETTES[theme].series[index]
        with_thresholds = len(curve.thresholds) == len(curve.x)
        figure.add_scatter(
            x=curve.x,
            y=curve.y,
            mode="lines",
            name=text_on_chart(curve.name),
            line={"color": colour, "width": 2, "dash": DASHES[index]},
            customdata=[number(value) for value in curve.thresholds] if with_thresholds else None,
            hovertemplate=hover
            + ("<br>threshold %{customdata}" if with_thresholds else "")
            + "<extra>%{fullData.name}</extra>",
        )
    _unit_square(figure)
    keys = [
        Key(LINE_SYMBOLS[index], PALETTES[theme].series[index], text_on_chart(curve.name))
        for index, curve in enumerate(shown)
    ]
    add_key(figure, theme, *keys)
    if len(curves) > MAX_SERIES:
        figure.layout.title.text += f" ({MAX_SERIES} of {len(curves)} classes)"


def _unit_square(figure: go.Figure) -> None:
    axis = {"range": [-0.02, 1.02], "tickformat": ".0%", "dtick": 0.25}
    figure.update_layout(xaxis=axis, yaxis=axis)


def calibration_curve(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw observed shares against predicted probabilities with Wilson intervals."""
    bins = section.calibration
    if not bins:
        return None
    figure = new_figure(theme, "Calibration", "Predicted probability", "Observed share", height=360)
    colours = PALETTES[theme]
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        name="Perfect",
        line=soft_line(colours.muted),
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[item.predicted for item in bins],
        y=[item.observed for item in bins],
        mode="lines+markers",
        name="This model (95 % interval)",
        line={"color": colours.current, "width": 2},
        marker={"color": colours.current, "size": 9},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [max(item.high - item.observed, 0) for item in bins],
            "arrayminus": [max(item.observed - item.low, 0) for item in bins],
            "color": colours.current,
            "thickness": 1.5,
            "width": 3,
        },
        customdata=[count(item.n, "row") for item in bins],
        hovertemplate="predicted %{x:.1%}<br>observed %{y:.1%}<br>%{customdata}<extra></extra>",
    )
    _unit_square(figure)
    add_key(
        figure,
        theme,
        Key("●", colours.current, "this model, 95 % interval"),
        Key("╌╌", colours.muted, "perfect"),
    )
    error = number(section.expected_calibration_error)
    return Chart(figure, f"Calibration over {len(bins)} bins; calibration error {error}.")


_THRESHOLD_LINES = (
    ("precision", "Precision"),
    ("recall", "Recall"),
    ("f1", "F1"),
    ("predicted_positive_share", "Called positive"),
)


def threshold_curve(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw precision, recall, F1 and the share called positive against the threshold."""
    points = section.thresholds
    if not points:
        return None
    figure = new_figure(theme, "Choice of the threshold", "Decision threshold", "Share", height=360)
    for index, (field, name) in enumerate(_THRESHOLD_LINES):
        figure.add_scatter(
            x=[point.threshold for point in points],
            y=[getattr(point, field) for point in points],
            mode="lines",
            name=name,
            line={"color": PALETTES[theme].series[index], "width": 2, "dash": DASHES[index]},
            hovertemplate=f"threshold %{{x:.2f}}<br>{name}: %{{y:.1%}}<extra></extra>",
        )
    _unit_square(figure)
    figure.update_xaxes(tickformat=".2f")
    keys = [
        Key(LINE_SYMBOLS[index], PALETTES[theme].series[index], name)
        for index, (_, name) in enumerate(_THRESHOLD_LINES)
    ]
    add_key(figure, theme, *keys)
    best = max(points, key=lambda point: point.f1 or 0)
    alt = f"Precision, recall and F1 by threshold; F1 is highest ({number(best.f1)}) at "
    return Chart(figure, f"{alt}{number(best.threshold)}.")


# --- regression ------------------------------------------------------------------------------


def residual_histogram(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw the residuals with a line at zero."""
    histogram = section.residuals
    if histogram is None or not has_bins(histogram):
        return None
    figure = new_figure(theme, "Residuals", "True − predicted (unit of the target)", "Rows")
    hover = "%{customdata[0]}<br>%{y:,} rows (%{customdata[1]:.1%})<extra></extra>"
    add_histogram(figure, histogram, PALETTES[theme].current, hovertemplate=hover)
    figure.add_vline(x=0, line=soft_line(PALETTES[theme].text))
    add_key(figure, theme, Key("╌╌", PALETTES[theme].text, "no error"))
    rows = count(sum(histogram.counts), "row")
    edges = f"{number(histogram.edges[0])} to {number(histogram.edges[-1])}"
    return Chart(figure, f"Histogram of the residuals of {rows}, from {edges}.")


def predicted_vs_actual(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw predictions against true values with the line of perfect answers."""
    pairs = section.predicted_vs_actual
    if not pairs:
        return None
    figure = new_figure(
        theme,
        "Predicted against true",
        "True value (unit of the target)",
        "Predicted value",
        height=360,
    )
    low = min(min(pair) for pair in pairs)
    high = max(max(pair) for pair in pairs)
    colours = PALETTES[theme]
    figure.add_scatter(
        x=[true for true, _ in pairs],
        y=[predicted for _, predicted in pairs],
        mode="markers",
        name="Rows",
        marker={"color": colours.current, "size": 5, "opacity": 0.55},
        hovertemplate="true %{x:.4g}<br>predicted %{y:.4g}<extra></extra>",
    )
    figure.add_scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        name="Perfect",
        line=soft_line(colours.text),
        hoverinfo="skip",
    )
    add_key(figure, theme, Key("●", colours.current, "rows"), Key("╌╌", colours.text, "perfect"))
    shown = count(len(pairs), "row")
    if section.n_rows > len(pairs):
        shown = f"{number(len(pairs))} of {count(section.n_rows, 'row')}"
        figure.layout.title.text += f" ({shown})"
    return Chart(figure, f"Predicted against true values, {shown}.")


# --- distributions ---------------------------------------------------------------------------


def prediction_distribution(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw what is predicted, beside the truth where labels exist."""
    histogram = section.prediction_distribution
    if not has_bins(histogram):
        return None
    x_title = "Predicted class" if histogram.labels else "Value (unit of the target)"
    figure = new_figure(theme, "Predictions", x_title, "Share of rows")
    actual = section.actual_distribution
    if actual is not None and has_bins(actual) and bool(actual.labels) == bool(histogram.labels):
        add_pair(figure, theme, ("true", actual), ("predicted", histogram))
    else:
        hover = "%{customdata[0]}<br>%{y:,} rows (%{customdata[1]:.1%})<extra></extra>"
        add_histogram(figure, histogram, PALETTES[theme].current, hovertemplate=hover)
        figure.update_layout(yaxis_title_text="Rows")
    rows = count(sum(histogram.counts), "row")
    return Chart(figure, f"Distribution of the predictions of {rows}.")


def confidence_distribution(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw how sure the model is of the class it predicts."""
    histogram = section.confidence_distribution
    if histogram is None or not has_bins(histogram):
        return None
    figure = new_figure(theme, "Confidence", "Probability of the predicted class", "Rows")
    hover = "confidence %{customdata[0]}<br>%{y:,} rows (%{customdata[1]:.1%})<extra></extra>"
    add_histogram(figure, histogram, PALETTES[theme].current, hovertemplate=hover)
    figure.update_xaxes(tickformat=".0%")
    return Chart(figure, f"Confidence of {count(sum(histogram.counts), 'prediction')}.")


# --- slices ----------------------------------------------------------------------------------


def slice_dots(section: QualitySection, theme: Theme = "light") -> Chart | None:
    """Draw the weakest parts of the data beside the rest, with intervals."""
    slices = [item for item in section.slices if item.value.value is not None][:10][::-1]
    if not slices:
        return None
    metric = title(slices[0].metric)
    figure = new_figure(theme, "Weakest slices", metric, "", height=120 + 36 * len(slices))
    colours = PALETTES[theme]
    figure.add_scatter(
        x=[item.rest for item in slices],
        y=list(range(len(slices))),
        mode="markers",
        name="Other rows",
        marker={
            "color": colours.reference,
            "size": 11,
            "symbol": "diamond-open",
            "line": {"width": 2},
        },
        hovertemplate="other rows: %{x:.4g}<extra></extra>",
    )
    texts = [_slice_hover(item) for item in slices]
    _add_dots(figure, [item.value for item in slices], colours.current, texts)
    symbols = ["circle" if item.confirmed else "circle-open" for item in slices]
    figure.data[-1].update(name="Slice (hollow: unconfirmed)", marker_symbol=symbols)
    name_axis(figure.layout.yaxis, [item.description for item in slices], limit=30)
    figure.update_layout(yaxis_range=[-0.6, len(slices) - 0.4])
    add_key(
        figure,
        theme,
        Key("●", colours.current, "slice (hollow: may be chance)"),
        Key("◇", colours.reference, "other rows"),
    )
    worst = slices[-1]
    words = f"{plain_text(worst.description, 60)} with {metric} {number(worst.value.value)}"
    return Chart(figure, f"{count(len(slices), 'weak slice')}; the weakest is {words}.")


def _slice_hover(item: Slice) -> str:
    lines = (
        f"<b>{text_on_chart(item.description, 80)}</b>",
        estimate(item.value),
        f"{count(item.n, 'row')}, {percent(item.share)} of the data",
        "confirmed on other rows" if item.confirmed else "not confirmed: may be chance",
    )
    return "<br>".join(lines)
