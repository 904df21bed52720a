"""The events of the store in the order in which they happened, without ever holding more than a page of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from exporter.store.base import HistoryEvent, Query, Store

_PAGE = 5_000
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(days=30)
_ALL = 2**31


def in_order(store: Store, until: datetime, page: int = _PAGE) -> Iterator[HistoryEvent]:
    """Yield all events from before a time, oldest first; those of one second are read together, however many they are."""
    at = store.stats().oldest_event_time
    span = timedelta(days=1)
    while at is not None and at < until:
        end = min(at + span, until)
        found = store.search(Query(since=at, until=end, limit=page + 1))
        if len(found) > page and end - at > _SHORTEST:
            span = max((end - at) / 2, _SHORTEST)
            continue
        if len(found) > page:
            found = store.search(Query(since=at, until=end, limit=_ALL))
        yield from reversed(found)
        at = end
        if len(found) <= page // 4:
            span = min(span * 2, _LONGEST)
