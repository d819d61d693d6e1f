"""A file that holds more than a model: its parts recognised, put in order and composed.

Owns: ``open_bundle``: members -> the object that predicts, with the composition as data, the
alternatives, what was left aside and the class names found. Runs in the worker: standard library
and numpy, Python 3.7 syntax. What it tells is "reported by the model" like everything from there.
"""
# ruff: noqa: ANN401 - objects of any library

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import bundle_roles as roles
import model_boosters
from model_facts import class_names_of, plain, read
from worker_compose import BundleError, Plan, PlannedPart, compose, knows_others
from worker_guess import ENCODING, Columns, Search, doubtful, guesses, hypotheses
from worker_members import Member, flatten, input_names, input_width

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ALTERNATIVES = 4
MAX_TOLD = 60


class Opened(NamedTuple):
    """What a bundle came to.

    Parameters
    ----------
    estimator : object
        Predicts raw rows.
    notes : list of str
    found : dict or None
        The fields of ``composition_types.FoundBundle``; None where the file holds a lone model.
    """

    estimator: Any
    notes: list[str]
    found: dict[str, Any] | None


class _Choice(NamedTuple):
    """One reading of a bundle: the plan and what lies beside it."""

    plan: Plan
    columns: str | None
    labels: Member | None
    threshold: Member | None


def open_bundle(loaded: Any, wanted: dict[str, Any] | None = None) -> Opened:
    """Compose the parts of a loaded dict, list, tuple or plain object.

    Parameters
    ----------
    loaded : object
        What unpickling gave.
    wanted : dict, optional
        A composition corrected by hand: the fields of ``composition_types.Composition``.

    Raises
    ------
    BundleError
        If nothing in there can predict, or the composition asked for cannot work.
    """
    members = [_wrapped(member) for member in flatten(loaded)]
    models = _models(members)
    if not models:
        raise BundleError(_no_model(loaded, members))
    if wanted is not None:
        choices = [_as_wanted(members, wanted)]
    else:
        choices = [one for model in models for one in _readings(members, model)]
        choices = _distinct(choices)[: MAX_ALTERNATIVES + 1]
    best = choices[0]
    found = {
        "kind": type(loaded).__name__,
        "members": [_told(member) for member in members[:MAX_TOLD]],
        "composition": _as_data(members, best),
        "alternatives": [_as_data(members, one) for one in choices[1:]],
        "unused": _unused(members, best),
        "class_names": class_names_from(best.labels, best.plan.model),
        "doubts": [] if wanted is not None else _doubts(best.plan),
    }
    return Opened(compose(best.plan), [_sentence(loaded, members, best)], found)


def _doubts(plan: Plan) -> list[str]:
    """Return a sentence on every part whose column was found by elimination."""
    single = [part for part in plan.parts if class_names_of(part.value) & ENCODING]
    return [told for told in map(doubtful, single) if told is not None]


def _wrapped(member: Member) -> Member:
    """Return a booster as the estimator that takes tables; anything else as it is."""
    wrapper = model_boosters.wrap(member.value)
    return member if wrapper is None else member._replace(value=wrapper)


def _models(members: list[Member]) -> list[Member]:
    """Return members that predict, the likeliest first; steps of another one are none."""
    found = [one for one in members if one.role == roles.MODEL]
    inside = {id(part) for one in found for part in parts_of(one.value)}
    found = [one for one in found if id(one.value) not in inside]

    def rank(member: Member) -> tuple[bool, bool]:
        named = bool(set(roles.words_of(member.path)) & roles.MODEL_WORDS)
        return hasattr(member.value, "transform"), not named

    return sorted(found, key=rank)


def parts_of(estimator: Any, depth: int = 0) -> list[Any]:
    """Return the objects a pipeline or column transformer is made of, nested ones too."""
    if depth > 5 or isinstance(estimator, str) or estimator is None:
        return []
    steps = [step for _, step in getattr(estimator, "steps", None) or []]
    steps += [entry[1] for entry in read(estimator, "transformers_") or [] if len(entry) > 1]
    best = read(estimator, "best_estimator_")
    steps += [best] if best is not None else []
    return steps + [inner for step in steps for inner in parts_of(step, depth + 1)]


# ---------------------------------------------------------------- guessing


def _readings(members: list[Member], model: Member) -> list[_Choice]:
    """Return the readings with this model, the most evident first."""
    threshold = next((one for one in members if one.role == roles.THRESHOLD), None)
    threshold = threshold if _can_threshold(model.value) else None
    labels = _labels(members, model.value)
    inside = [(type(part), input_width(part)) for part in parts_of(model.value)]
    parts = [
        one
        for one in members
        if one.role in roles.TRANSFORMER_ROLES
        and one is not labels
        and (type(one.value), input_width(one.value)) not in inside
    ]
    lists = [one for one in members if one.role == roles.COLUMNS and one is not labels]
    search = Search(model, parts, lists, None if threshold is None else float(threshold.value))
    fitting = itertools.islice(guesses(search), 3)
    found = [_Choice(plan, path, labels, threshold) for plan, path in fitting]
    bare = Plan([], model.path, model.value, input_names(model.value) or [], False)
    return found or [_Choice(bare, None, labels, None)]


def _distinct(choices: list[_Choice]) -> list[_Choice]:
    """Return readings that differ in the model, in the parts or in what these take."""
    seen: dict[Any, _Choice] = {}
    for one in choices:
        parts = frozenset((part.path, tuple(part.columns or ())) for part in one.plan.parts)
        order = tuple(part.path for part in one.plan.parts if part.columns is None)
        seen.setdefault((one.plan.model_path, parts, order), one)
    return list(seen.values())


def _can_threshold(model: Any) -> bool:
    classes = read(model, "classes_")
    return hasattr(model, "predict_proba") and classes is not None and len(classes) == 2


def _labels(members: list[Member], model: Any) -> Member | None:
    """Return the member that names the model's classes, where its classes are numbers."""
    codes = codes_of(model)
    if not codes:
        return None
    fitting = [one for one in members if class_names_from(one, model) is not None]
    named = [one for one in fitting if roles.names_target(one.path)]
    if named:
        return named[0]
    width, known = input_width(model), input_names(model) or []
    plain_encoders = [
        one
        for one in fitting
        if "LabelEncoder" in class_names_of(one.value) and not _is_for_a_column(one, known)
    ]
    alone = [one for one in members if class_names_of(one.value) & ENCODING] == plain_encoders
    if plain_encoders and (alone or not roles.column_words(plain_encoders[0].path)):
        return plain_encoders[0]
    lists = [one for one in fitting if one.role in (roles.LABELS, roles.COLUMNS)]
    about = [one for one in lists if one.role == roles.LABELS or len(one.value) != width]
    about = [one for one in about if not set(roles.words_of(one.path)) & roles.COLUMN_WORDS]
    return about[0] if about else None


def _is_for_a_column(member: Member, known: list[str]) -> bool:
    """Whether a key names a column: one of the model's, or any where these are not known."""
    words = "".join(roles.column_words(member.path))
    plain_names = ["".join(roles.words_of(name)) for name in known]
    return bool(words) and (not known or any(words in name for name in plain_names))


def codes_of(model: Any) -> list[Any]:
    """Return the classes of a single-output classifier whose classes are numbers, else nothing."""
    classes = read(model, "classes_")
    if classes is None or (isinstance(classes, list) and np.ndim(classes[0]) > 0):
        return []
    values = [plain(value) for value in classes]
    return values if all(isinstance(one, (int, float)) for one in values) else []


def class_names_from(labels: Member | None, model: Any) -> list[str] | None:
    """Return a name for each class of a model, in its order, or None where they do not fit.

    A list and an encoder name the classes 0, 1, 2 …; a dict names those among its keys.
    """
    codes = codes_of(model)
    if labels is None or not codes:
        return None
    value = labels.value
    if isinstance(value, dict) and labels.role == roles.LABELS:
        names = {plain(key): str(name) for key, name in value.items()}
        return [names[code] for code in codes] if set(codes) <= set(names) else None
    if class_names_of(value) & {"LabelEncoder", "LabelBinarizer"}:
        value = [str(plain(name)) for name in value.classes_]
    if not isinstance(value, list) or len(value) != len(codes):
        return None
    in_order = [int(code) for code in codes] == list(range(len(codes)))
    return [str(name) for name in value] if in_order else None


# ---------------------------------------------------------------- a composition by hand


def _as_wanted(members: list[Member], wanted: dict[str, Any]) -> _Choice:
    """Return the reading that was asked for.

    Raises
    ------
    BundleError
        If it names a member that is not there, or no order of columns makes it work.
    """
    by_path = {one.path: one for one in members}
    model = _member(by_path, wanted["model"], "the model")
    if model.role != roles.MODEL:
        message = "{} is a {}, which cannot predict; choose another member as the model."
        raise BundleError(message.format(model.path, type(model.value).__name__))
    parts = []
    for entry in wanted["parts"]:
        member = _member(by_path, entry["path"], "a part")
        parts.append(PlannedPart(member.path, member.value, entry.get("columns")))
    labels = _optional(by_path, wanted.get("labels"), "the class names")
    if labels is not None and class_names_from(labels, model.value) is None:
        message = "{} does not name the {} classes of {}; choose other labels or none."
        count = len(codes_of(model.value))
        raise BundleError(message.format(labels.path, count, model.path))
    threshold = _optional(by_path, wanted.get("threshold"), "the threshold")
    _refuse_unless(threshold, "a number", _is_number)
    names = _optional(by_path, wanted.get("columns"), "the columns")
    _refuse_unless(names, "a list of different names", _are_names)
    inputs = wanted.get("inputs")
    if inputs and not _are_names(inputs):
        message = "The composition names a raw column twice; name each of them once."
        raise BundleError(message)
    limit = None if threshold is None else float(threshold.value)
    lists = [one for one in members if one.role == roles.COLUMNS] if names is None else [names]
    before = [one for one in members if one.path in {part.path for part in parts}]
    tried = hypotheses(Search(model, before, lists, limit), before)
    if inputs:
        tried = [Columns(list(inputs), True, names.path if names else None)]
    elif names is not None:
        tried = [columns for columns in tried if columns.path == names.path]
    plan, path = _that_works(Plan(parts, model.path, model.value, [], False, limit), tried)
    return _Choice(plan, path, labels, threshold)


def _that_works(bare: Plan, tried: list[Columns]) -> tuple[Plan, str | None]:
    """Return the plan over the likeliest raw columns under which the parts fit.

    Raises
    ------
    BundleError
        The first reason, if they fit under none.
    """
    working: list[tuple[Plan, str | None]] = []
    errors: list[BundleError] = []
    for columns in tried:
        plan = bare._replace(names=columns.names, names_known=columns.known)
        try:
            composed = compose(plan)
        except BundleError as error:
            errors.append(error)
            continue
        if not knows_others(composed):
            return plan, columns.path
        working.append((plan, columns.path))
    if errors and not working:
        raise errors[0]
    return working[0] if working else (bare, None)


def _member(by_path: dict[str, Member], path: str, what: str) -> Member:
    if path not in by_path:
        message = "The composition names {!r} as {}; the file holds {}."
        raise BundleError(message.format(path[:60], what, ", ".join(list(by_path)[:12])))
    return by_path[path]


def _refuse_unless(member: Member | None, what: str, fits: Callable[[Any], bool]) -> None:
    """Raise ``BundleError`` where a member was chosen for what it cannot be."""
    if member is not None and not fits(member.value):
        kind = type(member.value).__name__
        message = f"{member.path} ({kind}) is not {what}; choose another member or none."
        raise BundleError(message)


def _is_number(value: Any) -> bool:
    return isinstance(plain(value), (int, float)) and not isinstance(value, bool)


def _are_names(value: Any) -> bool:
    is_list = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return is_list and len(set(value)) == len(value)


def _optional(by_path: dict[str, Member], path: str | None, what: str) -> Member | None:
    return None if path is None else _member(by_path, path, what)


# ---------------------------------------------------------------- telling


def _as_data(members: list[Member], choice: _Choice) -> dict[str, Any]:
    """Return a reading as the fields of ``composition_types.Composition``."""
    by_path = {one.path: one for one in members}
    plan = choice.plan
    return {
        "parts": [_told(by_path[p.path], p.columns) for p in plan.parts],
        "model": plan.model_path,
        "labels": choice.labels.path if choice.labels else None,
        "columns": choice.columns,
        "inputs": plan.names if plan.names_known and _takes_some_columns(plan) else None,
        "threshold": choice.threshold.path if choice.threshold else None,
    }


def _takes_some_columns(plan: Plan) -> bool:
    return any(part.columns is not None for part in plan.parts)


def _told(member: Member, columns: list[str] | None = None) -> dict[str, Any]:
    value = getattr(member.value, "booster", member.value)
    name = "dict" if "CategoryMap" in class_names_of(value) else type(value).__name__
    module = member.class_path.rpartition(".")[0]
    told = {"path": member.path, "class_name": name, "module": module, "role": member.role}
    return dict(told, columns=columns)


def _unused(members: list[Member], choice: _Choice) -> list[dict[str, Any]]:
    """Return members that could take part and do not."""
    used = {part.path for part in choice.plan.parts} | {choice.plan.model_path, choice.columns}
    used |= {one.path for one in (choice.labels, choice.threshold) if one is not None}
    idle = (roles.OTHER, roles.COLUMNS, roles.LABELS)
    return [_told(one) for one in members if one.path not in used and one.role not in idle]


def _sentence(loaded: Any, members: list[Member], choice: _Choice) -> str:
    """Return what the file holds and what was made of it, in one sentence."""
    chain = [part.path for part in choice.plan.parts] + [choice.plan.model_path]
    unused = [one["path"] for one in _unused(members, choice)]
    note = "{}; tested is {}".format(what_is_held(loaded, members), " → ".join(chain))
    if unused:
        note += "; {} not applied to the input".format(", ".join(unused[:12]))
    return note + "."


def what_is_held(loaded: Any, members: list[Member]) -> str:
    """Return the start of a sentence on a bundle: its kind and its members."""
    shown = ["{} ({})".format(one.path, _told(one)["class_name"]) for one in members[:12]]
    held = ", ".join(shown) or "nothing"
    return f"The file holds a {type(loaded).__name__} with the members {held}"


def _no_model(loaded: Any, members: list[Member]) -> str:
    what = what_is_held(loaded, members)
    if any(one.role in roles.TRANSFORMER_ROLES for one in members):
        return what + ", and none of them can predict. Upload the fitted model's file beside it."
    return what + ", and none of them can predict. Upload the fitted model itself."
