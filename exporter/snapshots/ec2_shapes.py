"""EC2's answers as values of what stands: items of Describe calls as the SDK gives them, in PascalCase. Pure.

(EC2 API reference: SecurityGroup, SecurityGroupRule, ManagedPrefixList, PrefixListEntry, NetworkInterface.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from exporter.model import Direction, Rule
from exporter.parse.dialect import truth
from exporter.parse.rule_shapes import rule_of as spelled_rule
from exporter.posture.standing import Group, PrefixList
from exporter.snapshots.shapes import (
    Interface,
    entries_in,
    fields_of,
    interface_in,
    list_of,
    ordered,
    required,
    rules_in,
    tags_of,
    text_of,
    unreadable,
    whole_of,
)

_PEERS = ("CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupInfo", "ReferencedGroupId")


def group_of(item: Any, problems: list[str] | None = None) -> Group:
    """Return a group of DescribeSecurityGroups with the rules of its permissions, which have no ids.

    Raises SourceError where it has no id, or anything in it cannot be understood; permissions that cannot go into `problems` where
    that is given. Permissions that are absent are none: in EC2's XML an empty list may be left out.
    """
    fields = fields_of(item, "a group of DescribeSecurityGroups")
    group_id = required(fields, "groupid", "a group of DescribeSecurityGroups", "GroupId")
    where = f"DescribeSecurityGroups, {group_id}"
    rules = rules_in(list_of(fields, "ippermissions", where, "IpPermissions"), Direction.INGRESS, where, problems)
    rules += rules_in(list_of(fields, "ippermissionsegress", where, "IpPermissionsEgress"), Direction.EGRESS, where, problems)
    return Group(
        group_id,
        text_of(fields, "groupname"),
        text_of(fields, "vpcid"),
        ordered(rules),
        tags_of(fields.get("tags"), where),
        text_of(fields, "ownerid"),
    )


def rule_of(item: Any) -> tuple[str, Rule]:
    """Return a rule of DescribeSecurityGroupRules and the id of its group.

    Raises SourceError where the group, the direction, or the id of the rule is missing, or its peer cannot be understood. A peer of
    a kind that is not known here leaves a rule without a peer.
    """
    return rule_in(fields_of(item, "a rule of DescribeSecurityGroupRules"))


def rule_in(fields: Mapping[str, Any]) -> tuple[str, Rule]:
    """Return the same as `rule_of`, of members by lower-case keys."""
    rule_id = required(fields, "securitygroupruleid", "a rule of DescribeSecurityGroupRules", "SecurityGroupRuleId")
    where = f"DescribeSecurityGroupRules, {rule_id}"
    group_id = required(fields, "groupid", where, "GroupId")
    egress = truth(fields.get("isegress"))
    if egress is None:
        unreadable(where, "has no IsEgress")
    rule = spelled_rule(fields, Direction.EGRESS if egress else Direction.INGRESS)
    if rule.peer is None and (odd := [name for name in _PEERS if fields.get(name.lower())]):
        unreadable(where, f"has a {odd[0]} that cannot be read")
    return group_id, rule


def prefix_list_of(item: Any, entries: Iterable[Any]) -> PrefixList:
    """Return a list of DescribeManagedPrefixLists with all its entries, as GetManagedPrefixListEntries gives them.

    Raises SourceError where the list has no id or an entry no CIDR.
    """
    fields = fields_of(item, "a list of DescribeManagedPrefixLists")
    list_id = required(fields, "prefixlistid", "a list of DescribeManagedPrefixLists", "PrefixListId")
    return PrefixList(
        list_id,
        text_of(fields, "prefixlistname"),
        whole_of(fields, "version"),
        entries_in(entries, f"GetManagedPrefixListEntries, {list_id}"),
        text_of(fields, "ownerid"),
        whole_of(fields, "maxentries"),
    )


def interface_of(item: Any) -> Interface:
    """Return an interface of DescribeNetworkInterfaces. Raises SourceError where it has no id or its groups cannot be read."""
    fields = fields_of(item, "an interface of DescribeNetworkInterfaces")
    interface_id = required(fields, "networkinterfaceid", "an interface of DescribeNetworkInterfaces", "NetworkInterfaceId")
    return interface_in(fields, interface_id, f"DescribeNetworkInterfaces, {interface_id}")
