"""The activity: lifelike, bounded, the same for a seed, and on every road."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from sandbox.acting import acting, world_of
from sandbox.activity import MOST_GROUPS, MOST_RULES, Activity
from sandbox.hands import Hands, introduce
from sandbox.server import Sandbox, Settings
from sandbox.world import AGGREGATOR, BUCKET, EVENTS_QUEUE, EXTERNAL_ID, FILES_QUEUE, HOME_REGION, READER, World, build
from tests.sandbox_client import ACCOUNT, REGION, client, records

STEPS = 300


def act(seed: int, steps: int) -> tuple[list[dict[str, Any]], Activity, list[str]]:
    """Act for some steps, one after the other, and return the records, the activity and what it told."""
    told: list[str] = []
    with Sandbox(Settings(delay=timedelta(0), deliver=False)) as sandbox:
        world = World((ACCOUNT, "444455556666"), (REGION,))
        introduce(sandbox.identities, sandbox.policies, world.accounts, sandbox.clock)
        hands = Hands(sandbox.url)
        build(hands, world)
        activity = Activity(hands, world, seed, told.append)
        activity.settle()
        for number in range(1, steps + 1):
            activity.step(number)
        hands.close()
        return records(sandbox), activity, told


@pytest.fixture(scope="module")
def life():
    """Return what three hundred steps leave behind."""
    return act(7, STEPS)


def test_it_does_what_people_pipelines_and_controllers_do(life):
    """Otherwise a demo shows a few kinds of change, and the others are never seen on a page."""
    found, _, told = life
    outcomes = Counter((record["eventName"], record.get("errorCode", "")) for record in found)
    for name in (
        "AuthorizeSecurityGroupIngress",
        "RevokeSecurityGroupIngress",
        "CreateSecurityGroup",
        "DeleteSecurityGroup",
        "ModifySecurityGroupRules",
        "UpdateSecurityGroupRuleDescriptionsIngress",
        "ModifyManagedPrefixList",
        "CreateNetworkInterface",
        "CreateTags",
        "CreateVpcResourceCreation",
        "DescribeSecurityGroups",
        "StopLogging",
        "StartLogging",
    ):
        assert outcomes[name, ""], name
    assert outcomes["AuthorizeSecurityGroupIngress", "Client.UnauthorizedOperation"]
    assert outcomes["AuthorizeSecurityGroupIngress", "Client.DryRunOperation"]
    assert outcomes["AuthorizeSecurityGroupIngress", "Client.InvalidPermission.Duplicate"]
    assert any("never seen before" in line for line in told)
    assert any("revokes all rules" in line for line in told)


def test_each_acts_as_who_they_are(life):
    """Otherwise all channels and principals are one."""
    found, _, _ = life
    changes = [record for record in found if not record["readOnly"]]
    agents = {record["userAgent"].partition("/")[0].partition(" ")[0] for record in changes}
    assert {"APN", "Mozilla", "cloudformation.amazonaws.com", "elbv2.k8s.aws", "Boto3", "aws-cli"} <= agents
    by_name = {record["userIdentity"].get("arn", "").rpartition(":")[2]: record for record in changes}
    alice = by_name["assumed-role/AWSReservedSSO_AdministratorAccess_0123456789abcdef/alice@example.com"]
    assert alice["sessionCredentialFromConsole"] == "true"
    assert alice["sourceIPAddress"] == "198.51.100.7"
    assert alice["userIdentity"]["sessionContext"]["attributes"]["mfaAuthenticated"] == "true"
    assert "/aws-reserved/sso.amazonaws.com/" in alice["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"]
    carol = by_name["user/carol"]
    assert (carol["userIdentity"]["type"], carol["userIdentity"]["sessionContext"]["sessionIssuer"]) == ("IAMUser", {})
    stack = by_name["assumed-role/StackDeployer/AWSCloudFormation"]
    assert stack["userIdentity"]["invokedBy"] == stack["sourceIPAddress"] == stack["userAgent"] == "cloudformation.amazonaws.com"
    assert "tlsDetails" not in stack
    controller = by_name["assumed-role/LoadBalancerController/1769851200123456789"]
    assert ":oidc-provider/" in controller["userIdentity"]["sessionContext"]["webIdFederationData"]["federatedProvider"]


def test_what_stands_stays_bounded(life):
    """Otherwise a demo that runs overnight has thousands of groups, and grows slower with each."""
    _, activity, _ = life
    for place in activity._places:
        assert 1 <= len(place.groups) <= MOST_GROUPS
        assert all(len(group.rules) <= MOST_RULES + 1 for group in place.groups)
        assert len(place.entries) <= 5


def test_the_same_seed_tells_the_same_story():
    """Otherwise what went wrong in one run cannot be seen again."""

    def story(found: list[dict[str, Any]]) -> list[tuple[str, ...]]:
        return [
            (
                record["recipientAccountId"],
                record["awsRegion"],
                record["eventName"],
                record.get("errorCode", ""),
                record["userIdentity"].get("arn", ""),
            )
            for record in found
        ]

    one, other, another = (story(act(seed, 60)[0]) for seed in (1, 1, 2))
    assert one == other
    assert one != another


def test_each_kind_of_exposure_stands_in_the_world_and_config_tells_of_it():
    """Otherwise a demo of what stands open shows groups that come and go, and nothing that is reached."""
    with Sandbox(Settings(delay=timedelta(0), config_delay=timedelta(0), deliver=False)) as sandbox:
        world = world_of(ACCOUNT)
        introduce(sandbox.identities, sandbox.policies, world.accounts, sandbox.clock)
        hands = Hands(sandbox.url)
        build(hands, world)
        Activity(hands, world, 7, lambda _line: None).settle()
        hands.close()
        config = client(sandbox, "config", HOME_REGION)
        found: dict[str, list[dict[str, Any]]] = {}
        for kind in ("AWS::EC2::SecurityGroup", "AWS::EC2::NetworkInterface", "AWS::EC2::PrefixList"):
            expression = f"SELECT accountId, awsRegion, resourceId, resourceName, configuration WHERE resourceType = '{kind}'"
            pages = config.get_paginator("select_aggregate_resource_config").paginate(
                Expression=expression, ConfigurationAggregatorName=AGGREGATOR
            )
            found[kind] = [json.loads(row) for page in pages for row in page["Results"]]
        groups, interfaces, lists = found.values()
        assert {(item["accountId"], item["awsRegion"]) for item in groups} == set(world.units)
        public = {
            group["groupName"]: any(
                group["groupId"] in {one["groupId"] for one in item["configuration"]["groups"]} and "association" in item["configuration"]
                for item in interfaces
            )
            for group in (item["configuration"] for item in groups)
        }
        names = ("front", "servers", "bastion", "database", "forgotten", "partners")
        assert {name: public[name] for name in names} == dict(zip(names, (True, False, True, False, False, True), strict=True))
        attached = {one["groupName"] for item in interfaces for one in item["configuration"]["groups"]}
        assert attached & set(names) == set(names) - {"forgotten"}
        (halves,) = (item["configuration"]["Entries"] for item in lists if item["configuration"]["PrefixListName"] == "partners")
        assert [entry["Cidr"] for entry in halves] == ["0.0.0.0/1", "128.0.0.0/1"]


def test_it_comes_out_on_every_road_and_ends_with_the_sandbox():
    """Otherwise the exporter of the demo waits on a road that nothing moves on."""
    none = timedelta(0)
    with Sandbox(Settings(delay=none, bus_delay=none, trail_interval=timedelta(seconds=0.2))) as sandbox:
        with acting(sandbox, 1, timedelta(seconds=0.01), timedelta(days=1), lambda _line: None):
            sts = client(sandbox, "sts")
            role = f"arn:aws:iam::444455556666:role/{READER}"
            given = sts.assume_role(RoleArn=role, RoleSessionName="watch", ExternalId=EXTERNAL_ID)["Credentials"]
            there = client(sandbox, "cloudtrail", REGION, given["AccessKeyId"], given["SessionToken"])
            past = there.lookup_events()["Events"]
            assert len(past) == 50
            sqs = client(sandbox, "sqs")
            heard: dict[str, set[str]] = {FILES_QUEUE: set(), EVENTS_QUEUE: set()}
            for _ in range(200):
                for name, kinds in heard.items():
                    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
                    for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
                        body = json.loads(message["Body"])
                        kinds.add(f"{body['account']} {body['region']}" if "detail" in body else body.get("Event", "files"))
                if len(heard[EVENTS_QUEUE]) == 6 and "files" in heard[FILES_QUEUE]:
                    break
            assert heard[EVENTS_QUEUE] == {f"{account} {region}" for account, region in world_of(ACCOUNT).units}
            assert {"s3:TestEvent", "files"} <= heard[FILES_QUEUE]
            names = client(sandbox, "s3").list_objects_v2(Bucket=BUCKET)["Contents"]
            assert any("/444455556666/CloudTrail/" in item["Key"] for item in names)
        assert not [thread for thread in threading.enumerate() if thread.name == "activity"]
        with urllib.request.urlopen(f"{sandbox.url}/-/ready") as answer:
            assert answer.status == 200
