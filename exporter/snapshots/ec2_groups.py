"""The security groups of one account and region with their rules: two answers of EC2 that must agree.

DescribeSecurityGroupRules gives the rules with their ids, DescribeSecurityGroups the groups and, in their permissions, the same rules
without. Rules are asked for first: a group that is deleted meanwhile is then not among the groups, instead of there without rules. Where
the two differ for a group, it was made, changed or deleted between the questions, and both are asked again for just these groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from exporter.model import Rule
from exporter.posture.standing import Group
from exporter.snapshots.asking import ASSOCIATIONS, GROUPS, RULES, Asker
from exporter.snapshots.ec2_shapes import group_of, rule_of
from exporter.snapshots.shapes import ordered
from exporter.snapshots.told import Told

_AGAIN = 2
"""How often groups whose two answers differ are asked for again; one that is changed all the time would never agree."""
_FILTER_VALUES = 200
"""Most values of a filter (EC2 user guide, Filter your resources)."""
_PORTED = ("tcp", "udp", "icmp", "icmpv6")
_ASSOCIATED = ("associated", "disassociating", "disassociation-failed")
"""States in which a group still is that of a further VPC (EC2 API reference, SecurityGroupVpcAssociation)."""

_RulesOf: TypeAlias = dict[str, dict[str, Rule]]
_Spelled: TypeAlias = tuple[str, ...]


def read_groups(asker: Asker, told: Told) -> tuple[Group, ...]:
    """Return every group, by id. Raises SourceError where any of the questions is not answered whole."""
    rules = _rules(asker)
    groups = _groups(asker)
    for _ in range(_AGAIN):
        differing = [group.group_id for group in groups.values() if _differ(group, rules)]
        differing += sorted(rules.keys() - groups.keys())
        if not differing:
            break
        for chosen in _chunks(differing):
            # By filter: an id that is gone is then left out, and no error.
            wanted = [{"Name": "group-id", "Values": chosen}]
            fresh = _rules(asker, Filters=wanted)
            again = _groups(asker, Filters=wanted)
            for group_id in chosen:
                rules.pop(group_id, None)
                groups.pop(group_id, None)
            rules |= fresh
            groups |= again
    vpcs = _vpcs(asker, told)
    return tuple(_whole(groups[group_id], rules.get(group_id, {}), vpcs.get(group_id, set())) for group_id in sorted(groups))


def _rules(asker: Asker, **parameters: object) -> _RulesOf:
    found: _RulesOf = {}
    for item in asker.all(RULES, **parameters):
        group_id, rule = rule_of(item)
        found.setdefault(group_id, {})[rule.rule_id or ""] = rule
    return found


def _groups(asker: Asker, **parameters: object) -> dict[str, Group]:
    return {group.group_id: group for group in map(group_of, asker.all(GROUPS, **parameters))}


def _vpcs(asker: Asker, told: Told) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in told.known(asker, ASSOCIATIONS.operation, asker.all(ASSOCIATIONS)):
        if item.get("State") in _ASSOCIATED:
            found.setdefault(str(item.get("GroupId", "")), set()).add(str(item.get("VpcId", "")))
    return found


def _whole(group: Group, rules: Mapping[str, Rule], vpc_ids: set[str]) -> Group:
    """Return a group with its rules and their ids, and its further VPCs.

    A permission that has no rule yet, however often it was asked for, is a rule without an id: more may be told than stood at one moment,
    never less.
    """
    known = {_spelled(rule) for rule in rules.values()}
    without_id = [rule for rule in group.rules if _spelled(rule) not in known]
    return replace(group, rules=ordered([*rules.values(), *without_id]), vpc_ids=tuple(sorted(vpc_ids - {group.vpc_id, ""})))


def _differ(group: Group, rules: _RulesOf) -> bool:
    return {_spelled(rule) for rule in group.rules} != {_spelled(rule) for rule in rules.get(group.group_id, {}).values()}


def _spelled(rule: Rule) -> _Spelled:
    """Return what a rule is in both answers; ports count where the protocol has any, and -1 is the same as none."""
    ported = rule.protocol in _PORTED
    ports = ["-1" if port is None or not ported else str(port) for port in (rule.from_port, rule.to_port)]
    return (rule.direction or "", rule.protocol or "", *ports, rule.peer_type or "", rule.peer or "")


def _chunks(group_ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(group_ids), _FILTER_VALUES):
        yield list(group_ids[start : start + _FILTER_VALUES])


def named_lists(groups: Iterable[Group]) -> frozenset[str]:
    """Return the ids of the prefix lists that rules name."""
    return frozenset(rule.peer for group in groups for rule in group.rules if rule.peer_type == "prefix_list" and rule.peer)
