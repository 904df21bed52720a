"""Expected changes of one window, and their upper bound, by account, region and class of channel.

docs/anomalous-rate.md tells the model with its reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from statistics import median

from exporter.baseline.calendar import decay, hour_of_week, slot_of
from exporter.baseline.classes import CHANNEL_CLASSES, ChannelClass
from exporter.baseline.habit import habit as reached
from exporter.baseline.parameters import DEFAULT, Parameters
from exporter.baseline.past import SPAN, Past, Watch, boil_down, day_habits
from exporter.baseline.pooling import Pool, Usual
from exporter.baseline.quantile import upper_quantile
from exporter.baseline.work import hours_of_work

Key = tuple[str, str, ChannelClass]
"""Account id, region, class of channel."""

Counts = Mapping[Key, Mapping[int, int]]
"""Changes by key and hour; an hour is its number since 1970 UTC (epoch seconds // 3600), and one without changes is left out."""

FirstHours = Mapping[tuple[str, str], int]
"""From which hour on an account and region was watched, its past filled in included; one that is left out was never watched."""

WINDOW = timedelta(hours=1)
"""The window of the rule that is compared with the expectation."""

MOST_LATE = 7 * 24
"""How many hours back a window of changes that were counted late may reach."""

_DEVIATIONS = 4.0


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a window that ends at `at` usually brings: the mean, and the bound that no usual window passes."""

    expected: float
    upper: float


@dataclass(frozen=True, slots=True, eq=False)
class Estate:
    """All that is known in one hour of what is usual; give it to `fit`'s callers that ask more than once."""

    now: int
    counts: Counts
    first_hours: Mapping[Key, int]
    pasts: Mapping[Key, Past]
    pools: Mapping[ChannelClass, Pool]
    inherited: Mapping[ChannelClass, float]
    peaks: Mapping[ChannelClass, float]
    work: Mapping[tuple[str, str], Sequence[float]]
    parameters: Parameters

    @classmethod
    def of(
        cls, counts: Counts, keys: Iterable[Key], first_hour: int | FirstHours, at: datetime, parameters: Parameters = DEFAULT
    ) -> Estate:
        """Return what whole hours before that of `at` and since `first_hour` tell; `counts` and `keys` together are the estate."""
        now = hour_of(at)
        weights = decay(parameters)
        first_hours: dict[Key, int] = {}
        watches: dict[int, Watch] = {}
        pasts: dict[Key, Past] = {}
        for key in sorted({*keys, *counts}):
            given = first_hour if isinstance(first_hour, int) else first_hour.get(key[:2], now)
            first = first_hours[key] = min(max(given, now - parameters.history_hours), now)
            if first not in watches:
                watches[first] = Watch.of(first, now, weights, parameters.settling_hours)
            pasts[key] = boil_down(counts.get(key, {}), first, now, watches[first], weights, parameters)
        of_class = {name: {key[:2]: past for key, past in pasts.items() if key[2] == name} for name in CHANNEL_CLASSES}
        pools = {name: Pool.of(members, parameters) for name, members in of_class.items()}
        inherited = {name: _inherited(members.values(), parameters) for name, members in of_class.items()}
        peaks = {name: reached((past.day_habit for past in members.values()), parameters.peak_units) for name, members in of_class.items()}
        work = {
            key[:2]: hours_of_work(counts.get((*key[:2], "people"), {}), first, now, parameters)
            for key, first in first_hours.items()
            if pasts[key].watch.days >= parameters.young_days
        }
        return cls(now, counts, first_hours, pasts, pools, inherited, peaks, work, parameters)

    def expect(self, key: Key) -> Expectation:
        """Return the expectation of a key of the estate, or of one that it does not know, for windows that end in this hour."""
        past, usual = self._usual(key)
        habit, pair = self._habits(key, past, past.habit, past.pair)
        # A window that ends in this hour has changes of the hour before, or of both, but not twice as many as either usually has.
        expected = max(usual.rates[1:])
        return Expectation(expected, max(self._bound(key, self.now, max(usual.rates), usual.burst, habit, pair), expected))

    def expect_since(self, key: Key, first: int, late: int) -> Expectation:
        """Return the expectation of a window that holds changes from hour `first` until this hour: `late` of them were counted late.

        It brings no more than so many beside the usual, and no more than the whole stretch would, counted at once: of its hours one is
        granted what passes the usual; of the others their sum, and what that varies by.
        """
        short = self.expect(key)
        first = max(first, self.now - MOST_LATE)
        if first > self.now - SPAN:
            return short
        past, usual = self._usual(key)
        rates = self.pools[key[2]].by_hour(key[:2], past, range(first, self.now + 1))
        day, pair = self._habits(
            key, past, *day_habits(self.counts.get(key, {}), self.first_hours.get(key, self.now), self.now, self.parameters)
        )
        highest = max(*rates, *usual.rates)
        peak = max(short.upper, self._bound(key, first, highest, usual.burst, day, pair))
        rest = max(0.0, sum(rates) - highest)
        expected = max(short.expected, sum(rates))
        upper = max(peak + rest + _DEVIATIONS * sqrt((1.0 + usual.burst) * rest), expected)
        return Expectation(min(expected, short.expected + late), min(upper, short.upper + late))

    def _usual(self, key: Key) -> tuple[Past, Usual]:
        past = self.pasts.get(key)
        if past is None:
            past = boil_down({}, self.now, self.now, Watch.of(self.now, self.now, decay(self.parameters)), (), self.parameters)
        return past, self.pools[key[2]].usual(key[:2], past)

    def _habits(self, key: Key, past: Past, habit: float, pair: float) -> tuple[float, float]:
        """Return the habits of a key, or what is usual in the estate where it was watched for too short a time to have any."""
        if past.watch.days >= self.parameters.young_days:
            return habit, pair
        return max(habit, self.inherited[key[2]]), max(pair, self.inherited[key[2]])

    def _working(self, unit: tuple[str, str], first: int, rate: float) -> float:
        """Return how far any hour from `first` until this one is one of work."""
        slots = self.work.get(unit)
        if slots is None:
            # Of a young unit nobody knows yet when people work there.
            return min(1.0, rate / self.parameters.young_rate)
        return max(slots[slot_of(hour_of_week(hour))] for hour in range(first, self.now + 1))

    def _bound(self, key: Key, first: int, rate: float, burst: float, habit: float, pair: float) -> float:
        parameters = self.parameters
        working = self._working(key[:2], first, rate)
        least = parameters.idle_ceiling + (parameters.least_ceiling - parameters.idle_ceiling) * working
        upper = min(upper_quantile(rate, burst, parameters.tail), max(parameters.ceiling * habit, least))
        # A deploy or a long evening of work is as large in one unit as in another, and each has a largest one that it did not have
        # before. So while people work, what several units of the estate are used to is no surprise.
        return max(upper, parameters.margin * habit, pair, parameters.peak_margin * working * self.peaks[key[2]])


def fit(
    counts: Counts, keys: Iterable[Key], first_hour: int | FirstHours, at: datetime, parameters: Parameters = DEFAULT
) -> dict[Key, Expectation]:
    """Return the expectation of every key for windows that end in the hour of `at`, from whole hours before it and since `first_hour`.

    All of `counts` and `keys` together are the estate from which a key with little past of its own learns.
    """
    wanted = sorted(set(keys))
    estate = Estate.of(counts, wanted, first_hour, at, parameters)
    return {key: estate.expect(key) for key in wanted}


def hour_of(at: datetime) -> int:
    """Return the number of the hour since 1970 in which a time lies."""
    return int(at.timestamp() // 3600)


def _inherited(pasts: Iterable[Past], parameters: Parameters) -> float:
    """Return the habit of the unit in the middle, of those that were watched for long enough to have one."""
    return median([past.pair for past in pasts if past.watch.days >= parameters.young_days] or [0.0])
