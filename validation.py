"""Is a table fit to test a model with? Its checks, and a score with what cost the points.

Owns: ``check_table``, the score and the agreement with a schema. The checks of columns are in
``validation_columns`` and ``validation_writing``, of the target in ``validation_target``, of two
tables in ``validation_split``.

The score is 100 less the cost of every check, never below 0.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from formatting import named, percent
from schema_utils import Feature, Kind, Schema
from validation_columns import Table, check_line, column_checks
from validation_target import target_checks
from validation_types import DataCheck, Finding, ValidationSection
from validation_writing import writing_checks

SCHEMA_WEIGHT = 30.0
"""Points that a table costs whose every column disagrees with the schema."""


def check_table(
    frame: pd.DataFrame,
    schema: Schema,
    *,
    target: str | None = None,
    expected: Schema | None = None,
) -> ValidationSection:
    """Check one table.

    Parameters
    ----------
    frame : DataFrame, shape (n, k)
        As ``table_reader.read_table`` returns it. Not changed.
    schema : Schema
        Of this table, for the kinds of its columns (``schema_inference.schema_from_sample``).
    target : str, optional
        Column of true answers.
    expected : Schema, optional
        What the table should look like; without it, conformance is not checked.

    Returns
    -------
    ValidationSection
        One line per check, passed ones too, and the score.

    Examples
    --------
    >>> frame = pd.DataFrame({"a": [1.0, 2.0] * 60, "b": [5.0] * 120})
    >>> found = check_table(frame, Schema(features=[Feature(name="a"), Feature(name="b")]))
    >>> [check.id for check in found.checks if check.finding != "pass"], found.score
    (['duplicates', 'constant'], 60.5)
    """
    section = ValidationSection(n_rows=len(frame), n_columns=frame.shape[1], target=target)
    if frame.empty:
        section.checks = [
            check_line("rows", "Rows", Finding.FAIL, "The table is empty.", cost=100.0)
        ]
        return with_score(section)
    table = Table(frame, {item.name: item.kind for item in schema.features}, target)
    section.checks = [*column_checks(table), *writing_checks(table)]
    section.checks += target_checks(table)
    if expected is not None:
        section.checks.append(conformance(frame, expected))
    return with_score(section)


def with_score(section: ValidationSection) -> ValidationSection:
    """Fill the score: 100 less what the checks cost."""
    spent = sum(check.cost for check in section.checks)
    section.score = round(max(0.0, 100.0 - spent), 1)
    return section


# --- conformance -----------------------------------------------------------------------------


def conformance(frame: pd.DataFrame, expected: Schema) -> DataCheck:
    """Check a table against a schema: columns, ranges, categories.

    Parameters
    ----------
    frame : DataFrame
        The table.
    expected : Schema
        Its inputs are looked at.

    Returns
    -------
    DataCheck
        Fails when a column is missing; warns when values lie outside a range or among no category.
    """
    absent = [item.name for item in expected.inputs if item.name not in frame.columns]
    shares = {
        item.name: _violating_share(frame[item.name], item)
        for item in expected.inputs
        if item.name in frame.columns
    }
    outside = sorted((name for name in shares if shares[name] > 0), key=lambda name: -shares[name])
    total = len(absent) + sum(shares.values())
    share = total / max(1, len(expected.inputs))
    finding = Finding.FAIL if absent else Finding.WARN if outside else Finding.PASS
    parts = [f"Missing columns: {named(absent)}"] if absent else []
    if outside:
        worst = f"{outside[0]} ({percent(shares[outside[0]])} of its values)"
        parts.append(f"Values outside the range or categories of {worst}")
    return check_line(
        "schema",
        "Agreement with the schema",
        finding,
        f"{'; '.join(parts) or 'Every column and value is as the schema says'}.",
        columns=absent + outside,
        share=share,
        cost=SCHEMA_WEIGHT * share,
        advice="Bring the table to the schema, or correct the schema.",
    )


def _violating_share(column: pd.Series, feature: Feature) -> float:
    """Return the share of values that a feature does not allow."""
    present = column.dropna()
    if present.empty:
        return 0.0
    if feature.kind.is_numeric:
        numbers = pd.to_numeric(present, errors="coerce")
        low = -np.inf if feature.minimum is None else feature.minimum
        high = np.inf if feature.maximum is None else feature.maximum
        return float((~numbers.between(low, high)).mean())
    if feature.categories and feature.kind is not Kind.TEXT:
        known = {str(label) for label in feature.categories}
        return float((~present.astype("str").isin(known)).mean())
    return 0.0
