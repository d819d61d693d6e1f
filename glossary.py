"""What every number means, in one plain sentence each, with its range and its pitfalls.

Owns: ``GLOSSARY``, read once from ``glossary.toml`` beside this file, and ``explain``, which
tooltips, reports and documentation share.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Direction = Literal["higher", "lower", "neither"]


@dataclass(frozen=True, slots=True)
class Term:
    """One notion that we show.

    Parameters
    ----------
    name : str
        How it is called on the page.
    sentence : str
        What it is, in one plain sentence.
    range : str
        Which values it can take, with the unit.
    direction : {"higher", "lower", "neither"}
        Which direction is better.
    computed : str
        How this product computes it.
    misleads : str
        When it should not be trusted.
    unit : str
        Unit as ``formatting.with_unit`` knows it; empty for plain numbers.
    aliases : tuple of str
        Other names under which results carry it.
    """

    name: str
    sentence: str
    range: str = ""
    direction: Direction = "neither"
    computed: str = ""
    misleads: str = ""
    unit: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def better(self) -> str:
        """Direction in words, empty where neither is better."""
        return "" if self.direction == "neither" else f"{self.direction.capitalize()} is better."


def _read() -> dict[str, Term]:
    with Path(__file__).with_name("glossary.toml").open("rb") as stream:
        tables = tomllib.load(stream)
    return {
        key: Term(**{**fields, "aliases": tuple(fields.get("aliases", ()))})
        for key, fields in tables.items()
    }


GLOSSARY: dict[str, Term] = _read()
"""Every term by the name under which results carry it."""

_ALIASES = {alias: key for key, entry in GLOSSARY.items() for alias in entry.aliases}


def _key(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


_AVERAGES = ("_macro", "_micro", "_weighted", "_samples", "_ovr", "_ovo", "_ms")
_FAMILIES = {
    "harm_": "harm",
    "importance_of_": "importance_share",
    "flipped_by_noise_": "noise_robustness",
}


def term(name: str) -> Term | None:
    """Return the entry for a name as results carry it, None where there is none.

    A name without an entry of its own is found under its family: ``jaccard_samples`` under
    ``jaccard``, ``p95_ms`` under ``p95``, ``harm_mean_shift`` under ``harm``.

    Examples
    --------
    >>> term("accuracy").name
    'Accuracy'
    """
    key = _key(name)
    return _entry(key) or _entry(_without_average(key)) or _entry(_family(key))


def _entry(key: str) -> Term | None:
    return GLOSSARY.get(_ALIASES.get(key, key))


def _without_average(key: str) -> str:
    return next((key.removesuffix(end) for end in _AVERAGES if key.endswith(end)), key)


def _family(key: str) -> str:
    return next((owner for start, owner in _FAMILIES.items() if key.startswith(start)), key)


def title(name: str) -> str:
    """Return how a metric or test is called on the page; unknown names are spelled out.

    Examples
    --------
    >>> title("roc_auc"), title("my_own_score")
    ('ROC AUC', 'My own score')
    """
    entry = _entry(_key(name)) or _entry(_key(name).removesuffix("_ms"))
    return entry.name if entry else _key(name).replace("_", " ").strip().capitalize()


def explain(name: str) -> str:
    """Return the tooltip of a name: what it is, its range, which way is better, its pitfalls.

    Empty for names without an entry, which shows no tooltip at all.

    Examples
    --------
    >>> explain("no such name")
    ''
    """
    entry = term(name)
    if entry is None:
        return ""
    parts = (
        entry.sentence,
        f"Range: {entry.range}." if entry.range else "",
        entry.better,
        f"Computed here: {entry.computed}" if entry.computed else "",
        f"Careful: {entry.misleads}" if entry.misleads else "",
    )
    return " ".join(part for part in parts if part)
