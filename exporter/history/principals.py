"""What is known of one principal beside its events: since when, how much, and what its newest events are."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from exporter.store.base import Query, SeriesRow, Store

_FIRST, _CHANGES = "awschange_principal_first_seen_timestamp_seconds", "awschange_principal_changes_total"
_NEWEST = 500
"""How many of its events are looked at: the answer takes the same time however many there are."""


@dataclass(frozen=True, slots=True)
class PrincipalFacts:
    """One principal, by its normalized name, as far as it is known.

    `first_seen` is the time of the first event ever stored, pruned or not; `changes` counts successful changes since the exporter
    counts, by account. `looked_at` of its newest events make the counts by name, account, region, channel and outcome, and the
    sessions; `complete` says whether those are all that are stored.
    """

    name: str
    type: str | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    changes: Mapping[str, int] = field(default_factory=dict)
    looked_at: int = 0
    complete: bool = True
    event_names: Mapping[str, int] = field(default_factory=dict)
    accounts: Mapping[str, int] = field(default_factory=dict)
    regions: Mapping[str, int] = field(default_factory=dict)
    channels: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)
    sessions: tuple[str, ...] = ()


class Principals:
    """Tells of principals; remembers their series, and reads only those that changed since. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store, self._lock = store, threading.Lock()
        self._revision = 0
        self._series: dict[str, dict[int, SeriesRow]] = {}

    def facts(self, name: str) -> PrincipalFacts | None:
        """Return what is known of a principal, None where no event of it was ever stored. Raises StoreError."""
        series = self._rows(name)
        # No star in it may stand for others: a session may be called whatever its owner likes, so the events are held against the name.
        found = [item.event for item in self._store.search(Query(principals=(name,), limit=_NEWEST + 1))]
        events = [event for event in found[:_NEWEST] if event.principal.name == name]
        if not events and not series:
            return None
        firsts = [row.value for row in series if row.family == _FIRST]
        times = [event.event_time for event in events]
        moments = [*times, *(datetime.fromtimestamp(value, UTC) for value in firsts)]
        return PrincipalFacts(
            name,
            events[0].principal.type.value if events else next((row.labels[1] for row in series), None),
            min(moments, default=None),
            max(moments, default=None),
            _sorted(Counter({row.labels[0]: int(row.value) for row in series if row.family == _CHANGES})),
            len(events),
            len(found) <= _NEWEST,
            _sorted(Counter(event.event_name for event in events)),
            _sorted(Counter(event.account_id for event in events)),
            _sorted(Counter(event.region for event in events)),
            _sorted(Counter(event.channel.value for event in events)),
            _sorted(Counter(event.outcome.value for event in events)),
            tuple(dict.fromkeys(event.principal.session for event in events if event.principal.session))[:20],
        )

    def _rows(self, name: str) -> list[SeriesRow]:
        with self._lock:
            if self._store.revision() != self._revision:
                changes = self._store.series(self._revision, (_FIRST, _CHANGES))
                for row in changes.rows:
                    self._series.setdefault(row.labels[2], {})[row.id] = row
                self._revision = changes.revision
            return list(self._series.get(name, {}).values())


def principal_facts(store: Store, name: str) -> PrincipalFacts | None:
    """Return what `Principals.facts` does, reading the series of all principals: who asks often keeps a `Principals`."""
    return Principals(store).facts(name)


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
