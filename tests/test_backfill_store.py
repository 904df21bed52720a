"""The past read into the store further back than at the first start: each event once, nothing live, nothing moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from exporter.catalog import Watch
from exporter.cli import main
from exporter.logs import make_logger
from exporter.metrics.telemetry import Telemetry
from exporter.parse import RecordParser
from exporter.poller import Poller
from exporter.sources import SOURCES
from exporter.sources.base import Rewindable
from exporter.sources.cloudtrail import CloudTrailSettings
from exporter.store import SqliteStore
from exporter.store.base import Query
from tests.aws_fast import Stepping, stepping_sandbox, without_turns
from tests.aws_session import opened
from tests.records import authorize
from tests.sandbox_client import ACCOUNT, REGION
from tests.store_events import values

pytestmark = pytest.mark.usefixtures("aws_environment")
PAGED = ("awschange_events_total", (ACCOUNT, REGION, "ec2.amazonaws.com", "AuthorizeSecurityGroupIngress", "success"))
DAYS = (1, 3, 8, 20, 40, 70)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """The time at the start, a clock, the sandbox with a change on each of DAYS ago, a store, and a way to poll with settings."""
    without_turns(monkeypatch)
    clock = Stepping(datetime(2026, 1, 31, 12, 0, tzinfo=UTC))
    with stepping_sandbox(clock) as sandbox, opened(sandbox.url) as aws:
        store = SqliteStore(str(tmp_path / "state.db"))
        watch = Watch()
        poller = Poller(
            store, RecordParser(watch, lambda _: ()), watch, Telemetry(), make_logger("error", "console"), now=lambda: clock.now
        )
        start = clock.now
        for number, days in enumerate(DAYS):
            sandbox.journal.add(authorize(number, when=start - timedelta(days=days)), start - timedelta(days=days))

        def poll(backfill, since=None):
            settings = CloudTrailSettings.model_validate({"type": "cloudtrail", "backfill": backfill})
            (source,) = SOURCES["cloudtrail"].units(settings, aws).sources
            assert isinstance(source, Rewindable)
            return poller.poll(source, settings, since=since)

        yield start, clock, sandbox, store, poll
        store.close()


def days_known(store, start):
    return sorted(round((start - found.event.event_time) / timedelta(days=1)) for found in store.search(Query()))


@pytest.mark.parametrize("first", ["0s", "2d", "10d", "90d"])
def test_what_is_missing_is_read_once_and_never_counts(world, first):
    """A past that counts pages somebody for last month; one that is read twice doubles the history."""
    start, clock, sandbox, store, poll = world
    assert poll(first).complete
    clock.now += timedelta(hours=2)
    sandbox.journal.add(authorize(50, when=clock.now - timedelta(hours=1)), clock.now)
    live = store.cursors("cloudtrail", "live/")
    for days in (5, 5, 30, 10, 80, 80):
        report = poll(first, clock.now - timedelta(days=days))
        assert report.complete
        assert report.live == 0
    assert days_known(store, start) == list(DAYS)
    assert store.cursors("cloudtrail", "live/") == live
    assert values(store.series().rows)[PAGED] == 0
    # The poll after it finds what happened meanwhile, and reads no past again.
    after = poll(first)
    assert (after.complete, after.stored, after.live) == (True, 1, 1)
    assert values(store.series().rows)[PAGED] == 1


def test_it_reaches_exactly_as_far_as_was_asked(world):
    """A day less than was asked is a gap that nobody is told of."""
    start, _, _, store, poll = world
    assert poll("7d").complete
    assert days_known(store, start) == [1, 3]
    assert poll("7d", start - timedelta(days=8) + timedelta(seconds=1)).complete
    assert days_known(store, start) == [1, 3]
    assert poll("7d", start - timedelta(days=8)).complete
    assert days_known(store, start) == [1, 3, 8]


def test_a_unit_that_was_never_polled_goes_live_first(world):
    """Without a line there is no past: what is read would count later, or be read again."""
    _, clock, _, store, poll = world
    report = poll("0s", clock.now - timedelta(days=30))
    assert (report.complete, report.live) == (True, 0)
    assert days_known(store, clock.now) == [1, 3, 8, 20]
    assert store.live_since("cloudtrail", ACCOUNT, REGION) is not None
    assert poll("0s").stored == 0


def test_the_command_names_what_cannot_go_back(tmp_path):
    """Who asked for 90 days must hear that a source gave none."""
    (tmp_path / "trails").mkdir()
    (tmp_path / "config.yml").write_text(
        f"store: {{path: {tmp_path / 'state.db'}}}\nposture: {{enabled: false}}\nsources: [{{type: files, path: {tmp_path / 'trails'}}}]\n"
    )
    done = CliRunner().invoke(main, ["backfill", "--config.file", str(tmp_path / "config.yml")])
    assert done.exit_code == 1
    assert "files: cannot go back further" in done.stdout
    wrong = CliRunner().invoke(main, ["backfill", "--config.file", str(tmp_path / "config.yml"), "--force"])
    assert wrong.exit_code == 2
    assert "--openmetrics" in wrong.output


def test_the_command_reads_every_account_and_region(tmp_path, sandbox):
    """The summary is what a pipeline keeps of the run."""
    sandbox.journal.add(authorize(1, when=datetime.now(UTC) - timedelta(days=9)), datetime.now(UTC) - timedelta(days=9))
    (tmp_path / "config.yml").write_text(
        f"store: {{path: {tmp_path / 'state.db'}}}\naws: {{endpoint_url: {sandbox.url}}}\n"
        "sources: [{type: cloudtrail, regions: [us-east-1, eu-west-1], backfill: 0s}]\n"
    )
    done = CliRunner().invoke(main, ["backfill", "--config.file", str(tmp_path / "config.yml"), "--since", "30d"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert [line.split(":")[0].split()[-1] for line in lines] == ["us-east-1", "eu-west-1"]
    assert "stored 1 (0 live)" in lines[0]
