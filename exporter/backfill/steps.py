"""The value of a line through time, as steps: what it is from when on. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from exporter.backfill.replay import AFTERWARDS, LIVE, Track

_BEFORE = 1_000
"""Milliseconds before a change at which the old value is shown once more; CloudTrail tells times in whole seconds."""


@dataclass(frozen=True, slots=True)
class Step:
    """A value from a time (milliseconds) on; `change` where something happens then or right after, which needs samples around it."""

    time: int
    value: float
    change: bool


def counter_steps(track: Track, *, scraped: bool, since: int, until: int) -> Iterator[Step]:
    """Yield the steps of a counter from 0 to the value that the next scrape after the end shows, as Prometheus reads counters.

    That is what the exporter itself had counted by then, of a line that a scrape had shown; else 0, with which every line is born.
    The counter falls to 0 once, as at a restart, so that just so much comes after; increase() takes no notice of a fall. What a
    scrape will tell after the end is left out.
    """
    changes = [change for change in track if change[0] >= since and not (scraped and change[2] == AFTERWARDS)]
    reached = sum((amount for _, amount, counted in changes if counted == LIVE), 0.0) if scraped else 0.0
    ahead = sum((amount for _, amount, _ in changes), 0.0) - reached
    yield Step(since, 0.0, change=False)
    last, value = since, 0.0
    for time, amount, _ in _together(changes):
        at = max(time, last + 1)
        if ahead <= 0 or value + amount <= ahead:
            value += amount
            yield Step(at, value, change=True)
        else:
            rest = value + amount - ahead
            if value < ahead:
                yield Step(at, ahead, change=True)
                last, at = at, at + 2
            yield Step(max(last + 1, at - _BEFORE), 0.0, change=True)
            value, ahead = rest, 0.0
            at = max(at, last + 2)
            yield Step(at, value, change=True)
        last = at
    if last < until:
        yield Step(until, reached, change=False)


def gauge_steps(track: Track, *, since: int, until: int) -> Iterator[Step]:
    """Yield the steps of a gauge within the stretch."""
    for time, value, _ in track:
        if since <= time < until:
            yield Step(time, value, change=True)


def _together(changes: list[tuple[int, float, int]]) -> Iterator[tuple[int, float, int]]:
    """Yield the changes with those of one moment as one."""
    at = 0
    while at < len(changes):
        time, amount, counted = changes[at]
        at += 1
        while at < len(changes) and changes[at][0] == time:
            amount += changes[at][1]
            at += 1
        yield time, amount, counted
