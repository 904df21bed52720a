"""Expected changes of one window, and their upper bound, by account, region and class of channel.

docs/anomalous-rate.md tells the model with its reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from exporter.baseline.calendar import decay
from exporter.baseline.classes import CHANNEL_CLASSES, ChannelClass
from exporter.baseline.parameters import DEFAULT, Parameters
from exporter.baseline.past import Past, Watch, boil_down
from exporter.baseline.pooling import Pool, Usual
from exporter.baseline.quantile import upper_quantile

Key = tuple[str, str, ChannelClass]
"""Account id, region, class of channel."""

Counts = Mapping[Key, Mapping[int, int]]
"""Changes by key and hour; an hour is its number since 1970 UTC (epoch seconds // 3600), and one without changes is left out."""

FirstHours = Mapping[tuple[str, str], int]
"""From which hour on an account and region was watched, its past filled in included; one that is left out was never watched."""

WINDOW = timedelta(hours=1)
"""The window of the rule that is compared with the expectation."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a window that ends at `at` usually brings: the mean, and the bound that no usual window passes."""

    expected: float
    upper: float


def fit(
    counts: Counts, keys: Iterable[Key], first_hour: int | FirstHours, at: datetime, parameters: Parameters = DEFAULT
) -> dict[Key, Expectation]:
    """Return the expectation of every key for windows that end in the hour of `at`, from whole hours before it and since `first_hour`.

    All of `counts` and `keys` together are the estate from which a key with little past of its own learns.
    """
    now = hour_of(at)
    wanted = sorted(set(keys))
    weights = decay(parameters)
    watches: dict[int, Watch] = {}
    pasts: dict[Key, Past] = {}
    for key in sorted({*wanted, *counts}):
        given = first_hour if isinstance(first_hour, int) else first_hour.get(key[:2], now)
        first = min(max(given, now - parameters.history_hours), now)
        if first not in watches:
            watches[first] = Watch.of(first, now, weights)
        pasts[key] = boil_down(counts.get(key, {}), first, now, watches[first], weights, parameters)
    expectations: dict[Key, Expectation] = {}
    for name in CHANNEL_CLASSES:
        of_class = {key[:2]: past for key, past in pasts.items() if key[2] == name}
        pool, inherited = Pool.of(of_class, parameters), _inherited(of_class.values(), parameters)
        for key in wanted:
            if key[2] == name:
                past = of_class[key[:2]]
                expectations[key] = _expectation(past, pool.usual(key[:2], past), inherited, parameters)
    return {key: expectations[key] for key in wanted}


def hour_of(at: datetime) -> int:
    """Return the number of the hour since 1970 in which a time lies."""
    return int(at.timestamp() // 3600)


def _inherited(pasts: Iterable[Past], parameters: Parameters) -> float:
    """Return the habit of the unit in the middle, of those that were watched for long enough to have one."""
    return median([past.pair for past in pasts if past.watch.days >= parameters.young_days] or [0.0])


def _expectation(past: Past, usual: Usual, inherited: float, parameters: Parameters) -> Expectation:
    habit, pair = past.habit, past.pair
    if past.watch.days < parameters.young_days:
        habit, pair = max(habit, inherited), max(pair, inherited)
    upper = upper_quantile(max(usual.rates), usual.burst, parameters.tail)
    upper = min(upper, max(parameters.ceiling * habit, parameters.least_ceiling))
    # A window that ends in this hour has changes of the hour before, or of both, but not twice as many as either usually has.
    expected = max(usual.rates[1:])
    return Expectation(expected, max(upper, parameters.margin * habit, pair, expected))
