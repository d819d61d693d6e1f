"""A good policy to begin with, for each task.

Owns: ``default_policy``. It demands what the product's own checks demand, that the main number is
not clearly worse than the baseline's, and warns where a judgement is the team's own to make.
"""

from __future__ import annotations

from model_types import Task
from run_summary import MAIN_METRICS

_HEAD = """\
# What a run must keep to pass. Change the limits to what you can live with.
# Names of numbers and checks are those of the report; level is fail unless it says warn.
version: 1
name: Default for {task}
rules:
  - check: model.load
  - check: model.safety          # unknown contents warn, dangerous ones fail
  - number: error_rate
    at_most: 0.01
    why: One row in a hundred failing is visible to users.
  - number: undisturbed_p95_ms
    at_most: 1000
    why: Above 1 s a user's flow of thought breaks.
  - number: p50_ms
    worse_by_at_most: 50%        # of the baseline; timings vary from machine to machine
    significant: true
    level: warn
    if_missing: skip
"""
_QUALITY = """\
  - check: quality.baseline      # better than a trivial model
    if_missing: skip             # without labels nothing is known
  - number: {metric}
    significant: true            # not clearly worse than the baseline
    if_missing: skip
  - number: worst_slice_gap
    at_most: {gap}
    level: warn
    if_missing: skip
    why: Some part of the data is served much worse than the rest.
"""
_PROBABILITIES = """\
  - number: expected_calibration_error
    at_most: 0.1
    level: warn
    if_missing: skip
"""
_TAIL = """\
  - check: behaviour.consistency # same rows, same answers
    if_missing: skip
  - number: broken_cases
    at_most: 0
    level: warn
    if_missing: skip
    why: Odd input should be handled or refused clearly.
  - check: drift.alarm
    level: warn
    if_missing: skip
  - check: explanations.dominance
    level: warn
    if_missing: skip
"""


def default_policy(task: Task) -> str:
    """Return the default policy of a task as YAML with comments."""
    text = _HEAD.format(task=task.value)
    metrics = MAIN_METRICS[task]
    if metrics:
        gap = "0.2" if task is not Task.REGRESSION else "1.0"
        text += _QUALITY.format(metric=metrics[0], gap=gap)
    if task in (Task.BINARY, Task.MULTICLASS):
        text += _PROBABILITIES
    return text + _TAIL
