"""What a model answers for two tables: opened as a run opens it, and the answers compared.

Owns: ``compare_answers``. The model of a run answers in the environment that answered in the run,
with the run's composition, class names and columns; a file of no run where it works best.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pandas as pd

from asked_model import AskedModel
from drift import compare_predictions
from drift_comparison import Thresholds
from drift_types import FeatureDrift
from errors import ModelError
from formatting import named
from model_types import ModelInfo
from model_utils import ModelHandle
from open_stage import ModelSource, inspect, open_inspected, reopen_model
from report_types import ModelSection
from sample_forms import take_rows
from sandbox import WorkerParent
from schema_merge import align_frame, check_frame
from schema_utils import Schema, time_forms
from settings import load_settings

Tables = tuple[pd.DataFrame, pd.DataFrame, Schema]
"""Reference, current, and the schema of the reference."""

Tell = Callable[[float, str], None]
"""Called with the fraction of the opening and a message."""


def compare_answers(
    asked: AskedModel, tables: Tables, thresholds: Thresholds, tell: Tell
) -> tuple[FeatureDrift, list[str]]:
    """Ask the model about the reference and the current table and compare its answers.

    Parameters
    ----------
    asked : AskedModel
        The model.
    tables : DataFrame of shape (n, d), DataFrame of shape (m, e), Schema
        Columns that the model does not take are left out.
    thresholds : Thresholds
        From which effect on a change counts.
    tell : callable
        Told how far the opening is.

    Returns
    -------
    FeatureDrift, list of str
        The prediction as if it were a column, and what has to be said about the opening.

    Raises
    ------
    ModelError
        The model failed, or cannot take the tables.
    NotFoundError
        The environment in which it answered is gone.
    """
    with ExitStack() as stack:
        workers = stack.enter_context(WorkerParent())
        source = ModelSource(
            asked.path, asked.request, workers, load_settings(), lambda _sha256: asked.approval
        )
        stack.enter_context(source.cleanup)
        section = asked.answered or ModelSection()
        model = stack.enter_context(_open(source, asked, section, tell))
        answers = [model.predict(frame) for frame in _inputs(model, asked.data_schema, tables)]
        found = compare_predictions(answers[0], answers[1], model.info, thresholds=thresholds)
        return found, _notes(asked, section)


def _open(source: ModelSource, asked: AskedModel, section: ModelSection, tell: Tell) -> ModelHandle:
    if asked.answered is not None:
        return reopen_model(source, section, source.limits())
    inspect(source, section)
    return open_inspected(source, section, tell)


def _notes(asked: AskedModel, section: ModelSection) -> list[str]:
    """Say where the model answered unless that was here, and what its opening warned of."""
    used, name = section.environment, asked.request.model_name
    notes = [] if asked.answered is not None else [f"{name}: {text}" for text in section.warnings]
    if used is not None and used.kind == "matching":
        notes.append(f"{name} answered in its {used.title}.")
    return notes


def _inputs(model: ModelHandle, known: Schema | None, tables: Tables) -> list[pd.DataFrame]:
    """Return both tables as the model takes them."""
    reference, current, read = tables
    if known is None:
        features = {feature.name: feature for feature in read.features}
        names = _input_columns(model.info, reference, current)
        known = Schema(features=[features[name] for name in names])
    taken = []
    for table in (reference, current):
        aligned = align_frame(table, known)
        if aligned is None:
            raise ModelError(" ".join(check_frame(table, known)[:3]))
        rows = take_rows(model, aligned, known)
        if rows.refusal is not None:
            raise ModelError(rows.refusal)
        model.time_forms = time_forms(rows.schema)
        taken.append(rows.frame)
    return taken


def _input_columns(info: ModelInfo, reference: pd.DataFrame, current: pd.DataFrame) -> list[str]:
    """Return the columns that the model takes.

    Raises
    ------
    ModelError
        One is missing in a table, or the model does not know their names and their number differs.
    """
    common = [name for name in reference.columns if name in current.columns]
    if not info.feature_names_known:
        if len(common) != info.n_features:
            msg = (
                f"the model takes {info.n_features} unnamed columns, both tables have {len(common)}"
            )
            raise ModelError(msg)
        return common
    names = [feature.name for feature in info.features]
    absent = [name for name in names if name not in common]
    if absent:
        msg = f"the tables lack the model's columns {named(absent)}"
        raise ModelError(msg)
    return names
