"""The source `athena` in the sandbox, with a real store and poller: each change once, nothing passed over, every byte counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporter.catalog import Watch
from exporter.config import validate
from exporter.errors import ConfigError
from exporter.logs import make_logger
from exporter.metrics.telemetry import Telemetry
from exporter.parse import RecordParser
from exporter.poller import Poller
from exporter.sources import SOURCES
from exporter.sources.athena import AthenaSource
from exporter.sources.athena_settings import AthenaSourceSettings
from exporter.sources.s3 import S3Settings
from exporter.store import SqliteStore
from exporter.store.base import Query
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.athena_table import BUCKET, OUTPUT, Asker, ddl, make_buckets, put, record
from tests.aws_session import opened
from tests.sandbox_client import ACCOUNT, REGION, Clock
from tests.store_events import values

pytest.importorskip("duckdb")
pytest.importorskip("sqlglot")
pytestmark = pytest.mark.usefixtures("aws_environment")

START = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
PAGED = ("awschange_events_total", (ACCOUNT, REGION, "ec2.amazonaws.com", "AuthorizeSecurityGroupIngress", "success"))
SCANNED = ("awschange_exporter_athena_scanned_bytes_total", ("athena", ACCOUNT, REGION))


class World:
    """A sandbox with a table, a store, and polls at the time of one clock."""

    def __init__(self, sandbox: Sandbox, aws: Any, store: SqliteStore, clock: Clock) -> None:
        self.sandbox, self.aws, self.store, self.clock = sandbox, aws, store, clock
        self.stopping: Callable[[], bool] = lambda: False
        self.sleep: Callable[[float], None] = lambda _seconds: None
        watch = Watch()
        self._poller = Poller(
            store,
            RecordParser(watch, lambda _: ()),
            watch,
            Telemetry(),
            make_logger("error", "console"),
            now=lambda: clock.now,
            stopping=lambda: self.stopping(),  # noqa: PLW0108 - what it is changes
        )

    def poll(self, since: datetime | None = None, *, budget: timedelta | None = None, **settings: Any) -> Any:
        """Poll once."""
        given = AthenaSourceSettings.model_validate({"type": "athena", "output_location": OUTPUT, "region": REGION, **settings})
        return self._poller.poll(AthenaSource(given, self.aws, self.sleep), given, budget, since)

    def put(self, number: int, day: str, **more: Any) -> int:
        """Deliver a file with one change, at eleven of that day unless told otherwise."""
        return put(self.sandbox, day, [record(number, **{"eventTime": f"{day.replace('/', '-')}T11:00:00Z", **more})])

    def known(self) -> list[int]:
        """Return the numbers of the changes in the store."""
        return sorted(int(item.event.event_id[-12:]) for item in self.store.search(Query(limit=1000)))

    def value(self, key: tuple[str, tuple[str, ...]]) -> float:
        """Return the value of a series."""
        return values(self.store.series().rows).get(key, 0.0)


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    """Return a world at noon."""
    clock = Clock(START)
    with Sandbox(Settings(deliver=False, athena_delay=timedelta(0)), clock) as sandbox, opened(sandbox.url) as aws:
        make_buckets(sandbox)
        assert Asker(sandbox).run(ddl()).state == "SUCCEEDED"
        store = SqliteStore(str(tmp_path / "state.db"))
        yield World(sandbox, aws, store, clock)
        store.close()


def test_a_first_poll_fills_the_history_and_pages_nobody_and_later_ones_count(world: World) -> None:
    """What was before the first start is past; what comes after it counts once, however often its day is read."""
    world.put(1, "2026/01/31")
    first = world.poll()
    assert (first.complete, first.stored, first.live) == (True, 1, 0)
    world.put(2, "2026/01/31", eventTime="2026-01-31T12:30:00Z")
    world.clock.now += timedelta(hours=1)
    second = world.poll()
    assert (second.complete, second.stored, second.live, second.duplicates) == (True, 1, 1, 1)
    world.clock.now += timedelta(hours=1)
    assert (world.poll().stored, world.value(PAGED)) == (0, 1)


def test_what_is_not_watched_is_not_even_fetched(world: World) -> None:
    """Results have their price in time: a day of an organization is millions of records."""
    put(world.sandbox, "2026/01/31", [record(1), *(record(n, eventName="DescribeInstances", readOnly=True) for n in range(2, 50))])
    assert (report := world.poll()).stored == 1
    assert report.read == 1


def test_a_file_that_comes_after_midnight_for_the_day_before_is_found(world: World) -> None:
    """The partition of a day still grows when the next has begun."""
    world.clock.now = datetime(2026, 1, 31, 23, 50, tzinfo=UTC)
    assert world.poll().complete
    world.put(1, "2026/01/31", eventTime="2026-01-31T23:55:00Z")
    world.clock.now = datetime(2026, 2, 1, 0, 50, tzinfo=UTC)
    assert world.poll().live == 1
    world.clock.now = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
    assert world.poll().complete
    world.clock.now += timedelta(hours=1)
    assert world.poll().read == 0  # past the overlap, yesterday costs nothing any more


def test_an_outage_is_made_good_day_by_day(world: World) -> None:
    """A week away must lose nothing, nor be one query that is too large to end."""
    assert world.poll().complete
    for day in range(1, 21):
        world.put(day, f"2026/02/{day:02d}")
    world.clock.now = datetime(2026, 2, 20, 12, 0, tzinfo=UTC)
    world.sandbox.actions.reset()
    report = world.poll()
    assert (report.complete, report.live) == (True, 20)
    starts = sum(row["count"] for row in world.sandbox.actions.rows() if row["action"] == "athena:StartQueryExecution")
    assert starts == 3


def test_a_query_that_fails_moves_nothing_and_counts_what_it_scanned(world: World) -> None:
    """Incomplete is not empty: the next poll must ask for the same days again."""
    assert world.poll().complete
    world.put(1, "2026/01/31", eventTime="2026-01-31T12:30:00Z")
    world.sandbox.application._gate.faults = Faults(deny=frozenset({"s3:GetObject"}))
    world.clock.now += timedelta(days=3)
    failed = world.poll()
    assert (failed.complete, failed.stored, failed.reason) == (False, 0, "unreadable")
    assert "allow s3:GetObject and s3:ListBucket" in str(failed.error)
    world.sandbox.application._gate.faults = Faults()
    assert world.poll().live == 1


def test_a_denied_call_is_told_as_such(world: World) -> None:
    """The reason is a label that alerts and dashboards go by."""
    world.sandbox.application._gate.faults = Faults(deny=frozenset({"athena:StartQueryExecution"}))
    report = world.poll()
    assert (report.complete, report.reason) == (False, "access_denied")
    assert "iam-policy" in str(report.error)


def test_a_page_that_fails_is_no_end_of_the_result(world: World, monkeypatch) -> None:
    """Half a result is no result: all of it is asked for again."""
    put(world.sandbox, "2026/01/31", [record(number) for number in range(1_500)])
    world.sandbox.application._gate.faults = Faults(fail_page={"athena:GetQueryResults": 2})
    monkeypatch.setattr("exporter.sql.athena_query._PATIENCE", 0.0)
    failed = world.poll()
    assert (failed.complete, failed.reason) == (False, "unavailable")
    world.sandbox.application._gate.faults = Faults()
    again = world.poll()
    assert (again.complete, len(world.known())) == (True, 1_000)


def test_bytes_are_counted_by_who_pays_and_cost_what_the_estimate_says(world: World) -> None:
    """The dearest source is the one whose price must be seen before the bill."""
    assert world.poll().complete
    assert SCANNED in values(world.store.series().rows)  # at 0, so that the first increase is seen
    size = world.put(1, "2026/01/31")
    world.poll()
    assert world.value(SCANNED) == size
    world.poll()
    assert world.value(SCANNED) == 2 * size


def test_the_past_is_read_once_and_only_as_far_as_asked(world: World) -> None:
    """`backfill` must neither count as news nor be paid for at every poll."""
    for number, day in enumerate(("2026/01/30", "2026/01/20", "2026/01/10", "2025/12/01"), 1):
        world.put(number, day)
    first = world.poll(backfill="15d")
    assert (first.complete, first.live, world.known()) == (True, 0, [1, 2])
    world.sandbox.actions.reset()
    assert world.poll(backfill="15d").complete
    starts = [row["count"] for row in world.sandbox.actions.rows() if row["action"] == "athena:StartQueryExecution"]
    assert starts == [1]
    assert world.poll(since=START - timedelta(days=30)).complete
    assert world.known() == [1, 2, 3]


def test_the_past_waits_where_there_is_no_time(world: World) -> None:
    """A poll must come back for what is new, and go on with the past next time."""
    world.put(1, "2026/01/10")
    assert world.poll(backfill="30d", budget=timedelta(0)).complete
    assert world.known() == []
    assert world.poll(backfill="30d").complete
    assert world.known() == [1]


def test_the_same_change_from_the_bucket_and_from_the_table_counts_once(world: World) -> None:
    """A row of a table is not the record to the byte, but it is the same change, and no conflict."""
    world.poll()
    world.put(
        1, "2026/01/31", eventTime="2026-01-31T12:30:00Z", responseElements={"_return": True, "requestId": "x"}, tlsDetails={"a": "b"}
    )
    world.clock.now += timedelta(hours=1)
    settings = S3Settings.model_validate({"type": "s3", "bucket": BUCKET, "verify_digests": False, "region": REGION})
    (source,) = SOURCES["s3"].units(settings, world.aws).sources
    assert world._poller.poll(source, settings).stored == 1
    report = world.poll()
    assert (report.stored, report.duplicates, report.conflicts) == (0, 1, 0)


def test_a_stop_ends_the_query_and_goes_on_next_time(world: World) -> None:
    """The end of the process must not wait for a query of half an hour, nor leave it running."""
    world.put(1, "2026/01/31")
    rests = 0

    def sleep(_seconds: float) -> None:
        nonlocal rests
        rests += 1
        world.stopping = lambda: rests >= 2

    world.sleep = sleep
    world.sandbox.athena.runs._delay = timedelta(days=1)
    report = world.poll()
    assert report.stopped
    (run,) = (run for run in world.sandbox.athena.runs._known.values() if run.kind == "DML" and "eventname" in run.sql)
    assert world.sandbox.athena.runs.state(run) == "CANCELLED"
    world.stopping, world.sleep = lambda: False, lambda _seconds: None
    world.sandbox.athena.runs._delay = timedelta(0)
    assert world.poll().stored == 1


def test_an_injected_table_is_asked_by_the_configured_accounts(world: World) -> None:
    """The largest organizations cannot list their accounts in a table, but they can here."""
    assert Asker(world.sandbox).run(ddl(table="injected", account="injected")).state == "SUCCEEDED"
    world.put(1, "2026/01/31")
    failed = world.poll(table="injected")
    assert "is `injected`" in str(failed.error)
    assert world.poll(table="injected", accounts=[ACCOUNT]).stored == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"poll_interval": "1m"}, "poll_interval"),
        ({"table": "x; DROP"}, "is no name of letters, digits and underscores"),
        ({"output_location": "results"}, "write it as s3://bucket/prefix/"),
        ({"workgroup": "a b"}, "workgroup"),
        ({"max_scanned_bytes": 5}, "max_scanned_bytes"),
        ({"logs": "/var/log"}, "write it as s3://bucket/prefix/"),
    ],
)
def test_wrong_settings_are_told_by_their_name(wrong: dict[str, Any], said: str) -> None:
    """A setting that costs money must not be guessed at."""
    with pytest.raises(ConfigError, match=said):
        validate({"sources": [{"type": "athena", **wrong}]}, "test.yml")
