"""What the page *Compare data* compares, as its address says it, and the process that does it.

Owns: ``Asked`` (read from the address) and the results and jobs of this browser session.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import pandas as pd
import streamlit as st

import drift_job
from asked_model import model_of_run
from drift_job import DriftJob, DriftTask
from drift_types import DriftReport, FeatureHarm
from errors import MonitorError, NotFoundError
from playground import Knobs, draw_current, reference_of
from views.common import open_store, settings
from views.sign_in import actor

LIMITS = {
    "alpha": ("False alarms", 0.05),
    "wasserstein": ("Numbers", 0.1),
    "total_variation": ("Categories", 0.05),
    "missing_rate": ("Missing values", 0.02),
    "new_categories": ("New categories", 0.01),
}
"""Label and default of each threshold; ``drift_comparison.Thresholds`` says where they are from."""

MOST_RESULTS = 8

EXAMPLE_ROWS = 2000


@dataclass(frozen=True)
class Asked:
    """What the address asks for.

    Parameters
    ----------
    reference, current : str
        SHA-256 of stored files; the reference is empty if it is a run's.
    reference_run : str
        The run whose tested rows are the reference.
    model_run : str
        The run whose model's answers are compared too.
    jointly : bool
        Whether all columns are tested at once as well.
    thresholds : tuple of (str, float)
        Those that differ from the default.
    """

    reference: str = ""
    reference_run: str = ""
    current: str = ""
    model_run: str = ""
    jointly: bool = False
    thresholds: tuple[tuple[str, float], ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether there are two tables."""
        return bool((self.reference or self.reference_run) and self.current)

    def task(self) -> DriftTask:
        """Return the task for the process.

        Raises
        ------
        NotFoundError
            A file or a run is not in the store any more.
        """
        store = open_store()
        sha256, name, labels = self._reference()
        model = model_of_run(store, self.model_run, actor=actor()) if self.model_run else None
        return DriftTask(
            reference=store.artifact_path(sha256),
            reference_name=name,
            current=store.artifact_path(self.current),
            current_name=store.get_artifact(self.current).name,
            labels=labels,
            options={"thresholds": dict(self.thresholds), "jointly": self.jointly},
            model=model,
        )

    def harms(self) -> dict[str, FeatureHarm]:
        """Return by column what its drift does to the model of the run that was chosen."""
        run_id = self.model_run or self.reference_run
        if not run_id:
            return {}
        try:
            ranking = open_store().get_report(run_id).drift.ranking
        except NotFoundError:  # deleted since: then nothing is known of its model
            return {}
        return {harm.feature: harm for harm in ranking}

    def names(self) -> tuple[str, str]:
        """Return what reference and current data are called."""
        return self._reference()[1], open_store().get_artifact(self.current).name

    def reference_table(self) -> Path | None:
        """Return the file of the reference; None if it is a saved profile already."""
        path = open_store().artifact_path(self._reference()[0])
        return None if is_zipfile(path) else path

    def _reference(self) -> tuple[str, str, str]:
        """Return SHA-256 and name of the reference, and its column of right answers if known."""
        store = open_store()
        if not self.reference_run:
            return self.reference, store.get_artifact(self.reference).name, ""
        report = store.get_report(self.reference_run)
        if report.data.artifact is None:
            msg = f"Run {self.reference_run} has kept no rows"
            raise NotFoundError(msg)
        return report.data.artifact, "tested rows", report.data.target or ""


@dataclass
class Session:
    """What this browser session has compared, by what was asked."""

    results: dict[Asked, DriftReport] = field(default_factory=dict)
    failures: dict[Asked, str] = field(default_factory=dict)
    job: DriftJob | None = None
    job_for: Asked | None = None

    def start(self, asked: Asked) -> None:
        """Start comparing; what was on its way is given up."""
        self.cancel()
        self.failures.pop(asked, None)
        try:
            self.job = drift_job.start(asked.task(), settings())
            self.job_for = asked
        except MonitorError as error:
            self.failures[asked] = str(error)

    def cancel(self) -> None:
        """End what is on its way."""
        if self.job is not None:
            self.job.cancel()
        self.job = self.job_for = None

    def keep(self, asked: Asked, report: DriftReport) -> None:
        """Keep a result, and forget the oldest of many."""
        self.results[asked] = report
        while len(self.results) > MOST_RESULTS:
            self.results.pop(next(iter(self.results)))


def session() -> Session:
    """Return this browser session's comparisons."""
    if "drift.session" not in st.session_state:
        st.session_state["drift.session"] = Session()
    found: Session = st.session_state["drift.session"]
    return found


def asked() -> Asked:
    """Read the address; what makes no sense in it is ignored."""
    told = st.query_params.to_dict()
    thresholds = tuple((name, value) for name in LIMITS if (value := _number(told, name)))
    return Asked(
        reference=told.get("reference", ""),
        reference_run=told.get("reference_run", ""),
        current=told.get("current", ""),
        model_run=told.get("model", ""),
        jointly=told.get("jointly") == "yes",
        thresholds=thresholds,
    )


def _number(told: dict[str, str], name: str) -> float | None:
    try:
        return float(told.get(name, ""))
    except ValueError:
        return None


def tell(**changes: str | None) -> None:
    """Change the address; None takes a part out."""
    told: dict[str, Any] = {**st.query_params.to_dict(), **changes}
    st.query_params.from_dict({name: value for name, value in told.items() if value})


def use_example() -> None:
    """Store two halves of the clinic's records, the second with drift, and ask to compare them."""
    before, after = _example()
    names = ("clinic-before.csv", "clinic-now.csv")
    stored = []
    for frame, name in zip((before, after), names, strict=True):
        text = io.StringIO()
        frame.round(3).to_csv(text, index=False)
        stored.append(open_store().save_bytes(text.getvalue().encode(), kind="sample", name=name))
    tell(reference=stored[0], reference_run=None, current=stored[1], column=None)


def _example() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return untouched rows, and rows with a shift, gaps, a new category and a small change."""
    reference = reference_of("clinic")
    before, _ = draw_current(Knobs(rows=EXAMPLE_ROWS, seed=11), reference)
    after, _ = draw_current(
        Knobs(rows=EXAMPLE_ROWS, seed=3, columns="glucose", offset=0.6, missing=0.08), reference
    )
    after["age"] += 0.8
    obese = after["weight_class"] == "obese"
    after["weight_class"] = after["weight_class"].mask(obese & (after["age"] > 50), "severe")
    return before, after
