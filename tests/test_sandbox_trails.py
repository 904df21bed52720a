"""Trails of every make: what they log, where they put it, and what CloudTrail tells of them."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.sandbox_client import ACCOUNT, REGION, Clock, client

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
BUCKET = "example-trail"
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/main-trail"


@pytest.fixture
def clock():
    """Return the clock of the sandbox."""
    return Clock(NOW)


@pytest.fixture
def serve(clock):
    """Return a starter of sandboxes whose roads move when the test says; all end with the test."""
    running: list[Sandbox] = []

    def start(**faults: Any) -> Sandbox:
        sandbox = Sandbox(Settings(delay=timedelta(minutes=5), deliver=False, faults=Faults(**faults)), clock=clock)
        sandbox.start()
        client(sandbox, "s3").create_bucket(Bucket=BUCKET)
        running.append(sandbox)
        return sandbox

    yield start
    for sandbox in running:
        sandbox.stop()


@pytest.fixture
def sandbox(serve):
    """Serve a sandbox without faults."""
    return serve()


def start_trail(sandbox: Sandbox, name: str = "main-trail", **settings: Any) -> Any:
    """Make a trail that logs, and return the client of CloudTrail."""
    trail = client(sandbox, "cloudtrail")
    trail.create_trail(Name=name, S3BucketName=BUCKET, **settings)
    trail.start_logging(Name=name)
    return trail


def pass_time(sandbox: Sandbox, clock: Clock, **by: int) -> None:
    """Let time pass, and have delivered what is due."""
    clock.now += timedelta(**by)
    sandbox.deliver_events()
    sandbox.deliver_files()


def files(sandbox: Sandbox, kind: str = "CloudTrail") -> dict[str, Any]:
    """Return the content of every file of a kind in the bucket, by key."""
    s3 = client(sandbox, "s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []) if item["Size"] and f"/{kind}/" in item["Key"]]
    return {key: json.loads(gzip.decompress(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())) for key in keys}


def names(sandbox: Sandbox) -> set[str]:
    """Return the names of all events in log files."""
    return {record["eventName"] for held in files(sandbox).values() for record in held["Records"]}


def selector(*fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one advanced selector of management events."""
    return [{"Name": "management", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}, *fields]}]


@pytest.mark.parametrize(
    ("selectors", "logged", "missing"),
    [
        ({"EventSelectors": [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}]}, {"CreateSecurityGroup"}, {"DescribeVpcs"}),
        ({"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": False}]}, set(), {"CreateSecurityGroup", "DescribeVpcs"}),
        (
            {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True, "ExcludeManagementEventSources": ["kms.amazonaws.com"]}]},
            {"CreateSecurityGroup", "DescribeVpcs"},
            {"ListAliases"},
        ),
        ({"AdvancedEventSelectors": selector({"Field": "readOnly", "Equals": ["false"]})}, {"CreateSecurityGroup"}, {"DescribeVpcs"}),
        ({"AdvancedEventSelectors": selector({"Field": "eventSource", "NotEquals": ["ec2.amazonaws.com"]})}, {"ListAliases"}, {"CreateSecurityGroup"}),
        ({"AdvancedEventSelectors": selector({"Field": "eventName", "StartsWith": ["Create"]})}, {"CreateSecurityGroup"}, {"DescribeVpcs"}),
        ({"AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]}, set(), {"CreateSecurityGroup"}),
    ],
)  # fmt: skip
def test_a_trail_logs_what_its_selectors_want(sandbox, clock, selectors, logged, missing):
    """Otherwise a trail that leaves out security groups cannot be told from one that has none."""
    trail = start_trail(sandbox)
    trail.put_event_selectors(TrailName="main-trail", **selectors)
    clock.now += timedelta(minutes=1)
    client(sandbox, "ec2").create_security_group(GroupName="web", Description="d")
    client(sandbox, "ec2").describe_vpcs()
    client(sandbox, "kms").list_aliases()
    pass_time(sandbox, clock, minutes=5)
    assert logged <= names(sandbox)
    assert not missing & names(sandbox)


def test_selectors_are_told_as_aws_tells_them(sandbox):
    """Otherwise the doctor takes a trail without selectors of its own for one that logs nothing."""
    trail = start_trail(sandbox, IsMultiRegionTrail=True)
    default = {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [], "ExcludeManagementEventSources": []}
    told = trail.get_event_selectors(TrailName="main-trail")
    assert (told["TrailARN"], told["EventSelectors"]) == (TRAIL, [default])
    assert "AdvancedEventSelectors" not in told
    advanced = selector({"Field": "readOnly", "Equals": ["true"]})
    trail.put_event_selectors(TrailName="main-trail", AdvancedEventSelectors=advanced)
    elsewhere = client(sandbox, "cloudtrail", "eu-west-1").get_event_selectors(TrailName=TRAIL)
    assert elsewhere["AdvancedEventSelectors"] == advanced
    assert "EventSelectors" not in elsewhere


def test_the_status_of_a_trail_tells_what_was_delivered(sandbox, clock):
    """Otherwise a trail that stopped, or whose bucket is gone, looks as well as any."""
    sns = client(sandbox, "sns")
    sns.create_topic(Name="logs")
    trail = client(sandbox, "cloudtrail")
    trail.create_trail(Name="main-trail", S3BucketName=BUCKET, EnableLogFileValidation=True, SnsTopicName="logs")
    told = trail.get_trail_status(Name="main-trail")
    assert told["IsLogging"] is False
    assert not {"LatestDeliveryTime", "StartLoggingTime", "StopLoggingTime", "LatestDigestDeliveryTime"} & set(told)
    trail.start_logging(Name="main-trail")
    pass_time(sandbox, clock, minutes=5)
    told = trail.get_trail_status(Name="main-trail")
    assert (told["IsLogging"], told["LatestDeliveryTime"], told["LatestNotificationTime"]) == (True, clock.now, clock.now)
    assert "LatestDigestDeliveryTime" not in told
    pass_time(sandbox, clock, hours=1)
    told = client(sandbox, "cloudtrail").get_trail_status(Name=TRAIL)
    assert told["LatestDigestDeliveryTime"] == clock.now

    s3 = client(sandbox, "s3")
    for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
        s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    s3.delete_bucket(Bucket=BUCKET)
    good = clock.now
    pass_time(sandbox, clock, minutes=5)
    told = trail.get_trail_status(Name="main-trail")
    assert (told["LatestDeliveryError"], told["LatestDeliveryTime"]) == ("NoSuchBucket", good)
    trail.stop_logging(Name="main-trail")
    told = trail.get_trail_status(Name="main-trail")
    assert told["IsLogging"] is False
    assert "StopLoggingTime" in told


def test_a_shadow_trail_is_known_by_its_arn_alone(sandbox):
    """Otherwise a doctor that asks by name works here and fails in every region but one."""
    start_trail(sandbox, IsMultiRegionTrail=True)
    elsewhere = client(sandbox, "cloudtrail", "eu-west-1")
    (shadow,) = elsewhere.describe_trails()["trailList"]
    assert (shadow["TrailARN"], shadow["HomeRegion"], shadow["IsMultiRegionTrail"]) == (TRAIL, REGION, True)
    assert elsewhere.describe_trails(includeShadowTrails=False)["trailList"] == []
    assert elsewhere.get_trail_status(Name=TRAIL)["IsLogging"] is True
    for name in ("main-trail", "other-trail"):
        with pytest.raises(ClientError, match="TrailNotFoundException"):
            elsewhere.get_trail_status(Name=name)


def test_a_member_account_sees_the_trail_of_its_organization(sandbox):
    """Otherwise an account that only the organization's trail logs seems to have none."""
    start_trail(sandbox, IsMultiRegionTrail=True, IsOrganizationTrail=True)
    start_trail(sandbox, "own-trail")
    given = client(sandbox, "sts").assume_role(RoleArn="arn:aws:iam::444455556666:role/Reader", RoleSessionName="watch")["Credentials"]
    there = client(sandbox, "cloudtrail", "eu-west-1", given["AccessKeyId"], given["SessionToken"])
    (told,) = there.describe_trails()["trailList"]
    assert (told["TrailARN"], told["IsOrganizationTrail"]) == (TRAIL, True)
    assert there.get_trail_status(Name=TRAIL)["IsLogging"] is True
    assert there.get_event_selectors(TrailName=TRAIL)["TrailARN"] == TRAIL
    with pytest.raises(ClientError, match="TrailNotFoundException"):
        there.get_trail_status(Name=TRAIL.replace("main-trail", "own-trail"))


def test_several_trails_share_a_bucket_each_with_files_and_digests_of_its_own(sandbox, clock):
    """Otherwise digests of another trail are taken for links of this one's chain, and each event comes once only."""
    for name in ("main-trail", "second-trail"):
        start_trail(sandbox, name, EnableLogFileValidation=True)
    client(sandbox, "ec2").create_security_group(GroupName="web", Description="d")
    pass_time(sandbox, clock, minutes=5)
    held = [
        record["eventID"] for file in files(sandbox).values() for record in file["Records"] if record["eventName"] == "CreateSecurityGroup"
    ]
    assert len(held) == 2
    assert len(set(held)) == 1
    pass_time(sandbox, clock, hours=2)
    digests = files(sandbox, "CloudTrail-Digest")
    assert len(digests) == 4
    listed: dict[str, set[str]] = {}
    for key, digest in digests.items():
        name = key.rpartition("/")[2].split("_")[3]
        listed.setdefault(name, set()).update(log["s3Object"] for log in digest["logFiles"])
        previous = digest["previousDigestS3Object"]
        assert previous is None or f"_{name}_" in previous
    assert set(listed) == {"main-trail", "second-trail"}
    assert not listed["main-trail"] & listed["second-trail"]


@pytest.mark.parametrize(
    ("prefix", "beginning"),
    [
        (None, "AWSLogs/o-exampleorgid/"),
        ("logs", "logs/AWSLogs/o-exampleorgid/"),
        ("o-exampleorgid", "o-exampleorgid/AWSLogs/o-exampleorgid/"),
    ],
    ids=["plain", "with a prefix", "as Control Tower lays it out"],
)
def test_an_organizations_trail_puts_its_id_into_every_key(sandbox, clock, prefix, beginning):
    """Otherwise the layouts of organizations and of Control Tower are never met."""
    given = {} if prefix is None else {"S3KeyPrefix": prefix}
    start_trail(sandbox, IsMultiRegionTrail=True, IsOrganizationTrail=True, EnableLogFileValidation=True, **given)
    for _ in range(2):
        pass_time(sandbox, clock, hours=1)
    for kind in ("CloudTrail", "CloudTrail-Digest"):
        keys = list(files(sandbox, kind))
        assert keys
        assert all(key.startswith(f"{beginning}{ACCOUNT}/{kind}/{REGION}/2026/01/31/{ACCOUNT}_{kind}_{REGION}_") for key in keys)


def test_a_trail_that_stops_ends_its_chain_and_begins_another(sandbox, clock):
    """Otherwise a chain that AWS breaks is never met, and a verifier reports tampering where somebody pressed stop."""
    trail = start_trail(sandbox, EnableLogFileValidation=True)
    for _ in range(2):
        pass_time(sandbox, clock, hours=1)
    pass_time(sandbox, clock, minutes=10)
    trail.stop_logging(Name="main-trail")
    pass_time(sandbox, clock, minutes=10)
    stopped = files(sandbox, "CloudTrail-Digest")
    pass_time(sandbox, clock, hours=3)
    assert files(sandbox, "CloudTrail-Digest") == stopped
    trail.start_logging(Name="main-trail")
    for _ in range(2):
        pass_time(sandbox, clock, hours=1)
    digests = files(sandbox, "CloudTrail-Digest")
    assert [key for key, digest in digests.items() if digest["previousDigestS3Object"] is None] == [
        min(stopped),
        min(set(digests) - set(stopped)),
    ]
    # Whatever was delivered, also while it stopped, is in a digest.
    assert {log["s3Object"] for digest in digests.values() for log in digest["logFiles"]} == set(files(sandbox))


def test_a_file_can_be_left_to_a_backfill_digest(serve, clock):
    """Otherwise a file that AWS signs late is reported as unsigned."""
    sandbox = serve(backfill=1)
    start_trail(sandbox, EnableLogFileValidation=True)
    pass_time(sandbox, clock, minutes=5)
    for _ in range(2):
        pass_time(sandbox, clock, hours=1)
    digests = files(sandbox, "CloudTrail-Digest")
    late = {key: digest for key, digest in digests.items() if key.endswith("_backfill.json.gz")}
    assert late
    assert {log["s3Object"] for digest in late.values() for log in digest["logFiles"]} == set(files(sandbox))
    assert not [log for key, digest in digests.items() if key not in late for log in digest["logFiles"]]
    for key, digest in late.items():
        assert key.removesuffix("_backfill.json.gz") + ".json.gz" in digests
        assert digest["previousDigestS3Object"] is None
        metadata = client(sandbox, "s3").head_object(Bucket=BUCKET, Key=key)["Metadata"]
        assert set(metadata) == {"signature", "signature-algorithm", "backfill-generation-timestamp"}


def test_an_addendum_comes_on_every_road(serve, clock):
    """Otherwise a fuller record is met on one road only, and counts twice on another."""
    sandbox = serve(updated=1)
    sqs, events = client(sandbox, "sqs"), client(sandbox, "events")
    url = sqs.create_queue(QueueName="changes")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="changes", EventPattern=json.dumps({"source": ["aws.ec2"]}))
    events.put_targets(Rule="changes", Targets=[{"Id": "1", "Arn": arn}])
    start_trail(sandbox)
    client(sandbox, "ec2").create_security_group(GroupName="web", Description="d")
    pass_time(sandbox, clock, minutes=20)
    asked = {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "CreateSecurityGroup"}]}
    looked_up = [json.loads(event["CloudTrailEvent"]) for event in client(sandbox, "cloudtrail").lookup_events(**asked)["Events"]]
    logged = [record for held in files(sandbox).values() for record in held["Records"] if record["eventName"] == "CreateSecurityGroup"]
    heard = [json.loads(message["Body"])["detail"] for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]]
    for found in (looked_up, logged, heard):
        (first,) = [record for record in found if "addendum" not in record]
        (fuller,) = [record for record in found if "addendum" in record]
        assert fuller["addendum"]["reason"] == "UPDATED_DATA"
        assert fuller["addendum"]["originalEventID"] == first["eventID"] != fuller["eventID"]


def test_accounts_of_an_organization_are_listed_with_their_state(sandbox):
    """Otherwise accounts that come, close and go cannot be tried out."""
    org = client(sandbox, "organizations")
    with pytest.raises(ClientError, match="AWSOrganizationsNotInUseException"):
        org.list_accounts()
    org.create_organization(FeatureSet="ALL")
    made = org.create_account(Email="one@example.com", AccountName="one")["CreateAccountStatus"]["AccountId"]
    other = org.create_account(Email="two@example.com", AccountName="two")["CreateAccountStatus"]["AccountId"]
    org.close_account(AccountId=other)
    listed = {account["Id"]: (account["Name"], account["Status"], account["State"]) for account in org.list_accounts()["Accounts"]}
    assert listed == {
        ACCOUNT: ("master", "ACTIVE", "ACTIVE"),
        made: ("one", "ACTIVE", "ACTIVE"),
        other: ("two", "SUSPENDED", "SUSPENDED"),
    }
    pages = [page["Accounts"] for page in org.get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": 2})]
    assert [account["Id"] for page in pages for account in page] == list(listed)
    given = client(sandbox, "sts").assume_role(RoleArn=f"arn:aws:iam::{made}:role/Reader", RoleSessionName="watch")["Credentials"]
    member = client(sandbox, "organizations", REGION, given["AccessKeyId"], given["SessionToken"])
    with pytest.raises(ClientError, match="AccessDeniedException"):
        member.list_accounts()
    org.enable_aws_service_access(ServicePrincipal="cloudtrail.amazonaws.com")
    org.register_delegated_administrator(AccountId=made, ServicePrincipal="guardduty.amazonaws.com")
    assert {account["Id"] for account in member.list_accounts()["Accounts"]} == set(listed)


@pytest.mark.parametrize(
    ("region", "names"),
    [("cn-north-1", {"cn-north-1", "cn-northwest-1"}), ("us-gov-west-1", {"us-gov-east-1", "us-gov-west-1"})],
)
def test_regions_are_those_of_the_partition(sandbox, region, names):
    """Otherwise GovCloud and China seem to lead to the regions of everybody else."""
    told = client(sandbox, "ec2", region).describe_regions()["Regions"]
    assert {item["RegionName"] for item in told} == names
    assert {item["OptInStatus"] for item in told} == {"opt-in-not-required"}
    arn = client(sandbox, "sts", region).get_caller_identity()["Arn"]
    assert arn.split(":")[1] == {"cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov"}[region]


def test_regions_that_are_not_enabled_are_listed_only_if_all_are_asked_for(sandbox):
    """Otherwise `all regions` here are ones that refuse every call at AWS."""
    ec2 = client(sandbox, "ec2")
    enabled = ec2.describe_regions()["Regions"]
    assert {item["OptInStatus"] for item in enabled} == {"opt-in-not-required"}
    assert {"us-east-1", "eu-west-1"} <= {item["RegionName"] for item in enabled}
    everything = ec2.describe_regions(AllRegions=True)["Regions"]
    assert {item["OptInStatus"] for item in everything} == {"opt-in-not-required", "not-opted-in"}
    (one,) = ec2.describe_regions(RegionNames=["eu-west-1"])["Regions"]
    assert one == {"RegionName": "eu-west-1", "Endpoint": "ec2.eu-west-1.amazonaws.com", "OptInStatus": "opt-in-not-required"}
    assert ec2.describe_regions(Filters=[{"Name": "opt-in-status", "Values": ["opted-in"]}])["Regions"] == []
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        ec2.describe_regions(RegionNames=["nowhere-1"])
