"""History straight from AWS: Event history of every account and region, without a store."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

from exporter.aws import Caller
from exporter.catalog import Watch
from exporter.errors import MalformedRecord, SourceError
from exporter.history.counted import counts, everything
from exporter.history.lookups import Lookup, attaching, lookups
from exporter.history.matching import Matcher
from exporter.history.places import Answer, Progress, behind, latest
from exporter.logs import Logger
from exporter.model import ChangeEvent, Ignored
from exporter.parse import RecordParser
from exporter.parse.record import Opened
from exporter.sources.cloudtrail.ask import Asker, Sleep
from exporter.sources.cloudtrail.clock import NOTABLE_SKEW, AwsClock
from exporter.sources.cloudtrail.pages import LookupEvent, Page
from exporter.sources.cloudtrail.settings import KEPT
from exporter.sources.cloudtrail.walk import Walk
from exporter.sources.scan import load
from exporter.store.base import HistoryEvent, Query

SOURCE = "cloudtrail"
_GROUPS = "security_groups"
_HOUR = timedelta(hours=1)
_AT_ONCE = 8
_PATIENCE = 60.0


class EventHistory:
    """Searches Event history as `callers`, several accounts and regions at once. `watch` says what counts where no call is named.

    `failed` is what could not even be asked: accounts of which nobody knows how to reach them, say.
    """

    name = SOURCE

    def __init__(
        self,
        callers: Sequence[Caller],
        watch: Watch,
        opened: Opened,
        log: Logger,
        sleep: Sleep = time.sleep,
        failed: Sequence[str] = (),
    ) -> None:
        self._callers, self._watch, self._log, self._sleep, self._failed = callers, watch, log, sleep, tuple(failed)
        self._parser = RecordParser(everything(), opened)
        self._stop = threading.Event()

    def search(self, query: Query, now: datetime, progress: Progress = lambda _done, _all, _events: None) -> Answer:
        """Return what matches a query; never raises for what AWS refuses, which is told as a problem instead."""
        answer, oldest = Answer(problems=list(self._failed)), now - KEPT
        if query.since is not None and query.since < oldest - _HOUR:
            answer.notes.append("Event history keeps 90 days; what is older is in the store, or in a trail's files.")
        wanted = lookups(query, self._watch.names(), attaching(self._watch.wanted))
        tally = _Tally(len(wanted) * len(self._callers), progress)
        found: dict[str, ChangeEvent] = {}
        with ThreadPoolExecutor(_AT_ONCE, "event-history") as pool:
            try:
                for events, problem, notes in pool.map(lambda caller: self._unit(caller, wanted, query, now, tally), self._callers):
                    answer.problems += [problem] if problem else []
                    answer.notes += notes
                    for event in events:
                        _unite(found, event)
            except BaseException:
                # Whoever interrupts must not wait for two hundred regions to be read.
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        newest = sorted(found.values(), key=lambda event: (event.event_time, event.event_id), reverse=True)
        chosen = newest[query.offset : query.offset + query.limit]
        answer.events = [HistoryEvent(event, now, live=False, sources=(SOURCE,)) for event in chosen]
        return answer

    def close(self) -> None:
        """End a search that is under way; what it holds is its callers'."""
        self._stop.set()

    def _unit(
        self, caller: Caller, wanted: Iterable[Lookup], query: Query, now: datetime, tally: _Tally
    ) -> tuple[list[ChangeEvent], str | None, list[str]]:
        clock = AwsClock(lambda: now)
        ask = Asker(caller, clock, _PATIENCE, self._log, self._stop.is_set, self._sleep)
        search = _Search(self, ask, query, now, tally)
        problem = None
        try:
            for lookup in wanted:
                if self.stopped:
                    break
                search.look_up(lookup)
                tally.done()
            if query.event_ids:
                search.look_for_addenda()
        except SourceError as error:
            problem = str(error)
        notes = [f"{ask.where}: {search.malformed} records could not be understood."] if search.malformed else []
        if clock.skew is not None and clock.skew > NOTABLE_SKEW + tally.seconds:
            notes.append(f"{ask.where}: this machine's clock is about {clock.skew} s behind AWS's; the newest events may be missing.")
        return list(search.found.values()), problem, notes

    def understand(self, event: LookupEvent) -> ChangeEvent | None:
        """Return the event that an entry tells of, None where it is none (an Insight); raise MalformedRecord."""
        if event.CloudTrailEvent is None:
            raise MalformedRecord("shape", "no CloudTrailEvent")
        raw, record = load(event.CloudTrailEvent.encode())
        parsed = self._parser.parse(record, raw)
        return None if isinstance(parsed, Ignored) else parsed

    def counts(self, event: ChangeEvent, query: Query) -> bool:
        """Tell whether an event is of the calls that are asked about."""
        return counts(event, query, self._watch)

    @property
    def stopped(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._stop.is_set()


class _Tally:
    """What all units have done so far, told to who watches."""

    def __init__(self, lookups_: int, progress: Progress) -> None:
        self._all, self._progress, self._lock = lookups_, progress, threading.Lock()
        self._done = self._events = 0
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def read(self, events: int) -> None:
        with self._lock:
            self._events += events
            self._progress(self._done, self._all, self._events)

    def done(self) -> None:
        with self._lock:
            self._done += 1
            self._progress(self._done, self._all, self._events)


class _Search:
    """The lookups in one account and region; `found` by event id."""

    def __init__(self, history: EventHistory, ask: Asker, query: Query, now: datetime, tally: _Tally) -> None:
        self._history, self._ask, self._query, self._tally = history, ask, query, tally
        self._matcher = Matcher(query)
        self._start = int(max(query.since or now - KEPT, now - KEPT).timestamp())
        self._end = int(latest(query, now).timestamp())
        self.found: dict[str, ChangeEvent] = {}
        self.malformed = 0

    def look_up(self, lookup: Lookup) -> None:
        """Read the pages of a lookup, newest first, until the newest that are asked for are there."""
        if self._start <= self._end:
            self._walk(lookup, self._start, self._end)

    def look_for_addenda(self) -> None:
        """Look for fuller versions of what was found by its id: AWS gives such a record an id of its own, and the time of the first."""
        for event in list(self.found.values()):
            second = int(event.event_time.timestamp())
            if not event.supersedes and not self._history.stopped:
                self._walk(("EventName", event.event_name), second, second)

    def _walk(self, lookup: Lookup, start: int, end: int) -> None:
        attribute, value = lookup
        walk = Walk(start, end, (f"{attribute}={value}" if attribute else "",))
        enough = self._query.offset + self._query.limit
        here: dict[str, datetime] = {}
        for page in walk.steps(self._ask):
            for event in self._matching(page, listed=attribute == "ResourceName"):
                _unite(self.found, event)
                here.setdefault(event.event_id, event.event_time)
            self._tally.read(page.count)
            if self._history.stopped or (len(here) >= enough and _past(page, list(here.values())[enough - 1])):
                return

    def _matching(self, page: Page, *, listed: bool) -> Iterator[ChangeEvent]:
        self.malformed += len(page.broken)
        for entry in page.events:
            try:
                event = self._history.understand(entry)
            except MalformedRecord:
                self.malformed += 1
                continue
            # AWS lists a group with the calls that change another one whose rules name it: there the record decides.
            if event is None or not self._history.counts(event, self._query):
                continue
            fits = self._matcher.matches(event, listed=listed and event.watch_set != _GROUPS)
            if fits and behind(event, self._query.after):
                yield event if self._query.raw else replace(event, raw=b"")


def _past(page: Page, time: datetime) -> bool:
    """Tell whether a page has left the second of a time: within one second AWS's order is not that of our ids."""
    return page.oldest is not None and page.oldest < int(time.timestamp())


def _unite(found: dict[str, ChangeEvent], event: ChangeEvent) -> None:
    """Keep one record of each event: the fuller version that AWS delivered later, where there is one."""
    known = found.get(event.event_id)
    if known is None or (event.supersedes and not known.supersedes):
        found[event.event_id] = event
