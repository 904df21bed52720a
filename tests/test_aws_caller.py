"""Calls reach AWS and come back as they are, over HTTP to the sandbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from exporter.aws import ListedObject
from exporter.aws import operations as op
from exporter.aws.operations import OPERATIONS, Operation
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.aws_session import Heard, Service, failed, opened, reply
from tests.sandbox_client import ACCOUNT, REGION, Clock, client

pytestmark = pytest.mark.usefixtures("aws_environment")
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
BUCKET = "example-trail"
ODD_KEYS = [
    "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/31/a.json.gz",
    "a+b",
    "c d",
    "x%20y",
    "x%2By",
    "q&r=s?t#u",
    "é/ü/日本",
    "a//b",
    "./here",
    "p/../q",
    "<t>",
    " lead",
    "tilde~under_score-dash.dot",
    "(paren)*!'",
]


@pytest.fixture
def heard():
    """Return who hears of requests."""
    return Heard()


@pytest.fixture
def sandbox():
    """Return a running sandbox."""
    with Sandbox(Settings(delay=timedelta(0), deliver=False)) as running:
        yield running


@pytest.fixture
def aws(sandbox, heard):
    """Return access to the sandbox."""
    with opened(sandbox.url, heard) as session:
        yield session


@pytest.fixture
def caller(aws):
    """Return a caller of the default credentials."""
    return aws.caller(REGION)


@pytest.fixture
def bucket(sandbox):
    """Return a client of S3, and make the bucket."""
    s3 = client(sandbox, "s3")
    s3.create_bucket(Bucket=BUCKET)
    return s3


def test_lookup_events_gives_the_body_as_it_came(sandbox, caller, heard):
    """Otherwise the source parses something that AWS did not send."""
    client(sandbox, "ec2").create_security_group(GroupName="web", Description="d")
    start = datetime.now(UTC) - timedelta(hours=1)
    asked = {
        "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "CreateSecurityGroup"}],
        "StartTime": start,
        "MaxResults": 50,
    }
    reply = caller.lookup_events(asked)
    (event,) = json.loads(reply.body)["Events"]
    assert event["EventName"] == json.loads(event["CloudTrailEvent"])["eventName"] == "CreateSecurityGroup"
    assert abs(reply.date - datetime.now(UTC)) < timedelta(minutes=1)
    assert heard.requests[-1] == ("cloudtrail:LookupEvents", ACCOUNT, REGION, None)


def test_the_date_is_the_clock_of_aws(heard):
    """Otherwise a poller on a machine with a wrong clock asks for a window that AWS has not reached."""
    clock = Clock(NOW)
    with (
        Sandbox(Settings(deliver=False, faults=Faults(clock_skew=timedelta(minutes=-7))), clock=clock) as sandbox,
        opened(sandbox.url) as aws,
    ):
        assert aws.caller(REGION).lookup_events({}).date == NOW - timedelta(minutes=7)


def test_an_object_comes_as_it_is_stored(bucket, caller, heard):
    """Otherwise a trail file is decompressed twice, or its digest does not match."""
    bucket.put_object(Bucket=BUCKET, Key="a.json.gz", Body=b"\x1f\x8bnot really", ContentEncoding="gzip", Metadata={"Signature": "abc"})
    got = caller.get_object(BUCKET, "a.json.gz", 100)
    assert (got.body, dict(got.metadata)) == (b"\x1f\x8bnot really", {"signature": "abc"})
    assert heard.requests == [("s3:GetObject", "", REGION, None)]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_any_key_can_be_listed_and_read(bucket, caller, key):
    """Otherwise the one file with a plus or a blank in its name is never read."""
    bucket.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    assert caller.list_objects(BUCKET, key).objects == [ListedObject(key, len(key.encode()))]
    assert caller.get_object(BUCKET, key, 1000).body == key.encode()


def test_a_listing_is_walked_page_by_page(bucket, caller):
    """Otherwise everything behind the first page is missed."""
    keys = [f"logs/{number:03d} +&é" for number in range(7)]
    for key in keys:
        bucket.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    first = caller.list_objects(BUCKET, "logs/", most=3)
    second = caller.list_objects(BUCKET, "logs/", token=first.token, most=3)
    third = caller.list_objects(BUCKET, "logs/", token=second.token, most=3)
    assert [item.key for page in (first, second, third) for item in page.objects] == keys
    assert first.token
    assert third.token is None
    assert [item.key for item in caller.list_objects(BUCKET, "logs/", start_after=keys[4]).objects] == keys[5:]


def test_a_delimiter_gives_the_prefixes(bucket, caller):
    """Otherwise accounts and days below a prefix are found only by listing every object."""
    for key in ("o/1 2/x", "o/3&4/y", "o/z"):
        bucket.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    page = caller.list_objects(BUCKET, "o/", delimiter="/")
    assert (list(page.prefixes), [item.key for item in page.objects]) == (["o/1 2/", "o/3&4/"], ["o/z"])
    assert caller.list_objects(BUCKET, "nothing/").objects == []


def test_an_object_over_the_limit_is_not_read(bucket, caller):
    """Otherwise one huge object takes all memory."""
    bucket.put_object(Bucket=BUCKET, Key="huge", Body=b"x" * 1000)
    assert caller.get_object(BUCKET, "huge", 1000).body == b"x" * 1000
    error = failed(lambda: caller.get_object(BUCKET, "huge", 999))
    assert error.reason == "unreadable"
    assert "s3://example-trail/huge" in str(error)
    assert "999" in str(error)


@pytest.mark.parametrize("missing", ["object", "bucket"])
def test_what_is_not_there_is_not_found(bucket, caller, missing):
    """Otherwise a file that was deleted looks like an outage, and is asked for again and again."""
    error = failed(lambda: caller.get_object(BUCKET if missing == "object" else "no-such-bucket", "gone", 10))
    assert (error.reason, error.code, error.operation) == (
        "not_found",
        {"object": "NoSuchKey", "bucket": "NoSuchBucket"}[missing],
        "s3:GetObject",
    )
    assert REGION in str(error)


def test_messages_are_received_and_deleted(sandbox, caller, heard):
    """Otherwise a queue is read and never emptied."""
    sqs = client(sandbox, "sqs")
    url = sqs.create_queue(QueueName="trail")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="<hello> & ü")
    got = caller.call(op.RECEIVE_MESSAGE, QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageSystemAttributeNames=["All"])
    (message,) = got["Messages"]
    assert message["Body"] == "<hello> & ü"
    entry = {"Id": "0", "ReceiptHandle": message["ReceiptHandle"]}
    assert caller.call(op.CHANGE_VISIBILITY, QueueUrl=url, Entries=[entry | {"VisibilityTimeout": 60}])["Successful"]
    assert (
        caller.call(op.GET_QUEUE_ATTRIBUTES, QueueUrl=url, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessagesNotVisible"]
        == "1"
    )
    assert caller.call(op.DELETE_MESSAGE, QueueUrl=url, Entries=[entry])["Successful"] == [{"Id": "0"}]
    assert "Messages" not in caller.call(op.RECEIVE_MESSAGE, QueueUrl=url)
    assert heard.counts()["sqs:ReceiveMessage"] == 2


def test_a_queue_that_is_gone_is_not_found(sandbox, caller):
    """Otherwise a typing error in queue_url looks like an outage."""
    error = failed(lambda: caller.call(op.RECEIVE_MESSAGE, QueueUrl=f"{sandbox.url}/{ACCOUNT}/nope"))
    assert error.reason == "not_found"
    assert "/nope" in str(error)


def test_trails_are_described_as_boto3_has_it(sandbox, bucket, caller):
    """Otherwise doctor and health read other names than AWS's documentation has."""
    trail = client(sandbox, "cloudtrail")
    trail.create_trail(Name="main", S3BucketName=BUCKET)
    trail.start_logging(Name="main")
    trail.put_event_selectors(TrailName="main", EventSelectors=[{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}])
    assert [found["Name"] for found in caller.call(op.DESCRIBE_TRAILS)["trailList"]] == ["main"]
    status = caller.call(op.GET_TRAIL_STATUS, Name="main")
    assert status["IsLogging"] is True
    assert isinstance(status["StartLoggingTime"], datetime)
    assert caller.call(op.GET_EVENT_SELECTORS, TrailName="main")["EventSelectors"][0]["ReadWriteType"] == "WriteOnly"
    keys = caller.call(op.LIST_PUBLIC_KEYS)["PublicKeyList"]
    assert all(isinstance(key["Value"], bytes) for key in keys)


def test_a_call_that_is_not_paged_is_one_page(caller):
    """Otherwise whoever walks pages must know which calls have any."""
    assert [list(page["trailList"]) for page in caller.pages(op.DESCRIBE_TRAILS)] == [[]]


def test_a_call_outside_the_table_is_refused(caller, heard):
    """Otherwise the exporter makes calls that iam-policy does not know, some day one that changes something."""
    error = failed(lambda: caller.call(Operation("ec2", "DeleteSecurityGroup", "ec2:DeleteSecurityGroup"), GroupId="sg-0123456789abcdef0"))
    assert error.reason == "internal"
    assert heard.requests == []


def test_wrong_parameters_are_told_before_anything_is_sent(caller, heard):
    """Otherwise our own mistake looks like one of AWS."""
    assert "QueueUrl" in str(failed(lambda: caller.call(op.RECEIVE_MESSAGE)))
    assert heard.requests == []


def test_every_call_of_the_table_can_be_written(aws):
    """Otherwise a row names a call that botocore does not know, and fails on the day it is needed."""
    for operation in OPERATIONS:
        service = aws._road.models._service(operation.service)
        assert service.model.operation_model(operation.name).name == operation.name
    assert "DescribeInstances" not in aws._road.models._service("ec2").model.operation_names


def test_a_queue_may_wait_longer_than_other_answers_take(aws_environment):
    """Otherwise long polling is taken for an outage."""
    import time

    def slow(handler, _number):
        time.sleep(0.4)
        reply(handler, 200, b"{}")

    with Service(slow) as service, opened(service.url, read_timeout="200ms") as aws:
        assert aws.caller(REGION).call(op.RECEIVE_MESSAGE, QueueUrl=f"{service.url}/q", WaitTimeSeconds=1)["ResponseMetadata"]


def test_requests_are_signed_as_botocore_signs_them(aws_environment):
    """Otherwise AWS refuses all of them, and only the real one would tell."""
    body = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    with Service(lambda handler, _number: reply(handler, 200, body)) as service, opened(service.url) as aws:
        aws.caller("eu-west-1").list_objects(BUCKET, "a b/", delimiter="/")
    ((method, path, headers, sent),) = service.requests
    assert (method, sent) == ("GET", b"")
    assert path == f"/{BUCKET}/?delimiter=%2F&encoding-type=url&list-type=2&max-keys=1000&prefix=a%20b%2F"
    assert "/eu-west-1/s3/aws4_request" in headers["Authorization"]
    assert headers["X-Amz-Content-SHA256"] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert headers["User-Agent"].startswith("aws-change-exporter/")


def test_a_bucket_of_another_region_is_followed_once(heard):
    """Otherwise a queue that names a bucket elsewhere never brings a file."""
    moved = b"<Error><Code>PermanentRedirect</Code><Message>use the right endpoint</Message></Error>"

    def answer(handler, _number):
        if "/eu-west-1/s3/" in handler.headers["Authorization"]:
            reply(handler, 200, b"data")
        else:
            reply(handler, 301, moved, x_amz_bucket_region="eu-west-1")

    with Service(answer) as service, opened(service.url, heard) as aws:
        assert aws.caller(REGION).get_object(BUCKET, "a", 10).body == b"data"
        assert aws.caller(REGION).get_object(BUCKET, "b", 10).body == b"data"
    assert heard.codes("s3:GetObject") == ["PermanentRedirect", None, None]


def test_a_bucket_that_is_never_where_s3_says_is_an_error(heard):
    """Otherwise two regions that point at each other are asked for ever."""
    wrong = b"<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region is wrong</Message></Error>"

    def answer(handler, number):
        reply(handler, 400, wrong, x_amz_bucket_region="eu-west-1" if number % 2 else "us-west-2")

    with Service(answer) as service, opened(service.url, heard) as aws:
        assert "another region" in str(failed(lambda: aws.caller(REGION).get_object(BUCKET, "a", 10)))
    assert len(service.requests) == 2


def test_a_region_that_is_none_is_not_followed(heard):
    """Otherwise an answer chooses the host that our signed requests go to."""
    moved = b"<Error><Code>PermanentRedirect</Code></Error>"
    with (
        Service(lambda handler, _n: reply(handler, 301, moved, x_amz_bucket_region="evil.example.com/")) as service,
        opened(service.url) as aws,
    ):
        failed(lambda: aws.caller(REGION).get_object(BUCKET, "a", 10))
    assert len(service.requests) == 1
