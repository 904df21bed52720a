"""The one transaction that decides what becomes of every record and counts what is new."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass

from exporter.errors import StoreError
from exporter.families import RECORDS, RECORDS_READ
from exporter.model import ChangeEvent, Unit
from exporter.store import touched
from exporter.store.base import Ingest, IngestResult, StoredEvent
from exporter.store.blocks import Blocks
from exporter.store.codec import (
    ADDENDUM,
    CONTENT_KNOWN,
    LIVE,
    Details,
    decode_details,
    details_of,
    encode_details,
    event_key,
    floor_to_second,
    to_microseconds,
)
from exporter.store.dimensions import Dimensions
from exporter.store.series import CONFLICT, DUPLICATE, IGNORED, MALFORMED, STORED, SUPERSEDED, Book

_FIND = """SELECT s.id, s.fingerprint, s.addendum, e.event_time, e.flags, l.text
    FROM seen s LEFT JOIN events e ON e.id = s.id LEFT JOIN strings l ON l.id = e.sources WHERE s.event_id = ?"""
_INSERT_SEEN = "INSERT INTO seen (id, event_id, fingerprint, addendum) VALUES (?, ?, ?, ?)"
_INSERT_EVENT = """INSERT INTO events (id, event_time, recorded_at, unit, call, principal, outcome, channel, error_code, source_ip,
    user_agent, sources, flags) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_SAVE_CURSOR = """INSERT INTO cursors (source, key, value) VALUES (?, ?, ?)
    ON CONFLICT (source, key) DO UPDATE SET value = excluded.value"""
_COUNT_EVENTS = "UPDATE meta SET value = value + ? WHERE key = 'events'"


@dataclass(slots=True)
class _New:
    """An event first met in this transaction; `details` may be those of a superseding record met later in it."""

    event: ChangeEvent
    details: ChangeEvent
    event_time: int
    live: bool
    fingerprint: bytes
    addendum: bool


def check(ingest: Ingest) -> None:
    """Raise StoreError unless every record read has a fate: a fault of the caller that would falsify the counts."""
    parts = (*ingest.ignored.values(), *ingest.malformed.values())
    if any(count < 0 for count in parts) or ingest.read != len(ingest.events) + sum(parts):
        raise StoreError(
            f"source {ingest.source}: {ingest.read} records read, but {len(ingest.events)} events, {sum(ingest.ignored.values())} ignored "
            f"and {sum(ingest.malformed.values())} malformed; this is a fault of the exporter"
        )


class Appender:
    """Stores one Ingest inside the transaction at hand."""

    def __init__(self, dimensions: Dimensions, book: Book, blocks: Blocks) -> None:
        self._dimensions, self._book, self._blocks = dimensions, book, blocks

    def append(self, connection: sqlite3.Connection, ingest: Ingest) -> IngestResult:
        """Store what is new, count it, count the fate of every record and save the cursors.

        A source that was never polled before goes live at `recorded_at`. Of an id that is known, the first
        record stands: an equal fingerprint makes a duplicate, another one a conflict. A superseding record
        replaces the stored details (groups, resources, rules, raw record), and what it reveals beyond the original
        is counted (docs/decisions/0009); where it comes first, the original that comes after is a duplicate and
        replaces nothing. Raises StoreError.
        """
        recorded_at = to_microseconds(ingest.recorded_at)
        live_since = floor_to_second(meet_source(connection, self._book, ingest.source, recorded_at))
        self._book.register_units(connection, {*ingest.units, *(Unit(event.account_id, event.region) for event in ingest.events)})
        tally = self._book.tally()
        new: dict[bytes, _New] = {}
        fates: Counter[str] = Counter()
        conflicts: list[ChangeEvent] = []
        for event in ingest.events:
            key = event_key(event.event_id)
            met = new.get(key)
            row = None if met else connection.execute(_FIND, (key,)).fetchone()
            if met is not None:
                first = None if met.details.supersedes else details_of(met.details)
                fate, moment, live = _meet_again(met, event), met.event_time, met.live
            elif row is not None:
                first, moment, live = self._first_details(connection, row, event), row[3], bool((row[4] or 0) & LIVE)
                fate = self._meet_stored(connection, row, event, ingest.source)
            else:
                event_time = to_microseconds(event.event_time)
                live = event_time >= live_since
                new[key] = _New(event, event, event_time, live, event.fingerprint, event.supersedes)
                tally.event(event, key, event_time, ingest.recorded_at, live)
                continue
            fates[fate] += 1
            if fate == SUPERSEDED and first is not None:
                tally.supplement(event, first, key, moment, ingest.recorded_at, live)
            if fate == CONFLICT:
                conflicts.append(event)
        self._write(connection, new, ingest.source, recorded_at)
        tally.records(RECORDS_READ, (ingest.source,), ingest.read)
        tally.records(RECORDS, (ingest.source, STORED, ""), len(new))
        for fate, counts in ((DUPLICATE, fates), (IGNORED, ingest.ignored), (MALFORMED, ingest.malformed)):
            for reason, count in counts.items():
                tally.records(RECORDS, (ingest.source, fate, reason), count)
        self._book.apply(connection, tally)
        connection.executemany(_SAVE_CURSOR, [(ingest.source, key, value) for key, value in ingest.cursors.items()])
        return IngestResult(tuple(StoredEvent(met.event, met.live) for met in new.values()), fates[""], fates[SUPERSEDED], tuple(conflicts))

    def _meet_stored(
        self, connection: sqlite3.Connection, row: tuple[int, bytes, int, int, int, str], event: ChangeEvent, source: str
    ) -> str:
        """Return the reason that makes an event of a stored id a duplicate, and note what it brings."""
        number, fingerprint, addendum, event_time, flags, sources = row
        kept = event_time is not None  # else it was pruned, and only its id is remembered
        fate = ""
        if event.supersedes:
            if kept and not self._same_details(connection, number, flags, event):
                self._replace(connection, number, event_time, flags, event)
                fate = SUPERSEDED
        elif addendum:
            connection.execute("UPDATE seen SET fingerprint = ?, addendum = 0 WHERE id = ?", (event.fingerprint, number))
        elif fingerprint != event.fingerprint:
            return CONFLICT
        if kept and source not in (names := json.loads(sources)):
            text = self._dimensions.strings.number(connection, json.dumps([*names, source]))
            connection.execute("UPDATE events SET sources = ? WHERE id = ?", (text, number))
        return fate

    def _first_details(
        self, connection: sqlite3.Connection, row: tuple[int, bytes, int, int, int, str], event: ChangeEvent
    ) -> Details | None:
        """Return the details that a stored event was counted with, None unless this is the first addendum to its original."""
        number, _, _, event_time, flags, _ = row
        if not event.supersedes or event_time is None or flags & ADDENDUM:
            return None
        return decode_details(self._blocks.read(connection, (number,), raw=False)[number][0])

    def _same_details(self, connection: sqlite3.Connection, number: int, flags: int, event: ChangeEvent) -> bool:
        if not flags & ADDENDUM or bool(flags & CONTENT_KNOWN) != event.content_known:
            return False
        return self._blocks.read(connection, (number,), raw=False)[number][0] == encode_details(details_of(event))

    def _replace(self, connection: sqlite3.Connection, number: int, event_time: int, flags: int, event: ChangeEvent) -> None:
        old = decode_details(self._blocks.read(connection, (number,), raw=False)[number][0])
        touched.forget(connection, self._dimensions.strings, ((number, event_time, old),))
        touched.remember(connection, self._dimensions.strings, ((number, event_time, details_of(event)),))
        self._blocks.replace(connection, number, (encode_details(details_of(event)), event.raw))
        connection.execute("UPDATE events SET flags = ? WHERE id = ?", (_flags(bool(flags & LIVE), event), number))

    def _write(self, connection: sqlite3.Connection, new: dict[bytes, _New], source: str, recorded_at: int) -> None:
        if not new:
            return
        first: int = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM seen").fetchone()[0]
        number = self._dimensions.strings.number
        sources = number(connection, json.dumps([source]))
        seen, rows, details, items = [], [], [], []
        for at, (key, met) in enumerate(new.items(), first):
            event, principal = met.event, met.event.principal
            seen.append((at, key, met.fingerprint, met.addendum))
            rows.append((
                at, met.event_time, recorded_at,
                self._dimensions.units.number(connection, event.account_id, event.region),
                self._dimensions.calls.number(connection, event.event_source, event.event_name, event.watch_set),
                self._dimensions.principals.number(
                    connection, principal.type, principal.name, principal.arn, principal.session, principal.account_id, principal.invoked_by
                ),
                number(connection, event.outcome), number(connection, event.channel), number(connection, event.error_code),
                number(connection, principal.source_ip), number(connection, principal.user_agent), sources,
                _flags(met.live, met.details),
            ))  # fmt: skip
            detail = details_of(met.details)
            details.append((at, met.event_time, detail))
            items.append((encode_details(detail), met.details.raw))
        connection.executemany(_INSERT_SEEN, seen)
        connection.executemany(_INSERT_EVENT, rows)
        touched.remember(connection, self._dimensions.strings, details)
        self._blocks.write(connection, first, items)
        connection.execute(_COUNT_EVENTS, (len(rows),))


def _flags(live: bool, details: ChangeEvent) -> int:
    return (LIVE if live else 0) | (CONTENT_KNOWN if details.content_known else 0) | (ADDENDUM if details.supersedes else 0)


def _meet_again(met: _New, event: ChangeEvent) -> str:
    """Return the reason that makes an event met before in the same transaction a duplicate."""
    if event.supersedes:
        if met.details.supersedes and details_of(met.details) == details_of(event) and met.details.content_known == event.content_known:
            return ""
        met.details = event
        return SUPERSEDED
    if met.addendum:
        met.fingerprint, met.addendum = event.fingerprint, False
        return ""
    return "" if met.fingerprint == event.fingerprint else CONFLICT


def meet_source(connection: sqlite3.Connection, book: Book, source: str, now: int) -> int:
    """Return the line between past and live of a source; one never met before goes live now, with all fates at 0."""
    row = connection.execute("SELECT live_since FROM sources WHERE name = ?", (source,)).fetchone()
    if row is not None:
        return int(row[0])
    connection.execute("INSERT INTO sources (name, live_since) VALUES (?, ?)", (source, now))
    book.register_source(connection, source)
    return now
