"""The verdict as JUnit XML for any CI server: one suite per section, one case per check.

Owns: ``render_junit``. Failed checks are failures, failed sections are errors, skipped ones are
skipped with their reason. JUnit knows no warning: a warned check passes and says so in its output.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from base_types import Section, Status
from formatting import plain_text, with_unit
from report_types import Check, TestReport, Verdict

_SECTIONS = ("model", "data", "performance", "quality", "behaviour", "drift", "explanations")


def render_junit(report: TestReport) -> str:
    """Return the verdict as JUnit XML text; control characters in names are dropped."""
    root = ET.Element("testsuites", name="model tests")
    names = dict.fromkeys([*_SECTIONS, *(check.section for check in _checks(report))])
    for name in names:
        suite = _suite(report, name)
        if len(suite):
            root.append(suite)
    for kind in ("tests", "failures", "errors"):  # viewers refuse "skipped" here
        root.set(kind, str(sum(int(suite.get(kind, "0")) for suite in root)))
    ET.indent(root)
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return declaration + ET.tostring(root, encoding="unicode") + "\n"


def _checks(report: TestReport) -> list[Check]:
    """Return the gate's lines and the product's own checks.

    Where there is a gate it alone decides: a check of ours that failed is told there as a warning,
    so that a viewer and the exit code agree.
    """
    if report.gate is None:
        return report.verdict.checks
    return [*report.gate.checks, *(_told_only(check) for check in report.verdict.checks)]


def _told_only(check: Check) -> Check:
    if check.verdict is not Verdict.FAIL:
        return check
    return check.model_copy(update={"verdict": Verdict.WARN})


def _suite(report: TestReport, name: str) -> ET.Element:
    part = getattr(report, name, None)
    section = part if isinstance(part, Section) else None
    seconds = f"{(section.seconds if section else None) or 0:.3f}"
    suite = ET.Element("testsuite", name=plain_text(name), time=seconds)
    for check in _checks(report):
        if check.section == name:
            suite.append(_case(check))
    if section is not None and section.status is not Status.OK:
        suite.append(_section_case(name, section))
    suite.set("tests", str(len(suite)))
    for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(kind, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("timestamp", report.created_at.isoformat(timespec="seconds"))
    return suite


def _case(check: Check) -> ET.Element:
    case = ET.Element("testcase", name=plain_text(check.title), classname=plain_text(check.id))
    reason = plain_text(check.reason)
    if check.verdict is Verdict.FAIL:
        failure = ET.SubElement(case, "failure", message=reason, type="check")
        failure.text = _details(check)
    elif check.verdict is Verdict.SKIP:
        ET.SubElement(case, "skipped", message=reason)
    else:
        warning = "WARNING: " if check.verdict is Verdict.WARN else ""
        ET.SubElement(case, "system-out").text = f"{warning}{reason} {_details(check)}".strip()
    return case


def _section_case(name: str, section: Section) -> ET.Element:
    case = ET.Element("testcase", name=f"Stage {name}", classname=f"{name}.stage")
    reason = plain_text(section.reason or "No reason was given.")
    if section.status is Status.FAILED:
        ET.SubElement(case, "error", message=reason, type="stage")
    else:
        ET.SubElement(case, "skipped", message=reason)
    return case


def _details(check: Check) -> str:
    if check.value is None:
        return ""
    unit = plain_text(check.unit)
    found = f"Found {with_unit(check.value, unit)}"
    if check.threshold is None:
        return found
    return f"{found}, demanded {check.comparison} {with_unit(check.threshold, unit)}"
