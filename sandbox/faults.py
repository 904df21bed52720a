"""What can be made to go wrong, each of it off at first."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares are from 0 to 1. `storm` is how long of each `storm_period` every LookupEvents is throttled.

    The first group strikes what a reader of changes asks (CloudTrail's LookupEvents and ListPublicKeys, S3's reads, SQS); the
    second strikes how records are delivered; `deny` strikes any call, by its name in IAM policies.
    """

    throttle: float = 0
    storm: timedelta = NONE
    storm_period: timedelta = timedelta(minutes=1)
    error: float = 0
    hang: float = 0
    hang_for: timedelta = timedelta(seconds=5)
    cut: float = 0
    token_life: timedelta | None = None
    credential_life: timedelta | None = None
    clock_skew: timedelta = NONE

    duplicate: float = 0
    late: float = 0
    late_by: timedelta = timedelta(days=2)
    jitter: timedelta = NONE
    updated: float = 0
    bus_loss: float = 0
    backfill: float = 0

    deny: frozenset[str] = frozenset()
    seed: int = 0

    def storms_at(self, now: datetime) -> bool:
        """Tell whether a throttle storm blows at a time; each period begins with it."""
        return self.storm > NONE and now.timestamp() % self.storm_period.total_seconds() < self.storm.total_seconds()


class Chance:
    """Random from a seed, for many threads; the same seed gives the same numbers, in the order of asking."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - decides what fails, no secrets
        self._lock = threading.Lock()

    def strikes(self, share: float) -> bool:
        """Return True for a share of the times."""
        with self._lock:
            return share > 0 and self._random.random() < share

    def up_to(self, most: timedelta) -> timedelta:
        """Return a time between none and the most."""
        with self._lock:
            return most * self._random.random()
