"""Claims about made-up rows: they reach the model's decisions, and give away no row of a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import schema_merge
from schema_inference import schema_from_sample
from synthetic_data import generate
from synthetic_reach import leaves_visited, measure_reach
from tests.local_model import LocalModel


@pytest.mark.parametrize("load", [load_iris, load_breast_cancer])
def test_rows_made_from_the_model_reach_more_than_noise(load: object) -> None:
    """From a forest alone: every class and over twice the leaves that uniform noise visits."""
    data = load(as_frame=True)  # type: ignore[operator]
    forest = RandomForestClassifier(30, random_state=0).fit(data.data, data.target)
    model = LocalModel(forest)
    schema = schema_merge.merge_schemas(None, None, None, model.info).schema
    reach = measure_reach(model, generate(schema, 500, 0), schema, seed=0)
    assert reach.classes == reach.n_classes
    assert reach.leaves is not None
    assert reach.leaves_by_noise is not None
    assert reach.n_leaves is not None
    assert reach.leaves > 2 * reach.leaves_by_noise
    assert reach.leaves <= reach.n_leaves


@pytest.mark.parametrize(
    ("estimator", "told_by"),
    [
        (SVC(), "support vectors"),
        (HistGradientBoostingClassifier(max_iter=20), "bins"),
        (ExtraTreesClassifier(20, random_state=0), "split points"),
        (make_pipeline(KBinsDiscretizer(5), LogisticRegression()), "edges of bins"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "means and deviations"),
        (KNeighborsClassifier(), "kept rows"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_ranges_come_from_what_the_model_keeps(estimator: Any, told_by: str) -> None:
    """Without a sample every class is visited, in ranges that share most of the training data's."""
    data = load_iris(as_frame=True)
    frame = data.data * [1, 10, 100, 1000]  # far from any guess
    model = LocalModel(estimator.fit(frame, data.target))
    schema = schema_merge.merge_schemas(None, None, None, model.info).schema
    rows = generate(schema, 500, 0)
    assert len(set(estimator.predict(rows))) == 3, told_by
    for name in (feature.name for feature in schema.inputs if feature.minimum is not None):
        low, high = np.quantile(frame[name], [0.05, 0.95])
        shared = min(high, rows[name].max()) - max(low, rows[name].min())
        assert shared > 0.6 * (high - low), name
        assert np.ptp(rows[name]) < 4 * np.ptp(frame[name]), name


def test_both_sides_of_a_single_split_are_drawn() -> None:
    """One tree on whole numbers: classes beyond its outermost split points are visited as well."""
    data = load_iris(as_frame=True)
    frame = data.data * [1, 10, 100, 1000]
    tree = DecisionTreeClassifier(random_state=0).fit(frame, data.target)
    schema = schema_merge.merge_schemas(None, None, None, LocalModel(tree).info).schema
    assert set(tree.predict(generate(schema, 500, 0))) == {0, 1, 2}


def test_categories_come_from_the_encoder() -> None:
    """Without a sample every category an encoder was trained on is drawn, and no other."""
    frame = pd.DataFrame({"city": ["Rome", "Oslo", "Paris"] * 40})
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame, [0, 1, 2] * 40)
    schema = schema_merge.merge_schemas(None, None, None, LocalModel(model).info).schema
    rows = generate(schema, 200, 0)
    assert set(rows["city"]) == {"Rome", "Oslo", "Paris"}
    assert set(model.predict(rows)) == {0, 1, 2}


def test_leaves_are_those_of_scikit_learn() -> None:
    """The number of leaves visited is that of ``apply``, tree by tree."""
    data = load_iris()
    forest = RandomForestClassifier(20, random_state=1).fit(data.data, data.target)
    model = LocalModel(forest)
    lowered = model.lower()
    assert lowered is not None
    expected = sum(len(np.unique(column)) for column in forest.apply(data.data).T)
    assert leaves_visited(lowered, data.data) == expected


def test_a_model_without_trees_has_no_leaves() -> None:
    """Classes are counted, leaves are not."""
    data = load_iris(as_frame=True)
    model = LocalModel(LogisticRegression(max_iter=500).fit(data.data, data.target))
    reach = measure_reach(model, data.data, schema_from_sample(data.data), seed=0)
    assert reach.classes == 3
    assert reach.leaves is None


def test_no_row_of_the_sample_comes_back() -> None:
    """2,000 made-up rows of 30 measured columns repeat none of the 569 rows they are made from."""
    sample = load_breast_cancer(as_frame=True).data
    made = generate(schema_from_sample(sample), 2000, 0)
    both = pd.concat([sample, made], ignore_index=True).round(6)
    assert not both.duplicated(keep=False).iloc[len(sample) :].any()
