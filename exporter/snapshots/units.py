"""The readers of what stands: one for each region of each watched account, and one for an aggregator of AWS Config."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.aws import Aws
from exporter.errors import SourceError
from exporter.posture.settings import PostureSettings
from exporter.snapshots.aggregator import AggregateReader
from exporter.snapshots.base import Reader
from exporter.snapshots.choice import aggregate_reader, chosen
from exporter.snapshots.ec2 import Lights, no_lights
from exporter.snapshots.permissions import reads_from
from exporter.sources.base import UnitFailure
from exporter.sources.units import each_caller


@dataclass(frozen=True, slots=True)
class Readers:
    """The readers as known now. A failure hides no reader: those known before stay."""

    readers: tuple[Reader, ...]
    failures: tuple[UnitFailure, ...] = ()

    @property
    def sources(self) -> tuple[Reader, ...]:
        """The readers, called as what is polled is called elsewhere (exporter.units)."""
        return self.readers


class Choice:
    """The readers of a configuration, asked for again and again: the aggregator, if there is one, keeps one reader for all."""

    def __init__(self, settings: PostureSettings, aws: Aws, lights: Lights = no_lights) -> None:
        self._settings, self._aws, self._lights = settings, aws, lights
        self._aggregate: AggregateReader | None = None

    def readers(self) -> Readers:
        """Return a reader for each region of each watched account, and that of the aggregator; what fails is a failure beside the others.

        Raises SourceError where no account at all can be told, and no aggregator either.
        """
        failures: list[UnitFailure] = []
        aggregate = self._aggregator(failures)
        try:
            callers, missing = each_caller(self._aws, self._settings.regions)
        except SourceError as error:
            if aggregate is None:
                raise
            callers, missing = (), (UnitFailure("", "", error),)
        if aggregate is not None:
            units = ((caller.account_id, caller.region) for caller in callers)
            aggregate.elsewhere = frozenset(unit for unit in units if self._settings.source_of(*unit) != "ec2")
        found = (chosen(self._settings, caller, self._lights, aggregate) for caller in callers)
        return Readers((*found, *((aggregate,) if aggregate is not None else ())), (*failures, *missing))

    def _aggregator(self, failures: list[UnitFailure]) -> AggregateReader | None:
        settings = self._settings.aggregator
        if self._aggregate is None and settings is not None and reads_from(self._settings, "aws_config"):
            try:
                self._aggregate = aggregate_reader(self._settings, settings, self._aws)
            except SourceError as error:
                failures.append(UnitFailure("", "", error))
        return self._aggregate


def readers(settings: PostureSettings, aws: Aws, lights: Lights = no_lights) -> Readers:
    """Return the readers as `Choice.readers` does, once; who asks again keeps a Choice."""
    return Choice(settings, aws, lights).readers()
