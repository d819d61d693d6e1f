"""What writers of policies and readers of reports need: two JSON Schemas and default policies.

Owns: ``/policy/schema``, ``/policy/default`` and ``/report/schema``.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from model_types import Task
from policy import policy_schema
from policy_defaults import default_policy
from report_types import TestReport

router = APIRouter(tags=["gate"])

YAML = "application/yaml"


@router.get("/policy/schema", operation_id="get_policy_schema")
def get_policy_schema() -> dict[str, Any]:
    """Return the JSON Schema of a policy; editors complete and check with it."""
    return policy_schema()


@router.get(
    "/policy/default",
    operation_id="get_default_policy",
    response_class=Response,
    responses={200: {"content": {YAML: {}}}},
)
def get_default_policy(task: Annotated[Task, Query()] = Task.BINARY) -> Response:
    """Return a good policy to begin with, as YAML with comments."""
    return Response(default_policy(task), media_type=YAML)


@router.get("/report/schema", operation_id="get_report_schema")
def get_report_schema() -> dict[str, Any]:
    """Return the JSON Schema of a report."""
    schema = TestReport.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema
