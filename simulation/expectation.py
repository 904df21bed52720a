"""The exporter's expectation as it would have stood in each hour: learned from what was recorded until then, and from nothing later."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import repeat
from operator import itemgetter
from typing import Protocol

from exporter.baseline import CHANNEL_CLASSES, ChannelClass, Counts, Expectation, Key, class_of, model
from exporter.forecast.forecaster import HOLD
from exporter.store.hourly import NORMAL_LAG
from simulation.model import HOUR, Change, Span
from simulation.scrape import Series, Shown
from simulation.world import World

Moment = tuple[int, Mapping[Key, Expectation]]
"""A time, and what is expected from then on of the keys of which something else is expected than before."""


class Estate(Protocol):
    """What the exporter's model knows in one hour."""

    def expect(self, key: Key) -> Expectation:
        """Return what an hour that ends now usually brings."""
        ...

    def expect_since(self, key: Key, first: int, late: int) -> Expectation:
        """Return what is usual of a stretch since an hour, of which so many changes were counted late and at once."""
        ...


Learn = Callable[[Counts, Iterable[Key], int, datetime], Estate]

_REFRESH = 120
"""Seconds after the full hour at which the exporter learns anew."""

_SLACK = 300
"""Seconds by which scrapes, look-back and extrapolation may widen a window."""


def key_of(change: Change) -> Key:
    """Return under which key a change is counted."""
    return change.unit.account_id, change.unit.region, class_of(change.channel)


def expectations(world: World, learn: Learn = model.Estate.of, jobs: int = 1, least: int = 1) -> list[Shown]:
    """Return the gauges of what is expected, learned in each hour of the judged days from all that was recorded before it.

    Hours in which nobody comes near `least` changes within an hour are left out, because below it no bound decides anything.
    With more than one job the days are shared out among processes, and `learn` must be a function of a module.
    """
    classes: tuple[ChannelClass, ...] = tuple(CHANNEL_CLASSES)
    keys = [(place.unit.account_id, place.unit.region, name) for place in world.places for name in classes]
    busy: dict[Key, list[int]] = defaultdict(list)
    for recorded in world.live:
        busy[key_of(recorded.change)].append(recorded.at)
    # What changes nowhere is compared with nothing.
    expected = {key: _series(key, busy[key]) for key in keys if busy[key]}
    upper = {key: _series(key, busy[key]) for key in keys if busy[key]}
    for at, learned in _learned(world, keys, learn, jobs, _wanted(busy.values(), least)):
        for key, expectation in learned.items():
            if key in expected:
                _add(expected[key], at, expectation.expected)
                _add(upper[key], at, expectation.upper)
    return [
        Shown("awschange_expected_changes", "gauge", list(expected.values())),
        Shown("awschange_expected_changes_upper", "gauge", list(upper.values())),
    ]


def _wanted(busy: Iterable[Sequence[int]], least: int) -> frozenset[int]:
    """Return the hours since 1970 in which the rule's window of an hour can hold so many changes of one key."""
    found: set[int] = set()
    for times in busy:
        for first, last in zip(times, times[max(least, 1) - 1 :], strict=False):
            if last - first <= HOUR + _SLACK:
                found.update(range((last - _REFRESH) // HOUR, (last + HOUR + _SLACK) // HOUR + 1))
    return frozenset(found)


def _learned(world: World, keys: Sequence[Key], learn: Learn, jobs: int, wanted: frozenset[int]) -> Iterator[Moment]:
    judged = world.period.judged
    share = -(-(judged.end - judged.start) // HOUR // jobs) * HOUR
    spans = [Span(start, min(start + share, judged.end)) for start in range(judged.start, judged.end, share)]
    if jobs == 1:
        yield from _hours(world, keys, learn, spans[0], wanted)
        return
    with ProcessPoolExecutor(jobs) as pool:
        for part in pool.map(_hours, repeat(world), repeat(keys), repeat(learn), spans, repeat(wanted)):
            yield from part


def _hours(world: World, keys: Sequence[Key], learn: Learn, span: Span, wanted: frozenset[int]) -> list[Moment]:
    """Return what is learned in each hour of a span, and when."""
    counts: dict[Key, dict[int, int]] = {key: {} for key in keys}

    def count(change: Change) -> None:
        hours = counts[key_of(change)]
        hour = change.event_time // HOUR
        hours[hour] = hours.get(hour, 0) + 1

    for change in world.history:
        count(change)
    arrived = iter([*world.live, None])
    following = next(arrived)
    late = _late(world)
    found: list[Moment] = []
    for start in range(span.start, span.end, HOUR):
        at = start + _REFRESH
        while following is not None and following.at < at:
            count(following.change)
            following = next(arrived)
        # What stood in the hour before stands for an hour that is left out, so the first one never is.
        if start // HOUR not in wanted and start > span.start:
            continue
        estate = learn(counts, keys, world.period.history.start // HOUR, datetime.fromtimestamp(at, UTC))
        usual = {key: estate.expect(key) for key in keys}
        found.append((at, usual))
        for key, times in late.items():
            found += _stretched(key, times, at, estate, usual[key])
    # In one hour those of all keys come one after another.
    return sorted(found, key=itemgetter(0))


def _late(world: World) -> Mapping[Key, Sequence[tuple[int, int]]]:
    """Return by key when something was counted later than usual, and the hour of which it was."""
    found: dict[Key, list[tuple[int, int]]] = defaultdict(list)
    for recorded in world.live:
        if recorded.at - recorded.change.event_time > NORMAL_LAG.total_seconds():
            found[key_of(recorded.change)].append((recorded.at, recorded.change.event_time // HOUR))
    return found


def _stretched(key: Key, late: Sequence[tuple[int, int]], at: int, estate: Estate, usual: Expectation) -> Iterator[Moment]:
    """Yield what the exporter expects within the hour from `at` on of a key, while late counts are in the rule's window."""
    hold = int(HOLD.total_seconds())
    near = [(counted, hour) for counted, hour in late if at - hold < counted < at + HOUR]
    moments = {moment for counted, _ in near for moment in (max(counted, at), counted + hold) if moment < at + HOUR}
    for moment in sorted(moments):
        since = [hour for counted, hour in near if counted <= moment < counted + hold]
        yield moment, {key: estate.expect_since(key, min(since), len(since)) if since else usual}


def _series(key: Key, busy: list[int]) -> Series:
    return Series((("account_id", key[0]), ("region", key[1]), ("channel_class", key[2])), [], busy)


def _add(series: Series, at: int, value: float) -> None:
    if not series.points or series.points[-1][1] != value:
        series.points.append((at, round(value, 6)))
