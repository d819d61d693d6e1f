"""Claims about the data check: planted faults are found, sound tables are left alone."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_iris

from errors import DataError
from schema_inference import schema_from_sample
from schema_utils import Feature, Kind, Schema
from settings import Settings
from validation import check_table
from validation_example import example_table
from validation_files import check
from validation_job import CheckTask, check_files
from validation_split import check_split
from validation_types import DataCheck, Finding, ValidationSection


def sound(n: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"x": rng.normal(size=n), "k": rng.integers(0, 9, n), "c": rng.choice(["a", "b"], n)}
    )
    return frame.assign(y=np.where(frame["x"] + rng.normal(size=n) > 0, "yes", "no"))


def checked(frame: pd.DataFrame, target: str | None = "y") -> ValidationSection:
    return check_table(frame, schema_from_sample(frame, target=target), target=target)


def line(section: ValidationSection, check_id: str) -> DataCheck:
    return next(item for item in section.checks if item.id == check_id)


def flagged(section: ValidationSection) -> set[str]:
    return {c.id for c in section.checks if c.finding in (Finding.WARN, Finding.FAIL)}


@pytest.mark.parametrize("load", [load_iris, load_breast_cancer])
def test_textbook_data_raises_no_alarm(load: object) -> None:
    """Iris and breast cancer, sound data sets, get 99 points and no mark."""
    frame = load(as_frame=True).frame  # type: ignore[operator]
    section = checked(frame, "target")
    assert flagged(section) == set()
    assert section.score is not None
    assert section.score > 99


FAULTS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "missing": lambda f: f.assign(x=f["x"].where(f.index % 2 == 0)),
    "duplicates": lambda f: pd.concat([f, f.head(100)], ignore_index=True),
    "constant": lambda f: f.assign(z=1.0),
    "mixed_types": lambda f: f.assign(z=["7", "unknown", "3", "12"] * (len(f) // 4)),
    "infinite": lambda f: f.assign(x=f["x"].where(f.index > 0, np.inf)),
    "outliers": lambda f: f.assign(x=f["x"].where(f.index % 10 > 0, 1e4)),
    "high_cardinality": lambda f: f.assign(z=[f"id-{i}" for i in range(len(f))]),
    "spellings": lambda f: f.assign(c=f["c"].where(f.index % 2 == 0, "A ")),
    "target_missing": lambda f: f.assign(y=f["y"].where(f.index > 50)),
    "class_balance": lambda f: f.assign(y=np.where(f.index < 5, "yes", "no")),
    "target_leakage": lambda f: f.assign(z=(f["y"] == "yes") * 1.5),
    "contradictions": lambda f: f.assign(x=1.0, k=1, c="a"),
    "rows": lambda f: f.head(40),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_costs_points(fault: str) -> None:
    """Each kind of fault is flagged by its own check, and lowers the score by what it says."""
    before, after = checked(sound()), checked(FAULTS[fault](sound()))
    assert fault not in flagged(before)
    assert fault in flagged(after)
    assert line(after, fault).cost > 0
    assert after.score is not None
    assert before.score is not None
    assert after.score < before.score
    assert after.score == pytest.approx(max(0, 100 - sum(c.cost for c in after.checks)), abs=0.06)


@pytest.mark.parametrize("absurd", [1e300, -1e308, 1e12])
def test_a_single_absurd_number_is_named(absurd: float) -> None:
    """One slip among hundreds of numbers is worth a look, however few outliers there are."""
    frame = sound()
    frame.loc[3, "x"] = absurd
    section = checked(frame)
    assert "outliers" in flagged(section)
    assert "x holds" in line(section, "outliers").found


def test_costs_are_what_their_formula_says() -> None:
    """A quarter of the cells of three columns empty in one costs 40 * (1/4) / 3 points."""
    frame = sound()
    frame.loc[frame.index % 4 == 0, "x"] = np.nan
    assert line(checked(frame), "missing").cost == pytest.approx(40 / 12, abs=0.01)


def test_a_strong_but_honest_column_is_no_leak() -> None:
    """A column that tells 95 % of the answers is a good feature, not a leak."""
    rng = np.random.default_rng(1)
    frame = sound()
    told = np.where(rng.random(len(frame)) < 0.95, frame["y"], "no")
    assert "target_leakage" not in flagged(checked(frame.assign(z=told)))


def test_an_identifier_is_no_leak() -> None:
    """A column with a value of its own per row cannot tell rows it has not seen."""
    frame = sound().assign(z=[f"id-{i}" for i in range(400)])
    assert "target_leakage" not in flagged(checked(frame))


def test_a_copied_number_leaks() -> None:
    """A numeric target in other units is found by its rank correlation of 1."""
    frame = sound().drop(columns="y").assign(y=lambda f: f["x"] * 3.7)
    assert line(checked(frame), "target_leakage").columns == ["x"]


def test_a_schema_is_held_against_the_table() -> None:
    """Missing columns, values out of range and unknown categories are told, with their shares."""
    expected = Schema(
        features=[
            Feature(name="k", kind=Kind.INTEGER, minimum=0, maximum=4),
            Feature(name="c", kind=Kind.CATEGORICAL, categories=["a"]),
            Feature(name="gone"),
        ]
    )
    frame = sound()
    found = line(check_table(frame, schema_from_sample(frame), expected=expected), "schema")
    shares = [(frame["k"] > 4).mean(), (frame["c"] == "b").mean(), 1.0]
    assert found.finding is Finding.FAIL
    assert found.share == pytest.approx(sum(shares) / 3)
    assert found.columns[0] == "gone"


def test_a_random_split_is_sound() -> None:
    """Two random halves neither overlap nor drift."""
    frame = sound(2000)
    section = check_split(frame.iloc[::2], frame.iloc[1::2], schema_from_sample(frame), target="y")
    assert flagged(section) == set()


def test_overlap_drift_and_balance_of_a_bad_split_are_found() -> None:
    """Copied rows, a shifted column and another mix of answers are each told."""
    train, other = sound(1000), sound(1000, 1)
    test = pd.concat([train.head(200), other.assign(x=other["x"] + 2, y="yes")])
    section = check_split(train, test, schema_from_sample(train), target="y")
    assert {"overlap", "split_drift", "target_balance"} <= flagged(section)
    assert line(section, "overlap").share == pytest.approx(200 / 1200)
    assert line(section, "split_drift").columns == ["x"]


def test_rows_that_repeat_anyway_are_no_overlap() -> None:
    """In a table of few possible rows, equal rows in both parts are chance, not leakage."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 3, (600, 2)), columns=["a", "b"])
    section = check_split(frame.head(300), frame.tail(300), schema_from_sample(frame))
    assert "overlap" not in flagged(section)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["", "1", "-3.5", "x", "inf", "2020-01-01", "True"]), min_size=1))
def test_any_column_gets_a_score(cells: list[str]) -> None:
    """Whatever a column holds, there is a score between 0 and 100, and the table is unchanged."""
    text = "a,b\n" + "\n".join(f"{cell},1" for cell in cells)
    frame = pd.read_csv(io.StringIO(text))
    kept = frame.copy()
    section = checked(frame, None)
    assert section.score is not None
    assert 0 <= section.score <= 100
    pd.testing.assert_frame_equal(frame, kept)


def test_an_empty_table_gets_no_points() -> None:
    """A header without rows scores 0."""
    assert check_table(pd.DataFrame({"a": []}), Schema()).score == 0


def test_the_example_shows_its_faults(tmp_path: Path) -> None:
    """The built-in faulty table has gaps, outliers, spellings, a constant, an id and a leak."""
    (tmp_path / "x.csv").write_bytes(example_table())
    section = check(CheckTask(data=tmp_path / "x.csv", data_name="x.csv"))
    assert section.target == "churn"
    assert {
        "missing",
        "outliers",
        "spellings",
        "constant",
        "high_cardinality",
        "target_leakage",
        "duplicates",
    } <= flagged(section)


def test_the_process_answers_and_refuses(tmp_path: Path) -> None:
    """The process returns what the check returns; an unknown target is an error that says so."""
    (tmp_path / "x.csv").write_bytes(example_table())
    task = CheckTask(data=tmp_path / "x.csv", data_name="x.csv")
    assert check_files(task, Settings(data_dir=tmp_path)) == check(task)
    with pytest.raises(DataError, match="'nothing'"):
        check_files(task.model_copy(update={"target": "nothing"}), Settings(data_dir=tmp_path))
