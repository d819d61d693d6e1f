"""Stored rows as a CSV file to hand out: no cell is a formula.

Owns: ``safe_csv``. The stored file stays as it was tested; people open downloads in spreadsheets,
which would run what a stranger's cell says.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from itertools import islice
from pathlib import Path

from formatting import csv_safe

MAX_CELL = 4 * 1024 * 1024
"""Longest cell; tables with longer lines are not read in the first place."""

ROWS_AT_ONCE = 1000


def safe_csv(path: Path) -> Iterator[bytes]:
    """Yield a stored CSV file piece by piece, header and texts made safe for spreadsheets."""
    csv.field_size_limit(MAX_CELL)
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        while rows := list(islice(reader, ROWS_AT_ONCE)):
            buffer = StringIO()
            writer = csv.writer(buffer, lineterminator="\n")
            writer.writerows([_safe(cell) for cell in row] for row in rows)
            yield buffer.getvalue().encode()


def _safe(cell: str) -> str:
    """Return a cell that is no formula; numbers may begin with a sign."""
    try:
        float(cell)
    except ValueError:
        return str(csv_safe(cell))
    return cell
