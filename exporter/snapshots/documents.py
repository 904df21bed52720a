"""What the store keeps of a picture, as documents: one for each group and list, each chronicle, each other part, and the picture itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from exporter.posture.chronicle import GROUP, PREFIX_LIST, Chronicle
from exporter.posture.codec import decode
from exporter.posture.standing import Attachment, Group, Origin, Part, PrefixList, RecorderLight, Standing, TrailLight
from exporter.snapshots.shapes import ordered
from exporter.store.base import DocumentKey, PostureState, Store

PICTURE: DocumentKey = ("picture", "")
_PART = "part"
_CHRONICLE = "chronicle."

_BODIES: Mapping[Part, type] = {
    Part.INTERFACES: dict[str, Attachment],
    Part.LOAD_BALANCERS: frozenset[str],
    Part.TRAILS: tuple[TrailLight, ...],
    Part.RECORDER: tuple[RecorderLight, ...],
}
"""The parts that are one document each."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of a unit's picture as a whole: when each part was last read whole and when first, and what awaits its event
    (chronicles, and how many rule changes they have). `swept_at` is when chronicles were last looked through for what may be forgotten.

    `first_read_at` is when the first complete answer of a part was asked for: nothing before it can be replayed.
    """

    origin: Origin
    read_at: Mapping[Part, datetime] = field(default_factory=dict)
    first_read_at: Mapping[Part, datetime] = field(default_factory=dict)
    unsettled: tuple[DocumentKey, ...] = ()
    pending: int = 0
    swept_at: datetime | None = None


def part_key(part: Part) -> DocumentKey:
    """Return the key of a part that is one document."""
    return _PART, part.value


def chronicle_key(kind: str, name: str) -> DocumentKey:
    """Return the key of a chronicle."""
    return _CHRONICLE + kind, name


def normal(group: Group) -> Group:
    """Return a group with its rules, tags and VPCs in one order: AWS answers in any."""
    return replace(group, rules=ordered(group.rules), tags=tuple(sorted(group.tags)), vpc_ids=tuple(sorted(group.vpc_ids)))


class Kept:
    """What is kept of one unit, read from the store when it is asked for."""

    def __init__(self, store: Store, account_id: str, region: str) -> None:
        self._store, self.account_id, self.region = store, account_id, region
        self.state: PostureState = store.posture(account_id, region)
        body = self._one(PICTURE)
        self.picture: Picture | None = None if body is None else decode(body, Picture)

    def ids(self, kind: str) -> frozenset[str]:
        """Return the ids of the documents of a kind."""
        return frozenset(name for found, name in self.state.digests if found == kind)

    def groups(self, ids: frozenset[str] | None = None) -> dict[str, Group]:
        """Return groups as last read, by id; all, or those of some ids that there are."""
        return {name: decode(body, Group) for name, body in self._documents(GROUP, ids).items()}

    def prefix_lists(self, ids: frozenset[str] | None = None) -> dict[str, PrefixList]:
        """Return prefix lists as last read, by id."""
        return {name: decode(body, PrefixList) for name, body in self._documents(PREFIX_LIST, ids).items()}

    def chronicle(self, kind: str, name: str) -> Chronicle | None:
        """Return a chronicle; None where the rules never changed while we looked."""
        body = self._one(chronicle_key(kind, name))
        return None if body is None else decode(body, Chronicle)

    def changed(self, kind: str) -> frozenset[str]:
        """Return the ids of those that have a chronicle."""
        return self.ids(_CHRONICLE + kind)

    def standing(self, groups: bool = True) -> Standing:
        """Return the picture as last read; without its groups and lists where only the rest is wanted."""
        if self.picture is None:
            return Standing(self.account_id, self.region)
        read_at = self.picture.read_at
        bodies = {part: self._one(part_key(part)) for part in _BODIES}
        parts: dict[Part, Any] = {part: decode(body, _BODIES[part]) for part, body in bodies.items() if body is not None}
        return Standing(
            self.account_id,
            self.region,
            self.picture.origin,
            tuple(self.groups().values()) if groups and Part.GROUPS in read_at else None,
            self.prefix_lists() if groups and Part.PREFIX_LISTS in read_at else None,
            parts.get(Part.INTERFACES),
            parts.get(Part.LOAD_BALANCERS),
            parts.get(Part.TRAILS),
            parts.get(Part.RECORDER),
            read_at,
        )

    def _documents(self, kind: str, ids: frozenset[str] | None) -> Mapping[str, bytes]:
        if ids is not None and not ids:
            return {}
        return self._store.documents(self.account_id, self.region, kind, ids)

    def _one(self, key: DocumentKey) -> bytes | None:
        if key not in self.state.digests:
            return None
        return self._store.documents(self.account_id, self.region, key[0], (key[1],)).get(key[1])
