"""Finds the CloudTrail events that items of AWS Config name: in the other places that are asked, in the store, in Event history."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from exporter.aws import Caller
from exporter.errors import StoreError
from exporter.history.places import Answer, Progress
from exporter.model import ChangeEvent
from exporter.snapshots.asking import Stopping
from exporter.sources.cloudtrail.settings import KEPT
from exporter.store.base import HistoryEvent, Query

Stored = Callable[[Query], Iterable[HistoryEvent]]
"""Asks the store."""
LookUp = Callable[[Caller, Query, datetime, Progress], Answer]
"""Asks Event history of one account and region."""
_MOST_LOOKUPS = 200
"""Event ids that are looked up for one answer, two a second; the others are told as not found."""
_MOST_BETWEEN = 200
_HOUR, _RESOLUTION = timedelta(hours=1), timedelta(seconds=1)


class Beside:
    """What the places that are asked at the same time answer; whoever wants it waits for them."""

    def __init__(self) -> None:
        self._answers: Callable[[], Iterable[Answer]] = tuple
        self._found: dict[str, HistoryEvent] | None = None
        self._lock = threading.Lock()

    def expect(self, answers: Callable[[], Iterable[Answer]]) -> None:
        """Have those answers awaited by whoever asks."""
        with self._lock:
            self._answers, self._found = answers, None

    def events(self) -> Mapping[str, HistoryEvent]:
        """Return the events of the other places by id; of two tellings of one event the first."""
        with self._lock:
            if self._found is None:
                self._found = {}
                for answer in self._answers():
                    for item in answer.events:
                        self._found.setdefault(item.event.event_id, item)
            return self._found


class Actors:
    """Finds events; `stored` asks the store, `look_up` asks AWS. Safe to use from several threads."""

    def __init__(self, beside: Beside, stored: Stored | None = None, look_up: LookUp | None = None) -> None:
        self._beside, self._stored, self._look_up = beside, stored, look_up
        self._known: dict[str, ChangeEvent | None] = {}
        self._lookups = 0
        self._lock = threading.Lock()
        self.problems: list[str] = []
        self.left_out = 0

    def shown(self) -> Mapping[str, HistoryEvent]:
        """Return the events of the other places, which stand in the same timeline."""
        return self._beside.events()

    def find(
        self, ids: Mapping[str, datetime], caller: Caller, now: datetime, stopping: Callable[[], bool] = lambda: False
    ) -> Mapping[str, ChangeEvent]:
        """Return the events of these ids, as far as there are any; with each id comes when AWS Config saw what the event did.

        Raises Stopping where all is to end meanwhile.
        """
        found = {event_id: item.event for event_id, item in self.shown().items() if event_id in ids}
        with self._lock:
            found |= {event_id: event for event_id in ids if (event := self._known.get(event_id)) is not None}
            missing = [event_id for event_id in ids if event_id not in found and event_id not in self._known]
        if missing and self._stored is not None:
            query = Query(event_ids=tuple(missing), limit=len(missing))
            found |= self._ask_store(query)
            missing = [event_id for event_id in missing if event_id not in found]
        if missing and self._look_up is not None:
            found |= self._looked_up([event_id for event_id in missing if now - ids[event_id] < KEPT + _HOUR], caller, now, stopping)
        with self._lock:
            self._known |= {event_id: found.get(event_id) for event_id in ids}
        return found

    def between(self, resource_id: str, since: datetime, until: datetime) -> Iterable[ChangeEvent]:
        """Return the events that name a resource, after one moment and not after another, that the other places and the store tell of."""
        query = Query(security_groups=(resource_id,), since=since - _RESOLUTION, until=until + _RESOLUTION, limit=_MOST_BETWEEN)
        found = {event_id: item.event for event_id, item in self.shown().items()}
        if self._stored is not None:
            found |= self._ask_store(query)
        # Events tell whole seconds: one of the second of an item may have come before it or after it.
        return [event for event in found.values() if since - _RESOLUTION < event.event_time <= until]

    def _ask_store(self, query: Query) -> dict[str, ChangeEvent]:
        try:
            return {item.event.event_id: item.event for item in self._stored(query)} if self._stored is not None else {}
        except StoreError as error:
            self._say(str(error))
            return {}

    def _say(self, problem: str) -> None:
        with self._lock:
            if problem not in self.problems:
                self.problems.append(problem)

    def _looked_up(self, ids: list[str], caller: Caller, now: datetime, stopping: Callable[[], bool]) -> dict[str, ChangeEvent]:
        with self._lock:
            wanted = ids[: max(_MOST_LOOKUPS - self._lookups, 0)]
            self._lookups += len(wanted)
            self.left_out += len(ids) - len(wanted)
        if not wanted or self._look_up is None:
            return {}

        def progress(_done: int, _all: int, _events: int) -> None:
            if stopping():
                raise Stopping

        answer = self._look_up(caller, Query(event_ids=tuple(wanted), limit=len(wanted)), now, progress)
        for problem in answer.problems:
            self._say(problem)
        return {item.event.event_id: item.event for item in answer.events}
