"""The s3 source by queue: every road of a new file's message, and a message that is deleted only when all it brought is kept."""

from __future__ import annotations

import gzip
import json
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from exporter.errors import AwsError
from exporter.sources.queue import Message, Queue, QueueSettings, queue_name
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.aws_session import opened
from tests.sandbox_client import ACCOUNT, REGION, Clock, client
from tests.test_sandbox_roads import BUCKET, change, queue, rule, start_trail, subscribed
from tests.trail_roads import Road

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
FOLDER = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/01/31/"
KEY = f"{FOLDER}{ACCOUNT}_CloudTrail_{REGION}_20260131T1205Z_AbCdEfGhIjKlMnOp.json.gz"

pytestmark = pytest.mark.usefixtures("aws_environment")


@pytest.fixture
def clock():
    """Return the clock of the sandbox."""
    return Clock(NOW)


@pytest.fixture
def sandbox(clock):
    """Serve a sandbox whose roads move when the test says, with a bucket."""
    with Sandbox(Settings(delay=timedelta(0), deliver=False), clock=clock) as running:
        client(running, "s3").create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture
def aws(sandbox):
    """Return the exporter's access to the sandbox."""
    with opened(sandbox.url) as session:
        yield session


def notify(sandbox: Sandbox, **configuration: Any) -> None:
    """Have the bucket tell of new objects."""
    client(sandbox, "s3").put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=configuration)


def by_s3(sandbox: Sandbox) -> str:
    """Return the address of a queue that S3 tells."""
    url, arn = queue(sandbox, "files")
    notify(sandbox, QueueConfigurations=[{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}])
    return url


def by_topic(sandbox: Sandbox) -> str:
    """Return the address of a queue that SNS tells, which S3 tells."""
    url, topic = subscribed(sandbox, "files")
    notify(sandbox, TopicConfigurations=[{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}])
    return url


def raw_by_topic(sandbox: Sandbox) -> str:
    """Return the address of a queue that SNS tells without its envelope."""
    url, arn = queue(sandbox, "files")
    sns = client(sandbox, "sns")
    topic = sns.create_topic(Name="files")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    notify(sandbox, TopicConfigurations=[{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}])
    return url


def by_cloudtrail(sandbox: Sandbox) -> str:
    """Return the address of a queue that SNS tells, which CloudTrail tells."""
    return subscribed(sandbox, "from-trail")[0]


def by_eventbridge(sandbox: Sandbox) -> str:
    """Return the address of a queue that EventBridge tells, which S3 tells."""
    url = rule(sandbox, "files", {"source": ["aws.s3"], "detail-type": ["Object Created"]})
    notify(sandbox, EventBridgeConfiguration={})
    return url


def left(sandbox: Sandbox, url: str) -> tuple[int, int]:
    """Return how many messages of a queue are visible and how many are hidden."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    held = client(sandbox, "sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(held[names[0]]), int(held[names[1]])


def send(sandbox: Sandbox, url: str, *bodies: object) -> None:
    """Put messages into a queue."""
    for body in bodies:
        client(sandbox, "sqs").send_message(QueueUrl=url, MessageBody=body if isinstance(body, str) else json.dumps(body))


def record(event_id: str) -> dict[str, Any]:
    """Return a record of a change."""
    return {
        "eventVersion": "1.08", "eventID": event_id, "eventTime": "2026-01-31T12:00:00Z", "eventSource": "ec2.amazonaws.com",
        "eventName": "CreateSecurityGroup", "awsRegion": REGION, "recipientAccountId": ACCOUNT, "requestParameters": {"groupName": event_id},
    }  # fmt: skip


def put(sandbox: Sandbox, key: str, *event_ids: str, bucket: str = BUCKET) -> dict[str, Any]:
    """Put a log file with changes into a bucket and return the message of it."""
    text = json.dumps({"Records": [record(event_id) for event_id in event_ids]}, separators=(",", ":")).encode()
    client(sandbox, "s3").put_object(Bucket=bucket, Key=key, Body=gzip.compress(text, mtime=0))
    return {"s3Bucket": bucket, "s3ObjectKey": [key]}


def source(aws: Any, url: str, **settings: Any) -> Road:
    """Return a source on a queue."""
    return Road(aws, type="s3", queue_url=url, wait_time="1s", **settings)


@pytest.mark.parametrize("road", [by_s3, by_topic, raw_by_topic, by_cloudtrail, by_eventbridge])
def test_every_road_brings_each_change_once_and_leaves_the_queue_empty(road, sandbox, clock, aws):
    """A road that brings nothing is a trail that nobody watches; one that deletes nothing is read for ever."""
    url = road(sandbox)
    start_trail(sandbox, **({"SnsTopicName": "from-trail"} if road is by_cloudtrail else {}))
    files = source(aws, url)
    events = []
    for number in range(3):
        events.append(change(sandbox, f"g{number}"))
        clock.now += timedelta(minutes=5)
        sandbox.deliver_files()
    got = files.poll(clock.now)
    assert got.errors == []
    assert files.kept.ids == dict.fromkeys(events, 1)
    assert left(sandbox, url) == (0, 0)
    fates = files.kept.states("queue_messages_total")
    assert fates.pop("done") == 3
    assert set(fates) <= {"test", "unrelated"}
    assert fates.get("test", 0) == (road is not by_eventbridge)
    assert fates.get("unrelated", 0) == (road is not by_cloudtrail), "the marker of a new trail"


def test_a_message_stays_until_its_batch_is_committed(sandbox, aws):
    """Killed between the two, the exporter would have deleted what it never stored."""
    url, _ = queue(sandbox, "files")
    send(sandbox, url, put(sandbox, KEY, "e1"))
    files = source(aws, url)
    batches = files.source.fetch
    fetched = files.batches(NOW)
    assert [item.record["eventID"] for item in next(fetched).records] == ["e1"]
    assert left(sandbox, url) == (0, 1), "received, not deleted"
    fetched.close()
    assert batches is not None
    files.restart()
    files.poll(NOW)
    assert left(sandbox, url) == (0, 0)
    assert files.kept.ids["e1"] == 2, "read again after the kill: the store knows the event by its id"


def test_a_file_that_is_not_there_yet_is_read_when_the_message_comes_again(sandbox, aws):
    """Deleted with its message, a file that is late by a second would be lost."""
    url, _ = queue(sandbox, "files")
    message = put(sandbox, KEY, "e1")
    client(sandbox, "s3").delete_object(Bucket=BUCKET, Key=KEY)
    send(sandbox, url, message)
    files = source(aws, url, visibility_timeout="3s")
    got = files.poll(NOW)
    assert [error.reason for error in got.errors] == ["not_found"]
    assert KEY in str(got.errors[0])
    assert files.kept.states("queue_messages_total") == {"failed": 1}
    put(sandbox, KEY, "e1")
    time.sleep(3.1)
    assert files.poll(NOW).errors == []
    assert files.kept.ids == {"e1": 1}
    assert files.kept.states("queue_messages_total") == {"failed": 1, "done": 1}
    assert left(sandbox, url) == (0, 0)


def test_a_message_that_fails_again_and_again_ends_a_single_poll(sandbox, aws):
    """The command `poll` would never end where messages come again as fast as they fail."""
    url, _ = queue(sandbox, "files")
    send(sandbox, url, {"s3Bucket": BUCKET, "s3ObjectKey": [KEY]})
    files = Road(aws, type="s3", queue_url=url, wait_time="5s", visibility_timeout="1s")
    begun = time.monotonic()
    got = files.poll(NOW)
    assert len(got.errors) == 2
    assert time.monotonic() - begun < 15


def test_one_missing_file_of_a_message_keeps_the_whole_message(sandbox, aws):
    """The other file is stored, and the message must come again for the one that was missing."""
    url, _ = queue(sandbox, "files")
    message = put(sandbox, KEY, "e1")
    send(sandbox, url, {**message, "s3ObjectKey": [KEY.replace("AbCd", "none"), KEY]})
    files = source(aws, url)
    files.poll(NOW)
    assert files.kept.ids == {"e1": 1}
    assert files.kept.states("queue_messages_total") == {"failed": 1}
    assert left(sandbox, url) == (0, 1)


def test_a_bucket_that_may_not_be_read_keeps_its_messages(clock):
    """A permission that is taken away for an hour would lose that hour."""
    with (
        Sandbox(Settings(deliver=False, faults=Faults(deny=frozenset({"s3:GetObject"}))), clock=clock) as sandbox,
        opened(sandbox.url) as aws,
    ):
        client(sandbox, "s3").create_bucket(Bucket=BUCKET)
        url, _ = queue(sandbox, "files")
        send(sandbox, url, put(sandbox, KEY, "e1"))
        got = source(aws, url).poll(NOW)
        assert [error.reason for error in got.errors] == ["access_denied"]
        assert left(sandbox, url) == (0, 1)


def test_poison_is_counted_once_and_goes_to_the_dead_letter_queue(sandbox, aws):
    """Counted at each delivery, one bad message would look like an attack; deleted, nobody could ever look at it."""
    dead_url, dead = queue(sandbox, "dead")
    url, _ = queue(sandbox, "files")
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": "3"})
    client(sandbox, "sqs").set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": redrive})
    send(sandbox, url, "no JSON", put(sandbox, KEY, "e1"))
    files = source(aws, url, visibility_timeout="1s")
    for _ in range(6):
        files.poll(NOW)
        if left(sandbox, dead_url)[0]:
            break
        time.sleep(1.05)
    assert files.kept.states("queue_messages_total") == {"poison": 1, "done": 1}
    assert files.kept.ids == {"e1": 1}
    assert left(sandbox, dead_url)[0] == 1
    assert {entry["why"] for entry in files.said("poison")} == {"the message is no JSON"}


def test_a_message_stays_hidden_as_long_as_it_is_worked_on(sandbox, aws):
    """Otherwise a slow commit lets another replica read the same files, and again and again."""
    url, _ = queue(sandbox, "files")
    send(sandbox, url, put(sandbox, KEY, "e1"))
    files = source(aws, url, visibility_timeout="1s")
    fetched = files.batches(NOW)
    next(fetched)
    time.sleep(2.2)
    assert left(sandbox, url) == (0, 1)
    assert list(fetched) == []
    assert left(sandbox, url) == (0, 0)


def test_a_damaged_file_is_salvaged_and_not_read_for_ever(sandbox, aws):
    """Its message would come back until somebody deletes it, and its good records would be lost meanwhile."""
    url, _ = queue(sandbox, "files")
    whole = gzip.compress(json.dumps({"Records": [record(f"e{number}") for number in range(2000)]}).encode())
    client(sandbox, "s3").put_object(Bucket=BUCKET, Key=KEY, Body=whole[: len(whole) // 2])
    send(sandbox, url, {"s3Bucket": BUCKET, "s3ObjectKey": [KEY]})
    files = source(aws, url)
    got = files.poll(NOW)
    assert got.errors == []
    assert got.malformed == {"truncated": 1}
    assert 100 < len(files.kept.ids) < 2000
    assert KEY in got.named[0].where
    assert left(sandbox, url) == (0, 0)
    assert files.kept.states("queue_messages_total") == {"done": 1}


def test_an_object_over_the_limit_is_malformed_and_done(sandbox, aws):
    """Fetched at each delivery, a bomb would be fetched until it expires."""
    url, _ = queue(sandbox, "files")
    send(sandbox, url, put(sandbox, KEY, "e1"))
    got = source(aws, url, max_file_size=100).poll(NOW)
    assert got.malformed == {"too_large": 1}
    assert left(sandbox, url) == (0, 0)


def test_only_files_that_are_asked_for_are_read(sandbox, aws):
    """Whoever may send to the queue could make the exporter read any bucket that it may read."""
    client(sandbox, "s3").create_bucket(Bucket="other-bucket")
    url, _ = queue(sandbox, "files")
    other = KEY.replace(REGION, "eu-west-1")
    send(sandbox, url, put(sandbox, KEY, "mine"), put(sandbox, other, "region"), put(sandbox, KEY, "bucket", bucket="other-bucket"), put(sandbox, f"x/{KEY}", "prefix"))  # fmt: skip
    send(sandbox, url, {"s3Bucket": BUCKET, "s3ObjectKey": [KEY.replace("CloudTrail", "Config"), FOLDER]})
    files = source(aws, url, bucket=BUCKET, regions=[REGION], accounts=[ACCOUNT], backfill="0s", verify_digests=False)
    files.poll(NOW)
    assert set(files.kept.ids) == {"mine", "prefix"}
    assert files.kept.states("queue_messages_total") == {"done": 2, "unrelated": 3}
    assert left(sandbox, url) == (0, 0)


def test_where_another_replica_lists_the_bucket_only_the_queue_is_read(sandbox, aws):
    """All replicas read one queue; each that listed the bucket too would pay for it again, and count verdicts on its digests twice."""
    url, _ = queue(sandbox, "files")
    put(sandbox, KEY.replace("T1205Z", "T0905Z"), "missed by the queue")
    send(sandbox, url, put(sandbox, KEY, "told"))
    files = source(aws, url, bucket=BUCKET, backfill="1d", verify_digests=False)
    files.poll(NOW, alone=False)
    assert set(files.kept.ids) == {"told"}
    files.poll(NOW)
    assert set(files.kept.ids) == {"told", "missed by the queue"}


def test_digests_in_the_queue_are_no_poison_and_events_are_not_deleted(sandbox, aws):
    """A bucket tells of its digests each hour. Events in this queue mean that two queues were mistaken: deleted, they would be lost."""
    url, _ = queue(sandbox, "files")
    digest = f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/2026/01/31/{ACCOUNT}_CloudTrail-Digest_{REGION}_main_{REGION}_20260131T130000Z.json.gz"
    send(
        sandbox,
        url,
        {"s3Bucket": BUCKET, "s3ObjectKey": [digest]},
        {"detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2", "detail": record("e")},
    )
    files = source(aws, url)
    got = files.poll(NOW)
    assert (got.read, got.ignored) == (1, {"digest": 1})
    assert files.kept.states("queue_messages_total") == {"done": 1, "poison": 1}
    assert left(sandbox, url) == (0, 1)


def test_more_than_ten_messages_are_read_in_one_poll_and_a_stop_lets_the_rest_go(sandbox, aws):
    """A backlog would take minutes; a stop would hide messages from the next process for the visibility timeout."""
    url, _ = queue(sandbox, "files")
    for number in range(25):
        send(sandbox, url, put(sandbox, KEY.replace("AbCd", f"{number:04d}"), f"e{number}"))
    files = source(aws, url)
    asked = count()
    list(files.batches(NOW, stopping=lambda: next(asked) > 5))
    assert 3 <= len(files.kept.ids) < 10
    visible, hidden = left(sandbox, url)
    assert (visible + len(files.kept.ids), hidden) == (25, 0)
    files.poll(NOW)
    assert files.kept.ids == {f"e{number}": 1 for number in range(25)}
    assert left(sandbox, url) == (0, 0)


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_or_kept_with_every_fault_on(seed, clock):
    """Cut bodies, server errors and duplicates are AWS's weather."""
    faults = Faults(error=0.1, cut=0.1, duplicate=0.3, seed=seed)
    with Sandbox(Settings(delay=timedelta(0), deliver=False, faults=faults), clock=clock) as sandbox, opened(sandbox.url) as aws:
        client(sandbox, "s3").create_bucket(Bucket=BUCKET)
        url = by_s3(sandbox)
        start_trail(sandbox)
        events = set()
        for number in range(20):
            events.add(change(sandbox, f"g{number}"))
            clock.now += timedelta(minutes=1)
            sandbox.deliver_files()
        files = source(aws, url, visibility_timeout="1s")
        until = time.monotonic() + 60
        while left(sandbox, url) != (0, 0) and time.monotonic() < until:
            try:
                files.poll(clock.now)
            except AwsError as error:
                assert error.reason in {"unavailable", "throttled"}, error  # noqa: PT017 - what fails differs by chance
        assert left(sandbox, url) == (0, 0)
        assert set(files.kept.ids) == events


class Deleting:
    """A caller whose deletions fail in part, as long as `stubborn` lasts."""

    def __init__(self, stubborn: int) -> None:
        self.stubborn = stubborn
        self.asked: list[list[str]] = []

    def call(self, operation: Any, /, **parameters: Any) -> dict[str, Any]:
        """Refuse the second of the entries."""
        receipts = [entry["ReceiptHandle"] for entry in parameters["Entries"]]
        self.asked.append(receipts)
        if self.stubborn > 0 and "b" in receipts:
            self.stubborn -= 1
            return {"Failed": [{"Id": parameters["Entries"][receipts.index("b")]["Id"], "SenderFault": False, "Code": "InternalError"}]}
        return {}


@pytest.mark.parametrize(("stubborn", "calls", "fails"), [(0, 1, False), (1, 2, False), (9, 3, True)])
def test_messages_that_could_not_be_deleted_are_deleted_again(stubborn, calls, fails):
    """SQS answers 200 and lists the failed entries in it: unread, they would come again without anybody knowing why."""
    caller = Deleting(stubborn)
    settings = QueueSettings(queue_url="https://sqs.us-east-1.amazonaws.com/111122223333/files")
    error = Queue(caller, settings, None).delete([Message(name, name, "", 1) for name in "abc"])  # type: ignore[arg-type]
    assert caller.asked == [["a", "b", "c"], ["b"], ["b"]][:calls]
    assert (error is not None) == fails
    if error is not None:
        assert "1 of 3 messages could not be deleted" in str(error)


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/111122223333/files", "eu-west-1"),
        ("https://sqs-fips.us-gov-west-1.amazonaws.com/111122223333/files", "us-gov-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/111122223333/files", "cn-north-1"),
        ("https://eu-west-1.queue.amazonaws.com/111122223333/files", "eu-west-1"),
        ("https://queue.amazonaws.com/111122223333/files", "us-east-1"),
        ("https://vpce-0123-abc.sqs.eu-central-1.vpce.amazonaws.com/111122223333/files", "eu-central-1"),
        ("http://127.0.0.1:5000/111122223333/files", ""),
    ],
)
def test_the_address_of_a_queue_tells_its_region(url, region):
    """Signed for another region, every request is refused."""
    assert queue_name(url).region == region
    assert (queue_name(url).account_id, queue_name(url).name) == ("111122223333", "files")
    assert queue_name(f"{url}.fifo").name == "files.fifo"
