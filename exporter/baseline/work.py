"""When people work in a unit, told by when their hands did: the roll-outs that they start come at the same hours, and nobody else's do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exporter.baseline.calendar import HOURS, SLOTS, hour_of_week, slot_of
from exporter.baseline.parameters import Parameters

_AROUND = (-2, -1, 0, 1)
"""Hours that count for an hour: those whose changes a window can hold that ends in it, and one after it."""


def hours_of_work(people: Mapping[int, int], first: int, now: int, parameters: Parameters) -> Sequence[float]:
    """Return by slot how far it is one of work, from 0 to 1, by changes of people by hour from `first` until before `now`.

    What counts is on how many days of this kind (working days, weekends) people changed anything at this hour of the day, beside the
    hour at which they did on the most: not how much, so that one long night says no more than any other.
    """
    end = now - parameters.settling_hours
    days: list[set[int]] = [set() for _ in range(SLOTS)]
    for hour, count in people.items():
        if first <= hour < end and count > 0:
            for shift in _AROUND:
                anchor = hour - shift
                days[slot_of(hour_of_week(anchor))].add(anchor // HOURS)
    found = [len(on) for on in days]
    most = (max(found[:HOURS]), max(found[HOURS:]))
    return [_work(here, most[slot // HOURS], parameters) for slot, here in enumerate(found)]


def _work(here: int, most: int, parameters: Parameters) -> float:
    if not here:
        return 0.0
    share = (here / most - parameters.idle_share) / (parameters.working_share - parameters.idle_share)
    return min(1.0, here / parameters.working_days) * min(1.0, max(0.0, share))
