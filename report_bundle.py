"""What is kept of one run, in one archive: everything, or its charts as pictures.

Owns: ``zip_everything`` and ``zip_charts``; ``python -m report_bundle everything`` (or ``svg``, or
``png``) makes one of the report on its standard input, for ``report_archive``.
"""

from __future__ import annotations

import io
import os
import sys
import zipfile
from collections.abc import Callable, Mapping

import reports
from chart_picture import Kind, draw_pictures
from figures import section_charts
from report_types import TestReport

SECTIONS = ("performance", "quality", "behaviour", "drift", "explanations", "data")
COMPRESSED = zipfile.ZIP_DEFLATED


def zip_everything(report: TestReport) -> bytes:
    """Return report, tables, charts, checks, summary and policy as a ZIP; same report, same bytes.

    The charts are SVG, which any size of print and every editor can use.
    """
    return _zip(report, _files(report) | _charts(report, "svg"))


def zip_charts(report: TestReport, kind: Kind) -> bytes:
    """Return every chart of a report as pictures of one kind; same report, same bytes."""
    return _zip(report, _charts(report, kind))


def main() -> None:
    """Read a report and write the archive that the first argument names."""
    os.nice(10)  # nobody waits for a picture as for an answer
    report = TestReport.model_validate_json(sys.stdin.buffer.read())
    makers: dict[str, Callable[[], bytes]] = {
        "everything": lambda: zip_everything(report),
        "svg": lambda: zip_charts(report, "svg"),
        "png": lambda: zip_charts(report, "png"),
    }
    sys.stdout.buffer.write(makers[sys.argv[1]]())


def _zip(report: TestReport, files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    moment = report.created_at.timetuple()[:6]
    with zipfile.ZipFile(buffer, "w", COMPRESSED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, moment), content, compress_type=COMPRESSED)
    return buffer.getvalue()


def _charts(report: TestReport, kind: Kind) -> dict[str, str | bytes]:
    return {
        f"charts/{section}/{name}.{kind}": draw_pictures(chart, kinds=[kind])[kind]
        for section in SECTIONS
        for name, chart in section_charts(report, section).items()
    }


def _files(report: TestReport) -> dict[str, str | bytes]:
    files = {
        "report.html": reports.render_html(report),
        "report.json": reports.render_json(report),
        "summary.md": reports.render_markdown(report),
        "junit.xml": reports.render_junit(report),
    }
    if report.gate is not None:
        files["policy.json"] = report.gate.policy.model_dump_json(exclude_unset=True, indent=2)
    tables = {f"tables/{name}": text for name, text in reports.csv_tables(report).items()}
    return {**files, **tables}


if __name__ == "__main__":
    main()
