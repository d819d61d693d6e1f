"""Do two parts of a data set, train and test, go together? Overlap, balance, drift.

Owns: ``check_split``. Drift is judged by ``drift.compare_frames``.
"""

from __future__ import annotations

import pandas as pd

from drift import compare_frames
from drift_types import DriftVerdict
from formatting import count, named, percent
from schema_utils import Schema
from validation import check_table, with_score
from validation_types import DataCheck, Finding, ValidationSection

MUCH_OVERLAP = 0.05

OVERLAP_WEIGHT, DRIFT_WEIGHT, COLUMN_WEIGHT = 60.0, 30.0, 30.0
BY_CHANCE = 2.0
"""Overlap counts beyond this many times the share of rows that repeat within the train part."""


def check_split(
    train: pd.DataFrame, test: pd.DataFrame, schema: Schema, *, target: str | None = None
) -> ValidationSection:
    """Check the train part, and how the test part fits to it.

    Parameters
    ----------
    train, test : DataFrame
        Both parts, with the same columns.
    schema : Schema
        Of the train part.
    target : str, optional
        Column of true answers.

    Returns
    -------
    ValidationSection
        The checks of the train part followed by those of both.
    """
    section = check_table(train, schema, target=target)
    section.n_other_rows = len(test)
    section.checks.append(_columns(train, test))
    common = [name for name in train.columns if name in test.columns]
    if common and len(train) and len(test):
        inputs = [name for name in common if name != target]
        section.checks.append(_overlap(train[inputs], test[inputs]))
        section.checks += _drift(train[common], test[common], schema, target)
    return with_score(section)


def _columns(train: pd.DataFrame, test: pd.DataFrame) -> DataCheck:
    absent = [str(name) for name in train.columns if name not in test.columns]
    share = len(absent) / max(1, train.shape[1])
    return DataCheck(
        id="split_columns",
        title="Same columns",
        finding=Finding.FAIL if absent else Finding.PASS,
        found=f"Missing in the second table: {named(absent)}."
        if absent
        else "Both tables have the same columns.",
        columns=absent,
        share=share,
        cost=round(COLUMN_WEIGHT * share, 2),
        advice="Add the columns, or compare the right files." if absent else "",
    )


def _overlap(train: pd.DataFrame, test: pd.DataFrame) -> DataCheck:
    """Find rows of the test part that the train part holds as well, by their inputs."""
    old, new = (
        pd.util.hash_pandas_object(_comparable(part), index=False) for part in (train, test)
    )
    share = float(new.isin(old).mean())
    expected = float(old.duplicated(keep=False).mean())
    leaks = share > 0.01 and share > BY_CHANCE * expected
    finding = (
        Finding.FAIL if leaks and share > MUCH_OVERLAP else Finding.WARN if leaks else Finding.PASS
    )
    common = count(round(share * len(new)), "row")
    found = f"The first table also holds {common} of the second ({percent(share)})"
    if expected > 0.01:
        found += f"; within the first, {percent(expected)} of the rows repeat"
    return DataCheck(
        id="overlap",
        title="Overlap of train and test",
        finding=finding,
        found=f"{found}.",
        share=share,
        cost=round(OVERLAP_WEIGHT * share, 2) if leaks else 0.0,
        advice="A model knows these answers by heart: take the rows out of one part."
        if leaks
        else "",
    )


def _comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return whole and broken numbers as one type, so that 1 equals 1.0."""
    numbers = {name: "float64" for name in frame.columns if frame[name].dtype.kind in "iu"}
    return frame.astype(numbers)


def _drift(
    train: pd.DataFrame, test: pd.DataFrame, schema: Schema, target: str | None
) -> list[DataCheck]:
    report = compare_frames(train, test, schema)
    by_name = {item.feature: item for item in report.features}
    checks = []
    if target in by_name:
        checks.append(_target_balance(str(target), by_name[target].verdict, by_name[target].why))
    others = [item for item in report.features if item.feature != target]
    drifted = [item.feature for item in others if item.verdict is DriftVerdict.DRIFT]
    share = len(drifted) / max(1, len(others))
    reasons = "; ".join(f"{name}: {by_name[name].why}" for name in drifted[:3])
    checks.append(
        DataCheck(
            id="split_drift",
            title="Drift between the parts",
            finding=Finding.WARN if drifted else Finding.PASS,
            found=f"{count(len(drifted), 'column')} of {len(others)} "
            + ("differs." if len(drifted) == 1 else "differ.")
            + (f" {reasons}" if reasons else ""),
            columns=drifted,
            share=share,
            cost=round(DRIFT_WEIGHT * share, 2),
            advice="Split at random, or say that the test part is of another time or place."
            if drifted
            else "",
        )
    )
    return checks


def _target_balance(target: str, verdict: DriftVerdict, why: str) -> DataCheck:
    differs = verdict is DriftVerdict.DRIFT
    return DataCheck(
        id="target_balance",
        title="Answers in both parts",
        finding=Finding.WARN if differs else Finding.PASS,
        found=why,
        columns=[target] if differs else [],
        cost=10.0 if differs else 0.0,
        advice="Split by class (stratified)." if differs else "",
    )
