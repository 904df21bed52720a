"""Which samples a line needs, so that what asks about it later gets the right answer from few of them. Pure.

`increase()` and `rate()` look at the first and the last sample in their window and stretch what lies between over the whole window, by
half the mean distance of the samples where these stop short of its ends. A change with one sample before and one after would count
double. Ten samples at the step on either side of each change bound that error: at 1/20 of the change where the window holds both sides,
at 1/10 where it begins or ends at the change. One more sample a second before the change lets every window that begins earlier see it.
An unchanged line needs far less: two samples in any hour, so that hours without a change show 0 and averages over them come out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from exporter.backfill.steps import Step

HALO = 10
"""Steps before and after a change in which every one has a sample."""

_QUIET = 30 * 60_000
_BEFORE = 1_000


@dataclass(frozen=True, slots=True)
class Grid:
    """Where samples lie that belong to no change, in milliseconds: `step` near changes, `quiet` between them."""

    step: int
    quiet: int = _QUIET


def samples_of_counter(steps: Iterable[Step], grid: Grid, *, quiet: bool) -> Iterator[tuple[int, float]]:
    """Yield (milliseconds, value): every step, the last moment before each change, and the grid; the coarse one only where `quiet`."""
    halo = HALO * grid.step
    before: Step | None = None
    for step in steps:
        if before is not None:
            first, last = before.time + 1, step.time - 1
            times = {step.time - _BEFORE} if step.change else set()
            after = min(last, before.time + halo) if before.change else first - 1
            ahead = max(first, step.time - halo) if step.change else last + 1
            if after >= ahead:
                times.update(_multiples(grid.step, first, last))
            else:
                times.update(_multiples(grid.step, first, after), _multiples(grid.step, ahead, last))
            if quiet:
                times.update(_multiples(grid.quiet, first, last))
            for time in sorted(times):
                if first <= time <= last:
                    yield time, before.value
        yield step.time, step.value
        before = step


def samples_of_gauge(steps: Iterable[Step], grid: Grid, until: int) -> Iterator[tuple[int, float]]:
    """Yield (milliseconds, value): a gauge is there for ten steps after each change."""
    before: Step | None = None
    for step in (*steps, Step(until, 0.0, change=False)):
        if before is not None:
            yield before.time, before.value
            for time in _multiples(grid.step, before.time + 1, min(step.time - 1, before.time + HALO * grid.step)):
                yield time, before.value
        before = step


def _multiples(of: int, first: int, last: int) -> range:
    """Return the multiples of a number from `first` to `last`, both included."""
    return range(-(-first // of) * of, last + 1, of)
