"""What can wait: stretches that are read again for late events, and the past before the first start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import msgspec

from exporter.errors import AwsError
from exporter.settings import format_duration
from exporter.sources.base import Batch
from exporter.sources.cloudtrail.clock import moment
from exporter.sources.cloudtrail.live import Live
from exporter.sources.cloudtrail.plan import Cost
from exporter.sources.cloudtrail.round import Cursors, Round
from exporter.sources.cloudtrail.settings import RescanSettings
from exporter.sources.cloudtrail.walk import Walk

_DAY = 86_400


class Rescan(msgspec.Struct):
    """Cursor of one re-scan: when it last began, by AWS's clock, and the walk where it is not over."""

    began: int
    walk: Walk | None = None
    cost: Cost = msgspec.field(default_factory=Cost)


class Fill(msgspec.Struct):
    """Cursor of the past: which lookups have read [low, line) in full, the walk of the one under way, and whether the end was told."""

    line: int
    low: int
    done: list[str] = msgspec.field(default_factory=list)
    walk: Walk | None = None
    told: bool = False


def look_again(round_: Round, live: Live) -> Iterator[Batch]:
    """Yield what the re-scans that are due find. What is new in them came late: the live line had read past it. Raises SourceError."""
    now = round_.clock.now()
    known = sorted(round_.settings.rescans, key=lambda rescan: rescan.over)
    states = {rescan: round_.load(_key(round_, rescan), Rescan) or Rescan(0) for rescan in known}
    if not all(state.began for state in states.values()):
        # At the first start everything is read anyway.
        for state in states.values():
            state.began = state.began or now
        yield round_.batch({_key(round_, rescan): _text(state) for rescan, state in states.items()})
    for at, rescan in enumerate(known):
        state = states[rescan]
        if state.walk is None and now - state.began < rescan.every.total_seconds():
            continue
        if round_.over or round_.context.stopping():
            return
        longer = [other for other in known[at + 1 :] if now - states[other].began >= other.every.total_seconds()]
        if state.walk is None and longer:
            state.began = now  # the longer one reads this stretch, too
            yield round_.batch({_key(round_, rescan): _text(state)})
            continue
        yield from _rescan(round_, rescan, state, live)


def _rescan(round_: Round, rescan: RescanSettings, state: Rescan, live: Live) -> Iterator[Batch]:
    key, plan, clock = _key(round_, rescan), round_.plan, round_.clock

    def saved() -> dict[str, str]:
        return {key: _text(state)}

    while state.walk is None or not state.walk.complete:
        if state.walk is None or not plan.accepts(state.walk.queries, rescan=True):
            now = clock.now()
            start = max(now - int(rescan.over.total_seconds()), round_.oldest)
            end = live.watermark - int(round_.settings.overlap.total_seconds()) - 1
            if start > end:
                state.began, state.walk = now, None
                yield round_.batch(saved())
                return
            cost = state.cost if state.cost.swept else live.cost
            state.began, state.walk = now, Walk(start, end, plan.choose(cost, end - start + 1, now, rescan=True))
        walk = state.walk
        for batch in _patiently(round_, walk, saved, partial(_enough, round_, walk)):
            yield replace(batch, late=True)
        if not walk.complete and not plan.too_dear(walk):
            return
        plan.learn(state.cost, walk, clock.now())
        if not walk.complete:
            state.walk = None
    state.walk = None
    yield round_.batch(saved())


def _enough(round_: Round, walk: Walk) -> bool:
    return round_.over or round_.plan.too_dear(walk)


def fill(round_: Round, live: Live) -> Iterator[Batch]:
    """Yield the past before the live line began, newest first, each lookup over all of it. Raises SourceError."""
    key, reach = round_.key("fill"), int(round_.settings.backfill.total_seconds())
    state = round_.load(key, Fill) or Fill(live.began, live.began - reach)

    def saved() -> dict[str, str]:
        return {key: _text(state)}

    low = state.line - reach
    if low < state.low - _DAY:
        state.low, state.done, state.walk, state.told = low, [], None, False
    for query in round_.plan.thorough:
        if query in state.done:
            continue
        start = max(low, round_.oldest)
        if start >= state.line:
            return
        if round_.over or round_.context.stopping():
            return
        if state.walk is None or state.walk.queries != (query,):
            if not state.done:
                round_.context.log.info("reading the past", since=moment(start).isoformat(), lookups=len(round_.plan.thorough))
            state.walk = Walk(start, state.line - 1, (query,))
        walk = state.walk

        def progress(query: str = query, walk: Walk = walk) -> dict[str, str]:
            if walk.complete:
                state.done.append(query)
                state.walk = None
                if set(round_.plan.thorough) <= set(state.done):
                    round_.context.log.info("the past is read")
            return saved()

        yield from _patiently(round_, walk, progress, lambda: round_.over, past=True)
        if not walk.complete:
            return
    if not state.told:
        state.told = True
        yield replace(round_.batch(saved()), watched_since=moment(max(state.low, 0)))


def _patiently(round_: Round, walk: Walk, saved: Cursors, enough: Callable[[], bool], *, past: bool = False) -> Iterator[Batch]:
    """Walk; where others use up AWS's rate, leave the rest to the next poll, unless this one may take all the time it needs."""
    try:
        found = yield from round_.take(walk, saved, lambda: round_.context.stopping() or enough(), past=past)
    except AwsError as error:
        if error.reason != "throttled" or round_.deadline is None:
            raise
        round_.context.log.debug("the past waits: AWS throttles")
        return
    if walk.complete:
        yield found.batch(saved())


def _key(round_: Round, rescan: RescanSettings) -> str:
    return f"{round_.key('rescan')}/{format_duration(rescan.every)}-{format_duration(rescan.over)}"


def _text(state: msgspec.Struct) -> str:
    return msgspec.json.encode(state).decode()
