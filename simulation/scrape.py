"""What scrapes would have shown: the exporter's own families, fed with what it recorded, as series of values over time.

A scrape comes each minute. Where nothing happens, fewer samples say the same, so a series has
- one a minute from 65 minutes before a change of it until 75 after: longer than any window of a rate rule, plus Prometheus' look-back;
- one each four minutes (less than the look-back of five) for the tail of a family that rules look at for longer;
- one in half an hour else, for what rules remember of before a window (max_over_time of six hours).
A counter that stands still adds 0 to any increase and any delta, so a series that is missing between two of these samples reads as it
would if it were there, and one that never changes is left out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from exporter.families import EVENT_FAMILIES, Family
from exporter.model import ChangeEvent, Principal
from simulation.model import DAY, HOUR, MINUTE, Change, Span
from simulation.world import World

SCRAPE, PHASE = MINUTE, 13
"""Seconds between scrapes, and after each full minute; rules are evaluated at full minutes."""

BEFORE, AFTER = 65 * MINUTE, 75 * MINUTE
_MEDIUM, _SPARSE = 4, 30
BIRTH_HOLD = 2 * MINUTE
"""As `metrics.birth_hold` by default."""

TAILS: Mapping[str, int] = {
    "awschange_principal_changes_total": DAY + HOUR,
    "awschange_principal_first_seen_timestamp_seconds": DAY + HOUR,
}
"""How long after a change rules still look at a family, where that is longer than AFTER."""


@dataclass(slots=True)
class Series:
    """One series: times at which it changes with the value from then on, and the times at which it is of interest.

    A steady one is looked at all the time: what rules ask of an account may hang on it.
    """

    labels: tuple[tuple[str, str], ...]
    points: list[tuple[int, float]] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)
    steady: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """One family as scrapes show it; `tail` is how long after a change it is still looked at."""

    name: str
    type: str
    series: Sequence[Series]
    tail: int = 0


def as_event(change: Change, number: int) -> ChangeEvent:
    """Return a change as the exporter parses it."""
    return ChangeEvent(
        f"hash:{number:032x}",
        datetime.fromtimestamp(change.event_time, UTC),
        change.unit.account_id,
        change.unit.region,
        "ec2.amazonaws.com",
        change.event_name,
        change.outcome,
        change.channel,
        Principal(change.who.type, change.who.name),
        opened_port_classes=change.opened,
    )


def families(world: World, names: Iterable[str]) -> list[Shown]:
    """Return the event families of these names as scrapes of the judged days show them."""
    wanted = set(names)
    events = [(recorded.at, as_event(recorded.change, number)) for number, recorded in enumerate(world.live)]
    past = [as_event(change, number) for number, change in enumerate(world.history)]
    found = []
    for family in EVENT_FAMILIES:
        if family.name in wanted:
            series = _gauges(family, past, events) if family.type == "gauge" else _counters(family, world, events)
            found.append(Shown(family.name, family.type, series, TAILS.get(family.name, 0)))
    return found


def _labels(family: Family, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(zip(family.labels, values, strict=True))


def _counters(family: Family, world: World, events: Iterable[tuple[int, ChangeEvent]]) -> list[Series]:
    ready = {labels for place in world.places for labels in family.zeros(place.unit)}
    start = world.period.judged.start
    amounts: dict[tuple[str, ...], list[tuple[int, float]]] = defaultdict(list)
    for at, event in events:
        for labels, amount in family.contribute(event, datetime.fromtimestamp(at, UTC)):
            amounts[labels].append((at, amount))
    found = []
    for labels, steps in sorted(amounts.items()):
        series = Series(_labels(family, labels), [(start, 0.0)] if labels in ready else [], [at for at, _ in steps])
        _count(series, steps, world.faults.resets, held=family.held and labels not in ready, ready=labels in ready)
        found.append(series)
    return found


def _count(series: Series, steps: Sequence[tuple[int, float]], resets: Sequence[int], *, held: bool, ready: bool) -> None:
    """Add the points of a counter: sums from a reset to the next, each born at 0 and held there where it was not ready from the start."""
    bounds = [0, *resets]
    for number, begin in enumerate(bounds):
        end = bounds[number + 1] if number + 1 < len(bounds) else None
        mine = [(at, amount) for at, amount in steps if at >= begin and (end is None or at < end)]
        if number and ready:
            series.points.append((begin, 0.0))
        if not mine:
            continue
        release = 0
        if held:
            release = mine[0][0] + BIRTH_HOLD
            series.points.append((mine[0][0], 0.0))
        total = 0.0
        for at, amount in mine:
            total += amount
            series.points.append((max(at, release), total))


def _gauges(family: Family, past: Iterable[ChangeEvent], events: Iterable[tuple[int, ChangeEvent]]) -> list[Series]:
    """Return gauges that take the least or the greatest contribution; those of the past stand from the start."""
    found: dict[tuple[str, ...], Series] = {}
    better = min if family.update == "min" else max
    stream: Iterator[tuple[int, ChangeEvent, bool]] = (
        entry
        for part in (((int(event.event_time.timestamp()), event, False) for event in past), ((at, event, True) for at, event in events))
        for entry in part
    )
    for at, event, live in stream:
        if not live and family.live_only:
            continue
        for labels, amount in family.contribute(event, datetime.fromtimestamp(at, UTC)):
            series = found.setdefault(labels, Series(_labels(family, labels)))
            value = better(series.points[-1][1], amount) if series.points else amount
            if not series.points or value != series.points[-1][1]:
                series.points.append((at, value))
            if live:
                series.busy.append(at)
    # Whoever an account has known for longest tells since when it is watched.
    oldest = {labels[0]: labels for labels, _ in sorted(found.items(), key=lambda item: item[1].points[0][1], reverse=True)}
    for labels in oldest.values():
        found[labels].steady = True
    return [series for _, series in sorted(found.items()) if series.busy or series.steady]


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans joined where they touch, in order."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if joined and span.start <= joined[-1].end:
            if span.end > joined[-1].end:
                joined[-1] = Span(joined[-1].start, span.end)
        else:
            joined.append(span)
    return joined


def _without(spans: Iterable[Span], holes: Sequence[Span]) -> Iterator[Span]:
    for span in spans:
        start = span.start
        for hole in sorted(holes, key=lambda hole: hole.start):
            if hole.end <= start or hole.start >= span.end:
                continue
            if hole.start > start:
                yield Span(start, hole.start)
            start = max(start, hole.end)
        if start < span.end:
            yield Span(start, span.end)


def runs(series: Series, tail: int, whole: Span, outages: Sequence[Span]) -> Iterator[tuple[float, range]]:
    """Yield the values of a series, each with the scrapes that show it, in the order of time and without a scrape twice."""
    last = whole.start - 1
    values = [value for _, value in series.points]
    times = [at for at, _ in series.points]
    for span, step in _paces(series, tail, whole):
        for part in _without((span,), outages):
            at = _scrape_at_or_after(max(part.start, last + 1, times[0]))
            place = bisect_right(times, at) - 1
            while at < part.end:
                until = min(times[place + 1], part.end) if place + 1 < len(times) else part.end
                if at < until:
                    scrapes = range(at, until, step)
                    yield values[place], scrapes
                    last = scrapes[-1]
                    # The scrape that first shows a new value is never left out.
                    at = min(last + step, max(last + SCRAPE, _scrape_at_or_after(until)))
                place += 1
                if place >= len(times):
                    break
                place = max(place, bisect_right(times, at) - 1)


def _paces(series: Series, tail: int, whole: Span) -> Iterator[tuple[Span, int]]:
    """Yield stretches in order with the seconds between their samples."""
    dense = merged(Span(at - BEFORE, at + AFTER) for at in series.busy)
    medium = merged(Span(at - BEFORE, at + tail) for at in series.busy) if tail else []
    if series.steady:
        medium = [whole]
    cursor = whole.start
    for span in [*dense, Span(whole.end, whole.end)]:
        start, end = max(span.start, whole.start), min(span.end, whole.end)
        if cursor < start:
            inner = [Span(max(part.start, cursor), min(part.end, start)) for part in medium if part.end > cursor and part.start < start]
            for part in inner:
                if cursor < part.start:
                    yield Span(cursor, part.start), _SPARSE * SCRAPE
                yield part, _MEDIUM * SCRAPE
                cursor = part.end
            if cursor < start:
                yield Span(cursor, start), _SPARSE * SCRAPE
        if start < end:
            yield Span(start, end), SCRAPE
            cursor = end


def _scrape_at_or_after(at: int) -> int:
    return (at - PHASE + SCRAPE - 1) // SCRAPE * SCRAPE + PHASE
