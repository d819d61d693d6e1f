"""Built environments: found by request, bounded in size, never taken from whoever uses one."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict
from pathlib import Path

import pytest

import environment_store
import python_finder
from environment_store import BuiltEnvironment, EnvironmentStore
from launcher import local_defaults
from settings import Settings

MB = 1 << 20


def build(store: EnvironmentStore, key: str, *, size: int = 100 * MB, age: float = 0) -> None:
    """Put an environment in place as a build does, last used some seconds ago."""
    place = store.begin(key)
    (place / "packages").mkdir()
    store.complete(place, BuiltEnvironment(key, "/bin/sh", "3.8.1", ["a==1"], size, 1.0))
    used = time.time() - age
    os.utime(store.folder / key / environment_store.FACTS, (used, used))


@pytest.fixture
def store(tmp_path: Path) -> EnvironmentStore:
    """An empty store."""
    return EnvironmentStore(tmp_path / "environments")


def test_a_request_is_answered_by_what_was_built_for_it(store: EnvironmentStore) -> None:
    """Two requests may have one answer; a removed environment answers none of them."""
    build(store, "one")
    for request in ("r1", "r2"):
        store.note_answer(request, "one")
        found = store.answer_of(request)
        assert found is not None
        assert found.key == "one"
    assert store.answer_of("r3") is None
    assert store.remove("one")
    assert store.answer_of("r1") is None


def test_an_interrupted_build_is_no_environment(store: EnvironmentStore) -> None:
    """What was begun and not completed, or damaged, or lost its interpreter, is not found."""
    store.begin("half")
    build(store, "damaged")
    (store.folder / "damaged" / environment_store.FACTS).write_text("{")
    build(store, "orphan")
    facts = asdict(BuiltEnvironment("orphan", "/no/python", "3.8.1", [], 1, 1.0))
    (store.folder / "orphan" / environment_store.FACTS).write_text(json.dumps(facts))
    assert [store.find(key) for key in ("half", "damaged", "orphan")] == [None] * 3


def test_a_damaged_environment_is_cleared_away(store: EnvironmentStore) -> None:
    """Half a file of facts, as a loss of power leaves it, hinders nothing; its folder goes."""
    build(store, "damaged")
    build(store, "sound")
    (store.folder / "damaged" / environment_store.FACTS).write_text('{"key": "dam')
    assert [built.key for built in store.list_all()] == ["sound"]
    assert store.tidy(10_000 * MB) == []
    assert [path.name for path in store.folder.iterdir() if path.is_dir()] == ["sound"]


def test_the_longest_unused_goes_first(store: EnvironmentStore) -> None:
    """Room is made by removing by last use, and only as much as is needed."""
    for key, age in (("new", 0.0), ("old", 300.0), ("older", 900.0)):
        build(store, key, age=age)
    assert store.make_room(300 * MB, 0) == []
    assert store.make_room(300 * MB, 100 * MB) == ["older"]
    assert store.find("old") is not None  # which also notes a use
    assert store.make_room(100 * MB, 0) == ["new"]


def test_what_is_in_use_stays(store: EnvironmentStore) -> None:
    """An environment that a run holds is neither removed nor tidied away."""
    build(store, "used")
    lock = store.lock("used", shared=True)
    assert lock is not None
    assert not store.remove("used")
    assert store.make_room(0, 0) == []
    os.close(lock)
    assert store.make_room(0, 0) == ["used"]


def test_abandoned_builds_are_cleared_away(store: EnvironmentStore) -> None:
    """What a killed build left is removed once no build can still be at it."""
    fresh, dead = store.begin("fresh"), store.begin("dead")
    os.utime(dead, (0, time.time() - 2 * environment_store.ABANDONED_SECONDS))
    store.tidy(0)
    assert (fresh.exists(), dead.exists()) == (True, False)


def test_the_command_lists_and_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``python -m environment_store`` shows every environment and removes what is named."""
    monkeypatch.setenv("MONITOR_ENVIRONMENTS_DIR", str(tmp_path))
    build(EnvironmentStore(tmp_path), "abc")
    assert environment_store.main([]) == 0
    assert environment_store.main(["--remove", "abc"]) == 0
    assert environment_store.main([]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["abc", "5000", "abc", "5000", "5000"]
    assert "removed" in printed[2]


def test_uv_learns_nothing_of_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets of the service are not among what uv and interpreters are started with."""
    monkeypatch.setenv("MONITOR_API_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://index.example.org/simple")
    known = python_finder.tool_environment()
    assert "secret" not in known.values()
    assert known["UV_DEFAULT_INDEX"] == "https://index.example.org/simple"


def test_an_interpreter_that_is_not_there_is_not_found() -> None:
    """Our own Python is found by its version; one that does not exist is not."""
    minor = ".".join(platform.python_version_tuple()[:2])
    found = python_finder.find_python(minor)
    assert found is None or found.version.startswith(f"{minor}.")
    assert python_finder.find_python("3.99") is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"MONITOR_ENVIRONMENTS": "true"}),
        ({"environments": False}, {}),
        ({"environments": True}, {}),
        ({"api_host": "0.0.0.0"}, {}),
    ],
)
def test_only_a_local_start_allows_building(
    options: dict[str, object], expected: dict[str, str]
) -> None:
    """A start on this machine's own addresses may build; a shared server must be told to."""
    settings = Settings.model_validate({"api_token": "x" * 20, **options})
    assert local_defaults(settings) == expected
