"""Details: the file, the model, the stages, and everything needed to repeat the run."""

from __future__ import annotations

import streamlit as st

from base_types import Cell
from formatting import byte_size, duration, escape_markdown, look, number, percent
from report_types import TestReport
from schema_table import bound_text
from schema_utils import Kind
from views.common import badge, settings, show_facts, show_notes, show_table
from views.diagnosis import show_environment
from views.test_bundle import show_diagram


def show(report: TestReport) -> None:
    """Lay out the section."""
    _show_file(report)
    _show_model(report)
    _show_schema(report)
    _show_stages(report)
    _show_environment(report)


def _show_file(report: TestReport) -> None:
    file = report.model.file
    st.subheader("File")
    if file is None:
        st.info(escape_markdown(report.model.reason or "The file was not read."))
        return
    st.markdown(badge(file.safety.value))
    facts: dict[str, Cell] = {
        "Name": file.name,
        "Size": byte_size(file.size_bytes),
        "SHA-256": file.sha256,
        "Container": file.container,
        "Compression": file.compression or "none",
        "Unpacked": None if file.decompressed_bytes is None else byte_size(file.decompressed_bytes),
        "Pickle protocol": file.protocol,
        "Holds": file.estimator or "–",
        "Written with": ", ".join(f"{key} {value}" for key, value in file.written_with.items()),
    }
    show_facts(facts)
    for reason in file.reasons + file.notes:
        st.caption(escape_markdown(reason))
    if file.imports:
        with st.expander(f"{len(file.imports)} names the file imports"):
            st.code("\n".join(file.imports), language=None)


def _show_model(report: TestReport) -> None:
    info = report.model.info
    if info is None:
        return
    st.subheader("Model")
    show_environment(report)
    st.caption("Reported by the model itself, from its own process.")
    show_diagram(report.model)
    facts: dict[str, Cell] = {
        "Estimator": f"{info.module}.{info.estimator}" if info.module else info.estimator,
        "Task": info.task.value,
        "Inputs": info.n_features,
        "Fitted on named columns": "yes" if info.feature_names_known else "no",
        "Classes": ", ".join(str(label) for label in info.classes or []) or "–",
        "Outputs": info.n_outputs,
        "Probabilities": "yes" if info.has_proba else "no",
        "Isolation": report.model.isolation,
        "Policy": report.model.policy or "–",
        "Own code": report.model.approval or "none approved",
        "Memory by loading": byte_size(info.memory_bytes),
    }
    show_facts(facts)
    show_notes(info.notes + report.model.warnings)
    for step in info.steps:
        with st.expander(f"Step {escape_markdown(step.name)}: {escape_markdown(step.estimator)}"):
            show_facts(step.parameters)
    if info.parameters and not info.steps:
        with st.expander("Parameters"):
            show_facts(info.parameters)


def _show_schema(report: TestReport) -> None:
    schema = report.schema_.data_schema
    if schema is None:
        return
    st.subheader("Columns")
    st.caption(f"From {', '.join(report.schema_.sources) or 'the model'}.")
    rows: list[dict[str, Cell]] = [
        {
            "Column": feature.name,
            "Type": feature.kind.value,
            "Minimum": _end(feature.minimum, feature.kind),
            "Maximum": _end(feature.maximum, feature.kind),
            "Categories": ", ".join(str(item) for item in (feature.categories or [])[:12]),
            "Missing": percent(feature.missing_rate),
            "From": feature.source,
            "Target": "yes" if feature.is_target else "",
        }
        for feature in schema.features
    ]
    show_table(rows, "details.schema")


def _end(value: float | None, kind: Kind) -> str:
    """Write an end of a column's range; that of dates is kept in seconds since 1970."""
    return bound_text(value, kind) if kind is Kind.DATETIME else number(value)


def _show_stages(report: TestReport) -> None:
    st.subheader("Stages")
    rows: list[dict[str, Cell]] = [
        {
            "Stage": record.stage.value,
            "Result": f"{look(record.status.value).symbol} {look(record.status.value).word}",
            "Took": duration(record.seconds),
            "Why": record.reason or "",
        }
        for record in report.stages
    ]
    show_table(rows, "details.stages")


def _show_environment(report: TestReport) -> None:
    st.subheader("Run it again")
    here = report.environment
    facts: dict[str, Cell] = {
        "Product": here.product_version,
        "Python": here.python,
        "Platform": here.platform,
        "Processor": f"{here.cpu} ({here.n_cpus} cores, load {here.load_average})",
        **here.libraries,
    }
    show_facts(facts)
    address = f"{settings().api_url}/run_tests"
    sample = " -F sample=@data.csv" if report.data.source == "sample" else ""
    target = f" -F target={report.data.target}" if report.data.target else ""
    st.code(f"curl -F model=@model.pkl{sample}{target} {address}", language="sh")
    with st.expander("Settings of this run"):
        st.code(report.config.model_dump_json(indent=2), language="json")
