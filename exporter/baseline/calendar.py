"""Hours of the week, and how much of each a unit was watched."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.baseline.parameters import Parameters

HOURS, WEEK = 24, 168
_MONDAY = 72
"""1970 began on a Thursday."""
_SATURDAY = 5 * HOURS

KERNEL = (0.25, 0.5, 0.25)
"""How much the hour before, an hour and the hour after it say of that hour: habits drift, and daylight saving moves them by one."""

SLOTS = 2 * HOURS
"""Hours of a working day, then those of a weekend's."""


def hour_of_week(hour: int) -> int:
    """Return which hour of the week an hour since 1970 is; 0 is the first of Monday, UTC."""
    return (hour + _MONDAY) % WEEK


def is_weekend(hour: int) -> bool:
    """Return whether an hour since 1970 is one of Saturday or Sunday, UTC."""
    return hour_of_week(hour) >= _SATURDAY


def decay(parameters: Parameters) -> tuple[float, ...]:
    """Return how much an hour counts by its age in whole weeks."""
    weeks = -(-parameters.history_hours // WEEK)
    return tuple(0.5 ** (age / parameters.half_life_weeks) for age in range(weeks))


def watched(first: int, end: int, weights: Sequence[float]) -> list[float]:
    """Return by hour of the week how much of it a unit was watched from hour `first` until before `end`, by age."""
    table = [0.0] * WEEK
    for hour in range(max(end - WEEK, first), end):
        weeks = (hour - first) // WEEK + 1
        table[hour_of_week(hour)] = sum(weights[:weeks])
    return table


def by_slot(table: Sequence[float]) -> list[float]:
    """Return the sums of a table by hour of the week over the days of each kind, smoothed over neighbour hours."""
    before, at, after = KERNEL
    slots = [0.0] * SLOTS
    for hour, value in enumerate(table):
        slot = slot_of(hour)
        slots[slot] += before * table[hour - 1] + at * value + after * table[(hour + 1) % WEEK]
    return slots


def slot_of(week_hour: int) -> int:
    """Return the slot of an hour of the week."""
    return week_hour % HOURS + (HOURS if week_hour >= _SATURDAY else 0)
