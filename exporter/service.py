"""The composition root: runs the parts of the configuration in force until told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from exporter.config import Config, load
from exporter.errors import ConfigError, ExporterError, StoreError
from exporter.logs import Logger
from exporter.metrics.telemetry import Telemetry
from exporter.pipeline import OpenAws, Pipeline, build_pipeline, open_aws
from exporter.posture.settings import PostureSettings
from exporter.replicas import open_share
from exporter.report import PollReport, Report, SurveyReport
from exporter.scheduler import Pool, Scheduler
from exporter.sources.base import Polled, Rewindable, UnitKey, fields_of, key_of
from exporter.store import open_store
from exporter.units import Change, Failure, PolledSettings, Units, job_name

_EXPOSED_INTERVAL = timedelta(seconds=1)
_STATS_INTERVAL = timedelta(seconds=15)
_FORECAST_INTERVAL = timedelta(seconds=5)
_PRUNE_INTERVAL = timedelta(hours=1)
_STOP_GRACE = 3.0
_SPREAD = timedelta(seconds=5)
_SURVEY_GAP = timedelta(milliseconds=250)
"""From the beginning of one survey to that of the next: they come an interval later, and so stay apart."""
_POLLS_AT_ONCE = 32
_PAST_SHARE = 0.5
"""How much of its interval a poll may spend on the past."""


def require_sources(config: Config, where: str) -> None:
    """Raise ConfigError where there is nothing to poll: no source, and what stands is not read either."""
    if not config.sources and not config.reads_posture:
        raise ConfigError(
            f"{where}: sources: no source is configured; add one, for example `sources: [{{type: files, path: /var/log/cloudtrail}}]`"
        )


class Service:
    """The running exporter: store, scheduler and the pipeline of the configuration in force."""

    def __init__(self, config: Config, config_file: Path | None, logger: Logger, aws: OpenAws = open_aws, *, replica: str = "") -> None:
        """`replica` is the name among those that share the store; one that nobody has by default."""
        self.config_file = config_file
        self.log = logger
        self.telemetry = Telemetry()
        self.store = open_store(config.store.where, logger)
        self.started_at = datetime.now(UTC)
        # What else is read again with the configuration, and whether that succeeded.
        self.also_reload: Callable[[], bool] | None = None
        self._stop = threading.Event()
        self._aws = aws
        self._reloading = threading.Lock()
        # Held while jobs and the page are made to fit the units that are known: by a reload, and by each answer about units.
        self._fitting = threading.Lock()
        self._busy: dict[UnitKey, threading.Lock] = {}
        self._unmarked = False
        self._outdated = threading.Event()
        self._scheduler = Scheduler(self._missed, self._failed)
        try:
            self.pipeline = build_pipeline(config, self.store, self.telemetry, logger, self._stop.is_set, aws=aws)
        except BaseException:
            self.store.close()
            raise
        self._share = open_share(config, self.store, self.telemetry, logger, lambda: self.pipeline, self._scheduler, replica)
        self.telemetry.config_loaded(time.time())

    @property
    def stopping(self) -> bool:
        """Whether the service has been told to stop."""
        return self._stop.is_set()

    def reports(self) -> Mapping[UnitKey, Report]:
        """Return the last report of each unit of the configuration in force."""
        return self.pipeline.reports()

    def start(self) -> None:
        """Begin to poll and to keep house."""
        self._housekeeping()
        with self._fitting:
            self._schedule(self.pipeline)
        self._scheduler.every(_EXPOSED_INTERVAL, "expose", self._expose, first=_EXPOSED_INTERVAL, pool=Pool.HOUSE)
        self._scheduler.every(_STATS_INTERVAL, "stats", self._housekeeping, first=_STATS_INTERVAL, pool=Pool.HOUSE)
        # Asked often, because the full hour waits for nobody; nearly always there is nothing to do.
        self._scheduler.every(_FORECAST_INTERVAL, "forecast", self._forecast, pool=Pool.HOUSE, waits=True)
        self._scheduler.every(_PRUNE_INTERVAL, "prune", self._prune, pool=Pool.HOUSE)
        self._scheduler.start()

    def poll_once(self) -> list[Report]:
        """Ask for all units once, poll each once, the past included, and return what became of each, failures to tell units too.

        What stands is read last, when the events that explain it are there.
        """
        pipeline = self.pipeline
        with ThreadPoolExecutor(_POLLS_AT_ONCE, "poll") as pool:
            try:
                failures = self._ask_all(pipeline, pipeline.units, pool)
                reports: list[Report | None] = []
                for of_posture in (False, True):
                    polls = [
                        pool.submit(self._poll, pipeline, source, settings, None)
                        for source, settings in pipeline.polled
                        if isinstance(settings, PostureSettings) is of_posture
                    ]
                    reports += [poll.result() for poll in polls]
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        self._housekeeping()
        return [*failures, *(report for report in reports if report is not None)]

    def read_past(self, since: datetime) -> tuple[list[Report], list[str]]:
        """Read what is missing of the past since a time, of every unit of a source that can go back.

        Return what became of each, failures to tell units too, and the names of the sources that cannot.
        """
        pipeline = self.pipeline
        of_events = [units for units in pipeline.units if not isinstance(units.settings, PostureSettings)]
        with ThreadPoolExecutor(_POLLS_AT_ONCE, "poll") as pool:
            try:
                reports = self._ask_all(pipeline, of_events, pool)
                able = [(source, units) for units in of_events for source in units.sources if isinstance(source, Rewindable)]
                polls = [pool.submit(self._poll, pipeline, source, units.settings, None, since) for source, units in able]
                reports += [report for poll in polls if (report := poll.result()) is not None]
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        told = {report.source for report in reports}
        return reports, [units.settings.name for units in of_events if units.settings.name not in told]

    def _ask_all(self, pipeline: Pipeline, asked: Sequence[Units], pool: ThreadPoolExecutor) -> list[Report]:
        """Ask for units, all at once; return the failures to tell them."""
        started_at = datetime.now(UTC)
        answers = [(units, pool.submit(units.ask) if units.changes else None) for units in asked]
        failures: list[Report] = []
        for units, answer in answers:
            if answer is not None:
                self._register(units, answer.result().added)
            failures += [self._report(pipeline, units, failure, started_at) for failure in units.failures]
        return failures

    def stop(self) -> None:
        """Stop within a few seconds: no new run, the batch under way is finished or left for the next start."""
        self._stop.set()
        self._scheduler.stop()
        deadline = time.monotonic() + _STOP_GRACE
        hanging = 0
        for lock in list(self._busy.values()):
            if lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
                lock.release()
            else:
                hanging += 1
        if hanging:
            self.log.warning("polls did not end in time; what they had not stored yet is read again at the next start", polls=hanging)
        self._flush_exposed()
        self.pipeline.exposition.close()
        if self.pipeline.lease is not None:
            self.pipeline.lease.give_up()
        self._share.give_up()
        self.store.close()

    def reload(self) -> bool:
        """Read the configuration file again; a bad one keeps the old configuration and sets the metric."""
        with self._reloading:
            rest = self.also_reload is None or self.also_reload()
            if self.config_file is None and self.also_reload is not None:
                return rest
            try:
                if self.config_file is None:
                    raise ConfigError("the exporter was started without --config.file, so there is nothing to reload")
                config = load(self.config_file)
                require_sources(config, str(self.config_file))
                if config.store.where != self.pipeline.config.store.where:
                    raise ConfigError(f"{self.config_file}: {config.store.key}: cannot change while the exporter runs; restart it")
                if config.store.shares_units != self.pipeline.config.store.shares_units:
                    raise ConfigError(f"{self.config_file}: store.replicas: cannot change while the exporter runs; restart it")
                # Before the new page is made: what scrapes have shown must not be held at 0 again.
                self._flush_exposed()
                pipeline = build_pipeline(config, self.store, self.telemetry, self.log, self._stop.is_set, self.pipeline, self._aws)
            except ExporterError as error:
                self.telemetry.config_failed()
                self.log.error("configuration not reloaded; the old one stays in force", error=str(error))
                return False
            with self._fitting:
                old, self.pipeline = self.pipeline, pipeline
                self._forget_all(old)
                self._schedule(pipeline)
            old.exposition.close()
            if old.lease is not None and old.lease is not pipeline.lease:
                old.lease.give_up()
            self.telemetry.config_loaded(time.time())
            self.log.info("configuration reloaded", file=str(self.config_file))
            return rest

    def _schedule(self, pipeline: Pipeline) -> None:
        """Poll all units that are known, and ask for those that are not."""
        for units in pipeline.units:
            self._schedule_polls(pipeline, units, units.sources)
            if units.changes or units.failures:
                job = f"units {units.settings.name}"
                self.telemetry.register_job(job)
                self._scheduler.every(units.interval, job, partial(self._ask, pipeline, units), pool=Pool.UNITS)
        self._share.schedule()
        self.telemetry.count_units(time.time())

    def _schedule_polls(self, pipeline: Pipeline, units: Units, sources: Sequence[Polled]) -> None:
        """Poll units from now on; many of them do not begin in one instant, but spread over a few seconds, and surveys over minutes."""
        settings = units.settings
        is_posture = isinstance(settings, PostureSettings)
        whole = _SURVEY_GAP * len(sources) if is_posture else _SPREAD
        spread = min(whole, settings.poll_interval) / max(1, len(sources))
        pool = Pool.SURVEYS if is_posture else Pool.POLLS
        budget = settings.poll_interval * _PAST_SHARE
        self._register(units, sources)
        for position, source in enumerate(sources):
            job = job_name(key_of(source))
            self.telemetry.register_job(job)
            poll = self._share.polled(source, settings, partial(self._poll, pipeline, source, settings, budget))
            self._scheduler.every(settings.poll_interval, job, poll, first=position * spread, pool=pool, waits=bool(settings.wait))

    def _register(self, units: Units, sources: Sequence[Polled]) -> None:
        for source in sources:
            self.telemetry.register_source(*key_of(source), units.settings.longest_between.total_seconds())

    def _ask(self, pipeline: Pipeline, units: Units) -> None:
        """Ask for the units of a source, and make jobs and page fit the answer."""
        with pipeline.using_aws() as is_open:
            if self.stopping or not is_open:
                return
            started_at, change = datetime.now(UTC), units.ask()
        with self._fitting:
            # A reload meanwhile may have taken these very units over, and then nobody will hear of this change again.
            if any(units is kept for kept in self.pipeline.units):
                self._fit(self.pipeline, units, change, started_at)
        self._outdated.set()

    def _fit(self, pipeline: Pipeline, units: Units, change: Change, started_at: datetime) -> None:
        for key in change.gone:
            self._forget(key)
        self._schedule_polls(pipeline, units, change.added)
        if change.added:
            self._share.hasten()
        for failure in change.failures:
            self._report(pipeline, units, failure, started_at)
        if change.retry is not None:
            self._scheduler.hasten(f"units {units.settings.name}", change.retry)
        self._forget_unknown()
        if change.added or change.gone:
            self.log.info("units", source=units.settings.name, known=len(units.sources), new=len(change.added), gone=len(change.gone))
        self.telemetry.count_units(time.time())

    def _report(self, pipeline: Pipeline, units: Units, failure: Failure, started_at: datetime) -> Report:
        """Show a unit that cannot be told as one whose poll failed."""
        report = (SurveyReport if isinstance(units.settings, PostureSettings) else PollReport)(*failure.key, started_at)
        report.fail(failure.error.reason, str(failure.error))
        known = failure.key in {key_of(source) for source in units.sources}
        interval = units.settings.longest_between if known else units.interval
        fine_until = failure.fine_until.timestamp() if failure.fine_until else 0.0
        self.telemetry.register_source(*failure.key, interval.total_seconds())
        self.telemetry.unit_failed(*failure.key, time.time(), failure.error.reason, fine_until)
        pipeline.record(failure.key, report)
        self.log.error("units unknown", **fields_of(failure.key), reason=failure.error.reason, error=str(failure.error))
        return report

    def _poll(
        self,
        pipeline: Pipeline,
        source: Polled,
        settings: PolledSettings,
        budget: timedelta | None,
        since: datetime | None = None,
        *,
        alone: bool = True,
    ) -> Report | None:
        key = key_of(source)
        lock = self._busy.setdefault(key, threading.Lock())
        # After a reload the old pipeline's poll of the same unit may still be under way.
        if not lock.acquire(blocking=False):
            self._missed(job_name(key))
            return None
        try:
            with pipeline.using_aws() as is_open:
                if self.stopping or not is_open:
                    return None
                report = pipeline.poll(source, settings, budget, since, alone=alone)
            if isinstance(settings, PostureSettings):
                self._forget_unknown()
            self.telemetry.count_units(time.time())
            self._outdated.set()
            return report
        finally:
            lock.release()
            self._forget_unless_known(key)

    def _forget_all(self, old: Pipeline) -> None:
        """Stop the jobs of a pipeline that was replaced, and take off the page what the one in force does not know."""
        shown = {key for units in self.pipeline.units for key in units.shown()}
        for units in old.units:
            self._scheduler.forget(f"units {units.settings.name}")
            if units.settings.name not in {kept.settings.name for kept in self.pipeline.units}:
                self.telemetry.forget_job(f"units {units.settings.name}")
            for key in units.shown():
                self._scheduler.forget(job_name(key))
                if key not in shown:
                    self._forget(key)

    def _forget(self, key: UnitKey) -> None:
        """Poll a unit no more and take it off the page; what the store has of it stays."""
        self._scheduler.forget(job_name(key))
        self.telemetry.forget_job(job_name(key))
        self.telemetry.forget_source(*key)
        self.pipeline.forget(key)

    def _forget_unless_known(self, key: UnitKey) -> None:
        """Take a unit off the page whose last poll outlasted it: it would stand there as it ended, and alert for ever."""
        with self._fitting:
            if not any(key in units.shown() for units in self.pipeline.units):
                self._forget(key)

    def _forget_unknown(self) -> None:
        """Take off the page what stands where the configuration in force does not look; a replaced one may not know where it does."""
        try:
            self.pipeline.forget_unknown()
        except StoreError as error:
            self.log.error("what stands where nobody looks any more stays on the page until the store can be written", error=str(error))

    def _expose(self) -> None:
        """Keep the page up to date between scrapes: once a second at most, because hundreds of units may be polled in one."""
        if self._outdated.is_set():
            self._outdated.clear()
            self.pipeline.exposition.refresh()
        self._flush_exposed()

    def _forecast(self) -> None:
        """Work out anew what is usual, where it is due, and show it."""
        pipeline, now = self.pipeline, datetime.now(UTC)
        if pipeline.forecaster.due(now):
            try:
                with self.telemetry.watching("hourly_counts"):
                    pipeline.forecaster.renew(now)
            except StoreError as error:
                self.log.error("what is usual in this hour could not be worked out; the gauges stay as they were", error=str(error))
            else:
                self.telemetry.expectation(now.timestamp())
                pipeline.exposition.refresh()

    def _flush_exposed(self) -> None:
        try:
            self.pipeline.exposition.flush_exposed()
        except StoreError as error:
            self.telemetry.store_error("mark_exposed")
            # It is tried each second: one line for each outage, or the log would help to fill the disk.
            if not self._unmarked:
                self.log.error("new series stay at 0 until the store can be written", error=str(error))
            self._unmarked = True
        else:
            self._unmarked = False

    def _housekeeping(self) -> None:
        self.telemetry.count_units(time.time())
        try:
            self.telemetry.store_stats(self.store.stats())
        except StoreError as error:
            self.telemetry.store_error("stats")
            self.log.error("the store cannot be read", error=str(error))

    def _prune(self) -> None:
        try:
            # An investigation over files of years ago must not lose them in the hour in which it stored them.
            before = datetime.now(UTC) - self.pipeline.config.store.retention
            pruned = self.store.prune(before, stored_before=before)
        except StoreError as error:
            self.telemetry.store_error("prune")
            self.log.error("old events could not be forgotten", error=str(error))
            return
        if pruned:
            self.log.info("forgot events past store.retention; no count changes", events=pruned)

    def _missed(self, job: str) -> None:
        self.telemetry.run_missed(job)
        self.log.warning("a run was skipped because the one before is still under way, or started too late", job=job)

    def _failed(self, job: str, error: BaseException) -> None:
        self.telemetry.run_failed(job)
        self.log.error("a job failed by a fault of the exporter", job=job, error=f"{type(error).__name__}: {error}")
