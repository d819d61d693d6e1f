"""How busy the machine is with other work while something is timed.

Owns: reading the processor time of the whole machine, and ``OtherWork``. Cores often share caches
and execution units, so work on another core can slow a timed call without ever interrupting it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")
BUSY = (0, 1, 2, 5, 6, 7)
"""Columns of the first line: user, nice, system, irq, softirq, steal (see ``man 5 proc_stat``)."""

SHORTEST_SECONDS = 0.1
"""The kernel counts in hundredths of a second: below ten of them a share says nothing."""


def busy_seconds(stat: str, ticks_per_second: int) -> float | None:
    """Return the processor time that all cores have spent working since the machine started.

    Parameters
    ----------
    stat : str
        Text of ``/proc/stat``.
    ticks_per_second : int
        Unit of its numbers.

    Examples
    --------
    >>> busy_seconds("cpu  100 20 30 4000 50 6 7 8 0 0", 100)
    1.71
    >>> busy_seconds("", 100) is None
    True
    """
    name, *ticks = (stat.splitlines() or [""])[0].split() or [""]
    if name != "cpu" or len(ticks) <= max(BUSY):
        return None
    return sum(int(ticks[column]) for column in BUSY) / ticks_per_second


@dataclass(frozen=True, slots=True)
class OtherWork:
    """Watches the machine from its creation on.

    Parameters
    ----------
    clock_seconds, own_seconds : float
        Wall clock and processor time of this process at the beginning.
    machine_seconds : float or None
        Processor time of all cores at the beginning; None where the platform does not tell.
    """

    clock_seconds: float
    own_seconds: float
    machine_seconds: float | None

    @classmethod
    def watch(cls) -> OtherWork:
        """Begin to watch."""
        return cls(time.monotonic(), time.process_time(), _machine_seconds())

    def cores(self, timed_seconds: float) -> float | None:
        """Return how many cores other work has kept busy, on average.

        Parameters
        ----------
        timed_seconds : float
            Processor time of what was timed, in another process than this one.

        Returns
        -------
        float or None
            0 or more; None where the platform does not tell or the time was too short.
        """
        lasted = time.monotonic() - self.clock_seconds
        machine = _machine_seconds()
        if self.machine_seconds is None or machine is None or lasted < SHORTEST_SECONDS:
            return None
        ours = time.process_time() - self.own_seconds + timed_seconds
        return max(0.0, (machine - self.machine_seconds - ours) / lasted)


def _machine_seconds() -> float | None:
    try:
        return busy_seconds(STAT.read_text(encoding="ascii"), os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError):  # not Linux, or a container that hides it
        return None
