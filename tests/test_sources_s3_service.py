"""The s3 source within the exporter: real store, real poller, every road into one history."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporter.config import validate
from exporter.families import VERIFIED_UNTIL
from exporter.logs import make_logger
from exporter.service import Service
from exporter.store import open_store
from exporter.store.base import Ingest
from sandbox.server import Sandbox, Settings
from tests.sandbox_client import ACCOUNT, REGION, Clock, client
from tests.test_sandbox_roads import BUCKET, change, queue, rule, start_trail
from tests.test_sources_s3_queue import by_s3, left

pytestmark = pytest.mark.usefixtures("aws_environment")


@pytest.fixture
def clock():
    """Return the clock of the sandbox, which begins four hours ago."""
    return Clock(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=4))


@pytest.fixture
def sandbox(clock):
    """Serve a sandbox whose roads move when the test says."""
    with Sandbox(Settings(delay=timedelta(0), bus_delay=timedelta(0), deliver=False), clock=clock) as running:
        client(running, "s3").create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture
def polled(sandbox, tmp_path) -> Callable[..., dict[tuple[str, ...], float]]:
    """Return a function that polls sources once, with the same store each time, and gives every series that is not 0."""

    def poll(*sources: dict[str, Any]) -> dict[tuple[str, ...], float]:
        given = {"store": {"path": str(tmp_path / "state.db")}, "aws": {"endpoint_url": sandbox.url}, "sources": list(sources)}
        given["posture"] = {"enabled": False}
        with (tmp_path / "log").open("w", encoding="utf-8") as log:
            service = Service(validate(given, "the test's configuration"), None, make_logger("info", "json", log))
            try:
                reports = service.poll_once()
                assert [report.error for report in reports] == [None] * len(sources)
                return {
                    (row.family.removeprefix("awschange_").removeprefix("exporter_"), *row.labels): row.value
                    for row in service.store.series().rows
                    if row.value
                }
            finally:
                service.stop()

    return poll


def events(series: dict[tuple[str, ...], float]) -> float:
    """Return how many changes were counted live."""
    return sum(value for labels, value in series.items() if labels[0] == "events_total")


def test_verdicts_and_the_proven_time_are_in_the_store_once(sandbox, clock, polled):
    """A count that is not kept with its cursor is counted again after a restart."""
    bucket = {"type": "s3", "bucket": BUCKET, "live_since": "beginning"}
    start_trail(sandbox, EnableLogFileValidation=True)
    for number in range(3):
        change(sandbox, f"g{number}")
        clock.now += timedelta(hours=1)
        sandbox.deliver_files()
    first = polled(bucket)
    assert events(first) == 3
    unit = ("s3", ACCOUNT, REGION)
    assert first["digests_total", *unit, "verified"] == 2
    assert first["trail_files_total", *unit, "verified"] == 3
    until = first["trail_verified_until_timestamp_seconds", *unit]
    assert until == clock.now.timestamp()
    assert polled(bucket) == first
    clock.now += timedelta(hours=1)
    sandbox.deliver_files()
    second = polled(bucket)
    assert second["trail_verified_until_timestamp_seconds", *unit] == until + 3600
    assert second["trail_files_total", *unit, "verified"] == 4, "the calls of the exporter itself are recorded too"
    assert events(second) == 3


def test_all_roads_at_once_count_each_change_once(sandbox, clock, polled):
    """They are meant to be used together: the fast one for speed, the bucket for truth."""
    files, changes = by_s3(sandbox), rule(sandbox, "changes", {"source": ["aws.ec2"]})
    start_trail(sandbox, EnableLogFileValidation=True)
    sources = (
        {"type": "eventbridge", "queue_url": changes, "wait_time": "1s", "live_since": "beginning"},
        {"type": "s3", "queue_url": files, "bucket": BUCKET, "wait_time": "1s", "live_since": "beginning"},
        {"type": "s3", "name": "listing", "bucket": BUCKET, "live_since": "beginning"},
    )
    for number in range(6):
        change(sandbox, f"g{number}")
        sandbox.deliver_events()
        clock.now += timedelta(minutes=40)
        sandbox.deliver_files()
        assert events(polled(*sources)) == number + 1
    series = polled(*sources)
    for name in ("s3", "listing"):
        assert series["trail_files_total", name, ACCOUNT, REGION, "verified"] >= 4
        assert not [labels for labels in series if labels[:2] == ("trail_files_total", name) and labels[-1] != "verified"]
        assert series["records_total", name, "ignored", "not_watched"] >= 6
    assert left(sandbox, files) == left(sandbox, changes) == (0, 0)


def test_a_foreign_message_and_a_lost_one_change_nothing_of_the_truth(sandbox, clock, polled):
    """A queue that lost a message is completed by the digest that names the file."""
    url, _ = queue(sandbox, "nobody-tells")
    client(sandbox, "sqs").send_message(QueueUrl=url, MessageBody=json.dumps({"hello": "world"}))
    start_trail(sandbox, EnableLogFileValidation=True)
    source = {"type": "s3", "queue_url": url, "bucket": BUCKET, "wait_time": "1s", "live_since": "beginning", "backfill": "0s"}
    assert events(polled(source)) == 0
    change(sandbox)
    clock.now += timedelta(minutes=5)
    sandbox.deliver_files()
    clock.now += timedelta(hours=2)
    sandbox.deliver_files()
    series = polled(source)
    assert events(series) == 1
    assert series["queue_messages_total", "s3", "poison"] == 1
    assert series["trail_files_total", "s3", ACCOUNT, REGION, "verified"] == 1


def test_the_proven_time_never_goes_back(tmp_path):
    """Two trails of one account and region prove different hours; the later one stands, whichever is judged last."""
    store = open_store(tmp_path / "state.db")
    try:
        for seconds in (1000.0, 3000.0, 2000.0):
            counts = ((VERIFIED_UNTIL.name, ("s3", ACCOUNT, REGION), seconds),)
            store.append(Ingest("s3", datetime.now(UTC), counts=counts))
        (row,) = [row for row in store.series().rows if row.family == VERIFIED_UNTIL.name]
        assert row.value == 3000
    finally:
        store.close()
