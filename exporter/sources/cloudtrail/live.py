"""The live line: nothing at or before the watermark is unread, whatever cuts the reading short.

A pass reads [watermark - overlap, AWS's time at its beginning] in slices, oldest first, so that a long outage is made good bit by bit.
Its end stays fixed: what AWS shows up to `overlap` late is behind it only if the pass after it reads it again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import msgspec

from exporter.families import GAP_SECONDS, GAPS
from exporter.sources.base import Batch
from exporter.sources.cloudtrail.clock import moment
from exporter.sources.cloudtrail.plan import Cost
from exporter.sources.cloudtrail.round import Cursors, Round
from exporter.sources.cloudtrail.settings import KEPT
from exporter.sources.cloudtrail.walk import Walk

_FIRST_SLICE = 6 * 3600
_LEAST_SLICE, _LONGEST_SLICE = 60, int(KEPT.total_seconds())
_FEW_PAGES, _MANY_PAGES = 2, 20
_JUST_NOW = 5
_JUMP = 60
"""Seconds by which clocks may disagree before it matters: answers take their time, and Date has no fractions."""


class Live(msgspec.Struct):
    """Cursor of the live line; times in seconds since 1970 by AWS's clock.

    All up to `watermark` is read. The pass under way has read all before `at` and ends at `until`; it is over when `at` is past
    that. `began` is where the very first pass began: all before is the past. `lost` is up to where a gap was told.
    """

    began: int
    watermark: int
    at: int
    until: int
    slice: int = _FIRST_SLICE
    walk: Walk | None = None
    cost: Cost = msgspec.field(default_factory=Cost)
    skew: int | None = None
    lost: int = 0


class Names(msgspec.Struct):
    """Cursor of what is watched: the names as last seen, and from when on those are that came later."""

    known: tuple[str, ...]
    since: dict[str, int] = msgspec.field(default_factory=dict)


def keep_up(round_: Round) -> Generator[Batch, None, Live]:
    """Yield what is new, and return where the live line stands. Raises SourceError."""
    key = round_.key("live")
    state = round_.load(key, Live) or _first(round_)
    _trust_clock(round_, state)
    yield from _note_names(round_, state)
    for _ in range(2):
        if state.at > state.until:
            state.at, state.until = state.watermark - _overlap(round_), max(round_.clock.now(), state.watermark)
        while state.at <= state.until and not round_.context.stopping():
            yield from _slice(round_, state, key)
        # A pass that was begun long ago, or by a clock that was behind, ends before what is new.
        if round_.context.stopping() or round_.clock.now() - state.until <= _JUMP:
            break
    return state


def _note_names(round_: Round, state: Live) -> Iterator[Batch]:
    """Note which names are watched from now on only: what re-scans find of them before is no news that should page anybody."""
    names = round_.plan.names
    if names is None:
        return
    key = round_.key("names")
    seen = round_.load(key, Names) or Names(names)
    new = {name: state.watermark + 1 for name in names if name not in seen.known}
    since = {name: seconds for name, seconds in {**seen.since, **new}.items() if name in names}
    round_.since = since
    noted = Names(names, since)
    if noted != seen or round_.context.cursor(key) is None:
        yield round_.batch({key: msgspec.json.encode(noted).decode()})


def _overlap(round_: Round) -> int:
    return int(round_.settings.overlap.total_seconds())


def _first(round_: Round) -> Live:
    if not round_.clock.known:
        round_.ask.learn_time()
    now = round_.clock.now()
    began = now - _overlap(round_)
    return Live(began, watermark=began - 1, at=began, until=now)


def _trust_clock(round_: Round, state: Live) -> None:
    """See to it that neither clock, ours or AWS's, makes a window that AWS refuses or that ends in the future."""
    clock = round_.clock
    clock.assume(state.skew)
    if state.watermark <= clock.now() + _JUMP:
        return
    round_.ask.learn_time()
    now = clock.now()
    if state.watermark > now + _JUMP:
        round_.context.log.warning(
            "AWS's clock went back; what was read since its time now is read again", seconds=state.watermark - now,
        )  # fmt: skip
        state.watermark = state.until = now
        state.at, state.walk = now + 1, None


def _slice(round_: Round, state: Live, key: str) -> Iterator[Batch]:
    """Read one slice, or what is left of it; the watermark moves only when all of it is read."""

    def saved() -> dict[str, str]:
        state.skew = round_.clock.skew
        return {key: msgspec.json.encode(state).decode()}

    plan, clock = round_.plan, round_.clock
    if state.walk is None or not plan.accepts(state.walk.queries):
        if _is_lost(round_, state):
            yield _gap(round_, state, saved)
        # Beyond the end of the pass, which is rounded down, may be what has just happened; it is read, but does not count as read.
        end = min(state.until + _JUST_NOW, state.at + state.slice - 1)
        state.walk = Walk(state.at, end, plan.choose(state.cost, end - state.at + 1, clock.now()))
    walk = state.walk

    def enough() -> bool:
        # No second counts as read before AWS's clock reached it, whatever ours said when the pass began.
        state.until = min(state.until, clock.now())
        return round_.context.stopping() or plan.too_dear(walk)

    found = yield from round_.take(walk, saved, enough)
    enough()
    if walk.complete:
        state.watermark = max(state.watermark, min(walk.end, state.until))
        state.at, state.walk = walk.end + 1, None
        state.slice = _next_slice(state.slice, walk)
    elif plan.too_dear(walk):
        state.walk = None
    if state.walk is None:
        plan.learn(state.cost, walk, clock.now())
        yield found.batch(saved())


def _is_lost(round_: Round, state: Live) -> bool:
    """Tell whether AWS no longer keeps what follows the watermark; a clock of ours that has jumped must not decide that."""
    if state.watermark >= round_.oldest:
        return False
    round_.ask.learn_time()
    return state.watermark < round_.oldest


def _gap(round_: Round, state: Live, saved: Cursors) -> Batch:
    """Say once that what lies between the watermark and the oldest that AWS keeps is lost, and go on from there.

    A start that is cut before it has read anything makes the same gap longer, not a second one.
    """
    oldest, watermark, again = round_.oldest, state.watermark, state.watermark == state.lost
    labels = (round_.name, round_.unit.account_id, round_.unit.region)
    state.watermark = state.lost = oldest
    state.at, state.until, state.walk = oldest, max(state.until, round_.clock.now()), None
    round_.context.log.error(
        "changes are lost for good: the exporter did not read for longer than AWS keeps them; other roads (s3, files) may have them",
        lost_from=moment(watermark).isoformat(),
        lost_until=moment(oldest).isoformat(),
    )
    counts = ((GAPS.name, labels, 0.0 if again else 1.0), (GAP_SECONDS.name, labels, float(oldest - watermark)))
    return round_.batch(saved(), counts)


def _next_slice(seconds: int, walk: Walk) -> int:
    """Return the length of the next slice: long where little happens, short enough that the watermark moves where much does."""
    if walk.pages > len(walk.queries) + _MANY_PAGES:
        return max(seconds // 2, _LEAST_SLICE)
    return min(seconds * 2, _LONGEST_SLICE) if walk.pages <= len(walk.queries) * _FEW_PAGES else seconds


__all__ = ["Live", "keep_up"]
