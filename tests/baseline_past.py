"""Made-up hourly counts for tests of the baseline: what accounts usually do, hour by hour."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime

from exporter.baseline import ChannelClass, Counts, Key, hour_of

AT = datetime(2026, 6, 3, 14, 30, tzinfo=UTC)
"""A Wednesday afternoon."""

NOW = hour_of(AT)
DAY, WEEK, HISTORY = 24, 168, 90 * 24
FIRST = NOW - HISTORY


def key(number: int = 0, channel_class: ChannelClass = "people") -> Key:
    """Return a key; four regions make an account."""
    return f"{111122223333 + number // 4:012d}", ("us-east-1", "eu-west-1", "us-west-2", "eu-north-1")[number % 4], channel_class


def is_office(hour: int, shift: int = 0) -> bool:
    """Return whether an hour is one of 9 to 17 on a working day, UTC, or so many hours later."""
    of_week = (hour - shift + 72) % WEEK
    return of_week < 120 and 9 <= of_week % DAY < 17


def office(seed: int, rate: float = 0.5, size: float = 3.0, first: int = FIRST, end: int = NOW, shift: int = 0) -> dict[int, int]:
    """Return the changes of people: in office hours `rate` times an hour some, `size` on average; hardly any at night."""
    rng = random.Random(seed)
    counts: dict[int, int] = {}
    for hour in range(first, end):
        if rng.random() < (rate if is_office(hour, shift) else rate / 50):
            counts[hour] = 1 + int(rng.expovariate(1 / max(size - 1, 0.1)))
    return counts


def estate(units: int = 12, rate: float = 0.5) -> dict[Key, Mapping[int, int]]:
    """Return the pasts of some units of one class."""
    return {key(number): office(number, rate) for number in range(units)}


def scaled(counts: Counts, factor: int) -> dict[Key, Mapping[int, int]]:
    """Return the same past with every count so many times as large."""
    return {name: {hour: count * factor for hour, count in hours.items()} for name, hours in counts.items()}
