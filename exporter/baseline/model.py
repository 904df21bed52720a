"""Expected changes of one window, and their upper bound, by account, region and class of channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from exporter.baseline.classes import ChannelClass

Key = tuple[str, str, ChannelClass]
"""Account id, region, class of channel."""

Counts = Mapping[Key, Mapping[int, int]]
"""Changes by key and hour; an hour is its number since 1970 UTC (epoch seconds // 3600), and one without changes is left out."""

WINDOW = timedelta(hours=1)
"""The window of the rule that is compared with the expectation."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a window that ends at `at` usually brings: the mean, and the bound that no usual window passes."""

    expected: float
    upper: float


def fit(counts: Counts, keys: Iterable[Key], first_hour: int, at: datetime) -> dict[Key, Expectation]:
    """Return the expectation of every key for windows that end in the hour of `at`, from whole hours before it and since `first_hour`."""
    raise NotImplementedError
