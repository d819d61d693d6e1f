"""What is read off an explanation of many rows: telling rows, interactions, groups, sentences.

Owns: orderings of rows, shares of columns, ``strongest_interaction``, ``group_means`` and the words
about one row. Nothing here asks a model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from base_types import Cell
from formatting import number, percent, signed
from report_types import ExplanationSection, OutputExplanation

ROWS_PER_BIN = 15
WORTH_COLOURING = 0.05
"""Share of a column's spread that another column must tell to be shown as interacting."""

SENTENCES = 3

ROUNDING = 1e-9
"""A smaller share of the answers' range comes from adding floating-point numbers."""

Floats = NDArray[np.float64]


def contribution_shares(section: ExplanationSection) -> dict[str, float]:
    """Return each column's share of all contributions to all outputs, largest first."""
    sums: dict[str, float] = {}
    for output in section.outputs:
        for item in output.importance:
            sums[item.feature] = sums.get(item.feature, 0.0) + item.importance
    total = sum(sums.values()) or 1.0
    ordered = sorted(sums, key=lambda name: -sums[name])
    return {name: sums[name] / total for name in ordered}


# --- which row -------------------------------------------------------------------------------


def row_orderings(section: ExplanationSection, output: OutputExplanation) -> dict[str, list[int]]:
    """Return positions of rows by what makes them worth a look, the most telling first."""
    values = output.predictions
    found: dict[str, Callable[[int], float]] = {}
    if section.probabilities:
        found |= _by_probability(section)
    elif section.space in ("log-odds", "score"):
        found["Nearest the boundary"] = lambda row: abs(values[row])
    wrong = _wrongness(section)
    if wrong is not None:
        found = {"Most wrong": lambda row: -wrong[row]} | found
    found["Highest answer"] = lambda row: -values[row]
    found["Lowest answer"] = lambda row: values[row]
    found["Nearest the base value"] = lambda row: abs(values[row] - output.base_value)
    return {name: sorted(range(len(values)), key=key) for name, key in found.items()}


def _by_probability(section: ExplanationSection) -> dict[str, Callable[[int], float]]:
    ordered = np.sort(np.asarray(section.probabilities), axis=1)
    lead = ordered[:, -1] - ordered[:, -2] if ordered.shape[1] > 1 else ordered[:, -1]
    if ordered.shape[1] < 3:
        return {"Most uncertain, nearest the boundary": lambda row: float(lead[row])}
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(ordered > 0, ordered * np.log(ordered), 0.0)
    entropy = terms.sum(axis=1)
    return {
        "Most uncertain": lambda row: float(entropy[row]),
        "Nearest the boundary": lambda row: float(lead[row]),
    }


def _wrongness(section: ExplanationSection) -> list[float] | None:
    """Return how wrong each answer is, or None without true answers."""
    if not section.actual or all(cell is None for cell in section.actual):
        return None
    pairs = list(zip(section.answers, section.actual, strict=True))
    if section.probabilities:
        places = {name: at for at, name in enumerate(section.classes)}
        return [
            _missed(section.probabilities[row], places.get(str(actual)), actual)
            for row, (_, actual) in enumerate(pairs)
        ]
    return [_distance(answer, actual) for answer, actual in pairs]


def _missed(chances: Sequence[float], place: int | None, actual: Cell) -> float:
    if actual is None:
        return -1.0
    return 1.0 if place is None else 1.0 - chances[place]


def _distance(answer: Cell, actual: Cell) -> float:
    if actual is None:
        return -1.0
    numbers = isinstance(answer, int | float) and isinstance(actual, int | float)
    if numbers and answer is not None:
        return abs(float(answer) - float(actual))
    return float(str(answer) != str(actual))


def times_of(cells: Sequence[Cell]) -> list[float] | None:
    """Return dates as seconds since 1970 (missing as NaN); None unless all texts are dates.

    Examples
    --------
    >>> times_of(["1970-01-02", None])
    [86400.0, nan]
    """
    found = []
    for cell in cells:
        if cell is not None and not (isinstance(cell, str) and cell[4:5] == cell[7:8] == "-"):
            return None
        try:
            moment = None if cell is None else datetime.fromisoformat(cell)
        except ValueError:
            return None
        found.append(math.nan if moment is None else _seconds(moment))
    return found if any(cell is not None for cell in cells) else None


def _seconds(moment: datetime) -> float:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.timestamp()


def rows_by_value(section: ExplanationSection, column: str) -> list[int]:
    """Return positions of rows by the value of a column, largest or last first, missing last."""
    known = [at for at, cells in enumerate(section.rows) if cells.get(column) is not None]
    cells = {at: section.rows[at][column] for at in known}
    if any(isinstance(cell, str) for cell in cells.values()):
        ordered = sorted(known, key=lambda at: str(cells[at]))
    else:
        ordered = sorted(known, key=lambda at: -float(cells[at] or 0))
    return ordered + [at for at in range(len(section.rows)) if at not in cells]


# --- which columns belong together -----------------------------------------------------------


def strongest_interaction(
    section: ExplanationSection, output: OutputExplanation, feature: str
) -> str | None:
    """Return the column that best tells why equal values of ``feature`` count differently.

    Rows are put into bins of similar values of ``feature``, and the contributions' own trend in
    each bin is taken out; the column whose ranks correlate most with what is left wins, if that
    is at least 5 % of the contributions' spread.
    """
    if feature not in section.columns or len(section.rows) < 2 * ROWS_PER_BIN:
        return None
    contributions = np.asarray(output.values)[:, section.columns.index(feature)]
    spread = float(contributions.std())
    values = _numbers(section, feature)
    order = np.argsort(values, kind="stable")
    bins = np.array_split(order, max(len(order) // ROWS_PER_BIN, 2))
    left = [_without_trend(values[rows], contributions[rows]) for rows in bins]
    strengths = {
        name: _strength(bins, left, _numbers(section, name))
        for name in section.columns
        if name != feature
    }
    best = max(strengths, key=lambda name: strengths[name], default=None)
    worth = best is not None and spread > 0 and strengths[best] >= WORTH_COLOURING * spread
    return best if worth else None


def _without_trend(values: Floats, contributions: Floats) -> Floats:
    """Return what a straight line along the values leaves of the contributions."""
    centred = values - values.mean()
    left = contributions - contributions.mean()
    size = float(centred @ centred)
    return np.asarray(left - centred * (centred @ left / size) if size > 0 else left)


def _numbers(section: ExplanationSection, name: str) -> Floats:
    """Return a column as numbers; text by its alphabetical position, missing as the middle."""
    cells = [row.get(name) for row in section.rows]
    if any(isinstance(cell, str) for cell in cells):
        places = {text: at for at, text in enumerate(sorted({str(cell) for cell in cells}))}
        return np.array([places[str(cell)] for cell in cells], dtype=np.float64)
    values = np.array([math.nan if cell is None else float(cell) for cell in cells])
    known = np.isfinite(values)
    return np.where(known, values, np.median(values[known]) if known.any() else 0.0)


def _strength(bins: list[NDArray[np.int64]], left: list[Floats], values: Floats) -> float:
    """Return the mean spread inside bins that goes with the values, by rows."""
    total = 0.0
    for rows, rest in zip(bins, left, strict=True):
        total += len(rows) * abs(_rank_correlation(rest, values[rows])) * float(rest.std())
    return total / max(sum(len(rows) for rows in bins), 1)


def _rank_correlation(first: Floats, second: Floats) -> float:
    ranks = [_ranks(each) for each in (first, second)]
    if min(np.ptp(each) for each in ranks) == 0:
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: Floats) -> Floats:
    """Return ranks, ties by their mean."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[places], dtype=np.float64)


# --- two groups of rows ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GroupMeans:
    """Mean contributions of one group of rows.

    Parameters
    ----------
    name : str
    n_rows : int
    answer : float
        Mean explained number.
    means, errors : dict of str to float
        By column; the standard error of the mean over the rows.
    """

    name: str
    n_rows: int
    answer: float
    means: dict[str, float]
    errors: dict[str, float]


def group_means(
    section: ExplanationSection, output: OutputExplanation, name: str, rows: list[int]
) -> GroupMeans:
    """Return mean contributions of some rows (at least one)."""
    values = np.asarray(output.values)[rows]
    errors = np.zeros(values.shape[1])
    if len(rows) > 1:
        errors = values.std(axis=0, ddof=1) / math.sqrt(len(rows))
    answer = float(np.asarray(output.predictions)[rows].mean())
    columns = section.columns
    return GroupMeans(
        name,
        len(rows),
        answer,
        dict(zip(columns, values.mean(axis=0).tolist(), strict=True)),
        dict(zip(columns, errors.tolist(), strict=True)),
    )


# --- one row in words ------------------------------------------------------------------------


def row_sentences(
    section: ExplanationSection, output: OutputExplanation, index: int
) -> list[tuple[str, str, str]]:
    """Return contribution, column and cell of the columns that count most for one row."""
    parts = list(zip(section.columns, output.values[index], strict=True))
    largest = sorted(parts, key=lambda part: -abs(part[1]))[:SENTENCES]
    cells = section.rows[index]
    return [(signed(value), name, cell_words(cells.get(name))) for name, value in largest if value]


def cell_words(cell: Cell) -> str:
    """Return a cell as a sentence says it.

    Examples
    --------
    >>> cell_words(None), cell_words(0.25), cell_words("month-to-month"), cell_words(1984)
    ('missing', '0.25', 'month-to-month', '1984')
    """
    if cell is None:
        return "missing"
    is_short = isinstance(cell, int) and abs(cell) < 10_000  # a year, perhaps
    return str(cell) if is_short or isinstance(cell, bool | str) else number(cell)


def answer_words(section: ExplanationSection, output: OutputExplanation, value: float) -> str:
    """Return an explained number in its unit, with the probability beside log-odds."""
    if section.space == "probability":
        return percent(value)
    if section.space == "log-odds" and len(section.outputs) == 1:
        chance = 0.5 * (1 + math.tanh(value / 2))
        return f"{number(value)} ({percent(chance)} for {output.output})"
    return number(value)
