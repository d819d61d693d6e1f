"""Schemas: checked, written, read, edited as a table, merged."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import SchemaError
from model_types import ModelFeature, ModelInfo, Task
from schema_json import schema_from_json, schema_to_json
from schema_merge import align_frame, check_frame, merge_schemas, schema_from_model
from schema_table import COLUMNS, schema_from_table, schema_to_table
from schema_utils import (
    Distribution,
    Feature,
    Kind,
    Schema,
    check_schema,
    default_distribution,
    ensure_schema,
)
from synthetic_data import generate


def one(**fields: Any) -> Schema:
    return Schema(features=[Feature.model_validate({"name": "age", **fields})])


def info(names: list[str] | None, n_features: int = 2, **fields: Any) -> ModelInfo:
    features = [ModelFeature(name=name) for name in names or []]
    return ModelInfo(
        task=Task.BINARY,
        estimator="Test",
        features=features,
        n_features=n_features,
        feature_names_known=names is not None,
        **fields,
    )


# --- checking --------------------------------------------------------------------------------


def test_a_swapped_range_is_told_with_what_to_do() -> None:
    """The message names feature, field, both values and the way out."""
    assert check_schema(one(minimum=70, maximum=30)) == [
        "Feature 'age', field 'minimum': 70 is larger than maximum 30; swap them or clear one."
    ]


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"name": " "}, "name", "empty"),
        ({"minimum": float("nan")}, "minimum", "finite"),
        ({"kind": "integer", "minimum": 0.2, "maximum": 0.8}, "minimum", "whole number"),
        ({"kind": "categorical", "categories": ["a"], "minimum": 0}, "minimum", "no range"),
        ({"kind": "categorical"}, "categories", "at least one"),
        ({"kind": "categorical", "categories": []}, "categories", "empty"),
        ({"kind": "categorical", "categories": ["a", "a"]}, "categories", "twice"),
        ({"kind": "boolean", "categories": ["a"]}, "categories", "true and false"),
        ({"categories": ["a"]}, "categories", "has none"),
        (
            {"kind": "categorical", "categories": ["a", "b"], "frequencies": [1.0]},
            "frequencies",
            "1 shares for 2",
        ),
        (
            {"kind": "categorical", "categories": ["a", "b"], "frequencies": [0.5, 0.2]},
            "frequencies",
            "sum to 0.7",
        ),
        ({"distribution": "choice"}, "distribution", "cannot be choice"),
        ({"distribution": "empirical"}, "distribution", "sample"),
        ({"distribution": "uniform", "minimum": 1}, "distribution", "range"),
        ({"distribution": "beta", "parameters": {"a": 1, "b": 1}}, "distribution", "minimum and"),
        ({"distribution": "normal", "parameters": {"mean": 0}}, "parameters", "needs 'std'"),
        (
            {"distribution": "normal", "parameters": {"mean": 0, "std": -1}},
            "parameters",
            "larger than 0",
        ),
        (
            {"distribution": "poisson", "parameters": {"rate": 1, "mu": 2}},
            "parameters",
            "no 'mu'",
        ),
        ({"distribution": "constant"}, "parameters", "value"),
        ({"quantiles": [2, 1]}, "quantiles", "sort"),
        ({"kind": "text", "quantiles": [-3, 1]}, "quantiles", "-3 words"),
        ({"kind": "text", "outlier_rate": 0.1}, "outlier_rate", "only numbers"),
    ],
)
def test_every_problem_names_its_field(fields: dict[str, Any], field: str, told: str) -> None:
    """Each invalid feature gives a sentence with the field and the reason."""
    problems = check_schema(one(**fields))
    assert any(f"field {field!r}" in problem and told in problem for problem in problems), problems


def test_problems_of_the_whole_schema() -> None:
    """Repeated names, two targets, no inputs and a broken correlation are found."""
    twice = Schema(features=[Feature(name="a"), Feature(name="a")])
    targets = Schema(features=[Feature(name=name, is_target=True) for name in "ab"])
    skewed = Schema(
        features=[Feature(name="a"), Feature(name="b")],
        correlation=[[1, 0.5], [0.2, 1]],
        correlation_names=["a", "b"],
    )
    assert "used 2 times" in check_schema(twice)[0]
    assert "'a' is the target already" in check_schema(targets)[0]
    assert "no input" in check_schema(targets)[1]
    assert "not symmetric" in check_schema(skewed)[0]
    with pytest.raises(SchemaError, match="used 2 times"):
        ensure_schema(twice)


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (Feature(name="a", minimum=1, maximum=2), Distribution.UNIFORM),
        (Feature(name="a", quantiles=[1, 2]), Distribution.EMPIRICAL),
        (Feature(name="a", parameters={"mean": 1, "std": 2}), Distribution.NORMAL),
        (Feature(name="a"), Distribution.NORMAL),
        (Feature(name="a", kind=Kind.BOOLEAN), Distribution.CHOICE),
        (Feature(name="a", kind=Kind.DATETIME, minimum=0), Distribution.UNIFORM),
    ],
)
def test_default_distribution_is_valid(feature: Feature, expected: Distribution) -> None:
    """What is known of a feature decides how it is drawn, and the result is a valid feature."""
    distribution, parameters = default_distribution(feature)
    drawn = feature.model_copy(update={"distribution": distribution, "parameters": parameters})
    assert distribution is expected
    assert check_schema(Schema(features=[drawn])) == []


# --- JSON and table: round trips -------------------------------------------------------------

_names = st.text(min_size=1, max_size=12).filter(lambda text: text.strip() == text and text.strip())
_labels = st.text(max_size=8) | st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6)
_rates = st.floats(0, 1)


@st.composite
def features(draw: st.DrawFn) -> Feature:
    name, missing = draw(_names), draw(_rates)
    fields: dict[str, Any]
    if draw(st.booleans()):
        labels = draw(st.lists(_labels, min_size=1, max_size=5, unique=True))
        shares = draw(st.none() | st.just([1 / len(labels)] * len(labels)))
        fields = {"kind": Kind.CATEGORICAL, "categories": labels, "frequencies": shares}
    else:
        low = draw(st.floats(-1e9, 1e9))
        fields = {"minimum": low, "maximum": low + draw(st.floats(0, 1e9))}
        fields |= {"distribution": "normal", "parameters": {"mean": low, "std": 1.5}}
    return Feature.model_validate({"name": name, "missing_rate": missing, **fields})


schemas = st.lists(features(), min_size=1, max_size=4, unique_by=lambda f: f.name).map(
    lambda found: Schema(features=found)
)


@given(schemas)
def test_json_round_trip(schema: Schema) -> None:
    """What is written as JSON is read back equal, with the same fields left unset."""
    back = schema_from_json(schema_to_json(schema))
    assert back.model_dump(exclude={"features": {"__all__": {"source"}}}) == schema.model_dump(
        exclude={"features": {"__all__": {"source"}}}
    )
    for before, after in zip(schema.features, back.features, strict=True):
        assert after.model_fields_set - {"source"} == before.model_fields_set - {"source"}


@given(schemas)
@settings(max_examples=60)
def test_table_round_trip(schema: Schema) -> None:
    """The editor's table says all of a feature that it has columns for."""
    table = schema_to_table(schema)
    back = schema_from_table(table)
    assert list(table.columns) == COLUMNS
    for before, after in zip(schema.features, back.features, strict=True):
        ignored = {"source", "notes", "quantiles"}
        assert after.model_dump(exclude=ignored) == before.model_dump(exclude=ignored)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("{", "line 1, column 2"),
        ("5", '"features"'),
        ('{"features": 5}', '"features"'),
        ('{"features": [{"name": "a", "name": "b"}]}', "'name' comes twice"),
        ('{"features": [{"name": "a", "minimum": NaN}]}', "NaN"),
        ('{"features": [{"name": "a", "minimum": 1e999}]}', "too large"),
        ('{"features": [{"name": "a", "minimum": ' + "9" * 5000 + "}]}", "cannot be read"),
        ('{"features": [{"name": "a", "minimum": ' + "9" * 400 + "}]}", "'minimum'"),
        ('{"features": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ('{"features": [{"name": "a", "kind": "colour"}]}', "Feature 'a', field 'kind'"),
        ('{"features": [{"name": "a", "colour": 1}]}', "field 'colour'"),
        ('{"features": [{"kind": "float"}]}', "Feature number 1, field 'name'"),
        ('{"features": [{"name": "a", "missing_rate": 2}]}', "field 'missing_rate'"),
        ('{"features": [5]}', "Feature number 1"),
        (b"\xff\xfe\xfa", "UTF-8"),
    ],
)
def test_bad_json_is_a_schema_error(data: str | bytes, told: str) -> None:
    """Every malformed schema is answered with where and why."""
    with pytest.raises(SchemaError) as caught:
        schema_from_json(data)
    assert told in str(caught.value)


def test_the_simple_json_format() -> None:
    """Names alone, everyday type names and dates are understood."""
    content = [
        "plain",
        {"name": "n", "type": "int", "min": 1, "max": 5},
        {"name": "c", "categories": ["x", "y"]},
        {"name": "d", "type": "date", "min": "1970-01-02"},
    ]
    plain, number, city, day = schema_from_json(json.dumps({"features": content})).features
    assert plain.name == "plain"
    assert (number.kind, number.minimum, number.maximum) == (Kind.INTEGER, 1, 5)
    assert (city.kind, day.minimum) == (Kind.CATEGORICAL, 86_400)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"minimum": "abc"}, "Row 1 ('age'), field 'minimum': 'abc' is not a number"),
        ({"minimum": "9", "maximum": "1"}, "Row 1 ('age'), field 'minimum': 9 is larger"),
        ({"kind": "colour"}, "field 'kind': 'colour' is unknown; choose float"),
        ({"kind": "categorical", "categories": "a: 0.3 | b"}, "1 of 2 categories have a share"),
        ({"kind": "categorical", "categories": "a | | b"}, "field 'categories'"),
        ({"parameters": "mean 3"}, "'mean 3' is not of the form name=number"),
        ({"missing_rate": 3.0}, "field 'missing_rate'"),
        ({"is_target": "maybe"}, "neither true nor false"),
        ({"kind": "datetime", "minimum": "yesterday"}, "field 'minimum'"),
    ],
)
def test_table_errors_name_row_and_field(cells: dict[str, Any], told: str) -> None:
    """A wrong cell is named by row, feature and field."""
    with pytest.raises(SchemaError) as caught:
        schema_from_table(pd.DataFrame([{"name": "age", **cells}]))
    assert told in str(caught.value)


def test_table_dates_and_empty_rows() -> None:
    """Datetime ranges are dates in the table; empty rows are left out."""
    schema = one(kind="datetime", minimum=86_400)
    table = schema_to_table(schema)
    assert table["minimum"][0] == "1970-01-02"
    table = pd.concat([table, pd.DataFrame([{"name": None, "is_target": False}])])
    assert schema_from_table(table).features[0].minimum == 86_400
    assert len(schema_from_table(table).features) == 1


# --- merging ---------------------------------------------------------------------------------


def test_authority_goes_field_by_field() -> None:
    """Hand beats JSON beats sample beats model, and unset fields come from below."""
    hand = one(minimum=1)
    uploaded = one(minimum=2, maximum=20)
    sample = one(minimum=3, maximum=30, missing_rate=0.25, kind="integer")
    merged = merge_schemas(hand, uploaded, sample, info(["age"], 1))
    age = merged.schema.features[0]
    assert (age.minimum, age.maximum, age.missing_rate) == (1, 20, 0.25)
    assert age.kind is Kind.INTEGER
    assert (age.source, merged.sources) == ("hand", ["hand", "json", "sample", "model"])
    assert check_schema(merged.schema) == []


def test_frequencies_stay_with_their_categories() -> None:
    """Categories by hand do not get the frequencies of the sample's other categories."""
    hand = one(kind="categorical", categories=["x", "y"])
    sample = one(kind="categorical", categories=["x", "y", "z"], frequencies=[0.2, 0.3, 0.5])
    merged = merge_schemas(hand, None, sample, None).schema
    assert merged.features[0].categories == ["x", "y"]
    assert merged.features[0].frequencies is None
    assert check_schema(merged) == []


def test_the_model_decides_columns_and_order() -> None:
    """Extra sample columns are dropped with a warning, missing ones come from the model."""
    names = [" Age ", "id", "city"]
    sample = Schema(features=[Feature(name=name) for name in names])
    merged = merge_schemas(None, None, sample, info(["city", "age", "zip"], 3))
    assert [feature.name for feature in merged.schema.features] == ["city", "age", "zip"]
    text = " ".join(merged.warnings)
    assert "' Age ' of the sample is taken as 'age'" in text
    assert "left out: 'id'" in text
    assert "lacks 1 of the 3 columns that the model takes: 'zip'" in text


def test_a_positional_model_takes_the_names_of_the_sample() -> None:
    """Names come by position when the counts agree, an id column aside; else x0, x1 and on."""
    target = Feature(name="y", is_target=True)
    sample = Schema(features=[Feature(name=name) for name in ("Id", "a", "b")] + [target])
    merged = merge_schemas(None, None, sample, info(None, 2))
    assert [feature.name for feature in merged.schema.features] == ["a", "b", "y"]
    other = merge_schemas(None, None, sample, info(None, 5))
    assert [feature.name for feature in other.schema.inputs] == ["x0", "x1", "x2", "x3", "x4"]
    assert "takes 5 columns" in other.warnings[0]


def test_a_target_that_the_model_takes_stays_an_input() -> None:
    """A column is never both; the model's word counts."""
    sample = Schema(features=[Feature(name="a"), Feature(name="b", is_target=True)])
    merged = merge_schemas(None, None, sample, info(["a", "b"]))
    assert merged.schema.target is None
    assert "used as an input" in " ".join(merged.warnings)


def test_a_distribution_outside_the_range_is_replaced() -> None:
    """A range by hand outside the model's distribution wins, with a warning."""
    told = info([])
    told.features = [ModelFeature(name="age", mean=0, std=1)]
    merged = merge_schemas(one(minimum=100, maximum=200), None, None, told)
    assert merged.schema.features[0].distribution is Distribution.UNIFORM
    assert "cannot be drawn as normal" in merged.warnings[0]


def test_nothing_known_is_completed() -> None:
    """A categorical column without categories is tested with made-up ones, and that is said."""
    model = info([])
    model.features = [ModelFeature(name="city", kind="categorical")]
    merged = merge_schemas(None, None, None, model)
    assert check_schema(merged.schema) == []
    assert "Nothing tells the categories of 'city'" in merged.warnings[0]


def test_schema_from_model_keeps_what_the_model_knows() -> None:
    """Means, ranges and categories of the model become distribution, range and categories."""
    told = info([])
    told.features = [
        ModelFeature(name="a", mean=5, std=2, source="StandardScaler"),
        ModelFeature(name="b", kind="categorical", categories=["x", "y"]),
    ]
    first, second = schema_from_model(told).features
    assert first.distribution is Distribution.NORMAL
    assert first.parameters == {"mean": 5, "std": 2}
    assert second.categories == ["x", "y"]


@given(schemas, schemas, st.lists(_names, min_size=1, max_size=4, unique=True))
@settings(max_examples=60)
def test_any_merge_of_valid_schemas_is_valid(
    first: Schema, second: Schema, names: list[str]
) -> None:
    """Merging schemas that are valid each gives a schema that data can be drawn from."""
    merged = merge_schemas(first, None, second, info(names, len(names)))
    assert check_schema(merged.schema) == []
    assert list(generate(merged.schema, 3, 0).columns) == names


def test_align_and_check_a_frame() -> None:
    """A sample is brought to the schema's names and order, and its odd values are found."""
    schema = Schema(
        features=[
            Feature(name="age", minimum=0, maximum=120),
            Feature(name="city", kind=Kind.CATEGORICAL, categories=["Oslo"]),
        ]
    )
    frame = pd.DataFrame({"City": ["Oslo", "Rome"], "x": [1, 2], " AGE": [150.0, None]})
    aligned = align_frame(frame, schema)
    assert aligned is not None
    assert list(aligned.columns) == ["age", "city"]
    assert check_frame(aligned, schema) == [
        "Column 'age': 1 of 2 values are outside 0..120, first 150 in row 1.",
        "Column 'city': 1 of 2 values are not among the known categories, first 'Rome' in row 2.",
    ]
    assert check_frame(frame[["x"]], schema) == [
        "Column 'age' is missing.",
        "Column 'city' is missing.",
    ]
    assert align_frame(frame[["x"]], schema) is None
