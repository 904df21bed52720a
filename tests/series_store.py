"""A store of series in memory: the part of the Store contract that the metrics page reads, and what a transaction does to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from exporter.errors import StoreError
from exporter.families import Labels
from exporter.model import Unit
from exporter.store.base import HourlyCounts, LateCount, SampleChanges, SeriesChanges, SeriesRow, StoredSample, StoreStats


class SeriesStore:
    """Keeps series as the real store does: ids grow in order of birth, every change raises the revision."""

    def __init__(self) -> None:
        self.fails = self.fails_samples = False
        self.hours = HourlyCounts({}, {})
        self.before_series: Callable[[], object] = lambda: None
        self.reads = 0
        self.marked: list[tuple[tuple[int, ...], datetime]] = []
        self._lock = threading.Lock()
        self._revision = 0
        self._ids: dict[tuple[str, Labels], int] = {}
        self._rows: dict[int, tuple[int, SeriesRow]] = {}  # by time of the last change
        self._samples: dict[Unit, tuple[int, Sequence[StoredSample]]] = {}

    def add(self, family: str, labels: Labels, amount: float = 1.0, event_id: str | None = None, event_time: float | None = None) -> int:
        """Add to one series, in a transaction of its own, and return its id."""
        return self.add_all([(family, labels, amount, event_id, event_time)])[0]

    def add_all(self, changes: Iterable[tuple[str, Labels, float, str | None, float | None]]) -> list[int]:
        """Add to many series in one transaction, and return their ids."""
        with self._lock:
            self._revision += 1
            return [self._add(*change) for change in changes]

    def _add(self, family: str, labels: Labels, amount: float, event_id: str | None, event_time: float | None) -> int:
        key = self._ids.setdefault((family, labels), len(self._ids) + 1)
        _, old = self._rows.pop(key, (0, SeriesRow(key, family, labels, 0.0, None, None, None)))
        new = replace(old, value=old.value + amount, event_id=event_id or old.event_id, event_time=event_time or old.event_time)
        self._rows[key] = self._revision, new
        return key

    def value(self, key: int) -> float:
        """Return the stored value of a series."""
        return self._rows[key][1].value

    def revision(self) -> int:
        """As Store.revision."""
        self._check()
        return self._revision

    def series(self, after: int = 0, only: Collection[str] | None = None) -> SeriesChanges:
        """As Store.series."""
        self._check()
        self.before_series()
        with self._lock:
            self.reads += 1
            rows = []
            for revision, row in reversed(self._rows.values()):
                if revision <= after:
                    break
                rows.append(row)
            return SeriesChanges(self._revision, sorted(rows, key=lambda row: row.id))

    def replace_samples(self, unit: Unit, samples: Sequence[StoredSample]) -> None:
        """Replace all gauges of a unit, as Store.replace_posture and Store.forget_posture do."""
        with self._lock:
            self._revision += 1
            self._samples[unit] = self._revision, tuple(samples)

    def samples(self, after: int = 0) -> SampleChanges:
        """As Store.samples."""
        self._check()
        if self.fails_samples:
            raise StoreError("the disk is gone")
        with self._lock:
            self.reads += 1
            return SampleChanges(self._revision, {unit: given for unit, (at, given) in self._samples.items() if at > after})

    def mark_exposed(self, ids: Sequence[int], at: datetime) -> None:
        """As Store.mark_exposed."""
        self._check()
        with self._lock:
            self._revision += 1
            self.marked.append((tuple(ids), at))
            for key in ids:
                _, row = self._rows.pop(key)
                self._rows[key] = self._revision, row if row.exposed_at is not None else replace(row, exposed_at=at.timestamp())

    def hourly_counts(self, _since: datetime) -> HourlyCounts:
        """As Store.hourly_counts; what `hours` says."""
        self._check()
        return self.hours

    def late_counts(self, _since: datetime) -> Sequence[LateCount]:
        """As Store.late_counts: none."""
        self._check()
        return ()

    def stats(self) -> StoreStats:
        """As Store.stats."""
        return StoreStats(4096, 2, datetime(2019, 8, 5, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC), 1)

    def _check(self) -> None:
        if self.fails:
            raise StoreError("the disk is gone")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the metrics page has no business with Store.{name}")
