"""The evident order of a bundle's parts: what fits by widths and names, the usual order first.

Owns: ``guesses``: hypotheses about the raw columns, crossed with orders of the parts; an order
counts when every part takes what reaches it and the model takes what comes out. Nothing is
predicted. Runs in the worker: standard library and numpy, Python 3.7 syntax.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

import bundle_roles as roles
from model_columns import TEXT_VECTORIZERS
from model_facts import class_names_of
from worker_compose import (
    BundleError,
    BundlePart,
    Plan,
    PlannedPart,
    compose,
    knows_others,
    why_not_next,
)
from worker_members import Member, input_names, input_width, output_names, takes_one_column

MAX_TRIALS = 300
"""Most orders that are tried; real bundles have a handful of parts."""
MAX_PERMUTED = 5
NUMERIC = (roles.IMPUTER, roles.EXPANDER, roles.SCALER, roles.SELECTOR, roles.REDUCER)
ENCODING = {"LabelEncoder", "LabelBinarizer", "CategoryMap"}


class Columns(NamedTuple):
    """A hypothesis about the raw columns."""

    names: list[str]
    known: bool
    path: str | None = None  # the member that tells them, where one does


class Search(NamedTuple):
    """What is looked at: the model, parts that may come before it, lists of names."""

    model: Member
    parts: list[Member]
    lists: list[Member]
    threshold: float | None


def guesses(search: Search) -> Iterator[tuple[Plan, str | None]]:
    """Yield plans that fit, the most evident first, with the member that tells the raw columns.

    Plans with all parts come before plans that leave some out; with nothing that fits, nothing is
    yielded.
    """
    n_parts, left = len(search.parts), MAX_TRIALS
    for left_out in range(n_parts + 1):
        kept = itertools.combinations(search.parts, n_parts - left_out)
        tried = (one for parts in kept for one in _fitting(search, list(parts)))
        found = list(itertools.islice(tried, left))
        left -= len(found)
        if any(plan is not None for _, plan, _ in found):
            fitting = [(cost, plan, path) for cost, plan, path in found if plan is not None]
            for _, plan, path in sorted(fitting, key=lambda one: one[0]):
                yield plan, path
            return


def _fitting(search: Search, parts: list[Member]) -> Iterator[tuple[int, Plan | None, str | None]]:
    """Yield every trial: how much of it is a guess, the plan or None where it does not fit."""
    orders = _orders(parts)
    for columns in hypotheses(search, parts):
        for order in orders:
            cost, plan = _plan(search, order, columns)
            yield cost, plan, columns.path


def _orders(parts: list[Member]) -> list[list[Member]]:
    """Return orders of the parts, the usual one first; parts for one column stay in front."""
    usual = sorted(parts, key=lambda part: roles.order_of(part.role, part.class_path))
    if len(parts) > MAX_PERMUTED:
        return [usual]
    single = [part for part in usual if class_names_of(part.value) & ENCODING]
    rest = [part for part in usual if part not in single]
    orders = [list(order) for order in itertools.permutations(rest)]
    places = {id(part): place for place, part in enumerate(rest)}

    def inversions(order: list[Member]) -> int:
        pairs = itertools.combinations([places[id(part)] for part in order], 2)
        return sum(first > second for first, second in pairs)

    return [single + order for order in sorted(orders, key=inversions)]


# ---------------------------------------------------------------- hypotheses about raw columns


def hypotheses(search: Search, parts: list[Member]) -> list[Columns]:
    """Return what the raw columns may be, the best told first."""
    found: list[Columns] = []
    lists = sorted(search.lists, key=lambda one: -len(one.value))
    found += [Columns(one.value, True, one.path) for one in lists]
    joined = [name for one in _numeric_first(lists) for name in one.value]
    found.append(Columns(joined, True))
    fitted = [(part, input_names(part.value)) for part in [*parts, search.model]]
    named = [(part, names) for part, names in fitted if names is not None]
    found += [Columns(names, True) for part, names in named if part is search.model]
    found.append(Columns(_before_encoding(search.model, parts), True))
    found += [Columns(names, True) for part, names in named if part is not search.model]
    apart = [part for part in _numeric_first(parts) if input_names(part.value) is not None]
    union = [name for part in apart for name in input_names(part.value) or []]
    found.append(Columns(list(dict.fromkeys(union)), True))
    found += [Columns(_made_up(width, parts), False) for width in _widths(search, parts)]
    sound = [one for one in found if one.names and len(set(one.names)) == len(one.names)]
    return list({tuple(one.names): one for one in reversed(sound)}.values())[::-1]


def _numeric_first(members: list[Member]) -> list[Member]:
    """Return members with those about numbers before those about categories."""
    return sorted(members, key=lambda one: _is_about(one, roles.CATEGORY_WORDS, roles.ENCODER))


def _is_about(member: Member, words: frozenset[str], role: str) -> bool:
    return member.role == role or bool(set(roles.words_of(member.path)) & words)


def _before_encoding(model: Member, parts: list[Member]) -> list[str]:
    """Return the model's columns with those an encoder made replaced by those it takes."""
    names = input_names(model.value) or []
    for part in parts:
        taken, made = input_names(part.value), output_names(part.value)
        if taken is not None and made is not None and set(made) <= set(names):
            kept = [name for name in names if name not in made]
            names = kept + [name for name in taken if name not in kept]
    return names


def _widths(search: Search, parts: list[Member]) -> list[int]:
    """Return how many raw columns there may be, by what the parts and the model take."""
    matrix = [part for part in parts if not class_names_of(part.value) & ENCODING]
    single = [input_width(part.value) for part in matrix] + [input_width(search.model.value)]
    encoders = sum(input_width(part.value) for part in parts if part.role == roles.ENCODER)
    numeric = max([input_width(part.value) for part in parts if part.role in NUMERIC] or [0])
    both = [encoders + numeric] if encoders and numeric else []
    return [width for width in dict.fromkeys(single + both) if width > 0]


def _made_up(width: int, parts: list[Member]) -> list[str]:
    """Return names for columns nobody named: label encoders by their keys, then numbers."""
    single = [part for part in parts if class_names_of(part.value) & ENCODING]
    told = ["_".join(roles.column_words(part.path)) for part in single]
    told = [name for name in dict.fromkeys(told) if name][:width]
    return told + [f"x{i}" for i in range(len(told), width)]


# ---------------------------------------------------------------- which columns a part takes


def _plan(search: Search, order: list[Member], columns: Columns) -> tuple[int, Plan | None]:
    """Return the plan of one order over one hypothesis, None where it does not fit, and its cost.

    A part over columns that nothing names costs 1, a model that knows other names 1.
    """
    places = _Places(search.lists, columns.names, columns.known)
    planned = []
    for part in order:
        taken = places.take(part)
        if taken is None:
            return 0, None
        planned.append(taken)
    model, threshold = search.model, search.threshold
    if places.n_guessed and not places.all_taken(columns.names):
        return 0, None
    plan = Plan(planned, model.path, model.value, columns.names, columns.known, threshold)
    try:
        composed = compose(plan)
    except BundleError:
        return 0, None
    return places.n_guessed + knows_others(composed), plan


class _Places:
    """The table on its way through the parts: its columns, and which part took which."""

    def __init__(self, lists: list[Member], names: list[str], known: bool) -> None:
        self.lists = lists
        self.names = list(names)
        self.known = known
        self.taken: dict[str, list[str]] = {}
        self.n_guessed = 0

    def all_taken(self, raw: list[str]) -> bool:
        """Whether parts took all raw columns: only then may one take what nothing names."""
        return set(raw) <= {name for columns in self.taken.values() for name in columns}

    def take(self, part: Member) -> PlannedPart | None:
        """Return the part with the columns it takes here, None where it cannot stand here."""
        for columns in self._candidates(part):
            planned = PlannedPart(part.path, part.value, columns)
            if why_not_next(planned, self.names) is None:
                self.names = BundlePart(part.value, columns, self.names).names_out
                self.taken[part.path] = columns or []
                return planned
        return None

    def _candidates(self, part: Member) -> Iterator[list[str] | None]:
        if class_names_of(part.value) & ENCODING:
            name = self._named_column(part)
            if name is not None:
                yield [name]
            return
        if class_names_of(part.value) & TEXT_VECTORIZERS:
            yield from self._text_column(part)
            return
        own, width = input_names(part.value), input_width(part.value)
        if own is not None and set(own) <= set(self.names):
            yield None if len(own) == len(self.names) else own
            return
        if width in (0, len(self.names)) or takes_one_column(part.value):
            yield None
            return
        yield from self._subset(part, width)

    def _text_column(self, part: Member) -> Iterator[list[str] | None]:
        if len(self.names) == 1:
            yield None
            return
        name = self._named_column(part)
        if name is not None:
            yield [name]

    def _subset(self, part: Member, width: int) -> Iterator[list[str]]:
        """Yield columns by lists in the bundle, by an earlier part of the kind, or what is left."""
        for one in self.lists:
            fits = len(one.value) == width and set(one.value) <= set(self.names)
            wrong = roles.NUMERIC_WORDS if part.role == roles.ENCODER else roles.CATEGORY_WORDS
            if fits and not set(roles.words_of(one.path)) & wrong:
                yield one.value
        for columns in self.taken.values() if part.role in NUMERIC else ():
            if len(columns) == width and set(columns) <= set(self.names):
                yield columns
        used = {name for columns in self.taken.values() for name in columns}
        free = [name for name in self.names if name not in used]
        if len(free) == width or (not self.known and len(free) > width):
            self.n_guessed += 1
            yield free[-width:] if part.role == roles.ENCODER else free[:width]

    def _named_column(self, part: Member) -> str | None:
        """Return the column that a part's key names, or else the first that no part took."""
        wanted = "".join(roles.column_words(part.path))
        used = {name for columns in self.taken.values() for name in columns}
        free = [name for name in self.names if name not in used]
        plain = {name: re.sub(r"[^a-z0-9]+", "", name.lower()) for name in free}
        for is_it in (_equal, _within):
            found = [name for name in free if wanted and is_it(wanted, plain[name])]
            if len(found) == 1 or (found and is_it is _equal):
                return found[0]
        return free[0] if free else None


def doubtful(part: PlannedPart) -> str | None:
    """Return a sentence where nothing but what was left says which column a part takes.

    Examples
    --------
    >>> doubtful(PlannedPart("le_education", None, ["EdLevel"]))
    'le_education is applied to EdLevel: no name of a column fits it better.'
    """
    wanted = "".join(roles.column_words(part.path))
    if part.columns is None or len(part.columns) != 1 or not wanted:
        return None
    plain = re.sub(r"[^a-z0-9]+", "", part.columns[0].lower())
    if _equal(wanted, plain) or _within(wanted, plain):
        return None
    return f"{part.path} is applied to {part.columns[0]}: no name of a column fits it better."


def _equal(wanted: str, name: str) -> bool:
    return wanted == name


def _within(wanted: str, name: str) -> bool:
    return min(len(wanted), len(name)) > 2 and (wanted in name or name in wanted)
