"""How often a call may be made."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from datetime import datetime


class Rate:
    """A token bucket for each key: `per_second` calls a second, and `burst` at once, as many by default."""

    def __init__(self, per_second: float, burst: float | None = None) -> None:
        self._per_second, self._burst = per_second, burst or per_second
        self._buckets: dict[Hashable, tuple[float, datetime]] = {}
        self._lock = threading.Lock()

    def allows(self, key: Hashable, now: datetime) -> bool:
        """Take one call of a key, if there is one left at this time."""
        with self._lock:
            left, since = self._buckets.get(key, (self._burst, now))
            passed = (now - since).total_seconds()
            # A clock that was set back begins anew.
            left = self._burst if passed < 0 else min(self._burst, left + passed * self._per_second)
            allowed = left >= 1
            self._buckets[key] = (left - 1 if allowed else left, now)
            return allowed
