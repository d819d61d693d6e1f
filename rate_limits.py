"""How often somebody may do something: a token bucket per client.

Owns: ``RateLimiter``. Kept in memory, per process: after a restart everybody begins anew.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

MAX_CLIENTS = 10_000
"""Above this many, clients whose bucket is full again are forgotten."""


class RateLimiter:
    """Lets each client do something so many times a minute, as many at once.

    Parameters
    ----------
    per_minute : int
        How many; a client that did nothing for a minute may do so many at once.
    clock : callable
        Seconds; for tests.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._per_second = per_minute / 60.0
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}  # what is left, and when that was so

    def wait_seconds(self, client: str) -> int:
        """Take one from the client's bucket; return 0, or the seconds until there is one again."""
        with self._lock:
            now = self._clock()
            left = self._left(client, now)
            if left < 1.0:
                return max(1, math.ceil((1.0 - left) / self._per_second))
            if len(self._buckets) >= MAX_CLIENTS and client not in self._buckets:
                self._forget_full(now)
            self._buckets[client] = (left - 1.0, now)
            return 0

    def _left(self, client: str, now: float) -> float:
        left, since = self._buckets.get(client, (self._size, now))
        return min(self._size, left + (now - since) * self._per_second)

    def _forget_full(self, now: float) -> None:
        full = [name for name in self._buckets if self._left(name, now) >= self._size]
        for name in full or list(self._buckets)[: MAX_CLIENTS // 2]:  # the oldest, where none is
            del self._buckets[name]
