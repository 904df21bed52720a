"""SqlStore: the Store that keeps everything in a database, whichever that is."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from exporter.families import Family
from exporter.model import Unit
from exporter.store import gauges, posture, series
from exporter.store.amend import Amender
from exporter.store.append import LINE, Appender, check, meet_source
from exporter.store.base import (
    HistoryEvent,
    HourlyCounts,
    Ingest,
    IngestResult,
    LateCount,
    News,
    PostureChange,
    PostureState,
    Query,
    SampleChanges,
    SeriesChanges,
    StoreStats,
)
from exporter.store.blocks import Blocks
from exporter.store.codec import from_microseconds, to_microseconds
from exporter.store.database import Database
from exporter.store.dimensions import Dimensions
from exporter.store.hourly import hourly_counts, late_counts
from exporter.store.kept import next_number
from exporter.store.leases import Leasing
from exporter.store.news import news
from exporter.store.prune import CHUNK, prune_chunk
from exporter.store.search import search

_PAUSE = 0.001
_MOVE_LINE = "UPDATE sources SET live_since = ? WHERE name = ? AND account_id = ? AND region = ?"
_CURSORS = "SELECT key, value FROM cursors WHERE source = ? AND key >= ?"
_LAST_CHARACTER, _BEFORE_SURROGATES = "\U0010ffff", "\ud7ff"
_EXTENT = "SELECT (SELECT min(event_time) FROM events), (SELECT max(event_time) FROM events), (SELECT value FROM meta WHERE key = 'events')"


class SqlStore(Leasing):
    """Keeps events, counts and cursors in the database that `open_database` opens; it is handed what to call after a rollback.

    Any number of threads may use one store, and any number of processes one database: readers see the last commit, writers wait for
    each other. `search_timeout` bounds one search. Every method, and opening, raises StoreError that says where, what failed and what
    to do.
    """

    def __init__(
        self, open_database: Callable[[Callable[[], None]], Database], families: Sequence[Family], search_timeout: timedelta
    ) -> None:
        self._dimensions, self._blocks = Dimensions(), Blocks()
        self._book = series.Book(families, self._dimensions)
        self._appender = Appender(self._dimensions, self._book, self._blocks)
        self._amender = Amender(self._dimensions, self._book, self._blocks, self._appender)
        self._search_seconds = search_timeout.total_seconds()
        self._database = open_database(self._forget)
        try:
            with self._database.reading("read the store") as reader:
                complete = self._book.is_complete(reader)
            if not complete:
                with self._database.writing("prepare the store") as writer:
                    self._book.complete(writer)
        except BaseException:
            self._database.close()
            raise

    def _forget(self) -> None:
        """Forget what is remembered of the database, after a rollback; the next transaction looks it up again."""
        self._dimensions.clear()
        self._book.clear()

    def go_live(
        self,
        source: str,
        now: datetime,
        configured: datetime | None = None,
        account_id: str = "",
        region: str = "",
        families: Sequence[str] = (),
    ) -> datetime:
        """Draw the line between past and live for a unit of a source; return the line that holds. See `Store.go_live`."""
        unit, known = Unit(account_id, region), self.live_since(source, account_id, region)
        holds = known is not None and (known == configured or (configured is None and known <= now))
        if known is not None and holds and self._book.knows_source(source, unit, families):
            return known
        wanted = to_microseconds(now if configured is None else configured)
        with self._database.writing("save when a source went live") as writer:
            line = meet_source(writer, self._book, source, unit, wanted)
            self._book.register_source_families(writer, source, unit, families)
            # A line in the future was drawn while the clock was ahead: until then every change would pass for one of the past.
            if configured is not None or line > wanted:
                writer.execute(_MOVE_LINE, (wanted, source, account_id, region))
                line = wanted
        return from_microseconds(line)

    def live_since(self, source: str, account_id: str = "", region: str = "") -> datetime | None:
        """Return the line between past and live of a unit of a source, None while it was never polled."""
        with self._database.reading("read when a source went live") as reader:
            row = reader.execute(LINE, (source, account_id, region)).fetchone()
        return None if row is None else from_microseconds(row[0])

    def register(self, units: Iterable[Unit]) -> None:
        """Make every pre-initialised series of the units exist at 0."""
        units = frozenset(units)
        # Units are never forgotten, so that what is remembered of them cannot be wrong but by a rollback.
        if not self._book.knows(units):
            with self._database.writing("register accounts and regions") as writer:
                self._book.register_units(writer, units)

    def append(self, ingest: Ingest) -> IngestResult:
        """Store new events, their counts, the fate of all records and the cursors in one transaction.

        A unit of a source that was never polled before goes live at `recorded_at`. What becomes of each record: `Appender.append`.
        """
        check(ingest)
        with self._database.writing("store events") as writer:
            return self._appender.append(writer, ingest)

    def cursor(self, source: str, key: str) -> str | None:
        """Return what was last saved for a key of a source."""
        with self._database.reading("read a cursor") as reader:
            row = reader.execute("SELECT value FROM cursors WHERE source = ? AND key = ?", (source, key)).fetchone()
        return None if row is None else str(row[0])

    def cursors(self, source: str, prefix: str) -> Mapping[str, str]:
        """Return what was last saved for all keys of a source that begin with a prefix, in the order of the keys' UTF-8 bytes."""
        past = _after(prefix)
        until, bounds = (" AND key < ?", (past,)) if past else ("", ())
        with self._database.reading("read cursors") as reader:
            rows = reader.execute(f"{_CURSORS}{until} ORDER BY key", (source, prefix, *bounds)).fetchall()
        return {key: value for key, value in rows if key.startswith(prefix)}

    def revision(self) -> int:
        """Return a number that grows with every change of any series or event, by any process; takes microseconds."""
        # One row by primary key costs as much as asking SQLite whether anything changed, and needs no cache that may be wrong.
        return int(str(self._database.value("read the revision", "SELECT value FROM meta WHERE key = 'revision'")))

    def series(self, after: int = 0, only: Collection[str] | None = None) -> SeriesChanges:
        """Return the series that changed after a revision, in order of id, from one consistent reading.

        Series of families that this version does not know are left out.
        """
        with self._database.reading("read series") as reader:
            return series.read(reader, after, self._book.families, only)

    def mark_exposed(self, ids: Sequence[int], at: datetime) -> None:
        """Remember when a scrape first showed these series; those already marked keep their time.

        No revision: the value is what it was, and who marks knows the time. A process that starts later reads
        it with the first `series()`.
        """
        if not ids:
            return
        moment = to_microseconds(at)
        with self._database.writing("mark series as shown") as writer:
            writer.executemany("UPDATE series SET exposed_at = ? WHERE id = ? AND exposed_at IS NULL", [(moment, number) for number in ids])

    def search(self, query: Query) -> list[HistoryEvent]:
        """Return the events that match, newest first; those of one time, last stored first."""
        with self._database.reading("search events", self._search_seconds) as reader:
            return search(reader, self._blocks, query)

    def posture(self, account_id: str, region: str) -> PostureState:
        """Return what is kept of what stands in a unit; of its documents only digests are read."""
        with self._database.reading("read what stands") as reader:
            return posture.state(reader, account_id, region)

    def documents(self, account_id: str, region: str, kind: str, ids: Iterable[str] | None = None) -> Mapping[str, bytes]:
        """Return the bodies of a unit's documents of a kind, by id; all, or those asked for that there are."""
        with self._database.reading("read what stands") as reader:
            return posture.documents(reader, account_id, region, kind, ids)

    def news(self, account_id: str, region: str, after: int) -> News:
        """Return what successful events of a unit touched that were stored or revised after this number. See `Store.news`."""
        with self._database.reading("read what events touched") as reader:
            return news(reader, self._blocks, account_id, region, after)

    def last_event(self) -> int:
        """Return the number that the last stored event, or its last change by an addendum, has; takes microseconds."""
        with self._database.reading("read the last event") as reader:
            return next_number(reader) - 1

    def replace_posture(self, change: PostureChange) -> bool:
        """Store what a reading changed in one transaction; False, and nothing stored, where another has changed the state meanwhile."""
        posture.check(change)
        samples = None if change.samples is None else gauges.encode_samples(change.samples)
        recorded_at = to_microseconds(change.recorded_at)
        # Packing thousands of documents takes a while, in which nobody else should wait for a turn to write.
        with self._database.reading("read what stands") as reader:
            known = posture.find(reader, change.account_id, change.region)
            if posture.sequence_of(known) != change.sequence:
                return False
            documents = posture.pack_changed(reader, known.unit if known else None, change.documents)
        with self._database.writing("store what stands") as writer:
            known = posture.find(writer, change.account_id, change.region)
            if posture.sequence_of(known) != change.sequence:
                return False
            tally = self._book.tally()
            self._amender.enter(writer, change.events, change.source, recorded_at)
            for amendment in change.amendments:
                self._amender.amend(writer, amendment, tally, change.recorded_at)
            for entry, event_id in change.explained:
                self._amender.explain(writer, entry, event_id)
            for name, labels, amount in change.counts:
                tally.posture_count(name, labels, amount)
            self._book.apply(writer, tally)
            unit = posture.enter(writer, change.account_id, change.region, change.joined)
            posture.write_documents(writer, unit, documents)
            if samples is not None and samples != (known.samples if known else gauges.NO_SAMPLES):
                gauges.show(writer, unit, samples, self._book.raise_revision(writer))
        return True

    def posture_units(self) -> frozenset[Unit]:
        """Return the units of which anything is kept."""
        with self._database.reading("read what stands") as reader:
            return posture.units(reader)

    def forget_posture(self, units: Iterable[Unit]) -> None:
        """Forget documents and gauges of units that are watched no more; history and counters stay."""
        gone = frozenset(units) & self.posture_units()
        if gone:
            with self._database.writing("forget what stands") as writer:
                posture.forget(writer, gone, self._book.raise_revision(writer))

    def samples(self, after: int = 0) -> SampleChanges:
        """Return the units whose gauges changed after a revision, forgotten ones with none, from one consistent reading."""
        with self._database.reading("read gauges") as reader:
            return gauges.changed_samples(reader, after)

    def hourly_counts(self, since: datetime) -> HourlyCounts:
        """Return how many events happened in each whole hour since a time. See `Store.hourly_counts`.

        A reading of its own connection: nobody waits for it. 0.7 s of a processor for 500,000 events, which is why nobody asks often.
        """
        with self._database.reading("count events by hour") as reader:
            return hourly_counts(reader, to_microseconds(since))

    def late_counts(self, since: datetime) -> tuple[LateCount, ...]:
        """Return what was counted late since a time, of the last day."""
        with self._database.reading("read what was counted late") as reader:
            return late_counts(reader, to_microseconds(since))

    def prune(self, before: datetime, stored_before: datetime | None = None) -> int:
        """Forget events from before a time, of those stored before another if one is given; lower no count; return how many.

        Space is used again by later events; the file does not shrink.
        """
        moment, total = to_microseconds(before), 0
        stored = to_microseconds(stored_before or datetime.max.replace(tzinfo=UTC))
        while True:
            with self._database.writing("forget old events") as writer:
                pruned = prune_chunk(writer, self._dimensions.strings, self._blocks, moment, stored)
                if pruned:
                    self._book.raise_revision(writer)
            total += pruned
            if pruned < CHUNK:
                return total
            # A thread that releases a lock and takes it again at once usually wins against those that wait.
            time.sleep(_PAUSE)

    def stats(self) -> StoreStats:
        """Return size (the write-ahead log included) and extent."""
        with self._database.reading("read the state of the store") as reader:
            oldest, newest, events = reader.execute(_EXTENT).fetchone()
            size, version = self._database.size(reader), self._database.version(reader)
        return StoreStats(
            size,
            events,
            None if oldest is None else from_microseconds(oldest),
            None if newest is None else from_microseconds(newest),
            version,
        )

    def close(self) -> None:
        """Release every connection."""
        self._database.close()


def _after(prefix: str) -> str:
    """Return the least text after all that begin with a prefix, in the order of UTF-8; empty where there is none."""
    prefix = prefix.rstrip(_LAST_CHARACTER)
    if not prefix:
        return ""
    return prefix[:-1] + ("\ue000" if prefix[-1] == _BEFORE_SURROGATES else chr(ord(prefix[-1]) + 1))
