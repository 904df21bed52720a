"""The composition root: builds every part from a configuration and runs them until told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from exporter.catalog import Watch
from exporter.config import Config, load
from exporter.errors import ConfigError, StoreError
from exporter.logs import Logger
from exporter.metrics.exposition import Exposition
from exporter.metrics.telemetry import Telemetry
from exporter.parse import RecordParser
from exporter.poller import Poller, PollReport
from exporter.posture.open_ingress import OpenedIngress
from exporter.scheduler import Scheduler
from exporter.sources import Source, roster
from exporter.sources.base import SourceSettings
from exporter.store import Store, open_store

_EXPOSED_INTERVAL = timedelta(seconds=1)
_STATS_INTERVAL = timedelta(seconds=15)
_PRUNE_INTERVAL = timedelta(hours=1)
_STOP_GRACE = 3.0


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All that one configuration decides; a reload makes a new one and swaps it in whole."""

    config: Config
    sources: tuple[tuple[Source, SourceSettings], ...]
    poller: Poller
    exposition: Exposition


def build_pipeline(
    config: Config,
    store: Store,
    telemetry: Telemetry,
    logger: Logger,
    stopping: Callable[[], bool] = lambda: False,
    previous: Pipeline | None = None,
) -> Pipeline:
    """Wire the parts that a configuration decides around an open store; what the previous pipeline showed stays shown."""
    watch = Watch(config.watch.sets, config.watch.events)
    parser = RecordParser(watch, OpenedIngress(config.port_classes.ranges()))
    poller = Poller(store, parser, watch, telemetry, logger, stopping=stopping)
    shown = previous.exposition if previous else None
    exposition = Exposition(store, config.metrics.budgets, config.metrics.birth_hold, time.time, telemetry, previous=shown)
    sources = tuple((source, settings) for settings in config.sources for source in roster(settings).sources)
    for source, settings in sources:
        telemetry.register_source(source.name, source.account_id, source.region, settings.poll_interval.total_seconds())
    telemetry.web_info(config.web.external_url)
    return Pipeline(config, sources, poller, exposition)


def require_sources(config: Config, where: str) -> None:
    """Raise ConfigError where there is nothing to poll."""
    if not config.sources:
        raise ConfigError(
            f"{where}: sources: no source is configured; add one, for example `sources: [{{type: files, path: /var/log/cloudtrail}}]`"
        )


class Service:
    """The running exporter: store, scheduler and the pipeline of the configuration in force."""

    def __init__(self, config: Config, config_file: Path | None, logger: Logger) -> None:
        self.config_file = config_file
        self.log = logger
        self.telemetry = Telemetry()
        self.store = open_store(config.store.path)
        self.started_at = datetime.now(UTC)
        self._stop = threading.Event()
        self._reloading = threading.Lock()
        self._busy: dict[str, threading.Lock] = {}
        self._unmarked = False
        self._scheduler = Scheduler(self._missed, self._failed)
        self.pipeline = build_pipeline(config, self.store, self.telemetry, logger, self._stop.is_set)
        self.telemetry.config_loaded(time.time())

    @property
    def stopping(self) -> bool:
        """Whether the service has been told to stop."""
        return self._stop.is_set()

    def start(self) -> None:
        """Begin to poll and to keep house."""
        self._housekeeping()
        self._schedule(self.pipeline)
        self._scheduler.every(_EXPOSED_INTERVAL, "expose", self._flush_exposed, at_once=False, house=True)
        self._scheduler.every(_STATS_INTERVAL, "stats", self._housekeeping, at_once=False, house=True)
        self._scheduler.every(_PRUNE_INTERVAL, "prune", self._prune, house=True)
        self._scheduler.start()

    def poll_once(self) -> list[PollReport]:
        """Poll every source once, one after the other, and return what became of each."""
        pipeline = self.pipeline
        reports = [self._poll(pipeline, source, settings) for source, settings in pipeline.sources]
        self._housekeeping()
        return [report for report in reports if report is not None]

    def stop(self) -> None:
        """Stop within a few seconds: no new run, the batch under way is finished or left for the next start."""
        self._stop.set()
        self._scheduler.stop()
        deadline = time.monotonic() + _STOP_GRACE
        for lock in list(self._busy.values()):
            if lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
                lock.release()
            else:
                self.log.warning("a poll did not end in time; what it had not stored yet is read again at the next start")
        self._flush_exposed()
        self.pipeline.exposition.close()
        self.store.close()

    def reload(self) -> bool:
        """Read the configuration file again; a bad one keeps the old configuration and sets the metric."""
        with self._reloading:
            try:
                if self.config_file is None:
                    raise ConfigError("the exporter was started without --config.file, so there is nothing to reload")
                config = load(self.config_file)
                require_sources(config, str(self.config_file))
                if config.store.path != self.pipeline.config.store.path:
                    raise ConfigError(f"{self.config_file}: store.path: cannot change while the exporter runs; restart it")
                # Before the new page is made: what scrapes have shown must not be held at 0 again.
                self._flush_exposed()
                pipeline = build_pipeline(config, self.store, self.telemetry, self.log, self._stop.is_set, self.pipeline)
            except (ConfigError, StoreError) as error:
                self.telemetry.config_failed()
                self.log.error("configuration not reloaded; the old one stays in force", error=str(error))
                return False
            old, self.pipeline = self.pipeline, pipeline
            old.exposition.close()
            for source, _ in old.sources:
                self._scheduler.forget(f"poll {source.name}")
                self._forget_unless_configured(source)
            self._schedule(pipeline)
            self.telemetry.config_loaded(time.time())
            self.log.info("configuration reloaded", file=str(self.config_file))
            return True

    def _schedule(self, pipeline: Pipeline) -> None:
        for source, settings in pipeline.sources:
            self.telemetry.register_job(f"poll {source.name}")
            self._scheduler.every(settings.poll_interval, f"poll {source.name}", partial(self._poll, pipeline, source, settings))

    def _poll(self, pipeline: Pipeline, source: Source, settings: SourceSettings) -> PollReport | None:
        lock = self._busy.setdefault(source.name, threading.Lock())
        # After a reload the old pipeline's poll of the same source may still be under way.
        if not lock.acquire(blocking=False):
            self._missed(f"poll {source.name}")
            return None
        try:
            if self.stopping:
                return None
            report = pipeline.poller.poll(source, settings)
            self.pipeline.exposition.refresh()
            return report
        finally:
            lock.release()
            self._forget_unless_configured(source)

    def _forget_unless_configured(self, source: Source) -> None:
        """Take a source off the page whose last poll a reload overtook: it would stand there as it ended, and alert for ever."""
        if source.name not in {kept.name for kept, _ in self.pipeline.sources}:
            self.telemetry.forget_source(source.name, source.account_id, source.region)

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
