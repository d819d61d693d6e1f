"""The page ``/docs``: every operation with its parameters, answers and a curl line.

Owns: the page and the examples. It is made from the OpenAPI description, so it cannot disagree
with the code, and loads nothing from anywhere else, so it works offline.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api_access import OPEN_PATHS, scope_needed
from formatting import escape_html
from report_types import RunConfig

router = APIRouter(include_in_schema=False)

EXAMPLE_OPTIONS = {"n_rows": 500, "seed": 1}

RUN_TESTS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["model"],
                    "additionalProperties": False,
                    "properties": {
                        "model": {
                            "type": "string",
                            "format": "binary",
                            "description": "The model's file, told by its bytes: pickle, joblib, "
                            "skops, ONNX, XGBoost, LightGBM, CatBoost, TorchScript",
                        },
                        "extra": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "Further files of the model: vectorizer, scaler, "
                            "encoders; each under the same policy",
                        },
                        "sample": {
                            "type": "string",
                            "format": "binary",
                            "description": "Rows of its data: CSV, Parquet or JSON",
                        },
                        "target": {
                            "type": "string",
                            "description": "Column of the sample with the true answers",
                        },
                        "schema": {
                            "type": "string",
                            "description": "Schema of the input as JSON, as text or as a file",
                        },
                        "options": {
                            "type": "string",
                            "description": "JSON object with any of: "
                            + ", ".join(sorted(RunConfig.model_fields)),
                        },
                        "labels": {
                            "type": "string",
                            "description": "JSON object of labels to find the run by",
                        },
                        "source": {
                            "type": "string",
                            "enum": ["api", "client"],
                            "description": "What the list of runs says it came from",
                        },
                        "policy": {
                            "type": "string",
                            "enum": ["strict", "standard"],
                            "description": "What the file may contain; can only be stricter than "
                            "the server's own policy",
                        },
                        "composition": {
                            "type": "string",
                            "description": "JSON object: how the parts of the file belong "
                            "together; model.bundle.composition of a report is one",
                        },
                        "class_names": {
                            "type": "string",
                            "description": "JSON object: names for the model's classes",
                        },
                        "environment": {
                            "type": "string",
                            "enum": ["auto", "present", "matching", "compare"],
                            "description": "Which library versions the model runs with: those "
                            "installed here (present), those it was made with (matching), both, to "
                            "count differing predictions (compare), or whatever works (auto)",
                        },
                        "gate": {
                            "type": "string",
                            "description": "What the run must keep: a policy as YAML or JSON, see "
                            "/policy/schema and /policy/default",
                        },
                        "baseline": {
                            "type": "string",
                            "description": "What the gate compares with: a run id, branch:NAME or "
                            "label:NAME=VALUE, the last run with that label that did not fail; for "
                            "the model in production your own label, such as label:env=production",
                        },
                    },
                },
                "example": {
                    "model": "(the file's bytes)",
                    "target": "species",
                    "options": json.dumps(EXAMPLE_OPTIONS),
                    "labels": '{"commit": "1a2b3c"}',
                },
            }
        },
    }
}
"""OpenAPI of the form, which is read as a stream and therefore unknown to the framework."""

DRIFT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["reference", "current"],
                    "additionalProperties": False,
                    "properties": {
                        "reference": {
                            "type": "string",
                            "format": "binary",
                            "description": "The data that is known to be good: CSV, Parquet, JSON, "
                            "or a profile saved by python -m drift_reference",
                        },
                        "current": {
                            "type": "string",
                            "format": "binary",
                            "description": "The data in question",
                        },
                        "model": {
                            "type": "string",
                            "format": "binary",
                            "description": "A model; its answers to both tables are compared too",
                        },
                        "run_id": {
                            "type": "string",
                            "description": "Instead of a model: a finished run, whose model "
                            "answers in the environment in which it answered then",
                        },
                        "options": {
                            "type": "string",
                            "description": "JSON object with any of: thresholds (alpha, "
                            "wasserstein, total_variation, missing_rate, new_categories), jointly "
                            "(test all columns at once), seed",
                        },
                    },
                },
                "example": {
                    "reference": "(the file's bytes)",
                    "current": "(the file's bytes)",
                    "options": '{"thresholds": {"alpha": 0.01}, "jointly": true}',
                },
            }
        },
    },
}
"""OpenAPI of the form of ``POST /drift``."""

CURL_OF = {
    "compare_data": "curl -F reference=@before.csv -F current=@now.csv "
    '-F options=\'{"thresholds": {"alpha": 0.01}}\' BASE/drift',
    "validate_data": "curl -F data=@data.csv -F target=churn BASE/validate",
    "run_tests": "curl -F model=@model.pkl -F sample=@data.csv -F target=species "
    f"-F options='{json.dumps(EXAMPLE_OPTIONS)}' BASE/run_tests",
    "get_policy_schema": "curl BASE/policy/schema",
    "get_default_policy": "curl -o gate.yaml 'BASE/policy/default?task=multiclass'",
    "get_report_schema": "curl BASE/report/schema",
    "get_everything": "curl -OJ BASE/runs/RUN_ID/everything.zip",
    "get_charts": "curl -OJ 'BASE/runs/RUN_ID/charts.zip?kind=png'",
    "list_runs": "curl 'BASE/runs?verdict=fail&limit=10'",
    "get_run": "curl 'BASE/runs/RUN_ID?wait=20'",
    "get_report": "curl -o report.json BASE/runs/RUN_ID/report",
    "get_report_html": "curl -o report.html BASE/runs/RUN_ID/report.html",
    "get_report_markdown": "curl BASE/runs/RUN_ID/report.md",
    "get_junit": "curl -o junit.xml BASE/runs/RUN_ID/junit.xml",
    "get_tables": "curl -o tables.zip BASE/runs/RUN_ID/tables.zip",
    "get_data": "curl -o data.csv BASE/runs/RUN_ID/data.csv",
    "cancel_run": "curl -X POST BASE/runs/RUN_ID/cancel",
    "delete_run": "curl -X DELETE BASE/runs/RUN_ID",
    "follow_run": "curl -N BASE/runs/RUN_ID/events",
    "explain_rows": """curl -d '{"run_id": "RUN_ID", "row_numbers": [0]}' BASE/explain""",
    "list_audit": "curl -H 'Authorization: Bearer TOKEN' BASE/audit",
    "is_alive": "curl BASE/healthz",
    "is_ready": "curl BASE/readyz",
}


def describe_access(openapi: dict[str, Any]) -> None:
    """Say in an OpenAPI description which operations may want a token, and of which scope."""
    scheme = {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of `python -m tokens create`, or MONITOR_API_TOKEN. Wanted as "
        "soon as one exists; without any, a server that only its own machine reaches is open.",
    }
    openapi["components"]["securitySchemes"] = {"token": scheme}
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            if path in OPEN_PATHS:
                continue
            operation["security"] = [{"token": []}]
            scope = scope_needed(method.upper(), path).value
            text = operation.get("description", "")
            operation["description"] = f"{text} Scope: {scope}."


_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
pre{padding:.7rem;overflow-x:auto;border:1px solid #8886;border-radius:.4rem}
section{border-top:1px solid #8886;margin-top:2rem}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}
.method{font-weight:700}
"""


@router.get("/docs", response_class=HTMLResponse)
def show_docs(request: Request) -> HTMLResponse:
    """Return the page."""
    page = render_docs(request.app.openapi(), str(request.base_url).rstrip("/"))
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


@router.get("/", response_class=HTMLResponse)
def show_start(request: Request) -> HTMLResponse:
    """Return the same page to whoever opens the bare address."""
    return show_docs(request)


def render_docs(openapi: dict[str, Any], base: str) -> str:
    """Return the documentation page for an OpenAPI description."""
    info = openapi["info"]
    sections = [
        _operation(method, path, operation, base)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    title = escape_html(f"{info['title']} API {info['version']}")
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
        f"<h1>{title}</h1><p>{escape_html(info['description'])} Errors are Problem Details "
        "(RFC 9457). The machine-readable form of this page is <a href=/openapi.json>"
        f"/openapi.json</a>.</p>{''.join(sections)}</html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any], base: str) -> str:
    name = operation["operationId"]
    parts = [
        f"<section id={escape_html(name)}><h2><span class=method>{method.upper()}</span> "
        f"{escape_html(path)}</h2><p>{escape_html(operation.get('description', ''))}</p>",
        f"<pre>{escape_html(CURL_OF[name].replace('BASE', base))}</pre>",
        _table("Parameters", _parameters(operation)),
        _table("Form", _form_fields(operation)),
        _table("Answers", _answers(operation)),
        "</section>",
    ]
    return "".join(parts)


def _parameters(operation: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (f"{item['name']} ({item['in']})", item.get("description", ""))
        for item in operation.get("parameters", [])
    ]


def _form_fields(operation: dict[str, Any]) -> list[tuple[str, str]]:
    contents = operation.get("requestBody", {}).get("content", {}).values()
    return [
        (name, field.get("description", ""))
        for content in contents
        for name, field in content["schema"]["properties"].items()
    ]


def _answers(operation: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (str(status), answer.get("description", ""))
        for status, answer in operation["responses"].items()
    ]


def _table(title: str, rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    body = "".join(
        f"<tr><td><code>{escape_html(name)}</code></td><td>{escape_html(text)}</td></tr>"
        for name, text in rows
    )
    return f"<h3>{title}</h3><table>{body}</table>"
