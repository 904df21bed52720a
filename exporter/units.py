"""The units of a configured source as known now: asked for again and again, kept while unknown, and named where they cannot be told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from exporter.errors import SourceError
from exporter.logs import Logger
from exporter.sources.base import Polled, UnitFailure, UnitKey, key_of

_FIRST_RETRY = timedelta(seconds=30)


class PolledSettings(Protocol):
    """What a configured source, or the section `posture`, says of how its units are polled."""

    @property
    def name(self) -> str:
        """Name in metrics and logs."""
        ...

    @property
    def poll_interval(self) -> timedelta:
        """How often each unit is polled."""
        ...

    @property
    def longest_between(self) -> timedelta:
        """How long it takes from the end of one poll to the end of the next."""
        ...

    @property
    def wait(self) -> timedelta:
        """How long a poll may wait for news by itself."""
        ...

    @property
    def by_all(self) -> bool:
        """Whether all replicas that share a store poll each unit together, and not one of them."""
        ...


class Told(Protocol):
    """The units as they were told; a failure hides no unit: those known before stay."""

    @property
    def sources(self) -> tuple[Polled, ...]:
        """What is to be polled."""
        ...

    @property
    def failures(self) -> tuple[UnitFailure, ...]:
        """What could not be told."""
        ...


def job_name(key: UnitKey) -> str:
    """Return the name of the job that polls a unit."""
    return " ".join(("poll", *filter(None, key)))


@dataclass(frozen=True, slots=True)
class Failure:
    """A unit that should be watched and cannot be told; region, or account and region, are empty where it is more than one.

    `fine_until` is when the source's units were last told without it, None where that never was.
    """

    key: UnitKey
    error: SourceError
    fine_until: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """What an answer brought: units to poll from now on, keys that are no more (units and failures alike), and all failures.

    `retry` is how soon to ask again where there are failures.
    """

    added: tuple[Polled, ...] = ()
    gone: tuple[UnitKey, ...] = ()
    failures: tuple[Failure, ...] = ()
    retry: timedelta | None = None


class Units:
    """The units of one configured source, or of the readings of what stands. Safe to use from several threads.

    A unit that is told again keeps the object that it had. One that is not told any more is gone, unless a failure may hide
    it: incomplete is not empty.
    """

    def __init__(
        self,
        settings: PolledSettings,
        ask: Callable[[], Told],
        now: Callable[[], datetime],
        logger: Logger,
        interval: timedelta,
        earlier: Iterable[UnitKey] = (),
        *,
        changes: bool = True,
    ) -> None:
        """`earlier` are keys that are shown already and not confirmed yet; `interval` is how often the units are asked for.

        `changes` tells whether they may change while it is configured, so that they must be asked for again.
        """
        self.settings = settings
        self.changes = changes
        self.interval = interval
        self._roster, self._now, self._log = ask, now, logger
        self._asking, self._lock = threading.Lock(), threading.Lock()
        self._known: dict[UnitKey, Polled] = {}
        self._failing: dict[UnitKey, Failure] = {}
        self._earlier = set(earlier)
        self._answered: datetime | None = None
        self._failed_in_row = 0

    @property
    def sources(self) -> tuple[Polled, ...]:
        """What is to be polled."""
        with self._lock:
            return tuple(self._known.values())

    @property
    def answered(self) -> bool:
        """Whether units were ever told."""
        with self._lock:
            return self._answered is not None

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What could not be told when it was last asked for."""
        with self._lock:
            return tuple(self._failing.values())

    def shown(self) -> frozenset[UnitKey]:
        """Return all that is on the page: units, failures, and what an earlier configuration left until it is confirmed."""
        with self._lock:
            return frozenset((*self._known, *self._failing, *self._earlier))

    def ask(self) -> Change:
        """Ask for the units and return what changed; never raises what a source may fail with."""
        with self._asking:
            found: Mapping[UnitKey, Polled] | None
            errors: dict[UnitKey, SourceError] = {}
            try:
                roster = self._roster()
                found = {key_of(source): source for source in roster.sources}
                errors = {(self.settings.name, failure.account_id, failure.region): failure.error for failure in roster.failures}
            except SourceError as error:
                found, errors[self._whole] = None, error
            except Exception as error:  # noqa: BLE001 - the boundary of one source: its fault is recorded and must not end the others
                self._log.exception("units could not be told by a fault of the exporter", source=self.settings.name)
                found, errors[self._whole] = None, SourceError("internal", f"{type(error).__name__}: {error}")
            with self._lock:
                return self._take(found, errors)

    @property
    def _whole(self) -> UnitKey:
        return self.settings.name, "", ""

    def _take(self, found: Mapping[UnitKey, Polled] | None, errors: Mapping[UnitKey, SourceError]) -> Change:
        before = dict(self._failing)
        if found is None:
            self._failing = {**before, **self._failures(errors)}
            self._failed_in_row += 1
            return Change(failures=tuple(self._failing[key] for key in errors), retry=self._retry())
        self._failing = self._failures(errors)
        added = tuple(source for key, source in found.items() if key not in self._known)
        lost = (self._known.keys() | self._earlier) - found.keys()
        gone = {key for key in lost if not any(_hides(failing, key) for failing in errors)}
        for key in gone:
            self._known.pop(key, None)
        self._known.update({key_of(source): source for source in added})
        self._earlier -= gone | found.keys()
        # A failure that is over leaves, but not a unit of the same name.
        gone |= before.keys() - errors.keys()
        gone -= self._known.keys() | self._earlier
        self._answered = self._now()
        self._failed_in_row = self._failed_in_row + 1 if errors else 0
        return Change(added, tuple(sorted(gone)), tuple(self._failing.values()), self._retry())

    def _failures(self, errors: Mapping[UnitKey, SourceError]) -> dict[UnitKey, Failure]:
        known = self._failing
        return {key: Failure(key, error, known[key].fine_until if key in known else self._answered) for key, error in errors.items()}

    def _retry(self) -> timedelta | None:
        if not self._failed_in_row:
            return None
        doublings: int = min(self._failed_in_row - 1, 20)
        return min(self.interval, _FIRST_RETRY * (1 << doublings))


def _hides(failing: UnitKey, unit: UnitKey) -> bool:
    """Return whether a failure leaves open if a unit is still there: of its region, its whole account, or everything."""
    return failing[1] in ("", unit[1]) and failing[2] in ("", unit[2])
