"""The managed prefix lists of one account and region, with their entries: read once for each version.

Every list of the account's own or shared with it is read, named by a rule or not, so that one which no rule names any more does not look
deleted. Of those of AWS, which are many and nobody's change, only those that rules name.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from exporter.errors import AwsError
from exporter.posture.standing import PrefixList
from exporter.snapshots.asking import ENTRIES, PREFIX_LISTS, Asker, Item
from exporter.snapshots.ec2_shapes import prefix_list_of

_AWS = "AWS"
_NO_ENTRIES = ("create-in-progress", "create-failed", "delete-in-progress", "delete-complete")
"""States in which a list may have no entries that could be asked for (EC2 API reference, ManagedPrefixList)."""


class PrefixLists:
    """Reads prefix lists and remembers entries by list and version, which never change; a list without a version is asked each time."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[Item, ...]] = {}

    def read(self, asker: Asker, named: AbstractSet[str]) -> tuple[PrefixList, ...]:
        """Return the lists, by id; `named` are those that rules name. Raises SourceError where any of them cannot be read whole."""
        told = {str(item.get("PrefixListId", "")): item for item in asker.all(PREFIX_LISTS)}
        missing = sorted(named - told.keys())
        if missing:
            raise asker.unreadable(
                PREFIX_LISTS.operation,
                f"rules name {', '.join(missing[:5])}, which the answer does not have: its owner may share it no longer, and what it lets "
                "in cannot be told; remove those rules, or have it shared again",
            )
        found: list[PrefixList] = []
        kept: dict[tuple[str, int], tuple[Item, ...]] = {}
        for list_id, item in sorted(told.items()):
            if list_id not in named and not _is_ours(item):
                continue
            entries = self._entries(asker, list_id, item, kept, optional=list_id not in named)
            if entries is not None:
                found.append(prefix_list_of(item, entries))
        self._known = kept
        return tuple(found)

    def _entries(
        self, asker: Asker, list_id: str, item: Item, kept: dict[tuple[str, int], tuple[Item, ...]], *, optional: bool
    ) -> tuple[Item, ...] | None:
        """Return the entries of the version that was told; None for a list that no rule names and that is gone, or not there yet."""
        version = item.get("Version")
        known = self._known.get((list_id, version)) if isinstance(version, int) else None
        if known is None:
            if optional and item.get("State") in _NO_ENTRIES:
                return None
            # Without the version, an edit between two pages would mix the entries of two of them.
            wanted = {"TargetVersion": version} if isinstance(version, int) else {}
            try:
                known = tuple(asker.all(ENTRIES, PrefixListId=list_id, **wanted))
            except AwsError as error:
                if optional and error.code == "InvalidPrefixListID.NotFound":
                    return None
                raise
        if isinstance(version, int):
            # At once: should a later list fail, this one need not be asked for again.
            self._known[list_id, version] = kept[list_id, version] = known
        return known


def _is_ours(item: Item) -> bool:
    return str(item.get("OwnerId", "")).upper() != _AWS
