"""Reads what stands in all accounts and regions that an aggregator of AWS Config has, each type of resources in one query."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from exporter.aws import Caller
from exporter.aws.operations import SELECT_AGGREGATE_CONFIG
from exporter.aws.settings import ALL
from exporter.errors import SourceError
from exporter.posture.settings import AggregatorSettings, PostureSettings
from exporter.posture.standing import PrefixList, Reading
from exporter.snapshots.asking import Asker, Stopping
from exporter.snapshots.base import ReadContext
from exporter.snapshots.config_parts import Answers, Trust, ask, reading_of
from exporter.snapshots.coverage import Coverage, Status, coverage
from exporter.snapshots.queries import Query, Unit
from exporter.snapshots.recording import Recording


class AggregateReader:
    """Reads an aggregator; see exporter.snapshots.base.Reader. Its account and region are empty, for it yields many readings.

    Safe to use from several threads: the readers of single accounts and regions ask it which of them it brings. `elsewhere` are those
    that would be read otherwise: of these it brings none that it never had whole.
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
        self._lock = threading.Lock()
        self._covered: frozenset[Unit] | None = None
        self._said: frozenset[tuple[str, Status]] = frozenset()

    def covers(self, unit: Unit, context: ReadContext) -> bool:
        """Tell whether an account and region is read from here: it was there whole once since the start, and still is a source.

        Asks AWS where that was never asked. Where this fails, nothing is known to be covered until the aggregator can be read.
        """
        if not self._wanted(unit):
            return False
        with self._lock:
            if self._covered is None:
                self._covered = frozenset()
                try:
                    self._learn(coverage(self._asker(self._caller, context), self._aggregator))
                except (SourceError, Stopping):
                    # Its own reading fails as well, and says what is wrong.
                    return False
            return unit in self._covered

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
            covered = self._learn(sources, answers.units)
        for unit in sorted({*sources.units, *answers.units}):
            if self._wanted(unit) and (unit in covered or unit not in self.elsewhere):
                trust = _trust(unit, sources, answers)
                yield reading_of(trust, answers, started_at, ended_at, _shared(unit, sources, answers))

    def _learn(self, sources: Coverage, seen: Iterable[Unit] = ()) -> frozenset[Unit]:
        """Take what is whole now. What was whole before stays while it is a source: changing sides would show rules as they were."""
        before = self._covered or frozenset()
        whole = {unit for unit in (*sources.units, *seen) if sources.error(unit) is None}
        self._covered = frozenset(whole | {unit for unit in before if unit in sources.units or sources.error(unit) is None})
        return self._covered

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


def _trust(unit: Unit, sources: Coverage, answers: Answers) -> Trust:
    error = sources.error(unit)
    recording: Recording | None = None
    if error is None:
        try:
            # One at most; an aggregator whose filter leaves recorders out has none, and then nobody tells.
            recording = next(iter(answers.recorders.of(unit).values()), None)
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
