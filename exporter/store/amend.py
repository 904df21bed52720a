"""What the rules that stood before and after say of stored events: amendments, entries of the history, and what explains these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from exporter.errors import StoreError
from exporter.model import ChangeEvent, Unit
from exporter.posture.chronicle import EVENT_SOURCE, Amendment
from exporter.store import runs, touched
from exporter.store.append import Appender, New
from exporter.store.blocks import Blocks
from exporter.store.codec import LIVE, Details, decode_details, encode_details, event_key, to_microseconds
from exporter.store.database import Connection
from exporter.store.dimensions import Dimensions
from exporter.store.events import load
from exporter.store.kept import NOTHING, Kept, keep, load_kept, together, with_groups
from exporter.store.known import Known, Stored
from exporter.store.series import LIVE_EVENT, PAST_EVENT, Book, Tally, with_details


@dataclass(frozen=True, slots=True)
class _Found:
    stored: Stored
    event_time: int
    body: bytes
    shown: Details


class Amender:
    """Changes stored events inside the transaction at hand. An event that was pruned is left out: nothing is kept to change."""

    def __init__(self, dimensions: Dimensions, book: Book, blocks: Blocks, appender: Appender) -> None:
        self._dimensions, self._book, self._blocks, self._appender = dimensions, book, blocks, appender
        self._known = Known(dimensions, blocks)

    def enter(self, connection: Connection, events: Sequence[ChangeEvent], source: str, recorded_at: int) -> None:
        """Store entries of the history that no record brought, those that are new, as live and counted nowhere.

        Raises StoreError for an event that a record may bring: its record would then pass for a duplicate and never count.
        """
        new: dict[bytes, New] = {}
        for event in events:
            key = event_key(event.event_id)
            if event.event_source != EVENT_SOURCE or not event.event_id.startswith("hash:") or event.supersedes:
                source = f"{event.event_source!r:.100}"
                raise StoreError(f"event {event.event_id} of {source} is no entry of ours; this is a fault of the exporter")
            if key not in new and self._known.find(connection, key) is None:
                new[key] = New(event, event, None, to_microseconds(event.event_time), True, event.fingerprint, event.supersedes)
        self._book.register_units(connection, {Unit(met.event.account_id, met.event.region) for met in new.values()})
        self._appender.write(connection, new, source, recorded_at)
        if new:
            self._book.raise_revision(connection)

    def amend(self, connection: Connection, amendment: Amendment, tally: Tally, recorded_at: datetime) -> None:
        """Change the details of an event, and count the groups and opened classes that it has not counted with yet.

        An equal amendment changes and counts nothing. A past event counts them if it comes alive. Raises StoreError for an
        event that was never stored.
        """
        found = self._find(connection, amendment.event_id)
        if found is None:
            return
        kept = load_kept(connection, found.stored.number)
        counted = kept.counted or found.shown
        groups, opened = dict.fromkeys(amendment.security_groups), dict.fromkeys(amendment.opened_port_classes)
        more = together(counted, groups, opened)
        if more != counted:
            self._count(connection, found, counted, more, tally, recorded_at)
        fuller = replace(with_groups(found.shown, groups, opened), rule_changes=tuple(amendment.rule_changes))
        added = together(kept.added or NOTHING, groups, opened)
        amended = Kept(kept.recorded or found.shown, added, kept.counted and more)
        if encode_details(fuller) != found.body:
            self._replace(connection, found, fuller)
        elif amended == replace(kept, recorded=amended.recorded):
            return
        keep(connection, found.stored.number, amended)

    def explain(self, connection: Connection, entry: str, event_id: str) -> None:
        """Let an entry of the history name the event that explains it after all. Raises StoreError for an unknown entry."""
        event_key(event_id)
        found = self._find(connection, entry)
        if found is not None and found.shown.shared_event_id != event_id:
            self._replace(connection, found, replace(found.shown, shared_event_id=event_id))

    def _count(self, connection: Connection, found: _Found, counted: Details, more: Details, tally: Tally, recorded_at: datetime) -> None:
        """Count what more groups and opened classes reveal beyond those that counted; of an entry of ours nothing counts."""
        (loaded,) = load(connection, self._blocks, (found.stored.number,), raw=False)
        if loaded.event.event_source != EVENT_SOURCE:
            state = LIVE_EVENT if found.stored.flags & LIVE else PAST_EVENT
            event = with_details(loaded.event, more)
            tally.supplement(event, counted, event_key(event.event_id), found.event_time, recorded_at, state)

    def _find(self, connection: Connection, event_id: str) -> _Found | None:
        stored = self._known.find(connection, event_key(event_id))
        if stored is None:
            raise StoreError(f"event {event_id} is to be amended, but the store never had it; this is a fault of the exporter")
        if stored.event_time is None:
            return None
        body = self._blocks.read(connection, (stored.number,), raw=False)[stored.number][0]
        return _Found(stored, stored.event_time, body, decode_details(body))

    def _replace(self, connection: Connection, found: _Found, details: Details) -> None:
        # No series need have changed; but whoever keeps an answer must learn that it shows what was.
        self._book.raise_revision(connection)
        number = found.stored.number
        touched.forget(connection, self._dimensions.strings, ((number, found.event_time, found.shown),))
        touched.remember(connection, self._dimensions.strings, ((number, found.event_time, details),))
        runs.amend(connection, self._dimensions.strings, number, found.event_time, found.shown, details)
        self._blocks.replace(connection, number, encode_details(details))
