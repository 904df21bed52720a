"""What a replay knows of events that their records do not tell: rules before, lost rules, what was opened. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from exporter.model import ChangeEvent, Rule, RuleAction, RuleChange
from exporter.posture.calls import Call, Effect
from exporter.posture.chronicle import Amendment, Chronicle
from exporter.posture.diff import applied
from exporter.posture.ports import PORT_CLASSES
from exporter.posture.replay import Told
from exporter.posture.windows import Windows

JudgeOpened = Callable[[Sequence[Rule], Sequence[Rule], datetime], tuple[tuple[str, ...], tuple[str, ...]]]
"""Tells of two states what is open to the internet in the second and was not in the first, as all else stood at a time: groups, classes.

The states are the rules of the group of the chronicle, or the entries of its prefix list; for a group the groups are left aside. What
else decides, the entries of lists that the group names or the rules that name the list, must be taken as it stood then: today's would
blame an event of last week for what a later one opened.
"""

_OPENS = (Effect.AUTHORIZE, Effect.MODIFY, Effect.EDIT, Effect.RESTORE)


def opened_by(
    judge_opened: JudgeOpened, before: Sequence[Rule], after: Sequence[Rule], changes: Iterable[RuleChange], at: datetime
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the groups and port classes that changes opened; asked only where they could have."""
    if any(change.action in (RuleAction.ADDED, RuleAction.MODIFIED) for change in changes):
        return judge_opened(before, after, at)
    return (), ()


def amendments(
    chronicle: Chronicle,
    calls: Sequence[Call],
    told: Mapping[str, Told],
    windows: Windows,
    read_until: datetime | None,
    judge_opened: JudgeOpened,
) -> tuple[Amendment, ...]:
    """Return what changes something of the events as they are stored."""
    out = (_amendment(chronicle, call.event, told[call.id], windows, read_until, judge_opened) for call in calls)
    return tuple(amendment for amendment in out if amendment is not None)


def _amendment(
    chronicle: Chronicle, event: ChangeEvent, told: Told, windows: Windows, read_until: datetime | None, judge_opened: JudgeOpened
) -> Amendment | None:
    changes = told.changes
    if windows.forgot(event.event_time):
        changes = _kept(event.rule_changes, changes)
    groups, classes = _opened(told, read_until, judge_opened)
    of_group = chronicle.id in event.security_groups or not _is_list(told.call)
    all_groups = event.security_groups if of_group else tuple(dict.fromkeys((*event.security_groups, *groups)))
    opened = {*event.opened_port_classes, *classes}
    all_classes = tuple(name for name in PORT_CLASSES if name in opened)
    if (changes, all_groups, set(all_classes)) == (event.rule_changes, event.security_groups, set(event.opened_port_classes)):
        return None
    return Amendment(event.event_id, changes, groups if not of_group else (), all_classes)


def _is_list(call: Call) -> bool:
    return "PrefixList" in call.event.event_name


def _opened(told: Told, read_until: datetime | None, judge_opened: JudgeOpened) -> tuple[tuple[str, ...], tuple[str, ...]]:
    call = told.call
    if call.effect not in _OPENS or told.before is None or told.after is None:
        return (), ()
    # What was opened is counted and cannot be taken back, so it waits until all that happened before is known.
    if read_until is not None and read_until < call.event.event_time:
        return (), ()
    after = applied(told.before, told.changes) if call.is_blind else told.after
    return opened_by(judge_opened, told.before, after, told.changes, call.event.event_time)


def _kept(stored: Sequence[RuleChange], found: Sequence[RuleChange]) -> tuple[RuleChange, ...]:
    """Return what is known of an event of a time of which versions are forgotten: what an earlier join knew stays known."""
    if len(stored) != len(found):
        return tuple(stored or found)
    return tuple(old if old.before is not None and new.before is None else new for old, new in zip(stored, found, strict=True))
