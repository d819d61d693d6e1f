"""The part of the store that moves runs: queued, running, ended.

Owns: ``RunQueue``. The table of runs is the queue: ``queued → running → done | error | timeout |
cancelled | interrupted``. A change of status is one conditional update, so that whoever comes
second changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import timedelta
from statistics import median
from typing import Any

import sqlalchemy as sa

from access_store import write_audit
from access_types import LOCAL, Action
from artifact_store import ArtifactStore, link, require_file, utc_now
from errors import BusyError, InputError, NotFoundError, QuotaError
from report_types import RunRequest, RunStatus, Stage
from run_types import QueueState, RunRecord, new_run_id, no_run
from storage_tables import run

INTERRUPTED = "The program was stopped while this run was going on; start the run again"
DEFAULT_RUN_SECONDS = 5.0
"""Assumed length of a run while none has finished yet."""

_ACTIVE = (RunStatus.QUEUED.value, RunStatus.RUNNING.value)


class RunQueue(ArtifactStore):
    """The queue of runs over the table of runs."""

    def create_run(
        self, request: RunRequest, *, idempotency_key: str | None = None, actor: str = LOCAL
    ) -> str:
        """Queue a run for ``actor`` and return its id.

        The same ``idempotency_key`` of the same actor, with the same request, returns the first
        run's id; only where that run was interrupted is a new one queued, which takes the key over.

        Raises
        ------
        BusyError
            The queue is full.
        NotFoundError
            A file of the request is not in the store.
        InputError
            The key was used for another request.
        """
        body = request.model_dump(mode="json", by_alias=True)
        with self._database.write() as connection:
            own_key = _own_key(idempotency_key, actor)
            earlier = _find_by_key(connection, own_key)
            if earlier is not None:
                known = _same_request(earlier, body, idempotency_key)
                if earlier.status != RunStatus.INTERRUPTED.value:
                    return known
                connection.execute(
                    sa.update(run).where(run.c.id == known).values(idempotency_key=None)
                )
            self._refuse_when_full(connection, actor)
            for sha256 in _files_of(request):
                require_file(connection, sha256)
            run_id = new_run_id()
            row = _new_row(run_id, request, body, own_key)
            connection.execute(sa.insert(run), row | {"created_by": actor})
            what = f"{request.purpose} of {request.model_name}, SHA-256 {request.model_sha256}"
            write_audit(connection, actor, Action.RUN_CREATED, run_id, what)
            for sha256 in _files_of(request):
                link(connection, run_id, sha256)
        return run_id

    def find_by_key(self, idempotency_key: str, *, actor: str = LOCAL) -> str | None:
        """Return the id of the run that ``actor`` created with this key, if any."""
        with self._database.read() as connection:
            row = _find_by_key(connection, _own_key(idempotency_key, actor))
        return row.id if row is not None else None

    def queue_state(self) -> QueueState:
        """Return how many runs wait and go on, and how long one usually takes."""
        with self._database.read() as connection:
            return _queue_state(connection)

    def check_queue(self, actor: str = LOCAL) -> None:
        """Let ``actor`` queue a run.

        Raises
        ------
        QuotaError
            As many runs of theirs are waiting as of one caller may.
        BusyError
            As many runs are waiting as may wait at all.
        """
        with self._database.read() as connection:
            self._refuse_when_full(connection, actor)

    def _refuse_when_full(self, connection: sa.Connection, actor: str) -> None:
        state, settings = _queue_state(connection), self._settings
        limit, own_limit = settings.queue_limit, settings.queue_limit_each
        seconds = state.retry_after_seconds(settings.slots)
        if state.n_queued >= limit:
            msg = f"{state.n_queued} runs are waiting already (at most {limit}); try again later"
            raise BusyError(msg, seconds)
        if own_limit and _queued_by(connection, actor) >= own_limit:
            msg = f"{own_limit} of your runs are waiting already, as many as may; try again later"
            raise QuotaError(msg, seconds)

    def claim_run(self, owner: str) -> RunRecord | None:
        """Take the oldest queued run for ``owner`` and return it, or None when nothing waits.

        Previews go first: they are short, and somebody looks at the page meanwhile.
        """
        now = utc_now()
        oldest = (
            sa.select(run.c.id)
            .where(run.c.status == RunStatus.QUEUED.value)
            .order_by(run.c.purpose, run.c.created_at, run.c.id)  # "preview" before "test"
            .limit(1)
        )
        if not self._has_row(oldest):
            return None  # looking is free for others, locking is not
        statement = (
            sa.update(run)
            .where(run.c.id == oldest.with_for_update(skip_locked=True).scalar_subquery())
            .values(status=RunStatus.RUNNING.value, owner=owner, started_at=now, heartbeat_at=now)
            .returning(run)
        )
        with self._database.write() as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else record_of(row)

    def _has_row(self, statement: sa.Select[Any]) -> bool:
        with self._database.read() as connection:
            return connection.execute(statement).first() is not None

    def set_progress(self, run_id: str, stage: Stage, fraction: float, message: str) -> None:
        """Say how far a running run is; not worth waiting for the disk."""
        statement = (
            sa.update(run)
            .where(run.c.id == run_id, run.c.status == RunStatus.RUNNING.value)
            .values(stage=stage.value, fraction=fraction, message=message)
        )
        with self._database.write(durable=False) as connection:
            connection.execute(statement)

    def heartbeat(self, owner: str) -> None:
        """Say that ``owner`` is alive and still works on its runs."""
        statement = (
            sa.update(run)
            .where(run.c.owner == owner, run.c.status == RunStatus.RUNNING.value)
            .values(heartbeat_at=utc_now())
        )
        with self._database.write(durable=False) as connection:
            connection.execute(statement)

    def recover(self, owner: str, *, lease_seconds: float = 0.0) -> list[str]:
        """Mark runs of other, dead owners as interrupted and return their ids.

        Parameters
        ----------
        owner : str
            Who asks; its own runs are left alone.
        lease_seconds : float
            Age of the last heartbeat from which an owner counts as dead. 0 means that the caller
            knows that no other owner lives, as the holder of the runner's lock does.
        """
        statement = (
            sa.update(run)
            .where(
                run.c.status == RunStatus.RUNNING.value,
                run.c.owner != owner,
                run.c.heartbeat_at <= utc_now() - timedelta(seconds=lease_seconds),
            )
            .values(
                status=RunStatus.INTERRUPTED.value,
                finished_at=utc_now(),
                **_told({"error": INTERRUPTED}),
            )
            .returning(run.c.id)
        )
        with self._database.write() as connection:
            return list(connection.execute(statement).scalars())

    def fail_run(self, run_id: str, status: RunStatus, reason: str) -> bool:
        """End a run without a report; False when it had ended already."""
        with self._database.write() as connection:
            return end_run(connection, run_id, status, {"error": reason})

    def request_cancel(self, run_id: str, *, actor: str = LOCAL) -> RunStatus:
        """Cancel a run: at once while it waits, within moments while it goes on.

        Returns the status after the call; a run that has ended stays as it is.

        Raises
        ------
        NotFoundError
            There is no such run.
        """
        found = sa.select(run.c.status, run.c.model_name).where(run.c.id == run_id)
        with self._database.write() as connection:
            row = connection.execute(found.with_for_update()).one_or_none()
            if row is None:
                raise NotFoundError(no_run(run_id))
            status = RunStatus(row.status)
            if status.is_final:
                return status
            if status is RunStatus.QUEUED:
                status = RunStatus.CANCELLED
                end_run(connection, run_id, status, {"error": "Cancelled before it began"})
            else:
                asked = sa.update(run).where(run.c.id == run_id).values(cancel_requested=True)
                connection.execute(asked)
            write_audit(connection, actor, Action.RUN_CANCELLED, run_id, row.model_name)
        return status

    def cancel_requests(self, owner: str) -> set[str]:
        """Return the running runs of ``owner`` that somebody wants cancelled."""
        statement = sa.select(run.c.id).where(
            run.c.owner == owner,
            run.c.status == RunStatus.RUNNING.value,
            run.c.cancel_requested,
        )
        with self._database.read() as connection:
            return set(connection.execute(statement).scalars())

    def unended(self, run_ids: Collection[str]) -> set[str]:
        """Return those of the runs that wait or go on; the others have ended or were deleted."""
        statement = sa.select(run.c.id).where(run.c.id.in_(run_ids), run.c.status.in_(_ACTIVE))
        with self._database.read() as connection:
            return set(connection.execute(statement).scalars())

    def get_run(self, run_id: str) -> RunRecord:
        """Return one run.

        Raises
        ------
        NotFoundError
            There is no such run.
        """
        with self._database.read() as connection:
            row = connection.execute(sa.select(run).where(run.c.id == run_id)).one_or_none()
        if row is None:
            raise NotFoundError(no_run(run_id))
        return record_of(row)


def record_of(row: sa.Row[Any]) -> RunRecord:
    """Turn a row of the table of runs into its type."""
    values = dict(row._mapping)
    del values["idempotency_key"], values["purpose"], values["search"]
    return RunRecord.model_validate(values)


def end_run(
    connection: sa.Connection, run_id: str, status: RunStatus, values: dict[str, Any]
) -> bool:
    """Give a run its final status; False when it has one already or does not exist."""
    unended = sa.and_(run.c.id == run_id, run.c.status.in_(_ACTIVE))
    started = connection.execute(sa.select(run.c.started_at).where(unended)).one_or_none()
    if started is None:
        return False
    now = utc_now()
    seconds = (now - started.started_at).total_seconds() if started.started_at else None
    final = {"status": status.value, "finished_at": now, "seconds": seconds}
    changed = connection.execute(sa.update(run).where(unended).values(**final, **_told(values)))
    return changed.rowcount == 1


def search_text(*texts: str | None) -> str:
    """Return the words a run is found by, in one case.

    Examples
    --------
    >>> search_text("Churn.pkl", None, "GRÖSSE")
    'churn.pkl grösse'
    """
    return " ".join(text for text in texts if text).casefold()


def label_texts(labels: Mapping[str, str]) -> list[str]:
    """Return labels as a search finds them.

    Examples
    --------
    >>> label_texts({"branch": "main"})
    ['branch=main']
    """
    return [f"{name}={value}" for name, value in labels.items()]


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """Return what changes in a run that ends, with the words that it is found by from now on."""
    words = search_text(*(values.get(name) for name in ("estimator", "verdict_summary", "error")))
    return values | {"search": run.c.search + " " + words}


def _new_row(
    run_id: str, request: RunRequest, body: dict[str, Any], idempotency_key: str | None
) -> dict[str, Any]:
    return {
        "id": run_id,
        "status": RunStatus.QUEUED.value,
        "created_at": utc_now(),
        "request": body,
        "model_name": request.model_name,
        "model_sha256": request.model_sha256,
        "source": request.source,
        "purpose": request.purpose,
        "labels": request.labels,
        "fraction": 0.0,
        "message": "",
        "cancel_requested": False,
        "idempotency_key": idempotency_key,
        "search": search_text(run_id, request.model_name, *label_texts(request.labels)),
    }


def _files_of(request: RunRequest) -> list[str]:
    both = (request.model_sha256, request.sample_sha256)
    return sorted({sha256 for sha256 in both if sha256 is not None})


def _own_key(key: str | None, actor: str) -> str | None:
    """Return the key as it is stored: two clients that count from 1 must not meet."""
    return None if key is None else hashlib.sha256(f"{actor}\n{key}".encode()).hexdigest()


def _find_by_key(connection: sa.Connection, key: str | None) -> sa.Row[Any, Any, Any] | None:
    if key is None:
        return None
    statement = sa.select(run.c.id, run.c.request, run.c.status).where(run.c.idempotency_key == key)
    return connection.execute(statement).one_or_none()


def _same_request(earlier: sa.Row[Any, Any, Any], body: dict[str, Any], key: str | None) -> str:
    if earlier.request != body:
        msg = f"The idempotency key {key!r} was used for another request; use a new key"
        raise InputError(msg)
    return str(earlier.id)


def _queued_by(connection: sa.Connection, actor: str) -> int:
    queued = sa.select(sa.func.count()).where(
        run.c.status == RunStatus.QUEUED.value, run.c.created_by == actor
    )
    return connection.scalar(queued) or 0


def _queue_state(connection: sa.Connection) -> QueueState:
    counts = sa.select(run.c.status, sa.func.count()).where(run.c.status.in_(_ACTIVE))
    by_status: dict[str, int] = dict(connection.execute(counts.group_by(run.c.status)).all())
    recent = (
        sa.select(run.c.seconds)
        .where(run.c.seconds.is_not(None))
        .order_by(run.c.created_at.desc())
        .limit(20)
    )
    seconds = list(connection.execute(recent).scalars())
    return QueueState(
        n_queued=by_status.get(RunStatus.QUEUED.value, 0),
        n_running=by_status.get(RunStatus.RUNNING.value, 0),
        median_seconds=median(seconds) if seconds else DEFAULT_RUN_SECONDS,
    )
