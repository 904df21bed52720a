"""Events that the store knows already: duplicates, conflicts, fuller versions, and what comes alive after all."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from exporter.model import ChangeEvent
from exporter.store import runs, touched
from exporter.store.base import StoredEvent
from exporter.store.blocks import Blocks
from exporter.store.codec import ADDENDUM, CONTENT_KNOWN, LIVE, decode_details, details_of, encode_details, event_key
from exporter.store.database import Connection, Remote
from exporter.store.dimensions import Dimensions
from exporter.store.events import load
from exporter.store.kept import amended_anew, keep, load_kept, revise, together
from exporter.store.series import CONFLICT, LIVE_EVENT, PAST_EVENT, PROMOTED_EVENT, SUPERSEDED, Tally, with_details

_SEEN = "SELECT id FROM seen WHERE event_id = ?"
_FIND = """SELECT s.id, s.fingerprint, s.addendum, e.event_time, e.flags, l.text
    FROM seen s LEFT JOIN events e ON e.id = s.id LEFT JOIN strings l ON l.id = e.sources WHERE s.event_id = ?"""


@dataclass(slots=True)
class Stored:
    """What the store has of an event; without `event_time` and `sources` it was pruned, and only its id is remembered."""

    number: int
    fingerprint: bytes
    addendum: bool
    event_time: int | None
    flags: int
    sources: tuple[str, ...]


@dataclass(slots=True)
class Meetings:
    """What one transaction brought of known events beside their fates."""

    source: str
    recorded_at: datetime
    live_since: int
    tally: Tally
    promoted: list[ChangeEvent] = field(default_factory=list)
    seconded: list[StoredEvent] = field(default_factory=list)


class Known:
    """Meets events whose id is stored, inside the transaction at hand."""

    def __init__(self, dimensions: Dimensions, blocks: Blocks) -> None:
        self._dimensions, self._blocks = dimensions, blocks

    def unseen(self, connection: Connection, events: Iterable[ChangeEvent]) -> frozenset[bytes]:
        """Return the keys of events that are certainly new; none of them is looked for in a file, where `find` costs as little."""
        if not isinstance(connection, Remote):
            return frozenset()
        keys = [event_key(event.event_id) for event in events]
        rows = connection.first_rows(_SEEN, [(key,) for key in keys])
        return frozenset(key for key, row in zip(keys, rows, strict=True) if row is None)

    def find(self, connection: Connection, key: bytes) -> Stored | None:
        """Return what is stored under an id, None where it is new."""
        row = connection.execute(_FIND, (key,)).fetchone()
        if row is None:
            return None
        number, fingerprint, addendum, event_time, flags, sources = row
        return Stored(number, fingerprint, bool(addendum), event_time, flags or 0, tuple(json.loads(sources)) if sources else ())

    def meet(self, connection: Connection, stored: Stored, event: ChangeEvent, key: bytes, meetings: Meetings) -> str:
        """Return the reason that makes an event of a stored id a duplicate, and store and count what it brings.

        A conflict changes nothing. A pruned event stays what it was: what it would count with is forgotten. Raises StoreError.
        """
        if not event.supersedes and not stored.addendum and stored.fingerprint != event.fingerprint:
            return CONFLICT
        if stored.event_time is None:
            self._vouch(connection, stored, event)
            return ""
        if not stored.flags & LIVE and stored.event_time >= meetings.live_since:
            counted = self._promote(connection, stored, key, meetings)
            meetings.promoted.append(event if event.supersedes else counted)
        self._vouch(connection, stored, event)
        fate = self._supersede(connection, stored, event, key, meetings) if event.supersedes else ""
        if meetings.source not in stored.sources:
            text = self._dimensions.strings.number(connection, json.dumps([*stored.sources, meetings.source]))
            connection.execute("UPDATE events SET sources = ? WHERE id = ?", (text, stored.number))
            meetings.seconded.append(StoredEvent(event, bool(stored.flags & LIVE)))
        return fate

    def _vouch(self, connection: Connection, stored: Stored, event: ChangeEvent) -> None:
        """Let the original of an event of which only an addendum had come say from now on what a conflict is."""
        if stored.addendum and not event.supersedes:
            connection.execute("UPDATE seen SET fingerprint = ?, addendum = 0 WHERE id = ?", (event.fingerprint, stored.number))

    def _promote(self, connection: Connection, stored: Stored, key: bytes, meetings: Meetings) -> ChangeEvent:
        """Count a past event as if it had been live when it was stored, amendments included; return it as stored."""
        assert stored.event_time is not None
        (found,) = load(connection, self._blocks, (stored.number,), raw=False)
        counted = load_kept(connection, stored.number).counted
        event = found.event if counted is None else with_details(found.event, counted)
        meetings.tally.event(event, key, stored.event_time, meetings.recorded_at, PROMOTED_EVENT)
        stored.flags |= LIVE
        connection.execute("UPDATE events SET flags = ? WHERE id = ?", (stored.flags, stored.number))
        return found.event

    def _supersede(self, connection: Connection, stored: Stored, event: ChangeEvent, key: bytes, meetings: Meetings) -> str:
        """Replace the details of a stored event by those of a superseding record, and count what the first of these reveals.

        What amendments had added to the event stays (`amended_anew`); who looked at it already is told to look again.
        """
        assert stored.event_time is not None
        body = self._blocks.read(connection, (stored.number,), raw=False)[stored.number][0]
        before, details, kept = decode_details(body), details_of(event), load_kept(connection, stored.number)
        told_before = encode_details(kept.recorded or before) == encode_details(details)
        if stored.flags & ADDENDUM and bool(stored.flags & CONTENT_KNOWN) == event.content_known and told_before:
            return ""
        counted, live = kept.counted or before, bool(stored.flags & LIVE)
        if not stored.flags & ADDENDUM:
            state = LIVE_EVENT if live else PAST_EVENT
            meetings.tally.supplement(event, counted, key, stored.event_time, meetings.recorded_at, state)
            counted = together(counted, details.security_groups, details.opened_port_classes)
        keep(connection, stored.number, replace(kept, recorded=kept.recorded and details, counted=counted))
        revise(connection, stored.number)
        shown = amended_anew(before, kept, details)
        touched.forget(connection, self._dimensions.strings, ((stored.number, stored.event_time, before),))
        touched.remember(connection, self._dimensions.strings, ((stored.number, stored.event_time, shown),))
        runs.amend(connection, self._dimensions.strings, stored.number, stored.event_time, before, shown)
        self._blocks.replace(connection, stored.number, encode_details(shown), event.raw)
        stored.flags = flags(live, event)
        connection.execute("UPDATE events SET flags = ? WHERE id = ?", (stored.flags, stored.number))
        return SUPERSEDED


def flags(live: bool, details: ChangeEvent) -> int:
    """Return the bits of `events.flags`."""
    return (LIVE if live else 0) | (CONTENT_KNOWN if details.content_known else 0) | (ADDENDUM if details.supersedes else 0)
