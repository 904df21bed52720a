"""One configuration item of AWS Config as a value: what stood in a security group or prefix list at a moment. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from exporter.model import PeerType, Rule
from exporter.parse.dialect import as_list, lowered, text
from exporter.snapshots.config_shapes import (
    PREFIX_LIST,
    SECURITY_GROUP,
    captured_at,
    configuration_of,
    group_of,
    is_deleted,
    prefix_list_of,
)
from exporter.snapshots.shapes import fields_of, tags_of, text_of, unreadable

KINDS: Mapping[str, str] = {"sg-": SECURITY_GROUP, "pl-": PREFIX_LIST}
"""The types whose history is read, by how their ids begin."""

_NOT_RECORDED = ("resourcenotrecorded", "resourcedeletednotrecorded")
_NO_SETTINGS = ("ippermissions", "ippermissionsegress", "entries", "tags", "version")
"""Parts of a configuration that are compared by themselves, and the number of a list's version, which says nothing more."""


@dataclass(frozen=True, slots=True)
class Item:
    """What AWS Config recorded of one resource at one time.

    `rules` are None where the item does not tell: the resource is `gone`, or it was not recorded then. Entries of a prefix list are
    rules that have a peer and a description and nothing else, as in its events. `settings` is the rest of the configuration, JSON by
    key; `related` are ids of CloudTrail events; `daily` says that AWS Config looks once a day.
    """

    kind: str
    resource_id: str
    account_id: str
    region: str
    status: str
    captured_at: datetime
    item_id: str
    rules: tuple[Rule, ...] | None = None
    gone: bool = False
    tags: tuple[tuple[str, str], ...] = ()
    relationships: frozenset[tuple[str, str, str]] = frozenset()
    settings: Mapping[str, str] = field(default_factory=dict)
    related: tuple[str, ...] = ()
    daily: bool = False
    raw: bytes = b""

    @property
    def known(self) -> bool:
        """Whether the item tells what stood: the rules, or that there are none any more."""
        return self.gone or self.rules is not None


def read_item(told: Any, kind: str, resource_id: str, account_id: str, region: str) -> Item:
    """Return an item of GetResourceConfigHistory, of what was asked for. Raises SourceError where it cannot be understood."""
    fields = fields_of(told, "an item of AWS Config")
    where = f"AWS Config, {account_id} {region}, {resource_id}"
    if text_of(fields, "resourceid") not in ("", resource_id):
        unreadable(where, f"the answer is about {text_of(fields, 'resourceid')}")
    at = captured_at(told)
    if at is None:
        unreadable(where, "an item has no configurationItemCaptureTime")
    status, gone = text_of(fields, "configurationitemstatus"), is_deleted(told)
    unit = text_of(fields, "awsaccountid") or text_of(fields, "accountid") or account_id, text_of(fields, "awsregion") or region
    own_id = _id(*unit, kind, resource_id, at, status, text_of(fields, "configurationstateid"))
    raw = json.dumps(told, default=_plain, separators=(",", ":")).encode()
    related = tuple(dict.fromkeys(filter(None, (text(event) for event in as_list(fields.get("relatedevents"))))))
    item = Item(kind, resource_id, *unit, status, at, own_id, gone=gone, related=related, raw=raw)
    daily = text_of(fields, "recordingfrequency").upper() == "DAILY"
    if gone or (status.lower() in _NOT_RECORDED and fields.get("configuration") is None):
        return replace(item, daily=daily)
    configuration = configuration_of(fields, where)
    return replace(
        item,
        daily=daily,
        rules=group_of(told).rules if kind == SECURITY_GROUP else _entries(told),
        tags=tags_of(fields.get("tags"), where) or tags_of(configuration.get("tags"), where),
        relationships=frozenset(_relationships(fields)),
        settings={
            key: json.dumps(value, sort_keys=True, default=_plain) for key, value in configuration.items() if key not in _NO_SETTINGS
        },
    )


def _entries(told: Any) -> tuple[Rule, ...]:
    return tuple(
        Rule(peer_type=PeerType.IPV6 if ":" in cidr else PeerType.IPV4, peer=cidr, description=about or None)
        for cidr, about in prefix_list_of(told).entries
    )


def _relationships(fields: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    for told in as_list(fields.get("relationships")):
        if isinstance(told, dict):
            entry = lowered(told)
            name = text_of(entry, "relationshipname") or text_of(entry, "name")
            yield text_of(entry, "resourcetype"), text_of(entry, "resourceid") or text_of(entry, "resourcename"), name.strip()


def _id(*what: object) -> str:
    """Return the id of an item in the history: always the same for the same item."""
    spelled = json.dumps([part.isoformat() if isinstance(part, datetime) else part for part in what])
    return "hash:" + blake2b(f"aws-config {spelled}".encode(), digest_size=16).hexdigest()


def _plain(value: object) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)
