"""What the page *Test a model* remembers between clicks.

Owns: ``Draft`` (one per browser session) and the preview run that reads file and schema for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

import jobs
from composition_types import Composition
from diagnosis_types import EnvironmentChoice
from model_types import ModelFileInfo
from report_types import RunConfig, RunRequest, Stage, TestReport
from schema_utils import Schema
from storage import Store
from views.sign_in import actor

PREVIEW_STAGES = [Stage.INSPECT, Stage.LOAD, Stage.SCHEMA, Stage.DATA]
PREVIEW_ROWS = 20
PREVIEW_SECONDS = 90.0
"""How long the page waits for a preview, besides the building of an environment."""


@dataclass
class Draft:
    """A test being set up.

    Parameters
    ----------
    model_sha256, model_name, file : str, str, ModelFileInfo
        The uploaded model; ``file`` is what its bytes say.
    sample_sha256, sample_name : str or None
        The uploaded sample.
    target : str or None
        Column that holds the labels; None lets the product recognise it by name.
    targets : list of str
        The same for a model with several outputs.
    weight_column : str or None
        Column that says what each row counts for.
    json_schema : Schema or None
        A schema uploaded as JSON.
    composition : Composition or None
        How the parts of the file belong together, where that was corrected.
    model_uploads : str
        Which uploads the model was taken from.
    previews : dict
        Preview reports by what they were made from.
    editor_version : int
        Raised to throw the schema editor's edits away.
    environment : str
        With which library versions the model runs.
    """

    model_sha256: str | None = None
    model_name: str = ""
    file: ModelFileInfo | None = None
    refusal: str | None = None
    sample_sha256: str | None = None
    sample_name: str | None = None
    target: str | None = None
    targets: list[str] = field(default_factory=list)
    weight_column: str | None = None
    json_schema: Schema | None = None
    composition: Composition | None = None
    model_uploads: str = ""
    uploads_seen: set[str] = field(default_factory=set)
    previews: dict[str, TestReport] = field(default_factory=dict)
    editor_version: int = 0
    environment: EnvironmentChoice = "auto"

    def forget_sample(self) -> None:
        """Forget the sample and what was said of its columns."""
        self.sample_sha256 = self.sample_name = self.target = self.weight_column = None
        self.targets = []

    def request(self, config: RunConfig, hand_schema: Schema | None = None) -> RunRequest:
        """Return the request this draft stands for."""
        return RunRequest(
            model_sha256=self.model_sha256 or "",
            model_name=self.model_name,
            sample_sha256=self.sample_sha256,
            sample_name=self.sample_name,
            json_schema=self.json_schema,
            composition=self.composition,
            hand_schema=hand_schema,
            config=config,
            environment=self.environment,
        )


def current_draft() -> Draft:
    """Return this session's draft."""
    if "test.draft" not in st.session_state:
        st.session_state["test.draft"] = Draft()
    draft: Draft = st.session_state["test.draft"]
    return draft


def start_over() -> None:
    """Forget the draft and the uploads."""
    st.session_state["test.draft"] = Draft()
    st.session_state["test.uploads"] = st.session_state.get("test.uploads", 0) + 1


def read_preview(store: Store, draft: Draft) -> TestReport | None:
    """Load the model in a worker and work out its columns; None if that takes too long.

    Raises
    ------
    BusyError
        The queue is full.
    """
    config = RunConfig(
        n_rows=PREVIEW_ROWS,
        target=draft.target,
        targets=draft.targets,
        weight_column=draft.weight_column,
        stages=PREVIEW_STAGES,
    )
    request = draft.request(config).model_copy(update={"purpose": "preview"})
    key = request.model_dump_json(by_alias=True)
    if key not in draft.previews:
        run_id = jobs.submit(store, request, actor=actor())
        building = store.settings.environment_seconds if store.settings.environments else 0.0
        record = jobs.wait(store, run_id, PREVIEW_SECONDS + building)
        if not record.status.is_final or record.error:
            return None
        draft.previews[key] = store.get_report(run_id)
    return draft.previews[key]
