"""From the form of ``POST /run_tests`` to a queued run.

Owns: the fields of the form, what each may hold, and the sentences for what it may not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, get_args

from pydantic import ValidationError

import jobs
from api_uploads import Form, Upload, required_file
from composition_types import Composition
from diagnosis_types import EnvironmentChoice
from errors import InputError
from gate_stage import parse_baseline
from model_file import display_name, inspect_file
from model_types import ModelFileInfo
from policy import read_policy
from policy_types import Policy
from report_types import RunConfig, RunRequest
from run_types import check_label_name
from schema_json import schema_from_json
from storage import Store
from strict_json import read_json
from upload_parts import keep_together

FIELDS = frozenset(
    {
        *("schema", "target", "options", "labels", "source", "policy", "gate", "baseline"),
        *("environment", "composition", "class_names"),
    }
)
MAX_KEY = 200
"""Longest Idempotency-Key."""


def submit_form(store: Store, form: Form, idempotency_key: str | None, *, actor: str) -> str:
    """Check a received form, keep its files, queue the run for ``actor`` and return its id.

    Raises
    ------
    InputError
        A field is missing or wrong; the message names it.
    UnsupportedFileError
        The model file is no model that can be tested; the message says what it is.
    BusyError
        The queue is full.
    """
    model = required_file(form, "model", "model.pkl")
    if idempotency_key is not None and not 0 < len(idempotency_key) <= MAX_KEY:
        msg = f"The Idempotency-Key has {len(idempotency_key)} characters; expected 1 to {MAX_KEY}"
        raise InputError(msg)
    values = request_values(form.fields)
    file = _keep_model(store, model, form.extras)
    sample = form.files.get("sample")
    request = RunRequest(
        model_sha256=file.sha256,
        model_name=file.name,
        sample_sha256=_keep(store, sample, "sample") if sample else None,
        sample_name=display_name(sample.name) if sample else None,
        **values,
    )
    return jobs.submit(store, request, idempotency_key=idempotency_key, actor=actor)


def _keep_model(store: Store, model: Upload, extras: list[Upload]) -> ModelFileInfo:
    """Store the model's file, or all its files as one, and return what the bytes tell."""
    for upload in (model, *extras):
        upload.incoming.complete()
    if not extras:
        file = inspect_file(model.incoming.path, model.name)
        _keep(store, model, "model")
        return file
    with ExitStack() as stack:
        files = [
            (upload.name, stack.enter_context(upload.incoming.path.open("rb")))
            for upload in (model, *extras)
        ]
        return keep_together(store, list(files), store.settings.max_model_bytes)


def _keep(store: Store, upload: Upload, kind: str) -> str:
    name = display_name(upload.name)
    return store.keep_artifact(upload.incoming, kind=kind, name=name).sha256


def request_values(fields: Mapping[str, bytes]) -> dict[str, Any]:
    """Read the fields of the form beside the files; raises ``InputError`` naming the wrong one."""
    schema = fields.get("schema", b"").strip()
    return {
        "config": _config(fields),
        "json_schema": schema_from_json(schema) if schema else None,
        "labels": _labels(fields),
        "source": "client" if _text(fields, "source") == "client" else "api",
        "policy": _policy(fields),
        "environment": _environment(fields),
        "gate": _gate(fields),
        "baseline": _baseline(fields),
        "composition": _composition(fields),
    }


def _composition(fields: Mapping[str, bytes]) -> Composition | None:
    """Return how the parts of the file belong together, where the form says so."""
    given = _json_object(fields, "composition")
    try:
        return Composition.model_validate(given) if given else None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = f"In the field 'composition', {where}: {first['msg']}; see the run's report for one"
        raise InputError(msg) from None


def _gate(fields: Mapping[str, bytes]) -> Policy | None:
    text = _text(fields, "gate")
    return read_policy(text) if text else None


def _baseline(fields: Mapping[str, bytes]) -> str | None:
    text = _text(fields, "baseline")
    if text:
        parse_baseline(text)
    return text or None


def _policy(fields: Mapping[str, bytes]) -> str | None:
    """Return the policy asked for; a request can tighten the operator's, never loosen it."""
    asked = _text(fields, "policy")
    if asked not in ("", "strict", "standard"):
        msg = (
            f"The field 'policy' is {asked[:40]!r}; expected strict or standard. What a file may "
            "do beyond that is the operator's to decide"
        )
        raise InputError(msg)
    return asked or None


def _environment(fields: Mapping[str, bytes]) -> str:
    asked, known = _text(fields, "environment") or "auto", get_args(EnvironmentChoice)
    if asked not in known:
        msg = f"The field 'environment' is {asked[:40]!r}; expected one of {', '.join(known)}"
        raise InputError(msg)
    return asked


def _config(fields: Mapping[str, bytes]) -> RunConfig:
    options = _json_object(fields, "options")
    names = _json_object(fields, "class_names")
    if names:
        options["class_names"] = names
    target = _text(fields, "target")
    if target:
        options["target"] = target
    try:
        return RunConfig.model_validate(options)
    except ValidationError as error:
        raise InputError(_wrong_options(error)) from None


def _wrong_options(error: ValidationError) -> str:
    parts = []
    for item in error.errors(include_url=False):
        name = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            known = ", ".join(sorted(RunConfig.model_fields))
            parts.append(f"unknown option {name!r}; there are {known}")
        else:
            parts.append(f"the option {name} is {item['input']!r:.80}: {item['msg']}")
    return "In the field 'options': " + "; ".join(parts)


def _labels(fields: Mapping[str, bytes]) -> dict[str, str]:
    labels = _json_object(fields, "labels")
    if len(labels) > 20 or any(len(f"{name}{value}") > 500 for name, value in labels.items()):
        msg = "The field 'labels' holds at most 20 labels of 500 characters each"
        raise InputError(msg)
    for name in labels:
        check_label_name(name)
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in labels.items()
    }


def _json_object(fields: Mapping[str, bytes], name: str) -> dict[str, Any]:
    text = _text(fields, name)
    if not text:
        return {}
    value = read_json(text, what=f"The field {name!r}")
    if not isinstance(value, dict):
        msg = f"The field {name!r} holds {text[:60]!r}; expected a JSON object like {{}}"
        raise InputError(msg)
    return value


def _text(fields: Mapping[str, bytes], name: str) -> str:
    try:
        return fields.get(name, b"").decode().strip()
    except UnicodeDecodeError as error:
        msg = f"The field {name!r} is not UTF-8: {error.reason} at byte {error.start}"
        raise InputError(msg) from error
