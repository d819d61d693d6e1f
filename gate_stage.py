"""The gate of a run: find the baseline that was asked for and apply the policy.

Owns: ``parse_baseline``, ``find_baseline`` and ``judge_gate``. The one place where policies meet
the store; used by the runner, the page and the client's local mode.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from errors import InputError, MonitorError, NotFoundError
from policy import Baseline, apply_policy
from report_types import GateResult, RunRequest, TestReport
from run_types import RunRecord, check_label_name, no_run

_RUN_ID = re.compile("[0-9a-z]{26}")
MAX_BASELINE = 600


class Runs(Protocol):
    """What is needed of the store."""

    def get_report(self, run_id: str) -> TestReport:
        """Return the report of a finished run."""

    def last_passing_run(
        self, model_name: str, labels: dict[str, str], *, created_by: str | None = None
    ) -> str | None:
        """Return the id of the newest run that did not fail."""

    def get_run(self, run_id: str) -> RunRecord:
        """Return what is known of a run."""


class BaselineName(NamedTuple):
    """A baseline as it was asked for: one run, or the last passing one with some labels."""

    run_id: str | None
    labels: dict[str, str]


def parse_baseline(text: str) -> BaselineName:
    """Read the name of a baseline.

    Parameters
    ----------
    text : str
        A run id; ``branch:NAME`` (or just ``NAME``) for the last passing run with that label;
        ``label:NAME=VALUE`` for any other label, such as ``label:env=production``.

    Raises
    ------
    InputError
        It is none of these.

    Examples
    --------
    >>> parse_baseline("branch:main").labels
    {'branch': 'main'}
    """
    text = text.strip()
    kind, sign, rest = text.partition(":")
    if _RUN_ID.fullmatch(text):
        return BaselineName(text, {})
    name, _, value = (
        rest.partition("=") if kind == "label" else ("branch", "", rest if sign else kind)
    )
    if not (name and value and len(text) <= MAX_BASELINE) or kind not in ("label", "branch", text):
        msg = (
            f"The baseline is {text[:60]!r}; expected the id of a run, branch:NAME, or "
            "label:NAME=VALUE"
        )
        raise InputError(msg)
    check_label_name(name)
    return BaselineName(None, {name: value})


def find_baseline(
    runs: Runs, asked: str | None, model_name: str, *, created_by: str | None = None
) -> Baseline:
    """Return the run that ``asked`` names, or the reason why there is none.

    Where ``created_by`` is given, only runs of this caller are looked at, and nothing tells
    whether there are others.
    """
    if asked is None:
        return Baseline()
    try:
        wanted = parse_baseline(asked)
        run_id = wanted.run_id or runs.last_passing_run(
            model_name, wanted.labels, created_by=created_by
        )
        if run_id is None:
            return Baseline(asked, None, _no_run_yet(model_name, wanted.labels))
        if created_by is not None and runs.get_run(run_id).created_by != created_by:
            raise NotFoundError(no_run(run_id))
        return Baseline(asked, runs.get_report(run_id))
    except MonitorError as error:
        return Baseline(asked, None, str(error))


def _no_run_yet(model_name: str, labels: dict[str, str]) -> str:
    wanted = ", ".join(f"{name} {value!r}" for name, value in labels.items())
    return f"No run of {model_name!r} with {wanted} has passed yet."


def judge_gate(
    report: TestReport, request: RunRequest, runs: Runs, *, created_by: str | None = None
) -> GateResult | None:
    """Apply the policy of a request to its report; None where there is none.

    ``created_by`` is the caller where they may only see runs of their own.
    """
    if request.gate is None:
        return None
    baseline = find_baseline(runs, request.baseline, request.model_name, created_by=created_by)
    return apply_policy(request.gate, report, baseline)
