"""Items of AWS Config become rows of history: how the rules differ from the item before, what else changed, and who did it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b

from exporter.history.config_items import Item
from exporter.model import ChangeEvent, Channel, Outcome, Principal, PrincipalType, Resource, Rule, RuleAction, RuleChange
from exporter.parse.record import Opened
from exporter.posture.diff import diff, place
from exporter.snapshots.config_shapes import SECURITY_GROUP
from exporter.text import visible

EVENT_SOURCE = "config.amazonaws.com"
_NAMES: Mapping[str, str] = {
    "resourcediscovered": "ResourceDiscovered",
    "discovered": "ResourceDiscovered",
    "resourcedeleted": "ResourceDeleted",
    "deleted": "ResourceDeleted",
    "resourcenotrecorded": "ResourceNotRecorded",
    "resourcedeletednotrecorded": "ResourceDeletedNotRecorded",
}
"""The event names of rows by status, in lower case; `Deleted` and the like are from before 2017."""
ITEM = "ConfigurationItem"
"""The event name of all other rows: the status is OK."""
NAMES = frozenset({ITEM, *_NAMES.values()})
UNKNOWN = Principal(PrincipalType.UNKNOWN, "AWS Config (actor unknown)")
"""Who did what no related event tells of."""

NAMED = tuple(
    ChangeEvent("hash:", datetime.min.replace(tzinfo=UTC), "", "", EVENT_SOURCE, name, Outcome.SUCCESS, Channel.OTHER, UNKNOWN)
    for name in sorted(NAMES)
)
"""A row of each name that says nothing, to ask whether a name is wanted."""

_BIRTHS = frozenset({"CreateSecurityGroup", "CreateManagedPrefixList", "CreateVpc", "CreateDefaultVpc", "CreateVpcResourceCreation"})
"""Calls after which all that AWS Config finds is new."""
_MOST_REMARKS = 20
_SHOWN = 200


def is_item(event: ChangeEvent) -> bool:
    """Tell whether an event is such a row: an item of AWS Config, not a call of its API."""
    return event.event_source == EVENT_SOURCE and event.event_name in NAMES and event.event_id.startswith("hash:")


@dataclass(frozen=True, slots=True)
class Row:
    """An item as an event, the ids of the CloudTrail events that it names, and whether it says `more` than how the rules changed."""

    event: ChangeEvent
    related: tuple[str, ...] = ()
    more: bool = False


def row_of(item: Item, before: Item | None, related: Mapping[str, ChangeEvent], opened: Opened, *, likely: bool = False) -> Row:
    """Return the row of an item. `before` is the newest older one that tells what stood; `related` are events by id, as far as found.

    `likely` says that the related events are not AWS Config's word, but those of `likely_events`.
    """
    told = [related[event_id] for event_id in item.related if event_id in related]
    actor = _actor(item, told)
    first = before is None and not any(event.event_name in _BIRTHS and event.outcome is Outcome.SUCCESS for event in told)
    changes = () if first or not item.known else _differences(before.rules if before else None, item.rules)
    changes = tuple(_identified(change, told) for change in changes)
    group = item.kind == SECURITY_GROUP
    others = sorted(other[:2] for other in (item.relationships ^ before.relationships if before and not item.gone else ()))
    beside = list(_other_changes(item, before))
    event = ChangeEvent(
        event_id=item.item_id,
        event_time=item.captured_at,
        account_id=item.account_id,
        region=item.region,
        event_source=EVENT_SOURCE,
        event_name=_NAMES.get(item.status.lower(), ITEM),
        outcome=Outcome.SUCCESS,
        channel=actor.channel if actor else Channel.OTHER,
        principal=actor.principal if actor else UNKNOWN,
        security_groups=(item.resource_id,) if group else (),
        resources=tuple(dict.fromkeys(Resource(*pair) for pair in ((item.kind, item.resource_id), *others))),
        rule_changes=changes,
        watch_set="security_groups" if group else "prefix_lists",
        opened_port_classes=opened(changes) if group and changes else (),
        shared_event_id=actor.event_id if actor else next(iter(item.related), None),
        fingerprint=blake2b(item.item_id.encode(), digest_size=16).digest(),
        raw=item.raw,
        remarks=(_headline(item, before, changes), *_cut(beside), *_events(item, told, actor, likely=likely)),
    )
    return Row(event, item.related, bool(beside) or not item.known or (first and bool(item.rules)))


def _differences(before: Sequence[Rule] | None, after: Sequence[Rule] | None) -> tuple[RuleChange, ...]:
    """Return how two sets of rules differ; what stands in both alike, mostly nearly all, is not compared rule by rule."""
    old, new = Counter(before or ()), Counter(after or ())
    return diff(tuple((old - new).elements()), tuple((new - old).elements()))


def _actor(item: Item, told: Sequence[ChangeEvent]) -> ChangeEvent | None:
    """Return the event that says who it was: the newest that names the resource and succeeded, else the newest of all."""
    ranked = sorted(told, key=lambda event: (_names(event, item.resource_id), event.outcome is Outcome.SUCCESS, event.event_time))
    return ranked[-1] if ranked else None


def _names(event: ChangeEvent, resource_id: str) -> bool:
    return resource_id in event.security_groups or any(resource.id == resource_id for resource in event.resources)


def _identified(change: RuleChange, told: Iterable[ChangeEvent]) -> RuleChange:
    """Return a change with the ids of its rules, which AWS Config lacks, where a related event has them."""
    known = [rule for event in told for one in event.rule_changes for rule in (one.rule, one.before) if rule and rule.rule_id]

    def named(rule: Rule) -> Rule:
        found = {other.rule_id for other in known if place(other) == place(rule)}
        return replace(rule, rule_id=found.pop()) if len(found) == 1 else rule

    return replace(change, rule=named(change.rule), before=named(change.before) if change.before else None)


def _cut(beside: list[str]) -> Iterator[str]:
    yield from beside[:_MOST_REMARKS]
    if len(beside) > _MOST_REMARKS:
        yield f"… and {len(beside) - _MOST_REMARKS} more changes beside rules"


def _events(item: Item, told: Sequence[ChangeEvent], actor: ChangeEvent | None, *, likely: bool) -> Iterator[str]:
    """Yield which events AWS Config names: that of the actor first."""
    if actor:
        yield f"event {actor.event_name} {actor.event_id}{' made these changes; AWS Config names none' if likely else ''}"
    for event in told:
        if event is not actor:
            yield f"also event {event.event_name} {event.event_id} by {visible(event.principal.name, _SHOWN)}"
    found = {event.event_id for event in told}
    lost = [visible(event_id, 64) for event_id in item.related if event_id not in found]
    if lost:
        yield f"AWS Config names event {', '.join(lost[:3])}{f' and {len(lost) - 3} more' if len(lost) > 3 else ''}, which was not found"


def _headline(item: Item, before: Item | None, changes: Sequence[RuleChange]) -> str:
    what = "entry" if item.kind != SECURITY_GROUP else "rule"
    daily = "once a day " if item.daily else ""
    if item.gone:
        return f"AWS Config recorded {daily}that it was deleted" + ("" if before else "; what had stood it does not have")
    if not item.known:
        return "AWS Config recorded that it is there, and nothing more: its type is not recorded"
    if changes:
        return (
            f"AWS Config recorded {daily}what changed since the item before" if before else f"AWS Config recorded {daily}what it began with"
        )
    if before is None:
        stood = len(item.rules or ())
        number = f"{stood} {what if stood == 1 else {'entry': 'entries', 'rule': 'rules'}[what]}"
        return f"AWS Config has nothing older: {number} stood here already, for how long is not known"
    return f"AWS Config recorded {daily}an item that changes no {what}"


def _other_changes(item: Item, before: Item | None) -> Iterator[str]:
    """Yield what else is not as it was, where both sides are told; the text may be anybody's."""
    if before is None or item.rules is None or before.rules is None:
        return
    old, new = dict(before.tags), dict(item.tags)
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            yield _differs(f"tag {key}", old.get(key), new.get(key))
    for sign, some in (("-", before.relationships - item.relationships), ("+", item.relationships - before.relationships)):
        for kind, resource_id, name in sorted(some):
            yield visible(f"{sign} relationship {name or kind} {resource_id}", _SHOWN)
    for key in sorted(before.settings.keys() | item.settings.keys()):
        if before.settings.get(key) != item.settings.get(key):
            yield _differs(key, before.settings.get(key), item.settings.get(key))


def _differs(name: str, old: str | None, new: str | None) -> str:
    if old is None:
        return visible(f"+ {name} = {new}", _SHOWN)
    return visible(f"- {name} = {old}" if new is None else f"~ {name} = {new}, was {old}", _SHOWN)


def likely_events(row: Row, between: Iterable[ChangeEvent]) -> tuple[str, ...]:
    """Return the ids of the events that made the changes of a row which names none; nothing where they did not make all of them.

    `between` are the events from after the item before until this one: what they changed in the resource, and nothing else, is what
    the two items differ by.
    """
    wanted = {part for change in row.event.rule_changes for part in _parts(change)}
    own = row.event.resources[0].id
    made = {event.event_id: wanted & set(_parts_of(event)) for event in between if event.outcome is Outcome.SUCCESS and _names(event, own)}
    whole = bool(wanted) and wanted == set().union(*made.values())
    return tuple(event_id for event_id, parts in made.items() if parts) if whole else ()


def told_by(row: Row, shown: Mapping[str, ChangeEvent]) -> ChangeEvent | None:
    """Return the event beside which a row need not stand: it is shown, and tells all that the row does. None where the row must stand.

    A row that changes rules is told where its related events that are shown tell each of its changes; one that changes none, where all
    of its related events are shown. What else the item says must be nothing.
    """
    told = [shown[event_id] for event_id in row.related if event_id in shown and shown[event_id].outcome is Outcome.SUCCESS]
    changes = row.event.rule_changes
    if not told or row.more or (not changes and len(told) < len(row.related)):
        return None
    theirs = {part for event in told for part in _parts_of(event)}
    if any(part not in theirs for change in changes for part in _parts(change)):
        return None
    own = row.event.resources[0].id
    return max(told, key=lambda event: (_names(event, own), event.event_time))


def _parts_of(event: ChangeEvent) -> Iterator[tuple[bool, object, str]]:
    return (part for change in event.rule_changes for part in _parts(change))


def _parts(change: RuleChange) -> Iterator[tuple[bool, object, str]]:
    """Yield what a change put and took away, in words that do not depend on ids: AWS Config sees an edited rule go and another come."""
    old = change.rule if change.action is RuleAction.REMOVED else change.before
    if old is not None:
        yield False, place(old), old.description or ""
    if change.action is not RuleAction.REMOVED:
        yield True, place(change.rule), change.rule.description or ""


__all__ = ["EVENT_SOURCE", "ITEM", "NAMED", "NAMES", "UNKNOWN", "Row", "is_item", "likely_events", "row_of", "told_by"]
