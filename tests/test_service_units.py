"""The service with many units: their polls, their rosters, reloads, and one round of `poll`."""

from __future__ import annotations

import io
import itertools
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import exporter.units
from exporter.cli import main
from exporter.config import Config, validate
from exporter.errors import ConfigError, SourceError
from exporter.families import GAPS
from exporter.logs import make_logger
from exporter.service import Service
from exporter.sources import SOURCES
from exporter.sources.base import Batch, FetchContext, RawRecord, Roster, SourceSettings, UnitFailure, UnitKey
from exporter.store import SqliteStore
from exporter.store.base import Query
from tests.records import authorize
from tests.test_service import wait_until

A, B = "111122223333", "444455556666"
EAST, WEST = "us-east-1", "eu-west-1"
DENIED = SourceError("access_denied", "sts:AssumeRole: denied in 444455556666; let the role trust the exporter")


class FakeAws:
    """Knows whether it is closed."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class FakeUnit:
    """One unit, which does in a poll what the world says."""

    def __init__(self, world: World, name: str, account_id: str, region: str, aws: Any) -> None:
        self.world, self.name, self.account_id, self.region, self.aws = world, name, account_id, region, aws

    def fetch(self, context: FetchContext) -> Iterator[Batch]:
        key = self.name, self.account_id, self.region
        with self.world.lock:
            self.world.polls.append((time.monotonic(), key))
            self.world.contexts[key] = context
            records = self.world.records.pop(key, [])
        hang = self.world.hangs.get(key)
        if hang is not None:
            assert hang.wait(20)
        if key in self.world.errors:
            raise self.world.errors[key]
        assert not self.aws.closed, "a poll may outlast its configuration, but not its connections"
        raw = tuple(RawRecord(json.dumps(record).encode(), record) for record in records)
        yield Batch("page", raw, read=len(raw), cursors={f"{self.account_id}/{self.region}/at": "1"})


class World:
    """What a made-up AWS answers: the units that there are, and what their polls bring."""

    def __init__(self, patch: pytest.MonkeyPatch, directory: Path) -> None:
        self.directory = directory
        self.lock = threading.Lock()
        self.units: dict[str, list[tuple[str, str]]] = {"cloudtrail": [(A, EAST), (A, WEST), (B, EAST)]}
        self.failures: list[UnitFailure] = []
        self.outage: Exception | None = None
        self.asked = 0
        self.answering: threading.Event | None = None
        self.polls: list[tuple[float, UnitKey]] = []
        self.contexts: dict[UnitKey, FetchContext] = {}
        self.records: dict[UnitKey, list[dict[str, Any]]] = {}
        self.errors: dict[UnitKey, Exception] = {}
        self.hangs: dict[UnitKey, threading.Event] = {}
        self.opened: list[FakeAws] = []
        self.log = io.StringIO()
        kind = replace(SOURCES["cloudtrail"], units=self._roster, families=(GAPS.name,))
        patch.setitem(SOURCES, "cloudtrail", kind)  # type: ignore[arg-type]

    def _roster(self, settings: SourceSettings, aws: Any) -> Roster:
        self.asked += 1
        outage = self.outage
        if self.answering is not None:
            assert self.answering.wait(20)
        if outage is not None:
            raise outage
        made = tuple(FakeUnit(self, settings.name, *unit, aws) for unit in self.units.get(settings.name, ()))
        return Roster(made, tuple(self.failures))

    def open(self, _settings: Any, _requests: Any) -> Any:
        self.opened.append(FakeAws())
        return self.opened[-1]

    def data(self, **more: Any) -> dict[str, Any]:
        """Return a configuration of one source that is polled each half second."""
        source = {"type": "cloudtrail", "poll_interval": "500ms"} | more.pop("source", {})
        return {
            "store": {"path": str(self.directory / "state.db")},
            "sources": [source],
            "aws": {"discovery_interval": "300ms"},
            "posture": {"enabled": False},
        } | more

    def config(self, **more: Any) -> Config:
        return validate(self.data(**more), "test")

    def polled(self) -> set[UnitKey]:
        with self.lock:
            return {key for _, key in self.polls}

    def lines(self, event: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.log.getvalue().splitlines()) if line["event"] == event]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a made-up AWS that the source type `cloudtrail` reads."""
    monkeypatch.setattr(exporter.units, "_FIRST_RETRY", timedelta(milliseconds=200))
    return World(monkeypatch, tmp_path)


class Running:
    """A service over a world, started."""

    def __init__(self, world: World, config: Config | None = None) -> None:
        self.world, self.file = world, world.directory / "config.yml"
        self.service = Service(config or world.config(), self.file, make_logger("debug", "json", world.log), world.open)
        self.service.start()

    def page(self) -> dict[str, float]:
        """Return the values of the page by series."""
        self.service.pipeline.exposition.refresh()
        text = self.service.pipeline.exposition.page().body.decode()
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name.removeprefix("awschange_exporter_"): float(value) for name, value in lines}

    def reload(self, **more: Any) -> bool:
        self.file.write_text(json.dumps(self.world.data(**more)))
        return self.service.reload()


@pytest.fixture
def running(world: World) -> Iterator[Running]:
    """Return a running service; it is stopped at the end."""
    made = Running(world)
    yield made
    for event in world.hangs.values():
        event.set()
    made.service.stop()


def unit(name: str, *where: str) -> str:
    return f'{name}{{source="cloudtrail",account_id="{where[0]}",region="{where[1]}"}}'


def keys(*units: tuple[str, str]) -> set[UnitKey]:
    return {("cloudtrail", *where) for where in units}


ALL_THREE = keys((A, EAST), (A, WEST), (B, EAST))


def test_every_unit_is_polled_and_shown_by_itself(running: Running, world: World) -> None:
    """Account and region of a failing poll are what the person on call needs first."""
    world.errors["cloudtrail", B, EAST] = DENIED
    wait_until(lambda: world.polled() == ALL_THREE and len(world.polls) > 6)
    wait_until(lambda: running.page().get(unit("poll_success", B, EAST)) == 0)
    wait_until(lambda: running.page().get('units_healthy{source="cloudtrail"}') == 2)
    page = running.page()
    assert page['units{source="cloudtrail"}'] == 3
    assert page[unit("poll_success", A, WEST)] == 1
    assert page[unit("last_success_timestamp_seconds", B, EAST)] == 0
    assert page[unit("polls_total", A, EAST)] >= 1
    assert page[unit("gaps_total", A, EAST)] == 0
    assert page['poll_failures_total{source="cloudtrail",reason="access_denied"}'] >= 1
    assert page[f'scheduler_missed_runs_total{{job="poll cloudtrail {A} {EAST}"}}'] == 0
    line = world.lines("poll incomplete")[0]
    assert (line["source"], line["account_id"], line["region"], line["error"]) == ("cloudtrail", B, EAST, str(DENIED))


def test_a_quiet_unit_has_its_zeros_before_its_first_change(running: Running, world: World) -> None:
    """increase() does not see a first sample."""
    wait_until(lambda: world.polled() == ALL_THREE)
    labels = f'account_id="{B}",region="{EAST}",port_class="admin"'
    wait_until(lambda: running.page().get(f"awschange_ingress_opened_total{{{labels}}}") == 0)


def test_a_source_is_told_how_long_the_past_may_take_and_what_is_watched(running: Running, world: World) -> None:
    """Ninety days of past must not keep live changes waiting."""
    wait_until(lambda: world.polled() == ALL_THREE)
    context = world.contexts["cloudtrail", A, EAST]
    assert context.budget == timedelta(milliseconds=250)
    assert context.names is not None
    assert ("ec2.amazonaws.com", "AuthorizeSecurityGroupIngress") in context.names
    wait_until(lambda: context.cursors(f"{A}/{EAST}/") == {f"{A}/{EAST}/at": "1"})
    context.log.warning("clock", skew=5)
    assert (world.lines("clock")[0]["account_id"], world.lines("clock")[0]["region"]) == (A, EAST)


def test_units_come_and_go_without_a_restart(running: Running, world: World) -> None:
    """A new account is watched within the discovery interval, and one that left alerts nobody."""
    wait_until(lambda: unit("poll_success", B, EAST) in running.page())
    world.units["cloudtrail"] = [(A, EAST), (B, WEST)]
    wait_until(lambda: ("cloudtrail", B, WEST) in world.polled())
    wait_until(lambda: unit("polls_total", B, EAST) not in running.page())
    page = running.page()
    assert not [name for name in page if EAST in name and B in name and name.startswith(("poll", "last", "scheduler"))]
    assert page['units{source="cloudtrail"}'] == 2
    at = time.monotonic()
    time.sleep(0.8)
    assert not [key for moment, key in world.polls if moment > at and key in keys((B, EAST), (A, WEST))]


def test_a_unit_that_left_while_it_was_polled_leaves_the_page_for_good(running: Running, world: World) -> None:
    """Its last poll would stand there for ever, and with it an alert that nobody can resolve."""
    world.hangs["cloudtrail", B, EAST] = threading.Event()
    at = time.monotonic()
    wait_until(lambda: any(moment > at and key == ("cloudtrail", B, EAST) for moment, key in world.polls))
    world.units["cloudtrail"] = [(A, EAST)]
    wait_until(lambda: running.page().get('units{source="cloudtrail"}') == 1)
    world.hangs["cloudtrail", B, EAST].set()
    wait_until(lambda: not running.service._busy["cloudtrail", B, EAST].locked())
    wait_until(lambda: unit("polls_total", B, EAST) not in running.page())
    assert ("cloudtrail", B, EAST) not in running.service.pipeline.poller.reports


def test_a_unit_that_hangs_delays_no_other(running: Running, world: World) -> None:
    """One dead endpoint among two hundred."""
    world.hangs["cloudtrail", A, EAST] = threading.Event()
    wait_until(lambda: sum(key == ("cloudtrail", B, EAST) for _, key in world.polls) >= 4)
    wait_until(lambda: running.page().get(f'scheduler_missed_runs_total{{job="poll cloudtrail {A} {EAST}"}}', 0) >= 1)


def test_an_account_that_cannot_be_told_is_a_failing_unit_with_its_remedy(running: Running, world: World) -> None:
    """An account whose role is missing would otherwise simply not be there."""
    wait_until(lambda: ("cloudtrail", B, EAST) in world.polled())
    world.failures = [UnitFailure(B, "", DENIED)]
    world.units["cloudtrail"] = [(A, EAST)]
    wait_until(lambda: running.page().get(unit("poll_success", B, "")) == 0)
    page = running.page()
    assert page[unit("poll_interval_seconds", B, "")] == 0.3
    assert page['poll_failures_total{source="cloudtrail",reason="access_denied"}'] >= 1
    assert page['units_healthy{source="cloudtrail"}'] < page['units{source="cloudtrail"}']
    line = world.lines("units unknown")[0]
    assert (line["account_id"], line["error"], line["reason"]) == (B, str(DENIED), "access_denied")
    assert ("cloudtrail", B, EAST) in running.service.pipeline.units[0].shown(), "a failure hides no unit"
    at = time.monotonic()
    wait_until(lambda: any(moment > at and key == ("cloudtrail", B, EAST) for moment, key in world.polls))
    world.failures = []
    world.units["cloudtrail"] = [(A, EAST), (B, EAST)]
    wait_until(lambda: unit("poll_success", B, "") not in running.page())
    wait_until(lambda: running.page()['units_healthy{source="cloudtrail"}'] == 2)


def test_an_outage_of_discovery_is_seen_and_stops_no_poll(running: Running, world: World) -> None:
    """Organizations may be down for an hour; the accounts known before are watched all the same."""
    wait_until(lambda: running.page().get('units_healthy{source="cloudtrail"}') == 3)
    world.outage = SourceError("unavailable", "organizations:ListAccounts: no answer; check the network")
    wait_until(lambda: running.page().get(unit("poll_success", "", "")) == 0)
    assert running.page()[unit("last_success_timestamp_seconds", "", "")] > time.time() - 60
    at = time.monotonic()
    wait_until(lambda: {key for moment, key in world.polls if moment > at} == ALL_THREE)
    world.outage = None
    wait_until(lambda: unit("poll_success", "", "") not in running.page())


def test_a_start_during_an_outage_begins_as_soon_as_units_can_be_told(world: World) -> None:
    """Credentials that come a minute after the container does."""
    world.outage = SourceError("credentials", "no credentials; set AWS_PROFILE")
    running = Running(world, world.config(aws={"discovery_interval": "1h"}))
    try:
        wait_until(lambda: running.page().get(unit("poll_success", "", "")) == 0)
        assert running.page()[unit("last_success_timestamp_seconds", "", "")] == 0
        world.outage = None
        wait_until(lambda: world.polled() == ALL_THREE)
        wait_until(lambda: unit("poll_success", "", "") not in running.page())
    finally:
        running.service.stop()


def test_a_reload_that_leaves_a_source_as_it_is_keeps_its_units(running: Running, world: World) -> None:
    """Asking an organization anew for each reload would leave its accounts unwatched meanwhile."""
    wait_until(lambda: running.page().get('units_healthy{source="cloudtrail"}') == 3)
    before = running.service.pipeline.polled
    world.outage = SourceError("unavailable", "not now")
    assert running.reload(metrics={"birth_hold": "0s"})
    assert [source for source, _ in running.service.pipeline.polled] == [source for source, _ in before]
    assert len(world.opened) == 1
    at = time.monotonic()
    wait_until(lambda: {key for moment, key in world.polls if moment > at} == ALL_THREE)
    assert not world.opened[0].closed


def test_a_unit_that_is_told_while_a_reload_is_under_way_is_polled(running: Running, world: World) -> None:
    """The answer came to the old configuration, and the new one would never hear of the unit again: it is known already."""
    wait_until(lambda: world.polled() == ALL_THREE)
    world.answering = threading.Event()
    world.units["cloudtrail"] = [(A, EAST), (B, WEST)]
    asked = world.asked
    wait_until(lambda: world.asked > asked)
    assert running.reload(metrics={"birth_hold": "0s"})
    answering, world.answering = world.answering, None
    world.outage = SourceError("unavailable", "nobody may answer after this one")
    answering.set()
    wait_until(lambda: ("cloudtrail", B, WEST) in world.polled())
    wait_until(lambda: unit("polls_total", B, EAST) not in running.page())


def test_a_reload_that_changes_a_source_asks_anew_and_shows_what_was_known_until_then(running: Running, world: World) -> None:
    """The page must not blink, and what the new settings leave out must go."""
    wait_until(lambda: running.page().get('units_healthy{source="cloudtrail"}') == 3)
    world.units["cloudtrail"] = [(A, EAST)]
    world.outage = SourceError("unavailable", "not now")
    assert running.reload(source={"poll_interval": "400ms"})
    assert unit("poll_success", B, EAST) in running.page()
    world.outage = None
    wait_until(lambda: unit("poll_success", B, EAST) not in running.page())
    wait_until(lambda: running.page().get(unit("poll_interval_seconds", A, EAST)) == 0.4)


def test_a_reload_with_other_accounts_closes_the_old_connections_when_their_last_poll_is_done(running: Running, world: World) -> None:
    """Closed under a poll they would fail it; never closed they would pile up with each reload."""
    wait_until(lambda: world.polled() == ALL_THREE)
    world.hangs["cloudtrail", A, EAST] = threading.Event()
    at = time.monotonic()
    wait_until(lambda: any(moment > at and key == ("cloudtrail", A, EAST) for moment, key in world.polls))
    assert running.reload(aws={"regions": [EAST], "discovery_interval": "300ms"})
    assert len(world.opened) == 2
    time.sleep(0.2)
    assert not world.opened[0].closed
    world.hangs.pop(("cloudtrail", A, EAST)).set()
    wait_until(lambda: world.opened[0].closed)
    assert not world.opened[1].closed
    running.service.stop()
    assert world.opened[1].closed
    assert not world.lines("poll failed by a fault of the exporter")


def test_a_reload_for_which_aws_cannot_be_set_up_keeps_the_old_configuration(running: Running, world: World) -> None:
    """A profile with a typing error must not end the watching."""
    wait_until(lambda: world.polled() == ALL_THREE)

    def refuse(*_: Any) -> Any:
        raise ConfigError("aws.profile: no profile 'prdo'")

    running.service._aws = refuse
    assert not running.reload(aws={"profile": "prdo"})
    assert any("prdo" in line["error"] for line in world.lines("configuration not reloaded; the old one stays in force"))
    at = time.monotonic()
    wait_until(lambda: {key for moment, key in world.polls if moment > at} == ALL_THREE)


def test_a_source_that_a_reload_removes_takes_all_its_units_along(running: Running, world: World) -> None:
    """A name that is left would alert for ever."""
    wait_until(lambda: running.page().get('units_healthy{source="cloudtrail"}') == 3)
    assert running.reload(sources=[{"type": "files", "path": str(world.directory)}], aws={})
    wait_until(
        lambda: not [name for name in running.page() if "cloudtrail" in name and not name.startswith(("records", "gap", "awschange"))]
    )
    assert running.page()['units{source="files"}'] == 1
    wait_until(lambda: world.opened[0].closed)


def test_two_sources_of_one_event_count_it_once_and_tell_the_lag_of_each(world: World) -> None:
    """EventBridge first, Event history minutes later: one change, two lags."""
    sources = [{"type": "cloudtrail", "name": name, "poll_interval": "300ms"} for name in ("fast", "slow")]
    world.units = {name: [(A, EAST)] for name in ("fast", "slow")}
    running = Running(world, world.config(sources=sources, metrics={"birth_hold": "0s"}))
    try:
        wait_until(lambda: len(world.polled()) == 2)
        when = datetime.now(UTC)
        world.records["fast", A, EAST] = [authorize(1, when=when)]
        opened = f'awschange_ingress_opened_total{{account_id="{A}",region="{EAST}",port_class="all"}}'
        wait_until(lambda: running.page().get('event_lag_seconds_count{source="fast"}') == 1)
        world.records["slow", A, EAST] = [authorize(1, when=when)]
        wait_until(lambda: running.page().get('event_repeat_lag_seconds_count{source="slow"}') == 1)
        page = running.page()
        assert 'event_lag_seconds_count{source="slow"}' not in page
        assert page['records_total{source="fast",fate="stored",reason=""}'] == 1
        assert page['records_total{source="slow",fate="duplicate",reason=""}'] == 1
        changes = [value for name, value in page.items() if name.startswith("awschange_events_total") and value]
        assert changes == [1]
        assert opened in page
    finally:
        running.service.stop()


def test_an_event_that_comes_alive_is_logged_and_its_lag_is_told(world: World) -> None:
    """Whoever is paged looks for the change in the log."""
    world.units = {"early": [(A, EAST)], "late": [(A, EAST)]}
    sources = [
        {"type": "cloudtrail", "name": "late", "poll_interval": "300ms"},
        {"type": "cloudtrail", "name": "early", "poll_interval": "300ms", "live_since": "beginning"},
    ]
    when = datetime.now(UTC) - timedelta(hours=2)
    world.records["late", A, EAST] = [authorize(1, when=when)]
    world.hangs["early", A, EAST] = threading.Event()
    running = Running(world, world.config(sources=sources))
    try:
        wait_until(lambda: world.lines("change"))
        assert world.lines("change")[0]["live"] is False
        with world.lock:
            world.records["early", A, EAST] = [authorize(1, when=when)]
        world.hangs.pop(("early", A, EAST)).set()
        wait_until(lambda: len(world.lines("change")) == 2)
        line = world.lines("change")[1]
        assert (line["live"], line["came_alive"], line["source"]) == (True, True, "early")
        wait_until(lambda: running.page().get('event_lag_seconds_count{source="early"}') == 1)
        assert 'event_repeat_lag_seconds_count{source="early"}' not in running.page()
    finally:
        running.service.stop()


def test_two_hundred_units_are_polled_in_time_and_do_not_begin_at_once(world: World) -> None:
    """No unit is polled later than twice its interval, though polls take their time; and AWS is not asked 200 times in an instant."""
    world.units["cloudtrail"] = [(f"{number:012d}", EAST) for number in range(200)]
    for number in range(200):
        world.hangs["cloudtrail", f"{number:012d}", EAST] = Pause(0.25 + 0.005 * (number % 150))  # type: ignore[assignment]
    running = Running(world, world.config(source={"poll_interval": "5s"}, aws={"discovery_interval": "1h"}))
    try:
        begun = time.monotonic()
        time.sleep(16)
        with world.lock:
            polls = list(world.polls)
    finally:
        running.service.stop()
    moments: dict[UnitKey, list[float]] = {}
    for moment, key in polls:
        moments.setdefault(key, [begun]).append(moment)
    assert len(moments) == 200
    gaps = [after - before for found in moments.values() for before, after in itertools.pairwise(found)]
    assert max(gaps) < 10
    assert min(len(found) for found in moments.values()) >= 3, "the start, and two polls at least"
    first = sorted(found[1] for found in moments.values())
    assert first[-1] - first[0] > 3, "the first polls are spread"
    assert not world.lines("a run was skipped because the one before is still under way, or started too late")


class Pause:
    """Waits for a while, like a poll that asks AWS."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def wait(self, _timeout: float) -> bool:
        time.sleep(self.seconds)
        return True

    def set(self) -> None:
        """Nothing waits for it."""


def run_poll(world: World, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Any:
    """Run the command `poll` over the world."""
    monkeypatch.setattr("exporter.service.Service.__init__.__defaults__", (world.open,))
    path = world.directory / "config.yml"
    path.write_text(json.dumps(world.data(**more)))
    return CliRunner().invoke(main, ["poll", "--config.file", str(path), "--log.level", "error"])


def test_one_round_polls_every_unit_once_the_past_included(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`poll` in a cron job must read all there is, and say of each unit what became of it."""
    world.records["cloudtrail", A, WEST] = [authorize(1), authorize(2)]
    result = run_poll(world, monkeypatch)
    assert result.exit_code == 0, result.output
    assert sorted(result.stdout.splitlines()) == [
        f"cloudtrail {A} {WEST}: complete; read 2 records: stored 2 (0 live), duplicate 0, ignored 0, malformed 0",
        f"cloudtrail {A} {EAST}: complete; read 0 records: stored 0 (0 live), duplicate 0, ignored 0, malformed 0",
        f"cloudtrail {B} {EAST}: complete; read 0 records: stored 0 (0 live), duplicate 0, ignored 0, malformed 0",
    ]
    assert {context.budget for context in world.contexts.values()} == {None}
    assert (len(world.polls), world.asked, world.opened[0].closed) == (3, 1, True)


@pytest.mark.parametrize("what", ["a unit fails", "an account cannot be told", "nothing can be told"])
def test_one_round_that_is_not_complete_ends_with_1_and_says_where(what: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cron job that succeeds while an account is unread is worse than none."""
    if what == "a unit fails":
        world.errors["cloudtrail", B, EAST] = DENIED
        where, others = f"cloudtrail {B} {EAST}", 2
    elif what == "an account cannot be told":
        world.failures = [UnitFailure(B, "", DENIED)]
        where, others = f"cloudtrail {B}", 3
    else:
        world.outage = DENIED
        where, others = "cloudtrail", 0
    result = run_poll(world, monkeypatch)
    assert result.exit_code == 1
    assert f"{where}: INCOMPLETE (access_denied: {DENIED})" in result.stdout
    assert len(re.findall(r": complete;", result.stdout)) == others


def test_a_unit_that_is_added_later_has_a_past_of_its_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ninety days would page for every change in them."""
    world.units["cloudtrail"] = [(A, EAST)]
    assert run_poll(world, monkeypatch).exit_code == 0
    time.sleep(1.1)
    world.units["cloudtrail"] = [(A, EAST), (B, EAST)]
    between = datetime.now(UTC) - timedelta(seconds=1)
    world.records["cloudtrail", A, EAST] = [authorize(1, when=between)]
    world.records["cloudtrail", B, EAST] = [authorize(2, when=between, recipientAccountId=B)]
    assert run_poll(world, monkeypatch).exit_code == 0
    store = SqliteStore(world.directory / "state.db")
    assert sorted((row.event.account_id, row.live) for row in store.search(Query())) == [(A, True), (B, False)]
    store.close()
