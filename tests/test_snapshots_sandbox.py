"""What stands, read over HTTP by our own caller, is what boto3 tells of the same account."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from exporter.aws import RoleSettings
from exporter.errors import AwsError
from exporter.posture.settings import PostureSettings
from exporter.posture.standing import Part
from exporter.snapshots.base import ReadContext
from exporter.snapshots.units import readers
from sandbox.faults import Faults
from sandbox.identities import Identity
from sandbox.server import Sandbox, Settings
from tests.aws_session import MEMBER, Heard, opened
from tests.sandbox_client import ACCOUNT, REGION, client

pytestmark = pytest.mark.usefixtures("aws_environment")
EVERYTHING = {
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroupVpcAssociations",
    "ec2:DescribeManagedPrefixLists",
    "ec2:GetManagedPrefixListEntries",
    "ec2:DescribeNetworkInterfaces",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
}


@pytest.fixture
def sandbox():
    """Return a running sandbox."""
    with Sandbox(Settings(delay=timedelta(0), deliver=False)) as running:
        yield running


def context():
    return ReadContext(lambda: datetime.now(UTC))


def read(sandbox, heard=None, **settings):
    """Return the reading of the one account and region."""
    with opened(sandbox.url, heard) as aws:
        (reader,) = readers(PostureSettings(**settings), aws).readers
        (reading,) = reader.read(context())
    return reading


def make_groups(ec2, seed, count=12):
    """Make groups with rules of every kind, and a prefix list; return the ids of both."""
    chance = random.Random(seed)
    vpc_id = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    entries = [{"Cidr": f"198.51.100.{number}/32", "Description": f"office {number}"} for number in range(5)]
    list_id = ec2.create_managed_prefix_list(PrefixListName="offices", MaxEntries=9, AddressFamily="IPv4", Entries=entries)["PrefixList"]
    groups = [ec2.create_security_group(GroupName=f"web-{n}", Description="d", VpcId=vpc_id)["GroupId"] for n in range(count)]
    for group_id in groups:
        for port in chance.sample(range(1, 9000), chance.randint(0, 6)):
            protocol = chance.choice(["tcp", "udp"])
            permission = {"IpProtocol": protocol, "FromPort": port, "ToPort": port + chance.randint(0, 9)}
            permission |= chance.choice(
                [
                    {"IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "all"}, {"CidrIp": f"192.0.2.{port % 256}/32"}]},
                    {"Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]},
                    {"PrefixListIds": [{"PrefixListId": list_id["PrefixListId"]}]},
                    {"UserIdGroupPairs": [{"GroupId": groups[0]}]},
                ]
            )
            chance.choice([ec2.authorize_security_group_ingress, ec2.authorize_security_group_egress])(
                GroupId=group_id, IpPermissions=[permission]
            )
    return groups, list_id["PrefixListId"], vpc_id


def told(rule):
    """Return one rule as boto3 tells it."""
    direction = "egress" if rule["IsEgress"] else "ingress"
    peer = rule.get("CidrIpv4") or rule.get("CidrIpv6") or rule.get("PrefixListId") or rule["ReferencedGroupInfo"]["GroupId"]
    protocol = rule["IpProtocol"]
    ports = (None, None) if protocol == "-1" else (rule["FromPort"], rule["ToPort"])
    return (rule["SecurityGroupRuleId"], direction, "all" if protocol == "-1" else protocol, *ports, peer, rule.get("Description"))


@pytest.mark.parametrize("seed", range(3))
def test_groups_and_rules_are_those_that_boto3_tells(sandbox, seed):
    """Otherwise a rule that stands is not judged, or is judged as another."""
    ec2, heard = client(sandbox, "ec2"), Heard()
    groups, list_id, _ = make_groups(ec2, seed)
    reading = read(sandbox, heard)
    assert reading.failures == ()
    expected = {
        item["GroupId"]: (item["GroupName"], item["VpcId"], item["OwnerId"]) for item in ec2.describe_security_groups()["SecurityGroups"]
    }
    assert {group.group_id: (group.name, group.vpc_id, group.owner_id) for group in reading.groups} == expected
    assert set(groups) < set(expected)
    rules = {group.group_id: set() for group in reading.groups}
    for item in ec2.describe_security_group_rules()["SecurityGroupRules"]:
        rules[item["GroupId"]].add(told(item))
    found = {
        group.group_id: {
            (rule.rule_id, rule.direction, rule.protocol, rule.from_port, rule.to_port, rule.peer, rule.description) for rule in group.rules
        }
        for group in reading.groups
    }
    assert found == rules
    assert sum(map(len, found.values())) == sum(len(group.rules) for group in reading.groups)
    # Both answers agree, so that nothing is asked twice.
    assert heard.counts()["ec2:DescribeSecurityGroupRules"] == 1
    (listed,) = reading.prefix_lists
    entries = ec2.get_managed_prefix_list_entries(PrefixListId=list_id)["Entries"]
    assert (listed.list_id, listed.version, listed.max_entries) == (list_id, 1, 9)
    assert sorted(listed.entries) == sorted((entry["Cidr"], entry["Description"]) for entry in entries)


def test_more_than_a_page_is_read(sandbox):
    """Otherwise what is behind the first page of EC2 is closed."""
    ec2, heard = client(sandbox, "ec2"), Heard()
    vpc_id = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    ranges = [{"CidrIp": f"198.51.{number // 250}.{number % 250}/32"} for number in range(55)]
    for number in range(20):
        group_id = ec2.create_security_group(GroupName=f"g{number}", Description="d", VpcId=vpc_id)["GroupId"]
        permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges}
        ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[permission])
    reading = read(sandbox, heard)
    assert heard.counts()["ec2:DescribeSecurityGroupRules"] == 2
    assert sum(len(group.rules) for group in reading.groups) == len(ec2.describe_security_group_rules()["SecurityGroupRules"]) > 1000


def make_hosts(sandbox):
    """Make two instances, one of them with two interfaces, and a group for each; return the ids of the groups."""
    ec2 = client(sandbox, "ec2")
    vpc_id = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [item["SubnetId"] for item in ec2.describe_subnets()["Subnets"]][:2]
    groups = [ec2.create_security_group(GroupName=f"host-{n}", Description="d", VpcId=vpc_id)["GroupId"] for n in range(5)]
    instances = [
        ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1, SubnetId=subnets[0], SecurityGroupIds=[groups[number]])[
            "Instances"
        ][0]["InstanceId"]
        for number in range(2)
    ]
    second = ec2.create_network_interface(SubnetId=subnets[0], Groups=[groups[2]])["NetworkInterface"]["NetworkInterfaceId"]
    ec2.attach_network_interface(NetworkInterfaceId=second, InstanceId=instances[0], DeviceIndex=1)
    pod = ec2.create_network_interface(SubnetId=subnets[1], Groups=[groups[3]])["NetworkInterface"]
    return groups, instances, pod["PrivateIpAddress"], vpc_id, subnets


def test_interfaces_are_those_that_boto3_tells(sandbox):
    """Otherwise a group that is attached looks unused."""
    groups, *_ = make_hosts(sandbox)
    reading = read(sandbox)
    counted = {}
    for item in client(sandbox, "ec2").describe_network_interfaces()["NetworkInterfaces"]:
        for group in item["Groups"]:
            counted[group["GroupId"]] = counted.get(group["GroupId"], 0) + 1
    assert {group_id: attachment.interfaces for group_id, attachment in reading.attachments.items()} == counted
    assert groups[4] not in reading.attachments


def test_targets_of_every_kind_are_found_behind_load_balancers(sandbox):
    """Otherwise a host that the internet reaches through a load balancer is called private."""
    groups, instances, address, vpc_id, subnets = make_hosts(sandbox)
    elb, classic, heard = client(sandbox, "elbv2"), client(sandbox, "elb"), Heard()

    def balancer(name, scheme, kind="application"):
        made = elb.create_load_balancer(Name=name, Subnets=subnets, Scheme=scheme, Type=kind, SecurityGroups=[groups[4]])
        return made["LoadBalancers"][0]["LoadBalancerArn"]

    def target_group(name, kind, targets, arn, port=80):
        made = elb.create_target_group(Name=name, Protocol="HTTP", Port=port, VpcId=vpc_id, TargetType=kind)["TargetGroups"][0]
        elb.register_targets(TargetGroupArn=made["TargetGroupArn"], Targets=[{"Id": one} for one in targets])
        forward = [{"Type": "forward", "TargetGroupArn": made["TargetGroupArn"]}]
        elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=port, DefaultActions=forward)

    inner, front = balancer("inner", "internal"), balancer("front", "internet-facing")
    target_group("hidden", "instance", [instances[1]], inner)
    assert read(sandbox).balanced == frozenset()
    target_group("seen", "instance", [instances[0]], front)
    assert read(sandbox).balanced == {groups[0]}
    target_group("pods", "ip", [address], front, 81)
    assert read(sandbox).balanced == {groups[0], groups[3]}
    classic.create_load_balancer(
        LoadBalancerName="old",
        Listeners=[{"Protocol": "tcp", "LoadBalancerPort": 80, "InstancePort": 80}],
        Subnets=subnets[:1],
        Scheme="internet-facing",
    )
    classic.register_instances_with_load_balancer(LoadBalancerName="old", Instances=[{"InstanceId": instances[1]}])
    reading = read(sandbox, heard)
    assert reading.failures == ()
    assert reading.balanced == {groups[0], groups[1], groups[3]}
    assert heard.counts().keys() - {"sts:GetCallerIdentity"} == EVERYTHING - {"ec2:GetManagedPrefixListEntries"}


def test_a_group_has_its_further_vpcs(sandbox):
    """Otherwise a group opens hosts in a VPC that it is not told of."""
    ec2 = client(sandbox, "ec2")
    group_id = ec2.create_security_group(GroupName="far", Description="d")["GroupId"]
    vpc_id = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    ec2.associate_security_group_vpc(GroupId=group_id, VpcId=vpc_id)
    assert {group.group_id: group.vpc_ids for group in read(sandbox).groups if group.vpc_ids} == {group_id: (vpc_id,)}


PART_OF = {
    "ec2:DescribeSecurityGroups": {Part.GROUPS},
    "ec2:DescribeSecurityGroupRules": {Part.GROUPS},
    "ec2:DescribeSecurityGroupVpcAssociations": {Part.GROUPS},
    "ec2:DescribeManagedPrefixLists": {Part.PREFIX_LISTS},
    "ec2:GetManagedPrefixListEntries": {Part.PREFIX_LISTS},
    "ec2:DescribeNetworkInterfaces": {Part.INTERFACES, Part.LOAD_BALANCERS},
    "elasticloadbalancing:DescribeLoadBalancers": {Part.LOAD_BALANCERS},
    "elasticloadbalancing:DescribeTargetGroups": {Part.LOAD_BALANCERS},
}


@pytest.mark.parametrize("action", PART_OF)
def test_a_denied_action_takes_its_part_and_says_what_to_allow(action):
    """Otherwise one missing permission shows an account without groups, or nobody knows which it is."""
    with Sandbox(Settings(delay=timedelta(0), deliver=False, faults=Faults(deny=frozenset({action})))) as sandbox:
        make_groups(client(sandbox, "ec2"), 1, 3)
        reading = read(sandbox)
    assert {failed.part for failed in reading.failures} == PART_OF[action]
    for failed in reading.failures:
        assert failed.error.reason == "access_denied"
        assert action in str(failed.error)
        assert f"in account {ACCOUNT} {REGION} failed" in str(failed.error)
        assert f"allow {action} to these credentials" in str(failed.error)
    assert (reading.groups is None) is (Part.GROUPS in PART_OF[action])
    assert (reading.attachments is None) is (Part.INTERFACES in PART_OF[action])
    assert (reading.balanced is None) is (Part.LOAD_BALANCERS in PART_OF[action])


def test_every_region_of_every_account_has_a_reader_that_reads_it(sandbox):
    """Otherwise an account is read twice, or by the credentials of another."""
    role = {"role_arn": f"arn:aws:iam::{MEMBER}:role/aws-change-exporter"}
    sandbox.identities.add("AKIAMEMBEREXAMPLE000", Identity(MEMBER, "user", "admin"))
    theirs = client(sandbox, "ec2", "eu-west-1", "AKIAMEMBEREXAMPLE000").create_security_group(GroupName="theirs", Description="d")[
        "GroupId"
    ]
    ours = client(sandbox, "ec2").create_security_group(GroupName="ours", Description="d")["GroupId"]
    with opened(sandbox.url, accounts=({**role},), own_account=True) as aws:
        found = readers(PostureSettings(regions=(REGION, "eu-west-1")), aws)
        assert found.failures == ()
        readings = {(one.account_id, one.region): one for one in (next(reader.read(context())) for reader in found.readers)}
    assert {(reader.name, reader.account_id, reader.region) for reader in found.readers} == {
        ("posture", account, region) for account in (ACCOUNT, MEMBER) for region in (REGION, "eu-west-1")
    }
    held = {unit: {group.group_id for group in reading.groups} for unit, reading in readings.items()}
    assert [unit for unit, groups in held.items() if theirs in groups] == [(MEMBER, "eu-west-1")]
    assert [unit for unit, groups in held.items() if ours in groups] == [(ACCOUNT, REGION)]


def test_an_account_whose_regions_cannot_be_told_hides_no_other(sandbox):
    """Otherwise one role that is gone leaves every account unread."""
    role = RoleSettings(role_arn=f"arn:aws:iam::{MEMBER}:role/gone")
    sandbox.identities.add("AKIAMEMBEREXAMPLE000", Identity(MEMBER, "user", "admin"))
    accounts = ({"role_arn": role.role_arn, "regions": ("all",)},)
    with opened(sandbox.url, accounts=accounts, own_account=True, regions=(REGION,)) as aws:
        aws.regions = refusing(aws.regions)
        found = readers(PostureSettings(), aws)
    assert [(reader.account_id, reader.region) for reader in found.readers] == [(ACCOUNT, REGION)]
    assert [(failure.account_id, failure.error.reason) for failure in found.failures] == [(MEMBER, "access_denied")]


def refusing(plain):
    """Return the question for regions, which the member's role may not ask."""

    def regions(account, wanted=()):
        if account.account_id == MEMBER:
            raise AwsError("access_denied", "no")
        return plain(account, wanted)

    return regions
