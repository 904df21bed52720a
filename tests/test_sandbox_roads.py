"""What is done in the sandbox comes out on every road that CloudTrail has: log files, messages of them, and events."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from sandbox.server import Sandbox, Settings
from tests.sandbox_client import ACCOUNT, REGION, Clock, client, records

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
BUCKET = "example-trail"
KEY = rf"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/01/31/{ACCOUNT}_CloudTrail_{REGION}_20260131T\d{{4}}Z_[0-9A-Za-z]{{16}}\.json\.gz"


@pytest.fixture
def clock():
    """Return the clock of the sandbox."""
    return Clock(NOW)


@pytest.fixture
def sandbox(clock):
    """Serve a sandbox whose roads move when the test says."""
    with Sandbox(Settings(delay=timedelta(minutes=5), deliver=False), clock=clock) as running:
        yield running


@pytest.fixture
def s3(sandbox):
    """Return a client of S3, with the bucket of the trail."""
    s3 = client(sandbox, "s3")
    s3.create_bucket(Bucket=BUCKET)
    return s3


def start_trail(sandbox: Sandbox, name: str = "main-trail", **settings: Any) -> Any:
    """Make a trail that logs, and return the client of CloudTrail."""
    trail = client(sandbox, "cloudtrail")
    trail.create_trail(Name=name, S3BucketName=BUCKET, **settings)
    trail.start_logging(Name=name)
    return trail


def queue(sandbox: Sandbox, name: str) -> tuple[str, str]:
    """Make a queue and return its address and ARN."""
    sqs = client(sandbox, "sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def messages(sandbox: Sandbox, url: str) -> list[Any]:
    """Take all messages from a queue."""
    sqs, found = client(sandbox, "sqs"), []
    while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"]) for message in batch]
        for message in batch:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def change(sandbox: Sandbox, name: str = "web") -> str:
    """Make a group and return the id of the event of it."""
    client(sandbox, "ec2").create_security_group(GroupName=name, Description="d")
    return str(records(sandbox, "CreateSecurityGroup")[-1]["eventID"])


def keys(s3: Any) -> list[str]:
    """Return the keys in the bucket of the trail."""
    return [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def log_keys(s3: Any) -> list[str]:
    """Return the keys of log files."""
    return [key for key in keys(s3) if "/CloudTrail/" in key and key.endswith(".gz")]


def content(s3: Any, key: str) -> bytes:
    """Return what a file holds."""
    return gzip.decompress(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def test_a_log_file_lies_where_cloudtrail_puts_it_and_holds_each_event_once(sandbox, clock, s3):
    """Otherwise the listing of the s3 source is tested on another layout than AWS's."""
    start_trail(sandbox)
    event_id = change(sandbox)
    sandbox.deliver_files()
    assert keys(s3) == [f"AWSLogs/{ACCOUNT}/CloudTrail/"], "only the marker of a new trail, as nothing is visible yet"
    clock.now += timedelta(minutes=5)
    sandbox.deliver_files()
    sandbox.deliver_files()
    (key,) = log_keys(s3)
    assert re.fullmatch(KEY, key)
    text = content(s3, key)
    assert b"\n" not in text
    held = json.loads(text)["Records"]
    assert [record["eventID"] for record in held].count(event_id) == 1
    assert {record["eventID"] for record in held} == {
        record["eventID"] for record in records(sandbox) if not record["eventName"].startswith("List")
    }


def test_each_account_and_region_has_its_own_files(sandbox, clock, s3):
    """Otherwise an organization's trail is never met."""
    client(sandbox, "organizations").create_organization(FeatureSet="ALL")
    organization = client(sandbox, "organizations").describe_organization()["Organization"]["Id"]
    start_trail(sandbox, IsMultiRegionTrail=True, IsOrganizationTrail=True, S3KeyPrefix="logs")
    arn = "arn:aws:iam::444455556666:role/Deploy"
    given = client(sandbox, "sts").assume_role(RoleArn=arn, RoleSessionName="ci")["Credentials"]
    there = client(sandbox, "ec2", "eu-west-1", given["AccessKeyId"], given["SessionToken"])
    there.create_security_group(GroupName="elsewhere", Description="d")
    clock.now += timedelta(minutes=5)
    sandbox.deliver_files()
    found = {tuple(key.split("/")[3:6]) for key in log_keys(s3)}
    assert all(key.startswith(f"logs/AWSLogs/{organization}/") for key in log_keys(s3))
    assert found == {(ACCOUNT, "CloudTrail", REGION), ("444455556666", "CloudTrail", "eu-west-1")}


def test_a_trail_of_one_region_misses_the_others_and_one_that_stopped_misses_all(sandbox, clock, s3):
    """Otherwise a trail that does not log what is wanted cannot be tried out."""
    trail = start_trail(sandbox)
    client(sandbox, "ec2", "eu-west-1").create_security_group(GroupName="elsewhere", Description="d")
    clock.now += timedelta(minutes=5)
    sandbox.deliver_files()
    assert all(f"/{REGION}/" in key for key in log_keys(s3))
    before = log_keys(s3)
    trail.stop_logging(Name="main-trail")
    change(sandbox)
    clock.now += timedelta(minutes=5)
    sandbox.deliver_files()
    (last,) = set(log_keys(s3)) - set(before)
    # A trail that stops tells that it was stopped, and by whom; nothing after that.
    assert [record["eventName"] for record in json.loads(content(s3, last))["Records"] if not record["readOnly"]] == ["StopLogging"]


def test_a_trail_of_reads_only_has_no_change(sandbox, clock, s3):
    """Otherwise the doctor's warning of such a trail cannot be shown to be true."""
    trail = start_trail(sandbox)
    trail.put_event_selectors(TrailName="main-trail", EventSelectors=[{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}])
    change(sandbox)
    client(sandbox, "ec2").describe_vpcs()
    clock.now += timedelta(minutes=5)
    sandbox.deliver_files()
    held = [record for key in log_keys(s3) for record in json.loads(content(s3, key))["Records"]]
    assert "DescribeVpcs" in [record["eventName"] for record in held]
    # The call that narrowed it came while it still logged all.
    assert [record["eventName"] for record in held if not record["readOnly"]] == ["PutEventSelectors"]


def test_s3_tells_a_queue_and_first_sends_its_test_event(sandbox, clock, s3):
    """Otherwise a consumer never meets the test event, or keys encoded in another way than S3's."""
    url, arn = queue(sandbox, "logs")
    wanted = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=wanted)
    (test,) = messages(sandbox, url)
    assert (test["Service"], test["Event"], test["Bucket"]) == ("Amazon S3", "s3:TestEvent", BUCKET)
    start_trail(sandbox)
    change(sandbox)
    clock.now += timedelta(minutes=5)
    sandbox.deliver_files()
    marker, told = (message["Records"][0] for message in messages(sandbox, url))
    assert marker["s3"]["object"]["key"].endswith("/")
    (key,) = log_keys(s3)
    assert (told["eventSource"], told["eventName"]) == ("aws:s3", "ObjectCreated:Put")
    assert (told["s3"]["bucket"]["name"], told["s3"]["object"]["key"]) == (BUCKET, key)
    assert told["s3"]["object"]["sequencer"] > marker["s3"]["object"]["sequencer"]


def subscribed(sandbox: Sandbox, name: str) -> tuple[str, str]:
    """Make a topic and a queue that hears it; return the queue's address and the topic's ARN."""
    url, arn = queue(sandbox, name)
    sns = client(sandbox, "sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url, topic


def test_s3_tells_a_topic_that_tells_a_queue(sandbox, clock, s3):
    """Otherwise the envelope of SNS around S3's is never met."""
    url, topic = subscribed(sandbox, "from-s3")
    wanted = {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".gz"}]}}}]}  # fmt: skip
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=wanted)
    start_trail(sandbox)
    change(sandbox)
    clock.now += timedelta(minutes=5)
    sandbox.deliver_files()
    test, told = messages(sandbox, url)
    assert (test["Type"], json.loads(test["Message"])["Event"]) == ("Notification", "s3:TestEvent")
    assert json.loads(told["Message"])["Records"][0]["s3"]["object"]["key"] == log_keys(s3)[0]


def test_cloudtrail_tells_a_topic_of_its_own(sandbox, clock, s3):
    """Otherwise CloudTrail's message, and the one that it sends when a topic is attached, are never met."""
    url, _topic = subscribed(sandbox, "from-trail")
    start_trail(sandbox, SnsTopicName="from-trail")
    change(sandbox)
    clock.now += timedelta(minutes=5)
    sandbox.deliver_files()
    validation, told = messages(sandbox, url)
    assert validation["Message"] == "CloudTrail validation message."
    assert json.loads(told["Message"]) == {"s3Bucket": BUCKET, "s3ObjectKey": log_keys(s3)}


def rule(sandbox: Sandbox, name: str, pattern: dict[str, Any]) -> str:
    """Have EventBridge send what matches to a queue; return its address."""
    url, arn = queue(sandbox, name)
    events = client(sandbox, "events")
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])
    return url


def test_s3_tells_eventbridge(sandbox, clock, s3):
    """Otherwise the fourth wrapping of a new file is never met."""
    url = rule(sandbox, "files", {"source": ["aws.s3"], "detail-type": ["Object Created"]})
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}})
    start_trail(sandbox)
    change(sandbox)
    clock.now += timedelta(minutes=5)
    sandbox.deliver_files()
    told = [message["detail"] for message in messages(sandbox, url)]
    assert [detail["object"]["key"] for detail in told if detail["object"]["size"]] == log_keys(s3)
    assert {detail["bucket"]["name"] for detail in told} == {BUCKET}


def test_eventbridge_has_each_write_in_its_envelope(sandbox, clock, s3):
    """Otherwise the fast road is tested on envelopes that AWS does not send."""
    url = rule(sandbox, "changes", {"source": ["aws.ec2"]})
    change(sandbox, "before-the-trail")
    clock.now += timedelta(seconds=1)
    sandbox.deliver_events()
    assert messages(sandbox, url) == [], "no trail logs"
    start_trail(sandbox)
    # Text that looks like a placeholder of EventBridge's must come through.
    event_id = change(sandbox, "<region>")
    client(sandbox, "ec2").describe_vpcs()
    sandbox.deliver_events()
    assert messages(sandbox, url) == [], "not yet due"
    clock.now += timedelta(seconds=1)
    sandbox.deliver_events()
    (envelope,) = messages(sandbox, url)
    assert set(envelope) == {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}
    assert (envelope["detail-type"], envelope["source"]) == ("AWS API Call via CloudTrail", "aws.ec2")
    assert (envelope["account"], envelope["region"], envelope["time"]) == (ACCOUNT, REGION, "2026-01-31T12:00:01Z")
    assert envelope["detail"]["eventID"] == event_id
    assert envelope["detail"]["requestParameters"]["groupName"] == "<region>"
    assert envelope["id"] != event_id


def test_a_default_group_comes_as_a_service_event(sandbox, clock, s3):
    """Otherwise a rule for API calls alone seems to be enough."""
    start_trail(sandbox)
    url = rule(sandbox, "births", {"detail-type": ["AWS Service Event via CloudTrail"]})
    client(sandbox, "ec2").create_vpc(CidrBlock="10.0.0.0/16")
    clock.now += timedelta(seconds=1)
    sandbox.deliver_events()
    (envelope,) = messages(sandbox, url)
    assert envelope["detail"]["eventName"] == "CreateVpcResourceCreation"


def verified(sandbox: Sandbox, s3: Any, key: str) -> dict[str, Any]:
    """Return a digest whose signature is verified as the CloudTrail user guide tells."""
    stored = s3.get_object(Bucket=BUCKET, Key=key)
    text = gzip.decompress(stored["Body"].read())
    digest: dict[str, Any] = json.loads(text)
    public = client(sandbox, "cloudtrail").list_public_keys(StartTime=NOW, EndTime=NOW + timedelta(hours=9))["PublicKeyList"]
    (value,) = [item["Value"] for item in public if item["Fingerprint"] == digest["digestPublicKeyFingerprint"]]
    before = digest["previousDigestSignature"] or "null"
    signed = f"{digest['digestEndTime']}\n{BUCKET}/{key}\n{hashlib.sha256(text).hexdigest()}\n{before}"
    loaded = load_der_public_key(value)
    assert isinstance(loaded, rsa.RSAPublicKey)
    assert stored["Metadata"]["signature-algorithm"] == "SHA256withRSA"
    loaded.verify(bytes.fromhex(stored["Metadata"]["signature"]), signed.encode(), padding.PKCS1v15(), SHA256())
    with pytest.raises(InvalidSignature):
        loaded.verify(bytes.fromhex(stored["Metadata"]["signature"]), signed.encode() + b"x", padding.PKCS1v15(), SHA256())
    assert (digest["digestS3Bucket"], digest["digestS3Object"]) == (BUCKET, key)
    return digest


def test_digests_prove_each_hour_and_form_a_chain(sandbox, clock, s3):
    """Otherwise a verification that works here fails on AWS's digests, or proves nothing."""
    start_trail(sandbox, EnableLogFileValidation=True)
    sandbox.deliver_files()
    change(sandbox)
    clock.now += timedelta(minutes=5)
    sandbox.deliver_files()
    clock.now += timedelta(hours=2)
    sandbox.deliver_files()
    written = [key for key in keys(s3) if "/CloudTrail-Digest/" in key]
    name = f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/2026/01/31/{ACCOUNT}_CloudTrail-Digest_{REGION}_main-trail_{REGION}_"
    assert written == [f"{name}20260131T130000Z.json.gz", f"{name}20260131T140000Z.json.gz"]
    first, second = (verified(sandbox, s3, key) for key in written)
    (log,) = first["logFiles"]
    assert log["s3Object"] in log_keys(s3)
    assert log["hashValue"] == hashlib.sha256(content(s3, log["s3Object"])).hexdigest()
    assert (log["oldestEventTime"], first["newestEventTime"]) == ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z")
    assert (first["digestStartTime"], first["digestEndTime"]) == ("2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z")
    assert first["previousDigestS3Object"] is None
    assert second["previousDigestS3Object"] == written[0]
    assert second["previousDigestHashValue"] == hashlib.sha256(content(s3, written[0])).hexdigest()
    assert second["previousDigestSignature"] == s3.get_object(Bucket=BUCKET, Key=written[0])["Metadata"]["signature"]
    assert [item["s3Object"] for item in second["logFiles"]] == [key for key in log_keys(s3) if key != log["s3Object"]]


def test_a_trail_without_validation_has_no_digest(sandbox, clock, s3):
    """Otherwise unsigned files cannot be met here."""
    start_trail(sandbox)
    sandbox.deliver_files()
    clock.now += timedelta(hours=2)
    sandbox.deliver_files()
    assert not [key for key in keys(s3) if "Digest" in key]


def test_all_roads_move_by_themselves():
    """Otherwise whoever starts the program sees nothing on them."""
    none = timedelta(0)
    with Sandbox(Settings(delay=none, bus_delay=none, trail_interval=timedelta(seconds=0.1))) as sandbox:
        s3 = client(sandbox, "s3")
        s3.create_bucket(Bucket=BUCKET)
        url = rule(sandbox, "changes", {"source": ["aws.ec2"]})
        start_trail(sandbox)
        event_id = change(sandbox)
        until = time.monotonic() + 20
        heard: list[Any] = []
        while time.monotonic() < until and not (heard and any(event_id.encode() in content(s3, key) for key in log_keys(s3))):
            heard += messages(sandbox, url)
            time.sleep(0.05)
        assert [message["detail"]["eventID"] for message in heard] == [event_id]
