"""Each fault switch of the sandbox makes its one thing go wrong, and nothing goes wrong without."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ResponseStreamingError
from click.testing import CliRunner

from exporter.catalog import WATCH_SETS, Watch
from exporter.model import ChangeEvent
from exporter.parse import RecordParser
from sandbox.cli import main
from sandbox.faults import Chance, Faults
from sandbox.journal import Entry
from sandbox.server import Sandbox, Settings
from tests.records import record
from tests.sandbox_client import ACCOUNT, REGION, Clock, client

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
DELAY = timedelta(minutes=5)


@pytest.fixture
def clock():
    """Return the clock of the sandbox."""
    return Clock(NOW)


@pytest.fixture
def serve(clock):
    """Return a starter of sandboxes with faults; all end with the test."""
    running: list[Sandbox] = []

    def start(**faults: Any) -> Sandbox:
        sandbox = Sandbox(Settings(delay=DELAY, deliver=False, faults=Faults(**faults)), clock=clock)
        sandbox.start()
        running.append(sandbox)
        return sandbox

    yield start
    for sandbox in running:
        sandbox.stop()


def change(sandbox: Sandbox) -> list[Entry]:
    """Make a change and return what is in the journal of it."""
    client(sandbox, "ec2").create_security_group(GroupName="web", Description="d")
    return [entry for entry in sandbox.journal.all((ACCOUNT, REGION)) if entry.record["eventName"] == "CreateSecurityGroup"]


def error(call: Any, **parameters: Any) -> tuple[str, int]:
    """Return code and status of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_throttles_can_be_had_beyond_the_limit(serve):
    """Otherwise a poller's back-off is only met when it is too fast itself."""
    sandbox = serve(throttle=1)
    assert error(client(sandbox, "cloudtrail").lookup_events) == ("ThrottlingException", 400)
    client(sandbox, "cloudtrail").describe_trails()


def test_a_storm_throttles_for_its_time(serve, clock):
    """Otherwise the hours in which somebody else uses up the limit cannot be tried."""
    trail = client(serve(storm=timedelta(seconds=10), storm_period=timedelta(minutes=1)), "cloudtrail")
    assert error(trail.lookup_events) == ("ThrottlingException", 400)
    clock.now += timedelta(seconds=10)
    trail.lookup_events()
    clock.now += timedelta(seconds=50)
    assert error(trail.lookup_events) == ("ThrottlingException", 400)


def test_reads_fail_and_changes_do_not(serve):
    """Otherwise a test that makes changes under faults does not know what it made."""
    sandbox = serve(error=1)
    assert len(change(sandbox)) == 1
    assert error(client(sandbox, "cloudtrail").lookup_events) == ("InternalFailure", 500)
    sqs = client(sandbox, "sqs")
    url = sqs.create_queue(QueueName="logs")["QueueUrl"]
    assert error(sqs.receive_message, QueueUrl=url) == ("InternalFailure", 500)
    s3 = client(sandbox, "s3")
    s3.create_bucket(Bucket="example-trail")
    s3.put_object(Bucket="example-trail", Key="a", Body=b"data")
    assert error(s3.get_object, Bucket="example-trail", Key="a") == ("SlowDown", 503)
    assert error(s3.list_objects_v2, Bucket="example-trail") == ("SlowDown", 503)


def test_a_request_can_hang_and_lose_its_connection(serve):
    """Otherwise timeouts are never met."""
    trail = client(serve(hang=1, hang_for=timedelta(seconds=0.2)), "cloudtrail")
    begun = time.monotonic()
    with pytest.raises(ConnectionClosedError):
        trail.lookup_events()
    assert time.monotonic() - begun >= 0.2


def test_stopping_frees_whoever_hangs(serve):
    """Otherwise a demo with faults ends while its exporter still waits."""
    sandbox = serve(hang=1, hang_for=timedelta(minutes=5))
    trail = client(sandbox, "cloudtrail")
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(trail.lookup_events)
        with pytest.raises(TimeoutError):
            hanging.result(timeout=0.5)
        sandbox.stop()
        with pytest.raises(ConnectionClosedError):
            hanging.result(timeout=10)


def test_a_body_can_be_cut(serve):
    """Otherwise half a log file is never met."""
    s3 = client(serve(cut=1), "s3")
    s3.create_bucket(Bucket="example-trail")
    s3.put_object(Bucket="example-trail", Key="a", Body=b"x" * 1000)
    with pytest.raises((ResponseStreamingError, ConnectionError)):
        s3.get_object(Bucket="example-trail", Key="a")["Body"].read()


def test_a_record_can_come_twice(serve):
    """Otherwise exactly-once counting is not put to the test."""
    first, second = change(serve(duplicate=1))
    assert first.record["eventID"] == second.record["eventID"]


def test_a_record_can_come_days_late_and_says_so(serve, clock):
    """Otherwise the deep look back has nothing to find."""
    sandbox = serve(late=1, late_by=timedelta(days=2))
    (entry,) = change(sandbox)
    assert entry.record["addendum"] == {"reason": "DELIVERY_DELAY"}
    assert entry.visible_at == NOW + DELAY + timedelta(days=2)


def test_records_can_come_out_of_order(serve):
    """Otherwise each road is in order, which none is at AWS."""
    sandbox = serve(jitter=timedelta(minutes=1))
    for number in range(10):
        client(sandbox, "ec2").create_security_group(GroupName=f"web-{number}", Description="d")
    seen = [entry.visible_at for entry in sandbox.journal.all((ACCOUNT, REGION))]
    assert seen != sorted(seen)
    assert all(NOW + DELAY <= at <= NOW + DELAY + timedelta(minutes=1) for at in seen)


def test_a_record_can_be_followed_by_a_fuller_one(serve):
    """Otherwise an addendum that supersedes is never met, and would count as a second change."""
    original, fuller = (entry.record for entry in change(serve(updated=1)))
    assert fuller["eventID"] != original["eventID"]
    assert fuller["addendum"]["reason"] == "UPDATED_DATA"
    assert fuller["addendum"]["originalEventID"] == original["eventID"]
    parsed = RecordParser(Watch(WATCH_SETS), lambda _changes: ()).parse(fuller, b"{}")
    assert isinstance(parsed, ChangeEvent)
    assert (parsed.event_id, parsed.supersedes) == (original["eventID"], True)


def test_a_token_can_expire(serve, clock):
    """Otherwise a slow walk through pages never breaks off."""
    sandbox = serve(token_life=timedelta(seconds=10))
    for _ in range(2):
        client(sandbox, "ec2").describe_vpcs()
    clock.now += DELAY
    trail = client(sandbox, "cloudtrail")
    token = trail.lookup_events(MaxResults=1)["NextToken"]
    clock.now += timedelta(seconds=11)
    assert error(trail.lookup_events, MaxResults=1, NextToken=token) == ("InvalidNextTokenException", 400)


def test_the_clock_of_aws_can_be_behind(serve, clock):
    """Otherwise a caller whose clock is fast never learns what AWS makes of its start."""
    trail = client(serve(clock_skew=-timedelta(minutes=10)), "cloudtrail")
    assert error(trail.lookup_events, StartTime=NOW - timedelta(minutes=1)) == ("InvalidTimeRangeException", 400)


@pytest.mark.parametrize(
    ("action", "service", "method", "parameters", "expected"),
    [
        ("cloudtrail:LookupEvents", "cloudtrail", "lookup_events", {}, ("AccessDeniedException", 400)),
        ("s3:GetObject", "s3", "get_object", {"Bucket": "example-trail", "Key": "a"}, ("AccessDenied", 403)),
        ("s3:ListBucket", "s3", "list_objects_v2", {"Bucket": "example-trail"}, ("AccessDenied", 403)),
        ("sts:AssumeRole", "sts", "assume_role", {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/Deploy", "RoleSessionName": "ci"}, ("AccessDenied", 403)),
        ("ec2:DeleteSecurityGroup", "ec2", "delete_security_group", {"GroupId": "sg-0123456789abcdef0"}, ("UnauthorizedOperation", 403)),
    ],
)  # fmt: skip
def test_an_action_can_be_denied(serve, action, service, method, parameters, expected):
    """Otherwise a missing permission, the first thing that goes wrong at everybody's, cannot be tried."""
    sandbox = serve(deny=frozenset({action}))
    assert error(getattr(client(sandbox, service), method), **parameters) == expected
    client(sandbox, "ec2").describe_vpcs()


def test_a_denied_change_is_recorded_as_one(serve):
    """Otherwise attempts of somebody without the permission are not to be seen."""
    sandbox = serve(deny=frozenset({"ec2:DeleteSecurityGroup"}))
    error(client(sandbox, "ec2").delete_security_group, GroupId="sg-0123456789abcdef0")
    (entry,) = sandbox.journal.all((ACCOUNT, REGION))
    assert entry.record["errorCode"] == "Client.UnauthorizedOperation"
    assert entry.record["requestParameters"] == {"groupId": "sg-0123456789abcdef0"}


def test_a_session_of_a_role_ends(serve, clock):
    """Otherwise a chain of roles that is not renewed works here for ever."""
    sandbox = serve(credential_life=timedelta(minutes=10))
    sts = client(sandbox, "sts")
    role = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/Deploy", "RoleSessionName": "ci"}
    given = sts.assume_role(**role)["Credentials"]

    def there(service: str) -> Any:
        return client(sandbox, service, REGION, given["AccessKeyId"], given["SessionToken"])

    there("ec2").describe_vpcs()
    clock.now += timedelta(minutes=10)
    assert error(there("cloudtrail").lookup_events) == ("ExpiredTokenException", 400)
    assert error(there("ec2").describe_vpcs) == ("RequestExpired", 400)
    assert error(there("s3").list_buckets) == ("ExpiredToken", 400)
    assert error(there("sts").get_caller_identity) == ("ExpiredToken", 403)
    client(sandbox, "ec2").describe_vpcs()


def test_a_session_ends_when_it_was_told_to(serve, clock):
    """Otherwise sessions of fifteen minutes last for an hour."""
    sandbox = serve()
    role = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/Deploy", "RoleSessionName": "ci"}
    given = client(sandbox, "sts").assume_role(**role, DurationSeconds=900)["Credentials"]
    there = client(sandbox, "cloudtrail", REGION, given["AccessKeyId"], given["SessionToken"])
    clock.now += timedelta(seconds=899)
    there.lookup_events()
    clock.now += timedelta(seconds=1)
    assert error(there.lookup_events) == ("ExpiredTokenException", 400)


def test_records_can_be_given_without_calls(serve, clock):
    """Otherwise thousands of changes take minutes of calls."""
    sandbox = serve()
    sandbox.keep(record("DeleteSecurityGroup", eventTime="2026-01-31T12:00:00Z"))
    trail = client(sandbox, "cloudtrail")
    assert trail.lookup_events()["Events"] == []
    clock.now += DELAY
    assert "DeleteSecurityGroup" in [event["EventName"] for event in trail.lookup_events()["Events"]]


def test_eventbridge_can_lose_events(serve, clock):
    """Otherwise the fast road looks like one that can be relied on."""
    sandbox = serve(bus_loss=1)
    sqs, events, trail = (client(sandbox, name) for name in ("sqs", "events", "cloudtrail"))
    client(sandbox, "s3").create_bucket(Bucket="example-trail")
    trail.create_trail(Name="main-trail", S3BucketName="example-trail")
    trail.start_logging(Name="main-trail")
    url = sqs.create_queue(QueueName="changes")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="changes", EventPattern=json.dumps({"source": ["aws.ec2"]}))
    events.put_targets(Rule="changes", Targets=[{"Id": "1", "Arn": arn}])
    change(sandbox)
    clock.now += timedelta(minutes=1)
    sandbox.deliver_events()
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_the_same_seed_strikes_the_same():
    """Otherwise a run that failed cannot be repeated."""
    one, other = ([chance.strikes(0.5) for _ in range(50)] for chance in (Chance(7), Chance(7)))
    assert one == other
    assert True in one
    assert False in one
    assert [Chance(8).strikes(0.5) for _ in range(50)] != one


def test_every_fault_has_a_switch():
    """Otherwise a fault can be had in tests only, not in a demo."""
    shown = CliRunner().invoke(main, ["--help"]).output
    switches = {"storm": "throttle-storm", "storm_period": "throttle-storm"}
    for name in Faults.__dataclass_fields__:
        assert f"--{switches.get(name, name.replace('_', '-'))}" in shown, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--throttle", "2"], "--throttle"),
        (["--throttle-storm", "10s"], "is no storm; write LENGTH/PERIOD"),
        (["--throttle-storm", "2m/1m"], "at most its period"),
        (["--late-by", "soon"], "is no duration"),
        (["--deny", "LookupEvents"], "is no action; write SERVICE:ACTION"),
    ],
)
def test_a_switch_that_makes_no_sense_is_refused_with_a_remedy(arguments, message):
    """Otherwise a run without faults is taken for one that survived them."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
