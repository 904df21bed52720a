"""Which rule a call means that names it by an id that nothing else told with it: told only where there is no choice. Pure.

Readings of EC2 have ids, and leave only the rule to guess that a new group is born with, until a reading shows it. Those of AWS Config
have none, and there a guess may be wrong where several calls on rules that no record told
of before, or changes in the dark, fall between the same two readings: then a change in the dark may be taken for the call's, or what
a call did be counted as done in the dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from exporter.model import Direction, RuleAction, RuleChange
from exporter.posture.calls import Call
from exporter.posture.diff import Place, compatible, is_placed, place
from exporter.posture.replay import Track, World
from exporter.posture.windows import Windows


class Guesses:
    """Guesses by what the next readings show: a rule that is gone there, or said anew, and that no other call can have touched."""

    def __init__(self, windows: Windows, calls: Sequence[Call]) -> None:
        self._windows, self._calls = windows, tuple(calls)

    def __call__(self, world: World, call: Call, change: RuleChange) -> Track | None:
        """Return the one rule without an id that the change can be about."""
        numbers = self._windows.around(call.event.event_time)
        # Near a reading it may be either side of it: rather the one that shows what the rule became, or where the clock puts it.
        moment, moves = call.event.event_time, change.action is RuleAction.MODIFIED
        for number in sorted(numbers, key=lambda n: (moves and not self._shows(world, change, n), not self._windows.is_within(n, moment))):
            found = self._candidates(world, call, change, number)
            if found:
                # Another call about another rule that nobody knows could mean the same one.
                rivals = any(True for _ in self._rivals(world, change, number))
                return found[0] if len(found) == 1 and not rivals else None
        born = [track for track in world.alive() if self._is_born(track, change, numbers)]
        return born[0] if world.known and len(born) == 1 else None

    def _is_born(self, track: Track, change: RuleChange, numbers: Iterable[int]) -> bool:
        """Tell whether a change may be about a rule of which no reading told: only that which a group is born with has no id then."""
        value, rule = track.value, change.rule
        if value is None or track.rule_id is not None or track.floor is not None or not all(span.event_id for span in track.spans[1:]):
            return False
        if change.action is RuleAction.MODIFIED and value.peer_type is not rule.peer_type:
            return False
        others = (shown for number in numbers for shown in self._windows.versions[number].rules or ())
        own = place(value)
        return rule.direction in (None, value.direction) and not any(place(o) == own and not compatible(o, rule) for o in others)

    def _shows(self, world: World, change: RuleChange, number: int) -> bool:
        """Tell whether a version shows anything that calls wrote of the same rule."""
        came = {place(c.rule) for c in self._windows.changes(number) if c.action is not RuleAction.REMOVED}
        direction = world.directions.get(change.rule.rule_id or "")
        written = (c.rule for call in self._calls for c in call.changes if c.rule.rule_id == change.rule.rule_id and is_placed(c.rule))
        return any(place(replace(rule, direction=direction)) in came for rule in written)

    def _candidates(self, world: World, call: Call, change: RuleChange, number: int) -> list[Track]:
        """Return the rules that a version shows changed as the call would have changed them."""
        changes, rule = self._windows.changes(number), change.rule
        nameless = [track for track in world.alive() if track.rule_id is None]
        if change.action is RuleAction.DESCRIBED:
            same = (rule.description or "",)
            said = {place(c.rule) for c in changes if c.action is RuleAction.DESCRIBED and (c.rule.description or "") in same}
            return [t for t in nameless if self._stands(t, said, (rule.direction,))]
        known = world.directions.get(rule.rule_id or "", rule.direction)
        gone = {place(c.rule) for c in changes if c.action is RuleAction.REMOVED} - self._touched(call, number)
        gone |= self._unseen(nameless, number)
        fitting = [t for t in nameless if self._stands(t, gone, Direction if known is None else (known,))]
        if change.action is RuleAction.MODIFIED:
            # No modification changes the kind of a rule's peer (EC2 API reference, ModifySecurityGroupRules).
            return [t for t in fitting if t.value is not None and t.value.peer_type is rule.peer_type]
        return fitting

    def _unseen(self, tracks: Iterable[Track], number: int) -> set[Place]:
        """Return the places of rules that came after the reading before a version, and were gone again before the one that shows it."""
        shown = {place(rule) for version in self._windows.versions[number - 1 : number + 1] for rule in version.rules or ()}
        return {place(track.value) for track in tracks if track.value is not None} - shown

    @staticmethod
    def _stands(track: Track, places: set[Place], directions: Iterable[Direction | None]) -> bool:
        return track.value is not None and place(track.value) in places and track.value.direction in directions

    def _touched(self, call: Call, number: int) -> set[Place]:
        """Return the places from which other calls of the same time took a rule; not those in which one was made before it was taken."""
        others = [c for c in self._calls if c is not call and number in self._windows.around(c.event.event_time)]
        changes = [change for other in others for change in other.changes if is_placed(change.rule)]
        made = {place(change.rule) for change in changes if change.action is RuleAction.ADDED}
        return {place(change.rule) for change in changes if change.action is RuleAction.REMOVED} - made

    def _rivals(self, world: World, change: RuleChange, number: int) -> Iterator[RuleChange]:
        """Yield changes of other rules that are named by an id which nobody knew."""
        unanswered = {asked.rule.rule_id for _, asked in world.open_questions}
        for other in self._calls:
            if other.is_blind or number not in self._windows.around(other.event.event_time):
                continue
            for rival in other.changes:
                rule_id = rival.rule.rule_id
                if rule_id in (None, change.rule.rule_id) or (world.by_id(rule_id) is not None and rule_id not in unanswered):
                    continue
                nameless = rival.action is RuleAction.MODIFIED or not is_placed(rival.rule)
                if nameless and (rival.action is RuleAction.DESCRIBED) == (change.action is RuleAction.DESCRIBED):
                    yield rival
