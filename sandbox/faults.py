"""What can be made to go wrong, each of it off at first."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

NONE = timedelta(0)
_SHARES = ("ec2_throttle", "config_throttle", "athena_throttle", "athena_failure")
"""The shares that can be changed while it runs."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares are from 0 to 1. `storm` is how long of each `storm_period` every LookupEvents is throttled.

    The first group strikes what a reader of changes asks (CloudTrail's LookupEvents and ListPublicKeys, S3's reads, SQS); the
    second strikes how records are delivered; the third what a reader asks of EC2, AWS Config and Athena: shares of calls that are
    throttled and of queries that fail by a fault that passes, and the number of the page, from 1, that fails of a call by its name in
    IAM policies. `deny` strikes any call, by that name, and what Athena does on behalf of its caller.
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

    ec2_throttle: float = 0
    config_throttle: float = 0
    athena_throttle: float = 0
    athena_failure: float = 0
    fail_page: Mapping[str, int] = field(default_factory=dict)

    deny: frozenset[str] = frozenset()
    seed: int = 0

    def storms_at(self, now: datetime) -> bool:
        """Tell whether a throttle storm blows at a time; each period begins with it."""
        return self.storm > NONE and now.timestamp() % self.storm_period.total_seconds() < self.storm.total_seconds()


def changed(faults: Faults, given: Mapping[str, Any]) -> Faults:
    """Return faults with other ones for EC2, AWS Config and Athena, or another list of denied calls. Raises ValueError."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name in _SHARES:
            if not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ValueError(f"{name} must be a share from 0 to 1")
            values[name] = float(value)
        elif name == "fail_page":
            if not isinstance(value, dict) or not all(isinstance(page, int) and page > 0 for page in value.values()):
                raise ValueError('fail_page must be an object of page numbers, as {"ec2:DescribeSecurityGroups": 2}')
            values[name] = value
        elif name == "deny":
            if not isinstance(value, list) or not all(isinstance(action, str) for action in value):
                raise ValueError('deny must be a list of actions, as ["ec2:DescribeSecurityGroups"]')
            values[name] = frozenset(value)
        else:
            raise ValueError(f"{name:.80} is no fault that can be changed; there are {', '.join(_SHARES)}, fail_page and deny")
    return replace(faults, **values)


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
