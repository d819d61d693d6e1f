"""The tree kernel against the definition, its own invariants, and rows exactly at thresholds."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import ensemble, tree

import explain_forest
import explain_grids
import explain_trees
import model_lowering
from explain_changes import value_changes
from explain_forest import TreeGame, Trees, evaluate
from explain_trees import shapley_values
from model_types import Lowered
from tests.shapley_reference import coalitions

Floats = NDArray[np.float64]


def lowered(model: Any) -> Trees:
    """Return the trees of a fitted estimator."""
    found = model_lowering.lower(model)
    assert found is not None
    return explain_forest.from_lowered(Lowered(*found))


def table(seed: int, n_rows: int = 60, n_columns: int = 5) -> Floats:
    """Return cells of few distinct values, some missing."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(-3, 4, (n_rows, n_columns)) / 3.0
    return np.where(rng.random(cells.shape) < 0.1, np.nan, cells)


def by_definition(game: TreeGame) -> Floats:
    """Return Shapley values as the mean over orders, from the trees' own outputs."""
    worth = {}
    for members in coalitions(game.n_groups):
        shown = np.isin(game.groups, members)
        mixed = np.where(shown, game.rows[:, None], game.background[None])
        margins = evaluate(game.trees, mixed.reshape(-1, mixed.shape[2]))
        worth[members] = margins.reshape(*mixed.shape[:2], -1).mean(axis=1)
    orders = list(permutations(range(game.n_groups)))
    total = np.zeros((len(game.rows), game.n_groups, game.trees.n_outputs))
    for order in orders:
        for place, group in enumerate(order):
            before = tuple(sorted(order[:place]))
            after = tuple(sorted(order[: place + 1]))
            total[:, group] += worth[after] - worth[before]
    return total / len(orders)


@pytest.fixture(params=["tables", "pairs", "grids"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run with patterns counted in tables, compared in pairs, and with trees as tables."""
    monkeypatch.setattr(explain_trees, "PAIR_COST", {"pairs": 0}.get(request.param, 1000))
    monkeypatch.setattr(explain_grids, "NODE_COST", {"grids": 1e9}.get(request.param, 0.0))
    return str(request.param)


def random_game(seed: int, depth: int = 6) -> TreeGame:
    """Return a forest on grouped columns with missing cells and two outputs."""
    cells = table(seed)
    rng = np.random.default_rng(seed)
    target = np.column_stack([np.nansum(cells, axis=1), rng.random(len(cells))])
    forest = ensemble.RandomForestRegressor(4, max_depth=depth, random_state=seed)
    forest.fit(cells, target)
    groups: NDArray[np.int64] = np.asarray(rng.integers(-1, 4, cells.shape[1]))
    cells[:, groups < 0] = cells[0, groups < 0]
    return TreeGame(lowered(forest), groups, 4, cells[:5], cells[5:12])


@pytest.mark.parametrize("seed", range(4))
def test_kernel_matches_all_orders(seed: int, kernel: str) -> None:
    """Groups of columns, missing cells and several outputs give the mean over all orders."""
    game = random_game(seed, 3 if kernel == "grids" else 6)
    values = shapley_values(game)
    assert values is not None
    np.testing.assert_allclose(values, by_definition(game), atol=1e-12)
    batches = explain_grids.grid_batches(game.trees, game.groups, 12)
    assert sum(len(batch.trees) for batch in batches) == (4 if kernel == "grids" else 0)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_symmetric_trees_match_all_orders(n_classes: int) -> None:
    """CatBoost's trees, worked out as tables, give the mean over all orders."""
    cells = table(n_classes, 300, 4)
    target = np.nan_to_num(cells).sum(axis=1)
    labels = np.digitize(target, np.quantile(target, np.arange(1, n_classes) / n_classes))
    quiet = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
    model = catboost.CatBoostClassifier(iterations=5, depth=4, **quiet).fit(cells, labels)
    game = TreeGame(lowered(model), np.arange(4), 4, cells[:20], cells[20:50])
    assert (
        sum(len(batch.trees) for batch in explain_grids.grid_batches(game.trees, game.groups, 50))
        == 5
    )
    values = shapley_values(game)
    assert values is not None
    np.testing.assert_allclose(values, by_definition(game), atol=1e-12)


@given(seed=st.integers(0, 10_000), depth=st.integers(1, 8), n_values=st.integers(1, 90))
@settings(max_examples=40, deadline=None)
def test_changes_add_up_to_the_answer(seed: int, depth: int, n_values: int) -> None:
    """On every path root and changes sum to the leaf, with fewer terms than there are leaves."""
    cells = table(seed, 100, 4)
    target = np.random.default_rng(seed).integers(0, n_values, len(cells)).astype(float)
    trees = lowered(
        tree.DecisionTreeRegressor(max_depth=depth, random_state=seed).fit(cells, target)
    )
    changes = value_changes(trees)
    summed = changes.value.copy()
    for nodes in trees.inner_levels():
        for children in (trees.left[nodes], trees.right[nodes]):
            summed[children] += summed[nodes]
    leaves = trees.feature < 0
    gaps = trees.value[leaves] - summed[leaves]
    np.testing.assert_allclose(gaps, np.full_like(gaps, gaps[0, 0]), atol=1e-9)
    assert changes.here.sum() < leaves.sum()


def fewest_changes(model: Any, node: int, label: int) -> int:
    """Return by trial of all labels how few changes a tree needs below a node with a label."""
    inner = model.tree_
    if inner.children_left[node] < 0:
        return 0 if inner.value[node, 0].argmax() == label else 1_000_000
    return sum(
        min(fewest_changes(model, child, own) + (own != label) for own in range(2))
        for child in (inner.children_left[node], inner.children_right[node])
    )


@pytest.mark.parametrize("seed", range(3))
def test_pure_trees_need_the_fewest_terms(seed: int) -> None:
    """A tree grown until its leaves are pure has as few terms as any labels of its nodes allow."""
    cells = np.random.default_rng(seed).random((40, 3))
    labels = np.random.default_rng(seed + 9).integers(0, 2, 40)
    model = tree.ExtraTreeClassifier(max_depth=5, random_state=seed).fit(cells, labels)
    pure = lowered(model)
    at_leaf = pure.feature < 0
    pure.value[at_leaf] = model.tree_.value[at_leaf, 0].argmax(axis=1)[:, None]
    least = min(fewest_changes(model, 0, label) for label in range(2))
    assert value_changes(pure).here.sum() == least


@given(seed=st.integers(0, 10_000), depth=st.integers(1, 8))
@settings(max_examples=25, deadline=None)
def test_values_sum_to_the_output(seed: int, depth: int) -> None:
    """Base and values add up to what the trees answer (efficiency)."""
    cells = table(seed, 80, 12)
    labels = np.random.default_rng(seed).integers(0, 3, len(cells))
    model = tree.DecisionTreeClassifier(max_depth=depth, random_state=seed).fit(cells, labels)
    trees = lowered(model)
    values = shapley_values(TreeGame(trees, np.arange(12), 12, cells[:20], cells[20:50]))
    assert values is not None
    base = evaluate(trees, cells[20:50]).mean(axis=0)
    np.testing.assert_allclose(base + values.sum(axis=1), evaluate(trees, cells[:20]), atol=1e-12)


def test_chunks_do_not_change_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Working through the trees in small pieces gives the same numbers."""
    game = random_game(1)
    whole = shapley_values(game)
    for name in ("CHUNK_CELLS", "TABLE_CELLS", "PAIR_CELLS"):
        monkeypatch.setattr(explain_trees, name, 100)
    shares: list[float] = []
    pieces = shapley_values(game, on_chunk=shares.append)
    assert whole is not None
    assert pieces is not None
    np.testing.assert_allclose(pieces, whole, atol=1e-14)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 1


def test_unused_column_gets_nothing() -> None:
    """A column on which no tree splits has no contribution (dummy)."""
    cells = table(3)
    model = tree.DecisionTreeRegressor(random_state=0).fit(cells[:, :4], np.nansum(cells, axis=1))
    game = TreeGame(lowered(model), np.arange(4), 5, cells[:5, :4], cells[5:20, :4])
    values = shapley_values(game)
    assert values is not None
    assert not values[:, 4].any()


def test_column_order_does_not_matter() -> None:
    """Renaming the groups renames the values."""
    game = random_game(2)
    order = np.array([2, 0, 3, 1])
    groups = np.where(game.groups < 0, -1, order[game.groups])
    renamed = TreeGame(game.trees, groups, 4, game.rows, game.background)
    values, moved = shapley_values(game), shapley_values(renamed)
    assert values is not None
    assert moved is not None
    np.testing.assert_allclose(moved[:, order], values, atol=1e-14)


def test_too_many_groups_on_a_path_are_refused() -> None:
    """A path over more groups than bits gives no values rather than wrong ones."""
    cells = np.eye(80)
    model = tree.DecisionTreeRegressor(random_state=0).fit(cells, np.arange(80.0) ** 3)
    trees = lowered(model)
    assert len(trees.inner_levels()) > explain_trees.MAX_BITS
    assert shapley_values(TreeGame(trees, np.arange(80), 80, cells[:2], cells[2:4])) is None


QUICK: dict[str, Any] = {"n_estimators": 8, "random_state": 0}
BOOSTED: dict[str, Any] = {**QUICK, "n_jobs": 1, "verbosity": 0}
REGRESSORS: dict[str, Any] = {
    "forest": ensemble.RandomForestRegressor(**QUICK),
    "extra trees": ensemble.ExtraTreesRegressor(**QUICK),
    "boosting": ensemble.GradientBoostingRegressor(**QUICK),
    "histogram": ensemble.HistGradientBoostingRegressor(max_iter=8, min_samples_leaf=3),
    "xgboost": xgboost.XGBRegressor(**BOOSTED),
    "lightgbm": lightgbm.LGBMRegressor(**{**BOOSTED, "verbosity": -1, "min_child_samples": 3}),
}


@pytest.mark.parametrize("name", REGRESSORS)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_rows_at_thresholds_go_the_library_s_way(name: str) -> None:
    """Cells on a threshold, and just beside it in both precisions, give the library's output."""
    rng = np.random.default_rng(0)
    cells = rng.random((200, 3)) * 100
    model = REGRESSORS[name].fit(cells, cells @ [1.0, -2.0, 0.5] + 1000 * (cells[:, 0] > 50))
    arrays = model_lowering.lower(model)
    assert arrays is not None
    inner = arrays[1]["feature"] >= 0
    at = arrays[1]["threshold"][inner][:300]
    narrow = at.astype(np.float32)
    below, above = (np.nextafter(narrow, np.float32(side)) for side in (-np.inf, np.inf))
    edges = np.concatenate([at, narrow, below, above, np.nextafter(at, -1e9)]).astype(float)
    rows = np.where(np.arange(3) == arrays[1]["feature"][inner][0], edges[:, None], cells[0])
    expected = model.predict(rows)
    np.testing.assert_allclose(evaluate(lowered(model), rows)[:, 0], expected, rtol=2e-6)
