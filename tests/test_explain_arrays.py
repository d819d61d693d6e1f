"""Arrays from a model's process that lie are refused before anything follows them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from errors import ModelProtocolError
from explain_arrays import check_lowered
from model_types import Lowered

META = {
    "kind": "trees",
    "rule": "le32",
    "forms": [["pred", "identity", "prediction"]],
    "columns": 1,
}
ISOLATION = [["score", "isolation", "path length"]]


def stump(**changes: Any) -> dict[str, Any]:
    """Return one tree of three nodes."""
    arrays = {
        "feature": np.array([0, -1, -1]),
        "threshold": np.array([0.5, 0.0, 0.0]),
        "left": np.array([1, 1, 2]),
        "right": np.array([2, 1, 2]),
        "missing_left": np.zeros(3, dtype=np.uint8),
        "value": np.array([[0.0], [1.0], [2.0]]),
        "root": np.array([0]),
        "tree_output": np.array([-1]),
        "base": np.zeros(1),
    }
    return {**arrays, **changes}


def test_a_sound_tree_passes() -> None:
    """What the readers promise is accepted."""
    check_lowered(Lowered(META, stump()))


def chain(depth: int) -> dict[str, Any]:
    """Return a tree that is one long chain."""
    inner = np.arange(depth)
    leaves = np.arange(depth, 2 * depth + 1)
    n_nodes = 2 * depth + 1
    return stump(
        feature=np.where(np.arange(n_nodes) < depth, 0, -1),
        threshold=np.zeros(n_nodes),
        left=np.concatenate([leaves[:-1], leaves]),
        right=np.concatenate([inner[1:], [2 * depth], leaves]),
        missing_left=np.zeros(n_nodes),
        value=np.zeros((n_nodes, 1)),
    )


@pytest.mark.parametrize(
    ("arrays", "what"),
    [
        (stump(set_feature=np.array([0])), "set_left"),
        (stump(set_feature=np.array([0]), set_left=np.ones((2, 3))), "different sizes"),
        (stump(set_feature=np.array([7]), set_left=np.ones((1, 3))), "no column"),
        (
            stump(
                feature=np.array([2, -1, -1]), set_feature=np.array([0]), set_left=np.ones((1, 3))
            ),
            "no column",
        ),
        (stump(left=np.array([0, 1, 2])), "astray"),
        (stump(left=np.array([9, 1, 2])), "astray"),
        (stump(root=np.array([-1])), "astray"),
        (stump(left=np.array([2, 1, 2])), "not trees"),
        (stump(root=np.array([0, 0]), tree_output=np.array([-1, -1])), "not trees"),
        (stump(threshold=np.zeros(2)), "different sizes"),
        (stump(value=np.zeros((3, 2))), "leaves do not fit"),
        (stump(tree_output=np.array([4])), "leaves do not fit"),
        (stump(base=np.zeros(0)), "outputs"),
        (stump(value=np.array([["a"]] * 3)), "wrong form"),
        ({"feature": np.zeros(1)}, "missing or of a wrong form"),
        (chain(1200), "deeper than 1000"),
    ],
)
def test_unsound_trees_are_refused(arrays: dict[str, Any], what: str) -> None:
    """Circles, shared nodes, numbers outside, other sizes and endless chains."""
    with pytest.raises(ModelProtocolError, match=what):
        check_lowered(Lowered(META, arrays))


@pytest.mark.parametrize(
    "meta",
    [
        {**META, "kind": "oracle"},
        {**META, "rule": "random"},
        {**META, "forms": []},
        {**META, "forms": [["pred", "eval", "prediction"]]},
        {**META, "forms": "pred"},
        {**META, "forms": ISOLATION},
        {**META, "forms": ISOLATION, "isolation": [0.0, 0.5]},
        {**META, "forms": ISOLATION, "isolation": [1.0, "x"]},
    ],
)
def test_unknown_descriptions_are_refused(meta: dict[str, Any]) -> None:
    """Only known kinds, rules, links and spaces are followed."""
    with pytest.raises(ModelProtocolError, match="unusable"):
        check_lowered(Lowered(meta, stump()))


def test_linear_parts_must_fit() -> None:
    """Coefficients of two outputs need two intercepts."""
    arrays = {"coef": np.zeros((2, 3)), "intercept": np.zeros(1)}
    with pytest.raises(ModelProtocolError, match="different sizes"):
        check_lowered(Lowered({**META, "kind": "linear"}, arrays))


@pytest.mark.parametrize(("n_outputs", "n_columns"), [(2, 1), (1, 0)])
def test_parts_of_a_sum_must_fit(n_outputs: int, n_columns: int) -> None:
    """A linear part needs an output and a column for all that the trees have."""
    linear = {"coef": np.zeros((n_outputs, n_columns)), "intercept": np.zeros(n_outputs)}
    with pytest.raises(ModelProtocolError, match="different sizes"):
        check_lowered(Lowered({**META, "kind": "sum"}, {**stump(), **linear}))
