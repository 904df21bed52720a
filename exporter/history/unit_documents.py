"""The documents of one unit, each read when it is asked for: never all of its groups."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TypeVar

from exporter.model import PeerType
from exporter.posture.chronicle import GROUP, PREFIX_LIST
from exporter.posture.codec import decode
from exporter.posture.standing import Attachment, Group, Part, PrefixList, Standing
from exporter.snapshots.documents import PICTURE, Picture, part_key
from exporter.store.base import DocumentKey, Store

T = TypeVar("T")


class UnitDocuments:
    """What is kept of the picture of an account and region. Every method raises StoreError."""

    def __init__(self, store: Store, account_id: str, region: str) -> None:
        self._store, self.account_id, self.region = store, account_id, region
        picture = self.one(PICTURE, Picture)
        self._read_at = picture.read_at if picture else {}
        self.first_read_at: datetime | None = picture.first_read_at.get(Part.GROUPS) if picture else None
        self.read_at: datetime | None = self._read_at.get(Part.GROUPS)

    def one(self, key: DocumentKey, kind: type[T]) -> T | None:
        """Return one document, None where there is none."""
        body = self._store.documents(self.account_id, self.region, key[0], (key[1],)).get(key[1])
        return None if body is None else decode(body, kind)

    def standing_of(self, group_ids: Collection[str]) -> Standing:
        """Return the picture as if no other groups stood in it than those of these that do."""
        bodies = self._store.documents(self.account_id, self.region, GROUP, group_ids)
        groups = tuple(decode(body, Group) for body in bodies.values())
        rules = (rule for group in groups for rule in group.rules)
        named = {rule.peer for rule in rules if rule.peer_type is PeerType.PREFIX_LIST and rule.peer}
        lists = self._store.documents(self.account_id, self.region, PREFIX_LIST, named) if named else {}
        return Standing(
            self.account_id,
            self.region,
            groups=groups,
            prefix_lists={name: decode(body, PrefixList) for name, body in lists.items()},
            attachments=self.one(part_key(Part.INTERFACES), dict[str, Attachment]) if groups else None,
            balanced=self.one(part_key(Part.LOAD_BALANCERS), frozenset[str]) if groups else None,
            read_at=self._read_at,
        )
