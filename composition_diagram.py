"""A bundle drawn as a row of boxes: columns → parts → model → labels.

Owns: ``draw_composition``. Plain HTML and inline style in the colours of the page around it, so
that it looks right in light and dark and needs no script. Every text of a file is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from composition_types import FoundBundle, Part
from model_types import ModelInfo

MAX_SHOWN = 4
_ROW = "display:flex;flex-wrap:wrap;align-items:stretch;gap:0.4rem;margin:0.3rem 0"
_BOX = (
    "border:1px solid color-mix(in srgb, currentColor 35%, transparent);border-radius:0.5rem;"
    "padding:0.35rem 0.7rem;max-width:15rem;overflow-wrap:anywhere;line-height:1.35"
)
_MODEL = "background:color-mix(in srgb, currentColor 9%, transparent);font-weight:600;"
_SMALL = "font-size:0.78rem;font-weight:400;opacity:0.75"


def draw_composition(found: FoundBundle, info: ModelInfo | None) -> str:
    """Return a composition as HTML, read from left to right.

    Parameters
    ----------
    found : FoundBundle
    info : ModelInfo, optional
        Of the loaded model: its columns and classes.

    Examples
    --------
    >>> from composition_types import Composition
    >>> text = draw_composition(FoundBundle(kind="dict", composition=Composition(model="m")), None)
    >>> "role=" in text and "<script" not in text
    True
    """
    parts = {part.path: part for part in found.members}
    composition = found.composition
    boxes = [_columns_box(info)]
    boxes += [_part_box(part) for part in composition.parts]
    model = parts.get(composition.model, Part(path=composition.model))
    boxes.append(_box(model.path, [model.class_name], style=_MODEL))
    if composition.threshold is not None:
        boxes.append(_box("threshold", [composition.threshold]))
    if composition.labels is not None:
        boxes.append(_box("class names", [composition.labels, _listed(_classes(info))]))
    arrow = '<span aria-hidden="true" style="align-self:center;opacity:0.6">→</span>'
    told = " then ".join([part.path for part in composition.parts] + [composition.model])
    label = escape(f"Columns, then {told}", quote=True)
    return f'<div role="img" aria-label="{label}" style="{_ROW}">{arrow.join(boxes)}</div>'


def _columns_box(info: ModelInfo | None) -> str:
    if info is None:
        return _box("columns", ["not known yet"])
    names = [feature.name for feature in info.features]
    return _box(f"{len(names):,} column{'' if len(names) == 1 else 's'}", [_listed(names)])


def _part_box(part: Part) -> str:
    lines = [part.class_name]
    if part.columns is not None:
        lines.append(f"takes {_listed(part.columns)}")
    return _box(part.path, lines)


def _classes(info: ModelInfo | None) -> list[str]:
    return [str(label) for label in info.classes or []] if info is not None else []


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:MAX_SHOWN])
    more = len(names) - MAX_SHOWN
    return f"{shown} … {more:,} more" if more > 0 else shown


def _box(title: str, lines: list[str], *, style: str = "") -> str:
    below = "".join(f'<div style="{_SMALL}">{escape(line)}</div>' for line in lines if line)
    shown = re.sub(r"([._])", r"\1<wbr>", escape(title[:80]))
    return f'<div style="{_BOX};{style}"><div>{shown}</div>{below}</div>'
