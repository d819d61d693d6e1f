"""Every setting of the product, once, typed, from the environment.

Owns: ``Settings`` and ``get_settings``. Each setting is read from ``MONITOR_<NAME>`` (for example
``MONITOR_API_PORT=9000``) and checked when the program starts, so that a wrong value is one clear
sentence at once instead of a surprise later.
"""

from __future__ import annotations

import math
import os
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from errors import InputError

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
"""Addresses that only this machine can reach; any other needs a token or a sign-in."""

EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - names, binds nothing
"""What means every address of this machine, and one of them."""

MIB = 1024 * 1024
MAX_THREADS = 4
"""Most threads of one library in a model's process."""
MIN_PASSWORD = 10
"""Fewest characters of the dashboard's password."""

SECRETS = Path(__file__).resolve().parent / ".streamlit" / "secrets.toml"
"""Where Streamlit looks for its own OpenID Connect settings."""


def http_address(host: str, port: int) -> str:
    """Return where this machine finds a server that listens on an address.

    Examples
    --------
    >>> http_address("::1", 8000), http_address("0.0.0.0", 8000)
    ('http://[::1]:8000', 'http://127.0.0.1:8000')
    """
    host = EVERY_ADDRESS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def default_slots() -> int:
    """Return how many runs go at once by default: one per core but one, two on a small machine."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(2, cpus), cpus - 1)


class Settings(BaseSettings):
    """What an operator may decide; every field is ``MONITOR_`` plus its name in capitals.

    Examples
    --------
    >>> Settings(api_port=9000, api_token="secret").api_port
    9000
    """

    model_config = SettingsConfigDict(env_prefix="MONITOR_", extra="ignore", frozen=True)

    data_dir: Path = Field(
        default=Path("data"), description="Directory of the store and of uploaded files"
    )
    database_url: str = Field(
        default="", description="SQLAlchemy URL; empty is SQLite inside the data directory"
    )
    api_host: str = Field(default="127.0.0.1", description="Address the API listens on")
    api_port: int = Field(default=8000, ge=0, le=65535, description="Port of the API; 0 picks one")
    api_token: SecretStr | None = Field(
        default=None,
        description="Bearer token of the API, for everything; python -m tokens makes narrower ones",
    )
    allowed_hosts: list[str] = Field(
        default_factory=list,
        description="Further names that API and dashboard answer to, as JSON: "
        '["monitor.example.org"]',
    )
    dashboard_host: str = Field(default="127.0.0.1", description="Address of the dashboard")
    dashboard_port: int = Field(default=8501, ge=0, le=65535, description="Port of the dashboard")
    dashboard_password: SecretStr | None = Field(
        default=None,
        min_length=MIN_PASSWORD,
        description="Shared password of the dashboard; instead of it, [auth] in "
        ".streamlit/secrets.toml lets an OpenID Connect provider sign people in",
    )
    dashboard_users: list[str] = Field(
        default_factory=list,
        description='Who may sign in through the provider, as JSON: ["ana@example.org", '
        '"@example.org"]; empty is everybody whom the provider lets in',
    )
    model_policy: Literal["strict", "standard", "custom"] = Field(
        default="standard",
        description="What a model file may contain: formats without code, plus pickles of known "
        "types, or anything (then full isolation is needed)",
    )
    require_isolation: Literal["none", "partial", "full"] = Field(
        default="none", description="Refuse to load models under weaker isolation than this"
    )
    environments: bool = Field(
        default=False,
        description="May environments with other library versions be built from the package index; "
        "a start with make run on this machine's own addresses sets it to true",
    )
    environments_dir: Path | None = Field(
        default=None, description="Where they are kept; default: in the data directory"
    )
    environments_mb: int = Field(
        default=5000, ge=700, description="Room for such environments, MiB; the oldest go first"
    )
    environment_seconds: float = Field(
        default=240.0, gt=0, le=3600, description="Longest time of building one, seconds"
    )
    fetch_pythons: bool = Field(
        default=False, description="May uv download an interpreter that is not on this machine"
    )
    max_model_mb: int = Field(default=200, ge=1, description="Largest model file, MiB")
    max_sample_mb: int = Field(default=200, ge=1, description="Largest data file, MiB")
    memory_mb: int = Field(default=2048, ge=256, description="Memory of one model's process, MiB")
    run_seconds: float = Field(
        default=600.0, gt=0, le=86_400, description="Longest time of one run, seconds"
    )
    load_seconds: float = Field(
        default=30.0, gt=0, le=3600, description="Longest time of loading one model, seconds"
    )
    call_seconds: float = Field(
        default=60.0, gt=0, le=3600, description="Longest time of one call to a model, seconds"
    )
    slots: int = Field(default_factory=default_slots, ge=1, le=64, description="Runs at once")
    queue_limit: int = Field(default=20, ge=1, le=10_000, description="Runs that may wait")
    queue_limit_each: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Of them, runs of one client (token, user, else address); 0 is all",
    )
    keep_days: float = Field(
        default=0, ge=0, description="Days that runs are kept; 0 is for ever, baselines always stay"
    )
    keep_runs: int = Field(default=0, ge=0, description="Runs kept of each model; 0 is all")
    keep_mb: int = Field(default=0, ge=0, description="MiB of reports and files kept; 0 is all")
    runs_per_minute: int = Field(
        default=60,
        ge=1,
        le=100_000,
        description="Runs that one client of the API (token, else address) may start per minute",
    )

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if url and not url.startswith(("sqlite:///", "postgresql+psycopg://")):
            msg = "expected sqlite:///path or postgresql+psycopg://user@host/name"
            raise ValueError(msg)
        return url

    @field_validator("data_dir", "environments_dir")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        if path is None:
            return None
        absolute = path.expanduser().absolute()
        if absolute.exists() and not absolute.is_dir():
            msg = "is a file; expected a directory"
            raise ValueError(msg)
        return absolute

    @model_validator(mode="after")
    def _sign_in_where_others_can_reach(self) -> Self:
        if self.dashboard_host not in LOOPBACK_HOSTS and not self.has_sign_in:
            msg = (
                f"MONITOR_DASHBOARD_HOST is {self.dashboard_host!r}, which other machines can "
                "reach, and there is no sign-in, so anybody there could run models here. Set "
                "MONITOR_DASHBOARD_PASSWORD, or [auth] in .streamlit/secrets.toml, or use 127.0.0.1"
            )
            raise ValueError(msg)
        return self

    @property
    def has_sign_in(self) -> bool:
        """Whether the dashboard asks who somebody is."""
        return self.dashboard_password is not None or oidc_is_configured()

    @property
    def is_public(self) -> bool:
        """Whether other machines can reach the API."""
        return self.api_host not in LOOPBACK_HOSTS

    @property
    def api_url(self) -> str:
        """Where this machine finds the API."""
        return http_address(self.api_host, self.api_port)

    @property
    def dashboard_url(self) -> str:
        """Where this machine finds the dashboard."""
        return http_address(self.dashboard_host, self.dashboard_port)

    @property
    def environments_folder(self) -> Path:
        """Where environments of other versions are kept."""
        return self.environments_dir or self.data_dir / "environments"

    @property
    def token(self) -> str:
        """The API's bearer token, empty where none is needed."""
        return self.api_token.get_secret_value() if self.api_token else ""

    @property
    def url(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir / 'monitor.db'}"

    @property
    def cpu_seconds(self) -> int:
        """Processor time of one model's process: a whole run on every thread it may use."""
        return math.ceil(self.run_seconds) * min(os.cpu_count() or 1, MAX_THREADS)

    @property
    def max_model_bytes(self) -> int:
        """Largest model file in bytes."""
        return self.max_model_mb * MIB

    @property
    def max_sample_bytes(self) -> int:
        """Largest data file in bytes."""
        return self.max_sample_mb * MIB


_FOR_PROCESSES = (
    *("data_dir", "database_url", "model_policy", "require_isolation", "environments"),
    *("environments_mb", "environment_seconds", "fetch_pythons", "memory_mb", "run_seconds"),
    *("load_seconds", "call_seconds", "slots", "queue_limit", "keep_days", "keep_runs", "keep_mb"),
)


def as_environment(settings: Settings) -> dict[str, str]:
    """Return what processes of ours need of the settings, as variables; no secrets.

    Examples
    --------
    >>> as_environment(Settings(memory_mb=512))["MONITOR_MEMORY_MB"]
    '512'
    """
    values = settings.model_dump(mode="json", include=set(_FOR_PROCESSES))
    values["environments_dir"] = settings.environments_folder
    return {f"MONITOR_{name.upper()}": str(value) for name, value in values.items()}


def oidc_is_configured() -> bool:
    """Whether Streamlit's secrets file has a section ``[auth]``."""
    try:
        return "auth" in tomllib.loads(SECRETS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{SECRETS} is no TOML: {error}"
        raise ValueError(msg) from error


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises
    ------
    InputError
        A value is wrong; the message names every wrong variable and what was expected.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise InputError(_explain(error)) from None


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return this process's settings, read once; see ``load_settings``."""
    return load_settings()


def _explain(error: ValidationError) -> str:
    """One line per wrong variable, without its value where that is a secret."""
    lines = []
    for item in error.errors(include_url=False):
        name = "MONITOR_" + "_".join(str(part) for part in item["loc"][:1]).upper()
        message = str(item["msg"]).removeprefix("Value error, ")
        if not item["loc"]:
            lines.append(message)
        elif name in ("MONITOR_API_TOKEN", "MONITOR_DASHBOARD_PASSWORD"):
            lines.append(f"{name}: {message}")
        else:
            lines.append(f"{name}={item['input']!r}: {message}")
    return "Wrong settings: " + "; ".join(lines)
