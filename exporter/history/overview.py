"""What stands open everywhere, how fresh that is and how the sources are: out of gauges and reports, without reading a group."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from exporter.checks.freshness import SNAPSHOT
from exporter.checks.inventory import GROUPS, RULES
from exporter.checks.open_ingress import EXCEPTED, OPEN
from exporter.model import Unit
from exporter.posture.judge import Judge
from exporter.posture.standing import Exposure
from exporter.report import Report
from exporter.sources.base import UnitKey
from exporter.store.base import Store, StoredSample, StoreStats

_OPEN, _EXCEPTED, _SNAPSHOT, _GROUPS, _RULES = OPEN.name, EXCEPTED.name, SNAPSHOT.name, GROUPS.name, RULES.name
_KEPT = frozenset({_OPEN, _EXCEPTED, _GROUPS, _RULES, _SNAPSHOT})
WORST_FIRST = {name.value: at for at, name in enumerate((Exposure.PUBLIC, Exposure.UNKNOWN, Exposure.ATTACHED, Exposure.UNATTACHED))}
_MOST = 1000


@dataclass(frozen=True, slots=True)
class OpenCount:
    """How many rules of one group are open, of one protocol, class of ports and IP version; `excepted` by leave of an exception."""

    account_id: str
    region: str
    vpc_id: str
    security_group_id: str
    protocol: str
    port_class: str
    ip_version: int
    exposure: str
    rules: int
    excepted: bool


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """What stands in one account and region; numbers are None while its groups were never read. `read_at` is by part."""

    account_id: str
    region: str
    groups: int | None
    rules: int | None
    open_groups: int
    read_at: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """How the last poll of one unit of a source went; `brought` says it for a person, `reason` why it failed."""

    source: str
    account_id: str
    region: str
    started_at: datetime
    seconds: float
    complete: bool
    reason: str | None
    brought: str


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it. `open` is worst first and bounded (`open_total` is not); groups are counted once, excepted ones not at all."""

    open: tuple[OpenCount, ...]
    open_total: int
    open_groups: int
    open_groups_by_exposure: Mapping[str, int]
    units: tuple[UnitFacts, ...]
    sources: tuple[SourceFacts, ...]
    stats: StoreStats


@dataclass(frozen=True, slots=True)
class _Seen:
    open: tuple[OpenCount, ...] = ()
    groups: int | None = None
    rules: int | None = None
    read_at: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def open_groups(self) -> int:
        """How many groups are open, those aside of which an exception covers all."""
        return len({count.security_group_id for count in self.open if not count.excepted})


class Overviews:
    """Tells the overview; remembers the gauges, and reads only those of units that changed since. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store, self._lock = store, threading.Lock()
        self._revision = 0
        self._units: dict[Unit, _Seen] = {}

    def facts(self, reports: Mapping[UnitKey, Report]) -> Overview:
        """Return the overview as of now. Raises StoreError."""
        units = self._current()
        found = sorted((count for seen in units.values() for count in seen.open), key=_gravity)
        bad = {(count.account_id, count.region, count.security_group_id, count.exposure) for count in found if not count.excepted}
        return Overview(
            tuple(found[:_MOST]),
            len(found),
            len({key[:3] for key in bad}),
            {name: len({key[:3] for key in bad if key[3] == name}) for name in WORST_FIRST},
            _unit_facts(units),
            source_facts(reports),
            self._store.stats(),
        )

    def open_counts(self) -> dict[Unit, tuple[OpenCount, ...]]:
        """Return what is open by unit; the tuple of a unit is the same object until the unit is read again. Raises StoreError."""
        return {unit: seen.open for unit, seen in self._current().items()}

    def units(self) -> tuple[UnitFacts, ...]:
        """Return what stands in each unit, by account and region. Raises StoreError."""
        return _unit_facts(self._current())

    def _current(self) -> dict[Unit, _Seen]:
        with self._lock:
            if self._store.revision() != self._revision:
                changes = self._store.samples(self._revision)
                for unit, samples in changes.units.items():
                    self._units[unit] = _seen(sample for sample in samples if sample[0] in _KEPT)
                    if not samples:
                        del self._units[unit]
                self._revision = changes.revision
            return dict(self._units)


def overview_facts(store: Store, judge: Judge, reports: Mapping[UnitKey, Report]) -> Overview:
    """Return what `Overviews.facts` does, reading every gauge: who asks often keeps an `Overviews`. What is open was judged before."""
    del judge
    return Overviews(store).facts(reports)


def source_facts(reports: Mapping[UnitKey, Report]) -> tuple[SourceFacts, ...]:
    """Return the last report of every unit of every source, in order."""
    return tuple(
        SourceFacts(*key, report.started_at, report.seconds, report.complete, report.reason, report.counts())
        for key, report in sorted(dict(reports).items())  # a poller may add one meanwhile
    )


def _seen(samples: Iterable[StoredSample]) -> _Seen:
    counts, read_at, numbers = [], {}, {}
    for family, labels, value in samples:
        if family in (_OPEN, _EXCEPTED):
            account_id, region, vpc_id, group_id, protocol, port_class, ip_version, exposure = labels
            counts.append(
                OpenCount(
                    account_id, region, vpc_id, group_id, protocol, port_class, int(ip_version), exposure, int(value), family == _EXCEPTED
                )
            )
        elif family == _SNAPSHOT:
            read_at[labels[2]] = datetime.fromtimestamp(value, UTC)
        else:
            numbers[family] = int(value)
    return _Seen(tuple(counts), numbers.get(_GROUPS), numbers.get(_RULES), read_at)


def _unit_facts(units: Mapping[Unit, _Seen]) -> tuple[UnitFacts, ...]:
    return tuple(
        UnitFacts(unit.account_id, unit.region, seen.groups, seen.rules, seen.open_groups, seen.read_at)
        for unit, seen in sorted(units.items(), key=lambda item: (item[0].account_id, item[0].region))
    )


def _gravity(count: OpenCount) -> tuple[object, ...]:
    where = count.account_id, count.region, count.security_group_id, count.port_class, count.protocol, count.ip_version
    return count.excepted, WORST_FIRST.get(count.exposure, len(WORST_FIRST)), *where
