"""What a store is: the contract that SQLite keeps today and PostgreSQL will keep, with the values it takes and gives."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Protocol

from exporter.families import Labels
from exporter.model import ChangeEvent, Outcome, Unit
from exporter.posture.chronicle import Amendment
from exporter.store.leased import Leases

BEGINNING = datetime.min.replace(tzinfo=UTC)
"""As `live_since` of `go_live`: every event counts."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """All that one transaction stores; `read` must equal len(events) + sum(ignored) + sum(malformed).

    `account_id` and `region` are the unit of the source that brings it, empty for a source that spans many: with `source` they
    name the line between past and live. A cursor of None is forgotten. `counts` are added to families of SOURCE_FAMILIES
    (family name, label values, amount); an amount of 0 makes a series exist. `late` adds what is new and live to LATE_EVENTS.
    `watched_since` says from when on all of the unit has been read, its past filled in; None says nothing new.
    """

    source: str
    recorded_at: datetime
    events: Sequence[ChangeEvent] = ()
    read: int = 0
    ignored: Mapping[str, int] = field(default_factory=dict)
    malformed: Mapping[str, int] = field(default_factory=dict)
    cursors: Mapping[str, str | None] = field(default_factory=dict)
    units: frozenset[Unit] = frozenset()
    account_id: str = ""
    region: str = ""
    counts: Sequence[tuple[str, Labels, float]] = ()
    late: bool = False
    watched_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of the store, with whether it is live (counted) or past (history only)."""

    event: ChangeEvent
    live: bool


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What became of the events of one Ingest.

    Of the duplicates, `promoted` are those that were past and are counted only now, because they are live for this unit of this
    source; `seconded` are those that this source brings for the first time after another one had.
    """

    stored: tuple[StoredEvent, ...]
    duplicates: int
    superseded: int
    conflicts: tuple[ChangeEvent, ...]
    promoted: tuple[ChangeEvent, ...] = ()
    seconded: tuple[StoredEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One series as the store has it. `id` grows in order of birth; `exposed_at` is when a scrape first showed it."""

    id: int
    family: str
    labels: Labels
    value: float
    event_id: str | None
    event_time: float | None
    exposed_at: float | None


@dataclass(frozen=True, slots=True)
class SeriesChanges:
    """The series that changed after a revision, and the revision that this reading shows."""

    revision: int
    rows: Sequence[SeriesRow]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page of history ended: time and id of its last event. The id stays valid where the event is pruned meanwhile."""

    event_time: datetime
    event_id: str


@dataclass(frozen=True, slots=True)
class Query:
    """What history to show. Every filter that is given must match; newest first.

    `event_names` and `principals` may hold `*`; `principals` match the normalized name, the session or the ARN.
    `security_groups` match the groups a call was aimed at and the ids of the resources it touched. `since` is
    inclusive, `until` exclusive. Of `text`, each word must be in some text of the event (see exporter.store.words), whatever its case.
    `after` asks for what comes behind the event of that position; unlike `offset` it shows no event twice and leaves none out while new
    ones are stored. Behind an event is what happened before it, and at the same time was stored before it, also once it is forgotten; of
    an id that no stored event ever had, only the time counts: what happened before it. Only with `raw` does `ChangeEvent.raw` hold the
    record: unpacking it costs time.
    """

    security_groups: tuple[str, ...] = ()
    rule_ids: tuple[str, ...] = ()
    event_names: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 1000
    offset: int = 0
    raw: bool = False
    event_ids: tuple[str, ...] = ()
    text: str = ""
    after: Position | None = None


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One stored event with what only the store knows: when it came, whether it counted, which sources brought it."""

    event: ChangeEvent
    recorded_at: datetime
    live: bool
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoreStats:
    """How the store is doing; times are None while it is empty."""

    size_bytes: int
    events: int
    oldest_event_time: datetime | None
    newest_event_time: datetime | None
    schema_version: int


DocumentKey = tuple[str, str]
"""Kind and id of a document."""


def digest_of(body: bytes) -> bytes:
    """Return the 16 bytes that stand for the body of a document where only those are compared."""
    return blake2b(body, digest_size=16).digest()


StoredSample = tuple[str, Labels, float]
"""One series of a gauge of what stands: family name, label values, value."""


@dataclass(frozen=True, slots=True)
class PostureState:
    """What the store keeps of what stands in a unit, without the bodies of its documents.

    `sequence` grows by one with each change (by more with the first after the unit was forgotten, so that none comes twice) and is 0
    while there is nothing; `joined` is the number up to which events were looked at (`News.last`); `digests` are those of the bodies,
    by kind and id (`digest_of`).
    """

    sequence: int = 0
    joined: int = 0
    digests: Mapping[DocumentKey, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PostureChange:
    """All that one reading of what stands in a unit changes, in one transaction.

    `sequence` is that of the state it was worked out from. A document of None is forgotten; the bodies are opaque bytes. `samples`
    replace all gauges of the unit; None leaves them. `amendments` change what is stored of events: their rule changes are replaced,
    groups and opened classes added; what they reveal of a live event is counted as what an addendum reveals
    (docs/decisions/0009), in whatever order both come, and once; an event that was pruned meanwhile is left out. `events` are
    entries of the history that no record brought (their event source is chronicle.EVENT_SOURCE, their id a `hash:` one): stored as
    live under the name of the posture source and counted in no family of events, records or sources. `explained` are (entry, event
    id) pairs: the entry's `shared_event_id` becomes the id of the event that explains it after all. `counts` are added to
    POSTURE_FAMILIES; an amount of 0 makes a series exist. No two samples may have the same family and labels.
    """

    account_id: str
    region: str
    sequence: int
    recorded_at: datetime
    source: str
    joined: int = 0
    documents: Mapping[DocumentKey, bytes | None] = field(default_factory=dict)
    samples: Sequence[StoredSample] | None = None
    amendments: Sequence[Amendment] = ()
    events: Sequence[ChangeEvent] = ()
    explained: Sequence[tuple[str, str]] = ()
    counts: Sequence[tuple[str, Labels, float]] = ()


@dataclass(frozen=True, slots=True)
class News:
    """What events have touched since a number: groups and resources by id (`name:…` for a group that is known by name alone).

    `last` is the number up to which this looked, to go on from: no less than that of any event stored so far, of whatever unit.
    """

    last: int
    touched: frozenset[str]


@dataclass(frozen=True, slots=True)
class SampleChanges:
    """The units whose gauges changed after a revision, with all that each has now, and the revision that this reading shows."""

    revision: int
    units: Mapping[Unit, Sequence[StoredSample]]


@dataclass(frozen=True, slots=True)
class HourlyCounts:
    """How many events happened in each hour, by (account id, region, channel), and from which hour on accounts and regions were watched.

    Hours are numbered since 1970 UTC. An account and region of which nobody knows is in neither.
    """

    counts: Mapping[tuple[str, str, str], Mapping[int, int]]
    watched: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class LateCount:
    """Live events of a unit and channel that were counted in one minute, which ended at `counted_at`, later than is usual.

    `events` is how many, `event_time` that of the earliest of them.
    """

    account_id: str
    region: str
    channel: str
    counted_at: datetime
    events: int
    event_time: datetime


class Store(Leases, Protocol):
    """Keeps events, counts and cursors. Safe to use from several threads; every method raises StoreError on failure."""

    def go_live(
        self,
        source: str,
        now: datetime,
        configured: datetime | None = None,
        account_id: str = "",
        region: str = "",
        families: Sequence[str] = (),
    ) -> datetime:
        """Draw the line between past and live for a unit of a source; return the line that holds.

        Each (source, account id, region) has a line of its own, so that a unit added later has its own past. Without a
        configured line it is drawn at `now` once, at the first call, and stays. A configured line (BEGINNING counts
        everything) replaces what is stored, for events brought from then on; that it was configured is remembered, so that
        a later call without one keeps the stored line; only one later than `now`, drawn while the clock was ahead, is drawn
        again. `families` names those of SOURCE_FAMILIES that the source counts into: their series of this unit exist at 0
        from now on.
        """
        ...

    def live_since(self, source: str, account_id: str = "", region: str = "") -> datetime | None:
        """Return the line between past and live of a unit of a source, None while it was never polled."""
        ...

    def register(self, units: Iterable[Unit]) -> None:
        """Make every pre-initialised series of the units exist at 0."""
        ...

    def append(self, ingest: Ingest) -> IngestResult:
        """Store new events, their counts, the fate of all records and the cursors in one transaction.

        An event stored as past comes alive, once, when a unit for which it is live brings it (docs/decisions/0010).
        """
        ...

    def cursor(self, source: str, key: str) -> str | None:
        """Return what was last saved for a key of a source."""
        ...

    def cursors(self, source: str, prefix: str) -> Mapping[str, str]:
        """Return what was last saved for all keys of a source that begin with a prefix, in the order of the keys' UTF-8 bytes."""
        ...

    def revision(self) -> int:
        """Return a number that grows with every change of any series, of any event and of what stands open; cheap."""
        ...

    def series(self, after: int = 0, only: Collection[str] | None = None) -> SeriesChanges:
        """Return the series (`only` those of some families) that changed after a revision, in order of id, from one consistent reading."""
        ...

    def mark_exposed(self, ids: Sequence[int], at: datetime) -> None:
        """Remember when a scrape first showed these series; those already marked keep their time."""
        ...

    def search(self, query: Query) -> list[HistoryEvent]:
        """Return the events that match, newest first."""
        ...

    def posture(self, account_id: str, region: str) -> PostureState:
        """Return what is kept of what stands in a unit."""
        ...

    def documents(self, account_id: str, region: str, kind: str, ids: Iterable[str] | None = None) -> Mapping[str, bytes]:
        """Return the bodies of a unit's documents of a kind, by id; all, or those asked for that there are."""
        ...

    def news(self, account_id: str, region: str, after: int) -> News:
        """Return what successful events of a unit touched that were stored after this number, or changed by an addendum after it.

        Past events are among them, entries of the history (PostureChange.events) are not.
        """
        ...

    def last_event(self) -> int:
        """Return the number that the last stored event, or its last change by an addendum, has; see `news`."""
        ...

    def replace_posture(self, change: PostureChange) -> bool:
        """Store what a reading changed in one transaction; False, and nothing stored, where another has changed the state meanwhile."""
        ...

    def posture_units(self) -> frozenset[Unit]:
        """Return the units of which anything is kept."""
        ...

    def forget_posture(self, units: Iterable[Unit]) -> None:
        """Forget documents and gauges of units that are watched no more; history and counters stay."""
        ...

    def samples(self, after: int = 0) -> SampleChanges:
        """Return the units whose gauges changed after a revision, forgotten ones with none; see `revision`."""
        ...

    def hourly_counts(self, since: datetime) -> HourlyCounts:
        """Return how many events happened in each whole hour since a time, live and past, as CHANNELS of families counts them.

        Entries of the history (PostureChange.events) are not among them. A unit was watched from where it went live, from where its past
        was filled in (Ingest.watched_since), or from its first event where that was before.
        """
        ...

    def late_counts(self, since: datetime) -> Sequence[LateCount]:
        """Return what was counted late since a time, of the last day; in force with the very revision that shows the counts; cheap."""
        ...

    def prune(self, before: datetime, stored_before: datetime | None = None) -> int:
        """Forget events from before a time, of those stored before another if one is given; lower no count; return how many."""
        ...

    def stats(self) -> StoreStats:
        """Return size and extent."""
        ...

    def close(self) -> None:
        """Release every connection."""
        ...


__all__ = [
    "BEGINNING",
    "DocumentKey",
    "HistoryEvent",
    "HourlyCounts",
    "Ingest",
    "IngestResult",
    "LateCount",
    "News",
    "Position",
    "PostureChange",
    "PostureState",
    "Query",
    "SampleChanges",
    "SeriesChanges",
    "SeriesRow",
    "Store",
    "StoreStats",
    "StoredEvent",
    "StoredSample",
    "digest_of",
]
