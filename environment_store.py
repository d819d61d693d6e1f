"""The environments that were built: where they are, which are in use, which may go.

Owns: the folder of environments, usually in the data directory. Each is a folder named after its
resolved requirements; a small file per request says which one answers it. Whoever uses one
holds a shared lock on it, so that tidying never takes it away. ``python -m environment_store``
lists and removes them.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from errors import InputError
from formatting import byte_size
from settings import load_settings

PACKAGES, FACTS, BUILDING = "packages", "environment.json", ".building-"
POLL_SECONDS = 0.1
ABANDONED_SECONDS = 3600.0
"""No build takes so long."""


@dataclass(frozen=True, slots=True)
class BuiltEnvironment:
    """An environment that is there.

    Parameters
    ----------
    key : str
        Name of its folder.
    python : str
        Path of the interpreter that it was built for.
    version : str
        Of that interpreter.
    requirements : list of str
        Everything in it, as ``name==version``.
    size_bytes : int
    build_seconds : float
    """

    key: str
    python: str
    version: str
    requirements: list[str]
    size_bytes: int
    build_seconds: float


class EnvironmentStore:
    """The folder of built environments.

    Parameters
    ----------
    folder : Path
        Where they are kept; made when first needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def packages(self, key: str) -> Path:
        """Return where an environment's packages are."""
        return self.folder / key / PACKAGES

    def find(self, key: str) -> BuiltEnvironment | None:
        """Return a complete environment whose interpreter is still there, and note its use."""
        facts = self.folder / key / FACTS
        known = _read(facts)
        if known is None or not Path(known[1].python).exists():
            return None
        with contextlib.suppress(FileNotFoundError):  # it was taken away just now
            os.utime(facts)
            return known[1]
        return None

    def answer_of(self, request: str) -> BuiltEnvironment | None:
        """Return the environment that answered a request before."""
        try:
            return self.find(self._answer(request).read_text(encoding="ascii").strip())
        except FileNotFoundError:
            return None

    def note_answer(self, request: str, key: str) -> None:
        """Remember which environment answers a request."""
        self._answer(request).write_text(key, encoding="ascii")

    def list_all(self) -> list[BuiltEnvironment]:
        """Return all complete environments, the one used last at the end."""
        found = [_read(facts) for facts in self.folder.glob(f"*/{FACTS}")]
        known = [each for each in found if each is not None]
        return [built for _, built in sorted(known, key=lambda each: each[0])]

    def begin(self, key: str) -> Path:
        """Return an empty folder to build in."""
        place = self.folder / f"{BUILDING}{key}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        return place

    def complete(self, place: Path, built: BuiltEnvironment) -> None:
        """Put a folder that was built in its place, all at once."""
        (place / FACTS).write_text(json.dumps(asdict(built)), encoding="utf-8")
        target = self.folder / built.key
        shutil.rmtree(target, ignore_errors=True)
        place.rename(target)

    def lock(self, name: str, *, shared: bool = False, wait: bool = True) -> int | None:
        """Return a descriptor that holds a lock until it is closed, None where it is taken."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        try:
            fcntl.flock(fd, how)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd

    def remove(self, key: str) -> bool:
        """Remove an environment unless somebody uses it; return whether it is gone."""
        lock = self.lock(key, wait=False)
        if lock is None:
            return False
        try:
            shutil.rmtree(self.folder / key, ignore_errors=True)
        finally:
            os.close(lock)
        return True

    def make_room(self, limit_bytes: int, needed_bytes: int) -> list[str]:
        """Remove what was used longest ago until so much fits, and return what went."""
        kept = self.list_all()
        total, gone = sum(each.size_bytes for each in kept), []
        for each in kept:
            if total + needed_bytes <= limit_bytes:
                break
            if self.remove(each.key):
                total -= each.size_bytes
                gone.append(each.key)
        return gone

    def tidy(self, limit_bytes: int) -> list[str]:
        """Remove what killed builds left behind, what is damaged, and what is too much."""
        for place in self.folder.glob(f"{BUILDING}*"):
            if time.time() - place.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(place, ignore_errors=True)
        for facts in self.folder.glob(f"[!.]*/{FACTS}"):
            if _read(facts) is None:
                self.remove(facts.parent.name)
        return self.make_room(limit_bytes, 0)

    def _answer(self, request: str) -> Path:
        return self.folder / f"{request}.request"


def _read(facts: Path) -> tuple[float, BuiltEnvironment] | None:
    """Return when an environment was last used, and what it is; None where that is damaged."""
    try:
        told = json.loads(facts.read_text(encoding="utf-8"))
        return facts.stat().st_mtime, BuiltEnvironment(**told)
    except (FileNotFoundError, ValueError, TypeError):
        return None


@contextlib.contextmanager
def held(store: EnvironmentStore, name: str, *, seconds: float, tick: Any) -> Iterator[None]:  # noqa: ANN401
    """Hold a lock for the block; ``tick`` is called while somebody else has it.

    Raises
    ------
    TimeoutError
        If it did not come free in time.
    """
    deadline = time.monotonic() + seconds
    while (lock := store.lock(name, wait=False)) is None:
        tick()
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        os.close(lock)


def folder_size(folder: Path) -> int:
    """Return the bytes of all files beneath a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def main(arguments: list[str] | None = None) -> int:
    """List environments, or remove some; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m environment_store",
        description="List the environments that were built for models of other versions.",
    )
    parser.add_argument("--remove", metavar="KEY", help="remove one, or 'all'; used ones stay")
    options = parser.parse_args(arguments)
    try:
        settings = load_settings()
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    store = EnvironmentStore(settings.environments_folder)
    for built in store.list_all():
        line = f"{built.key}  {byte_size(built.size_bytes):>9}  Python {built.version}  "
        line += " ".join(text for text in built.requirements if text.startswith(("scikit", "xgb")))
        if options.remove in (built.key, "all"):
            line += "  removed" if store.remove(built.key) else "  in use, stays"
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{settings.environments_mb} MiB may be used in all\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
