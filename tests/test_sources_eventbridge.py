"""The eventbridge source: from a call to the counter, and nothing lost or deleted that was not stored."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exporter.config import validate
from exporter.logs import make_logger
from exporter.service import Service
from exporter.sources.eventbridge import completed
from exporter.sources.notifications import Event
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.aws_session import opened
from tests.sandbox_client import ACCOUNT, REGION, client
from tests.test_sandbox_roads import BUCKET, change, queue, rule, start_trail, subscribed
from tests.test_sources_s3_queue import left, record, send
from tests.trail_roads import Road

NONE = timedelta(0)

pytestmark = pytest.mark.usefixtures("aws_environment")


@pytest.fixture
def sandbox():
    """Serve a sandbox with a trail that logs, whose events are due at once and sent when the test says."""
    with Sandbox(Settings(delay=NONE, bus_delay=NONE, deliver=False)) as running:
        client(running, "s3").create_bucket(Bucket=BUCKET)
        start_trail(running)
        yield running


@pytest.fixture
def aws(sandbox):
    """Return the exporter's access to the sandbox."""
    with opened(sandbox.url) as session:
        yield session


def source(aws: Any, url: str, **settings: Any) -> Road:
    """Return a source on a queue."""
    return Road(aws, type="eventbridge", queue_url=url, wait_time="1s", **settings)


def envelope(detail: object, kind: str = "AWS API Call via CloudTrail") -> dict[str, Any]:
    """Return an event of EventBridge."""
    return {"version": "0", "id": "2", "detail-type": kind, "source": "aws.ec2", "account": ACCOUNT, "region": REGION, "time": "2026-01-31T12:00:00Z", "resources": [], "detail": detail}  # fmt: skip


def test_every_change_comes_once_and_the_queue_is_empty_after_it(sandbox, aws):
    """More than ten at once too: a burst is what matters most."""
    url = rule(sandbox, "changes", {"source": ["aws.ec2"]})
    ids = [change(sandbox, f"g{number}") for number in range(13)]
    sandbox.deliver_events()
    road = source(aws, url)
    got = road.poll()
    assert road.kept.ids == dict.fromkeys(ids, 1)
    assert (got.errors, got.read) == ([], 13)
    assert {(unit.account_id, unit.region) for unit in got.units} == {(ACCOUNT, REGION)}
    assert road.kept.states("queue_messages_total") == {"done": 13}
    assert left(sandbox, url) == (0, 0)


def test_a_service_event_and_events_through_a_topic_count_too(sandbox, aws):
    """The default group of a new VPC comes as a service event; a topic between bus and queue wraps everything once more."""
    url, topic = subscribed(sandbox, "by-topic")
    sns = client(sandbox, "sns")
    for kind in ("AWS Service Event via CloudTrail", "AWS API Call via CloudTrail"):
        sns.publish(TopicArn=topic, Message=json.dumps(envelope(record(kind), kind)))
    road = source(aws, url)
    road.poll()
    assert set(road.kept.ids) == {"AWS Service Event via CloudTrail", "AWS API Call via CloudTrail"}


def test_what_is_not_wanted_is_counted_and_deleted(sandbox, aws):
    """A rule that lets too much through must not fill the queue; what belongs to another road is kept for whoever mends that."""
    url, _ = queue(sandbox, "mixed")
    read = {**record("read"), "eventName": "DescribeInstances"}
    send(sandbox, url, envelope(read), envelope({}, "EC2 Instance State-change Notification"), {"s3Bucket": BUCKET, "s3ObjectKey": ["AWSLogs/x"]}, "CloudTrail validation message.", record("bare"))  # fmt: skip
    road = source(aws, url)
    got = road.poll()
    assert (got.read, got.ignored, road.kept.ids) == (2, {"not_watched": 1}, {"bare": 1})
    assert road.kept.states("queue_messages_total") == {"done": 2, "unrelated": 1, "poison": 1, "test": 1}
    assert left(sandbox, url) == (0, 1)


def test_damaged_records_are_malformed_and_broken_messages_poison(sandbox, aws):
    """The one is counted as everywhere; the other stays for whoever wants to look at it."""
    url, _ = queue(sandbox, "bad")
    send(sandbox, url, envelope({"eventVersion": "1.08"}), envelope("text"), "{", envelope(record("good")))
    road = source(aws, url, visibility_timeout="1s", max_record_size="1KiB")
    got = road.poll()
    send(sandbox, url, envelope({**record("large"), "x": "y" * 2000}))
    time.sleep(1.1)
    more = road.poll()
    assert road.kept.ids["good"] == 1
    assert more.malformed == {"too_large": 1}
    assert road.kept.states("queue_messages_total") == {"done": 3, "poison": 2}
    assert got.errors == []
    assert sum(left(sandbox, url)) == 2


def test_a_message_stays_until_its_batch_is_committed(sandbox, aws):
    """EventBridge sends each event once: deleted before it is stored, it is gone."""
    url, _ = queue(sandbox, "changes")
    send(sandbox, url, envelope(record("e1")))
    road = source(aws, url)
    fetched = road.batches()
    next(fetched)
    assert left(sandbox, url) == (0, 1)
    fetched.close()
    assert left(sandbox, url) == (1, 0), "let go at once"
    assert road.poll().errors == []
    assert left(sandbox, url) == (0, 0)


def test_the_envelope_tells_account_and_region_only_where_the_record_does_not():
    """An event of another account that was forwarded must not count for the account of the bus."""
    assert completed(Event(b'{"eventName": "x"}', ACCOUNT, REGION)) == msgspec.json.encode(
        {"eventName": "x", "recipientAccountId": ACCOUNT, "awsRegion": REGION}
    )
    for told in (
        b'{"recipientAccountId":"444455556666", "awsRegion":"eu-west-1"}',
        b'{"userIdentity":{"accountId":"444455556666"},  "awsRegion":"eu-west-1"}',
        b"{}",
        b"[1]",
        b"{",
    ):
        assert completed(Event(told, ACCOUNT, REGION)) == told
    assert completed(Event(b'{"eventName":"x"}')) == b'{"eventName":"x"}'


def test_a_call_moves_the_counter_within_seconds(tmp_path: Path):
    """It is the only reason to have this road."""
    with Sandbox(Settings(delay=NONE, bus_delay=NONE)) as sandbox:
        client(sandbox, "s3").create_bucket(Bucket=BUCKET)
        start_trail(sandbox)
        url = rule(sandbox, "changes", {"source": ["aws.ec2"]})
        config = validate(
            {
                "store": {"path": str(tmp_path / "state.db")},
                "aws": {"endpoint_url": sandbox.url},
                "sources": [{"type": "eventbridge", "queue_url": url, "wait_time": "1s"}],
            },
            "the test's configuration",
        )
        with (tmp_path / "log").open("w", encoding="utf-8") as log:
            service = Service(config, None, make_logger("info", "json", log))
            service.start()
            try:
                time.sleep(1)
                begun = time.monotonic()
                change(sandbox)
                while (
                    not any(row.family == "awschange_events_total" and row.value for row in service.store.series().rows)
                    and time.monotonic() < begun + 20
                ):
                    time.sleep(0.05)
                took = time.monotonic() - begun
            finally:
                service.stop()
        assert took < 8
        assert left(sandbox, url) == (0, 0)


def test_a_rule_with_every_fault_loses_only_what_the_bus_lost():
    """Server errors and cut answers of SQS must not delete, lose or keep anything."""
    faults = Faults(error=0.15, cut=0.15, seed=3)
    with Sandbox(Settings(delay=NONE, bus_delay=NONE, deliver=False, faults=faults)) as sandbox, opened(sandbox.url) as aws:
        client(sandbox, "s3").create_bucket(Bucket=BUCKET)
        start_trail(sandbox)
        url = rule(sandbox, "changes", {"source": ["aws.ec2"]})
        ids = {change(sandbox, f"g{number}") for number in range(30)}
        sandbox.deliver_events()
        road = source(aws, url, visibility_timeout="1s")
        until = time.monotonic() + 60
        while left(sandbox, url) != (0, 0) and time.monotonic() < until:
            try:
                road.poll()
            except Exception as error:  # noqa: BLE001 - what fails differs by chance
                assert "unavailable" in getattr(error, "reason", ""), error  # noqa: PT017
        assert set(road.kept.ids) == ids
        assert left(sandbox, url) == (0, 0)
