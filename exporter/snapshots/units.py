"""The readers of what stands: one for each region of each watched account."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.aws import Aws, Caller
from exporter.posture.settings import PostureSettings
from exporter.snapshots.base import Reader
from exporter.snapshots.ec2 import Ec2Reader, Lights, no_lights
from exporter.sources.base import UnitFailure
from exporter.sources.units import each_caller


@dataclass(frozen=True, slots=True)
class Readers:
    """The readers as known now. A failure hides no reader: those known before stay."""

    readers: tuple[Reader, ...]
    failures: tuple[UnitFailure, ...] = ()


def readers(settings: PostureSettings, aws: Aws, lights: Lights = no_lights) -> Readers:
    """Return a reader for each region of each watched account; what fails for one account is a failure beside the others.

    Raises SourceError where no account at all can be told.
    """
    callers, failures = each_caller(aws, settings.regions)
    return Readers(tuple(_reader(settings, caller, lights) for caller in callers), failures)


def _reader(settings: PostureSettings, caller: Caller, lights: Lights) -> Reader:
    """Return what reads an account and region."""
    return Ec2Reader(caller, settings, lights=lights)
