"""How groups and lists of one unit stood at earlier times, by their chronicles, and what a reading adds to those."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from exporter.model import ChangeEvent, PeerType, Rule
from exporter.posture.chronicle import GROUP, PREFIX_LIST, Chronicle, Version
from exporter.posture.join import standing_at
from exporter.posture.memory import extend, pruned
from exporter.posture.standing import Group, Part, PrefixList
from exporter.snapshots.documents import Kept
from exporter.store.base import DocumentKey
from exporter.surveyor.merging import Merged, entry_rules, rule_entries


class Past:
    """The chronicles of a unit, with what a reading changed at their ends."""

    def __init__(self, kept: Kept, merged: Merged, horizon: datetime, events: Callable[[Chronicle, bool], Sequence[ChangeEvent]]) -> None:
        """`horizon` is since when chronicles are remembered: one of what is gone, and was gone before, may have been forgotten.

        `events` gives what the store has of a chronicle, since its first version or since ever.
        """
        self._events = events
        self._read: dict[tuple[str, str, bool], Sequence[ChangeEvent]] = {}
        self._replayed: dict[tuple[str, str, datetime], tuple[Rule, ...] | None] = {}
        self._kept, self._merged, self._horizon = kept, merged, horizon
        self._changes = {(change.kind, change.id): change for change in merged.changes}
        self._new_lists = {
            found.list_id: _first(PREFIX_LIST, found.list_id, found.name, entry_rules(found), merged.ended_at) for found in merged.new_lists
        }
        self._known: dict[DocumentKey, Chronicle | None] = {}
        self._listed: dict[tuple[int, ...], Mapping[str, PrefixList]] = {}

    def new_lists(self) -> Iterator[Chronicle]:
        """Yield a chronicle for each list that is named for the first time."""
        yield from self._new_lists.values()

    def chronicle(self, kind: str, name: str) -> Chronicle | None:
        """Return a chronicle with the newest change; one of a group that never changed begins when groups were first read.

        None for a list that no rule names, of which nothing is known.
        """
        key = kind, name
        if key not in self._known:
            self._known[key] = self._chronicle(kind, name)
        return self._known[key]

    def _chronicle(self, kind: str, name: str) -> Chronicle | None:
        if kind == PREFIX_LIST and name in self._new_lists:
            return self._new_lists[name]
        chronicle, change = self._kept.chronicle(kind, name), self._changes.get((kind, name))
        if chronicle is None:
            since = self._merged.picture.first_read_at.get(Part.GROUPS)
            if since is None or kind == PREFIX_LIST:
                return None
            group = self._groups.get(name)
            rules = change.before if change is not None else None if group is None else group.rules
            title = change.name if change is not None else "" if group is None else group.name
            chronicle = _first(kind, name, title, rules, since)
            forgotten = self._horizon if change is None else min(self._horizon, change.after)
            if rules is None and forgotten > since:
                chronicle = replace(chronicle, versions=(Version(None, forgotten, forgotten, settled=True),))
        if not chronicle.name:
            # An event told of it before any reading did.
            named = change or self._groups.get(name)
            chronicle = replace(chronicle, name=named.name if named is not None else "")
        if change is not None:
            chronicle = extend(replace(chronicle, owned=change.owned), change.rules, change.after, change.until, change.begun)
        return chronicle

    def faded(self) -> Iterator[tuple[str, str, Chronicle | None]]:
        """Yield kind, id and what is left of each chronicle that may forget something: nothing of what is gone since the horizon."""
        standing = {GROUP: self._groups.keys(), PREFIX_LIST: (self._merged.standing.prefix_lists or {}).keys()}
        for kind, ids in standing.items():
            for name in sorted(self._kept.changed(kind)):
                chronicle = self._kept.chronicle(kind, name)
                if chronicle is None:
                    continue
                last = chronicle.versions[-1]
                is_old = last.settled and last.until is not None and last.until < self._horizon
                left = None if is_old and name not in ids else pruned(chronicle, self._horizon)
                if left != chronicle:
                    yield kind, name, left

    def lists(self, at: datetime) -> Mapping[str, PrefixList]:
        """Return the prefix lists as they stood right before a time; where calls do not tell, the older entries of one that changed.

        Times between which no list changed give the very same mapping, for it is asked for with every event of every group.
        """
        stood: list[tuple[PrefixList, tuple[Rule, ...] | None]] = []
        for name, prefix_list in (self._merged.standing.prefix_lists or {}).items():
            chronicle = self.chronicle(PREFIX_LIST, name)
            stood.append((prefix_list, None if chronicle is None else self._stood(chronicle, at, newer=False)))
        # Chronicles and what was replayed are held here, so that no other rules can be where these are.
        key = tuple(id(rules) for _, rules in stood)
        if key not in self._listed:
            self._listed[key] = {prefix_list.list_id: _with_entries(prefix_list, rules) for prefix_list, rules in stood}
        return self._listed[key]

    def naming(self, list_id: str, at: datetime) -> Iterator[tuple[str, tuple[Rule, ...]]]:
        """Yield the groups that named a list right before a time, with their rules then; where calls do not tell, the newer ones."""
        for name in sorted(self._changed | self._naming_now.get(list_id, frozenset())):
            if name in self._changed:
                chronicle = self.chronicle(GROUP, name)
                rules = self._naming(chronicle, list_id, at) if chronicle is not None else ()
                if not _names(rules, list_id):
                    continue
            else:
                rules = self._groups[name].rules
            yield name, rules

    def _naming(self, chronicle: Chronicle, list_id: str, at: datetime) -> tuple[Rule, ...]:
        versions = (_rules_at(chronicle, at, newer=newer) or () for newer in (False, True))
        # Most groups never named the list, and need no look at their calls.
        return self._stood(chronicle, at, newer=True) or () if any(_names(rules, list_id) for rules in versions) else ()

    def _stood(self, chronicle: Chronicle, at: datetime, *, newer: bool) -> tuple[Rule, ...] | None:
        """Return what stood right before a time: by calls where a version may have begun about then."""
        new, old = (_rules_at(chronicle, at, newer=newer) for newer in (True, False))
        first = chronicle.versions[0].until
        if new is old and (first is None or at >= first):
            return new
        key = chronicle.kind, chronicle.id, at
        if key not in self._replayed:
            # Before its first version, it is its creation that tells of it.
            ever = first is not None and at < first
            if (*key[:2], ever) not in self._read:
                self._read[*key[:2], ever] = self._events(chronicle, ever)
            self._replayed[key] = standing_at(chronicle, self._read[*key[:2], ever], at)
        found = self._replayed[key]
        return found if found is not None else new if newer else old

    @cached_property
    def _changed(self) -> frozenset[str]:
        return self._kept.changed(GROUP) | {name for kind, name in self._changes if kind == GROUP}

    @cached_property
    def _naming_now(self) -> Mapping[str, set[str]]:
        """Return the groups that name each list as they stand."""
        found: dict[str, set[str]] = {}
        for name, group in self._groups.items():
            for rule in group.rules:
                if rule.peer_type is PeerType.PREFIX_LIST and rule.peer is not None:
                    found.setdefault(rule.peer, set()).add(name)
        return found

    @cached_property
    def _groups(self) -> dict[str, Group]:
        return {group.group_id: group for group in self._merged.standing.groups or ()}


def _names(rules: Iterable[Rule], list_id: str) -> bool:
    return any(rule.peer_type is PeerType.PREFIX_LIST and rule.peer == list_id for rule in rules)


def _rules_at(chronicle: Chronicle, at: datetime, *, newer: bool) -> tuple[Rule, ...] | None:
    """Return the version that stood at a time; where it changed about then, the newer or the older one."""
    rules = chronicle.versions[0].rules
    for version in chronicle.versions[1:]:
        begins = version.after if newer else version.until
        if begins is not None and at < begins:
            break
        rules = version.rules
    return rules


def _with_entries(prefix_list: PrefixList, rules: tuple[Rule, ...] | None) -> PrefixList:
    if rules is None:
        return prefix_list
    return replace(prefix_list, entries=rule_entries(rules))


def _first(kind: str, name: str, title: str, rules: tuple[Rule, ...] | None, since: datetime) -> Chronicle:
    return Chronicle(kind, name, title, (Version(rules, None, since, settled=True),))
