"""How many changes each of the last hours brought; reading them costs time with their number, so the answer is kept for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.store.base import Store

HOURS = 24
_KEPT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour: when it began, how many changes it brought, and the height of its bar in percent."""

    begun: datetime
    changes: int
    height: int


@dataclass(frozen=True, slots=True)
class Hours:
    """The last hours, oldest first, the one that runs included."""

    total: int
    bars: tuple[Bar, ...]


class Today:
    """Counts changes of the last hours. Safe to use from several threads: while one counts, the others show what was counted before."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store, self._now = store, now
        self._lock = threading.Lock()
        self._kept: tuple[float, Hours] | None = None

    def hours(self) -> Hours:
        """Return the last hours. Raises StoreError."""
        kept = self._kept
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        if not self._lock.acquire(blocking=kept is None):
            assert kept is not None
            return kept[1]
        try:
            hours = self._count()
            self._kept = time.monotonic() + _KEPT_SECONDS, hours
            return hours
        finally:
            self._lock.release()

    def _count(self) -> Hours:
        last = int(self._now().timestamp()) // 3600
        first = last - HOURS + 1
        counts = dict.fromkeys(range(first, last + 1), 0)
        begun = datetime.fromtimestamp(first * 3600, UTC)
        for by_hour in self._store.hourly_counts(begun).counts.values():
            for hour, changes in by_hour.items():
                if hour in counts:
                    counts[hour] += changes
        most = max(counts.values())
        bars = (
            Bar(datetime.fromtimestamp(hour * 3600, UTC), changes, max(4, round(100 * changes / most)) if changes else 0)
            for hour, changes in counts.items()
        )
        return Hours(sum(counts.values()), tuple(bars))
