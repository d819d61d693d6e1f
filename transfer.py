"""Carry the runs of a store elsewhere: ``python -m transfer export|import FILE``.

Owns: the archive: one ZIP with a manifest, each finished run with its report, and its files.
Tokens, approvals and the audit log stay where they are; they belong to one installation.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from errors import InputError, MonitorError, NotFoundError
from report_types import TestReport
from settings import load_settings
from storage import Store
from storage_tables import SCHEMA_REVISION
from strict_json import read_json

FORMAT = 1
MANIFEST = "manifest.json"
CHUNK = 1024 * 1024


def export_store(store: Store, path: Path) -> int:
    """Write every finished run with report and files into a new ZIP; return how many.

    Raises
    ------
    InputError
        The file exists already.
    """
    if path.exists():
        msg = f"{path} exists already; name a new file"
        raise InputError(msg)
    total, written = 0, set[str]()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        manifest = {"format": FORMAT, "revision": SCHEMA_REVISION}
        archive.writestr(MANIFEST, json.dumps(manifest))
        for values, body in store.export_runs():
            values["artifacts"] = [_describe(store, sha256) for sha256 in values["files"]]
            run_id = values["run"]["id"]
            archive.writestr(f"runs/{run_id}.json", json.dumps(values))
            if body is not None:
                archive.writestr(f"reports/{run_id}.json.gz", body)
            for sha256 in set(values["files"]) - written:
                archive.write(store.artifact_path(sha256), f"files/{sha256}")
                written.add(sha256)
            total += 1
    return total


def _describe(store: Store, sha256: str) -> dict[str, str]:
    known = store.get_artifact(sha256)
    return {"sha256": sha256, "kind": known.kind, "name": known.name}


def import_store(store: Store, path: Path) -> tuple[int, int]:
    """Add the runs of an archive; return how many are new and how many were known already.

    Files are checked against their SHA-256 and reports are read before anything is added. Doing it
    twice changes nothing.

    Raises
    ------
    InputError
        The file is no such archive, was made by another version, or is damaged.
    """
    new = known = 0
    try:
        with zipfile.ZipFile(path) as archive:
            _check_manifest(read_json(archive.read(MANIFEST), what=MANIFEST))
            names = [name for name in archive.namelist() if name.startswith("runs/")]
            for name in names:
                added = _import_run(store, archive, read_json(archive.read(name), what=name))
                new, known = new + added, known + (not added)
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        msg = f"{path} is no archive of runs, or it is damaged: {error}"
        raise InputError(msg) from error
    return new, known


def _check_manifest(manifest: dict[str, Any]) -> None:
    found = (manifest["format"], manifest["revision"])
    if found != (FORMAT, SCHEMA_REVISION):
        msg = (
            f"The archive has form {found[0]} and revision {found[1]}, this program reads "
            f"{FORMAT} and {SCHEMA_REVISION}; export it again with the same version of the program"
        )
        raise InputError(msg)


def _import_run(store: Store, archive: zipfile.ZipFile, values: dict[str, Any]) -> bool:
    run_id = values["run"]["id"]
    try:
        store.get_run(run_id)
    except NotFoundError:
        pass
    else:
        return False
    body = None
    if values["schema_version"] is not None:
        body = archive.read(f"reports/{run_id}.json.gz")
        _check_report(body, run_id)
    for file in values["artifacts"]:
        _import_file(store, archive, file)
    return store.import_run(values, body)


def _check_report(body: bytes, run_id: str) -> None:
    try:
        report = TestReport.model_validate_json(gzip.decompress(body))
    except (ValidationError, EOFError) as error:
        msg = f"the report of run {run_id} cannot be read"
        raise ValueError(msg) from error
    if report.run_id != run_id:
        msg = f"the report of run {run_id} belongs to run {report.run_id}"
        raise ValueError(msg)


def _import_file(store: Store, archive: zipfile.ZipFile, file: dict[str, str]) -> None:
    name = f"files/{file['sha256']}"
    size = archive.getinfo(name).file_size
    with store.artifact_writer(size) as incoming, archive.open(name) as source:
        while chunk := source.read(CHUNK):
            incoming.write(chunk)
        incoming.complete()
        if incoming.sha256 != file["sha256"]:
            msg = f"{name} has another SHA-256 than its name says"
            raise ValueError(msg)
        store.keep_artifact(incoming, kind=file["kind"], name=file["name"])


def main(arguments: list[str] | None = None) -> int:
    """Export or import and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m transfer",
        description="Carry the finished runs of the store in MONITOR_DATA_DIR elsewhere.",
    )
    parser.add_argument("action", choices=("export", "import"))
    parser.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    try:
        store = Store.open(load_settings())
        try:
            sys.stdout.write(_do(store, options.action, options.file))
        finally:
            store.close()
    except MonitorError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _do(store: Store, action: str, path: Path) -> str:
    if action == "export":
        return f"{export_store(store, path)} runs written to {path}\n"
    new, known = import_store(store, path)
    return f"{new} runs added, {known} were there already\n"


if __name__ == "__main__":
    sys.exit(main())
