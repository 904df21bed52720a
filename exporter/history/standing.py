"""What is known of one group beside its events: how it stands, what it lets in, who opened that. Reads documents of that group alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exporter.history.look import Opener, opener_of
from exporter.history.overview import OpenCount, Overview, Overviews, SourceFacts, UnitFacts, overview_facts
from exporter.history.principals import PrincipalFacts, Principals, principal_facts
from exporter.history.unit_documents import UnitDocuments
from exporter.model import ChangeEvent, Outcome, Rule, Unit
from exporter.posture.chronicle import GROUP, Chronicle
from exporter.posture.judge import Judge, OpenRule
from exporter.posture.standing import Attachment, Exposure, Part
from exporter.snapshots.documents import chronicle_key
from exporter.store.base import Query, Store

_BORN, _GONE = "CreateSecurityGroup", "DeleteSecurityGroup"


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """One security group as far as it is known; what is not known is None, an empty tuple is known to be empty.

    `rules` are those of the last reading, made at `read_at` (`captured_at` is when AWS Config had looked, None where EC2 was asked);
    None where the group never stood in one. `open` are those that let the internet in, excepted ones too, with `openers` in the same
    order. `unknown_lists` are prefix lists whose entries are not known, so that what they open is not told. `deleted` is when it was
    deleted, or when a reading first missed it; its rules are then those that it had.
    """

    account_id: str
    region: str
    group_id: str
    name: str | None = None
    description: str | None = None
    vpc_id: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    rules: tuple[Rule, ...] | None = None
    open: tuple[OpenRule, ...] = ()
    openers: tuple[Opener, ...] = ()
    unknown_lists: tuple[str, ...] = ()
    interfaces: int | None = None
    exposure_ipv4: Exposure = Exposure.UNKNOWN
    exposure_ipv6: Exposure = Exposure.UNKNOWN
    read_at: datetime | None = None
    captured_at: datetime | None = None
    deleted: datetime | None = None


def find_group(store: Store, group_id: str) -> list[Unit]:
    """Return the units in which a group stands; where it stands in none, those of its newest events."""
    units = [unit for unit in store.posture_units() if store.documents(unit.account_id, unit.region, GROUP, (group_id,))]
    if not units:
        newest = store.search(Query(security_groups=(group_id,), limit=20))
        units = list({Unit(found.event.account_id, found.event.region) for found in newest})
    return sorted(units, key=lambda unit: (unit.account_id, unit.region))


def group_facts(
    store: Store, judge: Judge, account_id: str, region: str, group_id: str, now: datetime | None = None
) -> GroupFacts | None:  # fmt: skip
    """Return what is known of a group; None where it neither stands nor ever changed. Raises StoreError."""
    documents = UnitDocuments(store, account_id, region)
    standing = documents.standing_of((group_id,))
    born, gone = _life(store, account_id, region, group_id)
    if not standing.groups:
        return _gone(documents, group_id, born, gone) or _only_events(store, account_id, region, group_id)
    (group,) = standing.groups
    deleted = gone.event_time if gone else None
    open_rules = () if deleted else tuple(judge.open_rules(standing, now or datetime.now(UTC)))
    attachment = (standing.attachments or {}).get(group_id, Attachment())
    return GroupFacts(
        account_id,
        region,
        group_id,
        group.name or None,
        _description(born),
        group.vpc_id or None,
        group.tags,
        group.rules,
        open_rules,
        tuple(opener_of(store, standing, rule, documents.first_read_at) for rule in open_rules),
        judge.unknown_lists(standing),
        None if standing.attachments is None else attachment.interfaces,
        standing.exposure(group_id, 4),
        standing.exposure(group_id, 6),
        standing.read_at.get(Part.GROUPS),
        group.captured_at,
        deleted,
    )


def _gone(documents: UnitDocuments, group_id: str, born: ChangeEvent | None, gone: ChangeEvent | None) -> GroupFacts | None:
    """Return what is remembered of a group that does not stand."""
    chronicle = documents.one(chronicle_key(GROUP, group_id), Chronicle)
    if chronicle is None and born is None and gone is None:
        return None
    versions = chronicle.versions if chronicle else ()
    missed = versions[-1].until if versions and versions[-1].rules is None else None
    rules = next((version.rules for version in reversed(versions) if version.rules is not None), None)
    asked = _asked(born)
    return GroupFacts(
        documents.account_id,
        documents.region,
        group_id,
        name=(chronicle.name if chronicle else None) or _text(asked.get("groupName")),
        description=_description(born),
        vpc_id=_text(asked.get("vpcId")),
        rules=rules,
        read_at=documents.read_at,
        deleted=gone.event_time if gone else missed,
    )


def _only_events(store: Store, account_id: str, region: str, group_id: str) -> GroupFacts | None:
    asked = Query(security_groups=(group_id,), accounts=(account_id,), regions=(region,), limit=1)
    return GroupFacts(account_id, region, group_id) if store.search(asked) else None


def _life(store: Store, account_id: str, region: str, group_id: str) -> tuple[ChangeEvent | None, ChangeEvent | None]:
    """Return the events that made and deleted a group; an id is never given again."""
    found = store.search(
        Query(
            security_groups=(group_id,),
            event_names=(_BORN, _GONE),
            accounts=(account_id,),
            regions=(region,),
            outcomes=(Outcome.SUCCESS,),
            limit=2,
            raw=True,
        )
    )
    by_name = {item.event.event_name: item.event for item in found}
    return by_name.get(_BORN), by_name.get(_GONE)


def _description(born: ChangeEvent | None) -> str | None:
    return _text(_asked(born).get("groupDescription"))


def _asked(born: ChangeEvent | None) -> Mapping[str, Any]:
    """Return the request of the call that made the group: no reading keeps the description, and it never changes."""
    with suppress(ValueError, RecursionError):
        record = json.loads(born.raw) if born is not None else None
        asked = record.get("requestParameters") if isinstance(record, dict) else None
        return asked if isinstance(asked, dict) else {}
    return {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


__all__ = [
    "GroupFacts",
    "OpenCount",
    "Overview",
    "Overviews",
    "PrincipalFacts",
    "Principals",
    "SourceFacts",
    "UnitFacts",
    "find_group",
    "group_facts",
    "overview_facts",
    "principal_facts",
]
