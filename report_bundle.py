"""Everything that is kept of one run in one archive.

Owns: ``zip_everything``. Charts are inside the HTML report, each with a button that saves it as
SVG: drawing them here would need a browser.
"""

from __future__ import annotations

import io
import zipfile

import reports
from report_types import TestReport

COMPRESSED = zipfile.ZIP_DEFLATED


def zip_everything(report: TestReport) -> bytes:
    """Return report, tables, checks, summary and policy as a ZIP; same report, same bytes."""
    buffer = io.BytesIO()
    moment = report.created_at.timetuple()[:6]
    with zipfile.ZipFile(buffer, "w", COMPRESSED) as archive:
        for name, text in _files(report).items():
            archive.writestr(zipfile.ZipInfo(name, moment), text, compress_type=COMPRESSED)
    return buffer.getvalue()


def _files(report: TestReport) -> dict[str, str]:
    files = {
        "report.html": reports.render_html(report),
        "report.json": reports.render_json(report),
        "summary.md": reports.render_markdown(report),
        "junit.xml": reports.render_junit(report),
    }
    if report.gate is not None:
        files["policy.json"] = report.gate.policy.model_dump_json(exclude_unset=True, indent=2)
    return files | {f"tables/{name}": text for name, text in reports.csv_tables(report).items()}
