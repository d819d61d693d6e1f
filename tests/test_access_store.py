"""Tokens, approvals and the audit log in the store, and the commands over them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import approvals
import audit
import tokens
from access_store import escape_control
from access_types import Action, Scope
from errors import ConflictError, InputError, NotFoundError
from settings import Settings
from storage import Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A fresh store, which the commands use too."""
    monkeypatch.setenv("MONITOR_DATA_DIR", str(tmp_path))
    opened = Store.open(Settings(data_dir=tmp_path))
    yield opened
    opened.close()


def test_a_token_is_known_by_its_hash_only(store: Store, tmp_path: Path) -> None:
    """The right token gives its scopes, a changed one nothing, and no file holds it."""
    token = store.access.create_token("ci", [Scope.RUN], expires_at=None, actor="me")
    caller = store.access.caller_of(token)
    assert caller is not None
    assert (caller.actor, set(caller.scopes)) == ("token ci", {Scope.RUN})
    assert store.access.caller_of(token[:-1]) is None
    assert store.access.caller_of("wröng") is None
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert token.encode() not in written
    assert hashlib.sha256(token.encode()).digest() in written


def test_tokens_end(store: Store) -> None:
    """A token past its end and a revoked one are worthless; its name stays taken."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    expired = store.access.create_token("a", [Scope.RUN], expires_at=past, actor="me")
    revoked = store.access.create_token("b", [Scope.RUN], expires_at=None, actor="me")
    store.access.revoke_token("b", actor="me")
    assert (store.access.caller_of(expired), store.access.caller_of(revoked)) == (None, None)
    with pytest.raises(ConflictError, match="already"):
        store.access.create_token("b", [Scope.RUN], expires_at=None, actor="me")
    with pytest.raises(NotFoundError, match="'b'"):
        store.access.revoke_token("b", actor="me")


def test_use_is_noted(store: Store) -> None:
    """The list says when a token was last used."""
    token = store.access.create_token("ci", [Scope.READ], expires_at=None, actor="me")
    assert store.access.list_tokens()[0].last_used_at is None
    store.access.caller_of(token)
    assert store.access.list_tokens()[0].last_used_at is not None


def test_approvals_come_and_go(store: Store) -> None:
    """A file is approved by its SHA-256 until that is revoked; the history stays."""
    sha256 = "ab" * 32
    store.access.approve(sha256, name="m.pkl", actor="ana", note="ours")
    store.access.approve(sha256, name="m.pkl", actor="bea", note="looked again")
    found = store.access.find_approval(sha256)
    assert found is not None
    assert found.sentence.startswith("approved by bea on 20")
    assert store.access.find_approval("cd" * 32) is None
    store.access.revoke_approval(sha256, actor="ana")
    assert store.access.find_approval(sha256) is None
    assert [item.approved_by for item in store.access.list_approvals()] == ["ana", "bea"]
    with pytest.raises(NotFoundError):
        store.access.revoke_approval(sha256, actor="ana")


def test_log_is_written_with_what_it_tells_of(store: Store) -> None:
    """Each change of a right is an entry with who, what and on which thing."""
    store.access.create_token("ci", [Scope.RUN], expires_at=None, actor="ana")
    store.access.revoke_token("ci", actor="bea")
    store.access.approve("ab" * 32, name="m.pkl", actor="ana", note="")
    told = [(entry.actor, entry.action, entry.target) for entry in store.access.list_audit()]
    assert told == [
        ("ana", Action.APPROVAL_ADDED, "ab" * 32),
        ("bea", Action.TOKEN_REVOKED, "ci"),
        ("ana", Action.TOKEN_CREATED, "ci"),
    ]
    newest = store.access.list_audit(1)[0]
    assert [entry.action for entry in store.access.list_audit(before=newest.id)] == [
        Action.TOKEN_REVOKED,
        Action.TOKEN_CREATED,
    ]


@pytest.mark.parametrize("name", ["", "-ci", "a b", "caf\u00e9", "x" * 65])
def test_a_name_is_of_the_letters_that_its_refusal_names(store: Store, name: str) -> None:
    """What is refused is all that the sentence does not allow, letters beyond ASCII too."""
    with pytest.raises(InputError, match="A-Z a-z 0-9"):
        store.access.create_token(name, [Scope.RUN], expires_at=None, actor="me")


def test_log_cannot_be_forged_by_names(store: Store) -> None:
    """Line breaks, escapes and direction marks of a name are written out."""
    store.access.audit("me", Action.RUN_DELETED, "a\n2026 root\x1b[2J\u202e")
    assert store.access.list_audit()[0].target == "a\\n2026 root\\x1b[2J\\u202e"
    assert escape_control("naïve – 日本") == "naïve – 日本"


# --- commands ------------------------------------------------------------------------------------


def test_token_command(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Create prints the token, list never, revoke ends it."""
    made = ["create", "ci", "--scope", "run", "--scope", "read", "--expires", "30d"]
    assert tokens.main(made) == 0
    token = capsys.readouterr().out.strip()
    caller = store.access.caller_of(token)
    assert caller is not None
    assert set(caller.scopes) == {Scope.RUN, Scope.READ}
    assert tokens.main(["list"]) == 0
    listed = capsys.readouterr().out
    assert "valid" in listed
    assert token not in listed
    assert tokens.main(["revoke", "ci"]) == 0
    assert store.access.caller_of(token) is None
    assert tokens.main(["revoke", "ci"]) == 2


@pytest.mark.parametrize("text", ["30", "0d", "-1d", "9999w", "soon", ""])
def test_wrong_lifetimes_are_refused(text: str) -> None:
    """What is no length of time is refused with examples of what is."""
    with pytest.raises(InputError, match="30d"):
        tokens.lifetime(text)


def test_lifetimes() -> None:
    """Days, hours and for ever."""
    assert tokens.lifetime("30d") == timedelta(days=30)
    assert tokens.lifetime("12h") == timedelta(hours=12)
    assert tokens.lifetime("never") is None


def test_approval_command(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file on the disk and an uploaded one by its SHA-256 can be approved and revoked."""
    path = tmp_path / "own.pkl"
    path.write_bytes(b"bytes")
    uploaded = store.save_bytes(b"others", kind="model", name="up.pkl")
    for what in (str(path), uploaded):
        assert approvals.main(["add", what, "--note", "read by \x1b[31mana"]) == 0
    for data in (b"bytes", b"others"):
        assert store.access.find_approval(hashlib.sha256(data).hexdigest()) is not None
    assert approvals.main(["list"]) == 0
    assert "\x1b" not in capsys.readouterr().out
    assert approvals.main(["revoke", uploaded]) == 0
    assert store.access.find_approval(uploaded) is None
    assert approvals.main(["add", "nowhere.pkl"]) == 2


def test_audit_command(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints the newest entries first."""
    store.access.audit("ana", Action.RUN_DELETED, "r1")
    store.access.audit("bea", Action.RUN_DELETED, "r2")
    assert audit.main(["--limit", "1"]) == 0
    printed = capsys.readouterr().out
    assert "bea" in printed
    assert "ana" not in printed
