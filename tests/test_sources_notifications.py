"""Messages of a queue are understood whichever way they came, and nothing that somebody made up is taken for one."""

from __future__ import annotations

import json

import pytest

from exporter.sources.notifications import Event, Greeting, Objects, Poison, Unrelated, understand

BUCKET = "example-trail"
KEY = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/31/111122223333_CloudTrail_us-east-1_20260131T1205Z_AbCdEfGhIjKlMnOp.json.gz"
TOPIC = "arn:aws:sns:us-east-1:111122223333:trail"
RECORD = {"eventVersion": "1.08", "eventSource": "ec2.amazonaws.com", "eventName": "CreateSecurityGroup", "eventID": "1"}


def s3(*keys: str, name: str = "ObjectCreated:Put") -> dict[str, object]:
    """Return a notification of S3 with keys as S3 encodes them."""
    return {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventName": name, "s3": {"bucket": {"name": BUCKET}, "object": {"key": key, "size": 9, "sequencer": "1"}}} for key in keys]}  # fmt: skip


def sns(message: object) -> str:
    """Return a message as SNS wraps it."""
    text = message if isinstance(message, str) else json.dumps(message)
    return json.dumps(
        {"Type": "Notification", "MessageId": "1", "TopicArn": TOPIC, "Message": text, "Timestamp": "2026-01-31T12:00:00.000Z"}
    )


def envelope(kind: str, source: str, detail: object) -> dict[str, object]:
    """Return an event of EventBridge."""
    return {"version": "0", "id": "2", "detail-type": kind, "source": source, "account": "111122223333", "time": "2026-01-31T12:00:00Z", "region": "us-east-1", "resources": [], "detail": detail}  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(s3(KEY)),
        json.dumps(s3(KEY.replace("/", "%2F"), name="s3:ObjectCreated:CompleteMultipartUpload")),
        sns(s3(KEY)),
        json.dumps({"s3Bucket": BUCKET, "s3ObjectKey": [KEY]}),
        json.dumps({"s3Bucket": BUCKET, "s3ObjectKey": KEY}),
        sns({"s3Bucket": BUCKET, "s3ObjectKey": [KEY]}),
        json.dumps(envelope("Object Created", "aws.s3", {"version": "0", "bucket": {"name": BUCKET}, "object": {"key": KEY, "size": 9}})),
        sns(envelope("Object Created", "aws.s3", {"bucket": {"name": BUCKET}, "object": {"key": KEY}})),
    ],
    ids=["s3", "s3 encoded", "s3 by sns", "cloudtrail raw", "cloudtrail one key", "cloudtrail by sns", "eventbridge", "eventbridge by sns"],
)
def test_every_wrapping_names_the_same_file(body):
    """A wrapping that is not known makes its trail invisible."""
    assert understand(body) == Objects(((BUCKET, KEY),))


def test_a_message_may_name_several_files():
    """CloudTrail lists several where it delivered them together; the first alone would be a loss."""
    assert understand(sns({"s3Bucket": BUCKET, "s3ObjectKey": [KEY, "b", KEY]})) == Objects(((BUCKET, KEY), (BUCKET, "b")))
    assert understand(json.dumps(s3("a", "b"))) == Objects(((BUCKET, "a"), (BUCKET, "b")))


def test_keys_are_decoded_where_s3_encodes_them_and_nowhere_else():
    """A key with a plus sign or a percent sign would be looked for under another name, and never found."""
    assert understand(json.dumps(s3("my+logs/a%2Bb%25/%C3%A9.json.gz"))) == Objects(((BUCKET, "my logs/a+b%/é.json.gz"),))
    for body in (
        json.dumps({"s3Bucket": BUCKET, "s3ObjectKey": ["a+b%2F"]}),
        json.dumps(envelope("Object Created", "aws.s3", {"bucket": {"name": BUCKET}, "object": {"key": "a+b%2F"}})),
    ):
        assert understand(body) == Objects(((BUCKET, "a+b%2F"),))


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(
            {
                "Service": "Amazon S3",
                "Event": "s3:TestEvent",
                "Time": "2026-01-31T12:00:00.000Z",
                "Bucket": BUCKET,
                "RequestId": "1",
                "HostId": "2",
            }
        ),
        sns({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET}),
        "CloudTrail validation message.",
        sns("CloudTrail validation message."),
    ],
)
def test_test_messages_are_no_poison(body):
    """Every new notification would page somebody."""
    assert understand(body) == Greeting()


def test_an_event_keeps_its_record_to_the_byte():
    """The same event by another road would be another body, and count as a conflict."""
    detail = '{"eventVersion": "1.08",  "eventSource":"ec2.amazonaws.com", "eventName":"CreateSecurityGroup", "n": 1.50}'
    for kind in ("AWS API Call via CloudTrail", "AWS Service Event via CloudTrail", "AWS Console Signin via CloudTrail"):
        body = json.dumps(envelope(kind, "aws.ec2", "HERE")).replace('"HERE"', detail)
        assert understand(body) == Event(detail.encode(), "111122223333", "us-east-1")
        assert understand(sns(body)) == Event(detail.encode(), "111122223333", "us-east-1")


def test_a_bare_record_is_an_event():
    """A rule's target may hand on the detail alone (InputPath $.detail)."""
    assert understand(json.dumps(RECORD)) == Event(json.dumps(RECORD).encode())


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(s3(KEY, name="ObjectRemoved:Delete")),
        json.dumps({"Records": [{"eventSource": "aws:sqs", "eventName": "x"}]}),
        json.dumps({"Records": []}),
        json.dumps(envelope("EC2 Instance State-change Notification", "aws.ec2", {})),
        json.dumps(envelope("Object Deleted", "aws.s3", {"bucket": {"name": BUCKET}, "object": {"key": KEY}})),
        json.dumps({"Type": "SubscriptionConfirmation", "TopicArn": TOPIC, "Token": "x", "Message": "You have chosen"}),
    ],
)
def test_messages_of_something_else_are_unrelated(body):
    """What a shared queue brings beside is no fault of anybody, and must not fill the dead-letter queue."""
    assert isinstance(understand(body), Unrelated)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        json.dumps({"hello": "world"}),
        "{}",
        "[1]",
        "null",
        '{"Records": 1}',
        '{"Records": [1]}',
        '{"a":' * 100_000,
        json.dumps(s3("%ff")),
        json.dumps({"s3Bucket": BUCKET, "s3ObjectKey": []}),
        json.dumps({"s3Bucket": BUCKET, "s3ObjectKey": [KEY] * 1001}),
        json.dumps({"s3Bucket": BUCKET, "s3ObjectKey": [7]}),
        json.dumps({"s3Bucket": BUCKET, "s3ObjectKey": ["k" * 1025]}),
        json.dumps({"s3Bucket": BUCKET, "s3ObjectKey": [""]}),
        json.dumps({"s3Bucket": BUCKET, "s3ObjectKey": ["\ud800"]}),
        json.dumps({"s3Bucket": "../other", "s3ObjectKey": [KEY]}),
        json.dumps({"s3Bucket": None, "s3ObjectKey": [KEY]}),
        json.dumps(envelope("AWS API Call via CloudTrail", "aws.ec2", "text")),
        json.dumps(envelope("AWS API Call via CloudTrail", "aws.ec2", {}) | {"account": 7}),
        json.dumps(envelope("Object Created", "aws.s3", None)),
        sns(sns(s3(KEY))),
        json.dumps({"Type": "Notification", "TopicArn": TOPIC, "Message": {"a": 1}}),
        sns("{"),
        json.dumps({"s3Bucket": BUCKET, "s3ObjectKey": [KEY], "more": "x" * 2**20}),
    ],
)
def test_what_cannot_be_understood_is_poison_and_says_why(body):
    """Taken for something else it would be deleted, and what it told of would be lost without a trace."""
    said = understand(body)
    assert isinstance(said, Poison)
    assert said.why
    assert len(said.why) < 300
