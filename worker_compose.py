"""A bundle's parts put together: a composition, as data, becomes an object that predicts.

Owns: ``Plan`` (which parts, in which order, over which columns), ``compose`` and ``Bundle``. A
``Bundle`` has the surface of a fitted pipeline, so that description, lowering and timing treat it
like one. Runs in the worker: standard library and numpy, Python 3.7 syntax.

A part with columns takes these out of the table and puts its answer back: as many columns as it
took go to their places, any other number to the end. A part without columns takes the whole table.
"""
# ruff: noqa: ANN401 - objects of any library

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np

from model_facts import class_names_of
from worker_members import input_names, input_width, output_names, output_width, takes_one_column

MAX_SHOWN = 8


class BundleError(ValueError):
    """A composition that cannot work; the message says why and what to change."""


class PlannedPart(NamedTuple):
    """A part and the columns it takes; None is the whole table."""

    path: str
    value: Any
    columns: list[str] | None = None


class Plan(NamedTuple):
    """What ``compose`` needs.

    Parameters
    ----------
    parts : list of PlannedPart
        In the order in which they are applied.
    model_path : str
    model : object
        Has ``predict``.
    names : list of str
        Raw columns, in order.
    names_known : bool
        Whether they were told; otherwise they are made up.
    threshold : float or None
        Of P(second class), from which on a binary classifier says the second class.
    """

    parts: list[PlannedPart]
    model_path: str
    model: Any
    names: list[str]
    names_known: bool
    threshold: float | None = None


class BundlePart:
    """A transformer of a bundle over some columns of the table that reaches it.

    Parameters
    ----------
    part : object
        Fitted transformer.
    columns : list of str or None
        Columns it takes; None for all.
    names : list of str
        Columns of the table that reaches it.
    """

    def __init__(self, part: Any, columns: list[str] | None, names: list[str]) -> None:
        self.part = part
        self.columns = columns
        self.names = names
        width = output_width(part, len(names if columns is None else columns))
        self.names_out = self._names_out(width)
        self.is_read_by_name = False

    def transform(self, table: Any) -> Any:
        """Return the table with this part applied."""
        if self.columns is None:
            made = _apply(self.part, table)
            return _frame(_dense(made), self.names_out) if self.is_read_by_name else made
        frame = _frame(table, self.names)
        made = _frame(_dense(_apply(self.part, frame[self.columns])), self.own_names)
        made.index = frame.index
        if self.own_names == self.columns:
            return _put_back(frame, made)
        kept = frame.drop(columns=self.columns)
        return sys.modules["pandas"].concat([kept, made], axis=1)

    def _names_out(self, width: int | None) -> list[str]:
        """Return the columns after this part; fills ``own_names``."""
        taken = self.names if self.columns is None else self.columns
        if width in (None, len(taken)) and not _renames(self.part, taken):
            self.own_names = list(taken)
            return list(self.names)
        told = output_names(self.part)
        stem = taken[0] if len(taken) == 1 else type(self.part).__name__.lower()
        numbered = [f"{stem}_{i}" for i in range(width or len(taken))]
        self.own_names = told if told is not None and len(told) == width else numbered
        if self.columns is None:
            return self.own_names
        return [name for name in self.names if name not in self.columns] + self.own_names


class ColumnOrder:
    """The columns that reach the model, in its order.

    Parameters
    ----------
    names : list of str
        Columns of the table that reaches it.
    wanted : list of str
        The model's columns, all of them among ``names``.
    """

    def __init__(self, names: list[str], wanted: list[str]) -> None:
        self.names = names
        self.wanted = wanted
        self.positions = [names.index(name) for name in wanted]

    def transform(self, table: Any) -> Any:
        """Return the columns in the model's order."""
        return _frame(table, self.names)[self.wanted]


class Bundle:
    """Parts and a model that predict together, with the surface of a fitted pipeline.

    Parameters
    ----------
    plan : Plan
    steps : list of (str, object)
        Transformers in order, the model last.
    names : list of str
        Columns that reach the model.
    """

    def __init__(self, plan: Plan, steps: list[tuple[str, Any]], names: list[str]) -> None:
        self.steps = steps
        self.model = steps[-1][1]
        self.threshold = plan.threshold
        self.names = list(plan.names)
        self.n_features_in_ = len(plan.names)
        self.names_reaching = names
        if plan.names_known:
            self.feature_names_in_ = np.array(plan.names, dtype=object)
        for name in ("predict_proba", "decision_function"):
            if hasattr(self.model, name):
                setattr(self, name, getattr(self, "_" + name))
        if hasattr(self.model, "classes_"):
            self.classes_ = self.model.classes_

    @property
    def named_steps(self) -> dict[str, Any]:
        """Steps by name."""
        return dict(self.steps)

    def predict(self, rows: Any) -> Any:
        """Return the model's answers for raw rows."""
        if self.threshold is None:
            return self.model.predict(self._reaching_the_model(rows))
        chosen = self.model.predict_proba(self._reaching_the_model(rows))[:, 1] >= self.threshold
        return np.asarray(self.model.classes_)[chosen.astype(int)]

    def _predict_proba(self, rows: Any) -> Any:
        return self.model.predict_proba(self._reaching_the_model(rows))

    def _decision_function(self, rows: Any) -> Any:
        return self.model.decision_function(self._reaching_the_model(rows))

    def _reaching_the_model(self, rows: Any) -> Any:
        rows = self._own_columns(rows)
        for _, step in self.steps[:-1]:
            rows = step.transform(rows)
        return hand_over(self.model, rows)

    def _own_columns(self, rows: Any) -> Any:
        """Return the bundle's columns by name; a table of as many others is taken by position."""
        if not hasattr(rows, "columns"):
            return rows
        given = list(rows.columns)
        missing = [name for name in self.names if name not in given]
        if not missing:
            return rows if given == self.names else rows[self.names]
        if len(given) == len(self.names):
            return rows
        message = "The columns {} are missing; expected {}."
        raise ValueError(message.format(_listed(missing), _listed(self.names)))


def compose(plan: Plan) -> Any:
    """Return an object that applies the parts and asks the model.

    Returns
    -------
    object
        A ``Bundle``, or the model itself where there is nothing to apply and nothing to name.

    Raises
    ------
    BundleError
        If the parts do not fit together; one sentence names the first that does not.
    """
    if not plan.parts and not plan.names_known and plan.threshold is None:
        return plan.model
    steps: list[tuple[str, Any]] = []
    names = list(plan.names)
    for planned in plan.parts:
        problem = why_not_next(planned, names)
        if problem is not None:
            raise BundleError(problem)
        step = BundlePart(planned.value, planned.columns, names)
        steps.append((planned.path, step))
        names = step.names_out
    problem = _why_not_last(plan, names)
    if problem is not None:
        raise BundleError(problem)
    _refuse_useless_threshold(plan)
    wanted = input_names(plan.model)
    if wanted is not None and wanted != names and set(wanted) <= set(names):
        steps.append(("columns", ColumnOrder(names, wanted)))
    _mark_frames(steps, wanted)
    return Bundle(plan, [*steps, (plan.model_path, plan.model)], names)


def knows_others(composed: Any) -> bool:
    """Whether the model of a bundle knows its columns by name and gets others in their places."""
    if not isinstance(composed, Bundle):
        return False
    wanted = input_names(composed.model)
    return wanted is not None and not set(wanted) <= set(composed.names_reaching)


def why_not_next(planned: PlannedPart, names: list[str]) -> str | None:
    """Return why a part cannot take the table with these columns, or None if it can."""
    what = f"{planned.path} ({type(planned.value).__name__})"
    if not hasattr(planned.value, "transform"):
        return f"{what} has no transform method and cannot stand before the model."
    if planned.columns is not None:
        missing = [name for name in planned.columns if name not in names]
        if missing:
            found = _listed(names)
            return f"{what} is told to take {_listed(missing)}; what reaches it there is {found}."
    taken = names if planned.columns is None else planned.columns
    width = input_width(planned.value)
    if width and width != len(taken) and not _finds_its_own(planned, names):
        told = f"{what} takes {_columns(width)}, but {_reach(len(taken))} it there"
        return f"{told}; change the order or its columns."
    return None


def _why_not_last(plan: Plan, names: list[str]) -> str | None:
    width, wanted = input_width(plan.model), input_names(plan.model)
    if not width or width == len(names) or (wanted is not None and set(wanted) <= set(names)):
        return None
    what = f"The model {plan.model_path} ({type(plan.model).__name__}) takes {_columns(width)}"
    return (
        f"{what}, but {_reach(len(names))} it through the parts; change which parts come "
        "before it, their order or their columns."
    )


def _refuse_useless_threshold(plan: Plan) -> None:
    classes = getattr(plan.model, "classes_", None)
    if plan.threshold is None:
        return
    if not hasattr(plan.model, "predict_proba") or classes is None or len(classes) != 2:
        message = "A threshold needs a model with two classes and predict_proba; {} is none."
        raise BundleError(message.format(plan.model_path))


def _finds_its_own(planned: PlannedPart, names: list[str]) -> bool:
    """Whether a part over the whole table picks its columns by name."""
    wanted = input_names(planned.value)
    return planned.columns is None and wanted is not None and set(wanted) <= set(names)


def _mark_frames(steps: list[tuple[str, Any]], wanted: list[str] | None) -> None:
    """Let parts give named tables where a later one reads columns by name."""
    needed = wanted is not None
    for _, step in reversed(steps):
        if isinstance(step, ColumnOrder):
            needed = True
            continue
        step.is_read_by_name = needed and len(step.names_out) <= MAX_FRAME_COLUMNS
        needed = needed or step.columns is not None or input_names(step.part) is not None


MAX_FRAME_COLUMNS = 2_000
"""Wider tables (vocabularies) are handed on as they are, sparse and without names."""


# ---------------------------------------------------------------- handing tables over


def hand_over(part: Any, table: Any) -> Any:
    """Return a table in the form a part was fitted on: named columns or an array of numbers."""
    wanted = input_names(part)
    if wanted is not None:
        return _named(table, wanted)
    if not hasattr(table, "to_numpy"):
        return table
    values = table.to_numpy()
    if values.dtype != object:
        return values
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):  # texts: the part takes them, or says so itself
        return values


def _named(table: Any, wanted: list[str]) -> Any:
    """Return a table with the columns a part knows, picked by name or else by place."""
    if hasattr(table, "toarray"):
        return table
    if not hasattr(table, "columns"):
        return _frame(table, wanted)
    if set(wanted) <= set(table.columns):
        return table if list(table.columns) == wanted else table[wanted]
    return table.set_axis(wanted, axis=1) if len(wanted) == table.shape[1] else table


def _apply(part: Any, table: Any) -> Any:
    """Return what a part makes of a table, one column per output."""
    if not takes_one_column(part):
        return part.transform(hand_over(part, table))
    if "DictVectorizer" in class_names_of(part):
        records = table.to_dict("records") if hasattr(table, "to_dict") else table
        return part.transform(records)
    flat = table.iloc[:, 0] if hasattr(table, "iloc") else table
    if isinstance(flat, np.ndarray) and flat.ndim == 2:
        flat = flat[:, 0]
    if class_names_of(part) & {"LabelEncoder", "LabelBinarizer", "CategoryMap"}:
        made = np.asarray(_dense(part.transform(_like_classes(flat, part))))
        return made.reshape(-1, 1) if made.ndim == 1 else made
    return part.transform([str(text) for text in flat])


def _like_classes(values: Any, part: Any) -> Any:
    """Return values as the type of an encoder's classes, so that 1.0 finds the class 1."""
    kind = np.asarray(part.classes_).dtype.kind
    array = np.asarray(values)
    return array.astype(np.int64) if kind in "iu" and array.dtype.kind == "f" else array


def _dense(made: Any) -> Any:
    return made.toarray() if hasattr(made, "toarray") else made


def _frame(table: Any, names: list[str]) -> Any:
    """Return a table as a DataFrame with these columns."""
    if hasattr(table, "columns"):
        return table if list(table.columns) == names else table.set_axis(names, axis=1)
    return sys.modules["pandas"].DataFrame(table, columns=names)


def _put_back(frame: Any, made: Any) -> Any:
    """Return a table with some columns replaced, in their places."""
    return frame.assign(**{name: made[name].to_numpy() for name in made.columns})


def _renames(part: Any, taken: list[str]) -> bool:
    """Whether a part's outputs mean something else than its inputs, though they are as many."""
    kept = {"OneToOneFeatureMixin", "SimpleImputer", "LabelEncoder", "CategoryMap"}
    if class_names_of(part) & kept or takes_one_column(part):
        return False
    told = output_names(part)
    return told is not None and told != taken and not all(name.startswith("x") for name in told)


def _columns(count: int) -> str:
    return "{:,} column{}".format(count, "" if count == 1 else "s")


def _reach(count: int) -> str:
    return f"{count:,} column reaches" if count == 1 else f"{count:,} reach"


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:MAX_SHOWN])
    return shown + (f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else "")
