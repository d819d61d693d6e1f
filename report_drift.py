"""A ``DriftReport`` as one HTML page that needs nothing else and runs nothing.

Owns: ``render_drift_html`` and ``report_drift_template.html``. Nothing is computed but where bars
are drawn.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, Template

from base_types import Histogram
from drift_formulas import formula
from drift_tables import by_severity, deciding_test
from drift_types import DriftReport, DriftTest
from figure_style import shares
from formatting import look, number, p_value, percent
from glossary import explain, title

WIDTH, HEIGHT = 160.0, 36.0
"""Of a picture of both distributions, in its own units."""


def render_drift_html(report: DriftReport, *, names: tuple[str, str], made: str) -> str:
    """Return the comparison as a page: verdict, table of columns, and every test behind it.

    Parameters
    ----------
    report : DriftReport
        Finished, with at least one column.
    names : tuple of str
        What reference and current data are called.
    made : str
        When it was made, in words.

    Returns
    -------
    str
        HTML without scripts; texts of the data are escaped.
    """
    return _template().render(
        report=report,
        features=by_severity(report.features),
        names=names,
        made=made,
    )


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        look=lambda verdict: look(verdict.value),
        number=number,
        percent=percent,
        p_value=p_value,
        title=title,
        explain=explain,
        formula=formula,
        deciding=deciding_test,
        value=_value,
        bars=_bars,
    )
    text = Path(__file__).with_name("report_drift_template.html").read_text(encoding="utf-8")
    return environment.from_string(text)


def _value(test: DriftTest) -> float | None:
    return test.statistic if test.statistic is not None else test.effect_size


def _bars(pair: tuple[Histogram, Histogram]) -> list[tuple[str, float, float, float, float]]:
    """Return class, x, y, width and height of each bar, both distributions beside each other."""
    both = [shares(histogram) for histogram in pair]
    top = max((share for side in both for share in side), default=0.0) or 1.0
    step = WIDTH / max(1, len(both[0]))
    return [
        (
            kind,
            round((at + side / 2) * step, 2),
            round(HEIGHT * (1 - share / top), 2),
            round(step * 0.46, 2),
            round(HEIGHT * share / top, 2),
        )
        for side, kind in enumerate(("old", "new"))
        for at, share in enumerate(both[side])
    ]
