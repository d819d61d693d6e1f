"""One schema out of several: by hand over JSON over sample over model.

Owns: ``schema_from_model``, ``merge_schemas``, and the bringing of a table to the merged schema
(``align_frame``, ``check_frame``). Authority goes field by field: what a higher source leaves
unset comes from the next one. Which columns are inputs, and their order, the model decides when
it knows its names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from date_forms import TimeForm, form_of_number, seconds_of
from formatting import named
from model_types import ModelFeature, ModelInfo
from schema_utils import (
    Distribution,
    Feature,
    Kind,
    Schema,
    allowed_distributions,
    default_distribution,
    feature_problems,
)
from synthetic_data import can_draw

_TOGETHER = ({"categories", "frequencies"}, {"distribution", "parameters"})
_OWN = {"name", "is_target", "source", "notes"}
_TIME_NAME = re.compile(r"(?i)(date|time|day|_on$|_at$|^ds$|created|updated)")
_ID_NAME = re.compile(r"(?i)^(.*[\W_])?(id|index|uuid|rownames?|unnamed: 0)$")


class Merged(NamedTuple):
    """A merged schema and what must be said about it."""

    schema: Schema
    sources: list[str]
    warnings: list[str]


class _Layer(NamedTuple):
    """One source of the merge."""

    name: str
    schema: Schema

    def inputs_by_name(self) -> dict[str, Feature]:
        """Return its inputs, in order."""
        return {feature.name: feature for feature in self.schema.inputs}


# --- the model as a source -------------------------------------------------------------------


def schema_from_model(info: ModelInfo) -> Schema:
    """Write what the model says of its input as a schema.

    Parameters
    ----------
    info : ModelInfo
        Told by the worker after loading.

    Returns
    -------
    Schema
        One feature per input column; ``x0, x1, …`` where the model knows only their number, and no
        feature at all where it does not even know that.
    """
    if info.features:
        features = [_from_model(feature) for feature in info.features]
    else:
        count = info.n_features or 0
        features = [Feature(name=f"x{i}", kind=Kind.FLOAT, source="model") for i in range(count)]
    return Schema(features=features)


def _from_model(told: ModelFeature) -> Feature:
    """Write one column that the model told of."""
    fields = {
        "minimum": told.minimum,
        "maximum": told.maximum,
        "categories": told.categories or None,
        "frequencies": told.frequencies or None,
    }
    kind = Kind(told.kind)
    form = _time_form(told)
    if form is not None and _TIME_NAME.search(told.name):
        return _dates_as_numbers(told, form)
    known = {key: value for key, value in fields.items() if value is not None}
    notes = [told.source] if told.source else []
    feature = Feature.model_validate(
        {"name": told.name, "kind": kind, "source": "model", "notes": notes, **known}
        | ({} if form is None else {"time_form": form})
    )
    feature = _without_conflicts(feature)
    if kind.is_numeric and told.mean is not None and told.std is not None and told.std > 0:
        feature.distribution = Distribution.NORMAL
        # six digits draw the same rows, and can be read in the editor
        feature.parameters = {"mean": float(f"{told.mean:.6g}"), "std": float(f"{told.std:.6g}")}
    return feature


def _time_form(told: ModelFeature) -> TimeForm | None:
    """Return what the numbers of a column count if they are dates of our time."""
    if not Kind(told.kind).is_numeric or told.categories:
        return None
    known = [number for number in (told.mean, told.minimum, told.maximum) if number is not None]
    forms = {form_of_number(number) for number in known}
    return forms.pop() if len(forms) == 1 else None


def _dates_as_numbers(told: ModelFeature, form: TimeForm) -> Feature:
    """Write a column of numbers that are dates, by name and by size, as dates."""
    low, high = told.minimum, told.maximum
    if (low is None or high is None) and told.mean is not None and told.std is not None:
        low, high = told.mean - 2 * told.std, told.mean + 2 * told.std
    ends = {"minimum": low, "maximum": high}
    known = {name: seconds_of(end, form) for name, end in ends.items() if end is not None}
    notes = [told.source] if told.source else []
    fields = {"name": told.name, "kind": Kind.DATETIME, "time_form": form, "source": "model"}
    return Feature.model_validate({**fields, "notes": notes, **known})


# --- merging ---------------------------------------------------------------------------------


def merge_schemas(
    hand: Schema | None,
    json_schema: Schema | None,
    sample: Schema | None,
    info: ModelInfo | None,
) -> Merged:
    """Merge what is known of the input into one schema to test with.

    Parameters
    ----------
    hand, json_schema, sample : Schema or None
        Edited on the page, uploaded as JSON, and inferred from the sample: falling authority.
    info : ModelInfo or None
        What the model says of itself. If it knows its column names, they alone are the inputs, in
        its order; a model that knows only their number takes the names of the highest source with
        as many inputs.

    Returns
    -------
    Merged
        ``schema`` (every feature has a distribution; the target, if any, last), ``sources`` that
        said anything, highest first, and ``warnings`` for the user.

    Examples
    --------
    >>> by_hand = Schema(features=[Feature(name="age", minimum=18)])
    >>> from_sample = Schema(features=[Feature(name="age", minimum=0, maximum=99)])
    >>> merged = merge_schemas(by_hand, None, from_sample, None).schema.features[0]
    >>> merged.minimum, merged.maximum
    (18.0, 99.0)
    """
    given = (("hand", hand), ("json", json_schema), ("sample", sample))
    layers = [_Layer(name, schema) for name, schema in given if schema and schema.features]
    warnings: list[str] = []
    model = schema_from_model(info) if info is not None else Schema()
    if not model.features:
        names = [feature.name for feature in layers[0].schema.inputs] if layers else []
    elif info is not None and not info.feature_names_known:
        names = _positional_names(model, layers, warnings)
        model = _renamed(model, names)
    else:
        names = [feature.name for feature in model.features]
    if model.features:
        layers.append(_Layer("model", model))
    features = _merge_features(names, layers, warnings)
    _warn_of_others(names, layers, warnings)
    target = _target(names, layers, warnings)
    features = [_completed(feature, warnings) for feature in features]
    schema = Schema(features=features + ([target] if target else []))
    schema = _with_constraints(_with_correlation(schema, layers), layers)
    return Merged(schema, [layer.name for layer in layers], warnings)


def _positional_names(model: Schema, layers: Sequence[_Layer], warnings: list[str]) -> list[str]:
    """Name the inputs of a model that knows only how many they are."""
    own = [feature.name for feature in model.features]
    for layer in layers:
        names = [feature.name for feature in layer.schema.inputs]
        if set(own) <= set(names):
            return own
        without_id = [name for name in names if not _ID_NAME.match(name)]
        for candidate in (names, without_id):
            if len(candidate) == len(own):
                return candidate
        warnings.append(
            f"The model takes {len(own)} columns and knows no names, but {_called(layer.name)} has "
            f"{len(names)} inputs ({_listed(names)}), so its columns are not used; remove the "
            "columns that the model does not take, or mark the target."
        )
    return own


def _renamed(schema: Schema, names: Sequence[str]) -> Schema:
    """Give the features other names, by position."""
    pairs = zip(schema.features, names, strict=True)
    return Schema(features=[feature.model_copy(update={"name": name}) for feature, name in pairs])


def _merge_features(
    names: Sequence[str], layers: Sequence[_Layer], warnings: list[str]
) -> list[Feature]:
    """Merge every input over the layers, highest first."""
    tellers: dict[str, list[tuple[str, Feature]]] = {name: [] for name in names}
    for layer in layers:
        theirs = layer.inputs_by_name()
        for name, found in match_names(names, list(theirs)).items():
            if found is None:
                continue
            if found != name:
                called = _called(layer.name)
                warnings.append(f"Column {found!r} of {called} is taken as {name!r}.")
            tellers[name].append((layer.name, theirs[found]))
    return [_merge_feature(name, tellers[name]) for name in names]


def _merge_feature(name: str, tellers: Sequence[tuple[str, Feature]]) -> Feature:
    """Merge one input from those who know it, highest first."""
    merged: dict[str, object] = {}
    notes: list[str] = []
    tellers = _without_misreadings(tellers)
    for _, feature in tellers:
        notes += [note for note in feature.notes if note not in notes]
        merged = _fill(merged, _told(feature))
    source = tellers[0][0] if tellers else "default"
    fields = {**merged, "name": name, "source": source, "notes": notes}
    return _without_conflicts(Feature.model_validate(fields))


def _without_misreadings(tellers: Sequence[tuple[str, Feature]]) -> list[tuple[str, Feature]]:
    """Leave out what a sample looks like where the model knows better.

    Dates that a model's encoder knows as names are names; what its vectoriser reads is text, also
    where the texts are short and come twice.
    """
    known = next((each.kind for layer, each in tellers if layer == "model"), None)
    wrong = {Kind.CATEGORICAL: {Kind.DATETIME}, Kind.TEXT: set(Kind) - {Kind.TEXT}}
    misread = wrong.get(known, set()) if known is not None else set()
    return [
        (layer, each) for layer, each in tellers if layer != "sample" or each.kind not in misread
    ]


def _told(feature: Feature) -> dict[str, object]:
    """Return the fields that a feature really says something about."""
    values = {field: getattr(feature, field) for field in feature.model_fields_set - _OWN}
    return {field: value for field, value in values.items() if value not in (None, {}, [])}


def _fill(higher: dict[str, object], lower: dict[str, object]) -> dict[str, object]:
    """Add the lower layer's fields where the higher ones say nothing.

    Fields that mean nothing without each other come from one layer.
    """
    closed = set(higher)
    for group in _TOGETHER:
        if group & closed:
            closed |= group
    return higher | {field: value for field, value in lower.items() if field not in closed}


def _without_conflicts(feature: Feature) -> Feature:
    """Drop what a lower layer said about another kind of column or another range."""
    numeric = feature.kind.is_numeric or feature.kind is Kind.DATETIME
    drop: dict[str, object] = {}
    if numeric:
        drop |= {"categories": None, "frequencies": None}
    else:
        drop |= {"minimum": None, "maximum": None, "outlier_rate": 0.0}
    if not (numeric or feature.kind is Kind.TEXT):
        drop |= {"quantiles": None}
    if feature.kind is not Kind.DATETIME:
        drop |= {"time_form": None}
    if feature.kind is Kind.BOOLEAN and not set(feature.categories or ()) <= {True, False}:
        drop |= {"categories": None, "frequencies": None}
    if feature.distribution not in (None, *allowed_distributions(feature.kind)):
        drop |= {"distribution": None, "parameters": {}}
    return feature.model_copy(update=drop)


def _completed(feature: Feature, warnings: list[str]) -> Feature:
    """Give the feature all that drawing from it needs."""
    update: dict[str, object] = {}
    if feature.kind is Kind.CATEGORICAL and not feature.categories:
        update |= {"categories": ["a", "b", "c"], "frequencies": None}
        warnings.append(
            f"Nothing tells the categories of {feature.name!r}; it is tested with a, b and c. "
            "Upload a sample or list them."
        )
    low, high = feature.minimum, feature.maximum
    if low is not None and high is not None and low > high:
        update |= {"minimum": high, "maximum": low}
        warnings.append(f"The sources disagree on the range of {feature.name!r}; please check it.")
    return _drawable(feature.model_copy(update=update), warnings)


def _drawable(feature: Feature, warnings: list[str]) -> Feature:
    """Return the feature with a distribution that has values in its range.

    Tried in this order: as it is; by default; by default without the sample's quantiles.
    """
    bare: dict[str, object] = {"distribution": None, "parameters": {}}
    kept = feature if feature.distribution is not None else _by_default(feature)
    for candidate in (kept, _by_default(feature.model_copy(update=bare))):
        problems = {field for field, _ in feature_problems(candidate)}
        if not problems & {"distribution", "parameters"} and can_draw(candidate):
            break
    else:
        candidate = _by_default(feature.model_copy(update=bare | {"quantiles": None}))
    if feature.distribution not in (None, candidate.distribution):
        warnings.append(
            f"{feature.name!r} cannot be drawn as {feature.distribution} within its range; "
            f"{candidate.distribution} is used."
        )
    return candidate


def _by_default(feature: Feature) -> Feature:
    """Return the feature with its default distribution."""
    distribution, parameters = default_distribution(feature)
    return feature.model_copy(update={"distribution": distribution, "parameters": parameters})


def _target(names: Sequence[str], layers: Sequence[_Layer], warnings: list[str]) -> Feature | None:
    """Return the target of the highest layer that knows one which is no input."""
    for layer in layers:
        target = layer.schema.target
        if target is None:
            continue
        if target.name not in names:
            return _completed(target, [])
        warnings.append(
            f"{target.name!r} is marked as the target of {_called(layer.name)}, but the model "
            "takes it as an input; it is used as an input."
        )
    return None


def _warn_of_others(names: Sequence[str], layers: Sequence[_Layer], warnings: list[str]) -> None:
    """Say which columns are not used, and which the sample lacks."""
    for layer in layers:
        theirs = list(layer.inputs_by_name())
        matched = match_names(names, theirs)
        used = set(matched.values())
        extra = [name for name in theirs if name not in used]
        if extra:
            warnings.append(
                f"{_called(layer.name, capital=True)} has columns that the model does not take; "
                f"{len(extra)} left out: {_listed(extra)}."
            )
        missing = [name for name, found in matched.items() if found is None]
        if missing and layer.name == "sample":
            warnings.append(
                f"The sample lacks {len(missing)} of the {len(names)} columns that the model "
                f"takes: {_listed(missing)}."
            )


def _with_correlation(schema: Schema, layers: Sequence[_Layer]) -> Schema:
    """Add the correlation of the highest layer that has one, for the columns still numeric."""
    numeric = [feature.name for feature in schema.inputs if feature.kind.is_numeric]
    for layer in layers:
        matrix, theirs = layer.schema.correlation, layer.schema.correlation_names
        if matrix is None or theirs is None:
            continue
        matched = match_names(numeric, theirs)
        kept = {name: theirs.index(found) for name, found in matched.items() if found}
        if len(kept) < 2:
            return schema
        rows = [[matrix[i][j] for j in kept.values()] for i in kept.values()]
        return schema.model_copy(update={"correlation": rows, "correlation_names": list(kept)})
    return schema


def _with_constraints(schema: Schema, layers: Sequence[_Layer]) -> Schema:
    """Add the constraints of the highest layer that has any, between columns still numeric."""
    numeric = [feature.name for feature in schema.inputs if feature.kind.is_numeric]
    for layer in layers:
        theirs = layer.schema
        if not theirs.ordered and not theirs.sums:
            continue
        known = [name for pair in theirs.ordered for name in pair]
        known += [name for item in theirs.sums for name in item.names]
        ours = {found: name for name, found in match_names(numeric, known).items() if found}
        ordered = [(ours[a], ours[b]) for a, b in theirs.ordered if a in ours and b in ours]
        sums = [
            item.model_copy(update={"names": [ours[name] for name in item.names]})
            for item in theirs.sums
            if all(name in ours for name in item.names)
        ]
        return schema.model_copy(update={"ordered": ordered, "sums": sums})
    return schema


def match_names(names: Sequence[str], candidates: Sequence[str]) -> dict[str, str | None]:
    """Find columns by name: exactly, or else the only one equal but for case and white space.

    Examples
    --------
    >>> match_names(["Age", "zip"], [" age ", "city"])
    {'Age': ' age ', 'zip': None}
    """
    exact = set(candidates)
    close: dict[str, list[str]] = {}
    for candidate in candidates:
        close.setdefault(_folded(candidate), []).append(candidate)
    found: dict[str, str | None] = {}
    for name in names:
        similar = close.get(_folded(name), [])
        only = similar[0] if len(similar) == 1 else None
        found[name] = name if name in exact else only
    return found


def _folded(name: str) -> str:
    """Return the name without case, white space, underscores, dashes and dots."""
    return re.sub(r"[\s_.\-]+", "", name).casefold()


def _called(layer: str, *, capital: bool = False) -> str:
    """Return how messages call a layer."""
    text = {"hand": "the table by hand", "json": "the JSON schema"}.get(layer, f"the {layer}")
    return text[0].upper() + text[1:] if capital else text


def _listed(names: Sequence[str]) -> str:
    """List at most eight names."""
    return named([repr(name[:60]) for name in names], 8)


# --- tables ----------------------------------------------------------------------------------


def align_frame(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame | None:
    """Bring a table to the inputs of a schema: their names, their order, nothing else.

    Parameters
    ----------
    frame : DataFrame
        A sample; its columns may differ from the schema's in case and white space.

    Returns
    -------
    DataFrame or None
        None when an input is not in the table.
    """
    columns = [str(column) for column in frame.columns]
    matched = match_names([feature.name for feature in schema.inputs], columns)
    if None in matched.values():
        return None
    place = {column: position for position, column in enumerate(columns)}
    positions = [place[found] for found in matched.values() if found is not None]
    aligned = frame.iloc[:, positions].copy()
    aligned.columns = pd.Index([feature.name for feature in schema.inputs])
    return aligned


def check_frame(frame: pd.DataFrame, schema: Schema) -> list[str]:
    """Find where a table does not fit a schema.

    Returns
    -------
    list of str
        One sentence per problem: missing columns, values of another type (with the first row,
        counted from 1), values outside the range, unknown categories. Empty when all fits.

    Examples
    --------
    >>> schema = Schema(features=[Feature(name="age", minimum=0, maximum=120)])
    >>> check_frame(pd.DataFrame({"age": [30.0, 150.0]}), schema)
    ["Column 'age': 1 of 2 values are outside 0..120, first 150 in row 2."]
    """
    columns = {str(column) for column in frame.columns}
    problems = []
    for feature in schema.inputs:
        if feature.name not in columns:
            problems.append(f"Column {feature.name!r} is missing.")
            continue
        problem = _column_problem(frame[feature.name], feature)
        if problem:
            problems.append(f"Column {feature.name!r}: {problem}")
    return problems


def _column_problem(column: pd.Series, feature: Feature) -> str | None:
    """Return the problem of one column."""
    if feature.kind.is_numeric:
        return _number_problem(column, feature)
    if feature.kind is Kind.CATEGORICAL and feature.categories:
        known = {str(label) for label in feature.categories}
        strange = column.notna() & ~column.astype("str").isin(list(known))
        return _first(column, strange, "are not among the known categories")
    return None


def _number_problem(column: pd.Series, feature: Feature) -> str | None:
    """Return whether a column holds other things than numbers, or numbers out of range."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    problem = _first(column, column.notna() & np.isnan(numbers), "are not numbers")
    if problem:
        return problem
    low = -np.inf if feature.minimum is None else feature.minimum
    high = np.inf if feature.maximum is None else feature.maximum
    outside = pd.Series((numbers < low) | (numbers > high), index=column.index)
    return _first(column, outside, f"are outside {low:g}..{high:g}")


def _first(column: pd.Series, wrong: pd.Series, what: str) -> str | None:
    """Count the wrong values and show the first."""
    rows = np.flatnonzero(wrong.to_numpy())
    if not len(rows):
        return None
    value = column.iloc[int(rows[0])]
    shown = f"{value:g}" if isinstance(value, float) else repr(str(value)[:40])
    count = f"{len(rows):,} of {len(column):,} values"
    return f"{count} {what}, first {shown} in row {rows[0] + 1}."
