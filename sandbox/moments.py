"""Times as AWS writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time of this machine, aware."""
    return datetime.now(UTC)


def skewed(clock: Clock, by: timedelta) -> Clock:
    """Return a clock that goes wrong by some time."""
    return lambda: clock() + by


def iso(at: datetime) -> str:
    """Return a time in seconds, as records have it: `2026-01-31T12:00:00Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
