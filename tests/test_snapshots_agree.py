"""EC2 and AWS Config, asked of one state over HTTP, agree rule for rule: what differs is written down in docs/aws-config.md.

The state is made with unmodified boto3. Where the two differ otherwise, a change of source would show rules that nobody changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from exporter.aws import Account, Aws
from exporter.model import Direction, PeerType, Rule
from exporter.posture.diff import place as place_of
from exporter.posture.settings import PostureSettings
from exporter.posture.standing import Group, Origin, Part, PrefixList, Reading
from exporter.snapshots.aggregator import AggregateReader
from exporter.snapshots.aws_config import ConfigReader
from exporter.snapshots.base import ReadContext
from exporter.snapshots.ec2 import Ec2Reader
from exporter.snapshots.shapes import ordered
from exporter.snapshots.units import readers
from sandbox.identities import Identity
from sandbox.server import Sandbox, Settings
from tests.aws_session import opened
from tests.sandbox_client import ACCOUNT, KEY, REGION, Clock, client

pytestmark = pytest.mark.usefixtures("aws_environment")
OTHER, THEIR_KEY, WEST = "444455556666", "AKIAI44QH8DHBEXAMPLE", "eu-west-1"
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
POSTURE = PostureSettings.model_validate({"aggregator": {"name": "all", "region": REGION}})
RECORDER = {"name": "default", "roleARN": f"arn:aws:iam::{ACCOUNT}:role/config"}


class Place:
    """One account and region, changed as anybody would change it."""

    def __init__(self, sandbox: Sandbox, key: str = KEY, region: str = REGION) -> None:
        self.ec2, self.config, self.s3, self.elb = (client(sandbox, name, region, key) for name in ("ec2", "config", "s3", "elbv2"))
        self.vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self.subnet = self.ec2.describe_subnets()["Subnets"][0]["SubnetId"]

    def record(self, bucket: str = "config-bucket", **more: Any) -> None:
        """Have AWS Config record."""
        place = {"CreateBucketConfiguration": {"LocationConstraint": WEST}} if self.s3.meta.region_name == WEST else {}
        self.s3.create_bucket(Bucket=bucket, **place)
        self.config.put_configuration_recorder(ConfigurationRecorder=RECORDER | more)
        self.config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": bucket})
        self.config.start_configuration_recorder(ConfigurationRecorderName="default")

    def group(self, name: str, **more: Any) -> str:
        """Make a group."""
        return str(self.ec2.create_security_group(GroupName=name, Description="d", VpcId=self.vpc, **more)["GroupId"])

    def prefix_list(self, name: str, *cidrs: str) -> str:
        """Make a prefix list."""
        entries = [{"Cidr": cidr, "Description": f"{name} {place}"} for place, cidr in enumerate(cidrs)]
        made = self.ec2.create_managed_prefix_list(PrefixListName=name, MaxEntries=20, AddressFamily="IPv4", Entries=entries)
        return str(made["PrefixList"]["PrefixListId"])

    def interface(self, *groups: str, public: bool = False) -> None:
        """Make a network interface, with an elastic address or without."""
        made = self.ec2.create_network_interface(SubnetId=self.subnet, Groups=list(groups))["NetworkInterface"]["NetworkInterfaceId"]
        if public:
            address = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
            self.ec2.associate_address(AllocationId=address, NetworkInterfaceId=made)


@contextmanager
def running(known: dict[str, Identity] | None = None, **more: Any) -> Iterator[tuple[Sandbox, Clock]]:
    """Serve a sandbox whose AWS Config shows changes at once."""
    clock = Clock(NOW)
    identities = {THEIR_KEY: Identity(OTHER, "user", "bob"), **(known or {})}
    told = Settings(delay=timedelta(0), config_delay=timedelta(0), deliver=False, identities=identities, **more)
    with Sandbox(told, clock) as sandbox:
        yield sandbox, clock


def read(reader: Any) -> Reading:
    """Return the one reading of a reader."""
    [reading] = reader.read(ReadContext(lambda: NOW))
    return reading


def both(aws: Aws, **told: Any) -> tuple[Reading, Reading]:
    """Return what EC2 says and what AWS Config says."""
    caller, posture = aws.caller(REGION, Account(ACCOUNT)), PostureSettings(**told)
    return read(Ec2Reader(caller, posture)), read(ConfigReader(caller, posture))


def spelled(rule: Rule) -> Rule:
    """Return a rule without its id, and with the ports that count: EC2 says -1 where a protocol has none, AWS Config nothing."""
    _, _, low, high, *_ = place_of(rule)
    return replace(rule, rule_id=None, from_port=low, to_port=high)


def as_config(group: Group) -> Group:
    """Return a group of EC2 as AWS Config has it: rules have no ids, and further VPCs are not told."""
    return replace(group, rules=ordered(map(spelled, group.rules)), vpc_ids=())


def undated(groups: tuple[Group, ...] | None) -> tuple[Group, ...]:
    """Return groups of AWS Config without the time at which it looked, which all must have."""
    assert groups is not None
    assert all(group.captured_at is not None for group in groups)
    return tuple(replace(group, captured_at=None, rules=ordered(map(spelled, group.rules))) for group in groups)


def owned(lists: tuple[PrefixList, ...] | None) -> tuple[PrefixList, ...]:
    """Return the account's own lists: those of AWS are EC2's alone to tell."""
    assert lists is not None
    return tuple(replace(one, captured_at=None) for one in lists if one.owner_id == ACCOUNT)


def agree(ec2: Reading, config: Reading) -> None:
    """Fail where the two readings differ otherwise than they must."""
    assert (ec2.origin, config.origin) == (Origin.EC2, Origin.AWS_CONFIG)
    assert ec2.failures == config.failures == ()
    assert tuple(map(as_config, ec2.groups or ())) == undated(config.groups)
    assert owned(ec2.prefix_lists) == owned(config.prefix_lists)
    assert ec2.attachments == config.attachments


PORTS = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(sorted)
V4 = st.sampled_from(["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "192.0.2.0/24", "198.51.100.7/32", "10.0.0.0/8", "203.0.113.128/25"])
V6 = st.sampled_from(["::/0", "2000::/3", "2001:db8::/32", "2001:db8:1::/48", "fc00::/7", "2001:db8::7/128"])
TEXT = st.one_of(st.none(), st.sampled_from(["office", "a b._-:/()#,@[]+=&;{}!$*", "22"]))


@st.composite
def permissions(draw: st.DrawFn) -> dict[str, Any]:
    """Return one permission; groups and lists are named by place."""
    protocol = draw(st.sampled_from(["tcp", "udp", "icmp", "icmpv6", "-1", "47", "50"]))
    made: dict[str, Any] = {"IpProtocol": protocol}
    if protocol in ("tcp", "udp"):
        made["FromPort"], made["ToPort"] = draw(PORTS)
    elif protocol in ("icmp", "icmpv6"):
        made["FromPort"], made["ToPort"] = draw(st.sampled_from([(-1, -1), (8, 0), (3, -1), (128, 0)]))
    described = {"ranges": st.lists(st.tuples(V4, TEXT), max_size=3, unique_by=lambda one: one[0])}
    described |= {"v6": st.lists(st.tuples(V6, TEXT), max_size=2, unique_by=lambda one: one[0])}
    made |= {name: draw(strategy) for name, strategy in described.items()}
    made["lists"], made["groups"] = draw(st.sets(st.integers(0, 1))), draw(st.sets(st.integers(0, 2)))
    return made


def _permission(told: dict[str, Any], groups: list[str], lists: list[str]) -> dict[str, Any]:
    def peers(key: str, pairs: Any) -> list[dict[str, str]]:
        return [{key: peer, **({"Description": text} if text else {})} for peer, text in pairs]

    made = {key: told[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in told}
    made["IpRanges"], made["Ipv6Ranges"] = peers("CidrIp", told["ranges"]), peers("CidrIpv6", told["v6"])
    made["PrefixListIds"] = [{"PrefixListId": lists[place]} for place in sorted(told["lists"])]
    made["UserIdGroupPairs"] = [{"GroupId": groups[place], "UserId": ACCOUNT} for place in sorted(told["groups"])]
    return {key: value for key, value in made.items() if value != []}


@pytest.fixture(scope="module")
def recorded():
    """Serve one sandbox for all examples: each makes groups of its own, and all that there are must agree."""
    with running() as (sandbox, _clock):
        place = Place(sandbox)
        place.record()
        yield sandbox, place, [place.prefix_list("one", "198.51.100.0/24", "192.0.2.0/25"), place.prefix_list("two", "0.0.0.0/1")]


# Each example is many calls: none is shrunk.
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None, phases=[Phase.generate])
@given(st.lists(permissions(), max_size=4), st.lists(permissions(), max_size=2), st.booleans())
def test_random_rules_agree(aws_environment, recorded, ingress, egress, revoke):
    """Whatever EC2 takes for a rule is the same rule in both readings."""
    sandbox, place, lists = recorded
    tag = [{"ResourceType": "security-group", "Tags": [{"Key": "team", "Value": "web"}, {"Key": "a", "Value": ""}]}]
    known = len(place.ec2.describe_security_groups()["SecurityGroups"])
    groups = [place.group(f"g{known}"), place.group(f"g{known}-peer", TagSpecifications=tag), place.group(f"g{known}-other")]
    taken = 0
    for told, call in [(one, "ingress") for one in ingress] + [(one, "egress") for one in egress]:
        permission = _permission(told, groups, lists)
        if len(permission) <= 1 + 2 * ("FromPort" in permission):
            continue
        try:
            getattr(place.ec2, f"authorize_security_group_{call}")(GroupId=groups[0], IpPermissions=[permission])
            taken += 1
        except ClientError as error:
            # The same rule twice, over several permissions.
            assert error.response["Error"]["Code"] == "InvalidPermission.Duplicate"  # noqa: PT017 - of what is thrown away
    rules = place.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": groups[:1]}])["SecurityGroupRules"]
    if revoke and rules and not rules[0]["IsEgress"]:
        place.ec2.revoke_security_group_ingress(GroupId=groups[0], SecurityGroupRuleIds=[rules[0]["SecurityGroupRuleId"]])

    with opened(sandbox.url) as aws:
        ec2, config = both(aws)
    agree(ec2, config)
    group = next(one for one in ec2.groups or () if one.group_id == groups[0])
    assert taken == 0 or len(group.rules) > 1 or revoke


@pytest.fixture
def served():
    """Serve a sandbox for one test."""
    with running() as (sandbox, clock):
        yield sandbox, clock


def test_every_kind_of_change_is_seen_by_both(served):
    """Rules that are edited, described and removed, groups that are deleted, lists that are widened, addresses that come and go."""
    sandbox, _ = served
    place = Place(sandbox)
    place.record()
    web, gone = place.group("web"), place.group("gone")
    lists = place.prefix_list("offices", "192.0.2.0/24")
    with opened(sandbox.url) as aws:
        agree(*both(aws))
        open_22 = {
            "IpProtocol": "tcp",
            "FromPort": 22,
            "ToPort": 22,
            "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
            "PrefixListIds": [{"PrefixListId": lists}],
        }
        made = place.ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[open_22])["SecurityGroupRules"]
        agree(*both(aws))
        rule = {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535, "CidrIpv4": "0.0.0.0/0", "Description": "wide"}
        edit = next(one["SecurityGroupRuleId"] for one in made if one.get("CidrIpv4"))
        place.ec2.modify_security_group_rules(GroupId=web, SecurityGroupRules=[{"SecurityGroupRuleId": edit, "SecurityGroupRule": rule}])
        place.ec2.modify_managed_prefix_list(
            PrefixListId=lists, CurrentVersion=1, AddEntries=[{"Cidr": "0.0.0.0/1", "Description": "half"}]
        )
        place.interface(web)
        place.interface(web, gone, public=True)
        ec2, config = both(aws)
        agree(ec2, config)
        [wide] = [one for group in config.groups or () for one in group.rules if one.description == "wide"]
        assert (wide.direction, wide.to_port, wide.peer_type) == (Direction.INGRESS, 65535, PeerType.IPV4)
        assert ("0.0.0.0/1", "half") in [entry for one in config.prefix_lists or () for entry in one.entries]
        assert config.attachments is not None
        assert (config.attachments[web].interfaces, config.attachments[web].public_ipv4) == (2, True)
        place.ec2.revoke_security_group_ingress(GroupId=web, SecurityGroupRuleIds=[edit])
        last = place.group("last")
        place.ec2.delete_security_group(GroupId=last)
        ec2, config = both(aws)
        agree(ec2, config)
        assert last not in {group.group_id for group in config.groups or ()}


def test_what_differs_is_what_is_written_down(served):
    """Ids of rules, further VPCs, lists of AWS, and what stands behind load balancers; nothing else."""
    sandbox, _ = served
    place = Place(sandbox)
    place.record()
    web = place.group("web")
    place.interface(web)
    second = place.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    place.ec2.associate_security_group_vpc(GroupId=web, VpcId=second)
    with opened(sandbox.url) as aws:
        ec2, config = both(aws)
        agree(ec2, config)
        told = [next(group for group in reading.groups or () if group.group_id == web) for reading in (ec2, config)]
        assert [group.vpc_ids for group in told] == [(second,), ()]
        assert [{bool(rule.rule_id) for rule in group.rules} for group in told] == [{True}, {False}]
        assert (ec2.balanced, config.balanced, config.untold) == (frozenset(), frozenset(), frozenset())

        subnets = [one["SubnetId"] for one in place.ec2.describe_subnets()["Subnets"]][:2]
        place.elb.create_load_balancer(Name="inner", Subnets=subnets, Scheme="internal")
        ec2, config = both(aws)
        assert (ec2.balanced, config.balanced, config.untold) == (frozenset(), frozenset(), frozenset())
        place.elb.create_load_balancer(Name="front", Subnets=subnets, Scheme="internet-facing")
        ec2, config = both(aws)
        assert ec2.balanced == frozenset()
        assert (config.balanced, config.untold, config.failures) == (None, {Part.LOAD_BALANCERS}, ())
        ec2, config = both(aws, load_balancers=False)
        assert (ec2.balanced, config.balanced, config.untold) == (frozenset(), frozenset(), frozenset())


def test_daily_recording_shows_the_day_before_and_says_so(served):
    """Until the day is over AWS Config shows what was; the time at which it looked tells."""
    sandbox, clock = served
    place = Place(sandbox)
    place.record(recordingMode={"recordingFrequency": "DAILY"})
    default = place.ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    clock.now += timedelta(hours=3)
    open_22 = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    place.ec2.authorize_security_group_ingress(GroupId=default, IpPermissions=[open_22])
    with opened(sandbox.url) as aws:
        ec2, config = both(aws)

    [now, before] = [next(group for group in reading.groups or () if group.group_id == default) for reading in (ec2, config)]
    assert len(now.rules) == len(before.rules) + 1
    assert (before.captured_at, now.captured_at) == (NOW, None)


@pytest.mark.parametrize("gap", ["stopped", "deleted", "leaves groups out"])
def test_what_is_not_recorded_is_no_picture(served, gap):
    """What a recorder left behind is there for as long as anybody asks, and is not read."""
    sandbox, _ = served
    place = Place(sandbox)
    place.record()
    if gap == "stopped":
        place.config.stop_configuration_recorder(ConfigurationRecorderName="default")
    elif gap == "deleted":
        place.config.delete_configuration_recorder(ConfigurationRecorderName="default")
    else:
        only = {"allSupported": False, "resourceTypes": ["AWS::EC2::NetworkInterface"]}
        place.config.put_configuration_recorder(ConfigurationRecorder=RECORDER | {"recordingGroup": only})
    with opened(sandbox.url) as aws:
        reading = read(ConfigReader(aws.caller(REGION, Account(ACCOUNT)), PostureSettings()))

    assert reading.groups is None
    failure = next(one.error for one in reading.failures if one.part is Part.GROUPS)
    assert (ACCOUNT in str(failure), REGION in str(failure)) == (True, True)
    assert (reading.attachments is not None) is (gap == "leaves groups out")


READS = ["DescribeConfigurationRecorders", "DescribeConfigurationRecorderStatus", "SelectResourceConfig"]


@pytest.mark.parametrize("mode", ["CONTINUOUS", "DAILY"])
def test_aws_config_stands_in_under_a_policy_that_does_not_allow_ec2(monkeypatch, mode):
    """Denied by EC2 itself, the picture is that of AWS Config where it is recorded as it changes; else the denial says why it is not."""
    allowed = {"Effect": "Allow", "Action": [f"config:{name}" for name in READS], "Resource": "*"}
    policies = {THEIR_KEY: {"Version": "2012-10-17", "Statement": [allowed]}}
    watcher = {THEIR_KEY: Identity(ACCOUNT, "user", "watcher")}
    with running(watcher, policies=policies) as (sandbox, _clock):
        place = Place(sandbox)
        place.record(recordingMode={"recordingFrequency": mode})
        place.interface(place.group("web"))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", THEIR_KEY)
        with opened(sandbox.url) as aws:
            [reader] = readers(PostureSettings(), aws).readers
            reading = read(reader)
        told = place.ec2.describe_security_groups()["SecurityGroups"]

    if mode == "CONTINUOUS":
        assert (reading.origin, reading.failures) == (Origin.AWS_CONFIG, ())
        assert [group.group_id for group in reading.groups or ()] == sorted(group["GroupId"] for group in told)
    else:
        assert (reading.origin, reading.groups) == (Origin.EC2, None)
        error = next(failure.error for failure in reading.failures if failure.part is Part.GROUPS)
        assert error.reason == "access_denied"
        assert "allow ec2:DescribeSecurityGroup" in str(error)
        assert "once a day" in str(error)


def test_the_aggregator_agrees_with_ec2_everywhere(served):
    """One question brings what EC2 says in each account and region; one that fails is a failure, and the others stand."""
    sandbox, _ = served
    places = {
        (ACCOUNT, REGION): Place(sandbox),
        (ACCOUNT, WEST): Place(sandbox, region=WEST),
        (OTHER, REGION): Place(sandbox, THEIR_KEY),
    }
    for place_number, place in enumerate(places.values()):
        place.record(f"config-bucket-{place_number}")
        lists = place.prefix_list("offices", "192.0.2.0/24", f"198.51.100.{place_number}/32")
        for number in range(place_number, 36):
            name = place.group(f"group-{number}")
            allowed = {"IpProtocol": "tcp", "FromPort": number, "ToPort": 1000, "IpRanges": [{"CidrIp": f"203.0.113.{number}/32"}]}
            place.ec2.authorize_security_group_ingress(GroupId=name, IpPermissions=[allowed | {"PrefixListIds": [{"PrefixListId": lists}]}])
        place.interface(name, public=place_number == 1)
    sources = [{"AccountIds": [ACCOUNT, OTHER], "AwsRegions": [REGION, WEST]}]
    places[ACCOUNT, REGION].config.put_configuration_aggregator(ConfigurationAggregatorName="all", AccountAggregationSources=sources)

    with opened(sandbox.url, own_account=True) as aws:
        *units, aggregate = readers(POSTURE, aws).readers
        assert isinstance(aggregate, AggregateReader)
        found = {(reading.account_id, reading.region): reading for reading in aggregate.read(ReadContext(lambda: NOW))}
        assert set(found) == {*places, (OTHER, WEST)}
        assert sum(len(found[unit].groups or ()) for unit in places) > 100, "more than one page"
        for account, region in ((ACCOUNT, REGION), (ACCOUNT, WEST)):
            agree(read(Ec2Reader(aws.caller(region, Account(account)), POSTURE)), found[account, region])
        assert list(units[0].read(ReadContext(lambda: NOW))) == [], "it is covered, and has no lights"

    theirs = found[OTHER, REGION]
    told = places[OTHER, REGION].ec2.describe_security_groups()["SecurityGroups"]
    assert [one.group_id for one in theirs.groups or ()] == sorted(one["GroupId"] for one in told)
    assert {one.owner_id for one in theirs.prefix_lists or ()} == {OTHER}
    assert theirs.failures == ()
    assert {one.part for one in found[OTHER, WEST].failures} == {Part.GROUPS, Part.PREFIX_LISTS, Part.INTERFACES, Part.LOAD_BALANCERS}
    assert found[OTHER, WEST].groups is None
    assert "FAILED (InternalFailure" in str(found[OTHER, WEST].failures[0].error)


def test_the_aggregator_shows_which_recorder_is_off(served):
    """Its update succeeds all the same, and what the recorder left behind is old."""
    sandbox, _ = served
    ours, theirs = Place(sandbox), Place(sandbox, THEIR_KEY)
    ours.record("config-bucket-1")
    theirs.record("config-bucket-2")
    sources = [{"AccountIds": [ACCOUNT, OTHER], "AwsRegions": [REGION]}]
    ours.config.put_configuration_aggregator(ConfigurationAggregatorName="all", AccountAggregationSources=sources)
    theirs.config.stop_configuration_recorder(ConfigurationRecorderName="default")
    with opened(sandbox.url) as aws:
        aggregate = readers(POSTURE, aws).readers[-1]
        found = {reading.account_id: reading for reading in aggregate.read(ReadContext(lambda: NOW))}
        assert found[ACCOUNT].failures == ()
        assert found[OTHER].groups is None
        assert "is off" in str(found[OTHER].failures[0].error)
        only = {"allSupported": False, "resourceTypes": ["AWS::EC2::SecurityGroup", "AWS::EC2::NetworkInterface"]}
        theirs.config.put_configuration_recorder(ConfigurationRecorder=RECORDER | {"recordingGroup": only})
        theirs.config.start_configuration_recorder(ConfigurationRecorderName="default")
        found = {reading.account_id: reading for reading in aggregate.read(ReadContext(lambda: NOW))}

    assert found[OTHER].groups
    assert [failure.part for failure in found[OTHER].failures] == [Part.PREFIX_LISTS]
