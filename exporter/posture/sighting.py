"""Holds what a reading showed against what a replay of the calls says that it may have shown. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from exporter.model import Rule, RuleAction, RuleChange
from exporter.posture.diff import Place, alike, change_of, place
from exporter.posture.replay import Span, Track, World


@dataclass(frozen=True, slots=True)
class Anchor:
    """One reading: what it showed, and when it may have looked, the slack of clocks and of EC2's consistency included."""

    rules: tuple[Rule, ...] | None
    earliest: datetime
    nominal: datetime
    latest: datetime


@dataclass(slots=True)
class Sighting:
    """What a reading showed, by position of its rules, in terms of the replay.

    `shown` are the tracks of the rules; `explained` says of a rule (by position) or of a track that is gone which event made it so
    (empty where it was so from the start); `unexplained` is what no call can have done, by position or track likewise.
    """

    shown: dict[int, Track] = field(default_factory=dict)
    explained: dict[int | Track, str] = field(default_factory=dict)
    unexplained: dict[int | Track, RuleChange] = field(default_factory=dict)

    def moved(self, track: Track) -> bool:
        """Tell whether the reading shows a track, wherever it stands now."""
        return any(track is other for other in self.shown.values())


def see(world: World, ahead: World, anchor: Anchor) -> Sighting:
    """Return what a reading shows, and put the world right by it, as of the nominal time of the reading.

    `ahead` is a copy of the world in which the calls up to the latest time of the reading have happened. A rule is as the replay says if
    it is as the replay had it at some moment at which the reading may have been made, but never older than what a reading before showed.
    """
    sighting, rules = Sighting(), anchor.rules or ()
    seen = {track: track.seen_since(anchor.earliest, existing=anchor.rules is not None) for track in ahead.tracks}
    of = dict(_matches(rules, ahead, seen))
    for position, rule in enumerate(rules):
        track = of.get(position)
        original = track.original if track is not None else None
        span = next((s for s in seen[track] if s.rule is not None and alike(s.rule, rule)), None) if track is not None else None
        if span is not None:
            sighting.explained[position] = span.event_id
            if original is not None:
                original.floor = span.since, span.event_id
            elif track is not None and track.rule_id is None:
                # It may as well be an older rule in that place, which the call that is to come only follows.
                original = world.add(Track(rule.rule_id, [Span(anchor.nominal, rule, span.event_id)]))
        else:
            base = original.value if original is not None else None
            change = change_of(base, rule) if base is not None else None
            sighting.unexplained[position] = change or RuleChange(RuleAction.ADDED, rule)
            if original is None:
                original = world.add(Track(rule.rule_id, [Span(anchor.nominal, rule)]))
            else:
                world.put(original, Span(anchor.nominal, rule), anew=True)
        if original is not None:
            world.name(original, rule.rule_id)
            sighting.shown[position] = original
    matched = set(of.values())
    for track, spans in seen.items():
        if track in matched or track.original is None:
            continue
        gone = next((span for span in spans if span.rule is None), None)
        if gone is not None:
            sighting.explained[track.original] = gone.event_id
            track.original.floor = gone.since, gone.event_id
        elif track.original.last is not None:
            sighting.unexplained[track.original] = RuleChange(RuleAction.REMOVED, track.original.last)
            world.put(track.original, Span(anchor.nominal, None), anew=True)
    world.known, world.exact = True, world.blurred < anchor.earliest
    return sighting


def _matches(rules: Sequence[Rule], ahead: World, seen: dict[Track, list[Span]]) -> Iterator[tuple[int, Track]]:
    """Yield the position of each rule with the track that it is: by id, else by what the track says now, or ever said."""
    left, free = dict(enumerate(rules)), dict.fromkeys(seen)
    for position, rule in tuple(left.items()):
        track = ahead.by_id(rule.rule_id)
        if track in free and track is not None:
            del left[position], free[track]
            yield position, track
    for key, fits in _PASSES:
        index: dict[Hashable, list[Track]] = {}
        for track in filter(fits, free):
            for value in {key(span.rule): None for span in seen[track] if span.rule is not None}:
                index.setdefault(value, []).append(track)
        for position, rule in tuple(left.items()):
            track = next((t for t in index.get(key(rule), ()) if t in free and _may_be(t, rule)), None)
            if track is not None:
                del left[position], free[track]
                yield position, track


def _may_be(track: Track, rule: Rule) -> bool:
    return track.rule_id is None or rule.rule_id is None or track.rule_id == rule.rule_id


def _content(rule: Rule) -> tuple[Place, str]:
    return place(rule), rule.description or ""


def _stands(track: Track) -> bool:
    return track.original is not None and track.original.value is not None


def _stood(track: Track) -> bool:
    return track.original is not None


def _comes(_track: Track) -> bool:
    return True


# What stands comes before what stood shortly before, and that before what is only to come.
_PASSES: tuple[tuple[Callable[[Rule], Hashable], Callable[[Track], bool]], ...] = (
    (_content, _stands),
    (_content, _stood),
    (_content, _comes),
    (place, _stands),
    (place, _stood),
    (place, _comes),
)

__all__ = ["Anchor", "Sighting", "see"]
