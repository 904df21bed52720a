"""What happened, in every account and region, and from when on Event history shows it."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

Unit: TypeAlias = tuple[str, str]
"""Account id and region."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One record with its time, and the time from which it is visible. Ordered by time, then by arrival."""

    event_time: datetime
    number: int
    visible_at: datetime = field(compare=False)
    record: dict[str, Any] = field(compare=False)


def moment_of(record: dict[str, Any]) -> datetime:
    """Return when a record's call was made: UTC where no zone is told. Raises ValueError where it cannot be read."""
    moment = datetime.fromisoformat(record["eventTime"])
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


class Journal:
    """All records. Threads may add and read at the same time; listeners are told of each new entry, in its thread."""

    def __init__(self) -> None:
        self._entries: defaultdict[Unit, list[Entry]] = defaultdict(list)
        self._listeners: list[Callable[[Unit, Entry], None]] = []
        self._count = 0
        self._lock = threading.Lock()

    def listen(self, listener: Callable[[Unit, Entry], None]) -> None:
        """Have a listener told of what is added from now on."""
        self._listeners.append(listener)

    def add(self, record: dict[str, Any], visible_at: datetime, *, tell: bool = True) -> None:
        """Add a record, visible from a time on; unless it is told to nobody, all roads deliver it."""
        unit = (record["recipientAccountId"], record["awsRegion"])
        with self._lock:
            self._count += 1
            entry = Entry(moment_of(record), self._count, visible_at, record)
            insort(self._entries[unit], entry)
        for listener in self._listeners if tell else ():
            listener(unit, entry)

    def newest_first(self, unit: Unit, start: datetime, end: datetime, now: datetime) -> list[Entry]:
        """Return what is visible now and happened from start to end, both included."""
        with self._lock:
            entries = self._entries.get(unit, [])
            low = bisect_left(entries, start, key=lambda entry: entry.event_time)
            high = bisect_right(entries, end, key=lambda entry: entry.event_time)
            found = entries[low:high]
        return [entry for entry in reversed(found) if entry.visible_at <= now]

    def units(self) -> list[Unit]:
        """Return every account and region that has a record."""
        with self._lock:
            return sorted(self._entries)

    def all(self, unit: Unit) -> list[Entry]:
        """Return all records of an account and region, visible or not, oldest first."""
        with self._lock:
            return list(self._entries.get(unit, []))
