"""Which chronicles are looked at, with which events, and what the join of all of them comes to for one unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from exporter.model import ChangeEvent, Outcome, PeerType, Rule
from exporter.posture.chronicle import GROUP, PREFIX_LIST, Amendment, Chronicle, Joined, Unexplained, Version
from exporter.posture.codec import encode
from exporter.posture.join import SLACK, join
from exporter.posture.judge import Judge
from exporter.posture.memory import extend
from exporter.posture.ports import PORT_CLASSES
from exporter.posture.standing import Part, PrefixList, Standing
from exporter.store.base import DocumentKey, Query, Store
from exporter.surveyor.documents import Kept, chronicle_key
from exporter.surveyor.merging import Change, Merged, entry_rules

_MOST_EVENTS = 10_000

EVENT_NAMES: Mapping[str, tuple[str, ...]] = {
    GROUP: (
        "AuthorizeSecurityGroupIngress",
        "AuthorizeSecurityGroupEgress",
        "RevokeSecurityGroupIngress",
        "RevokeSecurityGroupEgress",
        "ModifySecurityGroupRules",
        "UpdateSecurityGroupRuleDescriptionsIngress",
        "UpdateSecurityGroupRuleDescriptionsEgress",
        "CreateSecurityGroup",
        "DeleteSecurityGroup",
        "CreateVpcResourceCreation",
    ),
    PREFIX_LIST: ("CreateManagedPrefixList", "ModifyManagedPrefixList", "RestoreManagedPrefixListVersion", "DeleteManagedPrefixList"),
}
"""The calls that change what a chronicle tells of."""


@dataclass(slots=True)
class Outcomes:
    """What the joins of one unit come to."""

    documents: dict[DocumentKey, bytes | None] = field(default_factory=dict)
    amendments: list[Amendment] = field(default_factory=list)
    unexplained: list[Unexplained] = field(default_factory=list)
    explained: list[tuple[str, str]] = field(default_factory=list)
    unsettled: list[DocumentKey] = field(default_factory=list)
    pending: int = 0


class Joiner:
    """Joins what changed in one unit with the events that the store has of it."""

    def __init__(self, store: Store, judge: Judge, lag: timedelta, now: datetime, read_until: datetime | None) -> None:
        self._store, self._judge, self._lag, self._now, self._read_until = store, judge, lag, now, read_until

    def join(self, kept: Kept, merged: Merged, touched: Iterable[str]) -> Outcomes:
        """Return what changes, new events and what still waits come to. `touched` are ids of groups and lists in new events."""
        outcomes = Outcomes()
        for prefix_list in merged.new_lists:
            self._keep(outcomes, _first(PREFIX_LIST, prefix_list.list_id, prefix_list.name, entry_rules(prefix_list), merged.ended_at))
        if Part.GROUPS not in merged.picture.read_at or merged.first:
            return outcomes
        changes = {(change.kind, change.id): change for change in merged.changes}
        names = _group_ids_by_name(merged.standing)
        wanted = dict.fromkeys((*changes, *merged.picture.unsettled, *_keys(touched, names)))
        new_lists = {prefix_list.list_id for prefix_list in merged.new_lists}
        for kind, name in wanted:
            if kind == PREFIX_LIST and name in new_lists:
                continue
            chronicle = self._chronicle(kept, merged, changes.get((kind, name)), kind, name)
            if chronicle is not None:
                self._join(outcomes, merged.standing, chronicle, kept)
        return outcomes

    def _chronicle(self, kept: Kept, merged: Merged, change: Change | None, kind: str, name: str) -> Chronicle | None:
        """Return a chronicle with the newest change; one that was never kept begins when its part was first read."""
        chronicle = kept.chronicle(kind, name)
        if chronicle is None:
            since = merged.picture.first_read_at.get(Part.GROUPS)
            if since is None or kind == PREFIX_LIST:
                return None
            group = next((group for group in merged.standing.groups or () if group.group_id == name), None)
            rules = change.before if change is not None else None if group is None else group.rules
            title = change.name if change is not None else "" if group is None else group.name
            chronicle = _first(kind, name, title, rules, since)
        if change is not None:
            chronicle = extend(replace(chronicle, owned=change.owned), change.rules, change.after, change.until, change.begun)
        return chronicle

    def _join(self, outcomes: Outcomes, standing: Standing, chronicle: Chronicle, kept: Kept) -> None:
        events = self._events(kept, chronicle)
        joined = self._joined(standing, chronicle, events)
        self._keep(outcomes, joined.chronicle)
        key = chronicle.kind, chronicle.id
        outcomes.amendments += joined.amendments
        outcomes.unexplained += joined.unexplained
        outcomes.explained += joined.explained
        outcomes.pending += joined.pending
        if any(not version.settled for version in joined.chronicle.versions[1:]):
            outcomes.unsettled.append(key)

    def _joined(self, standing: Standing, chronicle: Chronicle, events: Sequence[ChangeEvent]) -> Joined:
        lists = standing.prefix_lists or {}

        def opened_in_group(before: Sequence[Rule], after: Sequence[Rule]) -> tuple[str, ...]:
            return self._judge.newly_open(before, after, lists, lists)

        def opened_by_list(before: Sequence[Rule], after: Sequence[Rule]) -> tuple[tuple[str, ...], tuple[str, ...]]:
            return self._opened_by_list(standing, chronicle.id, before, after)

        return join(
            chronicle,
            events,
            self._now,
            self._read_until,
            self._lag,
            opened_in_group,
            opened_by_list,
            account_id=standing.account_id,
            region=standing.region,
        )

    def _opened_by_list(
        self, standing: Standing, list_id: str, before: Sequence[Rule], after: Sequence[Rule]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the groups and port classes that other entries of a prefix list open, by the rules that name it now."""
        lists = standing.prefix_lists or {}
        was, now = ({**lists, list_id: _listed(list_id, entries)} for entries in (before, after))
        groups: list[str] = []
        classes: set[str] = set()
        for group in standing.groups or ():
            if any(rule.peer_type is PeerType.PREFIX_LIST and rule.peer == list_id for rule in group.rules):
                found = self._judge.newly_open(group.rules, group.rules, was, now)
                groups += [group.group_id] if found else []
                classes.update(found)
        return tuple(groups), tuple(name for name in PORT_CLASSES if name in classes)

    def _events(self, kept: Kept, chronicle: Chronicle) -> list[ChangeEvent]:
        """Return what is stored of events of a chronicle since the first version that it remembers."""
        first = chronicle.versions[0]
        beginning = first.begun or first.until
        # The join itself decides about what happened while the first version was read.
        since = None if beginning is None else beginning - 2 * SLACK
        ids = (chronicle.id, f"name:{chronicle.name}") if chronicle.kind == GROUP and chronicle.name else (chronicle.id,)
        query = Query(
            security_groups=ids,
            accounts=(kept.account_id,),
            regions=(kept.region,),
            event_names=EVENT_NAMES[chronicle.kind],
            outcomes=(Outcome.SUCCESS,),
            since=since,
            limit=_MOST_EVENTS,
        )
        return [found.event for found in self._store.search(query) if found.event.event_source == "ec2.amazonaws.com"]

    def _keep(self, outcomes: Outcomes, chronicle: Chronicle) -> None:
        outcomes.documents[chronicle_key(chronicle.kind, chronicle.id)] = encode(chronicle)


def _first(kind: str, name: str, title: str, rules: tuple[Rule, ...] | None, since: datetime) -> Chronicle:
    return Chronicle(kind, name, title, (Version(rules, None, since, settled=True),))


def _group_ids_by_name(standing: Standing) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for group in standing.groups or ():
        found.setdefault(f"name:{group.name}", []).append(group.group_id)
    return found


def _keys(touched: Iterable[str], names: Mapping[str, list[str]]) -> Iterable[DocumentKey]:
    for name in touched:
        if name.startswith("sg-"):
            yield GROUP, name
        elif name.startswith("pl-"):
            yield PREFIX_LIST, name
        else:
            for group_id in names.get(name, ()):
                yield GROUP, group_id


def _listed(list_id: str, entries: Sequence[Rule]) -> PrefixList:
    return PrefixList(list_id, entries=tuple((rule.peer or "", rule.description or "") for rule in entries))
