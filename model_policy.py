"""What one model file may contain: the operator's policy, a caller's wish, an approval.

Owns: ``decide`` and the sentence for a refused file. A caller can only tighten; only the operator
can approve, by the SHA-256 of the file, and an approval counts under the policy standard alone.
"""

from __future__ import annotations

from typing import NamedTuple

from access_types import Approval
from file_kinds import PROGRAMS
from model_types import ModelFileInfo, Safety

STRICTEST_FIRST = ("strict", "standard", "custom")
MAX_NAMES = 200
"""Most names that a refusal lists; a file of a hundred thousand is not one to repair."""


class Grant(NamedTuple):
    """Under which policy a file is loaded, and who allowed that where it is an exception."""

    policy: str
    approval: Approval | None = None


def stricter(first: str, second: str | None) -> str:
    """Return the stricter of two policies.

    Examples
    --------
    >>> stricter("standard", "strict"), stricter("standard", "custom"), stricter("custom", None)
    ('strict', 'standard', 'custom')
    """
    return first if second is None else min(first, second, key=STRICTEST_FIRST.index)


def decide(server: str, asked: str | None, file: ModelFileInfo, approval: Approval | None) -> Grant:
    """Return what a file is loaded under.

    Parameters
    ----------
    server : {"strict", "standard", "custom"}
        The operator's policy.
    asked : {"strict", "standard", None}
        What the caller asked for; looser than the operator's changes nothing.
    file : ModelFileInfo
        What the file's bytes say.
    approval : Approval, optional
        The operator's approval of exactly these bytes.
    """
    policy = stricter(server, asked)
    needed = file.safety is not Safety.TRUSTED  # a file without own code needs no exception
    fits = approval is not None and approval.sha256 == file.sha256
    if policy == "standard" and needed and fits:
        return Grant("custom", approval)
    return Grant(policy)


def needs_full_isolation(file: ModelFileInfo, policy: str, *, approved: bool) -> str | None:
    """Return why a file may only be loaded under full isolation, or None.

    Parameters
    ----------
    policy : {"strict", "standard", "custom"}
        Under which it is loaded.
    approved : bool
        Whether the operator approved exactly this file, which stands in for full isolation.
    """
    if approved:
        return None
    if file.container in PROGRAMS:
        return "it carries a program of its own, and that needs full isolation"
    if policy == "custom":
        return "the policy custom lets a file run code, and that needs full isolation"
    return None


def refusal(file: ModelFileInfo, policy: str, told: str) -> str:
    """Return what to tell of a file that the policy refuses: every name at once, and what to do.

    Parameters
    ----------
    told : str
        The reason as the loader gave it; used where the inspection found no names.
    """
    if policy == "strict" and file.container != "skops":
        return _refused_by_strict(file)
    told = told.removeprefix("This file was not loaded: ").partition(". If you made it")[0]
    if file.blocked:
        shown = ", ".join(file.blocked[:MAX_NAMES])
        more = len(file.blocked) - MAX_NAMES
        names = f"{shown} and {more} more" if more > 0 else shown
        told = f"it needs names that the allow-list does not hold: {names}"
    elif "cannot be read to its end" in told:
        return f"{file.name} was not loaded: {told}. {_unreadable(told)}"
    return (
        f"{file.name} was not loaded under the policy {policy}: {told}. If you made it, save the "
        "model with library classes only. If you operate this server and trust the file, approve "
        f'it: python -m approvals add {file.sha256} --note "why"'
    )


def _refused_by_strict(file: ModelFileInfo) -> str:
    """Return what to tell of a file that carries code, under the policy strict."""
    is_program = file.container in PROGRAMS
    what = "it carries a program of its own" if is_program else "it is a pickle"
    instead = (
        "Export it to ONNX"
        if is_program
        else ("Save the model with skops, as ONNX or in its library's own format")
    )
    return (
        f"{file.name} was not loaded: {what}, and the policy strict takes only formats without "
        f"code. {instead}, or test it without asking for strict."
    )


def _unreadable(told: str) -> str:
    """Return the next step for a file that could not be read to its end."""
    if "LimitError" in told:
        return (
            "It is larger or deeper than what is read here. Save the model in another format, such "
            "as joblib or ONNX."
        )
    return "It was cut off or changed on its way. Save it again and upload the whole file."
