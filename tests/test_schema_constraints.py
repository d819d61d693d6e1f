"""Claims about constraints between columns: found in a sample, kept in rows made from it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from schema_constraints import find_constraints
from schema_inference import schema_from_sample
from schema_merge import merge_schemas
from schema_utils import Schema
from synthetic_data import generate

RNG = np.random.default_rng(0)
LOW = RNG.gamma(3, 10, 400)
SHARES = RNG.dirichlet([2, 3, 4], 400)
SAMPLE = pd.DataFrame(
    {
        "low": LOW,
        "middle": LOW + RNG.exponential(8, 400),
        "free": RNG.normal(size=400) * 30,
        "s1": SHARES[:, 0],
        "s2": SHARES[:, 1],
        "s3": SHARES[:, 2],
    }
).assign(high=lambda frame: frame["middle"] + RNG.exponential(8, 400))


def test_what_always_holds_is_found() -> None:
    """The order of three columns and the sum of three others are found; the free one is free."""
    found = find_constraints(SAMPLE, list(SAMPLE.columns))
    assert {("low", "middle"), ("middle", "high"), ("low", "high")} <= set(found.ordered)
    assert not any("free" in pair for pair in found.ordered)
    assert [sorted(item.names) for item in found.sums] == [["s1", "s2", "s3"]]
    assert abs(found.sums[0].total - 1) < 1e-9


def test_noise_has_no_constraints() -> None:
    """Independent columns are neither ordered nor add up."""
    frame = pd.DataFrame(RNG.normal(size=(300, 8)), columns=list("abcdefgh"))
    assert find_constraints(frame, list(frame.columns)) == Schema()


def test_made_up_rows_keep_them() -> None:
    """In 5,000 made-up rows every constraint of the sample holds, inside the sample's ranges."""
    made = generate(schema_from_sample(SAMPLE), 5000, 1)
    assert (made["low"] <= made["middle"]).all()
    assert (made["middle"] <= made["high"]).all()
    np.testing.assert_allclose(made[["s1", "s2", "s3"]].sum(axis=1), 1.0)
    for name in ("low", "middle", "high"):
        assert made[name].between(SAMPLE[name].min(), SAMPLE[name].max()).all()


def test_a_merge_and_json_keep_them() -> None:
    """Constraints survive the merge of schemas and their JSON form."""
    schema = merge_schemas(None, None, schema_from_sample(SAMPLE), None).schema
    assert ("low", "middle") in schema.ordered
    assert Schema.model_validate_json(schema.model_dump_json()) == schema
