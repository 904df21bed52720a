"""Search: the events that match a Query, newest first, on the shortest way to them.

- A few ids, rules or groups lead to few events, found by their own tables: those alone are looked at.
- Else the newest of the time that is asked for are looked at, in case much matches.
- Else what is left is found by the index of runs, which takes as long as there are events, some 20 ms for a million, whatever matches.
"""

from __future__ import annotations

from collections.abc import Callable

from exporter.store.base import HistoryEvent, Query
from exporter.store.blocks import Blocks
from exporter.store.database import Connection
from exporter.store.events import load
from exporter.store.filters import Bounds, Filters, Place
from exporter.store.indexed import Indexed
from exporter.store.words import holds

LOOKED_AT, READ = 2048, 256
"""The newest events that are looked at before the index: so many where their rows tell all, so many where each must be read whole."""

_MOST = 512

Take = Callable[[Bounds, int], list[Place]]


def search(connection: Connection, blocks: Blocks, query: Query) -> list[HistoryEvent]:
    """Return the events that match, newest first, those of one time in the order of storing backwards. Raises StoreError."""
    limit, offset = max(query.limit, 0), max(query.offset, 0)
    filters = Filters(connection, query)
    if limit == 0 or filters.impossible:
        return []
    found = _Found(connection, blocks, filters, limit + offset)
    if filters.leads_to_few():
        found.take(filters.direct, filters.bounds)
    else:
        _newest(connection, filters, found)
    return load(connection, blocks, found.numbers[offset : offset + limit], query.raw)


def _newest(connection: Connection, filters: Filters, found: _Found) -> None:
    """Find the newest that match: among the newest of all, as long as many of them do, and by the index from there on."""
    bounds = filters.bounds
    step, looked_at = READ if filters.must_read else LOOKED_AT, 0
    while True:
        floor = filters.floor(bounds, step)
        found.take(filters.walk, bounds.down_to(floor))
        looked_at += step
        if floor is None or found.full:
            return
        bounds = bounds.behind(floor)
        # At the rate so far, how many would have to be looked at for all that is wanted.
        if found.wanted * looked_at > LOOKED_AT * len(found.numbers):
            break
    found.take(Indexed(connection, filters).newest, bounds)


class _Found:
    """The numbers of matching events, up to a page."""

    def __init__(self, connection: Connection, blocks: Blocks, filters: Filters, wanted: int) -> None:
        self._connection, self._blocks, self._filters, self.wanted = connection, blocks, filters, wanted
        self.numbers: list[int] = []

    @property
    def full(self) -> bool:
        """Whether there are as many as are wanted."""
        return len(self.numbers) >= self.wanted

    def take(self, take: Take, bounds: Bounds) -> None:
        """Add what is taken within bounds and matches, until there is enough or nothing is left to take."""
        if not self._filters.must_read:
            self.numbers += [number for _, number in take(bounds, self.wanted - len(self.numbers))]
            return
        while not self.full:
            asked = min(self.wanted - len(self.numbers), _MOST)
            taken = take(bounds, asked)
            self.numbers += self._matching([number for _, number in taken])
            if len(taken) < asked:
                return
            bounds = bounds.behind(taken[-1])

    def _matching(self, numbers: list[int]) -> list[int]:
        filters = self._filters
        events = load(self._connection, self._blocks, numbers, raw=False)
        return [
            number
            for number, found in zip(numbers, events, strict=True)
            if filters.by(found.event.principal) and holds(found.event, filters.words)
        ]
