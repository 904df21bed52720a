"""The one transaction that decides what becomes of every record and counts what is new."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.errors import StoreError
from exporter.families import LATE_EVENTS, RECORDS, RECORDS_READ
from exporter.model import ChangeEvent, Unit
from exporter.store import lexicon, runs, touched
from exporter.store.base import Ingest, IngestResult, StoredEvent
from exporter.store.blocks import Blocks
from exporter.store.codec import details_of, encode_details, event_key, floor_to_second, to_microseconds
from exporter.store.database import Connection
from exporter.store.dimensions import Dimensions
from exporter.store.hourly import note_late
from exporter.store.kept import Kept, keep, next_number, together
from exporter.store.known import Known, Meetings, flags
from exporter.store.series import (
    CONFLICT,
    DUPLICATE,
    IGNORED,
    LIVE_EVENT,
    MALFORMED,
    PAST_EVENT,
    STORED,
    SUPERSEDED,
    Book,
    Tally,
)

LINE = "SELECT live_since FROM sources WHERE name = ? AND account_id = ? AND region = ?"
_DRAW_LINE = "INSERT INTO sources (name, account_id, region, live_since) VALUES (?, ?, ?, ?)"
_WATCHED = "UPDATE sources SET watched_since = ? WHERE name = ? AND account_id = ? AND region = ?"
_INSERT_SEEN = "INSERT INTO seen (id, event_id, fingerprint, addendum) VALUES (?, ?, ?, ?)"
_INSERT_EVENT = """INSERT INTO events (id, event_time, recorded_at, unit, call, principal, outcome, channel, error_code, source_ip,
    user_agent, sources, flags) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_SAVE_CURSOR = """INSERT INTO cursors (source, key, value) VALUES (?, ?, ?)
    ON CONFLICT (source, key) DO UPDATE SET value = excluded.value"""
_DELETE_CURSOR = "DELETE FROM cursors WHERE source = ? AND key = ?"
_COUNT_EVENTS = "UPDATE meta SET value = value + ? WHERE key = 'events'"


@dataclass(slots=True)
class New:
    """An event first met in this transaction.

    `details` may be those of a superseding record met later in it, `revealed` is the first of these to an original.
    """

    event: ChangeEvent
    details: ChangeEvent
    revealed: ChangeEvent | None
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
        self._known = Known(dimensions, blocks)

    def append(self, connection: Connection, ingest: Ingest) -> IngestResult:
        """Store what is new, count it, count the fate of every record and save the cursors.

        A unit of a source that was never polled before goes live at `recorded_at`. Of an id that is known, the first
        record stands: an equal fingerprint makes a duplicate, another one a conflict. A superseding record
        replaces the stored details (groups, resources, rules, raw record), and what it reveals beyond the original
        is counted (docs/decisions/0009); where it comes first, the original that comes after is a duplicate and
        replaces nothing. A past event that is live for this unit is counted now (docs/decisions/0010). Raises StoreError.
        """
        recorded_at = to_microseconds(ingest.recorded_at)
        line = meet_source(connection, self._book, ingest.source, Unit(ingest.account_id, ingest.region), recorded_at)
        self._book.register_units(connection, {*ingest.units, *(Unit(event.account_id, event.region) for event in ingest.events)})
        tally = self._book.tally()
        meetings = Meetings(ingest.source, ingest.recorded_at, floor_to_second(line), tally)
        unseen = self._known.unseen(connection, ingest.events)
        new: dict[bytes, New] = {}
        fates: Counter[str] = Counter()
        conflicts: list[ChangeEvent] = []
        for event in ingest.events:
            key = event_key(event.event_id)
            met = new.get(key)
            stored = None if met or key in unseen else self._known.find(connection, key)
            if met is not None:
                fate = _meet_again(met, event, key, meetings)
            elif stored is not None:
                fate = self._known.meet(connection, stored, event, key, meetings)
            else:
                event_time = to_microseconds(event.event_time)
                live = event_time >= meetings.live_since
                new[key] = New(event, event, None, event_time, live, event.fingerprint, event.supersedes)
                tally.event(event, key, event_time, ingest.recorded_at, LIVE_EVENT if live else PAST_EVENT)
                continue
            fates[fate] += 1
            if fate == CONFLICT:
                conflicts.append(event)
        self.write(connection, new, ingest.source, recorded_at)
        note_late(connection, self._dimensions, [*(met.event for met in new.values() if met.live), *meetings.promoted], recorded_at)
        _count_fates(tally, ingest, len(new), fates)
        counts = list(ingest.counts)
        if ingest.late:
            unit = (ingest.source, ingest.account_id, ingest.region)
            counts.append((LATE_EVENTS.name, unit, _late(new.values(), meetings)))
        for name, labels, amount in counts:
            tally.source_count(name, labels, amount)
        self._book.apply(connection, tally)
        _save_cursors(connection, ingest)
        if ingest.watched_since is not None:
            connection.execute(_WATCHED, (to_microseconds(ingest.watched_since), ingest.source, ingest.account_id, ingest.region))
        return IngestResult(
            tuple(StoredEvent(met.event, met.live) for met in new.values()),
            fates[""],
            fates[SUPERSEDED],
            tuple(conflicts),
            tuple(meetings.promoted),
            tuple(meetings.seconded),
        )

    def write(self, connection: Connection, new: Mapping[bytes, New], source: str, recorded_at: int) -> None:
        """Store new events, by the keys of their ids, with all that finds them; their units must be registered."""
        if not new:
            return
        first = next_number(connection)
        number = self._dimensions.strings.number
        sources = number(connection, json.dumps([source]))
        seen, rows, details, items, entries = [], [], [], [], []
        for at, (key, met) in enumerate(new.items(), first):
            event, principal = met.event, met.event.principal
            unit = self._dimensions.units.number(connection, event.account_id, event.region)
            call = self._dimensions.calls.number(connection, event.event_source, event.event_name, event.watch_set)
            caller = self._dimensions.principals.number(
                connection, principal.type, principal.name, principal.arn, principal.session, principal.account_id, principal.invoked_by
            )
            outcome, error_code = number(connection, event.outcome), number(connection, event.error_code)
            source_ip, user_agent = number(connection, principal.source_ip), number(connection, principal.user_agent)
            seen.append((at, key, met.fingerprint, met.addendum))
            rows.append((
                at, met.event_time, recorded_at, unit, call, caller, outcome, number(connection, event.channel), error_code, source_ip,
                user_agent, sources, flags(met.live, met.details),
            ))  # fmt: skip
            detail = details_of(met.details)
            details.append((at, met.event_time, detail))
            who = tuple(number(connection, text) for text in (principal.name, principal.session, principal.arn))
            entries.append(runs.Entry(at, met.event_time, detail, unit, call, outcome, who, (error_code, source_ip, user_agent)))
            items.append((encode_details(detail), met.details.raw))
            if met.details is not met.event:
                more = met.revealed or met.event
                counted = together(details_of(met.event), more.security_groups, more.opened_port_classes)
                keep(connection, at, Kept(counted=counted))
        connection.executemany(_INSERT_SEEN, seen)
        connection.executemany(_INSERT_EVENT, rows)
        touched.remember(connection, self._dimensions.strings, details)
        runs.enter(connection, self._dimensions.strings, entries)
        lexicon.pack(connection)
        self._blocks.write(connection, first, items)
        connection.execute(_COUNT_EVENTS, (len(rows),))


def _meet_again(met: New, event: ChangeEvent, key: bytes, meetings: Meetings) -> str:
    """Return the reason that makes an event met before in the same transaction a duplicate, and count what it reveals."""
    if event.supersedes:
        if met.details.supersedes and details_of(met.details) == details_of(event) and met.details.content_known == event.content_known:
            return ""
        if not met.details.supersedes:
            state = LIVE_EVENT if met.live else PAST_EVENT
            meetings.tally.supplement(event, details_of(met.details), key, met.event_time, meetings.recorded_at, state)
            met.revealed = event
        met.details = event
        return SUPERSEDED
    if met.addendum:
        met.fingerprint, met.addendum = event.fingerprint, False
        return ""
    return "" if met.fingerprint == event.fingerprint else CONFLICT


def _late(new: Iterable[New], meetings: Meetings) -> int:
    """Count what this source brings for the first time; another may have brought it before."""
    seconded = (to_microseconds(stored.event.event_time) for stored in meetings.seconded)
    return sum(met.live for met in new) + sum(event_time >= meetings.live_since for event_time in seconded)


def _count_fates(tally: Tally, ingest: Ingest, stored: int, fates: Counter[str]) -> None:
    tally.records(RECORDS_READ, (ingest.source,), ingest.read)
    tally.records(RECORDS, (ingest.source, STORED, ""), stored)
    for fate, counts in ((DUPLICATE, fates), (IGNORED, ingest.ignored), (MALFORMED, ingest.malformed)):
        for reason, count in counts.items():
            tally.records(RECORDS, (ingest.source, fate, reason), count)


def _save_cursors(connection: Connection, ingest: Ingest) -> None:
    saved = [(ingest.source, key, value) for key, value in ingest.cursors.items() if value is not None]
    connection.executemany(_SAVE_CURSOR, saved)
    connection.executemany(_DELETE_CURSOR, [(ingest.source, key) for key, value in ingest.cursors.items() if value is None])


def meet_source(connection: Connection, book: Book, source: str, unit: Unit, now: int) -> int:
    """Return the line between past and live of a unit of a source; one never met before goes live now, with all fates at 0."""
    row = connection.execute(LINE, (source, unit.account_id, unit.region)).fetchone()
    if row is not None:
        return int(row[0])
    connection.execute(_DRAW_LINE, (source, unit.account_id, unit.region, now))
    book.register_source(connection, source)
    return now
