"""A gate: a policy document against a report, and a verdict with one line per limit.

Owns: reading a policy with errors that name line and key, its JSON Schema, and ``apply_policy``.
Pure: what the baseline is was found by whoever calls.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from base_types import Estimate
from comparison import Change, Number, judge_change
from formatting import number as write_number
from formatting import with_unit
from glossary import title as title_of
from policy_numbers import gate_numbers
from policy_text import Lines, parse_policy_text
from policy_types import Policy, Rule
from report_types import Check, GateResult, TestReport, Verdict

_PLAIN = re.compile(r"[A-Za-z][\w.]*")

ROUNDING = 1e-12
"""Share of a value by which a change may pass its limit: 0.92 - 0.9 is a little more than 0.02."""

ORDER = {Verdict.FAIL: 0, Verdict.WARN: 1, Verdict.PASS: 2, Verdict.SKIP: 3}


class Baseline(NamedTuple):
    """What a run is compared with.

    Parameters
    ----------
    asked : str or None
        What the caller asked for.
    report : TestReport or None
        The report found.
    reason : str
        Why there is none.
    """

    asked: str | None = None
    report: TestReport | None = None
    reason: str = "No baseline was given."


def policy_schema() -> dict[str, Any]:
    """Return the JSON Schema of a policy, for editors and for checks."""
    schema = Policy.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def read_policy(text: str) -> Policy:
    r"""Read a policy from YAML or JSON.

    Raises
    ------
    PolicyError
        It cannot be used; every problem names its line and key.

    Examples
    --------
    >>> read_policy("version: 1\nrules: [{number: p95_ms, at_most: 100}]").rules[0].at_most
    100.0
    """
    data, lines = parse_policy_text(text)
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        raise lines.explain(error) from None


def rule_line(text: str, index: int) -> int:
    r"""Return the line (from 1) on which a rule of a readable policy begins.

    Examples
    --------
    >>> rule_line("rules:\n  - metric: quality.accuracy\n    min: 0.9\n", 0)
    2
    """
    lines: Lines = parse_policy_text(text)[1]
    return lines.of(("rules", index))


def apply_policy(
    policy: Policy, report: TestReport, baseline: Baseline | TestReport | None = None
) -> GateResult:
    """Say what ``policy`` makes of ``report``.

    Parameters
    ----------
    policy : Policy
        The rules.
    report : TestReport
        A finished run.
    baseline : Baseline or TestReport, optional
        What rules about a change compare with; without it they are skipped and say why.

    Returns
    -------
    GateResult
        The worst verdict of all rules; skipped ones do not count.
    """
    against = baseline if isinstance(baseline, Baseline) else _baseline_of(baseline)
    numbers = gate_numbers(report)
    before = gate_numbers(against.report) if against.report else {}
    found: list[Check] = []
    for rule in policy.rules:
        if rule.check is not None:
            found.append(_judge_check(rule, rule.check, report))
        else:
            found += _judge_number(rule, numbers, before, against)
    checks = sorted(_numbered(found), key=lambda check: ORDER[check.verdict])
    counted = [check.verdict for check in checks if check.verdict is not Verdict.SKIP]
    worst = min(counted, key=ORDER.__getitem__, default=Verdict.SKIP)
    return GateResult(
        verdict=worst,
        summary=_summary(checks, worst),
        checks=checks,
        policy=policy,
        baseline=against.asked,
        baseline_run_id=against.report.run_id if against.report else None,
        notes=list(_notes(report, against)),
    )


def replay(policy: Policy, runs: Sequence[tuple[str, TestReport]]) -> list[GateResult]:
    """Say what a policy would have made of past runs.

    Parameters
    ----------
    policy : Policy
        The rules.
    runs : sequence of (str, TestReport)
        Name of the model and report, oldest first.

    Returns
    -------
    list of GateResult
        One per run; each is compared with the newest before it of the same name that did not fail.
    """
    passed: dict[str, TestReport] = {}
    results = []
    for name, report in runs:
        result = apply_policy(policy, report, passed.get(name))
        if result.verdict is not Verdict.FAIL:
            passed[name] = report
        results.append(result)
    return results


def limits_of(policy: Policy, name: str) -> dict[str, float]:
    """Return the absolute limits of a number, by how a chart calls them.

    Examples
    --------
    >>> limits_of(read_policy("{version: 1, rules: [{number: f1, at_least: 0.8}]}"), "f1")
    {'fail below': 0.8}
    """
    found = {}
    for rule in policy.rules:
        level = rule.level or "fail"
        if rule.number == name and rule.at_least is not None:
            found[f"{level} below"] = rule.at_least
        if rule.number == name and rule.at_most is not None:
            found[f"{level} above"] = rule.at_most
    return found


def suggest_rule(name: str, number: Number | None) -> str:
    """Return the line of a policy that holds a number where it is now, or demands a check.

    The limit has four digits, rounded so that the number itself keeps it.

    Examples
    --------
    >>> print(suggest_rule("model.safety", None))
      - check: model.safety
    >>> value = Estimate(value=0.93456)
    >>> print(suggest_rule("f1", Number("f1", "Quality", value, "", higher_is_better=True)))
      - number: f1
        at_least: 0.9345
    """
    if number is None or number.estimate.value is None:
        return f"  - check: {_quoted(name)}"
    better = number.higher_is_better
    limit, side = ("at_least", ROUND_FLOOR) if better else ("at_most", ROUND_CEILING)
    rounded = Context(prec=4, rounding=side).create_decimal(repr(number.estimate.value))
    return f"  - number: {_quoted(name)}\n    {limit}: {float(rounded):.4g}"


def _quoted(name: str) -> str:
    """Return a name as YAML reads it back."""
    if _PLAIN.fullmatch(name):
        return name
    return yaml.safe_dump(name, default_style='"', allow_unicode=True, width=10_000).strip()


def _baseline_of(report: TestReport | None) -> Baseline:
    return Baseline() if report is None else Baseline(report.run_id, report)


def _notes(report: TestReport, against: Baseline) -> Iterator[str]:
    if against.report is None:
        if against.asked is not None:
            yield f"There is no baseline: {against.reason}"
        return
    before, now = against.report.data, report.data
    if (before.sha256, before.n_rows, against.report.config.seed) != (
        now.sha256,
        now.n_rows,
        report.config.seed,
    ):
        yield "The baseline used other rows: part of a difference may come from the data."


def _numbered(checks: list[Check]) -> list[Check]:
    """Give every check an id of its own; two rules may be about the same number."""
    seen: dict[str, int] = {}
    named = []
    for check in checks:
        seen[check.id] = seen.get(check.id, 0) + 1
        again = seen[check.id]
        named.append(check.model_copy(update={"id": f"{check.id}.{again}"}) if again > 1 else check)
    return named


def _summary(checks: list[Check], worst: Verdict) -> str:
    counted = sum(check.verdict is not Verdict.SKIP for check in checks)
    decisive = [check.title for check in checks if check.verdict is worst]
    if worst is Verdict.SKIP:
        return "No rule could be checked."
    if worst is Verdict.PASS:
        return f"All {counted} limits are kept."
    word = "broken" if worst is Verdict.FAIL else "to be looked at"
    return f"{len(decisive)} of {counted} limits {word}: {'; '.join(decisive[:3])}."


def _level(rule: Rule) -> Verdict:
    return Verdict(rule.level or "fail")


def _if_missing(rule: Rule) -> Verdict:
    return Verdict(rule.if_missing) if rule.if_missing else _level(rule)


def _judge_check(rule: Rule, name: str, report: TestReport) -> Check:
    known = {check.id: check for check in report.verdict.checks}
    check = known.get(name)
    if check is None or check.verdict is Verdict.SKIP:
        reason = check.reason if check else f"This run has no check {name!r}.{_near(name, known)}"
        title = check.title if check else f"{name} is missing"
        return _line(rule, name, title, _if_missing(rule), reason)
    kept = check.verdict is Verdict.PASS
    verdict = check.verdict if kept or rule.level is None else _level(rule)
    facts = check.model_dump(include={"value", "unit", "threshold", "comparison"})
    return _line(rule, name, check.title, verdict, check.reason).model_copy(update=facts)


def _judge_number(
    rule: Rule, numbers: dict[str, Number], before: dict[str, Number], against: Baseline
) -> Iterator[Check]:
    name = rule.number or ""
    current = numbers.get(name)
    if current is None or current.estimate.value is None:
        reason = f"This run has no number {name!r}.{_near(name, numbers)}"
        yield _line(rule, name, f"{title_of(name)} is missing", _if_missing(rule), reason)
        return
    if rule.at_least is not None:
        yield _judge_limit(rule, current, rule.at_least, higher=True)
    if rule.at_most is not None:
        yield _judge_limit(rule, current, rule.at_most, higher=False)
    if rule.significant or rule.worse_by_at_most is not None:
        yield _judge_change(rule, current, before.get(name), against)


def _judge_limit(rule: Rule, current: Number, limit: float, *, higher: bool) -> Check:
    value = float(current.estimate.value or 0.0)
    kept = value >= limit if higher else value <= limit
    word = "at least" if higher else "at most"
    sign = "below" if higher else "above"
    title = f"{title_of(current.name)} is {word if kept else sign} {_shown(limit, current)}"
    reason = f"Found {_shown(value, current)}, the policy demands {word} {_shown(limit, current)}."
    verdict = Verdict.PASS if kept else _level(rule)
    facts = {
        "value": value,
        "unit": current.unit,
        "threshold": limit,
        "comparison": ">=" if higher else "<=",
    }
    return _line(rule, current.name, title, verdict, reason).model_copy(update=facts)


def _judge_change(rule: Rule, current: Number, before: Number | None, against: Baseline) -> Check:
    title = f"{title_of(current.name)} against the baseline"
    higher = _direction(rule, current)
    if before is None or before.estimate.value is None:
        reason = against.reason if against.report is None else "The baseline lacks this number."
        return _line(rule, f"{current.name}.change", title, Verdict.SKIP, reason)
    if higher is None:
        reason = f"Neither direction of {current.name!r} is better; say better: higher or lower."
        return _line(rule, f"{current.name}.change", title, _if_missing(rule), reason)
    was, now = float(before.estimate.value), float(current.estimate.value or 0.0)
    allowed = _allowed(rule, was)
    worse = (was - now) if higher else (now - was)
    surely = _is_surely_worse(before.estimate, current.estimate, higher=higher)
    broken = worse > allowed + ROUNDING * abs(was) and (surely or not rule.significant)
    limit = was - allowed if higher else was + allowed
    facts = {
        "value": now,
        "unit": current.unit,
        "threshold": limit,
        "comparison": ">=" if higher else "<=",
    }
    reason = f"{_shown(was, current)} in the baseline, {_shown(now, current)} now" + (
        ", beyond chance." if surely else ", which chance can explain." if worse > 0 else "."
    )
    title = (
        f"{title_of(current.name)} is {'worse than' if broken else 'no worse than'} the baseline"
    )
    verdict = _level(rule) if broken else Verdict.PASS
    return _line(rule, f"{current.name}.change", title, verdict, reason).model_copy(update=facts)


def _is_surely_worse(before: Estimate, now: Estimate, *, higher: bool) -> bool:
    return judge_change(before, now, higher_is_better=higher) is Change.WORSE


def _direction(rule: Rule, current: Number) -> bool | None:
    return rule.better == "higher" if rule.better else current.higher_is_better


def _allowed(rule: Rule, was: float) -> float:
    """Return how much worse than ``was`` is allowed, in the number's own unit."""
    limit = rule.worse_by_at_most
    if isinstance(limit, str):
        return abs(was) * float(limit.rstrip("% ")) / 100.0
    return limit or 0.0


def _shown(value: float, current: Number) -> str:
    return with_unit(value, current.unit) if current.unit else write_number(value)


def _line(rule: Rule, name: str, title: str, verdict: Verdict, reason: str) -> Check:
    return Check(
        id=f"gate.{name}",
        section="gate",
        title=title,
        verdict=verdict,
        threshold_source=rule.why or "Set by the policy.",
        reason=reason,
    )


def _near(name: str, known: dict[str, Any]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""
