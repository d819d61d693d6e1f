"""A policy grows by one line, whatever its layout, and nothing else of it changes."""

from __future__ import annotations

import doctest
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policy_edit
from errors import PolicyError
from model_types import Task
from policy import apply_policy, read_policy, suggest_rule
from policy_defaults import default_policy
from policy_edit import add_rule, case_rule
from policy_numbers import gate_numbers
from report_types import Verdict
from tests.report_factory import make_report

RULE = "  - number: accuracy\n    at_least: 0.9"
LAYOUTS = [
    default_policy(Task.BINARY),
    "version: 1\nrules:\n- check: model.load  # kept\n",
    "version: 1\nrules:\n      - check: model.load\n      # the end",
    "version: 1\nrules: [{check: model.load}]\n",
    "version: 1\nrules:\n  - check: model.load\nname: last\n",
    '{"version": 1, "name": "x", "rules": [{"check": "model.load"}]}',
    '{\n\t"version": 1,\n\t"rules": [\n\t\t{"check": "model.load"}\n\t]\n}',
]


def test_examples_in_the_docstrings_hold() -> None:
    """Every example a reader sees is what the function returns."""
    assert doctest.testmod(policy_edit).failed == 0


@pytest.mark.parametrize("text", LAYOUTS)
def test_one_rule_more_and_the_rest_as_it_was(text: str) -> None:
    """The old rules stay in order before the new one, and name and kind of text stay."""
    before, after = read_policy(text), read_policy(longer := add_rule(text, RULE))
    assert after.rules[:-1] == before.rules
    assert after.rules[-1].at_least == 0.9
    assert after.name == before.name
    assert longer.startswith("{") == text.startswith("{")
    assert longer.startswith("{") or json.dumps(longer)
    assert ("# kept" in longer) == ("# kept" in text)


@pytest.mark.parametrize("text", LAYOUTS)
def test_a_rule_is_not_added_twice(text: str) -> None:
    """Clicking again changes nothing."""
    longer = add_rule(text, RULE)
    assert add_rule(longer, RULE) == longer


def test_an_unreadable_policy_is_not_touched() -> None:
    """A mistake in the text is told instead of being written over."""
    with pytest.raises(PolicyError):
        add_rule("version: 1\nrules:\n  - numbr: x\n", RULE)


def test_every_number_and_check_of_a_report_can_be_added() -> None:
    """A policy made of all of them is readable, and this very run keeps the limits."""
    report = make_report("binary", hostile=True)
    text = "version: 1\nrules:\n  - number: p50_ms\n    at_most: 1e9\n"
    numbers = gate_numbers(report)
    for name, number in numbers.items():
        text = add_rule(text, suggest_rule(name, number))
    for check in report.verdict.checks:
        text = add_rule(text, suggest_rule(check.id, None))
    told = apply_policy(read_policy(text), report).checks
    assert len(told) >= len(numbers) + len(report.verdict.checks)
    assert not any("is missing" in check.title for check in told)
    failed = {check.id for check in told if check.verdict is Verdict.FAIL}
    assert not failed & {f"gate.{name}" for name in numbers}


def test_a_line_about_an_odd_input_fails_when_it_breaks() -> None:
    """A case that is broken breaks its rule, a case that is handled keeps it."""
    report = make_report("binary", hostile=False)
    cases = [case for case in report.behaviour.cases if case.verdict != "not applicable"]
    text = "version: 1\nrules:\n  - check: model.load\n"
    for case in cases:
        text = add_rule(text, case_rule(case.id))
    found = {check.id: check.verdict for check in apply_policy(read_policy(text), report).checks}
    for case in cases:
        expected = Verdict.FAIL if case.verdict == "broken" else Verdict.PASS
        assert found[f"gate.broken.{case.id}"] is expected


@settings(deadline=None)
@given(st.text(min_size=1, max_size=30).filter(str.strip))
def test_any_name_survives(name: str) -> None:
    """Names of columns are part of numbers: blanks, quotes, colons and emoji come back."""
    text = add_rule("version: 1\nrules:\n- check: model.load\n", case_rule(name))
    assert read_policy(text).rules[-1].number == f"broken.{name}"
