"""All that one configuration decides, wired together; a reload makes a new one and swaps it in whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import cast

from exporter.aws import Aws, AwsSettings, Requests
from exporter.catalog import Watch
from exporter.config import Config
from exporter.forecast import Forecaster
from exporter.logs import Logger
from exporter.metrics.exposition import Exposition
from exporter.metrics.telemetry import Telemetry
from exporter.parse import RecordParser
from exporter.poller import Poller
from exporter.posture.judge import Judge
from exporter.posture.open_ingress import OpenedIngress
from exporter.posture.settings import NAME, PostureSettings
from exporter.report import PollReport, Report, SurveyReport
from exporter.snapshots import Choice, LightsReader, Reader
from exporter.sources import SOURCES, Source, SourceSettings, roster
from exporter.sources.base import Polled, UnitKey
from exporter.store import Store
from exporter.surveyor import Surveyor, watched_kinds
from exporter.timespan import utc_now
from exporter.units import PolledSettings, Units

OpenAws = Callable[[AwsSettings, Requests], Aws]
"""Makes the one Aws of a configuration: from the section `aws`, and who hears of every request."""


def open_aws(settings: AwsSettings, requests: Requests) -> Aws:
    """Return AWS as boto knows it; imported only here and now, because it takes longer to load than all the rest."""
    from exporter.aws.session import open_aws as opened  # noqa: PLC0415

    return opened(settings, requests)


class Lease:
    """An Aws that is closed when it was given up and nobody uses it any more: a poll may outlast its configuration."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self._users, self._lock = 1, threading.Lock()

    @contextmanager
    def used(self) -> Iterator[bool]:
        """Keep it open; gives whether it still is."""
        with self._lock:
            is_open = self._users > 0
            self._users += is_open
        try:
            yield is_open
        finally:
            if is_open:
                self.give_up()

    def give_up(self) -> None:
        """Close it once the last user is done."""
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            self.aws.close()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What one configuration decides."""

    config: Config
    units: tuple[Units, ...]
    poller: Poller
    surveyor: Surveyor
    exposition: Exposition
    forecaster: Forecaster
    lease: Lease | None
    judge: Judge

    @property
    def polled(self) -> tuple[tuple[Polled, PolledSettings], ...]:
        """Every unit that is known now, with its settings."""
        return tuple((source, units.settings) for units in self.units for source in units.sources)

    @property
    def posture(self) -> Units | None:
        """The units of which is read what stands; None where it is not."""
        return next((units for units in self.units if units.settings.name == NAME), None)

    def reports(self) -> Mapping[UnitKey, Report]:
        """Return the last report of each unit."""
        return {**self.poller.reports, **self.surveyor.reports}

    def poll(
        self, polled: Polled, settings: PolledSettings, budget: timedelta | None, since: datetime | None = None, *, alone: bool = True
    ) -> Report:
        """Poll one unit: read events, with `since` what is missing of the past since then, or what stands. `alone`: see FetchContext."""
        if isinstance(settings, PostureSettings):
            return self.surveyor.survey(cast("Reader", polled))
        return self.poller.poll(cast("Source", polled), cast("SourceSettings", settings), budget, since, alone=alone)

    def forget_unknown(self) -> None:
        """Take off the page what stands where nobody looks any more; not while it is unknown where to look. Raises StoreError."""
        units = self.posture
        if units is not None and units.answered and not units.failures:
            self.surveyor.forget_unknown(lambda: [cast("Reader", polled) for polled in units.sources])

    def record(self, key: UnitKey, report: Report) -> None:
        """Remember a report that was made elsewhere."""
        if isinstance(report, SurveyReport):
            self.surveyor.reports[key] = report
        elif isinstance(report, PollReport):
            self.poller.reports[key] = report

    def learn(self, key: UnitKey, settings: PolledSettings, began: datetime) -> None:
        """Hear from another replica when it began to read a unit, and then read all of it."""
        if not isinstance(settings, PostureSettings):
            self.poller.learn(key, cast("SourceSettings", settings), began)

    def forget(self, key: UnitKey) -> None:
        """Forget the reports of a unit."""
        for reports in (self.poller.reports, self.surveyor.reports):
            reports.pop(key, None)

    @contextmanager
    def using_aws(self) -> Iterator[bool]:
        """Keep the connections to AWS open; gives False where they are closed already."""
        if self.lease is None:
            yield True
        else:
            with self.lease.used() as is_open:
                yield is_open


def build_pipeline(
    config: Config,
    store: Store,
    telemetry: Telemetry,
    logger: Logger,
    stopping: Callable[[], bool] = lambda: False,
    previous: Pipeline | None = None,
    aws: OpenAws = open_aws,
) -> Pipeline:
    """Wire the parts that a configuration decides around an open store; what the previous pipeline showed stays shown.

    Units of sources that stay as they are are taken over. Raises ConfigError or AwsError where AWS cannot even be set up.
    """
    watch = Watch(config.watch.sets, config.watch.events)
    posture = config.posture
    parser = RecordParser(watch, OpenedIngress(config.port_classes.ranges(), posture.internet))
    poller = Poller(store, parser, watch, telemetry, logger, stopping=stopping)
    judge = config.judge()
    surveyor = Surveyor(store, judge, posture, telemetry, logger, poller.read_until, utc_now, stopping, watched_kinds(watch.wanted))
    lease = _lease(config, telemetry, previous, aws)
    units = [_units(settings, config.aws.discovery_interval, lease, logger, previous) for settings in config.sources]
    if config.reads_posture and lease is not None:
        units.append(_posture(config, lease, logger, previous))
    before = previous.forecaster if previous else None
    kept = before is not None and previous is not None and previous.config.baseline == config.baseline
    forecaster = before if before is not None and kept else Forecaster(store, config.baseline.history, before)
    exposition = Exposition(
        store,
        config.metrics.budgets,
        config.metrics.birth_hold,
        time.time,
        telemetry,
        previous=previous.exposition if previous else None,
        states=config.reads_posture,
        forecaster=forecaster,
    )
    pipeline = Pipeline(config, tuple(units), poller, surveyor, exposition, forecaster, lease, judge)
    for source, settings in pipeline.polled:
        telemetry.register_source(source.name, source.account_id, source.region, settings.longest_between.total_seconds())
    telemetry.web_info(config.web.external_url)
    telemetry.exceptions(posture.expiries)
    telemetry.expectation(forecaster.renewed.at.timestamp() if forecaster.renewed else 0.0)
    return pipeline


def _lease(config: Config, telemetry: Telemetry, previous: Pipeline | None, aws: OpenAws) -> Lease | None:
    if not config.needs_aws:
        return None
    if previous is not None and previous.lease is not None and previous.config.aws == config.aws:
        return previous.lease
    return Lease(aws(config.aws, telemetry))


def _units(settings: SourceSettings, interval: timedelta, lease: Lease | None, logger: Logger, previous: Pipeline | None) -> Units:
    before = next((units for units in previous.units if units.settings.name == settings.name), None) if previous else None
    static = not SOURCES[settings.type].needs_aws
    if before is not None and before.settings == settings and (static or (previous is not None and previous.lease is lease)):
        return before
    ask = partial(roster, settings, None if static or lease is None else lease.aws)
    units = Units(settings, ask, utc_now, logger, interval, before.shown() if before else (), changes=not static)
    if static:
        units.ask()
    return units


def _posture(config: Config, lease: Lease, logger: Logger, previous: Pipeline | None) -> Units:
    settings, before = config.posture, previous.posture if previous else None
    if before is not None and before.settings == settings and previous is not None and previous.lease is lease:
        return before
    choice = Choice(settings, lease.aws, LightsReader())
    return Units(settings, choice.readers, utc_now, logger, config.aws.discovery_interval, before.shown() if before else ())
