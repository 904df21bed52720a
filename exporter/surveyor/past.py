"""How groups and lists of one unit stood at earlier times, by their chronicles, and what a reading adds to those."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from exporter.model import ChangeEvent, PeerType, Rule
from exporter.posture.chronicle import GROUP, PREFIX_LIST, Chronicle, Version
from exporter.posture.join import standing_at
from exporter.posture.memory import extend
from exporter.posture.standing import Group, Part, PrefixList
from exporter.store.base import DocumentKey
from exporter.surveyor.documents import Kept
from exporter.surveyor.merging import Merged, entry_rules


class Past:
    """The chronicles of a unit, with what a reading changed at their ends; `events` gives what the store has of one, since it is
    read or since ever."""

    def __init__(self, kept: Kept, merged: Merged, events: Callable[[Chronicle, bool], Sequence[ChangeEvent]]) -> None:
        self._kept, self._merged, self._events = kept, merged, events
        self._read: dict[tuple[str, str, bool], Sequence[ChangeEvent]] = {}
        self._changes = {(change.kind, change.id): change for change in merged.changes}
        self._new_lists = {
            found.list_id: _first(PREFIX_LIST, found.list_id, found.name, entry_rules(found), merged.ended_at) for found in merged.new_lists
        }
        self._known: dict[DocumentKey, Chronicle | None] = {}

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
        if not chronicle.name:
            # An event told of it before any reading did.
            named = change or self._groups.get(name)
            chronicle = replace(chronicle, name=named.name if named is not None else "")
        if change is not None:
            chronicle = extend(replace(chronicle, owned=change.owned), change.rules, change.after, change.until, change.begun)
        return chronicle

    def lists(self, at: datetime) -> Mapping[str, PrefixList]:
        """Return the prefix lists as they stood right before a time.

        Of one that changed about then, and whose calls do not tell, the older entries: its event tells the rest.
        """
        found: dict[str, PrefixList] = {}
        for name, prefix_list in (self._merged.standing.prefix_lists or {}).items():
            chronicle = self.chronicle(PREFIX_LIST, name)
            rules = None if chronicle is None else self._stood(chronicle, at, newer=False)
            entries = tuple((rule.peer or "", rule.description or "") for rule in rules) if rules is not None else prefix_list.entries
            found[name] = replace(prefix_list, entries=entries)
        return found

    def naming(self, list_id: str, at: datetime) -> Iterator[tuple[str, tuple[Rule, ...]]]:
        """Yield the groups that named a list right before a time, with their rules then.

        Of one that changed about then, and whose calls do not tell, the newer ones.
        """
        changed = self._kept.changed(GROUP) | {name for kind, name in self._changes if kind == GROUP}
        for name in sorted(changed | self._groups.keys()):
            if name in changed:
                chronicle = self.chronicle(GROUP, name)
                rules = self._naming(chronicle, list_id, at) if chronicle is not None else ()
            else:
                rules = self._groups[name].rules
            if _names(rules, list_id):
                yield name, rules

    def _naming(self, chronicle: Chronicle, list_id: str, at: datetime) -> tuple[Rule, ...]:
        versions = (_rules_at(chronicle, at, newer=newer) or () for newer in (False, True))
        # Most groups never named the list, and need no look at their calls.
        return self._stood(chronicle, at, newer=True) or () if any(_names(rules, list_id) for rules in versions) else ()

    def _stood(self, chronicle: Chronicle, at: datetime, *, newer: bool) -> tuple[Rule, ...] | None:
        """Return what stood right before a time: by calls where a version may have begun about then."""
        versions = [_rules_at(chronicle, at, newer=True), _rules_at(chronicle, at, newer=False)]
        first = chronicle.versions[0].until
        if versions[0] == versions[1] and (first is None or at >= first):
            return versions[0]
        # Before its first version, it is its creation that tells of it.
        key = chronicle.kind, chronicle.id, first is not None and at < first
        if key not in self._read:
            self._read[key] = self._events(chronicle, key[2])
        found = standing_at(chronicle, self._read[key], at)
        return found if found is not None else versions[0 if newer else 1]

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


def _first(kind: str, name: str, title: str, rules: tuple[Rule, ...] | None, since: datetime) -> Chronicle:
    return Chronicle(kind, name, title, (Version(rules, None, since, settled=True),))
