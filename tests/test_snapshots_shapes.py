"""The shapes of EC2, AWS Config and CloudTrail come to one group and one rule, and nothing odd is read as less than it is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given

from exporter.errors import SourceError
from exporter.model import Direction, PeerType, Rule
from exporter.posture.standing import Attachment, Group, PrefixList
from exporter.snapshots import config_shapes, ec2_shapes
from exporter.snapshots.shapes import Interface, attachments_of, ordered
from tests.cloudtrail_fixtures import event, load
from tests.standing_shapes import (
    ACCOUNT,
    CAPTURED,
    GROUPS,
    ROADS,
    RULES,
    config_item,
    configuration,
    described_group,
    described_rule,
    permission,
    permission_record,
    without_ids,
)

SG, PL = "sg-0123456789abcdef0", "pl-0123456789abcdef0"
IN, OUT = Direction.INGRESS, Direction.EGRESS
V4, V6, LIST, GROUP = PeerType.IPV4, PeerType.IPV6, PeerType.PREFIX_LIST, PeerType.SECURITY_GROUP


# One group in every shape.


@given(GROUPS)
def test_a_described_group_is_the_group_without_rule_ids(group: Group) -> None:
    """Folding into permissions loses nothing but the ids."""
    assert ec2_shapes.group_of(described_group(group)) == without_ids(group)


@given(GROUPS)
def test_described_rules_are_the_rules_of_the_group(group: Group) -> None:
    """Each rule comes back with its id, under its group."""
    found = [ec2_shapes.rule_of(described_rule(group.group_id, rule)) for rule in group.rules]
    assert {group_id for group_id, _ in found} <= {group.group_id}
    assert ordered(rule for _, rule in found) == group.rules


@given(GROUPS)
def test_a_configuration_item_is_the_group_on_every_road(group: Group) -> None:
    """Otherwise a change of the road would look like a change of the rules."""
    expected = replace(without_ids(group), captured_at=CAPTURED)
    for road in ROADS:
        for ports in ("absent", "null", "0"):
            found = config_shapes.group_of(config_item(group, road, ports=ports))
            assert found == expected, road
            assert config_shapes.account_and_region(config_item(group, road)) == (ACCOUNT, "eu-west-1")


@given(GROUPS)
def test_an_item_from_before_2018_lacks_descriptions_alone(group: Group) -> None:
    """`ipRanges` alone, strings, is read where `ipv4Ranges` is not there."""
    found = config_shapes.group_of(config_item(group, "history", old=True))
    bare = [replace(rule, description=None) if rule.peer_type is V4 else rule for rule in without_ids(group).rules]
    assert found.rules == ordered(bare)


@given(RULES)
def test_a_rule_is_one_whether_authorized_described_or_recorded(rule: Rule) -> None:
    """The join compares them: an event must explain exactly what the next picture shows."""
    rule = replace(rule, rule_id="sgr-00000000000000001")
    name = "AuthorizeSecurityGroupEgress" if rule.direction is OUT else "AuthorizeSecurityGroupIngress"
    record = permission_record(SG, rule)
    group = Group(SG, "web", "vpc-0123456789abcdef0", (rule,), (), ACCOUNT)
    bare = replace(rule, rule_id=None)

    answered = event("authorize-icmp", eventName=name, **record)
    asked = event("authorize-icmp", eventName=name, **record | {"responseElements": {"requestId": "r", "_return": True}})
    assert [change.rule for change in answered.rule_changes] == [rule]
    assert [change.rule for change in asked.rule_changes] == [bare]
    assert ec2_shapes.rule_of(described_rule(SG, rule)) == (SG, rule)
    assert ec2_shapes.group_of(described_group(group)).rules == (bare,)
    assert config_shapes.group_of(config_item(group)).rules == (bare,)


@pytest.mark.parametrize("name", ["authorize-long-form-every-peer", "authorize-icmp", "authorize-egress-all-protocols"])
def test_the_rules_of_our_fixtures_stand_as_they_were_authorized(name: str) -> None:
    """The same, with records as CloudTrail writes them instead of our own spelling."""
    changed = event(name)
    rules = [change.rule for change in changed.rule_changes]
    described = [ec2_shapes.rule_of(described_rule(SG, replace(rule, rule_id=rule.rule_id or "sgr-1")))[1] for rule in rules]
    assert [replace(rule, rule_id=None) for rule in described] == [replace(rule, rule_id=None) for rule in rules]
    request = load(name)["requestParameters"]["ipPermissions"]["items"]
    spelled = {"groupId": SG, "ipPermissions": [], "ipPermissionsEgress": [], "vpcId": "", "ownerId": ACCOUNT}
    key = "ipPermissionsEgress" if changed.event_name.endswith("Egress") else "ipPermissions"
    spelled[key] = [
        {inner: (value.get("items", []) if isinstance(value, dict) else value) for inner, value in entry.items()} for entry in request
    ]
    recorded = config_shapes.group_of({"resourceType": "AWS::EC2::SecurityGroup", "configuration": spelled})
    assert set(recorded.rules) == {replace(rule, rule_id=None) for rule in rules}


ODD_PERMISSIONS: dict[str, tuple[dict[str, Any], list[Rule]]] = {
    "strings beside objects": (
        {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipv4Ranges": [{"cidrIp": "0.0.0.0/0"}], "ipRanges": ["0.0.0.0/0"]},
        [Rule(IN, None, "tcp", 22, 22, V4, "0.0.0.0/0")],
    ),
    "strings that the objects lack, in two spellings": (
        {
            "ipProtocol": "tcp",
            "fromPort": 22,
            "toPort": 22,
            "ipv4Ranges": [{"cidrIp": "192.0.2.17/24"}, {"cidrIp": "198.51.100.7/32"}],
            "ipRanges": ["192.0.2.0/24", "198.51.100.7/32", "0.0.0.0/0"],
        },
        [Rule(IN, None, "tcp", 22, 22, V4, peer) for peer in ("0.0.0.0/0", "192.0.2.0/24", "198.51.100.7/32")],
    ),
    "strings beside an empty list of objects": (
        {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipv4Ranges": [], "ipRanges": ["192.0.2.0/24"]},
        [Rule(IN, None, "tcp", 22, 22, V4, "192.0.2.0/24")],
    ),
    "strings beside null": (
        {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipv4Ranges": None, "ipRanges": ["192.0.2.0/24"]},
        [Rule(IN, None, "tcp", 22, 22, V4, "192.0.2.0/24")],
    ),
    "all protocols with ports -1": (
        {"ipProtocol": "-1", "fromPort": -1, "toPort": -1, "ipRanges": ["0.0.0.0/0"]},
        [Rule(IN, None, "all", None, None, V4, "0.0.0.0/0")],
    ),
    "all protocols as a number, ports 0": (
        {"ipProtocol": -1, "fromPort": 0, "toPort": 0, "ipv6Ranges": [{"cidrIpv6": "::/0"}]},
        [Rule(IN, None, "all", None, None, V6, "::/0")],
    ),
    "tcp by number, ports as text": (
        {"ipProtocol": "6", "fromPort": "22", "toPort": "22", "ipRanges": ["192.0.2.0/24"]},
        [Rule(IN, None, "tcp", 22, 22, V4, "192.0.2.0/24")],
    ),
    "tcp without ports": (
        {"ipProtocol": "tcp", "ipRanges": ["192.0.2.0/24"]},
        [Rule(IN, None, "tcp", None, None, V4, "192.0.2.0/24")],
    ),
    "host bits": (
        {"ipProtocol": "-1", "ipRanges": ["43.0.0.0/0", "192.0.2.17/24"]},
        [Rule(IN, None, "all", None, None, V4, "0.0.0.0/0"), Rule(IN, None, "all", None, None, V4, "192.0.2.0/24")],
    ),
    "a long IPv6 spelling": (
        {"ipProtocol": "58", "fromPort": -1, "toPort": -1, "ipv6Ranges": [{"cidrIpv6": "2001:0DB8:0:0::1/64"}]},
        [Rule(IN, None, "icmpv6", -1, -1, V6, "2001:db8::/64")],
    ),
    "a group of another account": (
        {
            "ipProtocol": "-1",
            "userIdGroupPairs": [{"userId": "444455556666", "groupId": "sg-0fedcba9876543210", "peeringStatus": "active"}],
        },
        [Rule(IN, None, "all", None, None, GROUP, "sg-0fedcba9876543210")],
    ),
    "a group by name alone": (
        {"ipProtocol": "-1", "userIdGroupPairs": [{"userId": "amazon-elb", "groupName": "amazon-elb-sg"}]},
        [Rule(IN, None, "all", None, None, GROUP, "amazon-elb/amazon-elb-sg")],
    ),
    "a prefix list with a description": (
        {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "prefixListIds": [{"prefixListId": PL, "description": "partners"}]},
        [Rule(IN, None, "tcp", 443, 443, LIST, PL, "partners")],
    ),
    "no peer at all": (
        {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": [], "userIdGroupPairs": []},
        [Rule(IN, None, "tcp", 22, 22)],
    ),
    "a range that is no CIDR stays as it is": (
        {"ipProtocol": "-1", "ipRanges": ["anywhere"]},
        [Rule(IN, None, "all", None, None, V4, "anywhere")],
    ),
}


@pytest.mark.parametrize("name", ODD_PERMISSIONS)
def test_odd_permissions_are_read(name: str) -> None:
    """What AWS Config wrote over the years."""
    given_, expected = ODD_PERMISSIONS[name]
    item = {"resourceId": SG, "configuration": json.dumps({"ipPermissions": [given_], "ipPermissionsEgress": []})}
    assert config_shapes.group_of(item).rules == ordered(expected)


def test_the_id_name_and_tags_of_a_group_are_found_wherever_they_are() -> None:
    """An item may lack what its configuration tells, and the other way round."""
    body = {"ipPermissions": [], "groupId": SG, "groupName": "web", "tags": [{"key": "team", "value": "blue"}, {"key": "a", "value": ""}]}
    found = config_shapes.group_of({"configuration": body, "tags": None})
    assert (found.group_id, found.name, found.tags) == (SG, "web", (("a", ""), ("team", "blue")))
    found = config_shapes.group_of(
        {"resourceId": SG, "resourceName": "web", "configuration": {"ipPermissions": []}, "tags": {"b": "2", "a": "1"}}
    )
    assert (found.group_id, found.name, found.tags) == (SG, "web", (("a", "1"), ("b", "2")))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-01T10:20:30.456Z", CAPTURED),
        ("2026-03-01T12:20:30.456000+02:00", CAPTURED),
        (CAPTURED, CAPTURED),
        (CAPTURED.astimezone(timezone(timedelta(hours=5))), CAPTURED),
        (CAPTURED.replace(tzinfo=None), CAPTURED),
        (1772360430.456, datetime.fromtimestamp(1772360430.456, UTC)),
        (None, None),
    ],
    ids=["notification", "command line", "SDK", "SDK elsewhere", "naive", "wire", "not selected"],
)
def test_the_time_of_an_item_is_read_in_every_spelling(value: Any, expected: datetime | None) -> None:
    """It decides which of two items stands."""
    assert config_shapes.captured_at({"configurationItemCaptureTime": value}) == expected


# Prefix lists.


def test_a_managed_prefix_list_is_read_with_its_entries() -> None:
    """Entries in canonical spelling, in one order."""
    item = {"PrefixListId": PL, "PrefixListName": "partners", "Version": 3, "MaxEntries": 10, "OwnerId": ACCOUNT, "AddressFamily": "IPv4"}
    entries = [{"Cidr": "198.51.100.7/24", "Description": "b"}, {"Cidr": "192.0.2.0/24"}]
    expected = PrefixList(PL, "partners", 3, (("192.0.2.0/24", ""), ("198.51.100.0/24", "b")), ACCOUNT, 10)
    assert ec2_shapes.prefix_list_of(item, entries) == expected


@pytest.mark.parametrize("as_text", [False, True], ids=["object", "JSON text"])
def test_a_recorded_prefix_list_is_in_pascal_case(as_text: bool) -> None:
    """AWS::EC2::PrefixList has the names of CloudFormation."""
    body: Any = {
        "PrefixListId": PL, "PrefixListName": "partners", "Version": 3, "MaxEntries": 10, "OwnerId": ACCOUNT, "AddressFamily": "IPv6",
        "Entries": [{"Cidr": "2001:DB8::/32", "Description": "b"}],
    }  # fmt: skip
    item = {
        "resourceType": "AWS::EC2::PrefixList",
        "configuration": json.dumps(body) if as_text else body,
        "configurationItemCaptureTime": "2026-03-01T10:20:30.456Z",
    }
    assert config_shapes.prefix_list_of(item) == PrefixList(PL, "partners", 3, (("2001:db8::/32", "b"),), ACCOUNT, 10, CAPTURED)


# Interfaces.

_INTERFACE: dict[str, Any] = {
    "NetworkInterfaceId": "eni-0123456789abcdef0",
    "OwnerId": ACCOUNT,
    "VpcId": "vpc-0123456789abcdef0",
    "Groups": [{"GroupId": SG, "GroupName": "web"}],
    "Attachment": {"InstanceId": "i-0123456789abcdef0", "Status": "attached"},
    "PrivateIpAddress": "10.0.0.5",
    "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": "10.0.0.5"}, {"Primary": False, "PrivateIpAddress": "10.0.0.6"}],
    "Ipv6Addresses": [],
}
_PLAIN = Interface(
    "eni-0123456789abcdef0", (SG,), (), (), "i-0123456789abcdef0", ("10.0.0.5", "10.0.0.6"), ACCOUNT, "vpc-0123456789abcdef0"
)
INTERFACES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "private": ({}, {}),
    "an elastic address": ({"Association": {"PublicIp": "198.51.100.7", "IpOwnerId": ACCOUNT}}, {"public_ipv4": ("198.51.100.7",)}),
    "one on a secondary address": (
        {
            "PrivateIpAddresses": [
                {"PrivateIpAddress": "10.0.0.5"},
                {"PrivateIpAddress": "10.0.0.6", "Association": {"PublicIp": "198.51.100.8"}},
            ]
        },
        {"public_ipv4": ("198.51.100.8",)},
    ),
    "a carrier's address is not the internet's": ({"Association": {"CarrierIp": "198.51.100.7"}}, {}),
    "global IPv6": ({"Ipv6Addresses": [{"Ipv6Address": "2001:db8::5"}]}, {"global_ipv6": ("2001:db8::5",)}),
    "unique local IPv6": ({"Ipv6Addresses": [{"Ipv6Address": "fd00::5"}]}, {}),
    "a delegated prefix": ({"Ipv6Prefixes": [{"Ipv6Prefix": "2001:db8:0:1::/80"}]}, {"global_ipv6": ("2001:db8:0:1::/80",)}),
    "IPv6 cut off from internet gateways": ({"Ipv6Addresses": [{"Ipv6Address": "2001:db8::5"}], "DenyAllIgwTraffic": True}, {}),
    "an address that is none": ({"Ipv6Addresses": [{"Ipv6Address": "x"}]}, {}),
    "attached to nothing": ({"Attachment": None}, {"instance_id": ""}),
    "no group": ({"Groups": []}, {"groups": ()}),
}


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _camel(inner) for key, inner in value.items()}
    return [_camel(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", INTERFACES)
def test_interfaces_tell_how_they_can_be_reached(name: str) -> None:
    """From EC2 and from AWS Config alike."""
    changed, expected = INTERFACES[name]
    item = _INTERFACE | changed
    assert ec2_shapes.interface_of(item) == replace(_PLAIN, **expected)
    recorded = {
        "resourceType": "AWS::EC2::NetworkInterface",
        "resourceId": "eni-0123456789abcdef0",
        "configuration": json.dumps(_camel(item)),
    }
    assert config_shapes.interface_of(recorded) == replace(_PLAIN, **expected)


def test_attachments_sum_up_interfaces_by_group() -> None:
    """One public interface makes the group public."""
    interfaces = [
        replace(_PLAIN, groups=(SG, "sg-1")),
        replace(_PLAIN, public_ipv4=("198.51.100.7",)),
        replace(_PLAIN, groups=("sg-1",), global_ipv6=("2001:db8::5",)),
        replace(_PLAIN, groups=()),
    ]
    assert attachments_of(interfaces) == {SG: Attachment(2, public_ipv4=True), "sg-1": Attachment(2, public_ipv6=True)}


# What cannot be understood.

_RULE = described_rule(SG, Rule(IN, "sgr-1", "tcp", 22, 22, V4, "0.0.0.0/0"))
_OPEN = permission(Rule(IN, None, "tcp", 22, 22, V4, "0.0.0.0/0"))
_BODY = configuration(Group(SG))


def _item(**changes: Any) -> dict[str, Any]:
    return {"resourceType": "AWS::EC2::SecurityGroup", "resourceId": SG, "awsRegion": "eu-west-1", "configuration": _BODY} | changes


FAULTS: dict[str, tuple[Any, Any, str]] = {
    "a group that is text": (ec2_shapes.group_of, "sg-1", "a group of DescribeSecurityGroups: is text, not an object"),
    "a group without id": (ec2_shapes.group_of, {"GroupName": "x"}, "has no GroupId"),
    "a group with an object for an id": (ec2_shapes.group_of, {"GroupId": {"a": "b"}}, "has no GroupId"),
    "permissions that are text": (ec2_shapes.group_of, {"GroupId": SG, "IpPermissions": "all"}, f"{SG}: IpPermissions is text, not a list"),
    "permissions that are a number": (ec2_shapes.group_of, {"GroupId": SG, "IpPermissions": 5}, "IpPermissions is a number, not a list"),
    "a permission that is null": (
        ec2_shapes.group_of,
        {"GroupId": SG, "IpPermissions": [None]},
        "ingress permission 0: is null, not an object",
    ),
    "a permission without peers": (
        ec2_shapes.group_of,
        {"GroupId": SG, "IpPermissions": [_OPEN, {"IpProtocol": "tcp"}]},
        "ingress permission 1: names no ranges",
    ),
    "an egress peer without CIDR": (
        ec2_shapes.group_of,
        {"GroupId": SG, "IpPermissionsEgress": [_OPEN | {"IpRanges": [{"Description": "x"}]}]},
        "egress permission 0: has a peer without CIDR",
    ),
    "an empty permission": (ec2_shapes.group_of, {"GroupId": SG, "IpPermissions": [{"IpRanges": []}]}, "has neither protocol nor peers"),
    "ranges that are text": (
        ec2_shapes.group_of,
        {"GroupId": SG, "IpPermissions": [_OPEN | {"IpRanges": "0.0.0.0/0"}]},
        "ipranges is text",
    ),
    "an endless list": (
        ec2_shapes.group_of,
        {"GroupId": SG, "IpPermissions": [_OPEN] * 20_000},
        "IpPermissions has 20000 elements or more",
    ),
    "a tag without key": (ec2_shapes.group_of, {"GroupId": SG, "Tags": [{"Value": "x"}]}, "has a tag without a key"),
    "tags that are text": (ec2_shapes.group_of, {"GroupId": SG, "Tags": "x"}, "tags is text, not a list"),
    "a rule without id": (ec2_shapes.rule_of, _RULE | {"SecurityGroupRuleId": None}, "has no SecurityGroupRuleId"),
    "a rule without group": (ec2_shapes.rule_of, _RULE | {"GroupId": ""}, "DescribeSecurityGroupRules, sgr-1: has no GroupId"),
    "a rule without direction": (ec2_shapes.rule_of, _RULE | {"IsEgress": None}, "sgr-1: has no IsEgress"),
    "a rule with an odd peer": (ec2_shapes.rule_of, _RULE | {"CidrIpv4": {"a": 1}}, "sgr-1: has a CidrIpv4 that cannot be read"),
    "a list without id": (lambda item: ec2_shapes.prefix_list_of(item, []), {}, "has no PrefixListId"),
    "an entry without CIDR": (
        lambda item: ec2_shapes.prefix_list_of(item, [{"Cidr": "192.0.2.0/24"}, {"Description": "x"}]),
        {"PrefixListId": PL},
        f"GetManagedPrefixListEntries, {PL}, entry 1: has no Cidr",
    ),
    "an entry that is no CIDR": (
        lambda item: ec2_shapes.prefix_list_of(item, ["anywhere"]),
        {"PrefixListId": PL},
        f"{PL}, entry 0: anywhere is no range of addresses",
    ),
    "an interface without id": (ec2_shapes.interface_of, {}, "has no NetworkInterfaceId"),
    "an interface with an odd group": (
        ec2_shapes.interface_of,
        {"NetworkInterfaceId": "eni-1", "Groups": [{}]},
        "eni-1, groups: has no groupId",
    ),
    "an item that is a list": (config_shapes.group_of, [], "is a list, not an object"),
    "an item of something else": (
        config_shapes.group_of,
        _item(resourceType="AWS::S3::Bucket"),
        f"AWS Config, eu-west-1, {SG}: is of AWS::S3::Bucket, not AWS::EC2::SecurityGroup",
    ),
    "a deleted group": (
        config_shapes.group_of,
        _item(configuration=None, configurationItemStatus="ResourceDeleted"),
        "has no configuration (its status is ResourceDeleted)",
    ),
    "a row without configuration": (config_shapes.group_of, {"resourceId": SG}, "has no configuration; a query must select it"),
    "a configuration that is no JSON": (config_shapes.group_of, _item(configuration="NOTJSON"), "configuration is text but no JSON"),
    "a configuration nested without end": (config_shapes.group_of, _item(configuration="[" * 100_000), "configuration is text but no JSON"),
    "a configuration that is huge": (config_shapes.group_of, _item(configuration=" " * 2**23), "configuration has over 4194304 characters"),
    "a configuration that is a list": (config_shapes.group_of, _item(configuration=[]), "configuration: is a list, not an object"),
    "a configuration without permissions": (
        config_shapes.group_of,
        _item(configuration={"groupId": SG}),
        "configuration has no ipPermissions",
    ),
    "an item without id": (config_shapes.group_of, {"configuration": {"ipPermissions": []}}, "without an id"),
    "a time that is none": (
        config_shapes.group_of,
        _item(configurationItemCaptureTime="yesterday"),
        "configurationItemCaptureTime is no time",
    ),
    "a time out of range": (config_shapes.group_of, _item(configurationItemCaptureTime=1e300), "configurationItemCaptureTime is no time"),
    "a recorded list without entries": (
        config_shapes.prefix_list_of,
        {"resourceId": PL, "configuration": {"PrefixListId": PL}},
        "configuration has no Entries",
    ),
    "a recorded interface without groups": (
        config_shapes.interface_of,
        {"resourceId": "eni-1", "configuration": {}},
        "configuration has no groups",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_understood_is_an_error_that_says_where(name: str) -> None:
    """A rule that was left out would count as closed, and a KeyError would end the round of every account."""
    read, item, message = FAULTS[name]
    with pytest.raises(SourceError) as caught:
        read(item)
    assert message in str(caught.value)
    assert caught.value.reason == "unreadable"


def test_text_of_attackers_is_bounded_and_escaped_in_errors() -> None:
    """Names of groups and rules reach a terminal and a log through these."""
    with pytest.raises(SourceError) as caught:
        ec2_shapes.rule_of({"SecurityGroupRuleId": "\x1b[2J" + "x" * 100_000})
    assert len(str(caught.value)) < 1000
    assert "\x1b" not in str(caught.value)
    found = ec2_shapes.group_of({"GroupId": "g" * 1000, "GroupName": "n" * 1000, "Tags": [{"Key": "k" * 1000, "Value": "v" * 1000}]})
    assert max(map(len, (found.group_id, found.name, *found.tags[0]))) <= 256


@pytest.mark.parametrize("status", ["ResourceDeleted", "ResourceDeletedNotRecorded"])
def test_deleted_groups_are_told_apart(status: str) -> None:
    """A group that is gone has no rules, which is not the same as one that cannot be read."""
    assert config_shapes.is_deleted({"configurationItemStatus": status, "configuration": None})
    assert not config_shapes.is_deleted({"configurationItemStatus": "OK"})
    assert not config_shapes.is_deleted({})
