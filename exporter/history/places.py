"""What a place is that history can be read from: the store, Event history, SQL over trail logs, the timeline of AWS Config."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from exporter.model import ChangeEvent
from exporter.store.base import HistoryEvent, Position, Query

Progress = Callable[[int, int, int], None]
"""Is told of steps done, of how many (0 while that is not known), and of the events or records read so far."""


@dataclass(slots=True)
class Answer:
    """The events that match, newest first; what could not be read (the answer lacks it), and what a person should know besides."""

    events: list[HistoryEvent] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Place(Protocol):
    """One place of history. Its name is that of `--from`, and stands in `HistoryEvent.sources` of what only it tells."""

    name: str

    def search(self, query: Query, now: datetime, progress: Progress) -> Answer:
        """Return what matches, the newest `query.limit` behind `query.offset`; what cannot be read is a problem of the answer."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...


def behind(event: ChangeEvent, after: Position | None) -> bool:
    """Tell whether an event comes behind a position in the order of `merged`: newest first, ids deciding within one moment."""
    return after is None or (event.event_time, event.event_id) < (after.event_time, after.event_id)


def latest(query: Query, now: datetime) -> datetime:
    """Return the latest time that may match a query."""
    until, after = query.until or now, query.after.event_time if query.after is not None else now
    return min(until, after, now)


def merged(answers: Sequence[Answer], query: Query) -> Answer:
    """Return one timeline of several answers, without duplicates; where two tell of one event, the first that does stands.

    Each answer must have been asked for the first `offset + limit` events: the page is cut here. What is stored tells most (whether it
    counted, what the readings of the rules add), so the store comes first; `sources` are then those of all places.
    """
    found: dict[str, HistoryEvent] = {}
    for answer in answers:
        for item in answer.events:
            known = found.get(item.event.event_id)
            found[item.event.event_id] = item if known is None else _united(known, item)
    newest = sorted(found.values(), key=lambda item: (item.event.event_time, item.event.event_id), reverse=True)
    return Answer(
        newest[query.offset : query.offset + query.limit],
        list(dict.fromkeys(problem for answer in answers for problem in answer.problems)),
        list(dict.fromkeys(note for answer in answers for note in answer.notes)),
    )


def _united(known: HistoryEvent, other: HistoryEvent) -> HistoryEvent:
    # An addendum that another place has already is the fuller version of the same event (docs/decisions/0009).
    event = other.event if other.event.supersedes and not known.event.supersedes else known.event
    sources = tuple(dict.fromkeys((*known.sources, *other.sources)))
    return HistoryEvent(event, known.recorded_at, known.live, sources)
