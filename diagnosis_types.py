"""What is known of a model file before it is loaded, and where its model runs.

Owns: ``Diagnosis`` (what the file is, what wrote it, what is missing, what will be done),
``EnvironmentSpec`` (an interpreter and requirements), ``EnvironmentUse`` (what answered) and
``VersionComparison``. Types only; ``model_diagnosis`` and ``environments`` fill them.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Literal

from pydantic import Field

from base_types import TypedModel

EnvironmentChoice = Literal["auto", "present", "matching", "compare"]
"""Where a model shall run: where it most likely works, with the libraries installed here, with
those it was made with, or with both to compare their predictions."""


class Outlook(StrEnum):
    """What is to be expected of a file under the libraries installed here."""

    LOADS = "loads"
    MAY_DIFFER = "may differ"
    BREAKS = "breaks"
    CANNOT = "cannot"


class MissingPackage(TypedModel):
    """A library that a file names and that is not installed."""

    module: str
    package: str = Field(description="Its name on the package index")

    @property
    def sentence(self) -> str:
        """What is missing and the command that installs it."""
        return f"The module {self.module} is not installed: pip install {self.package}"


class EnvironmentSpec(TypedModel):
    """An environment of another time: interpreters that suit, the best first, and requirements."""

    pythons: list[str] = Field(description="Minor versions, as in 3.8")
    requirements: list[str] = Field(description="As pip takes them, sorted")
    exact: bool = Field(default=True, description="False: the nearest version that can be run")

    @property
    def title(self) -> str:
        """The requirement that matters most, in words."""
        pinned = [text for text in self.requirements if "==" in text]
        return ", ".join(text.replace("==", " ") for text in pinned) or "libraries of its time"

    def key(self, python: str) -> str:
        """Return the identity of this request under one interpreter, 16 hexadecimal digits.

        Examples
        --------
        >>> spec = EnvironmentSpec(pythons=["3.8"], requirements=["scikit-learn==0.24.2"])
        >>> spec.key("3.8") == spec.key("3.9"), len(spec.key("3.8"))
        (False, 16)
        """
        text = "\n".join([python, *sorted(self.requirements)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Diagnosis(TypedModel):
    """What the bytes of a file say about running it here; nothing was loaded for it."""

    what: str = Field(description="What the file is, one sentence")
    written_with: dict[str, str] = Field(default_factory=dict, description="library -> version")
    hints: list[str] = Field(default_factory=list, description="What names and protocol tell")
    missing: list[MissingPackage] = Field(default_factory=list)
    custom_classes: list[str] = Field(default_factory=list, description="The author's own code")
    walls: list[str] = Field(
        default_factory=list, description="Why it is known not to work with what is installed"
    )
    outlook: Outlook = Outlook.LOADS
    plan: str = Field(default="", description="What will be done about it, one sentence")
    next_step: str | None = Field(default=None, description="What the user can do")
    environment: EnvironmentSpec | None = Field(
        default=None, description="The libraries it was made with, where they can be told"
    )


class EnvironmentUse(TypedModel):
    """Which environment answered in a run."""

    kind: Literal["present", "matching"] = "present"
    python: str = ""
    libraries: dict[str, str] = Field(default_factory=dict)
    key: str | None = Field(default=None, description="Of a matching environment")
    reason: str = Field(default="", description="Why this one")
    prepared_seconds: float | None = Field(
        default=None, description="Time until a matching environment was there, s"
    )

    @property
    def title(self) -> str:
        """One line for people."""
        where = "matching environment" if self.kind == "matching" else "libraries installed here"
        shown = ("sklearn", "numpy", "xgboost", "lightgbm")
        parts = [f"{name} {self.libraries[name]}" for name in shown if name in self.libraries]
        return f"{where}: Python {self.python}, {', '.join(parts)}" if self.python else where


class VersionComparison(TypedModel):
    """The same rows predicted in the matching environment and with the libraries installed here."""

    n_rows: int = 0
    n_different: int = Field(default=0, description="Rows whose prediction differs")
    largest_difference: float | None = Field(
        default=None, description="Of predicted numbers, or of probabilities (0..1)"
    )
    reason: str | None = Field(default=None, description="Why there is nothing to compare")
