"""The newest events of a stream in any order, each once, without holding them all."""

from __future__ import annotations

from datetime import datetime

from exporter.model import ChangeEvent
from exporter.store.base import Query

_SPARE = 10_000


class Newest:
    """Keeps what the page of a query needs; of two records of one event the fuller version that AWS delivered later, else the first."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._wanted = query.offset + query.limit
        self._found: dict[str, ChangeEvent] = {}

    def add(self, event: ChangeEvent) -> None:
        """Take in one event."""
        after = self._query.after
        if after is not None and _order(event) >= (after.event_time, after.event_id):
            return
        known = self._found.get(event.event_id)
        if known is None or (event.supersedes and not known.supersedes):
            self._found[event.event_id] = event
        if len(self._found) >= 2 * (self._wanted + _SPARE):
            # So many more than are asked for that no late fuller version of one brings another back.
            self._found = {event.event_id: event for event in self._sorted()[: self._wanted + _SPARE]}

    def page(self) -> list[ChangeEvent]:
        """Return the page, newest first."""
        return self._sorted()[self._query.offset : self._wanted]

    def _sorted(self) -> list[ChangeEvent]:
        return sorted(self._found.values(), key=_order, reverse=True)


def _order(event: ChangeEvent) -> tuple[datetime, str]:
    return event.event_time, event.event_id
