"""The sandbox's queues: at least once, nothing lost among threads, dead letters, and attributes as SQS tells them."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from tests.sandbox_client import client


def test_no_message_is_lost_while_others_are_deleted(sandbox):
    """Otherwise a change that a queue lost is laid at the exporter's door."""
    url = client(sandbox, "sqs").create_queue(QueueName="busy")["QueueUrl"]
    count, heard, lock = 200, [], threading.Lock()
    stop = threading.Event()

    def send(first: int) -> None:
        sqs = client(sandbox, "sqs")
        for number in range(first, first + count, 10):
            entries = [{"Id": str(index), "MessageBody": str(number + index)} for index in range(10)]
            assert not sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed")

    def receive() -> None:
        sqs = client(sandbox, "sqs")
        while not stop.is_set():
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
            with lock:
                heard.extend(int(message["Body"]) for message in messages)
            if messages:
                entries = [{"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(messages)]
                assert not sqs.delete_message_batch(QueueUrl=url, Entries=entries).get("Failed")

    threads = [threading.Thread(target=send, args=(first,)) for first in (0, count)] + [threading.Thread(target=receive) for _ in range(2)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 40
    while len(set(heard)) < 2 * count and time.monotonic() < until:
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    assert sorted(heard) == list(range(2 * count))


def test_a_message_tells_when_it_was_sent_and_how_often_it_was_received_and_dies_at_last(sandbox):
    """Otherwise neither lag nor poison can be told from the queue."""
    sqs = client(sandbox, "sqs")
    dead = sqs.create_queue(QueueName="poison-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}],
    }
    redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": "2"}
    attributes = {"RedrivePolicy": json.dumps(redrive), "Policy": json.dumps(policy), "VisibilityTimeout": "7"}
    url = sqs.create_queue(QueueName="poison", Attributes=attributes)["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert json.loads(told["Policy"]) == policy
    assert json.loads(told["RedrivePolicy"]) == {"deadLetterTargetArn": arn, "maxReceiveCount": 2}
    assert (told["VisibilityTimeout"], told["ApproximateNumberOfMessages"]) == ("7", "0")
    before = time.time() * 1000
    sqs.send_message(QueueUrl=url, MessageBody="poison")

    def receive(from_url: str) -> list[dict[str, Any]]:
        asked = {"MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp"], "VisibilityTimeout": 0}
        return sqs.receive_message(QueueUrl=from_url, **asked).get("Messages", [])

    for count in (1, 2):
        (message,) = receive(url)
        assert message["Attributes"]["ApproximateReceiveCount"] == str(count)
        assert before - 2 <= int(message["Attributes"]["SentTimestamp"]) <= time.time() * 1000
    assert receive(url) == []
    assert sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"] == {
        "ApproximateNumberOfMessages": "1"
    }
    assert [message["Body"] for message in receive(dead)] == ["poison"]


def test_a_message_is_hidden_as_long_as_it_is_extended(sandbox):
    """Otherwise whoever works long on a message is shown to work alone, and is not."""
    sqs = client(sandbox, "sqs")
    url = sqs.create_queue(QueueName="slow", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="m")
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=2)
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)
    (again,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    assert again["MessageId"] == message["MessageId"]
    # A receipt that is old still deletes, as SQS does it.
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2)


def test_a_long_poll_ends_with_the_first_message_and_stays_short_in_a_long_queue(sandbox):
    """Otherwise a soak of ten thousand messages is a test of the sandbox's patience."""
    sqs = client(sandbox, "sqs")
    url = sqs.create_queue(QueueName="long")["QueueUrl"]
    threading.Timer(0.3, sqs.send_message, kwargs={"QueueUrl": url, "MessageBody": "m"}).start()
    begin = time.monotonic()
    assert sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    assert time.monotonic() - begin < 5
    for first in range(0, 3000, 10):
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(index), "MessageBody": str(first + index)} for index in range(10)])
    begin = time.monotonic()
    for _ in range(20):
        assert len(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]) == 10
    assert time.monotonic() - begin < 5
