"""The sandbox's AWS Config records what changes as AWS Config does, and answers advanced queries, histories and statuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.config_query import InvalidExpressionError, parse
from sandbox.identities import Identity
from sandbox.server import Sandbox, Settings
from tests.sandbox_client import ACCOUNT, KEY, REGION, Clock, client, records

OTHER = "444455556666"
THEIR_KEY = "AKIAI44QH8DHBEXAMPLE"
GROUP = "AWS::EC2::SecurityGroup"
COLUMNS = "accountId, awsRegion, resourceId, resourceName, arn, configuration, tags, relationships, configurationItemCaptureTime"
DELAY = timedelta(seconds=30)
START = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


class World:
    """A sandbox with a clock that stands, and clients of an account."""

    def __init__(self, sandbox: Sandbox, clock: Clock, key: str = KEY, region: str = REGION) -> None:
        self.sandbox, self.clock = sandbox, clock
        self.ec2, self.config, self.s3 = (client(sandbox, name, key=key, region=region) for name in ("ec2", "config", "s3"))

    def record(self, bucket: str = "example-config", **recorder: Any) -> None:
        """Have a recorder record."""
        self.s3.create_bucket(Bucket=bucket)
        put = {"name": "default", "roleARN": f"arn:aws:iam::{ACCOUNT}:role/config", **recorder}
        self.config.put_configuration_recorder(ConfigurationRecorder=put)
        self.config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": bucket})
        self.config.start_configuration_recorder(ConfigurationRecorderName="default")

    def wait(self, by: timedelta = DELAY) -> None:
        """Let time pass."""
        self.clock.now += by

    def group(self, name: str = "web") -> str:
        """Make a group and return its id."""
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        return str(self.ec2.create_security_group(GroupName=name, Description="d", VpcId=vpc)["GroupId"])

    def open(self, group_id: str, cidr: str = "0.0.0.0/0", port: int = 22) -> None:
        """Open a port."""
        permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]}
        self.ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[permission])

    def query(self, where: str = "", columns: str = COLUMNS, kind: str = GROUP, **asked: Any) -> list[dict[str, Any]]:
        """Return what an advanced query finds."""
        expression = f"SELECT {columns} WHERE resourceType = '{kind}'{where}"
        return [json.loads(row) for row in self.config.select_resource_config(Expression=expression, **asked)["Results"]]

    def permissions(self, group_id: str) -> list[dict[str, Any]]:
        """Return what comes in to a group as recorded."""
        (found,) = self.query(f" AND resourceId = '{group_id}'")
        return list(found["configuration"]["ipPermissions"])

    def post(self, path: str, body: Any = None) -> int:
        """Tell the sandbox something, and return the status of its answer."""
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": f"/-/{path}"}
        return self.sandbox.control.answer(environ, json.dumps(body).encode()).status


@pytest.fixture
def world():
    """Serve one sandbox for a test."""
    clock = Clock(START)
    known = {THEIR_KEY: Identity(OTHER, "user", "bob")}
    with Sandbox(Settings(delay=timedelta(0), config_delay=DELAY, deliver=False, identities=known), clock) as running:
        yield World(running, clock)


def refused(call: Any, **asked: Any) -> str:
    """Return the code of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**asked)
    return str(caught.value.response["Error"]["Code"])


def test_a_group_comes_out_as_config_has_it(world):
    """Other names, IPv4 ranges twice, no rule ids and no ports where all are meant: what a reader of EC2's answers stumbles over."""
    world.record()
    group, other = world.group(), world.group("other")
    offices = world.ec2.create_managed_prefix_list(PrefixListName="p", MaxEntries=3, AddressFamily="IPv4")["PrefixList"]["PrefixListId"]
    ranges = [{"CidrIp": "192.0.2.0/24", "Description": "office"}, {"CidrIp": "0.0.0.0/0"}]
    permissions = [
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges, "PrefixListIds": [{"PrefixListId": offices}]},
        {"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0", "Description": "six"}], "UserIdGroupPairs": [{"GroupId": other}]},
    ]
    world.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions)
    world.ec2.create_tags(Resources=[group], Tags=[{"Key": "team", "Value": "web"}])
    world.wait()
    (found,) = world.query(f" AND resourceId = '{group}'")
    vpc = world.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["VpcId"]
    everything = {
        "ipProtocol": "-1",
        "ipv6Ranges": [],
        "prefixListIds": [],
        "userIdGroupPairs": [],
        "ipv4Ranges": [{"cidrIp": "0.0.0.0/0"}],
        "ipRanges": ["0.0.0.0/0"],
    }
    assert found == {
        "accountId": ACCOUNT,
        "awsRegion": REGION,
        "resourceId": group,
        "resourceName": "web",
        "arn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{group}",
        "configuration": {
            "description": "d",
            "groupName": "web",
            "ipPermissions": [
                {
                    "fromPort": 22,
                    "ipProtocol": "tcp",
                    "ipv6Ranges": [],
                    "prefixListIds": [{"prefixListId": offices}],
                    "toPort": 22,
                    "userIdGroupPairs": [],
                    "ipv4Ranges": [{"cidrIp": "192.0.2.0/24", "description": "office"}, {"cidrIp": "0.0.0.0/0"}],
                    "ipRanges": ["192.0.2.0/24", "0.0.0.0/0"],
                },
                {
                    "ipProtocol": "-1",
                    "ipv6Ranges": [{"description": "six", "cidrIpv6": "::/0"}],
                    "prefixListIds": [],
                    "userIdGroupPairs": [{"userId": ACCOUNT, "groupId": other}],
                    "ipv4Ranges": [],
                    "ipRanges": [],
                },
            ],
            "ownerId": ACCOUNT,
            "groupId": group,
            "ipPermissionsEgress": [everything],
            "tags": [{"key": "team", "value": "web"}],
            "vpcId": vpc,
        },
        "tags": [{"key": "team", "value": "web", "tag": "team=web"}],
        "relationships": [{"resourceType": "AWS::EC2::VPC", "resourceId": vpc, "relationshipName": "Is contained in Vpc"}],
        "configurationItemCaptureTime": "2026-01-31T12:00:00.000Z",
    }


def test_prefix_lists_interfaces_and_balancers_are_recorded_as_their_types_are(world):
    """A prefix list is PascalCase; an interface names its groups and its public address."""
    world.record()
    offices = world.ec2.create_managed_prefix_list(
        PrefixListName="p", MaxEntries=3, AddressFamily="IPv4", Entries=[{"Cidr": "192.0.2.0/24", "Description": "office"}]
    )["PrefixList"]["PrefixListId"]
    group = world.group()
    subnet = world.ec2.describe_subnets()["Subnets"][0]
    interface = world.ec2.create_network_interface(SubnetId=subnet["SubnetId"], Groups=[group])["NetworkInterface"]["NetworkInterfaceId"]
    address = world.ec2.allocate_address(Domain="vpc")
    world.ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=interface)
    world.wait()
    (found,) = world.query(kind="AWS::EC2::PrefixList")
    assert found["resourceId"] == offices
    told = found["configuration"]
    assert (told["PrefixListId"], told["MaxEntries"], told["Version"], told["OwnerId"]) == (offices, 3, 1, ACCOUNT)
    assert told["Entries"] == [{"Cidr": "192.0.2.0/24", "Description": "office"}]
    (found,) = world.query(f" AND relationships.resourceId = '{group}'", kind="AWS::EC2::NetworkInterface")
    assert found["resourceId"] == interface
    assert found["configuration"]["association"]["publicIp"] == address["PublicIp"]
    assert found["configuration"]["groups"] == [{"groupId": group, "groupName": "web"}]
    assert not world.query(" AND relationships.resourceId = 'sg-0123456789abcdef0'", kind="AWS::EC2::NetworkInterface")


def test_a_change_is_seen_after_the_delay_and_no_state_in_between_is_lost(world):
    """A query between two changes sees the first, not the second; the history has both."""
    world.record()
    group = world.group()
    world.wait()
    world.open(group)
    world.wait(DELAY / 2)
    assert world.permissions(group) == []
    world.open(group, port=443)
    world.wait(DELAY / 2)
    assert [item["fromPort"] for item in world.permissions(group)] == [22]
    world.wait(DELAY / 2)
    assert [item["fromPort"] for item in world.permissions(group)] == [22, 443]
    world.ec2.delete_security_group(GroupId=group)
    world.wait()
    assert not world.query(f" AND resourceId = '{group}'")

    items = world.config.get_resource_config_history(resourceType=GROUP, resourceId=group)["configurationItems"]
    assert [item["configurationItemStatus"] for item in items] == ["ResourceDeleted", "OK", "OK", "ResourceDiscovered"]
    assert "configuration" not in items[0]
    ports = [[permission["fromPort"] for permission in json.loads(item["configuration"])["ipPermissions"]] for item in items[1:]]
    assert ports == [[22, 443], [22], []]
    numbers = [int(item["configurationStateId"]) for item in items]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == 4
    assert items[2]["configurationItemCaptureTime"] == START + DELAY
    assert items[2]["recordingFrequency"] == "CONTINUOUS"


def test_a_history_has_an_order_bounds_and_pages(world):
    """A history of a busy group is longer than a page."""
    world.record()
    group = world.group()
    for minute in range(6):
        world.clock.now = START + timedelta(minutes=minute)
        world.open(group, port=100 + minute)
    world.wait(timedelta(hours=1))
    whole = {"resourceType": GROUP, "resourceId": group}
    ask = world.config.get_resource_config_history
    newest = ask(**whole, limit=4)
    rest = ask(**whole, limit=4, nextToken=newest["nextToken"])
    assert "nextToken" not in rest
    found = [item["configurationStateId"] for item in newest["configurationItems"] + rest["configurationItems"]]
    assert len(found) == 7
    forward = [item["configurationStateId"] for item in ask(**whole, chronologicalOrder="Forward")["configurationItems"]]
    assert forward == found[::-1]
    bounds = {"earlierTime": START + timedelta(minutes=1), "laterTime": START + timedelta(minutes=3)}
    assert len(ask(**whole, **bounds)["configurationItems"]) == 3
    assert refused(ask, **whole, earlierTime=START + timedelta(hours=1), laterTime=START) == "InvalidTimeRangeException"
    assert refused(ask, **whole, nextToken=newest["nextToken"], limit=4, **bounds) == "InvalidNextTokenException"
    assert refused(ask, resourceType=GROUP, resourceId="sg-0123456789abcdef0") == "ResourceNotDiscoveredException"


def test_items_name_the_events_that_they_come_from_but_for_those_of_a_day(world):
    """Who reads the timeline asks CloudTrail for exactly these ids."""
    old = world.group("old")
    world.record(recordingMode={"recordingFrequency": "CONTINUOUS"})
    group = world.group()
    world.open(group)
    world.sandbox.control.unrecorded = True
    world.open(group, port=443)
    world.sandbox.control.unrecorded = False
    world.wait()

    def related(resource_id: str) -> list[list[str]]:
        items = world.config.get_resource_config_history(resourceType=GROUP, resourceId=resource_id)["configurationItems"]
        return [item["relatedEvents"] for item in items]

    by_name = {name: records(world.sandbox, name)[-1]["eventID"] for name in ("CreateSecurityGroup", "AuthorizeSecurityGroupIngress")}
    assert related(group) == [[], [by_name["AuthorizeSecurityGroupIngress"]], [by_name["CreateSecurityGroup"]]]
    assert related(old) == [[]]
    world.record(recordingMode={"recordingFrequency": "DAILY"})
    world.open(group, port=80)
    assert world.post("config/daily") == 200
    world.wait()
    assert related(group)[0] == []


def test_nothing_is_recorded_before_there_is_a_recorder_and_all_of_it_as_one_starts(world):
    """An account without AWS Config has no answer, not an empty one."""
    group = world.group()
    world.wait()
    assert world.query() == []
    ask = world.config.get_resource_config_history
    assert refused(ask, resourceType=GROUP, resourceId=group) == "NoAvailableConfigurationRecorderException"
    world.record()
    world.wait()
    assert group in {item["resourceId"] for item in world.query()}
    assert ask(resourceType=GROUP, resourceId=group)["configurationItems"][0]["configurationItemStatus"] == "ResourceDiscovered"


def test_a_stopped_recorder_leaves_what_it_saw_last(world):
    """Old answers that look like new ones: the light must tell."""
    world.record()
    group = world.group()
    world.wait()
    world.config.stop_configuration_recorder(ConfigurationRecorderName="default")
    world.open(group)
    world.wait(timedelta(days=2))
    assert world.permissions(group) == []
    (status,) = world.config.describe_configuration_recorder_status()["ConfigurationRecordersStatus"]
    assert (status["recording"], status["lastStopTime"]) == (False, START + DELAY)
    world.config.start_configuration_recorder(ConfigurationRecorderName="default")
    world.wait()
    assert len(world.permissions(group)) == 1


@pytest.mark.parametrize(
    "recording_group",
    [
        {"allSupported": False, "resourceTypes": ["AWS::EC2::Instance"]},
        {
            "allSupported": False,
            "exclusionByResourceTypes": {"resourceTypes": [GROUP]},
            "recordingStrategy": {"useOnly": "EXCLUSION_BY_RESOURCE_TYPES"},
        },
    ],
    ids=["listed", "excluded"],
)
def test_a_recorder_that_leaves_groups_out_records_none(world, recording_group):
    """It records, successfully, and knows nothing of groups."""
    world.record(recordingGroup=recording_group)
    world.group()
    world.ec2.run_instances(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1)
    world.wait()
    assert world.query() == []
    assert len(world.query(kind="AWS::EC2::Instance")) == 1
    (told,) = world.config.describe_configuration_recorders()["ConfigurationRecorders"]
    assert told["recordingGroup"]["allSupported"] is False


def test_daily_recording_follows_when_the_day_is_over(world):
    """What was opened and closed within a day was never there."""
    world.record(recordingMode={"recordingFrequency": "DAILY"})
    (told,) = world.config.describe_configuration_recorders()["ConfigurationRecorders"]
    assert told["recordingMode"] == {"recordingFrequency": "DAILY"}
    group = world.group()
    world.open(group)
    world.wait(timedelta(hours=3))
    assert group not in {item["resourceId"] for item in world.query()}
    assert world.post("config/daily") == 200
    world.wait()
    assert [item["fromPort"] for item in world.permissions(group)] == [22]
    world.open(group, port=443)
    world.wait(timedelta(hours=25))
    # The clock ends the day before the next call is done.
    world.open(group, port=80)
    world.wait()
    assert [item["fromPort"] for item in world.permissions(group)] == [22, 443]
    (item, *_) = world.config.get_resource_config_history(resourceType=GROUP, resourceId=group)["configurationItems"]
    assert item["recordingFrequency"] == "DAILY"


def test_one_type_may_be_recorded_more_often_than_the_rest(world):
    """An override for groups decides, not the mode of the recorder."""
    override = {"resourceTypes": [GROUP], "recordingFrequency": "CONTINUOUS", "description": "groups"}
    world.record(recordingMode={"recordingFrequency": "DAILY", "recordingModeOverrides": [override]})
    group = world.group()
    world.ec2.run_instances(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1)
    world.wait()
    assert group in {item["resourceId"] for item in world.query()}
    assert world.query(kind="AWS::EC2::Instance") == []


def test_statuses_tell_the_truth(world):
    """moto says PENDING for ever, and has no status of delivery."""
    assert world.config.describe_configuration_recorder_status()["ConfigurationRecordersStatus"] == []
    assert world.config.describe_delivery_channel_status()["DeliveryChannelsStatus"] == []
    world.record()
    (status,) = world.config.describe_configuration_recorder_status()["ConfigurationRecordersStatus"]
    assert status == {"name": "default", "recording": True, "lastStatus": "SUCCESS", "lastStartTime": START, "lastStatusChangeTime": START}
    (delivery,) = world.config.describe_delivery_channel_status()["DeliveryChannelsStatus"]
    assert delivery["configStreamDeliveryInfo"] == {"lastStatus": "SUCCESS", "lastStatusChangeTime": START}
    world.s3.delete_bucket(Bucket="example-config")
    (delivery,) = world.config.describe_delivery_channel_status()["DeliveryChannelsStatus"]
    assert delivery["configStreamDeliveryInfo"]["lastErrorCode"] == "NoSuchBucket"

    group = world.group()
    assert world.post("config/recorder", {"account_id": ACCOUNT, "region": REGION, "error_code": "AccessDenied"}) == 200
    world.open(group)
    world.wait()
    (status,) = world.config.describe_configuration_recorder_status()["ConfigurationRecordersStatus"]
    assert (status["lastStatus"], status["lastErrorCode"]) == ("FAILURE", "AccessDenied")
    assert world.permissions(group) == []
    assert world.post("config/recorder", {"account_id": ACCOUNT, "region": REGION, "error_code": ""}) == 200
    world.wait()
    assert len(world.permissions(group)) == 1
    assert world.post("config/recorder", {"account_id": OTHER, "region": REGION, "error_code": ""}) == 400


def test_a_query_comes_in_pages_of_25(world):
    """A reader that forgets the token would lose all groups behind the first 25."""
    world.record()
    made = {world.group(f"g{n}") for n in range(30)}
    world.wait()
    expression = f"SELECT resourceId, configuration.groupName WHERE resourceType = '{GROUP}'"
    ask = world.config.select_resource_config
    first = ask(Expression=expression)
    assert len(first["Results"]) == 25
    assert first["QueryInfo"]["SelectFields"] == [{"Name": "resourceId"}, {"Name": "configuration.groupName"}]
    rest = ask(Expression=expression, NextToken=first["NextToken"])
    assert "NextToken" not in rest
    rows = [json.loads(row) for row in [*first["Results"], *rest["Results"]]]
    assert made <= {row["resourceId"] for row in rows}
    assert len({row["resourceId"] for row in rows}) == len(rows)
    assert all(set(row) == {"resourceId", "configuration"} and set(row["configuration"]) == {"groupName"} for row in rows)
    assert refused(ask, Expression=f"{expression} AND awsRegion = 'us-east-1'", NextToken=first["NextToken"]) == "InvalidNextTokenException"
    assert refused(ask, Expression=expression, Limit=101) == "InvalidLimitException"
    assert refused(ask, Expression="SELECT secrets WHERE resourceType = 'x'") == "InvalidExpressionException"
    assert len(ask(Expression=expression, Limit=100)["Results"]) == len(rows)


def test_an_aggregator_knows_all_its_accounts_and_regions(world):
    """One query instead of many; a source that failed stays as it was."""
    worlds = [World(world.sandbox, world.clock, key, region) for key in (KEY, THEIR_KEY) for region in (REGION, "eu-west-1")]
    groups = []
    for place, one in enumerate(worlds):
        one.s3 = world.s3
        one.record(bucket=f"example-config-{place}")
        groups.append(one.group(f"g{place}"))
    role = f"arn:aws:iam::{ACCOUNT}:role/aggregator"
    put = world.config.put_configuration_aggregator
    put(ConfigurationAggregatorName="all", OrganizationAggregationSource={"RoleArn": role, "AllAwsRegions": True})
    put(ConfigurationAggregatorName="some", AccountAggregationSources=[{"AccountIds": [OTHER], "AwsRegions": ["eu-west-1", "us-west-2"]}])
    world.wait()
    ask, expression = world.config.select_aggregate_resource_config, f"SELECT {COLUMNS} WHERE resourceType = '{GROUP}'"

    def found(name: str, more: str = "") -> dict[str, dict[str, Any]]:
        rows = [json.loads(row) for row in ask(Expression=expression + more, ConfigurationAggregatorName=name, Limit=100)["Results"]]
        return {row["resourceId"]: row for row in rows}

    assert set(groups) <= set(found("all"))
    assert {(row["accountId"], row["awsRegion"]) for row in found("some").values()} == {(OTHER, "eu-west-1")}
    assert set(groups[:2]) <= set(found("all", f" AND accountId = '{ACCOUNT}'"))
    assert not set(groups[2:]) & set(found("all", f" AND accountId = '{ACCOUNT}'"))
    assert refused(ask, Expression=expression, ConfigurationAggregatorName="none") == "NoSuchConfigurationAggregatorException"

    statuses = world.config.describe_configuration_aggregator_sources_status
    rows = statuses(ConfigurationAggregatorName="some")["AggregatedSourceStatusList"]
    assert [(row["AwsRegion"], row["LastUpdateStatus"]) for row in rows] == [("eu-west-1", "SUCCEEDED"), ("us-west-2", "FAILED")]
    assert world.post("config/sources", {"account_id": OTHER, "region": REGION, "status": "OUTDATED"}) == 200
    worlds[2].open(groups[2])
    world.wait()
    assert found("all")[groups[2]]["configuration"]["ipPermissions"] == []
    assert len(worlds[2].permissions(groups[2])) == 1
    (row,) = statuses(ConfigurationAggregatorName="all", UpdateStatus=["OUTDATED", "FAILED"])["AggregatedSourceStatusList"]
    assert (row["SourceId"], row["AwsRegion"], row["LastUpdateTime"]) == (OTHER, REGION, START + DELAY)
    assert world.post("config/sources", {"account_id": OTHER, "region": REGION, "status": "SUCCEEDED"}) == 200
    assert len(found("all")[groups[2]]["configuration"]["ipPermissions"]) == 1
    assert world.post("config/sources", {"account_id": OTHER, "region": REGION, "status": "GONE"}) == 400
    assert len(statuses(ConfigurationAggregatorName="all")["AggregatedSourceStatusList"]) == 5


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "SELECT",
        "UPDATE x",
        "SELECT resourceId FROM resources",
        "SELECT resourceId WHERE resourceType LIKE 'AWS::%'",
        "SELECT resourceId WHERE resourceType = 'a' OR resourceType = 'b'",
        "SELECT resourceId WHERE resourceType = 'a' ORDER BY resourceId",
        "SELECT resourceId WHERE resourceType = 'a' AND",
        "SELECT resourceId WHERE configuration.groupId = 'a'",
        'SELECT resourceId WHERE resourceType = "a"',
        "SELECT COUNT(*) WHERE resourceType = 'a'",
        "SELECT resourceId.x WHERE resourceType = 'a'",
        "SELECT resourceId, WHERE resourceType = 'a'",
        f"SELECT resourceId WHERE resourceId = '{'a' * 4096}'",
    ],
)
def test_what_the_sandbox_does_not_understand_is_refused(expression):
    """Better than an answer to another question."""
    with pytest.raises(InvalidExpressionError):
        parse(expression)


def test_a_query_finds_what_it_says():
    """Case of keywords, blanks, IN and quotes are as in AWS's own language."""
    item = {"resourceType": "T", "resourceId": "it's", "relationships": [{"resourceId": "a"}, {"resourceId": "b"}], "tags": [], "x": None}
    for where, expected in (
        ("resourceType = 'T'", True),
        ("resourceType='T' and resourceId = 'it''s'", True),
        ("resourceType IN ('S', 'T')\n AND relationships.resourceId IN ('b')", True),
        ("relationships.resourceId = 'c'", False),
        ("accountId = 'T'", False),
    ):
        assert parse(f"select resourceId,tags where {where}").wants(item) is expected
    assert parse("SELECT *").selected(item) == {"resourceType": "T", "resourceId": "it's"}
    both = parse("SELECT configuration, configuration.a").selected({"configuration": {"a": 1, "b": 2}})
    assert both == {"configuration": {"a": 1, "b": 2}}
    deep = parse("SELECT configuration.a.b").selected({"configuration": {"a": [{"b": 1, "c": 2}, {"c": 3}], "d": 4}})
    assert deep == {"configuration": {"a": [{"b": 1}, {}]}}


def test_reads_of_config_are_reads(world):
    """A query changes nothing, and Event history says so."""
    world.record()
    world.query()
    (event,) = [
        entry.record for entry in world.sandbox.journal.all((ACCOUNT, REGION)) if entry.record["eventName"] == "SelectResourceConfig"
    ]
    assert event["readOnly"] is True
    assert {row["action"] for row in world.sandbox.actions.rows()} >= {"config:SelectResourceConfig", "config:PutConfigurationRecorder"}


def test_a_change_of_one_group_has_only_that_group_looked_at(world):
    """Otherwise a busy region with a recorder answers slower with each group that it has."""
    world.record()
    groups = [world.group(f"g{n}") for n in range(20)]
    looked = world.sandbox.config._inventory
    asked: list[Any] = []
    original = looked.some
    looked.some = lambda *unit: asked.append(unit) or original(*unit)
    for group in groups:
        world.open(group)
    assert asked == []
