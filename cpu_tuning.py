"""The environment that makes numpy fast on the processor at hand.

Owns: decisions that must be made before numpy is imported, hence in the environment of a process
that is about to start. Used by every program that starts another.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

ZEN4_FAMILY = "25"
"""On this AMD family numpy's AVX-512 sort is microcoded and 5 to 6 times slower than its AVX2 sort
(numpy/x86-simd-sort issue 6); elsewhere AVX-512 is the faster one."""

KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(4 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(16 * 2**20)}
"""Arrays of up to 4 MiB are made of memory that the process keeps, at most 16 MiB of it unused.
glibc gives back everything above 128 KiB at first, and fetching it anew, page by page, took longer
than many a calculation on it (a comparison of 10,000 rows: a quarter of its time)."""


def tuned_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of ``environment`` with numpy's sort path set where that helps.

    Freed memory is kept for the next array, see ``KEPT_MEMORY``. What is set already stays.
    """
    tuned = KEPT_MEMORY | dict(environment)
    if _sorts_slowly(_cpu_facts(Path("/proc/cpuinfo"))):
        tuned.setdefault("NPY_DISABLE_CPU_FEATURES", "X86_V4")
    return tuned


def single_threaded(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a copy in which BLAS and OpenMP use one thread.

    Several runs go at once; threads of a numerical library that wait for each other on a busy
    machine made short calls fifty times slower.

    Examples
    --------
    >>> single_threaded({"LANG": "C"})["OMP_NUM_THREADS"]
    '1'
    """
    return dict(environment) | dict.fromkeys(THREAD_VARIABLES, "1")


def _cpu_facts(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    first = path.read_text().split("\n\n", 1)[0]
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _sorts_slowly(facts: Mapping[str, str]) -> bool:
    is_zen4 = facts.get("vendor_id") == "AuthenticAMD" and facts.get("cpu family") == ZEN4_FAMILY
    return is_zen4 and "avx512f" in facts.get("flags", "").split()
