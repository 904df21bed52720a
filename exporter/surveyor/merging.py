"""A reading meets what is kept: the new picture, the documents that differ, and which rules changed between which times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from exporter.model import PeerType, Rule
from exporter.posture.chronicle import GROUP, PREFIX_LIST
from exporter.posture.codec import encode
from exporter.posture.diff import diff
from exporter.posture.standing import Group, Origin, Part, PrefixList, Reading, Standing
from exporter.snapshots.documents import Kept, Picture, normal, part_key
from exporter.store.base import DocumentKey, digest_of

_LONGEST_UNRECORDED = timedelta(hours=26)
"""How long AWS Config may take to show a new resource: a day where it records daily, and some hours."""


@dataclass(frozen=True, slots=True)
class Change:
    """Rules of one group or list that differ from the reading before; None where it did not exist. Times as in chronicle.Version."""

    kind: str
    id: str
    name: str
    before: tuple[Rule, ...] | None
    rules: tuple[Rule, ...] | None
    after: datetime
    until: datetime
    begun: datetime
    owned: bool = True


@dataclass(slots=True)
class Merged:
    """The new picture, what to store of it, what changed, and lists seen for the first time. `first`: groups were never read before."""

    standing: Standing
    picture: Picture
    ended_at: datetime
    documents: dict[DocumentKey, bytes | None] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    new_lists: list[PrefixList] = field(default_factory=list)
    first: bool = False


def merge(reading: Reading, kept: Kept) -> Merged:
    """Return what a reading makes of what is kept: a part that was not read whole stays as it was, as old as it was."""
    before = kept.picture or Picture(reading.origin)
    documents: dict[DocumentKey, bytes | None] = {}
    changes: list[Change] = []
    read_at = dict(before.read_at)
    parts = _parts(reading, kept, documents, read_at)
    groups, lists, new_lists = None, None, []
    switched = kept.picture is not None and reading.origin is not before.origin
    if reading.groups is not None:
        wanted = {group.group_id: normal(group) for group in reading.groups}
        groups = _Items(GROUP, kept.groups, _group_rules, before.read_at.get(Part.GROUPS), switched).merge(
            wanted, kept, reading, documents, changes
        )
        read_at[Part.GROUPS] = reading.started_at
    if reading.prefix_lists is not None:
        named = {prefix_list.list_id: prefix_list for prefix_list in reading.prefix_lists}
        lists = _Items(PREFIX_LIST, kept.prefix_lists, entry_rules, before.read_at.get(Part.PREFIX_LISTS), switched).merge(
            named, kept, reading, documents, changes
        )
        read_at[Part.PREFIX_LISTS] = reading.started_at
        known = kept.ids(PREFIX_LIST)
        new_lists = [prefix_list for name, prefix_list in lists.items() if name not in known]
    origin = reading.origin if groups is not None else before.origin
    standing = Standing(
        reading.account_id,
        reading.region,
        origin,
        tuple(groups.values()) if groups is not None else _all(kept.groups, Part.GROUPS in read_at),
        lists if lists is not None else (kept.prefix_lists() if Part.PREFIX_LISTS in read_at else None),
        parts[Part.INTERFACES],
        parts[Part.LOAD_BALANCERS],
        parts[Part.TRAILS],
        parts[Part.RECORDER],
        read_at,
    )
    first_read_at = {**dict.fromkeys(read_at, reading.ended_at), **before.first_read_at}
    picture = replace(before, origin=origin, read_at=read_at, first_read_at=first_read_at)
    first = Part.GROUPS in read_at and Part.GROUPS not in before.read_at
    return Merged(standing, picture, reading.ended_at, documents, changes, new_lists, first)


def _parts(reading: Reading, kept: Kept, documents: dict[DocumentKey, bytes | None], read_at: dict[Part, datetime]) -> dict[Part, Any]:
    """Return the parts that are one document each: as read, else as kept; what this origin cannot tell is forgotten."""
    old = kept.standing(groups=False)
    read: Mapping[Part, tuple[Any, Any]] = {
        Part.INTERFACES: (reading.attachments, old.attachments),
        Part.LOAD_BALANCERS: (reading.balanced, old.balanced),
        Part.TRAILS: (reading.trails, old.trails),
        Part.RECORDER: (reading.recorder, old.recorder),
    }
    parts: dict[Part, Any] = {}
    for part, (value, before) in read.items():
        parts[part] = value if value is not None else before
        if value is not None:
            _put(documents, kept, part_key(part), encode(value))
            read_at[part] = reading.started_at
        elif part in reading.untold:
            parts[part] = None
            read_at.pop(part, None)
            if part_key(part) in kept.state.digests:
                documents[part_key(part)] = None
    return parts


def entry_rules(prefix_list: PrefixList) -> tuple[Rule, ...]:
    """Return the entries of a prefix list as rules that have a peer and nothing else, as events have them."""
    return tuple(
        Rule(peer_type=PeerType.IPV6 if ":" in cidr else PeerType.IPV4, peer=cidr, description=about or None)
        for cidr, about in sorted(prefix_list.entries)
    )


def rule_entries(rules: Iterable[Rule]) -> tuple[tuple[str, str], ...]:
    """Return the entries that `entry_rules` made into rules."""
    return tuple((rule.peer or "", rule.description or "") for rule in rules)


def _group_rules(group: Group) -> tuple[Rule, ...]:
    return group.rules


def _all(groups: Callable[[], Mapping[str, Group]], read: bool) -> tuple[Group, ...] | None:
    return tuple(groups().values()) if read else None


def _put(documents: dict[DocumentKey, bytes | None], kept: Kept, key: DocumentKey, body: bytes) -> bool:
    """Store a document that differs from what is kept; return whether it does."""
    if kept.state.digests.get(key) == digest_of(body):
        return False
    documents[key] = body
    return True


@dataclass(frozen=True, slots=True)
class _Items:
    """Groups, or prefix lists: `old` gives those that are kept, `rules` what they hold; `read_at` is when they were last read whole."""

    kind: str
    old: Callable[[frozenset[str]], Mapping[str, Any]]
    rules: Callable[[Any], tuple[Rule, ...]]
    read_at: datetime | None
    switched: bool

    def merge(
        self,
        new: dict[str, Any],
        kept: Kept,
        reading: Reading,
        documents: dict[DocumentKey, bytes | None],
        changes: list[Change],
    ) -> dict[str, Any]:
        """Put what differs into documents and changes; return what stands now."""
        differing = [name for name, item in new.items() if _put(documents, kept, (self.kind, name), encode(item))]
        known = kept.ids(self.kind)
        gone = known - new.keys()
        old = self.old(frozenset(name for name in (*differing, *gone) if name in known))
        for name in differing:
            before = old.get(name)
            if before is not None and self._is_older(new[name], before):
                # AWS Config may still show what was before the last reading: the picture does not go back in time.
                new[name] = before
                del documents[self.kind, name]
            elif before is not None or (self.kind == GROUP and self.read_at is not None):
                self._change(name, before, new[name], reading, changes)
        for name in gone:
            documents[self.kind, name] = None
            if name not in old:
                # Another process has forgotten it meanwhile; what is worked out here is then not stored.
                continue
            # After a change to AWS Config, what it does not show may not have been recorded yet. A list that no rule names is not read.
            if not (self.switched and reading.origin is Origin.AWS_CONFIG) and self.kind == GROUP:
                self._change(name, old[name], None, reading, changes)
        return new

    def _is_older(self, new: Any, before: Any) -> bool:
        if new.captured_at is None:
            return False
        known = before.captured_at or self.read_at
        return known is not None and new.captured_at < known

    def _change(self, name: str, before: Any, after: Any, reading: Reading, changes: list[Change]) -> None:
        rules = None if before is None else self.rules(before)
        now = None if after is None else self.rules(after)
        if before is not None and after is not None and not diff(rules, now):
            return
        start = self.read_at or reading.started_at
        if reading.origin is Origin.AWS_CONFIG:
            start = reading.started_at - _LONGEST_UNRECORDED if before is None else before.captured_at or start
        end = reading.ended_at if after is None or after.captured_at is None else after.captured_at
        item = after or before
        begun = reading.started_at if after is None or after.captured_at is None else after.captured_at
        changes.append(Change(self.kind, name, item.name, rules, now, min(start, end), end, begun, _owned(item, reading.account_id)))


def _owned(item: Group | PrefixList, account_id: str) -> bool:
    """A prefix list that is shared is edited elsewhere, and so is one of AWS."""
    return isinstance(item, Group) or item.owner_id in ("", account_id)
