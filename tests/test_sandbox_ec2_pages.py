"""The sandbox answers EC2's lists of groups, rules, interfaces and prefix lists in pages, and keeps VPC associations, as EC2 does."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.pages import InvalidTokenError, Pages
from tests.sandbox_client import ACCOUNT, REGION, client


@pytest.fixture
def vpc(ec2):
    """Return the id of a new VPC."""
    return ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]


@pytest.fixture
def group(ec2, vpc):
    """Return the id of a new group with 12 rules beside its implicit one."""
    group_id = ec2.create_security_group(GroupName="pages", Description="d", VpcId=vpc)["GroupId"]
    ranges = [{"CidrIp": f"192.0.2.{n}/32"} for n in range(12)]
    ec2.authorize_security_group_ingress(
        GroupId=group_id, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges}]
    )
    return group_id


def of_group(group_id: str) -> list[dict[str, Any]]:
    """Return a filter."""
    return [{"Name": "group-id", "Values": [group_id]}]


def permission(kind: str, peer: str, from_port: int, to_port: int) -> dict[str, Any]:
    """Return what lets a peer of a kind in."""
    lists: dict[str, dict[str, Any]] = {
        "CidrIpv4": {"IpRanges": [{"CidrIp": peer}]},
        "CidrIpv6": {"Ipv6Ranges": [{"CidrIpv6": peer}]},
        "PrefixListId": {"PrefixListIds": [{"PrefixListId": peer}]},
        "ReferencedGroupId": {"UserIdGroupPairs": [{"GroupId": peer}]},
    }
    return {"IpProtocol": "tcp", "FromPort": from_port, "ToPort": to_port, **lists[kind]}


def code(call: Any, **asked: Any) -> str:
    """Return the code of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**asked)
    return str(caught.value.response["Error"]["Code"])


def test_pages_of_rules_together_are_all_rules_each_once(ec2, group):
    """Otherwise a reader that forgets the token passes every test."""
    whole = ec2.describe_security_group_rules(Filters=of_group(group))
    assert "NextToken" not in whole
    assert len(whole["SecurityGroupRules"]) == 13
    first = ec2.describe_security_group_rules(Filters=of_group(group), MaxResults=5)
    assert len(first["SecurityGroupRules"]) == 5
    pages = ec2.get_paginator("describe_security_group_rules").paginate(Filters=of_group(group), PaginationConfig={"PageSize": 5})
    found = [rule["SecurityGroupRuleId"] for page in pages for rule in page["SecurityGroupRules"]]
    assert sorted(found) == sorted(rule["SecurityGroupRuleId"] for rule in whole["SecurityGroupRules"])


def test_what_comes_and_goes_between_two_pages_moves_nothing_else(ec2, group):
    """A token that is a number of members would skip one for each that is gone."""
    before = {rule["SecurityGroupRuleId"] for rule in ec2.describe_security_group_rules(Filters=of_group(group))["SecurityGroupRules"]}
    first = ec2.describe_security_group_rules(Filters=of_group(group), MaxResults=6)
    seen = [rule["SecurityGroupRuleId"] for rule in first["SecurityGroupRules"] if not rule["IsEgress"]]
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=seen)
    rest = ec2.describe_security_group_rules(Filters=of_group(group), MaxResults=100, NextToken=first["NextToken"])
    found = {rule["SecurityGroupRuleId"] for rule in [*first["SecurityGroupRules"], *rest["SecurityGroupRules"]]}
    assert found == before
    assert "NextToken" not in rest


def test_a_token_is_good_for_the_same_request_alone(sandbox, ec2, group):
    """EC2 refuses a token with other filters, as it does one that nobody gave."""
    token = ec2.describe_security_group_rules(Filters=of_group(group), MaxResults=5)["NextToken"]
    other = client(sandbox, "ec2", region="eu-west-1")
    for call, asked in (
        (ec2.describe_security_group_rules, {"MaxResults": 5}),
        (ec2.describe_security_group_rules, {"MaxResults": 5, "Filters": of_group("sg-0fedcba9876543210")}),
        (other.describe_security_group_rules, {"MaxResults": 5, "Filters": of_group(group)}),
    ):
        assert code(call, NextToken=token, **asked) == "InvalidNextToken"
    for wrong in ("5", "nonsense", token[:-4] + "AAAA", "é"):
        assert code(ec2.describe_security_group_rules, NextToken=wrong, MaxResults=5, Filters=of_group(group)) == "InvalidNextToken"
    # Another size of page is allowed.
    assert ec2.describe_security_group_rules(Filters=of_group(group), MaxResults=9, NextToken=token)["SecurityGroupRules"]


@pytest.mark.parametrize(
    ("operation", "wrong", "right"),
    [
        ("describe_security_group_rules", 1001, 1000),
        ("describe_security_groups", 1001, 5),
        ("describe_network_interfaces", 1001, 5),
        ("describe_security_group_vpc_associations", 1001, 5),
        ("describe_managed_prefix_lists", 101, 100),
    ],
)
def test_a_page_has_bounds(ec2, operation, wrong, right):
    """What EC2 would refuse must be refused here; below the least, boto3 itself refuses."""
    call = getattr(ec2, operation)
    assert code(call, MaxResults=wrong) == "InvalidParameterValue"
    assert call(MaxResults=right)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_too_small_a_page_is_refused_also_where_the_client_does_not_look(sandbox):
    """Our own caller does not know the models of boto3."""
    plain = client(sandbox, "ec2")
    plain.meta.events.register("before-call.ec2.DescribeSecurityGroups", lambda params, **_: params["body"].update(MaxResults=4))
    assert code(plain.describe_security_groups) == "InvalidParameterValue"


def test_pages_and_ids_do_not_go_together(ec2, group):
    """EC2 refuses both in one request."""
    rule = ec2.describe_security_group_rules(Filters=of_group(group))["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    assert code(ec2.describe_security_group_rules, SecurityGroupRuleIds=[rule], MaxResults=5) == "InvalidParameterCombination"
    assert code(ec2.describe_security_groups, GroupIds=[group], MaxResults=5) == "InvalidParameterCombination"


def test_groups_interfaces_and_prefix_lists_come_in_pages(ec2, vpc):
    """All lists of a snapshot are longer than a page somewhere."""
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    here = [{"Name": "vpc-id", "Values": [vpc]}]
    groups = {ec2.create_security_group(GroupName=f"g{n}", Description="d", VpcId=vpc)["GroupId"] for n in range(7)}
    interfaces = {ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"] for n in range(7)}
    lists = {
        ec2.create_managed_prefix_list(PrefixListName=f"l{n}", MaxEntries=3, AddressFamily="IPv4")["PrefixList"]["PrefixListId"]
        for n in range(3)
    }
    for operation, member, key, asked, size, expected in (
        ("describe_security_groups", "SecurityGroups", "GroupId", {"Filters": here}, 5, groups),
        ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId", {"Filters": here}, 5, interfaces),
        ("describe_managed_prefix_lists", "PrefixLists", "PrefixListId", {}, 2, lists),
    ):
        pages = list(ec2.get_paginator(operation).paginate(**asked, PaginationConfig={"PageSize": size}))
        found = [item[key] for page in pages for item in page[member]]
        assert len(pages) > 1
        assert len(found) == len(set(found))
        assert expected <= set(found)


def test_a_customers_prefix_list_tells_owner_version_and_room_and_awss_own_belong_to_aws(ec2):
    """What a rule opens depends on the entries, and a quota on the most that there may be."""
    made = ec2.create_managed_prefix_list(
        PrefixListName="offices", MaxEntries=7, AddressFamily="IPv4", Entries=[{"Cidr": "192.0.2.0/24", "Description": "a"}]
    )["PrefixList"]["PrefixListId"]
    (told,) = ec2.describe_managed_prefix_lists(PrefixListIds=[made])["PrefixLists"]
    assert (told["OwnerId"], told["Version"], told["MaxEntries"], told["PrefixListName"]) == (ACCOUNT, 1, 7, "offices")
    changes = [{"Cidr": "192.0.2.0/24", "Description": "b"}, {"Cidr": "198.51.100.0/24"}]
    ec2.modify_managed_prefix_list(PrefixListId=made, CurrentVersion=1, AddEntries=changes)
    (told,) = ec2.describe_managed_prefix_lists(PrefixListIds=[made])["PrefixLists"]
    assert (told["Version"], told["PrefixListName"]) == (2, "offices")
    entries = ec2.get_managed_prefix_list_entries(PrefixListId=made)["Entries"]
    assert {entry["Cidr"]: entry.get("Description") for entry in entries} == {"192.0.2.0/24": "b", "198.51.100.0/24": None}
    old = ec2.get_managed_prefix_list_entries(PrefixListId=made, TargetVersion=1)["Entries"]
    assert old == [{"Cidr": "192.0.2.0/24", "Description": "a"}]
    assert code(ec2.get_managed_prefix_list_entries, PrefixListId=made, TargetVersion=3) == "InvalidParameterValue"
    assert code(ec2.get_managed_prefix_list_entries, PrefixListId="pl-0123456789abcdef0") == "InvalidPrefixListID.NotFound"
    stale = {"PrefixListId": made, "CurrentVersion": 1, "RemoveEntries": [{"Cidr": "192.0.2.0/24"}]}
    assert code(ec2.modify_managed_prefix_list, **stale) == "PrefixListVersionMismatch"

    by_name = {item["PrefixListName"]: item for item in ec2.describe_managed_prefix_lists()["PrefixLists"]}
    own = by_name[f"com.amazonaws.{REGION}.s3"]
    assert (own["OwnerId"], own["PrefixListArn"]) == ("AWS", f"arn:aws:ec2:{REGION}:aws:prefix-list/{own['PrefixListId']}")
    assert "Version" not in own
    assert ec2.get_managed_prefix_list_entries(PrefixListId=own["PrefixListId"])["Entries"]


def test_entries_of_a_prefix_list_come_in_pages_of_at_most_a_hundred(ec2):
    """A long list that is cut at its first page would hide what it opens."""
    entries = [{"Cidr": f"198.51.100.{n}/32"} for n in range(120)]
    made = ec2.create_managed_prefix_list(PrefixListName="long", MaxEntries=200, AddressFamily="IPv4", Entries=entries[:100])["PrefixList"]
    ec2.modify_managed_prefix_list(PrefixListId=made["PrefixListId"], CurrentVersion=1, AddEntries=entries[100:])
    first = ec2.get_managed_prefix_list_entries(PrefixListId=made["PrefixListId"])
    assert len(first["Entries"]) == 100
    rest = ec2.get_managed_prefix_list_entries(PrefixListId=made["PrefixListId"], NextToken=first["NextToken"])
    assert {entry["Cidr"] for entry in [*first["Entries"], *rest["Entries"]]} == {entry["Cidr"] for entry in entries}


def test_rules_tell_owner_arn_tags_description_and_who_is_let_in(ec2, vpc):
    """Prefix lists, referenced groups, IPv6 and protocols without ports lose something in moto."""
    group, other = (ec2.create_security_group(GroupName=name, Description="d", VpcId=vpc)["GroupId"] for name in ("all", "other"))
    offices = ec2.create_managed_prefix_list(PrefixListName="p", MaxEntries=3, AddressFamily="IPv4")["PrefixList"]["PrefixListId"]
    permissions = [
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "PrefixListIds": [{"PrefixListId": offices, "Description": "list"}]},
        {"IpProtocol": "58", "FromPort": -1, "ToPort": -1, "Ipv6Ranges": [{"CidrIpv6": "::/0", "Description": "ping"}]},
        {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
        {"IpProtocol": "50", "IpRanges": [{"CidrIp": "192.0.2.0/24"}]},
        {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": other, "Description": "peer"}, {"GroupId": group}]},
    ]
    tags = [{"ResourceType": "security-group-rule", "Tags": [{"Key": "team", "Value": "net"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions, TagSpecifications=tags)
    told = ec2.describe_security_group_rules(Filters=of_group(group))["SecurityGroupRules"]
    (implicit,) = (rule for rule in told if rule["IsEgress"])
    assert (implicit["IpProtocol"], implicit["FromPort"], implicit["ToPort"], implicit["CidrIpv4"]) == ("-1", -1, -1, "0.0.0.0/0")
    assert {rule["GroupOwnerId"] for rule in told} == {ACCOUNT}
    arns = {f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group-rule/{rule['SecurityGroupRuleId']}" for rule in told}
    assert {rule["SecurityGroupRuleArn"] for rule in told} == arns
    ingress = [rule for rule in told if not rule["IsEgress"]]
    assert all(rule["Tags"] == [{"Key": "team", "Value": "net"}] for rule in ingress)
    peers = ("CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupInfo")
    meant = [
        (rule["IpProtocol"], rule["FromPort"], rule["ToPort"], next(rule[peer] for peer in peers if peer in rule), rule.get("Description"))
        for rule in ingress
    ]
    assert meant == [
        ("tcp", 22, 22, offices, "list"),
        ("icmpv6", -1, -1, "::/0", "ping"),
        ("icmp", 8, -1, "0.0.0.0/0", None),
        ("50", -1, -1, "192.0.2.0/24", None),
        ("-1", -1, -1, {"GroupId": other, "UserId": ACCOUNT}, "peer"),
        ("-1", -1, -1, {"GroupId": group, "UserId": ACCOUNT}, None),
    ]
    (described,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    first = described["IpPermissions"][0]
    assert first["PrefixListIds"] == [{"PrefixListId": offices, "Description": "list"}]
    (esp,) = (item for item in described["IpPermissions"] if item["IpProtocol"] == "50")
    assert "FromPort" not in esp


@pytest.mark.parametrize("kind", ["CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupId"])
def test_every_kind_of_rule_is_modified_described_and_revoked(ec2, vpc, kind):
    """moto changes rules of IPv4 alone, and loses the rest in silence."""
    groups = [ec2.create_security_group(GroupName=f"g{n}", Description="d", VpcId=vpc)["GroupId"] for n in range(3)]
    lists = [
        ec2.create_managed_prefix_list(PrefixListName="p", MaxEntries=3, AddressFamily="IPv4")["PrefixList"]["PrefixListId"]
        for n in range(2)
    ]
    old, new = {
        "CidrIpv4": ("192.0.2.0/24", "0.0.0.0/0"),
        "CidrIpv6": ("2001:db8::/32", "::/0"),
        "PrefixListId": tuple(lists),
        "ReferencedGroupId": tuple(groups[1:]),
    }[kind]
    asked = {"GroupId": groups[0], "IpPermissions": [permission(kind, old, 443, 443)]}
    rule = ec2.authorize_security_group_ingress(**asked)["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    change = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 23, kind: new, "Description": "wider"}
    ec2.modify_security_group_rules(GroupId=groups[0], SecurityGroupRules=[{"SecurityGroupRuleId": rule, "SecurityGroupRule": change}])
    (told,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule])["SecurityGroupRules"]
    found = told["ReferencedGroupInfo"]["GroupId"] if kind == "ReferencedGroupId" else told[kind]
    assert (told["IpProtocol"], told["FromPort"], told["ToPort"], found, told["Description"]) == ("tcp", 22, 23, new, "wider")
    ec2.update_security_group_rule_descriptions_ingress(
        GroupId=groups[0], SecurityGroupRuleDescriptions=[{"SecurityGroupRuleId": rule, "Description": "ticket 7"}]
    )
    (told,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule])["SecurityGroupRules"]
    assert told["Description"] == "ticket 7"
    # What a rule allows is enough to revoke it; its description does not count.
    assert code(ec2.revoke_security_group_ingress, **asked) == "InvalidPermission.NotFound"
    widened = permission(kind, new, 22, 23)
    assert code(ec2.authorize_security_group_ingress, GroupId=groups[0], IpPermissions=[widened]) == "InvalidPermission.Duplicate"
    ec2.revoke_security_group_ingress(GroupId=groups[0], IpPermissions=[widened])
    assert not [
        item for item in ec2.describe_security_group_rules(Filters=of_group(groups[0]))["SecurityGroupRules"] if not item["IsEgress"]
    ]


def test_a_modification_that_is_refused_changes_nothing(ec2, group):
    """Of two changes in one call, neither is done where one is wrong."""
    rules = [rule for rule in ec2.describe_security_group_rules(Filters=of_group(group))["SecurityGroupRules"] if not rule["IsEgress"]]
    good = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "CidrIpv4": "198.51.100.0/24"}
    for bad, expected in (
        ({**good, "CidrIpv4": rules[2]["CidrIpv4"], "FromPort": 22, "ToPort": 22}, "InvalidPermission.Duplicate"),
        (good, "InvalidPermission.Duplicate"),
        ({"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "CidrIpv6": "::/0"}, "InvalidParameterValue"),
        ({"IpProtocol": "tcp", "CidrIpv4": "198.51.100.0/24"}, "InvalidParameterValue"),
        ({"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2}, "MissingParameter"),
    ):
        changes = [
            {"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": change}
            for rule, change in zip(rules, (good, bad), strict=False)
        ]
        assert code(ec2.modify_security_group_rules, GroupId=group, SecurityGroupRules=changes) == expected
        now = ec2.describe_security_group_rules(Filters=of_group(group))["SecurityGroupRules"]
        assert [rule for rule in now if not rule["IsEgress"]] == rules


def test_associations_with_further_vpcs_are_listed_until_they_end(ec2, group, vpc):
    """A group counts in every VPC that it is associated with."""
    other = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    assert ec2.associate_security_group_vpc(GroupId=group, VpcId=other)["State"] == "associating"
    (told,) = ec2.describe_security_group_vpc_associations(Filters=of_group(group))["SecurityGroupVpcAssociations"]
    assert told == {"GroupId": group, "VpcId": other, "VpcOwnerId": ACCOUNT, "State": "associated", "GroupOwnerId": ACCOUNT}
    assert not ec2.describe_security_group_vpc_associations(Filters=of_group("sg-0123456789abcdef0"))["SecurityGroupVpcAssociations"]
    ec2.disassociate_security_group_vpc(GroupId=group, VpcId=other)
    assert not ec2.describe_security_group_vpc_associations(Filters=of_group(group))["SecurityGroupVpcAssociations"]
    assert code(ec2.disassociate_security_group_vpc, GroupId=group, VpcId=other) == "InvalidSecurityGroupVpcAssociation.NotFound"
    ec2.associate_security_group_vpc(GroupId=group, VpcId=other)
    ec2.delete_vpc(VpcId=other)
    assert not ec2.describe_security_group_vpc_associations(Filters=of_group(group))["SecurityGroupVpcAssociations"]


def test_a_group_of_another_account_can_be_let_in_where_it_exists(sandbox, ec2, group):
    """A reference across accounts tells whose group it is."""
    answer = client(sandbox, "sts").assume_role(RoleArn="arn:aws:iam::444455556666:role/other", RoleSessionName="them")["Credentials"]
    them = client(sandbox, "ec2", key=answer["AccessKeyId"])
    theirs = them.create_security_group(GroupName="theirs", Description="d")["GroupId"]
    pair = {"GroupId": theirs, "UserId": "444455556666"}
    let_in = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [pair]}
    (rule,) = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[let_in])["SecurityGroupRules"]
    assert rule["ReferencedGroupInfo"] == pair
    let_in["UserIdGroupPairs"] = [{**pair, "GroupId": "sg-0fedcba9876543210"}]
    assert code(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[let_in]) == "InvalidGroup.NotFound"


def test_tokens_of_another_secret_are_refused():
    """Nobody can make a token up."""
    members = ["a", "b", "c"]
    token = Pages().page(members, str, 1, None, "request").token
    with pytest.raises(InvalidTokenError):
        Pages().page(members, str, 1, token, "request")
