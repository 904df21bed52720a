"""What the sandbox answers for itself: records that go in without calls, and all that there are."""

from __future__ import annotations

import gzip
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.server import Sandbox, Settings
from tests.records import record
from tests.sandbox_client import ACCOUNT, Clock, client

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock():
    """Return the clock of the sandbox."""
    return Clock(NOW)


@pytest.fixture
def sandbox(clock):
    """Serve a sandbox whose roads move when the test says."""
    with Sandbox(Settings(delay=timedelta(minutes=5), deliver=False), clock=clock) as running:
        yield running


def send(sandbox: Sandbox, body: Any, query: str = "") -> Any:
    """Give the sandbox records, and return its answer."""
    request = urllib.request.Request(f"{sandbox.url}/-/records{query}", data=json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def truth(sandbox: Sandbox, query: str = "") -> list[dict[str, Any]]:
    """Return all that the sandbox has."""
    with urllib.request.urlopen(f"{sandbox.url}/-/truth{query}") as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


def test_ten_thousand_changes_go_in_within_seconds(sandbox, clock):
    """Otherwise a soak spends its time on making what it wants to read."""
    regions = [f"{area}-{place}-{number}" for area in ("us", "eu") for place in ("east", "west") for number in range(1, 6)]
    units = [(ACCOUNT, region) for region in regions]
    given = [
        record("DeleteSecurityGroup", eventTime="2026-01-31T11:59:00Z", recipientAccountId=account, awsRegion=region, eventID=None)
        for account, region in units
        for _ in range(500)
    ]
    for item in given:
        del item["eventID"]
    began = time.monotonic()
    assert send(sandbox, {"Records": given}) == {"kept": 10_000}
    assert time.monotonic() - began < 20
    rows = truth(sandbox, "?brief=true")
    assert Counter((row["account_id"], row["region"]) for row in rows) == dict.fromkeys(units, 500)
    assert len({row["event_id"] for row in rows}) == 10_000
    trail = client(sandbox, "cloudtrail", "eu-west-1")
    assert trail.lookup_events()["Events"] == []
    clock.now += timedelta(minutes=5)
    assert len(trail.lookup_events()["Events"]) == 50


def test_an_event_of_any_time_goes_in_and_comes_late(sandbox, clock):
    """Otherwise events that come days after their time cannot be had where and when a test wants them."""
    send(sandbox, [record("DeleteSecurityGroup", eventTime="2026-01-28T07:00:00Z", eventID="0f0e0d0c-0000-4000-8000-000000000001")])
    clock.now += timedelta(minutes=5)
    (event,) = client(sandbox, "cloudtrail").lookup_events()["Events"]
    assert (event["EventId"], event["EventTime"].astimezone(UTC).day) == ("0f0e0d0c-0000-4000-8000-000000000001", 28)
    (row,) = [row for row in truth(sandbox) if row["event_name"] == "DeleteSecurityGroup"]
    assert row["record"] == json.loads(event["CloudTrailEvent"])
    assert (row["event_time"], row["visible_at"]) == ("2026-01-28T07:00:00Z", "2026-01-31T12:05:00+00:00")


def test_the_past_stands_in_event_history_and_comes_on_no_other_road(sandbox, clock):
    """Otherwise a sandbox that begins with a past tells all of it as news."""
    s3, trail = client(sandbox, "s3"), client(sandbox, "cloudtrail")
    s3.create_bucket(Bucket="example-trail")
    trail.create_trail(Name="main", S3BucketName="example-trail")
    trail.start_logging(Name="main")
    send(sandbox, [record("DeleteSecurityGroup", eventTime="2026-01-20T07:00:00Z", recipientAccountId=ACCOUNT)], "?past=true")
    asked = {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "DeleteSecurityGroup"}]}
    assert len(trail.lookup_events(**asked)["Events"]) == 1
    clock.now += timedelta(hours=1)
    sandbox.deliver_files()
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="example-trail")["Contents"] if item["Size"]]
    assert keys, "the calls above are delivered"
    names = [
        item["eventName"]
        for key in keys
        for item in json.loads(gzip.decompress(s3.get_object(Bucket="example-trail", Key=key)["Body"].read()))["Records"]
    ]
    assert "StartLogging" in names
    assert "DeleteSecurityGroup" not in names


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"records": []}, "write a JSON array"),
        ([7], "record 0 is no object"),
        ([{"eventName": "DeleteSecurityGroup"}], "record 0 has no eventSource"),
        ([record("DeleteSecurityGroup", eventTime="2026-01-31T12:00:00")], "has no time zone"),
        ([record("DeleteSecurityGroup", eventTime="noon")], "noon"),
    ],
)
def test_what_is_no_record_is_refused_with_a_reason(sandbox, body, message):
    """Otherwise a test waits for a change that never came in."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        send(sandbox, body)
    with caught.value as answer:
        assert answer.status == 400
        assert message in json.loads(answer.read())["error"]
    assert truth(sandbox) == []


def test_an_address_of_nothing_names_what_there_is(sandbox):
    """Otherwise a misspelt address looks like an answer of S3."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{sandbox.url}/-/action")
    with caught.value as answer:
        assert answer.status == 404
        assert "GET /-/actions" in json.loads(answer.read())["error"]


def test_records_from_elsewhere_stand_as_they_are_and_at_their_own_time(sandbox, clock):
    """Otherwise recorded history cannot be compared letter by letter, or only while it is fresh."""
    old = {
        "eventTime": "2021-01-24 04:55:45.000", "eventName": "DeleteSecurityGroup", "eventSource": "ec2.amazonaws.com", "eventID": "...",
        "awsRegion": "us-east-1", "recipientAccountId": ACCOUNT,
    }  # fmt: skip
    assert send(sandbox, [old], "?recorded=true") == {"kept": 1}
    trail = client(sandbox, "cloudtrail")
    assert trail.lookup_events()["Events"] == []
    clock.now = datetime(2021, 2, 1, tzinfo=UTC)
    (event,) = trail.lookup_events()["Events"]
    assert json.loads(event["CloudTrailEvent"]) == old
    assert event["EventTime"] == datetime(2021, 1, 24, 4, 55, 45, tzinfo=UTC)
    for broken in ({**old, "eventID": None}, {**old, "eventTime": "yesterday"}):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            send(sandbox, [broken], "?recorded=true")
