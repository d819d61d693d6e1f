"""A gate's policy: what is read, what is refused where, and what it says of a report."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from base_types import Estimate
from comparison import Number
from errors import InputError, PolicyError
from gate_stage import find_baseline, parse_baseline
from model_types import Task
from policy import (
    apply_policy,
    policy_schema,
    read_policy,
    replay,
    rule_line,
    suggest_rule,
)
from policy_defaults import default_policy
from policy_numbers import gate_numbers
from report_types import Check, GateResult, RunRequest, RunStatus, TestReport, Verdict
from run_types import RunRecord
from tests.report_factory import make_report

SCHEMA = Draft202012Validator(policy_schema())


def report_with(value: float, low: float | None = None, high: float | None = None) -> TestReport:
    """Return a report whose balanced accuracy (higher is better) is given."""
    report = make_report("binary", hostile=False)
    estimate = Estimate(value=value, low=low, high=high)
    report.quality.metrics[0] = report.quality.metrics[0].model_copy(update={"estimate": estimate})
    return report


def judge(
    rule: str, report: TestReport | None = None, baseline: TestReport | None = None
) -> GateResult:
    """Apply a policy of one rule in flow style."""
    policy = read_policy(f"version: 1\nrules: [{{{rule}}}]")
    return apply_policy(policy, report or report_with(0.9), baseline)


def only(result: GateResult) -> Check:
    (check,) = result.checks
    return check


def test_the_default_policy_lets_a_slow_but_sound_model_pass() -> None:
    """Fewer than 20 undisturbed calls are no failure: the p95 of all calls is judged instead."""
    report = make_report("binary", hostile=False)
    policy = default_policy(Task.BINARY)
    report.performance.undisturbed_p95_ms = None
    report.performance.percentiles_ms["p95"] = Estimate(value=40.0)
    found = gate_numbers(report)["undisturbed_p95_ms"].estimate.value
    checks = apply_policy(read_policy(policy), report, None).checks
    (speed,) = [check for check in checks if "p95" in check.title]
    assert (found, speed.verdict) == (40.0, Verdict.PASS)


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "key", "told"),
    [
        ("", 1, "", "it is empty"),
        ("- 1", 1, "", "dictionary"),
        ("rules: [", 1, "", "neither YAML nor JSON"),
        ("version: 2\nrules: [{check: a}]", 1, "version", "should be 1"),
        ("version: 1", 1, "rules", "missing"),
        ("version: 1\nrules: []", 2, "rules", "at least 1"),
        ("version: 1\nrules:\n- number: a\n  at_lest: 1", 4, "rules[0].at_lest", "no such key"),
        ("version: 1\nrules:\n- number: a\n  at_most: x", 4, "rules[0].at_most", "number"),
        ("version: 1\nrules:\n- number: a\n  at_most: yes", 4, "rules[0].at_most", "number"),
        ("version: 1\nrules:\n- number: a\n  at_most: .nan", 4, "rules[0].at_most", "finite"),
        ("version: 1\nrules:\n- number: a", 3, "rules[0]", "no limit"),
        ("version: 1\nrules:\n- check: a\n  at_most: 1", 3, "rules[0]", "about a check"),
        ("version: 1\nrules:\n- check: a\n  number: b", 3, "rules[0]", "exactly one"),
        (
            "version: 1\nrules:\n- {number: a, worse_by_at_most: much}",
            3,
            "rules[0].worse_by_at_most",
            "5%",
        ),
        ("version: 1\nversion: 1", 2, "version", "twice"),
        ("version: &v 1\nname: *v", 2, "", "references"),
        ("name: !!python/object:os.system x", 1, "", "neither"),
        ("version: 1\n\tname: x", 2, "", "neither"),
        ("x" * 70_000, 1, "", "characters"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_key(text: str, line: int, key: str, told: str) -> None:
    """Each kind of mistake is refused, naming where it is and what was expected."""
    with pytest.raises(PolicyError) as caught:
        read_policy(text)
    assert caught.value.problems[0][:2] == (line, key)
    assert told in caught.value.problems[0][2]
    assert f"line {line}" in str(caught.value)


def test_every_mistake_is_told_at_once() -> None:
    """Two wrong rules are two problems, in one go."""
    with pytest.raises(PolicyError) as caught:
        read_policy("version: 1\nrules:\n- {number: a}\n- {number: b, at_least: q}\n")
    assert [line for line, _, _ in caught.value.problems] == [3, 4]


def test_json_is_read_as_well_even_with_tabs() -> None:
    """A policy may be JSON."""
    text = '{\n\t"version": 1,\n\t"rules": [{"number": "p95_ms", "at_most": 1e2}]\n}'
    assert read_policy(text).rules[0].at_most == 100


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.text("- :{}[]&*!|>%@'\"\\\nabcruleson1.%#?,\t ", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the reader fail in another way than a PolicyError."""
    with suppress(PolicyError):
        read_policy(text)


@pytest.mark.parametrize("task", list(Task))
def test_defaults_are_valid_by_reader_and_schema(task: Task) -> None:
    """The default of every task is read, and satisfies the JSON Schema when written as JSON."""
    policy = read_policy(default_policy(task))
    SCHEMA.validate(json.loads(policy.model_dump_json(exclude_unset=True)))


@pytest.mark.parametrize(
    "rules", ["[{}]", "[{number: a, at_lest: 1}]", "[{number: a, check: b}]", "[]", "3"]
)
def test_schema_refuses_what_the_reader_refuses(rules: str) -> None:
    """An editor with our JSON Schema marks the same mistakes."""
    import yaml

    document = yaml.safe_load(f"version: 1\nrules: {rules}")
    assert not SCHEMA.is_valid(document)


def test_lines_of_rules_are_known() -> None:
    """The page can point at the rule that decided."""
    text = "version: 1\nrules:\n# first\n- check: a\n- check: b\n"
    assert [rule_line(text, 0), rule_line(text, 1)] == [4, 5]


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ("number: balanced_accuracy, at_least: 0.9", "pass"),
        ("number: balanced_accuracy, at_least: 0.91", "fail"),
        ("number: balanced_accuracy, at_least: 0.91, level: warn", "warn"),
        ("number: balanced_accuracy, at_most: 0.9", "pass"),
        ("number: balanced_accuracy, at_most: 0.89", "fail"),
        ("number: nonsense, at_most: 1", "fail"),
        ("number: nonsense, at_most: 1, level: warn", "warn"),
        ("number: nonsense, at_most: 1, if_missing: skip", "skip"),
        ("check: nonsense", "fail"),
        ("check: nonsense, if_missing: skip", "skip"),
    ],
)
def test_absolute_limits_and_missing_numbers(rule: str, verdict: str) -> None:
    """A limit includes its own value; what is missing breaks a rule unless the rule says not."""
    assert judge(rule).verdict.value == verdict


def test_a_misspelt_name_is_answered_with_the_right_one() -> None:
    """The sentence names the closest number there is."""
    check = only(judge("number: balanced_acuracy, at_least: 0.5"))
    assert "Did you mean 'balanced_accuracy'?" in check.reason


@pytest.mark.parametrize(
    ("rule", "before", "verdict"),
    [
        ("worse_by_at_most: 0.02", 0.92, "pass"),
        ("worse_by_at_most: 0.02", 0.93, "fail"),
        ("worse_by_at_most: 2%", 0.915, "pass"),
        ("worse_by_at_most: 2%", 0.93, "fail"),
        ("worse_by_at_most: 0", 0.5, "pass"),
        ("worse_by_at_most: 0.5, better: lower", 0.1, "fail"),
    ],
)
def test_change_against_the_baseline(rule: str, before: float, verdict: str) -> None:
    """0.9 now: a drop counts in the number's own unit or in per cent of the baseline's value."""
    result = judge(f"number: balanced_accuracy, {rule}", None, report_with(before))
    assert result.verdict.value == verdict


@pytest.mark.parametrize(
    ("before", "verdict"),
    [((0.95, 0.93, 0.97), "fail"), ((0.95, 0.915, 0.98), "pass"), ((0.8, 0.7, 0.85), "pass")],
)
def test_significant_counts_only_beyond_chance(
    before: tuple[float, float, float], verdict: str
) -> None:
    """Now 0.9 in [0.88, 0.92]: only a baseline whose interval lies above is a broken rule."""
    now = report_with(0.9, 0.88, 0.92)
    result = judge("number: balanced_accuracy, significant: true", now, report_with(*before))
    assert result.verdict.value == verdict


def test_without_a_baseline_changes_are_skipped_and_say_why() -> None:
    """The first run of a branch has nothing to be compared with; that is no failure."""
    check = only(judge("number: balanced_accuracy, worse_by_at_most: 0.01"))
    assert (check.verdict, check.reason) == (Verdict.SKIP, "No baseline was given.")


def test_checks_keep_their_verdict_unless_a_level_is_given() -> None:
    """A warned check warns; with level fail, anything but a pass fails."""
    report = make_report("binary", hostile=False)
    warned = next(each for each in report.verdict.checks if each.verdict is Verdict.WARN)
    assert judge(f"check: {warned.id}", report).verdict is Verdict.WARN
    assert judge(f"check: {warned.id}, level: fail", report).verdict is Verdict.FAIL


def test_worst_rule_decides_and_ids_differ() -> None:
    """One verdict for all, failed first, and two rules about one number stay apart."""
    rule = "number: balanced_accuracy, at_least"
    text = f"version: 1\nrules: [{{{rule}: 0.5}}, {{{rule}: 0.99}}]"
    result = apply_policy(read_policy(text), report_with(0.9))
    assert [check.verdict.value for check in result.checks] == ["fail", "pass"]
    assert len({check.id for check in result.checks}) == 2
    assert result.summary.startswith("1 of 2 limits broken")


def test_numbers_of_the_api_and_of_the_comparison_can_be_limited() -> None:
    """Quality, timings, odd input and drift all have names."""
    names = set(gate_numbers(make_report("binary", hostile=False)))
    wanted = {"balanced_accuracy", "p95_ms", "error_rate", "broken_cases", "drift_harm"}
    assert wanted | {"confirmed_slices", "flipped_by_noise_0.01", "peak_memory_mb"} <= names


def test_replay_compares_with_the_last_run_that_was_let_through() -> None:
    """0.9 passes, 0.8 fails, and 0.895 is compared with 0.9 again; other models stay apart."""
    policy = read_policy("version: 1\nrules: [{number: balanced_accuracy, worse_by_at_most: 0.01}]")
    values = [("a", 0.9), ("a", 0.8), ("a", 0.895), ("b", 0.5)]
    results = replay(policy, [(name, report_with(value)) for name, value in values])
    assert [result.verdict.value for result in results] == ["skip", "fail", "pass", "skip"]


def test_a_finding_becomes_a_line_that_holds() -> None:
    """The suggested line of every number is read back, and the run itself keeps it."""
    report = make_report("binary")
    for name, number in gate_numbers(report).items():
        policy = read_policy(f"version: 1\nrules:\n{suggest_rule(name, number)}\n")
        assert policy.rules[0].number == name
        assert only(apply_policy(policy, report)).verdict is Verdict.PASS, name


@given(st.floats(-1e300, 1e300), st.booleans())
def test_a_suggested_limit_is_kept_by_its_number(value: float, higher_is_better: bool) -> None:
    """Rounding never puts the limit on the wrong side, and never far away."""
    number = Number("x", "Quality", Estimate(value=value), "", higher_is_better=higher_is_better)
    rule = read_policy(f"version: 1\nrules:\n{suggest_rule('x', number)}\n").rules[0]
    limit = rule.at_least if higher_is_better else rule.at_most
    assert limit is not None
    assert limit <= value if higher_is_better else limit >= value
    assert limit == pytest.approx(value, rel=1e-3)


# --- baselines -----------------------------------------------------------------------------------


class Runs:
    """Two runs by label."""

    def get_report(self, run_id: str) -> TestReport:
        """Return some report under this id."""
        return report_with(0.5).model_copy(update={"run_id": run_id})

    def last_passing_run(
        self, model_name: str, labels: dict[str, str], *, created_by: str | None = None
    ) -> str | None:
        """Find one only for m.pkl on main, begun by Ana."""
        known = (model_name, labels) == ("m.pkl", {"branch": "main"})
        return "found" if known and created_by in (None, "ana") else None

    def get_run(self, run_id: str) -> RunRecord:
        """Return a run that Ana began."""
        request = RunRequest(model_sha256="0" * 64, model_name="m.pkl")
        return RunRecord(
            id=run_id,
            status=RunStatus.DONE,
            created_at=datetime.now(UTC),
            model_name=request.model_name,
            model_sha256=request.model_sha256,
            source="api",
            request=request,
            created_by="ana",
        )


@pytest.mark.parametrize("asked", ["main", "branch:main", "label:branch=main", " main "])
def test_a_branch_stands_for_its_last_passing_run(asked: str) -> None:
    """However it is spelled, the same run is found."""
    found = find_baseline(Runs(), asked, "m.pkl")
    assert found.report is not None
    assert found.report.run_id == "found"


def test_a_branch_without_runs_is_a_reason() -> None:
    """No such run is no error: the gate says so."""
    found = find_baseline(Runs(), "branch:other", "m.pkl")
    assert found.report is None
    assert "'other'" in found.reason


@pytest.mark.parametrize(("caller", "sees"), [(None, True), ("ana", True), ("token ci", False)])
@pytest.mark.parametrize("asked", ["branch:main", "01kf2m9x3c8d7e6f5g4h3j2k1m"])
def test_who_may_not_read_compares_with_own_runs_only(
    asked: str, caller: str | None, sees: bool
) -> None:
    """A run of somebody else is not there, whether it is named by its id or by its branch."""
    found = find_baseline(Runs(), asked, "m.pkl", created_by=caller)
    assert (found.report is not None) is sees
    assert sees or found.reason


@pytest.mark.parametrize("text", ["", "label:x", "label:=x", "tag:x", "branch:", "x" * 700])
def test_wrong_names_of_baselines_are_refused(text: str) -> None:
    """What is no run, branch or label is refused with the three forms."""
    with pytest.raises(InputError, match="expected the id of a run"):
        parse_baseline(text)


def test_a_run_id_is_itself() -> None:
    """26 letters and digits name one run."""
    assert parse_baseline("01kf2m9x3c8d7e6f5g4h3j2k1m").run_id == "01kf2m9x3c8d7e6f5g4h3j2k1m"
