"""Which runs may go: by age, by count and by size, never a baseline. ``python -m retention``.

Owns: ``expired`` (pure) and ``apply_retention``, which the runner calls once a day with the limits
of the settings.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from artifact_store import utc_now
from errors import ConflictError, InputError, NotFoundError, StorageError
from formatting import byte_size
from report_types import Verdict
from run_types import KeptRun, RunItem
from settings import load_settings
from storage import Store

log = logging.getLogger(__name__)

KEEP = "keep"
"""A run with this label, whatever its value, stays."""

BASELINE_LABELS = ("branch", "env")
"""Labels whose newest passing run is somebody's baseline; a commit's is not."""

ACTOR = "retention"
MIB = 1024 * 1024


class Limits(NamedTuple):
    """How much is kept; 0 is no limit."""

    days: float = 0
    runs: int = 0
    mib: int = 0


def expired(runs: Sequence[KeptRun], limits: Limits, now: datetime) -> list[str]:
    """Return the ids of the runs that may go, the oldest first.

    Parameters
    ----------
    runs : sequence of KeptRun
        Finished runs, the newest first.
    limits : Limits
        Age, number per model, and size of all.
    now : datetime
        The present time.

    Returns
    -------
    list of str
        Never a baseline: the newest run of each model and branch that did not fail, a run that
        another one names as its baseline, or one with the label ``keep``.
    """
    protected = _baselines(runs)
    free = [each for each in runs if each.item.id not in protected]
    gone = {each.item.id for each in free if _is_old(each.item, limits.days, now)}
    gone |= _beyond_count(runs, protected, limits.runs)
    if limits.mib:
        left = sum(each.size_bytes for each in runs if each.item.id not in gone)
        for each in reversed(free):
            if left <= limits.mib * MIB:
                break
            if each.item.id not in gone:
                gone.add(each.item.id)
                left -= each.size_bytes
    return [each.item.id for each in reversed(runs) if each.item.id in gone]


def _is_old(item: RunItem, days: float, now: datetime) -> bool:
    return bool(days) and now - item.created_at > timedelta(days=days)


def _beyond_count(runs: Iterable[KeptRun], protected: set[str], limit: int) -> set[str]:
    """Return the runs beyond the newest ``limit`` of their model."""
    seen: dict[str, int] = {}
    gone = set()
    for each in runs:
        name = each.item.model_name
        seen[name] = seen.get(name, 0) + 1
        if limit and seen[name] > limit and each.item.id not in protected:
            gone.add(each.item.id)
    return gone


def _baselines(runs: Iterable[KeptRun]) -> set[str]:
    newest: dict[tuple[str, str], str] = {}
    others = set()
    for each in runs:
        item = each.item
        verdict = item.gate_verdict or item.verdict
        if verdict is not None and verdict is not Verdict.FAIL:
            for name in ("", *BASELINE_LABELS):
                newest.setdefault((item.model_name, f"{name}={item.labels.get(name)}"), item.id)
        if each.is_named or KEEP in item.labels:
            others.add(item.id)
    return others | set(newest.values())


def apply_retention(store: Store, limits: Limits) -> list[str]:
    """Delete the runs that may go and return their ids."""
    if limits == Limits():
        return []
    gone = []
    for run_id in expired(store.kept_runs(), limits, utc_now()):
        try:
            store.delete_run(run_id, actor=ACTOR)
        except (NotFoundError, ConflictError):
            continue  # somebody else deleted it meanwhile
        gone.append(run_id)
    if gone:
        log.info("%d runs were deleted by retention", len(gone))
    return gone


def main(arguments: list[str] | None = None) -> int:
    """Apply the limits once and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m retention", description="Delete runs beyond the limits, never a baseline."
    )
    parser.add_argument("--days", type=float, help="keep runs for so many days")
    parser.add_argument("--runs", type=int, help="keep so many runs of each model")
    parser.add_argument("--mib", type=int, help="keep so many MiB of reports and files")
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")
    options = parser.parse_args(arguments)
    try:
        settings = load_settings()
        limits = Limits(
            settings.keep_days if options.days is None else options.days,
            settings.keep_runs if options.runs is None else options.runs,
            settings.keep_mb if options.mib is None else options.mib,
        )
        store = Store.open(settings)
        try:
            sys.stdout.write(_do(store, limits, dry=options.dry_run))
        finally:
            store.close()
    except (InputError, StorageError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _do(store: Store, limits: Limits, *, dry: bool) -> str:
    runs = store.kept_runs()
    sizes = {each.item.id: each.size_bytes for each in runs}
    gone = expired(runs, limits, utc_now()) if dry else apply_retention(store, limits)
    freed = byte_size(sum(sizes.get(run_id, 0) for run_id in gone))
    word = "would go" if dry else "deleted"
    return f"{len(gone)} of {len(runs)} runs {word}, {freed}\n"


if __name__ == "__main__":
    sys.exit(main())
