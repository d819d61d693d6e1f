"""Telling rows, interactions and groups are those that a reader would find by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

from explainability import explain
from explanation_reading import (
    _ranks,
    answer_words,
    contribution_shares,
    group_means,
    row_orderings,
    row_sentences,
    rows_by_value,
    strongest_interaction,
)
from report_types import ExplanationSection, FeatureImportance, OutputExplanation
from tests.local_model import LocalModel


def section_of(values: list[list[float]], **fields: object) -> ExplanationSection:
    """A section of two columns, the answers being the sums."""
    importance = [
        FeatureImportance(feature=name, importance=size, share=size / 4, direction=None, rank=rank)
        for rank, (name, size) in enumerate((("age", 3.0), ("plan", 1.0)), start=1)
    ]
    output = OutputExplanation(
        output="yes",
        base_value=0.0,
        importance=importance,
        values=values,
        predictions=[sum(row) for row in values],
    )
    rows = [{"age": 20.0 + at, "plan": "ab"[at % 2]} for at in range(len(values))]
    section = ExplanationSection(columns=["age", "plan"], outputs=[output], rows=rows)
    return section.model_copy(update=fields)


def first(section: ExplanationSection, name: str) -> int:
    return row_orderings(section, section.outputs[0])[name][0]


def test_rows_are_found_by_their_probabilities() -> None:
    """Uncertain: flattest; boundary: smallest lead; wrong: true class least likely."""
    section = section_of(
        [[0.0, 0.0]] * 3,
        classes=["a", "b", "c"],
        probabilities=[[0.4, 0.3, 0.3], [0.49, 0.48, 0.03], [0.9, 0.05, 0.05]],
        answers=["a", "a", "a"],
        actual=["a", "a", "c"],
    )
    assert first(section, "Most uncertain") == 0
    assert first(section, "Nearest the boundary") == 1
    assert first(section, "Most wrong") == 2


def test_rows_of_a_regression_are_found_by_their_distance() -> None:
    """Most wrong is farthest from the true number; rows without one come last."""
    section = section_of(
        [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]], answers=[1.0, 2.0, 3.0], actual=[1.5, 9.0, None]
    )
    assert row_orderings(section, section.outputs[0])["Most wrong"] == [1, 0, 2]
    assert first(section, "Highest answer") == 2


def test_rows_by_value_put_missing_last() -> None:
    """The largest value comes first."""
    section = section_of([[0.0, 0.0]] * 3)
    section.rows[0]["age"] = None
    assert rows_by_value(section, "age") == [2, 1, 0]


def test_interacting_column_is_found_and_an_additive_model_has_none() -> None:
    """A product of two columns interacts; a sum does not, however correlated its columns are."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(300, 3)), columns=["x", "y", "z"])
    rows["z"] += rows["x"]
    product = RandomForestRegressor(30, random_state=0).fit(rows, rows["x"] * rows["y"])
    section = explain(LocalModel(product), rows, rows[:80]).to_section()
    assert strongest_interaction(section, section.outputs[0], "x") == "y"
    line = LinearRegression().fit(rows, rows.sum(axis=1))
    section = explain(LocalModel(line), rows, rows[:80]).to_section()
    assert strongest_interaction(section, section.outputs[0], "x") is None


def test_ranks_are_scipys() -> None:
    """Ties share their mean rank."""
    values = np.array([3.0, 1.0, 3.0, 2.0, 2.0, 2.0])
    assert _ranks(values).tolist() == rankdata(values).tolist()


def test_group_means_and_their_errors() -> None:
    """Means by column and the standard error of the mean, by hand."""
    section = section_of([[1.0, 5.0], [3.0, 5.0], [9.0, 9.0]])
    group = group_means(section, section.outputs[0], "young", [0, 1])
    assert (group.n_rows, group.answer) == (2, 7.0)
    assert group.means == {"age": 2.0, "plan": 5.0}
    assert group.errors == pytest.approx({"age": 1.0, "plan": 0.0})


def test_sentences_name_the_largest_contributions_first() -> None:
    """Contribution with its sign, column, and cell in words."""
    section = section_of([[0.1, -0.5]])
    assert row_sentences(section, section.outputs[0], 0) == [
        ("\u22120.5", "plan", "a"),
        ("+0.1", "age", "20"),
    ]


def test_log_odds_come_with_their_probability() -> None:
    """The logistic function of 0 is one half."""
    section = section_of([[0.0, 0.0]], space="log-odds")
    assert answer_words(section, section.outputs[0], 0.0) == "0 (50% for yes)"


def test_shares_sum_to_one() -> None:
    """Largest first, over all outputs."""
    assert contribution_shares(section_of([[0.0, 0.0]])) == {"age": 0.75, "plan": 0.25}
