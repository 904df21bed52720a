"""Reads what stands in all accounts and regions that an aggregator of AWS Config has, each type of resources in one query."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from exporter.aws import Caller
from exporter.aws.operations import SELECT_AGGREGATE_CONFIG
from exporter.errors import SourceError
from exporter.posture.recording import Recording
from exporter.posture.settings import AggregatorSettings, PostureSettings
from exporter.posture.standing import Group, PrefixList, Reading
from exporter.settings import ALL
from exporter.snapshots.asking import Asker, Stopping
from exporter.snapshots.base import ReadContext
from exporter.snapshots.config_parts import Trust, reading_of
from exporter.snapshots.config_shapes import SECURITY_GROUP
from exporter.snapshots.coverage import Coverage, Status, coverage
from exporter.snapshots.found import Answers, Found, ask, ask_recorders
from exporter.snapshots.queries import Query, Unit

KEPT = timedelta(hours=6)
"""How long an account and region that fails in the aggregator is awaited there, before it is read otherwise; three rounds at least."""


class AggregateReader:
    """Reads an aggregator; see exporter.snapshots.base.Reader. Its account and region are empty, for it yields many readings.

    Safe to use from several threads: the readers of single accounts and regions ask it which of them it covers. `elsewhere` are those
    that are read otherwise where it does not; of these it yields only what it covers.
    """

    account_id = region = ""

    def __init__(
        self,
        settings: PostureSettings,
        aggregator: AggregatorSettings,
        caller: Caller,
        asker: Callable[[Caller, ReadContext], Asker] = Asker,
    ) -> None:
        self.name = settings.name
        self.elsewhere: frozenset[Unit] = frozenset()
        self._settings, self._aggregator, self._caller, self._asker = settings, aggregator.name, caller, asker
        self._kept = max(KEPT, 3 * settings.poll_interval)
        self._lock = threading.Lock()
        self._covered: dict[Unit, datetime] | None = None
        self._brought: set[Unit] = set()
        self._said: frozenset[tuple[str, Status]] = frozenset()

    def covers(self, unit: Unit, context: ReadContext) -> bool:
        """Tell whether an account and region is read from here.

        It is where it is a source that succeeded, groups are recorded, and there is any sign of that: a group, or the recorder's own
        item. It stays so for KEPT after its last success, for changing sides would show rules as they were minutes ago. Where that was
        never asked, AWS is; where this fails, nothing is covered until the aggregator can be read.
        """
        if not self._wanted(unit):
            return False
        with self._lock:
            if self._covered is None:
                self._covered = {}
                asker = self._asker(self._caller, context)
                try:
                    sources = coverage(asker, self._aggregator)
                    self._learn(sources, ask_recorders(Query(asker, aggregator=self._aggregator)), None, context.now())
                except (SourceError, Stopping):
                    # Its own reading fails as well, and says what is wrong.
                    return False
            last = self._covered.get(unit)
            # It may have failed as a whole ever since.
            return last is not None and context.now() - last < self._kept

    def read(self, context: ReadContext) -> Iterator[Reading]:
        """Yield a reading of each account and region; none where all is to end. Raises SourceError where its sources cannot be told."""
        started_at = context.now()
        asker = self._asker(self._caller, context)
        try:
            sources = coverage(asker, self._aggregator)
            answers = ask(Query(asker, aggregator=self._aggregator), balancers=self._settings.load_balancers)
        except Stopping:
            return
        ended_at = context.now()
        self._say(sources, context)
        with self._lock:
            covered = self._learn(sources, answers.recorders, answers.groups if answers.groups.error is None else None, ended_at)
        for unit in sorted({*sources.units, *answers.units, *covered}):
            if self._wanted(unit) and (unit in covered or unit not in self.elsewhere):
                trust = _trust(unit, sources, answers.recorders)
                yield reading_of(trust, answers, started_at, ended_at, _shared(unit, sources, answers))

    def _learn(self, sources: Coverage, recorders: Found[Recording], groups: Found[Group] | None, now: datetime) -> Mapping[Unit, datetime]:
        """Take what is covered now, each with the time of its last success; `groups` are None where they are not known."""
        before, covered = self._covered or {}, dict[Unit, datetime]()
        seen = {*groups.units, *groups.failed} if groups is not None else set()
        for unit in {*sources.units, *before, *seen}:
            trust = _trust(unit, sources, recorders)
            is_source = unit in sources.units or trust.error is None
            if not is_source or not trust.records(SECURITY_GROUP):
                continue
            if trust.error is not None:
                if unit in before and now - before[unit] < self._kept:
                    covered[unit] = before[unit]
            elif groups is None or unit in seen or unit in recorders.units or (unit in self._brought and unit in sources.units):
                covered[unit] = now
        if groups is not None:
            self._brought = {unit for unit in covered if unit in seen or unit in recorders.units or unit in self._brought}
        self._covered = covered
        return covered

    def _wanted(self, unit: Unit) -> bool:
        regions = self._settings.regions
        in_region = not regions or ALL in regions or unit[1] in regions
        return in_region and self._settings.source_of(*unit) != "ec2"

    def _say(self, sources: Coverage, context: ReadContext) -> None:
        wrong = frozenset((region, status) for region, status in sources.organization.items() if not status.succeeded)
        for region, status in sorted(wrong - self._said, key=lambda one: one[0]):
            context.log.warning(
                "the aggregator cannot read the list of the organization's accounts, so new ones may be missing; check the aggregator's "
                "role, and trusted access of AWS Config in the organization",
                aggregator=self._aggregator, region=region, status=status.status, detail=status.detail.strip(),
            )  # fmt: skip
        self._said = wrong


def _trust(unit: Unit, sources: Coverage, recorders: Found[Recording]) -> Trust:
    error = sources.error(unit)
    recording: Recording | None = None
    if error is None:
        try:
            # One at most; an aggregator whose filter leaves recorders out has none, and then nobody tells.
            recording = next(iter(recorders.of(unit).values()), None)
        except SourceError as raised:
            error = raised
    return Trust(unit, SELECT_AGGREGATE_CONFIG.action, error, recording, sources.types)


def _shared(unit: Unit, sources: Coverage, answers: Answers) -> Callable[[str], PrefixList | None]:
    """Return a finder of lists that other accounts own in a region, and of which the aggregator has the items."""

    def find(list_id: str) -> PrefixList | None:
        for other, lists in answers.prefix_lists.units.items():
            if other[1] == unit[1] and list_id in lists:
                error = sources.error(other) or answers.prefix_lists.failed.get(other)
                if error is not None:
                    raise error
                return lists[list_id]
        return None

    return find
