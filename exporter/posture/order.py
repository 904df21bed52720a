"""In which order calls of the same second happened: CloudTrail tells no more, so it is an order in which each of them could. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from exporter.model import Rule, RuleAction, RuleChange
from exporter.posture.calls import Call, Effect
from exporter.posture.diff import compatible, is_placed, place
from exporter.posture.replay import Told, World

_MOST_TRIES = 200
_MOST_SEARCHED = 8


def play(world: World, calls: Sequence[Call]) -> list[Told]:
    """Let calls happen that are sorted by time; return what each did."""
    out: list[Told] = []
    for _, tied in groupby(calls, key=lambda call: call.event.event_time):
        group = list(tied)
        out.extend(world.apply(call) for call in (_ordered(world, group) if len(group) > 1 else group))
    return out


def _ordered(world: World, group: Sequence[Call]) -> list[Call]:
    ranked = sorted(group, key=lambda call: (_rank(world, call), _is_expected(world, call), call.id))
    greedy, clean = _greedy(world.copy(), ranked)
    if clean or len(group) > _MOST_SEARCHED:
        return greedy
    tries = [_MOST_TRIES]
    return _searched(world, ranked, tries) or greedy


def _rank(world: World, call: Call) -> int:
    """Rather add before what is taken away, but what stays to be seen comes last."""
    if call.effect in (Effect.CREATE, Effect.CREATE_DEFAULT):
        return 0
    if call.effect is Effect.DELETE:
        return 4
    if call.effect is Effect.REVOKE:
        return 2
    return 3 if call.effect is Effect.AUTHORIZE and _is_expected(world, call) else 1


def _is_expected(world: World, call: Call) -> bool:
    """Tell whether the next reading shows what the call wrote: then it is rather the last one."""
    expected = world.expected(call.event.event_time)
    written = [change for change in call.changes if change.action is not RuleAction.REMOVED]
    return any(_writes(world, change, rule) for change in written for rule in expected)


def _writes(world: World, change: RuleChange, rule: Rule) -> bool:
    said = (rule.description or "") == (change.rule.description or "")
    if change.action is RuleAction.DESCRIBED:
        known = world.find(change.rule)
        return said and known is not None and known.last is not None and place(known.last) == place(rule) and compatible(known.last, rule)
    if rule.rule_id is not None and rule.rule_id == change.rule.rule_id:
        return _same_place(rule, change.rule) and (said or change.rule.description is None)
    return compatible(rule, change.rule) and place(rule) == place(change.rule)


def _greedy(world: World, group: Sequence[Call]) -> tuple[list[Call], bool]:
    """Take always the first call that could happen now; tell whether there always was one."""
    left, out, clean = list(group), list[Call](), True
    while left:
        call = next((call for call in left if _could(world, call, left)), None)
        clean = clean and call is not None
        call = call or left[0]
        left.remove(call)
        world.apply(call)
        out.append(call)
    return out, clean


def _searched(world: World, left: Sequence[Call], tries: list[int]) -> list[Call] | None:
    """Return an order in which each call could happen, None where none is found in so many tries."""
    if not left:
        return []
    for call in left:
        if not _could(world, call, left):
            continue
        if tries[0] <= 0:
            return None
        tries[0] -= 1
        following = world.copy()
        following.apply(call)
        rest = _searched(following, [other for other in left if other is not call], tries)
        if rest is not None:
            return [call, *rest]
    return None


def _could(world: World, call: Call, left: Sequence[Call]) -> bool:
    """Tell whether a call that succeeded could have happened with the rules as they stand, the others of its second to come."""
    if call.effect is Effect.DELETE:
        return len(left) == 1
    if call.effect in (Effect.CREATE, Effect.CREATE_DEFAULT) or call.is_blind:
        return True
    return all(_possible(world, call, change, left) for change in call.changes)


def _possible(world: World, call: Call, change: RuleChange, left: Sequence[Call]) -> bool:
    rule = change.rule
    known = world.by_id(rule.rule_id)
    if change.action is RuleAction.ADDED:
        return call.effect is Effect.EDIT or (known is None and world.at(rule) is None and world.stranger(rule) is None)
    found = world.find(rule)
    if found is None:
        # Nobody knows the rule yet: it is one that stood before, unless another call of this second adds it.
        return not any(_adds(other, change) for other in left if other is not call)
    if found.value is None:
        return False
    if change.action is RuleAction.MODIFIED:
        there = replace(rule, direction=found.value.direction)
        return world.stranger(there) is None and world.at(there) in (None, found)
    return True


def _adds(call: Call, change: RuleChange) -> bool:
    """Tell whether a call adds or moves the rule that a change is about."""
    return any(
        other.action in (RuleAction.ADDED, RuleAction.MODIFIED)
        and compatible(other.rule, change.rule)
        and (
            (other.rule.rule_id is not None and other.rule.rule_id == change.rule.rule_id and other.action is RuleAction.ADDED)
            or (is_placed(change.rule) and _same_place(other.rule, change.rule))
        )
        for other in call.changes
    )


def _same_place(one: Rule, other: Rule) -> bool:
    """Tell whether two rules stand in one place; a modification does not tell its direction."""
    return place(replace(one, direction=None)) == place(replace(other, direction=None))
