"""Works out each hour, from the store, what is usual in it, and says at any moment what the page shows of that.

All follows from the store and the clock, so that two replicas on one store say the same and a restart changes nothing. The rule looks
at what was counted within an hour. Where the exporter or a delivery was out, several hours are counted in one: from the scrape that
shows them on until they have left the rule's window, the account and region is held to what that longer stretch usually brings.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from exporter.baseline import CHANNEL_CLASSES, Estate, Expectation, Key, Parameters, class_of, hour_of
from exporter.families import CHANNELS
from exporter.forecast.families import EXPECTED, UPPER
from exporter.model import Channel, Unit
from exporter.store.base import HourlyCounts, LateCount, SeriesRow, Store, StoredSample

HOLD = timedelta(minutes=65)
"""How long what was counted late stays in the rule's window: its hour, and a few scrapes until the last one has shown it."""

_YOUNG = timedelta(minutes=5)
"""How often a young estate is looked at: its past may be being filled in, and what is usual becomes known with it."""
_RETRY = timedelta(minutes=1)
_HOUR = timedelta(hours=1)

Samples = Mapping[Unit, Sequence[StoredSample]]

_Stretches = Mapping[Key, tuple[int, int]]
"""By key the hour of the earliest change that was counted late, and how many were."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """What one look at the history told, and when it was taken: the gauges of each unit, and from what longer stretches follow."""

    estate: Estate
    units: frozenset[Unit]
    usual: dict[Unit, tuple[StoredSample, ...]]
    young: bool
    at: datetime


class Forecaster:
    """The forecast of one store; safe to use from any thread."""

    def __init__(self, store: Store, history: timedelta, previous: Forecaster | None = None) -> None:
        """`history` is how much of it counts; what `previous` expected is shown until this one has looked itself."""
        self._store, self._history = store, history
        self._parameters = replace(Parameters(), history_hours=int(history / _HOUR))
        self._lock, self._renewing = threading.Lock(), threading.Lock()
        self.renewed: Renewed | None = previous.renewed if previous else None
        self._units: frozenset[Unit] = frozenset()
        self._tried: datetime | None = None
        self._late: dict[Unit, tuple[_Stretches, Estate, tuple[StoredSample, ...]]] = {}

    def due(self, now: datetime) -> bool:
        """Return whether the history must be looked at: at the full hour, and sooner where a unit or its past is new."""
        renewed, tried = self.renewed, self._tried
        if renewed is None or tried is None or tried > now:
            return tried is None or not _RETRY > now - tried >= timedelta(0)
        if now - tried < _RETRY:
            return False
        if renewed.at < tried or renewed.estate.now != hour_of(now):
            return True
        return bool(self._units - renewed.units) or (renewed.young and now - tried >= _YOUNG)

    def renew(self, now: datetime) -> None:
        """Look at the history, and expect by it from now on. Raises StoreError; then what is expected stays as it was."""
        with self._renewing:
            self._tried = now
            hours = self._store.hourly_counts(now - self._history - _HOUR)
            units = self._units | {Unit(*unit) for unit in hours.watched}
            estate = _learn(hours, units, now, self._parameters)
            grown = estate.now - self._parameters.young_days * 24
            young = any(hours.watched.get((unit.account_id, unit.region), estate.now) > grown for unit in units)
            usual = {unit: _samples({key: estate.expect(key) for key in _keys(unit)}) for unit in units}
            self.renewed = Renewed(estate, units, usual, young, now)

    def meet(self, rows: Iterable[SeriesRow]) -> None:
        """Take note of the units whose counters are among these series."""
        met = {Unit(*row.labels[:2]) for row in rows if row.family == CHANNELS.name}
        with self._lock:
            self._units |= met

    def samples(self, now: datetime) -> tuple[Samples, datetime | None]:
        """Return the gauges of every unit that was met, and when they change although nothing is stored. Raises StoreError.

        None before the history was ever looked at: no zero is made up. A unit whose gauges stay as they were keeps its very object.
        """
        late = self._store.late_counts(now - HOLD)
        with self._lock:
            renewed = self.renewed
            if renewed is None:
                return {}, None
            stretches, until = _stretches(late, now)
            shown = {unit: renewed.usual.get(unit) or self._unknown(renewed, unit) for unit in self._units}
            for unit in {Unit(*key[:2]) for key in stretches} & self._units:
                shown[unit] = self._stretched(renewed.estate, unit, {key: stretches[key] for key in _keys(unit) if key in stretches})
            self._late = {unit: known for unit, known in self._late.items() if shown.get(unit) is known[2]}
            return shown, until

    def _unknown(self, renewed: Renewed, unit: Unit) -> tuple[StoredSample, ...]:
        """Return the gauges of a unit that was met since the history was looked at, and remember them with the others."""
        return renewed.usual.setdefault(unit, _samples({key: renewed.estate.expect(key) for key in _keys(unit)}))

    def _stretched(self, estate: Estate, unit: Unit, stretches: _Stretches) -> tuple[StoredSample, ...]:
        known = self._late.get(unit)
        if known is None or known[0] != stretches or known[1] is not estate:
            got = {key: estate.expect_since(key, *stretches[key]) if key in stretches else estate.expect(key) for key in _keys(unit)}
            known = self._late[unit] = stretches, estate, _samples(got)
        return known[2]


def _learn(hours: HourlyCounts, units: Iterable[Unit], now: datetime, parameters: Parameters) -> Estate:
    counts: dict[Key, dict[int, int]] = {}
    for (account_id, region, channel), by_hour in hours.counts.items():
        known = counts.setdefault((account_id, region, class_of(Channel(channel))), {})
        for hour, count in by_hour.items():
            known[hour] = known.get(hour, 0) + count
    return Estate.of(counts, [key for unit in units for key in _keys(unit)], hours.watched, now, parameters)


def _keys(unit: Unit) -> tuple[Key, ...]:
    return tuple((unit.account_id, unit.region, name) for name in CHANNEL_CLASSES)


def _stretches(late: Iterable[LateCount], now: datetime) -> tuple[_Stretches, datetime | None]:
    """Return what was counted late and is in the window of each key, and when the first of it leaves."""
    stretches: dict[Key, tuple[int, int]] = {}
    until: datetime | None = None
    for count in late:
        ends = count.counted_at + HOLD
        if ends > now:
            key, hour = (count.account_id, count.region, class_of(Channel(count.channel))), hour_of(count.event_time)
            first, events = stretches.get(key, (hour, 0))
            stretches[key] = min(first, hour), events + count.events
            until = ends if until is None else min(until, ends)
    return stretches, until


def _samples(expectations: Mapping[Key, Expectation]) -> tuple[StoredSample, ...]:
    return tuple(
        sample
        for key, got in expectations.items()
        for sample in ((EXPECTED.name, key, round(got.expected, 4)), (UPPER.name, key, round(got.upper, 4)))
    )
