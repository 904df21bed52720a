"""Log lines that strangers can cause, no more than a few a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_SECONDS = 60.0


class Quiet:
    """Lets one line of each kind pass a minute, and says how many were held back before it."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._since: dict[str, tuple[float, int]] = {}

    def passes(self, kind: str) -> int | None:
        """Return how many of a kind were held back since the last one, or None where this one must be. Kinds are words of ours, so few."""
        at = self._now()
        with self._lock:
            since, held = self._since.get(kind, (at - _SECONDS, 0))
            if at - since < _SECONDS:
                self._since[kind] = since, held + 1
                return None
            self._since[kind] = at, 0
            return held
