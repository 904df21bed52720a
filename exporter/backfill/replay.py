"""Plays the events of the store over the families again, by event time: what each line of the page would have counted, and when."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from exporter.backfill.events import in_order
from exporter.families import EVENT_FAMILIES, Family, Labels
from exporter.metrics.folding import Folding
from exporter.model import Unit
from exporter.posture.entries import is_entry
from exporter.store.base import HistoryEvent, SeriesRow, Store

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

PAST, LIVE, AFTERWARDS = 0, 1, 2
"""How a change was counted: not at all, by the exporter before the stretch ended, or by the exporter only after it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time that is written: from `since`, at which every counter stands at 0, until just before `until`."""

    since: datetime
    until: datetime


@dataclass(slots=True)
class Track:
    """What events did to one series, in order of time: when (milliseconds), how much, and how it was counted.

    Of a counter the amounts are added, of a gauge each is its new value. 17 bytes a change.
    """

    times: array[int] = field(default_factory=lambda: array("q"))
    amounts: array[float] = field(default_factory=lambda: array("d"))
    counted: array[int] = field(default_factory=lambda: array("b"))

    def add(self, time: int, amount: float, counted: int) -> None:
        """Take note of a change."""
        self.times.append(time)
        self.amounts.append(amount)
        self.counted.append(counted)

    def __iter__(self) -> Iterator[tuple[int, float, int]]:
        return zip(self.times, self.amounts, self.counted, strict=True)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the page through time. `preset`: it exists from the first sight of its unit; `scraped`: a scrape showed it by the end."""

    labels: Labels
    track: Track
    preset: bool
    scraped: bool


@dataclass(frozen=True, slots=True)
class Replayed:
    """The lines of every family in the order of the page, how many events they come from, and how many of the past came after the end."""

    lines: Mapping[str, Sequence[Line]]
    events: int


def milliseconds(moment: datetime) -> int:
    """Return a time as Prometheus keeps it."""
    return (moment - EPOCH) // _MILLISECOND


def replay(store: Store, stretch: Stretch, budgets: Mapping[str, int], families: Sequence[Family] = EVENT_FAMILIES) -> Replayed:
    """Return what the events of a stretch come to, folded as the page folds. One reading of the store, whatever the families."""
    rows: dict[str, list[SeriesRow]] = {family.name: [] for family in families}
    for row in store.series().rows:
        if row.family in rows:
            rows[row.family].append(row)
    tracks: dict[str, dict[Labels, Track]] = {family.name: {} for family in families}
    by_unit = [family for family in families if family.labels[:2] == ("account_id", "region")]
    units = dict.fromkeys(Unit(*row.labels[:2]) for family in by_unit for row in rows[family.name])
    events = 0
    for found in in_order(store, stretch.until):
        if is_entry(found.event):
            continue
        units.setdefault(Unit(found.event.account_id, found.event.region))
        within = found.event.event_time >= stretch.since
        events += within
        for family in families:
            # A gauge may tell of the very first event; a counter begins anew.
            if within or family.update != "add":
                _contribute(tracks[family.name], family, found, stretch)
    lines = {
        family.name: _folded(family, budgets.get(family.name, family.budget), rows[family.name], tracks[family.name], list(units), stretch)
        for family in families
    }
    return Replayed(lines, events)


def _contribute(tracks: dict[Labels, Track], family: Family, found: HistoryEvent, stretch: Stretch) -> None:
    time = milliseconds(found.event.event_time)
    counted = PAST if not found.live else LIVE if found.recorded_at < stretch.until else AFTERWARDS
    # Had the exporter been there, it would have heard of the change when it happened.
    for labels, amount in family.contribute(found.event, found.event.event_time):
        track = tracks.get(labels)
        if track is None:
            track = tracks[labels] = Track()
        last = track.amounts[-1] if track.amounts else None
        if family.update == "add" or last is None or (amount < last if family.update == "min" else amount > last):
            track.add(time, amount, counted)


def _folded(
    family: Family, budget: int, rows: Sequence[SeriesRow], tracks: Mapping[Labels, Track], units: Sequence[Unit], stretch: Stretch
) -> list[Line]:
    """Return the lines of a family: those that the page has already first, so that a series has the same name before and after the end."""
    preset = {labels for unit in units for labels in family.zeros(unit)}
    scraped_at = {row.labels: row.exposed_at for row in rows}
    until = stretch.until.timestamp()
    folding = Folding(family, budget)
    members: dict[Labels, list[Labels]] = {}
    for labels in dict.fromkeys((*scraped_at, *tracks, *preset)):
        members.setdefault(folding.place(labels) or labels, []).append(labels)
    out = []
    for labels, together in members.items():
        found = [tracks[member] for member in together if member in tracks]
        known = labels in preset or any(member in preset for member in together)
        if found or known:
            scraped = any((at := scraped_at.get(member)) is not None and at <= until for member in together)
            out.append(Line(labels, _merged(family, found), known, scraped or not family.held))
    return out


def _merged(family: Family, tracks: Sequence[Track]) -> Track:
    """Return the changes of several series as those of their sum, or of the least or greatest of them."""
    if len(tracks) == 1:
        return tracks[0]
    merged = Track()
    for time, amount, counted in heapq.merge(*tracks):
        last = merged.amounts[-1] if merged.amounts else None
        if family.update == "add" or last is None or (amount < last if family.update == "min" else amount > last):
            merged.add(time, amount, counted)
    return merged
