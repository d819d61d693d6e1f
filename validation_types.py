"""What a check of a table says: one line per check, and the score with what cost the points.

Owns: the types only.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from base_types import Section, TypedModel


class Finding(StrEnum):
    """Answer of one check of the data."""

    PASS = "pass"  # noqa: S105 - an answer, not a password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class DataCheck(TypedModel):
    """One check of a table: what was found, where, what it costs, what to do."""

    id: str
    title: str
    finding: Finding
    found: str = Field(description="What was found, one sentence")
    columns: list[str] = Field(default_factory=list, description="Columns concerned, worst first")
    share: float | None = Field(default=None, description="Part of the rows, cells or columns")
    cost: float = Field(default=0.0, ge=0, description="Points taken off the score of 100")
    advice: str = ""


class ValidationSection(Section):
    """V1-V3: whether a table is fit to test a model with."""

    n_rows: int = 0
    n_columns: int = 0
    n_other_rows: int | None = Field(default=None, description="Rows of the second table, if any")
    target: str | None = None
    score: float | None = Field(default=None, description="0 to 100; 100 is flawless")
    checks: list[DataCheck] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
