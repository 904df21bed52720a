"""One poll: what failed and what is incomplete is decided here, once, and nothing is lost on the way."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporter.catalog import DEFAULT_WATCH_SETS, Watch
from exporter.errors import SourceError, StoreError
from exporter.families import GAP_SECONDS, GAPS, LATE_EVENTS
from exporter.logs import make_logger
from exporter.metrics.telemetry import Telemetry
from exporter.model import Unit
from exporter.parse import RecordParser
from exporter.poller import Poller
from exporter.sources.base import Batch, FetchContext, Malformed, RawRecord, SourceSettings
from exporter.store import SqliteStore
from exporter.store.base import Ingest, IngestResult, Query
from tests.records import ACCOUNT, GROUP, REGION, authorize

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SETTINGS = SourceSettings(type="fake", live_since="beginning")


def raw(record: dict[str, Any]) -> RawRecord:
    """Return a record as a source gives it."""
    return RawRecord(json.dumps(record).encode(), record)


class FakeSource:
    """Gives what it is told to, then raises what it is told to."""

    name, account_id, region = "fake", "", ""

    def __init__(self, *batches: Batch, then: Exception | None = None) -> None:
        self.batches, self.then = batches, then
        self.context: FetchContext | None = None

    def fetch(self, context: FetchContext) -> Iterator[Batch]:
        self.context = context
        yield from self.batches
        if self.then:
            raise self.then


class Bench:
    """A poller with a store in memory and a log that can be read."""

    def __init__(self, store: SqliteStore | None = None, stopping: bool = False) -> None:
        self.store = store or SqliteStore(":memory:")
        self.telemetry = Telemetry()
        self.stream = io.StringIO()
        watch = Watch(DEFAULT_WATCH_SETS)
        parser = RecordParser(watch, lambda _changes: ())
        self.poller = Poller(
            self.store, parser, watch, self.telemetry, make_logger("debug", "json", self.stream), lambda: NOW, lambda: stopping
        )

    def log(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines that say this."""
        return [line for line in map(json.loads, self.stream.getvalue().splitlines()) if line["event"] == event]

    def metric(self, start: str) -> float:
        """Return the value of a self-metric."""
        (line,) = [line for line in self.telemetry.text(openmetrics=False).decode().splitlines() if line.startswith(start)]
        return float(line.rsplit(" ", 1)[1])


@pytest.fixture
def new_bench() -> Iterator[Callable[..., Bench]]:
    """Return a maker of benches; their stores are closed at the end."""
    with ExitStack() as opened:

        def make(store: SqliteStore | None = None, stopping: bool = False) -> Bench:
            bench = Bench(store, stopping)
            opened.callback(bench.store.close)
            return bench

        yield make


def test_records_of_every_fate_are_accounted_for(new_bench: Callable[..., Bench]) -> None:
    """read = stored + duplicate + ignored + malformed, or a change went missing in silence."""
    bench = new_bench()
    batch = Batch(
        "a.json",
        (
            raw(authorize(1)),
            raw(authorize(1)),
            raw(authorize(1, port=23)),
            raw(authorize(2, eventTime="soon")),
            raw(authorize(3, eventSource="wickr.amazonaws.com")),
        ),
        read=9,
        ignored={"digest": 1, "not_watched": 2},
        malformed=(Malformed("json", "a.json:7", "no JSON"),),
        cursors={"a.json": "9"},
        units=frozenset({Unit(ACCOUNT, REGION)}),
    )
    report = bench.poller.poll(FakeSource(batch), SETTINGS)
    assert (report.complete, report.read, report.stored, report.live, report.duplicates, report.conflicts) == (True, 9, 1, 1, 1, 1)
    assert (report.ignored, report.malformed) == (4, 2)
    assert bench.store.cursor("fake", "a.json") == "9"
    assert [(line["where"], line["reason"]) for line in bench.log("malformed")] == [("a.json:7", "json"), ("a.json", "event_time")]
    assert len(bench.log("conflict: another record with the same event id was stored before; the first stands")) == 1
    (change,) = bench.log("change")
    assert (change["who"], change["what"], change["security_groups"]) == ("user/alice", "AuthorizeSecurityGroupIngress", [GROUP])
    assert bench.metric('awschange_exporter_poll_success{source="fake"') == 1


def test_a_source_that_breaks_off_keeps_what_it_gave_and_says_why(new_bench: Callable[..., Bench]) -> None:
    """A throttled walk must not lose the pages it had."""
    bench = new_bench()
    source = FakeSource(Batch("p1", (raw(authorize(1)),), read=1), then=SourceError("throttled", "LookupEvents: Rate exceeded"))
    report = bench.poller.poll(source, SETTINGS)
    assert (report.complete, report.reason, report.error, report.stored) == (False, "throttled", "LookupEvents: Rate exceeded", 1)
    assert len(bench.store.search(Query())) == 1
    assert bench.metric('awschange_exporter_poll_failures_total{source="fake",reason="throttled"}') == 1
    assert bench.metric('awschange_exporter_poll_success{source="fake"') == 0
    assert bench.log("poll incomplete")[0]["error"] == "LookupEvents: Rate exceeded"


def test_a_part_that_cannot_be_read_does_not_stop_the_others(new_bench: Callable[..., Bench]) -> None:
    """One unreadable file among a thousand."""
    bench = new_bench()
    bad = Batch("bad.json", error=SourceError("access_denied", "bad.json: permission denied"))
    report = bench.poller.poll(FakeSource(bad, Batch("good.json", (raw(authorize(1)),), read=1)), SETTINGS)
    assert (report.complete, report.reason, report.stored) == (False, "access_denied", 1)
    assert bench.log("part of the source could not be read")[0]["where"] == "bad.json"


def test_a_fault_of_our_own_is_recorded_and_does_not_escape(new_bench: Callable[..., Bench]) -> None:
    """A bug in one source must not end the polling of the others."""
    bench = new_bench()
    report = bench.poller.poll(FakeSource(then=ZeroDivisionError("boom")), SETTINGS)
    assert (report.complete, report.reason) == (False, "internal")
    assert "ZeroDivisionError" in bench.log("poll failed by a fault of the exporter")[0]["exception"]


class FullDisk(SqliteStore):
    """A store that cannot write events."""

    def append(self, ingest: Ingest) -> IngestResult:
        raise StoreError("state.db: cannot store events: disk is full; free some space")


def test_a_store_that_cannot_write_makes_the_poll_incomplete(new_bench: Callable[..., Bench]) -> None:
    """A full disk must page as a stale source, not pass as a quiet night."""
    bench = new_bench(FullDisk(":memory:"))
    report = bench.poller.poll(FakeSource(Batch("a", (raw(authorize(1)),), read=1)), SETTINGS)
    assert (report.complete, report.error) == (False, "state.db: cannot store events: disk is full; free some space")
    assert bench.metric('awschange_exporter_store_errors_total{operation="append"}') == 1
    assert bench.metric('awschange_exporter_last_success_timestamp_seconds{source="fake"') == 0


@pytest.mark.parametrize("operation", ["go_live", "cursor", "cursors", "append"])
def test_a_failure_of_the_store_is_counted_under_what_failed(new_bench: Callable[..., Bench], operation: str) -> None:
    """Otherwise the counter sends people to look at the disk when it is a read that fails."""

    class Failing(SqliteStore):
        def __getattribute__(self, name: str) -> Any:
            if name == operation:
                raise StoreError("state.db: the disk is gone")
            return super().__getattribute__(name)

    class Asking(FakeSource):
        def fetch(self, context: FetchContext) -> Iterator[Batch]:
            context.cursor("a")
            context.cursors("a")
            return super().fetch(context)

    bench = new_bench(Failing(":memory:"))
    report = bench.poller.poll(Asking(Batch("a", (raw(authorize(1)),), read=1)), SETTINGS)
    assert (report.complete, report.reason) == (False, "internal")
    for other in ("go_live", "cursor", "cursors", "append"):
        assert bench.metric(f'awschange_exporter_store_errors_total{{operation="{other}"}}') == (other == operation)


def test_a_poll_cut_short_by_the_end_is_not_complete(new_bench: Callable[..., Bench]) -> None:
    """Otherwise the last poll before a restart would claim to have read all."""
    report = new_bench(stopping=True).poller.poll(FakeSource(), SETTINGS)
    assert (report.complete, report.reason) == (False, "unavailable")


def test_the_source_sees_the_cursor_that_was_stored_and_the_watch(new_bench: Callable[..., Bench]) -> None:
    """A source that is asked to start over each time reads everything each time."""
    bench = new_bench()
    bench.poller.poll(FakeSource(Batch("a", cursors={"a": "7"})), SETTINGS)
    source = FakeSource()
    bench.poller.poll(source, SETTINGS)
    assert source.context is not None
    assert source.context.cursor("a") == "7"
    assert source.context.cursor("b") is None
    assert source.context.wanted("ec2.amazonaws.com", "RevokeSecurityGroupEgress")
    assert not source.context.wanted("wickr.amazonaws.com", "CreateSecurityGroup")


@pytest.mark.parametrize(
    ("live_since", "live"), [("start", [False]), ("beginning", [True]), ("2026-01-01", [True]), ("2026-01-31T11:00:01Z", [False])]
)
def test_live_since_draws_the_line_between_past_and_live(new_bench: Callable[..., Bench], live_since: str, live: list[bool]) -> None:
    """A first start must page nobody, and an investigation must count everything."""
    bench = new_bench()
    settings = SourceSettings(type="fake", live_since=live_since)
    bench.poller.poll(FakeSource(Batch("a", (raw(authorize(1)),), read=1)), settings)
    assert [found.live for found in bench.store.search(Query())] == live
    assert bench.log("change")[0]["live"] is live[0]


def test_the_line_stays_where_the_first_poll_drew_it(new_bench: Callable[..., Bench]) -> None:
    """A restart must not turn what happened while we were down into the past."""
    bench = new_bench()
    settings = SourceSettings(type="fake")
    bench.poller.poll(FakeSource(), settings)
    later = Poller(
        bench.store,
        bench.poller._parser,
        bench.poller._watch,
        bench.telemetry,
        make_logger("error", "json", bench.stream),
        lambda: datetime(2026, 2, 2, tzinfo=UTC),
    )
    later.poll(FakeSource(Batch("a", (raw(authorize(1, when=datetime(2026, 2, 1, tzinfo=UTC))),), read=1)), settings)
    assert [found.live for found in bench.store.search(Query())] == [True]


class UnitSource(FakeSource):
    """A source of one account and region."""

    account_id, region = ACCOUNT, REGION


def test_a_unit_goes_live_by_itself_and_its_report_and_log_name_it(new_bench: Callable[..., Bench]) -> None:
    """Which of two hundred accounts fails is the first thing that the person on call asks."""
    bench = new_bench()
    settings = SourceSettings(type="fake")
    malformed = Batch("p1", read=1, malformed=(Malformed("json", "p1", "no JSON"),))
    report = bench.poller.poll(UnitSource(malformed, then=SourceError("throttled", "Rate exceeded")), settings)
    assert (report.source, report.account_id, report.region) == ("fake", ACCOUNT, REGION)
    assert bench.poller.reports["fake", ACCOUNT, REGION] is report
    assert bench.store.live_since("fake", ACCOUNT, REGION) == NOW
    assert bench.store.live_since("fake") is None
    for event in ("malformed", "poll incomplete"):
        (line,) = bench.log(event)
        assert (line["source"], line["account_id"], line["region"]) == ("fake", ACCOUNT, REGION)
    bench.poller.poll(FakeSource(malformed), settings)
    assert "account_id" not in bench.log("malformed")[1]


def test_a_source_is_handed_budget_names_and_the_keys_of_a_prefix(new_bench: Callable[..., Bench]) -> None:
    """Without names each call is looked for among all; without a budget the past keeps the present waiting."""
    bench = new_bench()
    bench.poller.poll(FakeSource(Batch("a", cursors={"x/1": "1", "x/2": "2", "y/1": "3"})), SETTINGS)
    source = FakeSource(Batch("a", cursors={"x/2": None}))
    bench.poller.poll(source, SETTINGS, timedelta(seconds=30))
    assert source.context is not None
    assert source.context.budget == timedelta(seconds=30)
    assert source.context.names == Watch(DEFAULT_WATCH_SETS).names()
    assert source.context.cursors("x/") == {"x/1": "1"}
    source.context.log.warning("the clock is wrong")
    assert bench.log("the clock is wrong")[0]["source"] == "fake"


def test_what_a_source_counts_is_stored_with_its_batch(new_bench: Callable[..., Bench]) -> None:
    """A gap that is only logged alerts nobody."""
    bench = new_bench()
    unit = ("fake", ACCOUNT, REGION)
    bench.poller.poll(UnitSource(Batch("a", counts=((GAPS.name, unit, 1), (GAP_SECONDS.name, unit, 86400.0)))), SETTINGS)
    found = {(row.family, row.labels): row.value for row in bench.store.series().rows}
    assert (found[GAPS.name, unit], found[GAP_SECONDS.name, unit]) == (1, 86400)


def test_only_what_is_new_and_live_in_a_late_batch_is_late(new_bench: Callable[..., Bench]) -> None:
    """A deep re-scan reads mostly what is known; each of these counted as late would hide the true ones."""
    bench = new_bench()
    old = authorize(3, when=datetime(2026, 1, 1, tzinfo=UTC))
    settings = SourceSettings(type="fake", live_since="2026-01-31")
    bench.poller.poll(UnitSource(Batch("a", (raw(authorize(1)),), read=1)), settings)
    records = tuple(raw(record) for record in (authorize(1), authorize(2), authorize(2), old))
    for _ in range(2):
        bench.poller.poll(UnitSource(Batch("b", records, read=4, late=True)), settings)
    found = {(row.family, row.labels): row.value for row in bench.store.series().rows}
    assert found[LATE_EVENTS.name, ("fake", ACCOUNT, REGION)] == 1


def test_a_change_that_comes_alive_is_said_and_counted_in_the_report(new_bench: Callable[..., Bench]) -> None:
    """It pages, so it must be in the log that the person who is paged reads."""
    bench = new_bench()
    batch = Batch("a", (raw(authorize(1)),), read=1)
    bench.poller.poll(FakeSource(batch), SourceSettings(type="fake"))
    report = bench.poller.poll(UnitSource(batch), SETTINGS)
    assert (report.stored, report.live, report.promoted, report.duplicates) == (0, 0, 1, 1)
    first, second = bench.log("change")
    assert ("came_alive" in first, second["came_alive"], second["live"]) == (False, True, True)
    assert bench.log("poll")[1]["came_alive"] == 1


def test_from_when_on_a_unit_was_read_is_stored_with_its_line(new_bench: Callable[..., Bench]) -> None:
    """A region that was silent for 90 days would pass for a new one, and be granted what busy ones do."""
    bench = new_bench()
    bench.poller.poll(UnitSource(Batch("past", watched_since=NOW - timedelta(days=80))), SETTINGS)
    watched = bench.store.hourly_counts(NOW - timedelta(days=90)).watched
    assert watched == {(ACCOUNT, REGION): int((NOW - timedelta(days=80)).timestamp()) // 3600}
