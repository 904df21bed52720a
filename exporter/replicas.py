"""Replicas that share one store: each polls the units whose leases it holds, and tells the others when it has read them."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from exporter.config import Config
from exporter.errors import StoreError
from exporter.logs import Logger
from exporter.metrics.telemetry import Telemetry
from exporter.pipeline import Pipeline
from exporter.report import Report
from exporter.scheduler import Pool, Scheduler
from exporter.sources.base import Polled, UnitKey, key_of
from exporter.store.base import Store
from exporter.store.leased import LastRead
from exporter.units import PolledSettings, job_name

_JOB = "leases"
_SHORTEST, _LONGEST = timedelta(seconds=2), timedelta(seconds=30)
_RENEWALS = 3
"""Renewals in the time of a lease: two may come to nothing."""
_SPREAD = timedelta(seconds=5)

_Answer = TypeVar("_Answer")


class Poll(Protocol):
    """A poll of one unit; `alone`: see FetchContext."""

    def __call__(self, *, alone: bool = True) -> Report | None:
        """Return what became of it, None where there was none."""
        ...


def replica_name() -> str:
    """Return a name that no other process has, nor this one after a restart: nobody may take the leases of the dead for its own."""
    return f"{socket.gethostname()}-{secrets.token_hex(4)}"


def lease_time(settings: Iterable[PolledSettings]) -> timedelta:
    """Return how long leases last: no longer than the shortest interval between polls, so that the dead are missed for two at most."""
    shortest = min((each.poll_interval for each in settings), default=_LONGEST)
    return max(_SHORTEST, min(shortest, _LONGEST))


class Share:
    """The units that this replica polls. Safe to use from several threads; `renew` is called by one at a time."""

    def __init__(
        self,
        store: Store,
        telemetry: Telemetry,
        log: Logger,
        pipeline: Callable[[], Pipeline],
        scheduler: Scheduler,
        name: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pipeline` gives the one in force; `clock` is in seconds and never goes back, nor stands still while the process does."""
        self.name = name or replica_name()
        self._store, self._telemetry, self._log, self._clock = store, telemetry, log, clock
        self._pipeline, self._scheduler = pipeline, scheduler
        self._lock = threading.Lock()
        self._held: frozenset[UnitKey] = frozenset()
        self._until = 0.0
        self._running: Counter[UnitKey] = Counter()
        self._unsaid: dict[UnitKey, LastRead] = {}
        self._failing = False

    def schedule(self) -> None:
        """Renew leases from now on, as often as the configuration in force asks for."""
        self._telemetry.register_job(_JOB)
        # Where the store lets it wait, or fails, that is told by itself.
        self._scheduler.every(self._time() / _RENEWALS, _JOB, self.renew, pool=Pool.HOUSE, waits=True)

    def hasten(self) -> None:
        """Renew leases at once, because there are new units."""
        self._scheduler.hasten(_JOB, timedelta(0))

    def holds(self, key: UnitKey) -> bool:
        """Return whether a unit is this replica's to poll now; what could not be renewed in time is another's."""
        with self._lock:
            return key in self._held and self._clock() < self._until

    def polled(self, source: Polled, settings: PolledSettings, poll: Poll) -> Poll:
        """Return a poll of a unit that does nothing while another replica holds it, or leaves to that one what is for one alone."""
        key = key_of(source)

        def run(*, alone: bool = True) -> Report | None:
            alone = alone and self.holds(key)
            if not alone and not settings.by_all:
                return None
            with self._under_way(key):
                report = poll(alone=alone)
            if report is not None and report.complete and not settings.by_all:
                with self._lock:
                    self._unsaid[key] = LastRead(report.started_at, datetime.now(UTC))
            return report

        return run

    def renew(self) -> None:
        """Renew, give up and take leases, and bring page and jobs in line with what is held then."""
        leased = self._leased()
        names = {" ".join(key): key for key in leased}
        ttl = self._time()
        with self._lock:
            busy = {name for name, key in names.items() if self._running[key] > 0}
        begun = self._clock()
        try:
            self._tell()
            held = self._ask("claim", lambda: self._store.claim(self.name, names, ttl, busy))
            alive = self._ask("replicas", self._store.replicas)
            reads = self._ask("last_reads", self._store.last_reads)
        except StoreError as error:
            # Tried again and again: one line for each outage.
            if not self._failing:
                self._log.error("leases cannot be renewed; without them no unit is polled that others may poll", error=str(error))
            self._failing = True
            return
        self._failing = False
        with self._lock:
            before, self._held, self._until = self._held, frozenset(names[name] for name in held), begun + ttl.total_seconds()
            now_held = self._held
        self._show(leased, reads, now_held, len(alive))
        gained, lost = now_held - before, (before - now_held) & leased.keys()
        for position, key in enumerate(sorted(gained)):
            if not leased[key].by_all:
                self._scheduler.hasten(job_name(key), position * min(_SPREAD, leased[key].poll_interval) / len(gained))
        for key in lost:
            if not leased[key].by_all:
                self._pipeline().forget(key)
        if gained or lost:
            self._log.info(
                "leases", replica=self.name, replicas=len(alive), units=len(leased), held=len(now_held), new=len(gained), gone=len(lost)
            )

    def give_up(self) -> None:
        """Give up all leases, so that others poll at once what this replica did."""
        with self._lock:
            self._held = frozenset()
        try:
            self._tell()
            self._ask("release", lambda: self._store.release(self.name))
        except StoreError as error:
            self._log.warning("leases could not be given up; others wait until they are over", error=str(error))

    def _time(self) -> timedelta:
        # Of what is configured: which units there are is not known at the start. A queue is read on, whoever dies.
        return lease_time(units.settings for units in self._pipeline().units if not units.settings.by_all)

    def _leased(self) -> dict[UnitKey, PolledSettings]:
        """Return the units that are known now. Of those that all poll somebody must do what is for one alone."""
        return {key_of(source): settings for source, settings in self._pipeline().polled}

    def _tell(self) -> None:
        """Tell the others what was read; what cannot be told now is told later."""
        with self._lock:
            reads, self._unsaid = self._unsaid, {}
        try:
            self._ask("mark_read", lambda: self._store.mark_read({" ".join(key): read for key, read in reads.items()}))
        except StoreError:
            with self._lock:
                self._unsaid = {**reads, **self._unsaid}
            raise

    def _show(self, leased: Mapping[UnitKey, PolledSettings], reads: Mapping[str, LastRead], held: frozenset[UnitKey], alive: int) -> None:
        counts = Counter(dict.fromkeys((name for name, _, _ in leased), 0))
        for key, settings in leased.items():
            read = reads.get(" ".join(key))
            at = read.ended.timestamp() if read else 0.0
            counts[key[0]] += key in held
            if key in held or settings.by_all:
                self._telemetry.polled_here(*key, at)
            else:
                self._telemetry.polled_elsewhere(*key, at)
            if read is not None:
                self._pipeline().learn(key, settings, read.began)
        self._telemetry.shared(alive, counts)

    def _ask(self, operation: str, ask: Callable[[], _Answer]) -> _Answer:
        with self._telemetry.watching(operation):
            return ask()

    @contextmanager
    def _under_way(self, key: UnitKey) -> Iterator[None]:
        with self._lock:
            self._running[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[key] -= 1
                if not self._running[key]:
                    del self._running[key]


class Alone:
    """What stands in for a share where nobody else uses the store: every unit is polled here."""

    def schedule(self) -> None:
        """There is nothing to renew."""

    def hasten(self) -> None:
        """There is nothing to renew."""

    def polled(self, _source: Polled, _settings: PolledSettings, poll: Poll) -> Poll:
        """Return the poll as it is."""
        return poll

    def give_up(self) -> None:
        """There is nothing to give up."""


def open_share(
    config: Config,
    store: Store,
    telemetry: Telemetry,
    log: Logger,
    pipeline: Callable[[], Pipeline],
    scheduler: Scheduler,
    name: str = "",
) -> Share | Alone:
    """Return the share of this process in the units of a configuration."""
    return Share(store, telemetry, log, pipeline, scheduler, name) if config.store.shares_units else Alone()
