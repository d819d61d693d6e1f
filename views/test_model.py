"""Test a model: file, data, columns, options, run; live stages and the result on the same page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

import examples
import jobs
import synthetic_data
from errors import MonitorError, SchemaError
from formatting import byte_size, escape_markdown
from model_file import inspect_file
from model_types import ModelFileInfo
from report_types import RunConfig, Stage, TestReport
from schema_json import schema_from_json, schema_to_json
from schema_table import schema_from_table, schema_to_table
from schema_utils import Distribution, Kind, Schema
from views.common import (
    badge,
    download,
    keep_runner_alive,
    open_store,
    settings,
    show_notes,
)
from views.diagnosis import show_diagnosis, waiting_text
from views.draft import Draft, current_draft, read_preview, start_over
from views.run_panel import show_run
from views.sign_in import actor
from views.start import store_example, store_file, store_model
from views.test_bundle import bundle_step
from views.test_classes import class_names
from views.test_options import advanced_options
from views.test_roles import choose_roles

OPTIONAL_STAGES = [
    Stage.PERFORMANCE,
    Stage.QUALITY,
    Stage.BEHAVIOUR,
    Stage.DRIFT,
    Stage.EXPLAIN,
]
MODEL_TYPES = "Pickle, joblib, skops, ONNX, XGBoost, LightGBM, CatBoost or PyTorch"


def show() -> None:
    """Lay out the page."""
    keep_runner_alive()
    st.title("Test a model")
    st.caption("One file is enough. A sample of its data makes every answer sharper.")
    run_id = st.query_params.get("run")
    if run_id is None:
        _show_setup(current_draft())
        return
    with st.container(horizontal=True):
        if st.button("Change the setup", icon=":material/tune:", key="test.change"):
            del st.query_params["run"]
            st.rerun()
        if st.button("Test another model", icon=":material/add:", key="test.another"):
            start_over()
            del st.query_params["run"]
            st.rerun()
    show_run(run_id)


def _show_setup(draft: Draft) -> None:
    _model_step(draft)
    if draft.file is None:
        return
    _sample_step(draft)
    preview = _preview(draft)
    if preview is None:
        return
    bundle_step(draft, preview)
    schema = _schema_step(draft, preview)
    _run_step(draft, preview, schema)


# --- 1 model ---------------------------------------------------------------------------------


def _model_step(draft: Draft) -> None:
    st.subheader("1 · Model")
    uploaded = st.file_uploader(
        "Model file, or several that belong together",
        accept_multiple_files=True,
        key=f"test.model.{st.session_state.get('test.uploads', 0)}",
        max_upload_size=settings().max_model_mb,
        help=f"{MODEL_TYPES}: the bytes tell what a file is, never its name. It is read without "
        "loading it first, then loaded in a confined process of its own, never in this one. A "
        "vectorizer, scaler or encoder that is saved in a file of its own goes beside the model.",
    )
    together = "+".join(file.file_id for file in uploaded)
    if uploaded and together != draft.model_uploads:
        draft.model_uploads = together
        _take_model(draft, uploaded)
    if draft.refusal:
        st.error(escape_markdown(draft.refusal), icon=":material/cancel:")
    if draft.file is None:
        _offer_examples(draft)
        return
    _show_file(draft.file)
    show_diagnosis(draft)


def _take_model(draft: Draft, uploaded: Sequence[UploadedFile]) -> None:
    draft.file, draft.refusal, draft.composition = None, None, None
    draft.environment, draft.targets = "auto", []
    try:
        draft.file = store_model(uploaded)
        draft.model_sha256, draft.model_name = draft.file.sha256, draft.file.name
    except MonitorError as error:
        draft.refusal = str(error)


def _offer_examples(draft: Draft) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        titles = {example.title: example for example in examples.EXAMPLES}
        title = st.selectbox("… or an example", list(titles), key="test.example", width=320)
        if st.button("Use it", key="test.use", icon=":material/arrow_downward:"):
            _take_example(draft, titles[title])
            st.rerun()


def _take_example(draft: Draft, example: examples.Example) -> None:
    request = store_example(example)
    draft.model_sha256, draft.model_name = request.model_sha256, request.model_name
    draft.forget_sample()
    draft.sample_sha256, draft.sample_name = request.sample_sha256, request.sample_name
    draft.target = request.config.target
    draft.file = inspect_file(open_store().artifact_path(request.model_sha256), request.model_name)


def _compression(file: ModelFileInfo) -> str:
    unpacked = f", {byte_size(file.decompressed_bytes)} unpacked" if file.decompressed_bytes else ""
    return f"compressed with {file.compression}{unpacked}"


def _show_file(file: ModelFileInfo) -> None:
    with st.container(border=True):
        st.markdown(f"**{escape_markdown(file.name)}**  {badge(file.safety.value)}")
        facts = [byte_size(file.size_bytes), file.container]
        facts += [_compression(file)] if file.compression else []
        facts += [f"holds {escape_markdown(file.estimator)}"] if file.estimator else []
        facts += [f"written with {name} {version}" for name, version in file.written_with.items()]
        st.caption(" · ".join(facts) + f" · SHA-256 {file.sha256[:12]}…")
        for reason in [*file.reasons, *file.notes]:
            st.caption(escape_markdown(reason))
        if file.imports:
            with st.expander(f"{len(file.imports)} names the file would import"):
                st.code("\n".join(file.imports), language=None)


# --- 2 sample --------------------------------------------------------------------------------


def _sample_step(draft: Draft) -> None:
    st.subheader("2 · Data")
    uploaded = st.file_uploader(
        "Sample of its data (CSV, Parquet or JSON; optional)",
        key=f"test.sample.{st.session_state.get('test.uploads', 0)}",
        max_upload_size=settings().max_sample_mb,
        help="Rows as the model gets them, best with the column it should predict. Without a "
        "sample, rows are made up from what the model knows of its inputs, and quality cannot "
        "be measured.",
    )
    if uploaded is not None and uploaded.file_id not in draft.uploads_seen:
        draft.uploads_seen.add(uploaded.file_id)
        try:
            stored = store_file(
                uploaded, kind="sample", name=uploaded.name, limit_bytes=settings().max_sample_bytes
            )
            draft.forget_sample()
            draft.sample_sha256, draft.sample_name = stored, uploaded.name
        except MonitorError as error:
            st.error(escape_markdown(error), icon=":material/cancel:")
    if draft.sample_name:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":material/table: **{escape_markdown(draft.sample_name)}**")
            if st.button("Remove", key="test.sample.remove", icon=":material/close:"):
                draft.forget_sample()
                st.rerun()


def _preview(draft: Draft) -> TestReport | None:
    try:
        with st.spinner(waiting_text(draft)):
            report = read_preview(open_store(), draft)
    except MonitorError as error:
        st.error(escape_markdown(error), icon=":material/cancel:")
        return None
    if report is None:
        st.warning("The preview took too long. Try again, or lower the load on this machine.")
    return report


# --- 3 columns -------------------------------------------------------------------------------


def _schema_step(draft: Draft, preview: TestReport) -> Schema | None:
    _show_model(preview)
    choose_roles(draft, preview)
    schema = preview.schema_.data_schema
    if schema is None:
        st.error(escape_markdown(preview.schema_.reason or "No columns are known."))
        return None
    st.subheader("3 · Columns")
    st.caption(
        f"Read from {', '.join(preview.schema_.sources) or 'the model'}. Change what is wrong; "
        "what you type wins."
    )
    show_notes(preview.schema_.warnings + preview.data.warnings)
    return _edit_schema(draft, schema)


def _show_model(preview: TestReport) -> None:
    info = preview.model.info
    if info is None:
        st.error(
            escape_markdown(preview.model.reason or "The model could not be loaded."),
            title="The model does not load",
            icon=":material/cancel:",
        )
        return
    st.markdown(
        f":material/check_circle: **{escape_markdown(info.estimator)}** · {info.task.value} · "
        f"{info.n_features if info.n_features is not None else len(info.features)} inputs"
        + (f" · {len(info.classes)} classes" if info.classes else "")
    )
    for warning in preview.model.warnings:
        st.warning(escape_markdown(warning), icon=":material/warning:")


def _edit_schema(draft: Draft, schema: Schema) -> Schema | None:
    table = schema_to_table(schema)
    edited = st.data_editor(
        table,
        key=f"test.schema.{draft.editor_version}.{draft.model_sha256}.{draft.sample_sha256}",
        num_rows="dynamic",
        hide_index=True,
        width="stretch",
        column_config=_schema_columns(),
    )
    _schema_files(draft, schema)
    try:
        changed = not _same_table(table, edited)
        return schema_from_table(edited) if changed else schema
    except SchemaError as error:
        st.error(escape_markdown(error), icon=":material/cancel:")
        return None


def _same_table(before: pd.DataFrame, after: pd.DataFrame) -> bool:
    return (
        before.reset_index(drop=True).astype(str).equals(after.reset_index(drop=True).astype(str))
    )


def _schema_columns() -> dict[str, Any]:
    kinds, distributions = [kind.value for kind in Kind], [item.value for item in Distribution]
    share = st.column_config.NumberColumn
    return {
        "name": st.column_config.TextColumn(
            "Column", required=True, help="As in the table that the model gets."
        ),
        "kind": st.column_config.SelectboxColumn("Type", options=kinds, required=True),
        "minimum": st.column_config.TextColumn("Minimum", help="A number or a date."),
        "maximum": st.column_config.TextColumn("Maximum", help="A number or a date."),
        "categories": st.column_config.TextColumn(
            "Categories", width="medium", help="Values with their shares, such as a: 0.3 | b: 0.7"
        ),
        "distribution": st.column_config.SelectboxColumn("Distribution", options=distributions),
        "parameters": st.column_config.TextColumn(
            "Parameters", help="Of the distribution, such as mean=3, std=1"
        ),
        "missing_rate": share("Missing", min_value=0.0, max_value=1.0, format="percent"),
        "outlier_rate": share("Outliers", min_value=0.0, max_value=1.0, format="percent"),
        "is_target": st.column_config.CheckboxColumn("Target"),
    }


def _schema_files(draft: Draft, schema: Schema) -> None:
    with st.container(horizontal=True):
        if st.button("Undo my changes", key="test.schema.undo", icon=":material/undo:"):
            draft.editor_version += 1
            draft.json_schema = None
            st.rerun()
        download(
            "Schema as JSON",
            lambda: schema_to_json(schema),
            "schema.json",
            "application/json",
            "test.schema.save",
        )
        with st.popover("Schema from JSON", icon=":material/upload:"):
            _upload_schema(draft)


def _upload_schema(draft: Draft) -> None:
    uploaded = st.file_uploader("Schema file", key="test.schema.file", max_upload_size=10)
    if uploaded is None or uploaded.file_id in draft.uploads_seen:
        return
    draft.uploads_seen.add(uploaded.file_id)
    try:
        draft.json_schema = schema_from_json(uploaded.getvalue())
    except SchemaError as error:
        st.error(escape_markdown(error), icon=":material/cancel:")
        return
    draft.editor_version += 1
    st.rerun()


# --- 4 run -----------------------------------------------------------------------------------


def _run_step(draft: Draft, preview: TestReport, schema: Schema | None) -> None:
    st.subheader("4 · Run")
    config = _options(draft, preview, schema)
    if schema is not None:
        _show_rows(preview, schema, config)
    reason = _why_not(preview, schema)
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            "Run the test",
            type="primary",
            icon=":material/play_arrow:",
            key="test.run",
            disabled=reason is not None,
            shortcut="Ctrl+Enter",
        )
        if reason:
            st.caption(reason)
    if pressed and schema is not None:
        edited = schema if schema != preview.schema_.data_schema else None
        _start(draft, config, edited)


def _why_not(preview: TestReport, schema: Schema | None) -> str | None:
    if schema is None:
        return "Mend the columns above first."
    if not schema.inputs:
        return "The model needs at least one input column."
    return None


def _options(draft: Draft, preview: TestReport, schema: Schema | None) -> RunConfig:
    left, middle, right = st.columns(3)
    n_rows = left.number_input(
        "Rows", 10, 1_000_000, 1000, 100, key="test.rows", persist_state="session"
    )
    seed = middle.number_input(
        "Seed",
        0,
        2**32 - 1,
        0,
        key="test.seed",
        persist_state="session",
        help="The same seed gives the same numbers, timings aside.",
    )
    seconds = right.number_input(
        "Seconds for explanations",
        0.5,
        300.0,
        3.0,
        0.5,
        key="test.seconds",
        persist_state="session",
    )
    chosen = st.pills(
        "What to look at",
        OPTIONAL_STAGES,
        selection_mode="multi",
        default=OPTIONAL_STAGES,
        format_func=lambda stage: stage.value.capitalize(),
        key="test.stages",
    )
    info = preview.model.info
    positive = None
    named = class_names(draft, preview)
    if info is not None and info.classes and len(info.classes) == 2:
        names = list(named.values()) or [str(label) for label in info.classes]
        positive = st.selectbox(
            "The class that counts", names, index=1, key="test.positive", width=320
        )
    return RunConfig(
        n_rows=int(n_rows),
        seed=int(seed),
        target=draft.target or preview.data.target,
        targets=draft.targets,
        weight_column=draft.weight_column,
        stages=[stage for stage in Stage if stage not in OPTIONAL_STAGES or stage in chosen],
        explain_seconds=float(seconds),
        positive_class=positive,
        class_names=named,
        **advanced_options(draft, preview, schema),
    )


def _show_rows(preview: TestReport, schema: Schema, config: RunConfig) -> None:
    with st.expander("Rows it will be tested on"):
        if preview.data.source == "sample":
            st.caption("The first rows of your sample.")
            st.dataframe(preview.data.preview, key="test.preview", hide_index=True)
        else:
            st.caption("Made up from the columns above.")
            rows = synthetic_data.generate(schema, 10, config.seed)
            st.dataframe(rows, key="test.preview", hide_index=True)
        download(
            f"{config.n_rows:,} synthetic rows as CSV",
            lambda: synthetic_data.generate(schema, config.n_rows, config.seed).to_csv(index=False),
            "synthetic.csv",
            "text/csv",
            "test.synthetic",
        )


def _start(draft: Draft, config: RunConfig, edited: Schema | None) -> None:
    try:
        request = draft.request(config, hand_schema=edited)
        run_id = jobs.submit(open_store(), request, actor=actor())
    except MonitorError as error:
        st.error(escape_markdown(error), icon=":material/cancel:")
        return
    st.query_params["run"] = run_id
    st.rerun()


show()
