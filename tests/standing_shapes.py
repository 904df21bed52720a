"""A group as every answer of AWS spells it, and random groups: written from the API references, with documentation ids."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from exporter.model import Direction, PeerType, Rule
from exporter.posture.standing import Group
from exporter.snapshots.shapes import ordered

ACCOUNT, REGION, VPC = "111122223333", "eu-west-1", "vpc-0123456789abcdef0"
CAPTURED = datetime(2026, 3, 1, 10, 20, 30, 456000, UTC)
_NUMBERS = {"all": "-1"}


def protocol_of(rule: Rule) -> str:
    """Return the protocol as EC2 answers it."""
    return _NUMBERS.get(rule.protocol or "", rule.protocol or "")


def permission(rule: Rule) -> dict[str, Any]:
    """Return one rule as a permission of DescribeSecurityGroups."""
    out: dict[str, Any] = {"IpProtocol": protocol_of(rule), "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}
    if rule.from_port is not None:
        out |= {"FromPort": rule.from_port, "ToPort": rule.to_port}
    described = {"Description": rule.description} if rule.description else {}
    match rule.peer_type:
        case PeerType.IPV4:
            out["IpRanges"] = [{"CidrIp": rule.peer, **described}]
        case PeerType.IPV6:
            out["Ipv6Ranges"] = [{"CidrIpv6": rule.peer, **described}]
        case PeerType.PREFIX_LIST:
            out["PrefixListIds"] = [{"PrefixListId": rule.peer, **described}]
        case _:
            out["UserIdGroupPairs"] = [{"GroupId": rule.peer, "UserId": "444455556666", **described}]
    return out


def permissions(rules: Iterable[Rule], direction: Direction) -> list[dict[str, Any]]:
    """Return rules as permissions, those of one protocol and port range in one, as EC2 folds them."""
    folded: dict[tuple[object, ...], dict[str, Any]] = {}
    for rule in rules:
        if rule.direction is not direction:
            continue
        new = permission(rule)
        known = folded.setdefault((rule.protocol, rule.from_port, rule.to_port), new)
        if known is not new:
            for key in ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs"):
                known[key] += new[key]
    return list(folded.values())


def described_group(group: Group) -> dict[str, Any]:
    """Return a group as DescribeSecurityGroups answers it."""
    return {
        "GroupId": group.group_id,
        "GroupName": group.name,
        "Description": "written for a test",
        "OwnerId": group.owner_id,
        "VpcId": group.vpc_id,
        "IpPermissions": permissions(group.rules, Direction.INGRESS),
        "IpPermissionsEgress": permissions(group.rules, Direction.EGRESS),
        "Tags": [{"Key": key, "Value": value} for key, value in group.tags],
        "SecurityGroupArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{group.group_id}",
    }


def described_rule(group_id: str, rule: Rule) -> dict[str, Any]:
    """Return a rule as DescribeSecurityGroupRules answers it: where all ports are meant they are -1."""
    ports = (-1, -1) if rule.protocol == "all" else (rule.from_port, rule.to_port)
    peer: dict[str, Any] = {
        PeerType.IPV4: {"CidrIpv4": rule.peer},
        PeerType.IPV6: {"CidrIpv6": rule.peer},
        PeerType.PREFIX_LIST: {"PrefixListId": rule.peer},
        PeerType.SECURITY_GROUP: {"ReferencedGroupInfo": {"GroupId": rule.peer, "UserId": "444455556666"}},
    }[rule.peer_type or PeerType.IPV4]
    return {
        "SecurityGroupRuleId": rule.rule_id,
        "GroupId": group_id,
        "GroupOwnerId": ACCOUNT,
        "IsEgress": rule.direction is Direction.EGRESS,
        "IpProtocol": protocol_of(rule),
        **({} if ports[0] is None else {"FromPort": ports[0], "ToPort": ports[1]}),
        **peer,
        **({"Description": rule.description} if rule.description else {}),
        "Tags": [],
    }


def _lower(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _lower(inner) for key, inner in value.items()}
    return [_lower(inner) for inner in value] if isinstance(value, list) else value


def configuration(group: Group, *, ports: str = "absent", old: bool = False) -> dict[str, Any]:
    """Return the configuration that AWS Config records of a group.

    `ports` is how it spells those of a rule for all protocols: absent, null (2017) or 0; `old` leaves out `ipv4Ranges` (before 2018).
    """
    out = _lower(described_group(group))
    for key in ("ipPermissions", "ipPermissionsEgress"):
        for entry in out[key]:
            entry["ipv4Ranges"] = entry["ipRanges"]
            entry["ipRanges"] = [inner["cidrIp"] for inner in entry["ipv4Ranges"]]
            if old:
                del entry["ipv4Ranges"]
            if entry["ipProtocol"] == "-1" and ports != "absent":
                entry["fromPort"] = entry["toPort"] = None if ports == "null" else 0
    out.pop("securityGroupArn")
    return dict(out)


ROADS = ("history", "batch", "query", "aggregate", "notification")


def config_item(group: Group, road: str = "query", captured: Any = None, **how: Any) -> dict[str, Any]:
    """Return a group as an item of AWS Config on one of ROADS."""
    body, arn = configuration(group, **how), f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{group.group_id}"
    when = captured if captured is not None else CAPTURED.isoformat().replace("+00:00", "Z")
    common = {
        "resourceType": "AWS::EC2::SecurityGroup",
        "resourceId": group.group_id,
        "resourceName": group.name,
        "awsRegion": REGION,
        "configurationItemCaptureTime": when,
    }
    tags = dict(group.tags)
    relations = [{"resourceType": "AWS::EC2::VPC", "resourceId": group.vpc_id, "relationshipName": "Is contained in Vpc"}]
    if road in ("query", "aggregate"):
        listed = [{"key": key, "value": value, "tag": f"{key}={value}"} for key, value in group.tags]
        return {**common, "accountId": ACCOUNT, "arn": arn, "configuration": body, "tags": listed, "relationships": relations}
    status = {"configurationItemStatus": "OK", "version": "1.3", "accountId": ACCOUNT, "arn": arn}
    if road == "history":
        rest = {"tags": tags, "relatedEvents": [], "relationships": relations, "supplementaryConfiguration": {}}
        return {**common, **status, **rest, "configuration": json.dumps(body)}
    if road == "batch":
        return {**common, **status, "configuration": json.dumps(body), "supplementaryConfiguration": {}}
    named = [{"resourceType": "AWS::EC2::VPC", "resourceId": group.vpc_id, "resourceName": None, "name": "Is contained in Vpc"}]
    rest = {"awsAccountId": ACCOUNT, "ARN": arn, "configurationItemStatus": "OK", "tags": tags, "relationships": named, "relatedEvents": []}
    return {**common, **rest, "configuration": body, "configurationStateMd5Hash": "", "configurationItemVersion": "1.3"}


def permission_record(group_id: str, rule: Rule) -> dict[str, Any]:
    """Return request and answer of the call that authorizes one rule, in CloudTrail's spelling."""
    asked = {
        key: ({"items": value} if value else {}) if isinstance(value, list) else value for key, value in _lower(permission(rule)).items()
    }
    asked["groups"] = asked.pop("userIdGroupPairs")
    answered = _lower(described_rule(group_id, rule))
    answered.pop("tags")
    return {
        "requestParameters": {"groupId": group_id, "ipPermissions": {"items": [asked]}},
        "responseElements": {"requestId": "r", "_return": True, "securityGroupRuleSet": {"items": [answered]}},
    }


_TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=20).map(str.strip)
_IPV4 = st.integers(0, 32).flatmap(
    lambda length: st.integers(0, 2**32 - 1).map(lambda address: _network(address >> (32 - length) << (32 - length), 4, length))
)
_IPV6 = st.integers(0, 128).flatmap(
    lambda length: st.integers(0, 2**128 - 1).map(lambda address: _network(address >> (128 - length) << (128 - length), 6, length))
)


def _network(address: int, version: int, length: int) -> str:
    return f"{ipaddress.IPv4Address(address) if version == 4 else ipaddress.IPv6Address(address)}/{length}"


def _traffic() -> st.SearchStrategy[tuple[str, int | None, int | None]]:
    ports = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(sorted)
    kinds = st.tuples(st.integers(-1, 255), st.integers(-1, 255))
    return st.one_of(
        st.just(("all", None, None)),
        st.tuples(st.sampled_from(("tcp", "udp")), ports).map(lambda pair: (pair[0], pair[1][0], pair[1][1])),
        st.tuples(st.sampled_from(("icmp", "icmpv6")), kinds).map(lambda pair: (pair[0], pair[1][0], pair[1][1])),
        st.sampled_from(("47", "50", "132")).map(lambda number: (number, None, None)),
    )


_PEERS = st.one_of(
    st.tuples(st.just(PeerType.IPV4), _IPV4),
    st.tuples(st.just(PeerType.IPV6), _IPV6),
    st.tuples(st.just(PeerType.PREFIX_LIST), st.from_regex(r"pl-[0-9a-f]{17}", fullmatch=True)),
    st.tuples(st.just(PeerType.SECURITY_GROUP), st.from_regex(r"sg-[0-9a-f]{17}", fullmatch=True)),
)
RULES = st.builds(
    lambda direction, traffic, peer, description: Rule(direction, None, *traffic, *peer, description or None),
    st.sampled_from(Direction),
    _traffic(),
    _PEERS,
    _TEXT,
)
"""Rules as they stand, without id, in canonical spelling."""


def _group(rules: list[Rule], name: str, tags: dict[str, str]) -> Group:
    numbered = [replace(rule, rule_id=f"sgr-{index:017d}") for index, rule in enumerate(rules)]
    return Group("sg-0123456789abcdef0", name, VPC, ordered(numbered), tuple(sorted(tags.items())), ACCOUNT)


def _spelled_apart(rule: Rule) -> tuple[object, ...]:
    return rule.direction, rule.protocol, rule.from_port, rule.to_port, rule.peer


GROUPS = st.builds(
    _group,
    st.lists(RULES, max_size=12, unique_by=_spelled_apart),
    _TEXT.filter(bool),
    st.dictionaries(_TEXT.filter(bool), _TEXT, max_size=4),
)
"""Groups as they stand, with rule ids."""


def without_ids(group: Group) -> Group:
    """Return a group as answers show it that know no rule ids."""
    return replace(group, rules=ordered(replace(rule, rule_id=None) for rule in group.rules))
