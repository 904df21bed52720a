"""The values that travel through the simulation: frozen, in epoch seconds of UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.model import Channel, Outcome, PrincipalType, Unit

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 604_800


def epoch(text: str) -> int:
    """Return the epoch seconds of a time in ISO format, taken as UTC where it names no zone."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True)
class Who:
    """A principal, as its labels show it."""

    type: PrincipalType
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """One call, as AWS saw it; `cause` names the process or the incident that it belongs to."""

    event_time: int
    unit: Unit
    event_name: str
    channel: Channel
    who: Who
    cause: str
    outcome: Outcome = Outcome.SUCCESS
    opened: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """A change, and when the exporter stored it."""

    at: int
    change: Change


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time: start included, end not."""

    start: int
    end: int

    def __contains__(self, at: object) -> bool:
        """Return whether a time lies within."""
        return isinstance(at, int) and self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class Period:
    """What is judged, and the time before it of which the exporter knows by LookupEvents on its first day."""

    history: Span
    judged: Span
