"""Local time, written out for the half year of the simulation, so that no table of zones of the machine decides a figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from simulation.model import DAY, HOUR, epoch

KNOWN_FROM, KNOWN_UNTIL = epoch("2025-11-15"), epoch("2026-06-15")
"""The stretch for which the tables below are right."""


@dataclass(frozen=True, slots=True)
class Zone:
    """Hours east of UTC before and after the one change of the clocks in the half year, and when that is."""

    name: str
    before: float
    after: float | None = None
    changes_at: int = 0

    def offset(self, at: int) -> int:
        """Return the seconds east of UTC at an instant."""
        hours = self.before if self.after is None or at < self.changes_at else self.after
        return int(hours * HOUR)

    def instant(self, day: int, hour: float) -> int:
        """Return the instant of a local time: day since 1970, and hour of that day (25 is 1 o'clock of the next)."""
        naive = day * DAY + int(hour * HOUR)
        return naive - self.offset(naive - int(self.before * HOUR))

    def day(self, at: int) -> int:
        """Return the local day since 1970 of an instant."""
        return (at + self.offset(at)) // DAY

    def hour(self, at: int) -> float:
        """Return the local hour of the day of an instant."""
        return (at + self.offset(at)) % DAY / HOUR


ZONES: Mapping[str, Zone] = MappingProxyType(
    {
        zone.name: zone
        for zone in (
            Zone("America/New_York", -5, -4, epoch("2026-03-08T07:00")),
            Zone("America/Los_Angeles", -8, -7, epoch("2026-03-08T10:00")),
            Zone("America/Sao_Paulo", -3),
            Zone("Europe/London", 0, 1, epoch("2026-03-29T01:00")),
            Zone("Europe/Berlin", 1, 2, epoch("2026-03-29T01:00")),
            Zone("Asia/Kolkata", 5.5),
            Zone("Asia/Tokyo", 9),
            Zone("Australia/Sydney", 11, 10, epoch("2026-04-04T16:00")),
        )
    }
)


def _days(*days: str) -> frozenset[int]:
    """Return days since 1970; `2026-05-03/4` is four days from there."""
    found: set[int] = set()
    for text in days:
        first, _, count = text.partition("/")
        start = date.fromisoformat(first)
        found |= {(start + timedelta(days=number) - date(1970, 1, 1)).days for number in range(int(count or 1))}
    return frozenset(found)


HOLIDAYS: Mapping[str, frozenset[int]] = MappingProxyType(
    {
        "America/New_York": _days("2025-12-24/2", "2026-01-01", "2026-01-19", "2026-02-16", "2026-05-25"),
        "America/Los_Angeles": _days("2025-12-24/2", "2026-01-01", "2026-01-19", "2026-02-16", "2026-05-25"),
        "America/Sao_Paulo": _days("2025-12-25", "2026-01-01", "2026-02-16/3", "2026-04-03", "2026-04-21", "2026-05-01"),
        "Europe/London": _days("2025-12-25/2", "2026-01-01", "2026-04-03", "2026-04-06", "2026-05-04", "2026-05-25"),
        "Europe/Berlin": _days("2025-12-24/3", "2026-01-01", "2026-04-03", "2026-04-06", "2026-05-01", "2026-05-14", "2026-05-25"),
        "Asia/Kolkata": _days("2025-12-25", "2026-01-26", "2026-03-04", "2026-04-03", "2026-05-01"),
        "Asia/Tokyo": _days("2025-12-30/6", "2026-01-12", "2026-02-11", "2026-02-23", "2026-03-20", "2026-04-29", "2026-05-03/4"),
        "Australia/Sydney": _days("2025-12-25/2", "2026-01-01", "2026-01-26", "2026-04-03", "2026-04-06", "2026-04-25"),
    }
)
"""Days off by zone, since 1970."""

_YEAR_END = _days("2025-12-22/14")


def workload(zone: Zone, day: int) -> float:
    """Return how much of a usual working day's work is done on a day: 1, little on days off, less at the turn of the year."""
    if day in HOLIDAYS[zone.name]:
        return 0.03
    if (day + 3) % 7 >= 5:  # 1970-01-01 was a Thursday
        return 0.06
    return 0.4 if day in _YEAR_END else 1.0
