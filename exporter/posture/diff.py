"""How two readings of the rules of one group, or of the entries of one prefix list, differ. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace

from exporter.model import Rule, RuleAction, RuleChange

Place = tuple[object, ...]
"""What makes a rule the same rule where ids do not tell: direction, protocol, ports, peer."""

_RANGED = ("tcp", "udp")
_TYPED = ("icmp", "icmpv6")


def place(rule: Rule) -> Place:
    """Return where a rule stands in its group: EC2 allows no second rule there (InvalidPermission.Duplicate).

    Ports of a protocol that has none are left out, since EC2 says -1 and AWS Config nothing; so is the type of ICMP that is any.
    """
    low, high = rule.from_port, rule.to_port
    if rule.protocol in _TYPED:
        low, high = -1 if low is None else low, -1 if high is None else high
    elif rule.protocol is not None and rule.protocol not in _RANGED:
        low, high = None, None
    return rule.direction, rule.protocol, low, high, rule.peer_type, rule.peer


def is_placed(rule: Rule) -> bool:
    """Tell whether a rule says where it stands; a record that names it by id alone does not."""
    return rule.protocol is not None or rule.peer is not None


def compatible(one: Rule, other: Rule) -> bool:
    """Tell whether the ids allow two rules to be the same: EC2 never gives an id twice."""
    return one.rule_id is None or other.rule_id is None or one.rule_id == other.rule_id


def alike(one: Rule, other: Rule) -> bool:
    """Tell whether two rules say the same; a missing description is an empty one."""
    return compatible(one, other) and place(one) == place(other) and (one.description or "") == (other.description or "")


def paired(before: Sequence[Rule], after: Sequence[Rule]) -> list[tuple[int | None, int | None]]:
    """Return which rule became which, by position: by id where both have one, else by place; None where there is no other side.

    Rules that stand twice (AWS Config may say so) are paired one to one. First what is gone, in order, then what is there, in order.
    """
    left, right = dict(enumerate(before)), dict(enumerate(after))
    of: dict[int, int] = {}
    keys: tuple[Callable[[Rule], Hashable], ...] = (lambda rule: rule.rule_id, _content, place)
    for key in keys:
        places: dict[Hashable, list[int]] = {}
        for index, rule in left.items():
            places.setdefault(key(rule), []).append(index)
        for index, rule in tuple(right.items()):
            found = key(rule)
            fits = (other for other in places.get(found, ()) if other in left and compatible(left[other], rule))
            other = next(fits, None) if found is not None else None
            if other is not None:
                of[index] = other
                del left[other], right[index]
    gone: list[tuple[int | None, int | None]] = [(index, None) for index in left]
    return gone + [(of.get(index), index) for index in range(len(after))]


def _content(rule: Rule) -> Hashable:
    return place(rule), rule.description or ""


def changes_between(before: Sequence[Rule], after: Sequence[Rule]) -> Iterator[tuple[RuleChange, int | None, int | None]]:
    """Yield each rule change with the positions of the rule before and after."""
    for old, new in paired(before, after):
        if new is None:
            assert old is not None
            yield RuleChange(RuleAction.REMOVED, before[old]), old, None
        elif old is None:
            yield RuleChange(RuleAction.ADDED, after[new]), None, new
        else:
            change = change_of(before[old], after[new])
            if change is not None:
                yield change, old, new


def change_of(before: Rule, after: Rule) -> RuleChange | None:
    """Return what became of one rule; None where it stands as it did."""
    if place(before) != place(after):
        return RuleChange(RuleAction.MODIFIED, after, before)
    if (before.description or "") != (after.description or ""):
        return RuleChange(RuleAction.DESCRIBED, after, before)
    return None


def diff(before: Sequence[Rule] | None, after: Sequence[Rule] | None) -> tuple[RuleChange, ...]:
    """Return how the rules of two readings differ; None is a group that does not exist, whose rules are none."""
    return tuple(change for change, _, _ in changes_between(before or (), after or ()))


def applied(rules: Iterable[Rule], changes: Iterable[RuleChange]) -> tuple[Rule, ...]:
    """Return the rules after changes that `diff` gave, in no order that matters."""
    out = list(rules)
    for change in changes:
        old = change.rule if change.action is RuleAction.REMOVED else change.before
        if old is not None:
            _take(out, old)
        if change.action is not RuleAction.REMOVED:
            out.append(change.rule)
    return tuple(out)


def undone(rules: Iterable[Rule], changes: Iterable[RuleChange]) -> tuple[Rule, ...]:
    """Return the rules as they were before changes that `diff` gave."""
    return applied(rules, map(_backwards, changes))


def _backwards(change: RuleChange) -> RuleChange:
    if change.before is not None:
        return replace(change, rule=change.before, before=change.rule)
    return replace(change, action=RuleAction.REMOVED if change.action is RuleAction.ADDED else RuleAction.ADDED)


def _take(rules: list[Rule], rule: Rule) -> None:
    """Take one rule out: itself, else one that says the same, else one that stands there."""
    tests: tuple[Callable[[Rule], bool], ...] = (
        lambda other: other == rule,
        lambda other: alike(other, rule),
        lambda other: compatible(other, rule) and place(other) == place(rule),
    )
    for test in tests:
        found = next((index for index, other in enumerate(rules) if test(other)), None)
        if found is not None:
            del rules[found]
            return


__all__ = ["Place", "alike", "applied", "change_of", "changes_between", "compatible", "diff", "is_placed", "paired", "place", "undone"]
