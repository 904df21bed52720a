"""Configuration items of AWS Config as values of what stands, from every road they come by. Pure.

| road | configuration | account | tags |
| --- | --- | --- | --- |
| GetResourceConfigHistory | JSON text | accountId | object |
| BatchGetResourceConfig | JSON text | accountId | none |
| SelectResourceConfig, SelectAggregateResourceConfig | object | accountId | list |
| SNS notifications, rule events, files in S3 | object | awsAccountId | object |

`configuration` of a group or an interface has the names of EC2's API in lowerCamel; that of AWS::EC2::PrefixList those of
CloudFormation in PascalCase. Rules have no ids. (AWS Config API reference: ConfigurationItem, BaseConfigurationItem; developer guide:
components of a configuration item; example notifications.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from exporter.errors import MalformedRecord
from exporter.model import Direction
from exporter.parse.dialect import text
from exporter.parse.moment import event_time
from exporter.posture.standing import Group, PrefixList
from exporter.snapshots.shapes import (
    Interface,
    entries_in,
    fields_of,
    interface_in,
    list_of,
    ordered,
    rules_in,
    tags_of,
    text_of,
    unreadable,
    whole_of,
)

SECURITY_GROUP, PREFIX_LIST, NETWORK_INTERFACE = "AWS::EC2::SecurityGroup", "AWS::EC2::PrefixList", "AWS::EC2::NetworkInterface"
"""The types of resources that are read here."""

LONGEST_CONFIGURATION = 4 * 2**20
"""Most characters of a configuration that is text; AWS records none over some 600 kB (a group of 1,000 rules)."""


def is_deleted(item: Any) -> bool:
    """Whether an item says that its resource is gone; its configuration is null then. Before 2017 the status was `Deleted`."""
    status = text(fields_of(item, "an item of AWS Config").get("configurationitemstatus")) or ""
    return status.lower() in ("resourcedeleted", "resourcedeletednotrecorded", "deleted")


def account_and_region(item: Any) -> tuple[str, str]:
    """Return whose resource an item is about, and where; empty where the item does not tell."""
    fields = fields_of(item, "an item of AWS Config")
    return text_of(fields, "awsaccountid") or text_of(fields, "accountid"), text_of(fields, "awsregion")


def captured_at(item: Any) -> datetime | None:
    """Return when AWS Config looked, None where the item does not tell. Raises SourceError where it is no time.

    It is RFC 3339 in notifications and queries, seconds since 1970 on the wire of the API, and a datetime from the SDK.
    """
    fields = fields_of(item, "an item of AWS Config")
    value = fields.get("configurationitemcapturetime")
    if value is None:
        return None
    try:
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        return event_time(value)
    except (MalformedRecord, OverflowError, ValueError, OSError):
        unreadable(f"AWS Config, {text_of(fields, 'resourceid')}", "configurationItemCaptureTime is no time such as 2026-01-31T00:00:00Z")


def group_of(item: Any, problems: list[str] | None = None) -> Group:
    """Return a group of an item of AWS::EC2::SecurityGroup.

    Raises SourceError where the item is of a deleted group (ask `is_deleted` first), has no configuration or no permissions in it,
    or anything in it cannot be understood; single permissions that cannot go into `problems` where that is given.
    """
    fields, configuration, where = _opened(item, "groupid", SECURITY_GROUP)
    if "ippermissions" not in configuration:
        unreadable(where, "configuration has no ipPermissions; a query must select `configuration` whole")
    rules = rules_in(list_of(configuration, "ippermissions", where, "ipPermissions"), Direction.INGRESS, where, problems)
    rules += rules_in(list_of(configuration, "ippermissionsegress", where, "ipPermissionsEgress"), Direction.EGRESS, where, problems)
    return Group(
        _id(fields, configuration, "groupid"),
        text_of(configuration, "groupname") or text_of(fields, "resourcename"),
        text_of(configuration, "vpcid"),
        ordered(rules),
        _tags(fields, configuration, where),
        text_of(configuration, "ownerid"),
        captured_at=captured_at(item),
    )


def prefix_list_of(item: Any) -> PrefixList:
    """Return a prefix list of an item of AWS::EC2::PrefixList. Raises SourceError as `group_of` does."""
    fields, configuration, where = _opened(item, "prefixlistid", PREFIX_LIST)
    if "entries" not in configuration:
        unreadable(where, "configuration has no Entries; a query must select `configuration` whole")
    return PrefixList(
        _id(fields, configuration, "prefixlistid"),
        text_of(configuration, "prefixlistname") or text_of(fields, "resourcename"),
        whole_of(configuration, "version"),
        entries_in(list_of(configuration, "entries", where, "Entries"), where),
        text_of(configuration, "ownerid"),
        whole_of(configuration, "maxentries"),
        captured_at(item),
    )


def interface_of(item: Any) -> Interface:
    """Return a network interface of an item of AWS::EC2::NetworkInterface. Raises SourceError as `group_of` does."""
    fields, configuration, where = _opened(item, "networkinterfaceid", NETWORK_INTERFACE)
    if "groups" not in configuration:
        unreadable(where, "configuration has no groups; a query must select `configuration` whole")
    return interface_in(configuration, _id(fields, configuration, "networkinterfaceid"), where)


def configuration_of(fields: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the configuration of an item by lower-case keys, whether it is an object or JSON text; `fields` has lower-case keys."""
    value = fields.get("configuration")
    if isinstance(value, str):
        if len(value) > LONGEST_CONFIGURATION:
            unreadable(where, f"configuration has over {LONGEST_CONFIGURATION} characters")
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            unreadable(where, f"configuration is text but no JSON: {error}")
    if value is None:
        status = text_of(fields, "configurationitemstatus")
        unreadable(where, f"has no configuration{f' (its status is {status})' if status else '; a query must select it'}")
    return fields_of(value, f"{where}, configuration")


def _opened(item: Any, id_key: str, kind: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return the members of an item, those of its configuration, and what to call it in errors."""
    fields = fields_of(item, f"an item of AWS Config for {kind}")
    told = text_of(fields, "resourcetype")
    where = ", ".join(filter(None, ("AWS Config", *account_and_region(item), text_of(fields, "resourceid"))))
    if told and told != kind:
        unreadable(where, f"is of {told}, not {kind}")
    configuration = configuration_of(fields, where)
    if not _id(fields, configuration, id_key):
        unreadable(where, f"an item of {kind} without an id")
    return fields, configuration, where


def _id(fields: Mapping[str, Any], configuration: Mapping[str, Any], key: str) -> str:
    return text_of(configuration, key) or text_of(fields, "resourceid")


def _tags(fields: Mapping[str, Any], configuration: Mapping[str, Any], where: str) -> tuple[tuple[str, str], ...]:
    return tags_of(fields.get("tags"), where) or tags_of(configuration.get("tags"), where)
