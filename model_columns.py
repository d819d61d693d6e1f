"""What the parts of a fitted model know of its raw input columns.

Owns: ``input_columns``: names, kinds, categories and ranges of the columns a model takes, read from
encoders, scalers, imputers, discretisers, split points, support vectors and kept training rows,
followed through pipelines, column transformers and meta-estimators back to the raw columns.
Stand-alone: standard library and numpy, Python 3.7 syntax.

How it follows a column: every stage gets a list of ``Origin``, one per column of its input: which
raw column it comes from and by which straight line, or None where several raw columns are mixed.
What a stage knows is translated back by that line and noted in ``Facts``; the first to tell wins.
"""
# ruff: noqa: B905 - zip(strict=) needs Python 3.10

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

import model_boosters
import model_transformers
from model_facts import Facts, Origin, class_names_of, is_pipeline, read
from model_ranges import tell_learnt
from model_width import count_columns

Fitted = Any
"""A fitted object of any library."""

if TYPE_CHECKING:
    Columns = list[Origin | None]  # where each column of a stage's input comes from

MAX_COLUMNS = 20_000

TEXT_VECTORIZERS = {"CountVectorizer", "TfidfVectorizer", "HashingVectorizer"}


def input_columns(estimator: Fitted) -> dict[str, Any]:
    """Return the part of ``model_types.ModelInfo`` that concerns a model's input.

    Parameters
    ----------
    estimator : object
        Fitted.

    Returns
    -------
    dict
        ``n_features``, ``feature_names_known``, ``features``, ``wants_frame``, ``input_form``.
    """
    told = getattr(type(estimator), "told_columns", None)  # formats that know their input whole
    if told is not None:
        described: dict[str, Any] = told(estimator)
        return described
    first = first_stage(estimator)
    reader = _text_reader(first)
    if reader is not None:
        return _text_input(reader)
    if "DictVectorizer" in class_names_of(first):
        return _record_input(first)
    names, count = raw_names(estimator)
    _refuse_too_many(len(names) if names is not None else count)
    facts = Facts(names if names is not None else [f"x{i}" for i in range(count)])
    follow(estimator, [Origin(i) for i in range(len(facts.names))], facts)
    known = names is not None
    return {
        "n_features": len(facts.names),
        "feature_names_known": known,
        "features": [_feature(n, column) for n, column in zip(facts.names, facts.columns)],
        "wants_frame": known,
        "input_form": _input_form(known, first),
    }


def _refuse_too_many(count: int) -> None:
    """Raise for more columns than can be described, whatever the model says of itself."""
    if count > MAX_COLUMNS:
        message = f"the model says that it takes {count:,} columns; {MAX_COLUMNS:,} are the most"
        raise ValueError(message)


def _input_form(known: bool, first: Fitted) -> str:
    """Return how rows are handed over; boosters want categories as pandas' own type."""
    if known and any(told.get("categories") for told in model_boosters.column_facts(first)):
        return "categories"
    return "frame" if known else "matrix"


def raw_names(estimator: Fitted) -> tuple[list[str] | None, int]:
    """Return the names of the raw columns (None if never told) and how many there are."""
    count = 0
    for stage in front(estimator):
        names = model_boosters.feature_names(stage)
        if names is None:
            names = read(stage, "feature_names_in_")
        if names is None and "ColumnTransformer" in class_names_of(stage):
            names = read(stage, "_df_columns")  # scikit-learn before 1.0
        if names is not None and len(names) and not type(names).__name__.startswith("_"):
            return [str(name) for name in names], len(names)
        count = count or count_columns(stage)
    return None, count


def front(estimator: Fitted) -> list[Fitted]:
    """Return the stages that see the raw columns, outermost first."""
    found: list[Fitted] = []
    queue = [estimator]
    while queue and len(found) < 50:
        stage = queue.pop(0)
        found.append(stage)
        if is_pipeline(stage):
            queue += [s for _, s in stage.steps if s is not None and not isinstance(s, str)][:1]
        else:
            queue += inner_estimators(stage)[:1]
    return found


def first_stage(estimator: Fitted) -> Fitted:
    """Return the innermost stage that sees the raw columns."""
    return front(estimator)[-1]


def inner_estimators(stage: Fitted) -> list[Fitted]:
    """Return the fitted estimators that a meta-estimator hands its own input columns to."""
    state = getattr(stage, "__dict__", {})
    single = [state.get(name) for name in ("best_estimator_", "regressor_", "classifier_")]
    if "estimators_" not in state and "RFE" not in class_names_of(stage):
        single.append(state.get("estimator_"))
    found = [one for one in single if hasattr(one, "predict")]
    calibrated = state.get("calibrated_classifiers_", [])[:1]
    found += [read(one, "estimator") or read(one, "base_estimator") for one in calibrated]
    if "BundlePart" in class_names_of(stage) and stage.columns is None:
        found.append(stage.part)
    if class_names_of(stage) & {"_BaseHeterogeneousEnsemble", "_BaseVoting", "_BaseStacking"}:
        found += [one for one in state.get("estimators_", []) if hasattr(one, "predict")]
    return [one for one in found if one is not None]


# ---------------------------------------------------------------- following columns


def follow(stage: Fitted, origins: Columns | None, facts: Facts) -> Columns | None:
    """Note what a stage knows of its input columns; return where its output columns come from.

    Parameters
    ----------
    stage : object
        A transformer, pipeline, column transformer, meta-estimator or predictor; strings and None
        are steps that do nothing.
    origins : list of Origin or None, or None
        One per input column; None where even their number is not known.
    facts : Facts

    Returns
    -------
    list of Origin or None, or None
        Nothing known after predictors and after stages that mix columns.
    """
    if origins is None:
        return None
    if stage is None or stage == "passthrough":
        return origins
    if isinstance(stage, str):
        return []
    names = class_names_of(stage)
    for name, handler in HANDLERS.items():
        if name in names:
            followed: Columns | None = handler(stage, origins, facts)
            return followed
    if hasattr(stage, "get_support"):
        return _selector(stage, origins, facts)
    if hasattr(stage, "predict"):
        follow_predictor(stage, origins, facts)
    return None


def follow_predictor(model: Fitted, origins: Columns, facts: Facts) -> None:
    """Note what a predictor that sees these columns learnt of them."""
    inner = inner_estimators(model)
    for one in inner:
        follow(one, origins, facts)
    if inner:
        return
    follow(read(model, "_preprocessor"), origins, facts)  # histogram gradient boosting's encoder
    tell_learnt(model, origins, facts)


def _pipeline(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    found: Columns | None = origins
    for _, step in stage.steps:
        found = follow(step, found, facts)
    return found


def _column_transformer(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    """Follow each part over its columns and join what comes out, by position where it is told."""
    outputs = getattr(stage, "output_indices_", None) or {}
    total = max((part.stop for part in outputs.values()), default=0)
    joined: Columns = [None] * total
    for name, part, columns in stage.transformers_:
        chosen = column_positions(columns, facts.names, len(origins))
        picked = [origins[i] if i < len(origins) else None for i in chosen]
        if _starts_with_text(part):
            _tell_text(facts, picked, part)
            continue
        out = follow(part, picked, facts)
        where = outputs.get(name)
        if out is not None and where is not None and where.stop - where.start == len(out):
            joined[where] = out
    return joined if outputs else None


def column_positions(columns: Fitted, names: list[str], count: int) -> list[int]:
    """Return the positions that a column transformer's specification selects.

    Parameters
    ----------
    columns : str, int, slice, list of str or int, or boolean mask
    names : list of str
        Raw column names.
    count : int
        Number of columns.

    Examples
    --------
    >>> column_positions([False, True, True], ["a", "b", "c"], 3)
    [1, 2]
    """
    if isinstance(columns, slice):
        return _slice_positions(columns, names, count)
    if isinstance(columns, str) or np.ndim(columns) == 0:
        columns = [columns]
    columns = list(columns)
    if columns and all(isinstance(one, (bool, np.bool_)) for one in columns):
        return [i for i, chosen in enumerate(columns) if chosen]
    positions = {name: i for i, name in enumerate(names)}
    found = []
    for one in columns:
        if isinstance(one, (int, np.integer)):
            found.append(int(one) % count if count else 0)
        elif str(one) in positions:
            found.append(positions[str(one)])
    return found


def _slice_positions(columns: slice, names: list[str], count: int) -> list[int]:
    """Return the positions of a slice by position or by name (names include their end)."""
    ends = [columns.start, columns.stop]
    if any(isinstance(end, str) for end in ends):
        start = names.index(ends[0]) if ends[0] in names else 0
        stop = names.index(ends[1]) + 1 if ends[1] in names else count
        return list(range(start, stop))
    return list(range(count))[columns]


def _bundle_part(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    """Follow a bundle's part over its columns; others pass by it."""
    if stage.columns is None:
        return follow(stage.part, origins, facts)
    places = {name: i for i, name in enumerate(stage.names)}
    picked = [origins[places[name]] for name in stage.columns]
    if _starts_with_text(stage.part):
        _tell_text(facts, picked, stage.part)
        out = None
    else:
        out = follow(stage.part, picked, facts)
    known = out is not None and len(out) == len(stage.own_names)
    made = dict(
        zip(stage.own_names, out if out is not None and known else [None] * len(stage.own_names))
    )
    return [made[n] if n in made else origins[places[n]] for n in stage.names_out]


def _union(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    for _, part in stage.transformer_list:
        follow(part, origins, facts)
    return None


# ---------------------------------------------------------------- what transformers know


def _selector(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    """Follow the chosen columns; a selector with a predictor of its own (RFE) goes on with it."""
    chosen = [origin for origin, kept in zip(origins, stage.get_support()) if kept]
    if hasattr(stage, "predict"):
        follow(getattr(stage, "estimator_", None), chosen, facts)
    return chosen


# ---------------------------------------------------------------- text, records, features


def _text_reader(stage: Fitted) -> Fitted | None:
    """Return the vectoriser that reads a text: the stage itself, or the first part of a union."""
    if class_names_of(stage) & TEXT_VECTORIZERS:
        return stage
    if "FeatureUnion" not in class_names_of(stage):
        return None
    readers = [_text_reader(first_stage(part)) for _, part in stage.transformer_list]
    words = [reader for reader in readers if getattr(reader, "analyzer", "") == "word"]
    return (words or readers)[0] if readers and None not in readers else None


def _text_input(vectorizer: Fitted) -> dict[str, Any]:
    """Return the input of a model that reads one text per row."""
    facts = Facts(["text"])
    _tell_text(facts, [Origin(0)], vectorizer)
    return {
        "n_features": 1,
        "feature_names_known": False,
        "features": [_feature("text", facts.columns[0])],
        "wants_frame": False,
        "input_form": "text",
    }


def _record_input(vectorizer: Fitted) -> dict[str, Any]:
    """Return the input of a model that reads one dict per row (DictVectorizer)."""
    separator = vectorizer.separator
    keys: dict[str, list[str]] = {}
    for name in vectorizer.feature_names_:
        key, _, value = str(name).partition(separator)
        keys.setdefault(key, [])
        if value:
            keys[key].append(value)
    facts = Facts(list(keys))
    for i, values in enumerate(keys.values()):
        kind = "categorical" if values else "float"
        told = values[: model_transformers.MAX_CATEGORIES] or None
        facts.tell(Origin(i), "DictVectorizer", kind=kind, categories=told)
    return {
        "n_features": len(keys),
        "feature_names_known": True,
        "features": [_feature(n, column) for n, column in zip(facts.names, facts.columns)],
        "wants_frame": False,
        "input_form": "records",
    }


def _starts_with_text(part: Fitted) -> bool:
    """Whether a part of a column transformer begins with a vectoriser, or a union of some."""
    return not isinstance(part, str) and _text_reader(first_stage(part)) is not None


def _tell_text(facts: Facts, origins: Columns, part: Fitted) -> None:
    """Note that a column is text, with the most common words where the vectoriser knows them."""
    vectorizer = _text_reader(first_stage(part))
    words, shares = _common_words(vectorizer)
    told = {"categories": words, "frequencies": shares} if words else {}
    for origin in origins:
        facts.tell(origin, type(vectorizer).__name__, kind="text", **told)


def _common_words(vectorizer: Fitted) -> tuple[list[str], list[float] | None]:
    """Return words of a vocabulary and their shares.

    With weights, the most frequent words: ``idf = ln((1 + n) / (1 + df)) + 1`` (scikit-learn's
    smooth form) tells the share of texts that hold a word, up to a factor. Without, words evenly
    spread.
    """
    if getattr(vectorizer, "analyzer", "word") != "word":
        return [], None  # pieces of words are no words
    vocabulary = read(vectorizer, "vocabulary_") or {}
    words = sorted(vocabulary, key=lambda word: int(vocabulary[word]))
    weights = read(vectorizer, "idf_")
    if weights is not None and len(weights) == len(words):
        order = np.argsort(np.asarray(weights), kind="stable")[: model_transformers.MAX_CATEGORIES]
        likely = np.exp(-(np.asarray(weights, dtype=float)[order] - np.min(weights)))
        return [str(words[i]) for i in order], np.round(likely / likely.sum(), 6).tolist()
    step = max(len(words) // model_transformers.MAX_CATEGORIES, 1)
    return [str(word) for word in words[::step][: model_transformers.MAX_CATEGORIES]], None


def _feature(name: str, column: dict[str, Any]) -> dict[str, Any]:
    """Return one ``ModelFeature``; a column with an encoder keeps no numeric range."""
    kept = ("kind", "categories", "frequencies", "source")
    if column.get("kind") in ("categorical", "text"):
        column = {k: v for k, v in column.items() if k in kept}
    return {"name": name, **column}


HANDLERS: dict[str, Callable[..., Any]] = {
    "Pipeline": _pipeline,
    "Bundle": _pipeline,
    "BundlePart": _bundle_part,
    "ColumnTransformer": _column_transformer,
    "FeatureUnion": _union,
    **model_transformers.HANDLERS,
}
"""Stages by class name (also of a base class), in order of trial."""
