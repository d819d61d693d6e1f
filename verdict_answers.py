"""Are the model's answers answers at all: finite numbers, and probabilities that are numbers.

Owns: ``check_answers``, one check of the verdict.
"""

from __future__ import annotations

from collections.abc import Iterator

from base_types import Histogram, Status
from formatting import count, percent
from model_types import Task
from report_types import Check, TestReport, Verdict


def check_answers(report: TestReport, limit: float, source: str) -> Iterator[Check]:
    """Say which share of the answers is no finite number; nothing where that cannot happen.

    Parameters
    ----------
    report : TestReport
    limit : float
        Share above which the check fails; any below it is worth a look.
    source : str
        Where the limit comes from.
    """
    section, info = report.quality, report.model.info
    if section.status is not Status.OK or info is None:
        return
    what, answers = "answers", section.prediction_distribution
    if info.task is not Task.REGRESSION:
        if section.confidence_distribution is None:
            return
        what, answers = "probabilities", section.confidence_distribution
    n_answers = sum(answers.counts) + answers.n_missing
    if n_answers == 0:
        return
    share = answers.n_missing / n_answers
    yield Check(
        id="quality.answers",
        section="quality",
        title=_title(share),
        verdict=Verdict.PASS if share == 0 else Verdict.WARN if share <= limit else Verdict.FAIL,
        value=share,
        unit="share",
        threshold=limit,
        comparison="<=",
        threshold_source=source,
        reason=_reason(what, answers, n_answers),
    )


def _title(share: float) -> str:
    if share == 0:
        return "Every answer is a number"
    return "No answer is a number" if share == 1 else "Some answers are no numbers"


def _reason(what: str, answers: Histogram, n_answers: int) -> str:
    if answers.n_missing == 0:
        return f"All {n_answers:,} {what} are finite numbers."
    return (
        f"{count(answers.n_missing, 'answer')} of {n_answers:,} "
        f"({percent(answers.n_missing / n_answers)}) are NaN or infinite: {what} that nobody can "
        "act on, given without an error."
    )
