"""The items of one resource in one account and region, newest first, as rows: page by page, and no further than is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from exporter.aws.operations import GET_CONFIG_HISTORY
from exporter.errors import SourceError
from exporter.history.config_actors import Actors
from exporter.history.config_items import Item, read_item
from exporter.history.config_rows import Row, likely_events, row_of, told_by
from exporter.history.matching import Matcher
from exporter.history.places import behind, latest
from exporter.model import ChangeEvent
from exporter.parse.record import Opened
from exporter.snapshots.asking import Asker, Listing
from exporter.store.base import HistoryEvent, Query

SOURCE = "aws-config"
HISTORY = Listing(GET_CONFIG_HISTORY, "configurationItems", 100, "limit", "nextToken", "nextToken")
_AT_ONCE = 50
"""Rows that are joined to their actors together."""


@dataclass(slots=True)
class Walk:
    """Reads one resource. What came of it stands in `found`, by event id; `broken` says which items could not be understood."""

    asker: Asker
    kind: str
    resource_id: str
    query: Query
    now: datetime
    actors: Actors
    opened: Opened
    read: Callable[[int], None] = lambda _items: None
    found: dict[str, HistoryEvent] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    daily: bool = False

    def run(self) -> None:
        """Read until enough rows match, or none can any more. Raises SourceError, and Stopping where all is to end."""
        enough = self.query.offset + self.query.limit
        batch: list[tuple[Item, Item | None]] = []
        for pair in self._pairs():
            batch.append(pair)
            if len(batch) >= min(_AT_ONCE, enough - len(self.found)):
                self._take(batch)
                batch = []
            if len(self.found) >= enough:
                return
        self._take(batch)

    def _pairs(self) -> Iterator[tuple[Item, Item | None]]:
        """Yield the items that may match, each with the newest older one that tells what stood; None where there is none."""
        waiting: list[Item] = []
        for item in self._read():
            if item.known:
                yield from ((one, item) for one in waiting)
                waiting = []
            if self.query.since is not None and item.captured_at < self.query.since:
                # It was read only for the one after it; an older one that tells more may be wanted still.
                if not waiting:
                    return
                continue
            waiting.append(item)
        yield from ((one, None) for one in waiting)

    def _read(self) -> Iterator[Item]:
        bound = {"laterTime": until} if (until := self._until()) is not None else {}
        asked = {"resourceType": self.kind, "resourceId": self.resource_id, "chronologicalOrder": "Reverse"}
        account_id, region = self.asker.caller.account_id, self.asker.caller.region
        seen: set[str] = set()
        for told in self.asker.all(HISTORY, **asked, **bound):
            self.read(1)
            try:
                item = read_item(told, self.kind, self.resource_id, account_id, region)
            except SourceError as error:
                self.broken.append(str(error))
                continue
            if item.item_id not in seen:
                seen.add(item.item_id)
                yield item

    def _until(self) -> datetime | None:
        """Return the last moment that may match; None where that is now."""
        end = latest(self.query, self.now)
        return end if end < self.now else None

    def _take(self, pairs: list[tuple[Item, Item | None]]) -> None:
        """Keep the rows that match, with who did what they say, and the events beside which no row is needed."""
        # Who it was is asked for those alone that may match, because each question may be a call.
        likely = Matcher(replace(self.query, principals=(), text="", rule_ids=()))
        wanted = [pair for pair in pairs if self._fits(row_of(*pair, {}, lambda _changes: ()).event, likely)]
        ids = {event_id: item.captured_at for item, _ in wanted for event_id in item.related}
        events = self.actors.find(ids, self.asker.caller, self.now, self.asker.context.stopping) if ids else {}
        matcher, shown = Matcher(self.query), self.actors.shown()
        beside: dict[str, ChangeEvent] = {}
        for item, before in wanted:
            row = self._row(item, before, events)
            beside |= {event_id: shown[event_id].event for event_id in row.related if event_id in shown}
            if not self._fits(row.event, matcher):
                continue
            told = told_by(row, beside)
            if told is not None:
                # The event itself, so that its sources say that AWS Config tells of it too.
                self.found[told.event_id] = replace(shown[told.event_id], sources=(SOURCE,))
            else:
                self._keep(row, item)

    def _row(self, item: Item, before: Item | None, events: Mapping[str, ChangeEvent]) -> Row:
        """Return the row of an item; where AWS Config names no event, as it mostly does, with those that made just these changes."""
        row = row_of(item, before, events, self.opened)
        if item.related or before is None or not row.event.rule_changes:
            return row
        between = {event.event_id: event for event in self.actors.between(self.resource_id, before.captured_at, item.captured_at)}
        likely = likely_events(row, between.values())
        return row_of(replace(item, related=likely), before, between, self.opened, likely=True) if likely else row

    def _keep(self, row: Row, item: Item) -> None:
        self.daily |= item.daily
        event = row.event if self.query.raw else replace(row.event, raw=b"")
        self.found[event.event_id] = HistoryEvent(event, self.now, live=False, sources=(SOURCE,))

    def _fits(self, event: ChangeEvent, matcher: Matcher) -> bool:
        return matcher.matches(event) and behind(event, self.query.after)
