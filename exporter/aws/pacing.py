"""Whose turn it is: calls that AWS allows only so often are made one after the other, at a steady pace, by the whole process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

_RECOVERY_SECONDS = 60.0
"""How long it takes from no pace at all back to the full one after throttles."""
_SLOWEST = 1 / 16
"""The share of the full pace below which throttles do not push."""


class Stopped(Exception):
    """The wait was ended, because all is to end."""


class Pacer:
    """Turns at a rate for each key, with no burst; a throttle halves the rate of its key, which then recovers slowly.

    `wait` waits some seconds and returns whether all is to end; `now` is a clock in seconds that never goes back.
    """

    def __init__(self, per_second: float, wait: Callable[[float], bool], now: Callable[[], float] = time.monotonic) -> None:
        self._full, self._wait, self._now = per_second, wait, now
        self._lock = threading.Lock()
        self._next: dict[Hashable, float] = {}
        self._rates: dict[Hashable, tuple[float, float]] = {}

    def turn(self, key: Hashable) -> None:
        """Return when it is the caller's turn. Raises Stopped."""
        with self._lock:
            now = self._now()
            at = max(now, self._next.get(key, now))
            self._next[key] = at + 1 / self._rate(key, now)
        while (left := at - self._now()) > 0:
            if self._wait(left):
                raise Stopped

    def throttled(self, key: Hashable) -> None:
        """Slow a key down: AWS's limit counts other users' calls as well."""
        with self._lock:
            now = self._now()
            slower = max(self._full * _SLOWEST, self._rate(key, now) / 2)
            self._rates[key] = slower, now
            self._next[key] = max(self._next.get(key, now), now + 1 / slower)

    def rate(self, key: Hashable) -> float:
        """Return the calls a second that a key has now."""
        with self._lock:
            return self._rate(key, self._now())

    def _rate(self, key: Hashable, now: float) -> float:
        known = self._rates.get(key)
        if known is None:
            return self._full
        rate, since = known
        rate += self._full * (now - since) / _RECOVERY_SECONDS
        if rate >= self._full:
            del self._rates[key]
            return self._full
        return rate
