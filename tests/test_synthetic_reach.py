"""Claims about made-up rows: they reach the model's decisions, and give away no row of a sample."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

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
