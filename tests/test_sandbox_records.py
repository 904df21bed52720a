"""Calls of plain boto3 come out of the sandbox as the records that CloudTrail would write."""

from __future__ import annotations

import http.client
import re
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from exporter.catalog import WATCH_SETS, Watch
from exporter.model import ChangeEvent, Channel, Outcome, RuleAction
from exporter.parse import RecordParser
from sandbox.identities import Identity, parse_identity
from sandbox.server import Sandbox, Settings
from tests.sandbox_client import ACCOUNT, KEY, REGION, client, last, records

EXACTLY = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
DEPLOY_KEY = "AKIAI44QH8DHBEXAMPLE"
NOW = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(scope="module")
def sandbox():
    """Serve one sandbox for the module, with a role behind a second access key."""
    identities = {DEPLOY_KEY: parse_identity("role/Deploy/ci-run-42", ACCOUNT)}
    with Sandbox(Settings(identities=identities, delay=timedelta(0)), clock=lambda: NOW) as running:
        yield running


@pytest.fixture
def ec2(sandbox):
    """Return a client of EC2."""
    return client(sandbox, "ec2")


@pytest.fixture(scope="module")
def vpc(sandbox):
    """Return the id of a VPC."""
    return client(sandbox, "ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]


@pytest.fixture
def group(ec2, vpc, request):
    """Return the id of a group of the test's own."""
    return ec2.create_security_group(GroupName=re.sub(r"\W", "-", request.node.name), Description="a group", VpcId=vpc)["GroupId"]


def event(record: dict[str, Any]) -> ChangeEvent:
    """Return what the exporter makes of a record."""
    parsed = RecordParser(Watch(WATCH_SETS), lambda _changes: ()).parse(record, b"{}")
    assert isinstance(parsed, ChangeEvent), parsed
    return parsed


def answered(record: dict[str, Any]) -> dict[str, Any]:
    """Return responseElements without the request id, which must be there, be the record's own and stand first."""
    body = dict(record["responseElements"])
    assert next(iter(body)) == "requestId"
    assert body.pop("requestId") == record["requestID"]
    assert re.fullmatch(EXACTLY, record["requestID"])
    return body


def wrapped(record: dict[str, Any]) -> dict[str, Any]:
    """Return what stands in the wrapper of a newer call's answer, without the request id."""
    (name,) = record["responseElements"]
    assert name == record["eventName"] + "Response"
    body = dict(record["responseElements"][name])
    assert body.pop("requestId") == record["requestID"]
    assert body.pop("xmlns") == "http://ec2.amazonaws.com/doc/2016-11-15/"
    return body


def permission(**fields: Any) -> dict[str, Any]:
    """Return an asked permission of tcp 22 as records have it: every list of peers is there, empty or not."""
    return {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "groups": {}, "ipRanges": {}, "ipv6Ranges": {}, "prefixListIds": {}} | fields


def test_a_record_has_the_fields_of_cloudtrail_in_its_order(sandbox, ec2, group):
    """Otherwise the exporter is tested on records that AWS would not write."""
    record = last(sandbox)
    assert list(record) == [
        "eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent",
        "requestParameters", "responseElements", "requestID", "eventID", "readOnly", "eventType", "managementEvent",
        "recipientAccountId", "eventCategory", "tlsDetails",
    ]  # fmt: skip
    identity = record["userIdentity"]
    assert re.fullmatch(r"AIDAEXAMPLE\d{10}", identity["principalId"])
    assert {name: value for name, value in identity.items() if name != "principalId"} == {
        "type": "IAMUser",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/alice",
        "accountId": ACCOUNT,
        "accessKeyId": KEY,
        "userName": "alice",
    }
    assert record["eventTime"] == "2026-01-31T12:00:00Z"
    assert (record["eventSource"], record["awsRegion"], record["recipientAccountId"]) == ("ec2.amazonaws.com", REGION, ACCOUNT)
    assert (record["readOnly"], record["eventVersion"], record["eventType"]) == (False, "1.11", "AwsApiCall")
    assert re.fullmatch(EXACTLY, record["eventID"])
    assert record["userAgent"].startswith("Boto3/")
    assert event(record).channel is Channel.SDK


def test_create_security_group(sandbox, ec2, vpc):
    """Otherwise the only place where the new group's id stands, the answer, is not where it is looked for."""
    tags = [{"ResourceType": "security-group", "Tags": [{"Key": "team", "Value": "web"}]}]
    group = ec2.create_security_group(GroupName="web", Description="web servers", VpcId=vpc, TagSpecifications=tags)["GroupId"]
    record = last(sandbox)
    assert record["requestParameters"] == {
        "groupName": "web",
        "groupDescription": "web servers",
        "vpcId": vpc,
        "tagSpecificationSet": {"items": [{"resourceType": "security-group", "tags": [{"key": "team", "value": "web"}]}]},
    }
    assert answered(record) == {
        "_return": True,
        "groupId": group,
        "tagSet": {"items": [{"key": "team", "value": "web"}]},
        "securityGroupArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{group}",
    }
    assert event(record).security_groups == (group,)


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_authorize_in_long_form(sandbox, ec2, vpc, group, direction):
    """Otherwise a request with several permissions yields fewer rules than EC2 makes, or addresses that it would not store."""
    other = ec2.create_security_group(GroupName=f"other-{direction}", Description="o", VpcId=vpc)["GroupId"]
    asked = {
        "IpProtocol": "tcp",
        "FromPort": 22,
        "ToPort": 22,
        "IpRanges": [{"CidrIp": "192.0.2.17/24", "Description": "office"}, {"CidrIp": "198.51.100.0/24"}],
        "Ipv6Ranges": [{"CidrIpv6": "2001:DB8::1/32"}],
        "UserIdGroupPairs": [{"GroupId": other}],
        "PrefixListIds": [{"PrefixListId": "pl-0123456789abcdef0"}],
    }
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "203.0.113.0/24"}]}
    answer = getattr(ec2, f"authorize_security_group_{direction}")(GroupId=group, IpPermissions=[asked, everything])
    record = last(sandbox)
    assert record["eventName"] == f"AuthorizeSecurityGroup{direction.capitalize()}"
    all_protocols = permission(ipProtocol="-1", ipRanges={"items": [{"cidrIp": "203.0.113.0/24"}]})
    del all_protocols["fromPort"], all_protocols["toPort"]
    assert record["requestParameters"] == {
        "groupId": group,
        "ipPermissions": {
            "items": [
                permission(
                    groups={"items": [{"groupId": other}]},
                    ipRanges={"items": [{"cidrIp": "192.0.2.17/24", "description": "office"}, {"cidrIp": "198.51.100.0/24"}]},
                    ipv6Ranges={"items": [{"cidrIpv6": "2001:DB8::1/32"}]},
                    prefixListIds={"items": [{"prefixListId": "pl-0123456789abcdef0"}]},
                ),
                all_protocols,
            ]
        },
    }
    body = answered(record)
    rules = body.pop("securityGroupRuleSet")["items"]
    assert body == {"_return": True}
    ids = [rule["SecurityGroupRuleId"] for rule in answer["SecurityGroupRules"]]
    assert len(set(ids)) == len(rules) == 6
    peers: list[dict[str, Any]] = [
        {"cidrIpv4": "192.0.2.0/24", "description": "office"},
        {"cidrIpv4": "198.51.100.0/24"},
        {"cidrIpv6": "2001:db8::/32"},
        {"referencedGroupInfo": {"userId": ACCOUNT, "groupId": other}},
        {"prefixListId": "pl-0123456789abcdef0"},
        {"cidrIpv4": "203.0.113.0/24", "ipProtocol": "-1", "fromPort": -1, "toPort": -1},
    ]
    base = {"groupOwnerId": ACCOUNT, "groupId": group, "isEgress": direction == "egress", "ipProtocol": "tcp", "fromPort": 22, "toPort": 22}
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group-rule/"
    assert rules == [
        {**base, "securityGroupRuleId": rule_id, **peer, "securityGroupRuleArn": arn + rule_id}
        for rule_id, peer in zip(ids, peers, strict=True)
    ]
    assert {change.rule.rule_id for change in event(record).rule_changes} == set(ids)


def test_authorize_in_flat_form(sandbox, ec2, group):
    """Otherwise calls as the command line makes them have another shape here than at AWS."""
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    record = last(sandbox)
    assert record["requestParameters"] == {
        "groupId": group, "ipPermissions": {}, "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIp": "0.0.0.0/0",
    }  # fmt: skip
    (change,) = event(record).rule_changes
    assert (change.action, change.rule.peer, change.rule.from_port) == (RuleAction.ADDED, "0.0.0.0/0", 22)


def rule_ids(ec2: Any, group: str, egress: bool = False) -> list[str]:
    """Return the ids of a group's rules."""
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    return [rule["SecurityGroupRuleId"] for rule in rules if rule["IsEgress"] is egress]


def open_two(ec2: Any, group: str) -> list[str]:
    """Give a group two rules in one permission, and return their ids."""
    ranges = [{"CidrIp": "192.0.2.0/24", "Description": "office"}, {"CidrIp": "198.51.100.0/24"}]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges}]
    )
    return rule_ids(ec2, group)


def test_revoke_by_rule_id_names_the_rule_in_the_answer(sandbox, ec2, group):
    """Otherwise a revoke by id, whose request tells nothing of the rule, leaves the exporter without it."""
    first, second = open_two(ec2, group)
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[first])
    record = last(sandbox)
    assert record["requestParameters"] == {
        "groupId": group, "ipPermissions": {}, "securityGroupRuleIds": {"items": [{"securityGroupRuleId": first}]},
    }  # fmt: skip
    assert answered(record) == {
        "_return": True,
        "revokedSecurityGroupRuleSet": {
            "items": [
                {
                    "groupId": group, "securityGroupRuleId": first, "description": "office", "isEgress": False,
                    "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIpv4": "192.0.2.0/24",
                }
            ]
        },
    }  # fmt: skip
    assert rule_ids(ec2, group) == [second]
    assert [change.action for change in event(record).rule_changes] == [RuleAction.REMOVED]


def test_revoke_of_a_rule_that_is_not_there_fails(sandbox, ec2, group):
    """Otherwise Terraform's revoke of the IPv6 default, which a group in an IPv4 VPC has not, looks like a change."""
    absent = [{"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]
    with pytest.raises(ClientError, match=r"InvalidPermission\.NotFound"):
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=absent)
    record = last(sandbox)
    assert (record["errorCode"], record["responseElements"]) == ("Client.InvalidPermission.NotFound", None)
    assert event(record).outcome is Outcome.FAILED


def test_modify_is_logged_in_the_wrapper_dialect(sandbox, ec2, group):
    """Otherwise the dialect of newer calls (one is an object, several an array, numbers for text) is never met here."""
    first, second = open_two(ec2, group)
    new = {"IpProtocol": "-1", "FromPort": -1, "ToPort": -1, "CidrIpv4": "0.0.0.0/0", "Description": "123"}
    ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": first, "SecurityGroupRule": new}])
    coerced = {"IpProtocol": -1, "FromPort": -1, "ToPort": -1, "CidrIpv4": "0.0.0.0/0", "Description": 123}
    one = {"SecurityGroupRuleId": first, "tag": 1, "SecurityGroupRule": coerced}
    record = last(sandbox)
    assert record["requestParameters"] == {"ModifySecurityGroupRulesRequest": {"GroupId": group, "SecurityGroupRule": one}}
    assert wrapped(record) == {"return": True}
    assert [change.rule.rule_id for change in event(record).rule_changes] == [first]

    changed = [{"SecurityGroupRuleId": rule_id, "SecurityGroupRule": {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv4": cidr}} for rule_id, cidr in ((first, "192.0.2.0/24"), (second, "198.51.100.0/24"))]  # fmt: skip
    ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=changed)
    several = last(sandbox)["requestParameters"]["ModifySecurityGroupRulesRequest"]["SecurityGroupRule"]
    assert [item["tag"] for item in several] == [1, 2]
    assert several[1]["SecurityGroupRule"] == {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv4": "198.51.100.0/24"}


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_update_of_descriptions_in_both_forms(sandbox, ec2, group, direction):
    """Otherwise descriptions by rule id or by rule have a shape that AWS does not write."""
    update = getattr(ec2, f"update_security_group_rule_descriptions_{direction}")
    name = f"UpdateSecurityGroupRuleDescriptions{direction.capitalize()}"
    getattr(ec2, f"authorize_security_group_{direction}")(GroupId=group, IpProtocol="tcp", IpPermissions=[{"IpProtocol": "tcp", "FromPort": 25, "ToPort": 25, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}]) if direction == "egress" else ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=25, ToPort=25, CidrIp="192.0.2.0/24")  # fmt: skip
    rule_id = rule_ids(ec2, group, direction == "egress")[-1]
    update(GroupId=group, SecurityGroupRuleDescriptions=[{"SecurityGroupRuleId": rule_id, "Description": "reviewed"}])
    record = last(sandbox)
    assert record["eventName"] == name
    item = {"SecurityGroupRuleId": rule_id, "Description": "reviewed", "tag": 1}
    assert record["requestParameters"] == {f"{name}Request": {"GroupId": group, "SecurityGroupRuleDescription": item}}
    assert wrapped(record) == {"return": True}

    update(GroupId=group, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 25, "ToPort": 25, "IpRanges": [{"CidrIp": "192.0.2.0/24", "Description": "mail"}]}])  # fmt: skip
    by_rule = last(sandbox)["requestParameters"][f"{name}Request"]["IpPermissions"]
    assert by_rule == {
        "IpProtocol": "tcp", "FromPort": 25, "ToPort": 25, "tag": 1, "IpRanges": {"CidrIp": "192.0.2.0/24", "Description": "mail", "tag": 1},
    }  # fmt: skip
    assert event(last(sandbox)).outcome is Outcome.SUCCESS


@pytest.mark.parametrize(("verb", "state"), [("associate", "associating"), ("disassociate", "disassociating")])
def test_association_with_a_vpc(sandbox, ec2, vpc, group, verb, state):
    """Otherwise two of the twelve calls that change groups cannot be made here at all."""
    if verb == "disassociate":
        ec2.associate_security_group_vpc(GroupId=group, VpcId=vpc)
    assert getattr(ec2, f"{verb}_security_group_vpc")(GroupId=group, VpcId=vpc)["State"] == state
    record = last(sandbox)
    name = f"{verb.capitalize()}SecurityGroupVpc"
    assert record["requestParameters"] == {f"{name}Request": {"GroupId": group, "VpcId": vpc}}
    assert wrapped(record) == {"state": state}
    assert event(record).security_groups == (group,)
    with pytest.raises(ClientError, match=r"InvalidGroup\.NotFound"):
        getattr(ec2, f"{verb}_security_group_vpc")(GroupId="sg-0123456789abcdef0", VpcId=vpc)
    assert last(sandbox)["errorCode"] == "Client.InvalidGroup.NotFound"


def test_delete_tells_the_group_by_its_id_even_if_asked_by_name(sandbox, ec2, vpc, group, request):
    """Otherwise a delete by name cannot be joined to its group."""
    ec2.delete_security_group(GroupName=request.node.name)
    record = last(sandbox)
    assert record["requestParameters"] == {"groupName": request.node.name}
    assert answered(record) == {"_return": True, "groupId": group}
    assert event(record).security_groups == (group,)


def test_a_group_in_use_is_not_deleted(sandbox, ec2, vpc, group):
    """Otherwise failed deletes, common at AWS, never happen here."""
    user = ec2.create_security_group(GroupName="user-of-group", Description="u", VpcId=vpc)["GroupId"]
    pair = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": group}]}]
    ec2.authorize_security_group_ingress(GroupId=user, IpPermissions=pair)
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_security_group(GroupId=group)
    assert last(sandbox)["errorCode"] == "Client.DependencyViolation"
    ec2.revoke_security_group_ingress(GroupId=user, IpPermissions=pair)
    revoked = last(sandbox)["responseElements"]["revokedSecurityGroupRuleSet"]["items"]
    assert [rule["referencedGroupId"] for rule in revoked] == [group]
    ec2.delete_security_group(GroupId=group)
    assert "errorCode" not in last(sandbox)


def test_a_duplicate_rule_fails_with_the_prefix_of_ec2(sandbox, ec2, group):
    """Otherwise whoever filters by errorCode works here and not at AWS."""
    flat = {"GroupId": group, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "192.0.2.0/24"}
    ec2.authorize_security_group_ingress(**flat)
    with pytest.raises(ClientError, match=r"InvalidPermission\.Duplicate"):
        # The same network with host bits, which EC2 cuts off before it compares.
        ec2.authorize_security_group_ingress(**flat | {"CidrIp": "192.0.2.9/24"})
    record = last(sandbox)
    assert (record["errorCode"], record["responseElements"]) == ("Client.InvalidPermission.Duplicate", None)
    assert record["requestParameters"]["cidrIp"] == "192.0.2.9/24"


def test_a_refused_call_adds_none_of_its_rules(sandbox, ec2, group):
    """Otherwise rules stand here that no record explains, and a truth that is worked out from calls is wrong."""
    one, other = ({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]} for port in (22, 443))
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[one])
    with pytest.raises(ClientError, match=r"InvalidPermission\.Duplicate"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[other, one])
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    assert sorted(rule["FromPort"] for rule in rules) == [-1, 22]


def test_a_dry_run_changes_nothing_and_says_so(sandbox, ec2, group):
    """Otherwise a dry run counts as a change."""
    with pytest.raises(ClientError, match="DryRunOperation"):
        ec2.delete_security_group(GroupId=group, DryRun=True)
    record = last(sandbox)
    assert record["requestParameters"] == {"dryRun": True, "groupId": group}
    assert record["errorCode"] == "Client.DryRunOperation"
    assert event(record).outcome is Outcome.DRY_RUN
    assert ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]


def test_the_default_group_of_a_vpc_is_born_by_a_service_event(sandbox, ec2):
    """Otherwise the one group that no CreateSecurityGroup tells of is missing."""
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    record = last(sandbox)
    (default,) = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    assert record["userIdentity"] == {"accountId": ACCOUNT, "invokedBy": "ec2.amazonaws.com"}
    assert (record["eventName"], record["eventType"]) == ("CreateVpcResourceCreation", "AwsServiceEvent")
    assert record["serviceEventDetails"] == {"vpcId": vpc}
    assert [item["type"] for item in record["resources"]] == ["AWS::EC2::SecurityGroup", "AWS::EC2::RouteTable", "AWS::EC2::NetworkAcl"]
    assert "requestID" not in record
    assert event(record).security_groups == (default["GroupId"],)


def test_attachments_name_their_groups_where_the_catalog_looks(sandbox, ec2, vpc, group):
    """Otherwise attachments made here are not understood as those of AWS are."""
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{len(records(sandbox)) % 250}.0/24")["Subnet"]["SubnetId"]
    interface = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]["NetworkInterfaceId"]
    created = last(sandbox)
    assert created["requestParameters"]["groupSet"] == {"items": [{"groupId": group}]}
    assert created["responseElements"]["networkInterface"]["groupSet"]["items"][0]["groupId"] == group
    ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[group])
    assert last(sandbox)["requestParameters"] == {"networkInterfaceId": interface, "groupSet": {"items": [{"groupId": group}]}}
    ec2.create_tags(Resources=[group], Tags=[{"Key": "team", "Value": "web"}])
    assert last(sandbox)["requestParameters"] == {
        "resourcesSet": {"items": [{"resourceId": group}]}, "tagSet": {"items": [{"key": "team", "value": "web"}]},
    }  # fmt: skip
    for record in records(sandbox)[-3:]:
        assert event(record).security_groups == (group,), record


def test_a_prefix_list_is_logged_in_the_wrapper_dialect(sandbox, ec2):
    """Otherwise what opens rules without touching their group has another shape than at AWS."""
    entries = [{"Cidr": "192.0.2.0/24"}, {"Cidr": "198.51.100.0/24", "Description": "partner"}]
    ec2.create_managed_prefix_list(PrefixListName="office", MaxEntries=3, AddressFamily="IPv4", Entries=entries, ClientToken="example")
    asked = last(sandbox)["requestParameters"]["CreateManagedPrefixListRequest"]
    assert asked["Entry"] == [{"Cidr": "192.0.2.0/24", "tag": 1}, {"Cidr": "198.51.100.0/24", "Description": "partner", "tag": 2}]
    assert asked["MaxEntries"] == 3


def test_reads_are_recorded_without_an_answer(sandbox, ec2, group):
    """Otherwise Event history here lacks the reads in which AWS's drowns."""
    ec2.describe_security_groups(GroupIds=[group])
    record = last(sandbox)
    assert (record["readOnly"], record["responseElements"]) == (True, None)
    assert record["requestParameters"] == {
        "securityGroupSet": {}, "securityGroupIdSet": {"items": [{"groupId": group}]}, "filterSet": {},
    }  # fmt: skip


def test_the_access_key_tells_who_calls(sandbox, vpc, group):
    """Otherwise every change is alice's."""
    client(sandbox, "ec2", key=DEPLOY_KEY).delete_security_group(GroupId=group)
    record = last(sandbox)
    assert record["userIdentity"]["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/ci-run-42"
    assert record["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"] == "Deploy"
    assert event(record).principal.name == "role/Deploy"


def test_an_assumed_role_acts_in_its_own_account(sandbox):
    """Otherwise a second account cannot be reached as AWS lets one reach it."""
    arn = "arn:aws:iam::444455556666:role/ops/Auditor"
    given = client(sandbox, "sts").assume_role(RoleArn=arn, RoleSessionName="alice@example.com", DurationSeconds=900)["Credentials"]
    record = last(sandbox)
    assert record["eventSource"] == "sts.amazonaws.com"
    assert record["requestParameters"] == {"roleArn": arn, "roleSessionName": "alice@example.com", "durationSeconds": 900}
    assert record["responseElements"]["credentials"]["accessKeyId"] == given["AccessKeyId"]
    assert "secretAccessKey" not in record["responseElements"]["credentials"]
    assert record["readOnly"] is True

    there = client(sandbox, "ec2", "eu-west-1", given["AccessKeyId"], given["SessionToken"])
    there.create_security_group(GroupName="elsewhere", Description="there")
    created = last(sandbox)
    assert (created["recipientAccountId"], created["awsRegion"]) == ("444455556666", "eu-west-1")
    assert created["userIdentity"]["arn"] == "arn:aws:sts::444455556666:assumed-role/Auditor/alice@example.com"
    assert created["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] == arn
    names = {item["GroupName"] for item in client(sandbox, "ec2", "eu-west-1").describe_security_groups()["SecurityGroups"]}
    assert "elsewhere" not in names


def test_changes_of_iam_and_s3_are_recorded_as_those_services_log_them(sandbox):
    """Otherwise only EC2 can be watched here."""
    iam, s3 = client(sandbox, "iam"), client(sandbox, "s3")
    iam.create_user(UserName="dave", Tags=[{"Key": "team", "Value": "web"}])
    record = last(sandbox)
    assert (record["eventSource"], record["awsRegion"]) == ("iam.amazonaws.com", "us-east-1")
    assert record["requestParameters"] == {"userName": "dave", "tags": [{"key": "team", "value": "web"}]}
    assert record["responseElements"]["user"]["userName"] == "dave"
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.delete_user(UserName="nobody")
    assert last(sandbox)["errorCode"] == "NoSuchEntityException"

    key = iam.create_access_key(UserName="dave")["AccessKey"]
    assert key["SecretAccessKey"] not in str(last(sandbox))
    client(sandbox, "ec2", key=key["AccessKeyId"]).describe_vpcs()
    assert last(sandbox)["userIdentity"]["userName"] == "dave"

    s3.create_bucket(Bucket="example-bucket")
    policy = {"Version": "2012-10-17", "Statement": []}
    s3.put_bucket_policy(Bucket="example-bucket", Policy='{"Version":"2012-10-17","Statement":[]}')
    record = last(sandbox)
    assert (record["eventName"], record["resources"][0]["ARN"]) == ("PutBucketPolicy", "arn:aws:s3:::example-bucket")
    assert record["requestParameters"] == {
        "bucketName": "example-bucket", "Host": "s3.us-east-1.amazonaws.com", "bucketPolicy": policy, "policy": "",
    }  # fmt: skip
    count = len(records(sandbox))
    s3.put_object(Bucket="example-bucket", Key="a/b", Body=b"data")
    assert len(records(sandbox)) == count, "objects are data events"


def test_a_call_that_the_sandbox_does_not_know_fails_and_is_not_recorded(sandbox, ec2):
    """Otherwise a gap of the sandbox looks like something that AWS did."""
    count = len(records(sandbox))
    with pytest.raises(ClientError, match="NotImplemented"):
        ec2.describe_stale_security_groups(VpcId="vpc-0123456789abcdef0")
    with pytest.raises(ClientError, match="NotImplemented"):
        client(sandbox, "cloudtrail").list_imports()
    assert len(records(sandbox)) == count


def test_a_body_in_chunks_arrives_whole(sandbox):
    """Otherwise objects that a client streams are stored empty."""
    s3 = client(sandbox, "s3")
    s3.create_bucket(Bucket="example-chunks")
    host = sandbox.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    scope = f"{KEY}/20260131/{REGION}/s3/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none"}
    connection.request("PUT", "/example-chunks/key", body=iter([b"some ", b"data"]), headers=headers, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    assert s3.get_object(Bucket="example-chunks", Key="key")["Body"].read() == b"some data"


def test_ready_says_when():
    """Otherwise whoever starts it must guess when to begin."""
    with Sandbox(Settings()) as running, urllib.request.urlopen(running.url + "/-/ready") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("root", "root", ""),
        ("user/alice", "user", "alice"),
        ("role/Deploy/ci", "role", "Deploy"),
        ("sso/Admin/alice@example.com", "role", "AWSReservedSSO_Admin_0123456789abcdef"),
        ("444455556666:service/autoscaling.amazonaws.com", "service", "autoscaling.amazonaws.com"),
    ],
)
def test_identities_are_written_as_people_read_them(text, kind, name):
    """Otherwise the command line cannot say who calls."""
    identity = parse_identity(text, ACCOUNT)
    assert (identity.kind, identity.name) == (kind, name)
    assert identity.account_id == ("444455556666" if text.startswith("444455556666:") else ACCOUNT)


@pytest.mark.parametrize("text", ["", "alice", "user/", "role/Deploy", "service/autoscaling", "root/x", "user/a/b", "12:user/alice"])
def test_what_is_no_identity_is_refused_with_a_remedy(text):
    """Otherwise a typing error makes calls of somebody else."""
    with pytest.raises(ValueError, match="write KEY=root"):
        parse_identity(text, ACCOUNT)


def test_a_service_has_no_key_and_no_address():
    """Otherwise calls of the autoscaler look like a person's."""
    identity = Identity(ACCOUNT, "service", "autoscaling.amazonaws.com")
    assert identity.user_identity(KEY, REGION) == {"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"}
