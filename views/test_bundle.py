"""Test a model: how the parts of a bundle belong together, shown and corrected in place."""

from __future__ import annotations

import streamlit as st

import bundle_roles as roles
from composition_diagram import draw_composition
from composition_types import Composition, Part
from formatting import escape_markdown
from report_types import ModelSection, TestReport
from views.common import open_store
from views.draft import Draft
from views.sign_in import actor

NOTHING = "(none)"
NAMING = (roles.LABELS, roles.COLUMNS, roles.ENCODER)
"""Roles of members that can hold the names of classes."""

MAX_INPUTS = 60
"""More columns than this are not offered for putting in order."""


def show_diagram(section: ModelSection) -> None:
    """Draw how the parts were put together; nothing for a lone model."""
    found = section.bundle
    if found is None:
        return
    st.html(draw_composition(found, section.info))
    origin = "Put together by hand." if found.is_corrected else "Put together as the parts fit."
    unused = ", ".join(part.path for part in found.unused)
    left = f" Left aside: {unused}." if unused else ""
    st.caption(escape_markdown(f"The file holds a {found.kind}. {origin}{left}"))
    for doubt in found.doubts:
        st.caption(f":material/help: {escape_markdown(doubt)}")


def bundle_step(draft: Draft, preview: TestReport) -> None:
    """Show how a bundle was read, and let it be corrected; begins anew where that changes."""
    found = preview.model.bundle
    members = found.members if found is not None else (draft.file.members if draft.file else [])
    if not members:
        return
    _remember(draft, preview)
    with st.container(border=True, key="test-bundle"):
        st.markdown("**How its parts belong together**")
        if draft.file is not None and draft.file.container == "parts":
            st.caption("Files uploaded together are one model; remove one above to leave it out.")
        show_diagram(preview.model)
        corrected = draft.composition is not None or (found is not None and found.is_corrected)
        if corrected and st.button(
            "Use the guess again", icon=":material/undo:", key="test.bundle.undo"
        ):
            open_store().compositions.forget(draft.model_sha256 or "")
            _begin_with(draft, None)
        current = draft.composition or (found.composition if found is not None else None)
        with st.expander("Put them together differently", icon=":material/account_tree:"):
            _show_alternatives(draft, preview)
            _edit(draft, members, current, preview)


def _remember(draft: Draft, preview: TestReport) -> None:
    """Keep a correction that worked for the next upload of the same file."""
    if draft.composition is None or preview.model.info is None:
        return
    store, sha256 = open_store().compositions, draft.model_sha256 or ""
    if store.find(sha256) != draft.composition:
        store.remember(sha256, draft.composition, actor=actor())


def _begin_with(draft: Draft, composition: Composition | None) -> None:
    draft.composition = composition
    draft.previews.clear()
    draft.editor_version += 1
    st.rerun()


def _show_alternatives(draft: Draft, preview: TestReport) -> None:
    found = preview.model.bundle
    if found is None or not found.alternatives:
        return
    st.caption("Other readings that fit:")
    for number, other in enumerate(found.alternatives):
        chain = " → ".join([part.path for part in other.parts] + [other.model])
        taken = [
            f"{part.path}: {', '.join(part.columns[:4])}" for part in other.parts if part.columns
        ]
        if st.button(
            escape_markdown(chain),
            key=f"test.bundle.other.{number}",
            icon=":material/swap_horiz:",
            help="; ".join(taken) or "Every part takes the whole table.",
        ):
            _begin_with(draft, other)


def _edit(
    draft: Draft, members: list[Part], current: Composition | None, preview: TestReport
) -> None:
    by_path = {part.path: part for part in members}
    key = f"test.bundle.{draft.model_sha256}.{draft.editor_version}"
    models = [part.path for part in members if part.role == roles.MODEL]
    if not models:
        return
    chosen = current.model if current is not None and current.model in models else models[0]
    model = st.selectbox(
        "Which part predicts",
        models,
        index=models.index(chosen),
        format_func=lambda path: _named(by_path[path]),
        key=f"{key}.model",
    )
    steps = [part.path for part in members if part.role in roles.TRANSFORMER_ROLES]
    before = [part.path for part in current.parts] if current is not None else []
    order = st.multiselect(
        "Applied before it, in this order",
        steps,
        default=[path for path in before if path in steps],
        format_func=lambda path: _named(by_path[path]),
        key=f"{key}.order",
        help="Choose parts in the order in which they are applied; remove one and choose it again "
        "to put it last.",
    )
    parts = [
        by_path[path].model_copy(update={"columns": _columns(path, current, preview, key)})
        for path in order
    ]
    said = current or Composition(model=model)
    changed = Composition(
        model=model,
        parts=parts,
        labels=_choice("Names of the classes", members, NAMING, said.labels, key),
        threshold=_choice("Threshold", members, (roles.THRESHOLD,), said.threshold, key),
        columns=said.columns,
        inputs=_inputs(said, key),
    )
    if st.button("Put together like this", icon=":material/check:", key="test.bundle.apply"):
        _begin_with(draft, changed)


def _named(part: Part) -> str:
    return f"{part.path} ({part.class_name})"


def _columns(
    path: str, current: Composition | None, preview: TestReport, key: str
) -> list[str] | None:
    """Ask which columns a part takes; None is all of them."""
    said = current.parts if current is not None else []
    before = next((part.columns for part in said if part.path == path), None) or []
    info = preview.model.info
    known = [feature.name for feature in info.features] if info is not None else []
    told = [name for part in said for name in part.columns or []]
    options = list(dict.fromkeys([*known, *told, *preview.schema_.sample_columns]))
    chosen = st.multiselect(
        f"Columns that {path} takes",
        options,
        default=before,
        key=f"{key}.columns.{path}",
        placeholder="all columns",
        accept_new_options=True,
        help="Without a choice it takes the whole table that reaches it.",
    )
    return list(chosen) or None


def _inputs(said: Composition, key: str) -> list[str] | None:
    """Ask for the raw columns in order, where parts take some of them."""
    if not said.inputs or len(said.inputs) > MAX_INPUTS:
        return said.inputs
    chosen = st.multiselect(
        "Raw columns, in their order",
        said.inputs,
        default=said.inputs,
        key=f"{key}.inputs",
        accept_new_options=True,
        help="The table as it is given to the bundle.",
    )
    return list(chosen) or None


def _choice(
    label: str, members: list[Part], allowed: tuple[str, ...], before: str | None, key: str
) -> str | None:
    """Ask for one member of some roles, or none; says nothing where there is none to choose."""
    paths = [part.path for part in members if part.role in allowed]
    if not paths:
        return None
    options = [NOTHING, *paths]
    at = options.index(before) if before in options else 0
    chosen = st.selectbox(label, options, index=at, key=f"{key}.{label}")
    return None if chosen == NOTHING else chosen
