"""One reading of what stands becomes a picture, rule changes, amended events and gauges, in one transaction of the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from exporter.checks import Sight, samples
from exporter.errors import SourceError, StoreError
from exporter.families import UNEXPLAINED
from exporter.logs import Logger
from exporter.metrics.telemetry import Telemetry
from exporter.model import Unit
from exporter.posture.calls import CALLS
from exporter.posture.chronicle import GROUP
from exporter.posture.codec import encode
from exporter.posture.entries import unexplained_event
from exporter.posture.judge import Judge, OpenRule, count_rules
from exporter.posture.settings import NAME, PostureSettings
from exporter.posture.standing import Reading, Standing
from exporter.report import SurveyReport
from exporter.snapshots.base import ReadContext, Reader
from exporter.snapshots.documents import PICTURE, Kept
from exporter.sources.base import UnitKey, fields_of
from exporter.store.base import News, PostureChange, Store
from exporter.surveyor.joining import Joiner, Outcomes
from exporter.surveyor.merging import Merged, merge
from exporter.surveyor.telling import MOST_RULES, named, tell_outcomes, tell_report
from exporter.surveyor.timely import timely

_ATTEMPTS = 5
_MOST_FAILURES = 2
"""After so many units of one reader in a row that could not be stored it is the store that fails, and not they."""


class Surveyor:
    """Takes pictures of what stands; any number of units at once, but one survey of a unit at a time. `reports` holds the last of each.

    `read_until` tells up to when the events of an account and region were read: a difference is called unexplained only where its
    event would have been.
    """

    def __init__(
        self,
        store: Store,
        judge: Judge,
        settings: PostureSettings,
        telemetry: Telemetry,
        logger: Logger,
        read_until: Callable[[str, str], datetime | None],
        now: Callable[[], datetime],
        stopping: Callable[[], bool] = lambda: False,
        watched: Collection[str] = tuple(CALLS),
    ) -> None:
        """`watched` are the kinds of chronicles of which all events are recorded, see `watched_kinds`."""
        self._store, self._judge, self._settings, self._watched = store, judge, settings, watched
        self._telemetry, self._log, self._read_until = telemetry, logger, read_until
        self._now, self._stopping = now, stopping
        self.reports: dict[UnitKey, SurveyReport] = {}
        self._answered: dict[UnitKey, frozenset[Unit]] = {}
        self._unjudged: dict[Unit, frozenset[tuple[str, str]]] = {}

    def survey(self, reader: Reader) -> SurveyReport:
        """Read, compare, join, judge and store; never raises what AWS or the store may fail with."""
        key = reader.name, reader.account_id, reader.region
        report, begun = SurveyReport(*key, self._now()), time.monotonic()
        log = self._log.bind(**fields_of(key))
        try:
            answered = self._survey(reader, key, report, log)
        except SourceError as error:
            report.fail(error.reason, str(error))
            self._judge_again(key, report)
        except StoreError as error:
            self._fail(error, report)
        except Exception as error:
            # The boundary of one reader: its fault is recorded and must not end the others.
            log.exception("survey failed by a fault of the exporter")
            report.fail("internal", f"{type(error).__name__}: {error}")
        else:
            # A reader that is told to stop yields less than it has.
            if not self._stopping():
                self._answered[key] = answered
        if report.complete and self._stopping():
            report.stopped = True
            report.fail("unavailable", "stopped before everything was read; it is read again at the next start")
        report.seconds = time.monotonic() - begun
        self._telemetry.poll_finished(*key, report.seconds, self._now().timestamp(), report.reason)
        tell_report(report, log)
        self.reports[key] = report
        return report

    def _survey(self, reader: Reader, key: UnitKey, report: SurveyReport, log: Logger) -> frozenset[Unit]:
        """Take all that a reader has; return of which accounts and regions that is. What cannot be stored of one hides no other."""
        answered: set[Unit] = set()
        failed_in_row = 0
        # Events after it may be of changes that a first reading shows or misses, so they are looked at with the next one.
        last = self._store.last_event()
        for reading in reader.read(ReadContext(self._now, self._stopping, log)):
            if self._stopping():
                break
            unit = Unit(reading.account_id, reading.region)
            answered.add(unit)
            # Before it is stored: whoever looks meanwhile for what nobody reads must know it.
            if key in self._answered:
                self._answered[key] |= {unit}
            try:
                self._take(reading, last, report, log)
                failed_in_row = 0
            except StoreError as error:
                failed_in_row += 1
                if failed_in_row == _MOST_FAILURES:
                    raise
                log.error("what stands could not be stored", **named(unit), error=str(error))
                self._fail(error, report)
            except Exception as error:
                log.exception("survey failed by a fault of the exporter", **named(unit))
                report.fail("internal", f"{type(error).__name__}: {error}")
        return frozenset(answered)

    def _fail(self, error: StoreError, report: SurveyReport) -> None:
        """Report that the store failed; at the end it is closed while surveys may be under way."""
        if not self._stopping():
            report.fail("internal", str(error))

    def forget_unknown(self, readers: Callable[[], Iterable[Reader]]) -> None:
        """Take off the page what no reader reads any more; what an aggregator has is known once it has answered."""
        with self._telemetry.watching("posture"):
            # Before the readers are asked for: what is read from now on is none of these.
            kept = self._store.posture_units()
        known: set[Unit] = set()
        for reader in readers():
            key = reader.name, reader.account_id, reader.region
            if reader.account_id:
                known.add(Unit(reader.account_id, reader.region))
            elif key not in self._answered:
                return
            else:
                known |= self._answered[key]
        gone = kept - known
        with self._telemetry.watching("posture"):
            if gone:
                self._store.forget_posture(gone)
        for unit in sorted(gone, key=lambda unit: (unit.account_id, unit.region)):
            self._log.info("no longer read; its gauges leave the page", **named(unit))

    def _take(self, reading: Reading, last: int, report: SurveyReport, log: Logger) -> None:
        """Store one reading; once more from the start where another process changed the unit meanwhile."""
        report.units += 1
        unit = reading.account_id, reading.region
        for failure in reading.failures:
            report.fail(failure.error.reason, f"{failure.part.value}: {failure.error}")
            report.problems.append(str(failure.error))
            log.error(
                "part could not be read; its last complete answer stands", **named(Unit(*unit)),
                part=failure.part.value, reason=failure.error.reason, error=str(failure.error),
            )  # fmt: skip
        for _ in range(_ATTEMPTS):
            with self._telemetry.watching("posture"):
                kept = Kept(self._store, *unit)
                merged = merge(timely(reading, kept.picture, self._now()), kept)
                # There may be millions before the first reading, and nothing to join them with.
                is_first = merged.first or not kept.state.sequence
                news = News(last, frozenset()) if is_first else self._store.news(*unit, kept.state.joined)
                read_until = self._read_until(*unit)
                joiner = Joiner(self._store, self._judge, self._settings.lag_budget, self._now(), read_until, kept, merged, self._watched)
                outcomes = joiner.join(news.touched)
            if self._store_all(kept, merged, outcomes, news.last, report, log):
                return
        report.fail(
            "internal", f"{reading.account_id} {reading.region}: another process kept changing what is known; see that only one polls"
        )

    def _store_all(self, kept: Kept, merged: Merged, outcomes: Outcomes, joined: int, report: SurveyReport, log: Logger) -> bool:
        """Store it all in one transaction; False where another process was faster."""
        standing = merged.standing
        unit = standing.account_id, standing.region
        picture = replace(merged.picture, unsettled=tuple(outcomes.unsettled), pending=outcomes.pending)
        picture = replace(picture, swept_at=outcomes.swept_at or picture.swept_at)
        found = sum(len(unexplained.changes) for unexplained in outcomes.unexplained)
        now = self._now()
        open_rules = self._judge.open_rules(standing, now)
        change = replace(
            self._change(kept, standing, open_rules, outcomes.pending, joined, now),
            documents={**merged.documents, **outcomes.documents, PICTURE: encode(picture)},
            amendments=outcomes.amendments,
            events=[unexplained_event(*unit, unexplained) for unexplained in outcomes.unexplained],
            explained=outcomes.explained,
            counts=[(UNEXPLAINED.name, unit, float(found))],
        )
        with self._telemetry.watching("posture"):
            if not self._store.replace_posture(change):
                return False
        self._account(standing, merged, outcomes, open_rules, report)
        tell_outcomes(Unit(*unit), outcomes, log)
        self._tell_unjudged(standing, log)
        return True

    def _judge_again(self, key: UnitKey, report: SurveyReport) -> None:
        """Judge what is kept anew where nothing could be read: an exception ends although AWS does not answer."""
        units = self._answered.get(key, frozenset()) if not key[1] else {Unit(key[1], key[2])}
        for unit in units:
            try:
                with self._telemetry.watching("posture"):
                    kept = Kept(self._store, unit.account_id, unit.region)
                    if kept.picture is not None:
                        standing, now = kept.standing(), self._now()
                        open_rules = self._judge.open_rules(standing, now)
                        # Where another process is faster, it has judged as well.
                        self._store.replace_posture(self._change(kept, standing, open_rules, kept.picture.pending, kept.state.joined, now))
            except StoreError as error:
                report.fail("internal", str(error))

    def _change(
        self, kept: Kept, standing: Standing, open_rules: Sequence[OpenRule], pending: int, joined: int, now: datetime
    ) -> PostureChange:
        """Return the change that shows a picture in gauges, and changes nothing else."""
        sight = Sight(standing, open_rules, pending, self._settings, now)
        shown = [(sample.family, sample.labels, sample.value) for sample in samples(sight)]
        unit = standing.account_id, standing.region
        return PostureChange(*unit, kept.state.sequence, now, NAME, joined, samples=shown, counts=[(UNEXPLAINED.name, unit, 0.0)])

    def _account(
        self, standing: Standing, merged: Merged, outcomes: Outcomes, open_rules: Sequence[OpenRule], report: SurveyReport
    ) -> None:
        groups = standing.groups or ()
        report.groups += len(groups)
        report.rules += sum(len(group.rules) for group in groups)
        is_open, excepted = count_rules(open_rules)
        report.open += is_open
        report.excepted += excepted
        report.changed += sum(change.kind == GROUP for change in merged.changes)
        report.pending += outcomes.pending
        report.unexplained += sum(len(unexplained.changes) for unexplained in outcomes.unexplained)

    def _tell_unjudged(self, standing: Standing, log: Logger) -> None:
        """Write a line about rules whose peer nobody can read, once and again when others are such."""
        unit = Unit(standing.account_id, standing.region)
        found = frozenset(self._judge.unreadable_peers(standing))
        if found and found != self._unjudged.get(unit):
            shown = [f"{group_id} from {peer}" for group_id, peer in sorted(found)[:MOST_RULES]]
            log.warning("rules cannot be judged: their peer is no range of addresses", **named(unit), rules=shown, count=len(found))
        self._unjudged[unit] = found
