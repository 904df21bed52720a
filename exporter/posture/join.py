"""Joins the versions of one group's rules, or of one prefix list's entries, to the CloudTrail events that made them. Pure.

Each join starts from scratch: the calls are replayed, by the time of their events, over the versions that are remembered. A reading
is an anchor: where it shows what the replay cannot have come to, within the slack, the rules were changed by nobody that is known, and
the replay goes on from what the reading showed. So the order in which events arrive, and how often is joined, makes no difference
until the time for events to come is over; then what is left is settled, counted once and never counted again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from exporter.model import ChangeEvent, Rule, RuleAction, RuleChange
from exporter.posture.amend import JudgeOpened, amendments, opened_by
from exporter.posture.calls import Call, Effect, calls_of
from exporter.posture.chronicle import GROUP, Chronicle, Joined, Unexplained, Version
from exporter.posture.diff import alike, changes_between, undone
from exporter.posture.entries import entry_id
from exporter.posture.guess import Guesses
from exporter.posture.memory import pruned
from exporter.posture.order import play
from exporter.posture.replay import BEGINNING, Told, Track, World
from exporter.posture.sighting import Anchor, Sighting, see
from exporter.posture.windows import Windows

SLACK = timedelta(seconds=60)
"""How far our clock and AWS's may differ, and how old what EC2 answers may be."""

REMEMBER = timedelta(days=2)
"""How long versions are remembered that wait for no event any more."""


@dataclass(slots=True)
class _Transition:
    """What the replay makes of one version: the rule changes that no call explains, and which event explains each of the others."""

    unexplained: list[RuleChange] = field(default_factory=list)
    by: list[tuple[RuleChange, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Story:
    """All that a replay comes to: what each call did, by event id, and what became of each version after the first."""

    told: dict[str, Told] = field(default_factory=dict)
    transitions: dict[int, _Transition] = field(default_factory=dict)
    answered: set[tuple[str, str | None]] = field(default_factory=set)


def join(
    chronicle: Chronicle,
    events: Sequence[ChangeEvent],
    now: datetime,
    read_until: datetime | None,
    lag: timedelta,
    judge_opened: Callable[[Sequence[Rule], Sequence[Rule], datetime], tuple[str, ...]],
    groups_opened: JudgeOpened | None = None,
    *,
    account_id: str,
    region: str,
    slack: timedelta = SLACK,
    remember: timedelta = REMEMBER,
) -> Joined:
    """Return what a chronicle and the stored events that touch it come to; both in any order, events of other things left aside.

    `read_until` is the time up to which all events are known to have been read, None where that is never known: then all that is
    unexplained stays pending. What is still unexplained when that is `lag` after a version was first seen is settled. `judge_opened`
    tells the port classes that open between two states of a group, `groups_opened` the groups and classes that open between two states
    of a prefix list (see JudgeOpened). Settled versions are remembered for `remember`, at least for `lag`.
    """
    windows = Windows(chronicle.versions, max(slack, timedelta(seconds=1)))
    calls = calls_of(chronicle, events)
    judge = groups_opened or _opens_nothing if chronicle.kind != GROUP else lambda old, new, at: ((), judge_opened(old, new, at))
    story = _replayed(chronicle, calls, windows, read_until)
    versions = list(chronicle.versions)
    unexplained: list[Unexplained] = []
    explained: list[tuple[str, str]] = []
    pending = 0
    for number, transition in story.transitions.items():
        version = versions[number]
        if version.settled:
            event_id = _late(version, transition)
            if event_id is not None:
                explained.append((version.entry, event_id))
                versions[number] = replace(version, unexplained=(), entry="")
        elif read_until is None or version.until is None or read_until < version.until + lag:
            pending += len(transition.unexplained)
        else:
            entry, versions[number] = _settled(chronicle, version, transition, judge, account_id, region)
            unexplained += [entry] if entry is not None else []
    known = replace(chronicle, versions=tuple(versions))
    return Joined(
        pruned(known, now - max(remember, lag)),
        amendments(chronicle, calls, story.told, windows, read_until, judge),
        tuple(unexplained),
        pending,
        tuple(explained),
    )


def standing_at(chronicle: Chronicle, events: Sequence[ChangeEvent], moment: datetime, slack: timedelta = SLACK) -> tuple[Rule, ...] | None:
    """Return the rules as they stood right before a moment, by the readings and calls before it; None where that cannot be told.

    Between two readings, calls may have changed them several times: neither version says how they stood then.
    """
    windows = Windows(chronicle.versions, max(slack, timedelta(seconds=1)))
    calls = [call for call in calls_of(chronicle, events) if call.event.event_time < moment]
    world = _world(chronicle, windows, calls)
    at = 0
    for _, anchor, _ in _anchors(windows):
        if anchor.nominal > moment:
            break
        until = _up_to(calls, at, anchor)
        play(world, calls[at:until])
        at = until
        ahead = world.copy()
        while until < len(calls) and calls[until].event.event_time <= anchor.latest:
            until += 1
        play(ahead, calls[at:until])
        see(world, ahead, anchor)
    play(world, calls[at:])
    if world.known and not world.exact and calls[-1].is_blind:
        # What it made of them is what the next reading shows, unless more came after it.
        return next(
            (version.rules for version in windows.versions if version.until and version.until >= moment), windows.versions[-1].rules
        )
    return world.rules() if world.known and world.exact else None


def _world(chronicle: Chronicle, windows: Windows, calls: Sequence[Call]) -> World:
    directions, guesses = windows.directions(calls), Guesses(windows, calls)
    return World(chronicle, directions, windows.expected, guesses, lambda moment: windows.births(moment, calls))


def _opens_nothing(_before: Sequence[Rule], _after: Sequence[Rule], _at: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (), ()


def _settled(
    chronicle: Chronicle, version: Version, transition: _Transition, judge_opened: JudgeOpened, account_id: str, region: str
) -> tuple[Unexplained | None, Version]:
    """Return a version of which no event is awaited any more, and what is to be told of it, if anything."""
    changes = tuple(transition.unexplained)
    if not changes:
        return None, replace(version, settled=True)
    until = version.until or BEGINNING
    entry = entry_id(account_id, region, chronicle.kind, chronicle.id, until, changes)
    rules = version.rules or ()
    groups, classes = opened_by(judge_opened, undone(rules, changes), rules, changes, until)
    if chronicle.kind == GROUP:
        groups = (chronicle.id,)
    told = Unexplained(chronicle.kind, chronicle.id, changes, version.after or BEGINNING, until, entry, groups, classes)
    return told, replace(version, settled=True, unexplained=changes, entry=entry)


def _late(version: Version, transition: _Transition) -> str | None:
    """Return the event that explains what was counted as unexplained; None while any of it is not explained."""
    if not version.entry or transition.unexplained:
        return None
    counted = {(change.action, change.rule) for change in version.unexplained}
    ids = [event_id for change, event_id in transition.by if event_id and (change.action, change.rule) in counted]
    return next(iter(ids), None) or next((event_id for _, event_id in transition.by if event_id), None)


def _replayed(chronicle: Chronicle, calls: Sequence[Call], windows: Windows, read_until: datetime | None) -> _Story:
    world = _world(chronicle, windows, calls)
    story = _Story()
    at = 0
    before: Sighting | None = None
    forgotten = BEGINNING
    for number, anchor, first in _anchors(windows):
        until = _up_to(calls, at, anchor)
        _tell(story, play(world, calls[at:until]))
        at = until
        world.forget(forgotten)
        forgotten = anchor.earliest  # what the next reading may show gone was there then
        ahead = world.copy()
        while until < len(calls) and calls[until].event.event_time <= anchor.latest:
            until += 1
        play(ahead, calls[at:until])
        sighting = see(world, ahead, anchor)
        if first and number and before is not None:
            story.transitions[number] = _transition(world, windows, number, before, sighting)
            _ask(story, windows, number, ahead, calls, read_until)
        before = sighting
    _tell(story, play(world, calls[at:]))
    _fill_blind(story)
    return story


def _up_to(calls: Sequence[Call], at: int, anchor: Anchor) -> int:
    """Return how many calls had happened when a reading was made: those up to its nominal time, but no deletion of what it still showed."""
    end = at
    while end < len(calls) and calls[end].event.event_time <= anchor.nominal:
        end += 1
    deleted = [c.event.event_time for c in calls[at:end] if c.effect is Effect.DELETE and c.event.event_time >= anchor.earliest]
    if anchor.rules is not None and deleted:
        while end > at and calls[end - 1].event.event_time >= deleted[0]:
            end -= 1
    return end


def _anchors(windows: Windows) -> Iterator[tuple[int, Anchor, bool]]:
    """Yield for each version the number, the first reading that showed it (True) and the last one before the next version (False).

    Where it was first read, the world begins at the earliest time at which that reading may have looked.
    """
    versions = windows.versions
    for number, version in enumerate(versions):
        earliest, nominal, latest = windows.first_reading(number)
        yield number, Anchor(version.rules, earliest, nominal if number else earliest, latest), True
        if number + 1 < len(versions):
            yield number, Anchor(version.rules, *windows.last_reading(number)), False


def _transition(world: World, windows: Windows, number: int, before: Sighting, after: Sighting) -> _Transition:
    """Return which of the differences between a version and the one before the replay explains."""
    out, chronicle = _Transition(), world.chronicle
    old_rules, version = windows.versions[number - 1].rules or (), windows.versions[number]
    for change, old, new in changes_between(old_rules, version.rules or ()):
        if new is not None:
            unexplained, event_id = after.unexplained.get(new), after.explained.get(new, "")
        else:
            unexplained, event_id = _gone(change, _shown(world, before, old, change), after)
        if unexplained is None:
            out.by.append((change, event_id))
        else:
            out.unexplained.append(unexplained)
    # EC2 lets nobody delete a default group; it goes with its VPC, whose deletion names no group.
    if chronicle.kind == GROUP and chronicle.name == "default" and version.rules is None:
        out.unexplained.clear()
    if not chronicle.owned:
        out.unexplained.clear()
    return out


def _shown(world: World, before: Sighting, position: int | None, change: RuleChange) -> Track | None:
    """Return the track of a rule that the reading before showed; it may have shown it before the clock says that it was made."""
    if position is None or position in before.shown:
        return before.shown.get(position) if position is not None else None
    event_id = before.explained.get(position)
    return next(
        (t for t in world.tracks if any(s.event_id == event_id and s.rule is not None and alike(s.rule, change.rule) for s in t.spans)),
        None,
    )


def _gone(change: RuleChange, track: Track | None, after: Sighting) -> tuple[RuleChange | None, str]:
    """Return what nobody explains of a rule that is gone, or which event explains it."""
    if track is None:
        return change, ""
    if track in after.explained:
        return None, after.explained[track]
    if after.moved(track):
        return None, track.spans[-1].event_id
    return after.unexplained.get(track, change), ""


def _ask(story: _Story, windows: Windows, number: int, ahead: World, calls: Sequence[Call], read_until: datetime | None) -> None:
    """Let calls that named a rule by an id that nobody knew, and then those whose content AWS left out, explain what is left."""
    transition = story.transitions[number]
    for call, asked in ahead.open_questions:
        key = call.id, asked.rule.rule_id
        if key in story.answered or number not in windows.around(call.event.event_time):
            continue
        change = next((change for change in transition.unexplained if _answers(asked, change)), None)
        if change is not None:
            story.answered.add(key)
            _explain(transition, change, call.id)
    until = windows.versions[number].until
    if read_until is not None and until is not None and read_until < until:
        return  # an event that tells what it did may still come
    for call in calls:
        if call.is_blind and number in windows.around(call.event.event_time):
            for change in [change for change in transition.unexplained if call.may_have_made(change)]:
                _explain(transition, change, call.id)


def _explain(transition: _Transition, change: RuleChange, event_id: str) -> None:
    transition.unexplained.remove(change)
    transition.by.append((change, event_id))


def _answers(asked: RuleChange, change: RuleChange) -> bool:
    """Tell whether a rule without an id may be the one that a call named by id alone."""
    direction_fits = asked.rule.direction is None or asked.rule.direction is change.rule.direction
    if asked.action is RuleAction.DESCRIBED:
        same = (asked.rule.description or "") == (change.rule.description or "")
        return direction_fits and same and change.action is RuleAction.DESCRIBED
    kind_fits = asked.action is RuleAction.REMOVED or asked.rule.peer_type is change.rule.peer_type
    return direction_fits and kind_fits and change.action is RuleAction.REMOVED


def _tell(story: _Story, told: Sequence[Told]) -> None:
    story.told.update((one.call.id, one) for one in told)


def _fill_blind(story: _Story) -> None:
    """Give calls whose record tells nothing the changes that they explain."""
    for number in sorted(story.transitions):
        for change, event_id in story.transitions[number].by:
            told = story.told.get(event_id)
            if told is not None and told.call.is_blind:
                story.told[event_id] = replace(told, changes=(*told.changes, change))


__all__ = ["REMEMBER", "SLACK", "join", "standing_at"]
