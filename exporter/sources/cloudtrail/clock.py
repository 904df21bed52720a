"""AWS's clock as told by its answers: windows are drawn by it, not by ours, which may be wrong and may jump."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import ceil

NOTABLE_SKEW = 30
"""Seconds that our clock may differ from AWS's before a person hears of it; requests fail from five minutes on."""


class AwsClock:
    """Seconds since 1970 by AWS's clock, never ahead of it once an answer told it: its Date is rounded down, our time up."""

    def __init__(self, ours: Callable[[], datetime]) -> None:
        self.ours = ours
        self.skew: int | None = None
        self._said = 0

    @property
    def known(self) -> bool:
        """Whether some answer told the time."""
        return self.skew is not None

    def assume(self, skew: int | None) -> None:
        """Take a skew measured earlier for granted until an answer tells."""
        if self.skew is None:
            self.skew = skew

    def heard(self, date: datetime | None) -> int | None:
        """Take in what an answer said; return the skew (AWS's clock less ours) where a person should hear of its change."""
        if date is None:
            return None
        self.skew = int(date.timestamp()) - ceil(self.ours().timestamp())
        if abs(self.skew - self._said) <= NOTABLE_SKEW:
            return None
        self._said = self.skew
        return self.skew

    def now(self) -> int:
        """Return the time by AWS's clock, as far as it is known."""
        return int(self.ours().timestamp()) + (self.skew or 0)


def moment(seconds: int) -> datetime:
    """Return a time as the API takes it."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
