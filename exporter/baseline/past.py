"""What one account, region and class did, boiled down to what the model asks of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exporter.baseline.calendar import HOURS, KERNEL, SLOTS, WEEK, by_slot, hour_of_week, is_weekend, slot_of, watched
from exporter.baseline.habit import habit, highest_by_day
from exporter.baseline.parameters import Parameters

SPAN = 3
"""A window that ends within an hour began in the one before; what was delivered late in it happened in the one before that."""

_EARLIEST = -SPAN
"""The first hour, counted from the present one, that says something of these: their neighbour before."""
_STRETCH = SPAN + 2
_NOWHERE = (0.0,) * SPAN


@dataclass(frozen=True, slots=True)
class Watch:
    """How much a unit was watched, the older the less: in hours, by hour of the week and by slot, both smoothed over neighbour hours.

    Of each of the last three hours (the present one is last) there is its slot, how often that hour of this kind of day was watched,
    and that hour of the week.
    """

    days: float
    total: float
    by_week: Sequence[float]
    by_slot: Sequence[float]
    slots_now: tuple[int, ...]
    kind: tuple[float, ...]
    week: tuple[float, ...]

    @classmethod
    def of(cls, first: int, now: int, weights: Sequence[float], settling: int = 0) -> Watch:
        """Return the watch of a unit that was watched from hour `first` until before hour `now`, the last `settling` hours left out."""
        end = max(now - settling, min(first, now))
        table = watched(min(first, now), end, weights)
        smooth = _smoothed(table)
        weekend = is_weekend(now)
        slots_now = tuple(slot_of(hour_of_week(now + shift)) for shift in range(1 - SPAN, 1))
        kind = tuple(
            sum(smooth[(hour_of_week(now) + shift + day * HOURS) % WEEK] for day in range(7) if is_weekend(now + day * HOURS) is weekend)
            for shift in range(1 - SPAN, 1)
        )
        week = tuple(smooth[(hour_of_week(now) + shift) % WEEK] for shift in range(1 - SPAN, 1))
        return cls(max(0, now - first) / HOURS, sum(table), smooth, by_slot(table), slots_now, kind, week)


@dataclass(slots=True)
class Past:
    """The past of one account, region and class, as `Watch` cuts it; incidents are cut down to what was usual.

    `habit` and `pair` are the most that an hour, and two hours in a row, had on several days at this time of the day, `day_habit`
    that of an hour at any time. `squares` are the sums of the squared counts.
    """

    watch: Watch
    total: float = 0.0
    by_week: Sequence[float] = (0.0,) * WEEK
    slots: Sequence[float] = (0.0,) * SLOTS
    habit: float = 0.0
    pair: float = 0.0
    day_habit: float = 0.0
    kind: Sequence[float] = field(default=_NOWHERE)
    week: Sequence[float] = field(default=_NOWHERE)
    squares: Sequence[float] = field(default=_NOWHERE)


def boil_down(counts: Mapping[int, int], first: int, now: int, watch: Watch, weights: Sequence[float], parameters: Parameters) -> Past:
    """Return the past that these hours tell, from hour `first` until before hour `now`."""
    past = Past(watch)
    end = now - parameters.settling_hours
    hours = [hour for hour, count in counts.items() if first <= hour < now and count > 0]
    if not hours:
        return past
    hours.sort()
    last = end - 1
    days: dict[int, int] = {}
    for hour in hours:
        if counts[hour] > days.get(hour // HOURS, 0):
            days[hour // HOURS] = counts[hour]
    past.day_habit = habit(days.values(), parameters.habit_days)
    most = max(past.day_habit, parameters.least_habit)
    table = [0.0] * WEEK
    for hour in hours:
        # What was on several days is a habit however fresh it is; a rate follows a single hour, so the last ones must settle first.
        if hour < end:
            table[hour_of_week(hour)] += min(counts[hour], most) * weights[(last - hour) // WEEK]
    past.total, past.by_week, past.slots = sum(table), _smoothed(table), by_slot(table)

    near = _near(hours, now)
    single, double = highest_by_day(counts, now, [(hour, day) for hour, day, _ in near])
    past.habit, past.pair = habit(single.values(), parameters.habit_days), habit(double.values(), parameters.habit_days)
    most = max(past.habit, parameters.least_habit)
    kind, week, squares = [0.0] * _STRETCH, [0.0] * _STRETCH, [0.0] * _STRETCH
    for hour, day, place in near:
        if hour >= end:
            continue
        count, weight = min(counts[hour], most), weights[(last - hour) // WEEK]
        kind[place] += weight * count
        squares[place] += weight * count * count
        if (now // HOURS - day) % 7 == 0:
            week[place] += weight * count
    past.kind, past.week, past.squares = _spread(kind), _spread(week), _spread(squares)
    return past


def day_habits(counts: Mapping[int, int], first: int, now: int, parameters: Parameters) -> tuple[float, float]:
    """Return the most that an hour, and two hours in a row, had on several days at any time of the day."""
    hours = [(hour, hour // HOURS) for hour, count in counts.items() if first <= hour < now and count > 0]
    single, double = highest_by_day(counts, now, hours)
    return habit(single.values(), parameters.habit_days), habit(double.values(), parameters.habit_days)


def _near(hours: Sequence[int], now: int) -> list[tuple[int, int, int]]:
    """Return the hours at this time of the day on days of this kind, each with the day of its window and its place in the stretch."""
    weekend = is_weekend(now)
    found = []
    for hour in hours:
        place = (hour - now - _EARLIEST) % HOURS
        if place < _STRETCH:
            anchor = hour - (place + _EARLIEST)
            if is_weekend(anchor) is weekend:
                found.append((hour, anchor // HOURS, place))
    return found


def _spread(stretch: Sequence[float]) -> list[float]:
    """Return the last three hours' values, each with its neighbours' share, from those of the five hours around them."""
    before, at, after = KERNEL
    return [before * stretch[place] + at * stretch[place + 1] + after * stretch[place + 2] for place in range(SPAN)]


def _smoothed(table: Sequence[float]) -> list[float]:
    before, at, after = KERNEL
    return [before * table[hour - 1] + at * value + after * table[(hour + 1) % WEEK] for hour, value in enumerate(table)]
