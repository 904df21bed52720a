"""What stands open as the store knows it, with who opened it and since when: for the commands, without asking AWS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from exporter.model import ChangeEvent, Direction, Outcome, PeerType, Rule, RuleAction, RuleChange
from exporter.posture.diff import Place, place
from exporter.posture.judge import Judge, OpenRule
from exporter.posture.standing import Group, Part, Standing
from exporter.snapshots.documents import Kept
from exporter.store.base import HistoryEvent, Query, Store

_MOST_EVENTS = 10_000


@dataclass(frozen=True, slots=True)
class Opener:
    """The event that opened a rule; all is None where none is known, because it was open when it was first looked at.

    `not_after` is then when that was: the rule is open at least since.
    """

    event: ChangeEvent | None = None
    not_after: datetime | None = None

    @property
    def since(self) -> datetime | None:
        """When it was opened; None where that is not known."""
        return None if self.event is None else self.event.event_time


@dataclass(frozen=True, slots=True)
class Sighting:
    """One open rule, where it stands, and who opened it."""

    account_id: str
    region: str
    rule: OpenRule
    opener: Opener


def pictures(store: Store, accounts: Sequence[str] = (), regions: Sequence[str] = ()) -> Iterator[Standing]:
    """Yield the picture of every unit that the store has, or of some accounts and regions."""
    for unit in sorted(store.posture_units(), key=lambda unit: (unit.account_id, unit.region)):
        if (not accounts or unit.account_id in accounts) and (not regions or unit.region in regions):
            kept = Kept(store, unit.account_id, unit.region)
            if kept.picture is not None:
                yield kept.standing()


def sightings(store: Store, standing: Standing, judge: Judge, now: datetime) -> Iterator[Sighting]:
    """Yield what stands open in a picture, excepted or not, each with who opened it."""
    kept = Kept(store, standing.account_id, standing.region)
    first = kept.picture.first_read_at.get(Part.GROUPS) if kept.picture else None
    histories: dict[str, list[HistoryEvent]] = {}
    for found in judge.open_rules(standing, now):
        yield Sighting(standing.account_id, standing.region, found, opener_of(store, standing, found, first, histories))


def opener_of(
    store: Store, standing: Standing, found: OpenRule, first: datetime | None, histories: dict[str, list[HistoryEvent]] | None = None
) -> Opener:
    """Return who opened a rule of a picture. `first` is when groups were first read; `histories` keeps those of groups between calls."""
    group, rule_id = found.group, found.rule.rule_id
    if rule_id is not None and found.rule.peer_type is not PeerType.PREFIX_LIST:
        # Few events name one rule, however many its group has; most rules that stand were made by a call that was told their id.
        event = _opening(_history(store, standing, group, (rule_id,)), found)
        if event is not None:
            return Opener(event)
    histories = {} if histories is None else histories
    if group.group_id not in histories:
        histories[group.group_id] = _history(store, standing, group)
    event = _opening(histories[group.group_id], found)
    return Opener(event, None if event else first)


def _history(store: Store, standing: Standing, group: Group, rule_ids: tuple[str, ...] = ()) -> list[HistoryEvent]:
    """Return the successful events of a group, or of some of its rules, newest first."""
    return store.search(
        Query(
            security_groups=(group.group_id, f"name:{group.name}"),
            rule_ids=rule_ids,
            accounts=(standing.account_id,),
            regions=(standing.region,),
            outcomes=(Outcome.SUCCESS,),
            limit=_MOST_EVENTS,
        )
    )


def _opening(history: Sequence[HistoryEvent], found: OpenRule) -> ChangeEvent | None:
    """Return the newest event that made the rule what it is, or that put into its prefix list what opens it."""
    for item in history:
        event = item.event
        if any(_makes(change, found.rule) for change in event.rule_changes):
            return event
        listed = found.rule.peer_type is PeerType.PREFIX_LIST and any(resource.id == found.rule.peer for resource in event.resources)
        if listed and event.opened_port_classes:
            return event
    return None


def _makes(change: RuleChange, rule: Rule) -> bool:
    """Tell whether a change made a rule let in what it does; one that was modified to the same, or described, lets in what it did."""
    changed = change.rule
    if change.action not in (RuleAction.ADDED, RuleAction.MODIFIED) or changed.direction is Direction.EGRESS:
        return False
    if change.before is not None and _place(change.before) == _place(changed):
        return False
    if changed.rule_id is not None and rule.rule_id is not None:
        return changed.rule_id == rule.rule_id
    return _place(changed) == _place(rule)


def _place(rule: Rule) -> Place:
    return place(replace(rule, direction=Direction.INGRESS))
