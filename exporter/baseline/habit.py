"""What a unit is used to: what happened on several different days, so that no incident makes itself usual."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import nlargest


def habit(highest_by_day: Iterable[float], days: int) -> float:
    """Return what was reached on so many different days; 0 where there are fewer."""
    highest = nlargest(days, highest_by_day)
    return highest[-1] if len(highest) == days else 0.0


def highest_by_day(counts: Mapping[int, int], now: int, day_of: Iterable[tuple[int, int]]) -> tuple[dict[int, int], dict[int, int]]:
    """Return the largest hour of each day, and the largest two hours in a row, of the hours that are given with their day.

    A window of an hour can hold what two neighbour hours have, but no more. Hour `now` is not over and says nothing, beside the one
    before it neither.
    """
    single: dict[int, int] = {}
    double: dict[int, int] = {}
    for hour, day in day_of:
        count = counts[hour]
        if count > single.get(day, 0):
            single[day] = count
        pair = count + max(counts.get(hour - 1, 0), counts.get(hour + 1, 0) if hour + 1 < now else 0)
        if pair > double.get(day, 0):
            double[day] = pair
    return single, double
