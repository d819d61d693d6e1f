"""Is this installation all right, and how safe is it: ``python -m doctor`` or ``make doctor``.

Owns: the list of what is looked at. Each finding is *ok*, *warn* (works, but weaker than it could
be) or *fail* (cannot work, or breaks what the settings demand); any *fail* makes the exit code 1.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple

import landlock_rules
import python_finder
import syscall_rules
from errors import InputError, MonitorError, StorageError
from isolation import BASE_LAYERS, RUN_A_PROGRAM, IsolationReport, self_test
from isolation_probe import ATTEMPTS
from sandbox import WorkerParent
from settings import Settings, load_settings, oidc_is_configured
from storage import Store
from version_eras import ERAS, parse_version

OLDEST_PYTHON = (3, 11)
OPTIONAL = {
    "catboost": "CatBoost (.cbm)",
    "torch": "TorchScript and torch.export (.pt, .pt2)",
    "backports.zstd": "pickles compressed with zstd (.zst)",
}
"""Packages that are not required, and the files they are for."""
REQUIREMENTS = Path(__file__).resolve().parent / "requirements.txt"


class Finding(NamedTuple):
    """What was looked at and what was found."""

    level: Literal["ok", "warn", "fail"]
    what: str
    found: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield all findings, the quick ones first."""
    yield _python()
    yield from libraries(REQUIREMENTS.read_text(encoding="utf-8"))
    yield from optional_libraries()
    yield from _store(settings)
    yield from _kernel()
    with WorkerParent() as workers:
        yield from isolation_findings(self_test(workers), settings)
    yield Finding("ok", "model policy", settings.model_policy)
    yield from _environments(settings)
    yield from weakening(settings)


def _python() -> Finding:
    level: Literal["ok", "fail"] = "ok" if sys.version_info >= OLDEST_PYTHON else "fail"
    return Finding(level, "Python", f"{platform.python_version()} on {platform.platform()}")


def libraries(requirements: str) -> Iterator[Finding]:
    """Compare what is installed with the pins of a requirements file."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", requirements, re.M))
    wrong = []
    for name, wanted in pins.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Finding("fail", "libraries", f"{name} {wanted} is not installed; run make run")
            wrong.append(name)
            continue
        if found != wanted:
            yield Finding("warn", "libraries", f"{name} is {found}, tested with {wanted}")
            wrong.append(name)
    yield Finding("ok", "libraries", f"{len(pins) - len(wrong)} of {len(pins)} as tested")


def optional_libraries() -> Iterator[Finding]:
    """Yield which further model formats can be read here, and what would add the others."""
    for package, formats in OPTIONAL.items():
        try:
            yield Finding("ok", "formats", f"{formats}: {package} {version(package)}")
        except PackageNotFoundError:
            yield Finding("ok", "formats", f"{formats}: not read here; pip install {package}")


def _store(settings: Settings) -> Iterator[Finding]:
    try:
        store = Store.open(settings)
    except (StorageError, OSError) as error:
        yield Finding("fail", "store", f"{settings.data_dir}: {error}")
        return
    try:
        store.check_writable()
        store.save_bytes(b"doctor", kind="data", name="doctor")
        yield Finding("ok", "store", f"{settings.data_dir} can be written")
        yield from _access(settings, store)
    except (StorageError, OSError) as error:
        yield Finding("fail", "store", f"{settings.data_dir} cannot be written: {error}")
    finally:
        store.close()


def _access(settings: Settings, store: Store) -> Iterator[Finding]:
    has_token = bool(settings.token) or store.access.any_token()
    if settings.is_public and not has_token:
        yield Finding("fail", "API", f"{settings.api_host} is public and there is no token")
    elif has_token:
        yield Finding("ok", "API", f"on {settings.api_host}, asks for a token")
    else:
        level: Literal["ok", "warn"] = "warn" if settings.has_sign_in else "ok"
        found = f"on {settings.api_host}, open to everybody on this machine without a token"
        yield Finding(level, "API", found)
    approved = [item for item in store.access.list_approvals() if item.revoked_at is None]
    if approved:
        count = len(approved)
        yield Finding("warn", "approvals", f"{count} in force: these files may run their own code")


def _kernel() -> Iterator[Finding]:
    abi = landlock_rules.version()
    found = f"version {abi}" if abi else "not offered by this kernel (Linux 5.13 or later has it)"
    yield Finding("ok" if abi else "warn", "Landlock", found)
    has_seccomp = syscall_rules.compile_program() is not None
    found = "there" if has_seccomp else "libseccomp is missing (apt-get install libseccomp2)"
    yield Finding("ok" if has_seccomp else "warn", "seccomp", found)


def _environments(settings: Settings) -> Iterator[Finding]:
    """Yield what environments of other versions could be built with."""
    if not settings.environments:
        return
    if python_finder.uv_command() is None:
        yield Finding("warn", "environments", "uv is missing: pip install uv")
        return
    minors = sorted({text for era in ERAS for text in era.pythons.split()}, key=parse_version)
    found = [minor for minor in minors if python_finder.find_python(minor)]
    level: Literal["ok", "warn"] = "ok" if found else "warn"
    yield Finding(level, "environments", f"uv, and Python {', '.join(found) or 'of no kind'}")


def isolation_findings(report: IsolationReport, settings: Settings) -> Iterator[Finding]:
    """Yield the level of isolation and what became of each attempt to break out."""
    enough = report.reaches(settings.require_isolation)
    if settings.model_policy == "custom" and report.level != "full":
        enough = False
    level: Literal["ok", "warn", "fail"] = "ok" if report.level == "full" else "warn"
    demand = f"; {settings.require_isolation} is required, policy {settings.model_policy}"
    yield Finding(level if enough else "fail", "isolation", report.summary + demand)
    if not set(BASE_LAYERS) & set(report.layers):
        return  # no probe could run
    for name in (*ATTEMPTS, RUN_A_PROGRAM):
        held = name not in report.findings
        yield Finding("ok" if held else "warn", f"  {name}", "held" if held else "GOT THROUGH")


def weakening(settings: Settings) -> Iterator[Finding]:
    """Yield the settings that make things less safe than they are by default."""
    if settings.model_policy == "custom":
        yield Finding("warn", "MONITOR_MODEL_POLICY", "custom: every file may run its own code")
    if settings.require_isolation == "none":
        yield Finding("warn", "MONITOR_REQUIRE_ISOLATION", "none: models load however weakly held")
    if settings.environments:
        yield Finding("warn", "MONITOR_ENVIRONMENTS", "on: uploads can make packages be installed")
    if settings.has_sign_in and not oidc_is_configured():
        yield Finding("ok", "dashboard", "asks for the shared password")
    if oidc_is_configured() and not settings.dashboard_users:
        yield Finding("warn", "MONITOR_DASHBOARD_USERS", "empty: whoever has an account gets in")
    for name in ("api_host", "dashboard_host"):
        if getattr(settings, name) in ("0.0.0.0", "::"):  # noqa: S104 - warns of it
            found = "all interfaces; put a proxy with TLS in front"
            yield Finding("warn", f"MONITOR_{name.upper()}", found)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        yield Finding("warn", "user", "root; an ordinary user is safer")


def main() -> int:
    """Print all findings; return 1 if one of them is a failure."""
    failed = False
    try:
        for finding in examine(load_settings()):
            failed = failed or finding.level == "fail"
            sys.stdout.write(f"{finding.level:4}  {finding.what:46} {finding.found}\n")
            sys.stdout.flush()
    except (InputError, MonitorError) as error:
        sys.stdout.write(f"fail  {error}\n")
        return 1
    sys.stdout.write("Something needs repair.\n" if failed else "Ready to test models.\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
