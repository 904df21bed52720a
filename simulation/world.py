"""One seed's world: who works where, all that happens, what is labelled, and what the way to Prometheus does to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from random import Random

from simulation.activity import benign
from simulation.chance import stream
from simulation.estate import UNITS, Place, estate
from simulation.incidents import Incident, labelled
from simulation.model import DAY, HOUR, MINUTE, Change, Period, Recorded, Span, epoch

JUDGED_FROM = epoch("2026-03-02")
"""A Monday before the clocks of America (8 March), Europe (29 March) and Australia (5 April) change."""

DAYS = 90
"""As far as LookupEvents goes back, and as long as is judged."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong on the way.

    In an outage nothing is scraped or read, and all of it comes at its end; a region named in `slow` is handed over late; the pod has
    another name from each rename on; each reset is a lost store, after which counters begin at 0.
    """

    outages: tuple[Span, ...]
    slow: tuple[tuple[str, Span], ...]
    renames: tuple[int, ...]
    resets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class World:
    """All of one seed; `history` and `live` are in the order in which they were recorded."""

    period: Period
    places: Sequence[Place]
    incidents: Sequence[Incident]
    faults: Faults
    history: Sequence[Change]
    live: Sequence[Recorded]


def _faults(seed: int, span: Span, places: Sequence[Place]) -> Faults:
    rng = stream(seed, "faults")
    days = (span.end - span.start) / DAY

    def some(a_quarter: float) -> int:
        return max(1, round(a_quarter * days / 90))

    def moment() -> int:
        return span.start + DAY + int(rng.random() * (span.end - span.start - 2 * DAY))

    outages = [Span(start, start + int(rng.uniform(2, 5) * HOUR)) for start in (moment() for _ in range(some(2)))]
    slow = []
    for _ in range(some(3)):
        start = moment()
        slow.append((rng.choice(places).unit.region, Span(start, start + int(rng.uniform(1, 4) * HOUR))))
    renames = sorted([moment() for _ in range(some(8))] + [outage.end for outage in outages])
    return Faults(tuple(outages), tuple(slow), tuple(renames), tuple(sorted(moment() for _ in range(some(1)))))


def _recorded_at(change: Change, faults: Faults, rng: Random) -> int:
    """Return when the exporter stores a change: minutes after it, a few far later, and after an outage in one go."""
    delay = min(900.0, rng.lognormvariate(5.0, 0.45))
    if rng.random() < 0.01:
        delay = rng.uniform(15, 120) * MINUTE
    for region, span in faults.slow:
        # CloudTrail hands a stretch over late and at once.
        if change.unit.region == region and change.event_time in span:
            delay = max(delay, span.end - change.event_time + rng.uniform(0, 5 * MINUTE))
    at = change.event_time + int(delay)
    for outage in faults.outages:
        if at in outage:
            at = outage.end + rng.randrange(30, 150)
    return at


def world(seed: int, *, units: int = UNITS, days: int = DAYS, share: float = 1.0) -> World:
    """Return the world of a seed: so many places, so many judged days, and that share of the incidents."""
    judged = Span(JUDGED_FROM, JUDGED_FROM + days * DAY)
    history = Span(JUDGED_FROM - DAYS * DAY, JUDGED_FROM)
    places = estate(seed, units)
    faults = _faults(seed, judged, places)
    incidents = labelled(seed, places, judged, share=share)
    earlier = labelled(seed, places, history, past=True, share=share)
    past = [*benign(f"{seed}/past", places, history), *(change for incident in earlier for change in incident.changes)]
    rng = stream(seed, "delivery")
    now = [*benign(f"{seed}/judged", places, judged), *(change for incident in incidents for change in incident.changes)]
    now.sort(key=attrgetter("event_time"))
    live = sorted((Recorded(_recorded_at(change, faults, rng), change) for change in now), key=attrgetter("at"))
    return World(
        Period(history, judged),
        places,
        incidents,
        faults,
        sorted(past, key=attrgetter("event_time")),
        [recorded for recorded in live if recorded.at in judged],
    )
