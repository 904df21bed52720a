"""Which chronicles are looked at, with which events, and what the join of all of them comes to for one unit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from exporter.model import ChangeEvent, Outcome, Rule
from exporter.posture.calls import CALLS, EC2
from exporter.posture.chronicle import GROUP, PREFIX_LIST, Amendment, Chronicle, Joined, Unexplained
from exporter.posture.codec import encode
from exporter.posture.join import REMEMBER, SLACK, join
from exporter.posture.judge import Judge
from exporter.posture.ports import PORT_CLASSES
from exporter.posture.standing import Part, PrefixList, Standing
from exporter.snapshots.documents import Kept, chronicle_key
from exporter.store.base import DocumentKey, Query, Store
from exporter.surveyor.merging import Merged, rule_entries
from exporter.surveyor.past import Past

_MOST_EVENTS = 10_000
_SWEPT = timedelta(hours=6)


@dataclass(slots=True)
class Outcomes:
    """What the joins of one unit come to."""

    documents: dict[DocumentKey, bytes | None] = field(default_factory=dict)
    amendments: list[Amendment] = field(default_factory=list)
    unexplained: list[Unexplained] = field(default_factory=list)
    explained: list[tuple[str, str]] = field(default_factory=list)
    unsettled: list[DocumentKey] = field(default_factory=list)
    pending: int = 0
    swept_at: datetime | None = None


class Joiner:
    """Joins what changed in one unit with the events that the store has of it."""

    def __init__(
        self,
        store: Store,
        judge: Judge,
        lag: timedelta,
        now: datetime,
        read_until: datetime | None,
        kept: Kept,
        merged: Merged,
        watched: Collection[str] = tuple(CALLS),
    ) -> None:
        """`watched` are the kinds of chronicles of which all events are recorded: of others no change can be called unexplained."""
        self._store, self._judge, self._lag, self._now, self._read_until = store, judge, lag, now, read_until
        self._watched = frozenset(watched)
        self._kept, self._merged = kept, merged
        self._past = Past(kept, merged, now - max(REMEMBER, lag), self._events)

    def join(self, touched: Iterable[str]) -> Outcomes:
        """Return what changes, new events and what still waits come to. `touched` are ids of groups and lists in new events."""
        outcomes, merged = Outcomes(), self._merged
        for new in self._past.new_lists():
            outcomes.documents[chronicle_key(new.kind, new.id)] = encode(new)
        if Part.GROUPS not in merged.picture.read_at or merged.first:
            return outcomes
        names = _group_ids_by_name(merged.standing)
        changed = ((change.kind, change.id) for change in merged.changes)
        for kind, name in dict.fromkeys((*changed, *merged.picture.unsettled, *_keys(touched, names))):
            chronicle = self._past.chronicle(kind, name)
            if chronicle is not None:
                self._join(outcomes, chronicle)
        self._sweep(outcomes)
        return outcomes

    def _sweep(self, outcomes: Outcomes) -> None:
        """Forget what need not be remembered: groups that come and go would fill the store, and nobody would look at them again."""
        swept_at = self._merged.picture.swept_at
        if swept_at is not None and swept_at <= self._now < swept_at + _SWEPT:
            return
        outcomes.swept_at = self._now
        for kind, name, left in self._past.faded():
            outcomes.documents.setdefault(chronicle_key(kind, name), None if left is None else encode(left))

    def _join(self, outcomes: Outcomes, chronicle: Chronicle) -> None:
        if chronicle.kind not in self._watched:
            chronicle = replace(chronicle, owned=False)
        joined = self._joined(chronicle, self._events(chronicle))
        key = chronicle.kind, chronicle.id
        outcomes.documents[chronicle_key(*key)] = encode(joined.chronicle)
        outcomes.amendments += joined.amendments
        outcomes.unexplained += joined.unexplained
        outcomes.explained += joined.explained
        outcomes.pending += joined.pending
        if any(not version.settled for version in joined.chronicle.versions[1:]):
            outcomes.unsettled.append(key)

    def _joined(self, chronicle: Chronicle, events: Sequence[ChangeEvent]) -> Joined:
        def opened_in_group(before: Sequence[Rule], after: Sequence[Rule], at: datetime) -> tuple[str, ...]:
            lists = self._past.lists(at)
            return self._judge.newly_open(before, after, lists, lists)

        def opened_by_list(before: Sequence[Rule], after: Sequence[Rule], at: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
            return self._opened_by_list(chronicle.id, before, after, at)

        return join(
            chronicle,
            events,
            self._now,
            self._read_until,
            self._lag,
            opened_in_group,
            opened_by_list,
            account_id=self._kept.account_id,
            region=self._kept.region,
        )

    def _opened_by_list(
        self, list_id: str, before: Sequence[Rule], after: Sequence[Rule], at: datetime
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the groups and port classes that other entries of a prefix list opened, by the rules that named it then."""
        lists = self._past.lists(at)
        was, now = ({**lists, list_id: PrefixList(list_id, entries=rule_entries(rules))} for rules in (before, after))
        groups: list[str] = []
        classes: set[str] = set()
        for group_id, rules in self._past.naming(list_id, at):
            found = self._judge.newly_open(rules, rules, was, now)
            groups += [group_id] if found else []
            classes.update(found)
        return tuple(groups), tuple(name for name in PORT_CLASSES if name in classes)

    def _events(self, chronicle: Chronicle, ever: bool = False) -> list[ChangeEvent]:
        """Return what is stored of events of a chronicle since the first version that it remembers, or since ever."""
        first = chronicle.versions[0]
        beginning = first.begun or first.until
        # The join itself decides about what happened while the first version was read.
        since = None if beginning is None or ever or self._is_new_list(chronicle) else beginning - 2 * SLACK
        ids = (chronicle.id, f"name:{chronicle.name}") if chronicle.kind == GROUP and chronicle.name else (chronicle.id,)
        query = Query(
            security_groups=ids,
            accounts=(self._kept.account_id,),
            regions=(self._kept.region,),
            event_names=tuple(CALLS[chronicle.kind]),
            outcomes=(Outcome.SUCCESS,),
            since=since,
            limit=_MOST_EVENTS,
        )
        return [found.event for found in self._store.search(query) if found.event.event_source == EC2]

    def _is_new_list(self, chronicle: Chronicle) -> bool:
        """Tell whether a list came while lists were read: what was done to it before its first reading is news as well."""
        first, looked = chronicle.versions[0], self._merged.picture.first_read_at.get(Part.PREFIX_LISTS)
        found = looked is not None and first.after is None and first.until is not None and first.until > looked
        return chronicle.kind == PREFIX_LIST and found


def watched_kinds(wanted: Callable[[str, str], bool]) -> tuple[str, ...]:
    """Return the kinds of chronicles of which every event is watched; `wanted` tells from event source and event name."""
    return tuple(kind for kind, names in CALLS.items() if all(wanted(EC2, name) for name in names))


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
