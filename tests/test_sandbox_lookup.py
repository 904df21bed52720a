"""LookupEvents of the sandbox has the limits, order and errors of AWS's."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.calls import Call
from sandbox.identities import Identity
from sandbox.journal import Journal
from sandbox.lookup import Lookup
from sandbox.server import Sandbox, Settings
from tests.records import event_id, record
from tests.sandbox_client import ACCOUNT, REGION, client

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
DELAY = timedelta(minutes=5)


class Clock:
    """A clock that stands until it is moved; each reading moves it a second, so that nobody is throttled by chance."""

    def __init__(self) -> None:
        self.now, self.step = NOW, timedelta(seconds=1)

    def __call__(self) -> datetime:
        """Return the time, then move on."""
        self.now += self.step
        return self.now


@pytest.fixture
def clock():
    """Return the clock of the sandbox."""
    return Clock()


@pytest.fixture
def sandbox(clock):
    """Serve a sandbox with the clock."""
    with Sandbox(Settings(delay=DELAY), clock=clock) as running:
        yield running


@pytest.fixture
def trail(sandbox):
    """Return a client of CloudTrail."""
    return client(sandbox, "cloudtrail")


def fill(journal: Journal, count: int, **changes: Any) -> list[str]:
    """Put events in the past, a second apart, and return their ids, newest first."""
    for number in range(count):
        at = NOW - timedelta(hours=1, seconds=number)
        journal.add(record("DeleteSecurityGroup", number, eventTime=at.strftime("%Y-%m-%dT%H:%M:%SZ"), **changes), at)
    return [event_id(number) for number in range(count)]


def ids(page: dict[str, Any]) -> list[str]:
    """Return the event ids of a page."""
    return [event["EventId"] for event in page["Events"]]


def refused(call: Any, **parameters: Any) -> str:
    """Return the name of the error of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(caught.value.response["Error"]["Code"])


def test_pages_have_fifty_events_newest_first_and_each_once(sandbox, trail):
    """Otherwise a walk through pages misses events, or sees some twice."""
    expected = fill(sandbox.journal, 120)
    pages = [ids(page) for page in trail.get_paginator("lookup_events").paginate()]
    assert [len(page) for page in pages] == [50, 50, 20]
    assert list(chain(*pages)) == expected


def test_events_of_one_second_are_not_lost_between_pages(sandbox, trail):
    """Otherwise a burst, whose events share their second, is cut where a page ends."""
    at = (NOW - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for number in range(7):
        sandbox.journal.add(record(number=number, eventTime=at), NOW)
    pages = [ids(page) for page in trail.get_paginator("lookup_events").paginate(PaginationConfig={"PageSize": 3})]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(chain(*pages)) == [event_id(number) for number in range(7)]


def test_an_event_shows_after_its_delay(sandbox, clock, trail):
    """Otherwise the exporter's overlap is never put to the test."""
    client(sandbox, "ec2").create_security_group(GroupName="web", Description="d")
    assert ids(trail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateSecurityGroup"}])) == []
    clock.now += DELAY
    (event,) = trail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateSecurityGroup"}])["Events"]
    whole = json.loads(event["CloudTrailEvent"])
    assert event["EventTime"] == datetime.fromisoformat(whole["eventTime"]) < NOW + timedelta(seconds=10)
    assert (event["EventId"], event["ReadOnly"], event["Username"]) == (whole["eventID"], "false", "alice")
    assert (event["EventSource"], event["AccessKeyId"]) == ("ec2.amazonaws.com", "AKIAIOSFODNN7EXAMPLE")
    group = whole["responseElements"]["groupId"]
    assert {"ResourceType": "AWS::EC2::SecurityGroup", "ResourceName": group} in event["Resources"]


def test_both_bounds_are_inclusive(sandbox, trail):
    """Otherwise windows that touch lose the second between them."""
    expected = fill(sandbox.journal, 5)
    newest = NOW - timedelta(hours=1)
    found = trail.lookup_events(StartTime=newest - timedelta(seconds=3), EndTime=newest - timedelta(seconds=1))
    assert ids(found) == expected[1:4]


def test_history_ends_after_ninety_days(sandbox, trail):
    """Otherwise the exporter seems to fill a past that AWS has forgotten."""
    for number, days in ((1, 89), (2, 91)):
        at = NOW - timedelta(days=days)
        sandbox.journal.add(record(number=number, eventTime=at.strftime("%Y-%m-%dT%H:%M:%SZ")), at)
    assert ids(trail.lookup_events(StartTime=NOW - timedelta(days=200))) == [event_id(1)]


def test_two_requests_a_second_and_no_more_for_each_account_and_region(sandbox, clock, trail):
    """Otherwise nothing here tells that a poller is too fast."""
    clock.step = timedelta(0)
    trail.lookup_events()
    trail.lookup_events()
    assert refused(trail.lookup_events) == "ThrottlingException"
    client(sandbox, "cloudtrail", "eu-west-1").lookup_events()
    clock.now += timedelta(milliseconds=499)
    assert refused(trail.lookup_events) == "ThrottlingException"
    clock.now += timedelta(milliseconds=1)
    trail.lookup_events()
    assert refused(trail.lookup_events) == "ThrottlingException"


@pytest.mark.parametrize(
    ("key", "value", "count"),
    [
        ("EventName", "DeleteSecurityGroup", 1),
        ("EventName", "deletesecuritygroup", 0),
        ("EventSource", "ec2.amazonaws.com", 2),
        ("ReadOnly", "false", 1),
        ("ReadOnly", "true", 1),
        ("Username", "alice", 2),
        ("Username", "bob", 0),
        ("AccessKeyId", "AKIAIOSFODNN7EXAMPLE", 2),
        ("EventId", event_id(2), 1),
        ("ResourceType", "AWS::EC2::SecurityGroup", 1),
        ("ResourceName", "sg-0123456789abcdef0", 1),
        ("ResourceType", "AWS::No::Such", 0),
    ],
)
def test_one_attribute_selects(sandbox, trail, key, value, count):
    """Otherwise a lookup by name finds other events here than at AWS."""
    hour_ago = "2026-01-31T11:00:00Z"
    sandbox.journal.add(record("DeleteSecurityGroup", 1, eventTime=hour_ago, requestParameters={"groupId": "sg-0123456789abcdef0"}), NOW)
    sandbox.journal.add(record("DescribeSecurityGroups", 2, eventTime=hour_ago, requestParameters={"groupId": "sg-0123456789abcdef0"}), NOW)
    assert len(trail.lookup_events(LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}])["Events"]) == count


def test_wrapper_and_service_events_list_no_resources(sandbox, clock, trail):
    """Otherwise a lookup by resource finds edits in place here, which it misses at AWS."""
    ec2 = client(sandbox, "ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="web", Description="d", VpcId=vpc)["GroupId"]
    other = ec2.create_security_group(GroupName="db", Description="d", VpcId=vpc)["GroupId"]
    pair = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": other}]}]
    rule = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=pair)["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    described = [{"SecurityGroupRuleId": rule, "Description": "x"}]
    ec2.update_security_group_rule_descriptions_ingress(GroupId=group, SecurityGroupRuleDescriptions=described)
    clock.now += DELAY
    found = {event["EventName"]: event for event in trail.lookup_events()["Events"]}
    named = [resource["ResourceName"] for resource in found["AuthorizeSecurityGroupIngress"]["Resources"]]
    assert named == [group, other]
    assert found["UpdateSecurityGroupRuleDescriptionsIngress"]["Resources"] == []
    assert found["CreateVpcResourceCreation"]["Resources"] == []
    assert "Username" not in found["CreateVpcResourceCreation"]
    assert "AccessKeyId" not in found["CreateVpcResourceCreation"]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"StartTime": NOW + timedelta(days=1)}, "InvalidTimeRangeException"),
        ({"StartTime": NOW, "EndTime": NOW - timedelta(seconds=1)}, "InvalidTimeRangeException"),
        ({"MaxResults": 51}, "InvalidMaxResultsException"),
        ({"LookupAttributes": [{"AttributeKey": "ReadOnly", "AttributeValue": "True"}]}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": [{"AttributeKey": "Colour", "AttributeValue": "red"}]}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "x" * 2001}]}, "InvalidLookupAttributesException"),
        (
            {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": name} for name in ("a", "b")]},
            "InvalidLookupAttributesException",
        ),
        ({"EventCategory": "data"}, "InvalidEventCategoryException"),
        ({"NextToken": "made-up"}, "InvalidNextTokenException"),
    ],
)
def test_what_aws_refuses_is_refused(trail, parameters, code):
    """Otherwise a request that fails at AWS works here."""
    assert refused(trail.lookup_events, **parameters) == code


def test_a_token_is_good_for_its_own_request_only(sandbox, trail):
    """Otherwise a walk whose window moves between pages works here and fails at AWS."""
    fill(sandbox.journal, 60)
    token = trail.lookup_events(EndTime=NOW)["NextToken"]
    assert refused(trail.lookup_events, EndTime=NOW + timedelta(seconds=1), NextToken=token) == "InvalidNextTokenException"
    assert refused(client(sandbox, "cloudtrail", "eu-west-1").lookup_events, EndTime=NOW, NextToken=token) == "InvalidNextTokenException"
    assert len(trail.lookup_events(EndTime=NOW, NextToken=token)["Events"]) == 10


def test_a_token_can_be_made_to_expire():
    """Otherwise a slow walk never meets what it must survive."""
    clock, journal = Clock(), Journal()
    fill(journal, 60)
    lookup = Lookup(journal, clock, token_life=timedelta(minutes=1))

    def ask(**document: Any) -> dict[str, Any]:
        answer = lookup(
            Call("cloudtrail", "LookupEvents", REGION, "AKIAIOSFODNN7EXAMPLE", "", "", document=document),
            Identity(ACCOUNT, "user", "alice"),
        )
        return json.loads(answer.body)

    token = ask()["NextToken"]
    assert len(ask(NextToken=token)["Events"]) == 10
    clock.now += timedelta(minutes=2)
    assert ask(NextToken=token)["__type"] == "InvalidNextTokenException"


def test_insight_events_are_asked_for_apart(sandbox, trail):
    """Otherwise management events come where Insights are asked for."""
    fill(sandbox.journal, 3)
    assert trail.lookup_events(EventCategory="insight")["Events"] == []


def test_one_account_does_not_see_another(sandbox, trail):
    """Otherwise a poller of one account counts the events of all."""
    fill(sandbox.journal, 1, recipientAccountId="444455556666")
    assert trail.lookup_events()["Events"] == []


def test_answers_carry_the_clock_of_the_sandbox(sandbox):
    """Otherwise a caller cannot learn how far its own clock is off."""
    with urllib.request.urlopen(sandbox.url + "/-/ready") as answer:
        assert abs(parsedate_to_datetime(answer.headers["Date"]) - NOW) < timedelta(seconds=5)
        assert len(answer.headers.get_all("Date")) == 1
