"""All that one configuration decides, wired together; a reload makes a new one and swaps it in whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from exporter.aws import Aws, AwsSettings, Requests
from exporter.catalog import Watch
from exporter.config import Config
from exporter.logs import Logger
from exporter.metrics.exposition import Exposition
from exporter.metrics.telemetry import Telemetry
from exporter.parse import RecordParser
from exporter.poller import Poller, utc_now
from exporter.posture.open_ingress import OpenedIngress
from exporter.sources import SOURCES, Source, SourceSettings, roster
from exporter.store import Store
from exporter.units import Units

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
    exposition: Exposition
    lease: Lease | None

    @property
    def sources(self) -> tuple[tuple[Source, SourceSettings], ...]:
        """Every unit that is known now, with the settings of its source."""
        return tuple((source, units.settings) for units in self.units for source in units.sources)

    @contextmanager
    def using_aws(self) -> Iterator[bool]:
        """Keep the connections to AWS open; gives False where they are closed already."""
        if self.lease is None:
            yield True
        else:
            with self.lease.used() as is_open:
                yield is_open


def changes(units: Units) -> bool:
    """Return whether the units of a source may change while it is configured, so that they must be asked for again."""
    return SOURCES[units.settings.type].needs_aws


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
    parser = RecordParser(watch, OpenedIngress(config.port_classes.ranges(), config.posture.internet))
    poller = Poller(store, parser, watch, telemetry, logger, stopping=stopping)
    lease = _lease(config, telemetry, previous, aws)
    units = tuple(_units(settings, config.aws.discovery_interval, lease, logger, previous) for settings in config.sources)
    shown = previous.exposition if previous else None
    exposition = Exposition(store, config.metrics.budgets, config.metrics.birth_hold, time.time, telemetry, previous=shown)
    pipeline = Pipeline(config, units, poller, exposition, lease)
    for source, settings in pipeline.sources:
        telemetry.register_source(source.name, source.account_id, source.region, settings.longest_between.total_seconds())
    telemetry.web_info(config.web.external_url)
    return pipeline


def _lease(config: Config, telemetry: Telemetry, previous: Pipeline | None, aws: OpenAws) -> Lease | None:
    if not any(SOURCES[settings.type].needs_aws for settings in config.sources):
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
    units = Units(settings, ask, utc_now, logger, interval, before.shown() if before else ())
    if static:
        units.ask()
    return units
