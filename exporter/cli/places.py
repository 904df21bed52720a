"""The places of history by the names that `--from` has, opened for one question and closed after it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from exporter.aws import Aws, Caller
from exporter.catalog import Watch
from exporter.cli.event_history import Unheard, callers_of
from exporter.cli.options import existing_store
from exporter.config import Config
from exporter.errors import ConfigError, ExporterError, StoreError
from exporter.history.config_actors import Actors, Beside
from exporter.history.config_timeline import ConfigTimeline
from exporter.history.event_history import EventHistory
from exporter.history.places import Answer, Place, Progress
from exporter.history.store_place import StorePlace
from exporter.logs import make_logger
from exporter.pipeline import open_aws
from exporter.posture.open_ingress import OpenedIngress
from exporter.store import store_exists
from exporter.store.base import Query

_SQL_EXTRA = "pip install 'aws-change-exporter[sql]'"


@dataclass(slots=True)
class Opening:
    """What the places of one question share: AWS, its accounts and regions, and what they know of each other's answers."""

    config: Config
    query: Query
    stack: ExitStack
    beside: Beside = field(default_factory=Beside)
    _aws: Aws | None = None
    _callers: tuple[Sequence[Caller], Sequence[str]] | None = None

    @property
    def aws(self) -> Aws:
        """AWS, opened when it is first needed."""
        if self._aws is None:
            self._aws = open_aws(self.config.aws, Unheard())
            self.stack.callback(self._aws.close)
        return self._aws

    @property
    def callers(self) -> tuple[Sequence[Caller], Sequence[str]]:
        """Whom to ask: every account and region of the question; and what could not be told of them."""
        if self._callers is None:
            self._callers = callers_of(self.config, self.query, self.aws)
        return self._callers

    @property
    def opened(self) -> OpenedIngress:
        """What tells which classes of ports a change opened."""
        return OpenedIngress(self.config.port_classes.ranges(), self.config.posture.internet)

    def event_history(self, callers: Sequence[Caller], failed: Sequence[str] = ()) -> EventHistory:
        """Return Event history as asked by some callers."""
        watch = Watch(self.config.watch.sets, self.config.watch.events)
        return EventHistory(callers, watch, self.opened, make_logger("error", "console"), failed=failed)


def _store(opening: Opening) -> Place:
    return StorePlace(existing_store(opening.config))


def _cloudtrail(opening: Opening) -> Place:
    return opening.event_history(*opening.callers)


def _aws_config(opening: Opening) -> Place:
    def look_up(caller: Caller, query: Query, now: datetime, progress: Progress) -> Answer:
        return opening.event_history([caller]).search(query, now, progress)

    actors = Actors(opening.beside, None, look_up)
    try:
        store = existing_store(opening.config) if store_exists(opening.config.store.where) else None
    except StoreError as error:
        # It would only have helped to tell who it was.
        actors.problems.append(str(error))
    else:
        if store is not None:
            opening.stack.callback(store.close)
            actors = Actors(opening.beside, store.search, look_up)
    callers, failed = opening.callers
    return ConfigTimeline(callers, actors, opening.opened, failed=failed)


def _files(opening: Opening) -> Place:
    return _elsewhere("exporter.history.trail_places", "open_files")(opening.config)


def _s3(opening: Opening) -> Place:
    return _elsewhere("exporter.history.trail_places", "open_s3")(opening.config, opening.aws)


def _athena(opening: Opening) -> Place:
    return _elsewhere("exporter.history.athena_place", "open_athena")(opening.config, opening.aws)


def _elsewhere(module: str, name: str) -> Callable[..., Place]:
    """Return what opens a place that reads with SQL: loaded only here, since its engine is an extra."""
    try:
        opener: Callable[..., Place] = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise ConfigError(f"--from: this place is read with SQL, and {error.name or module} is not installed; {_SQL_EXTRA}") from None
    return opener


PLACES: Mapping[str, Callable[[Opening], Place]] = {
    "store": _store,
    "cloudtrail": _cloudtrail,
    "files": _files,
    "s3": _s3,
    "athena": _athena,
    "aws-config": _aws_config,
}
"""What opens each place. In this order they are asked and merged: what is stored tells most, and AWS Config joins what the others tell."""


@dataclass(slots=True)
class Opened:
    """The places that could be opened, what the last of them may know of the others, and why others could not be."""

    places: list[Place]
    beside: Beside | None
    problems: list[str] = field(default_factory=list)


@contextmanager
def open_places(config: Config, names: Collection[str], query: Query) -> Iterator[Opened]:
    """Open the places of these names, and close them.

    One that cannot be opened is a problem beside the others; where there is no other, its error is raised.
    """
    with ExitStack() as stack:
        opening, opened = Opening(config, query, stack), Opened([], None)
        wanted = [name for name in PLACES if name in names]
        for name in wanted:
            try:
                place = PLACES[name](opening)
            except ExporterError as error:
                if len(wanted) == 1:
                    raise
                opened.problems.append(f"{name}: {error}")
            else:
                stack.callback(place.close)
                opened.places.append(place)
                opened.beside = opening.beside if name == ConfigTimeline.name else None
        yield opened
