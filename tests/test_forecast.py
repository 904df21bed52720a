"""From the store to the page: what is usual in this hour, and what that is after an outage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from exporter.errors import StoreError
from exporter.families import OTHER as FOLDED
from exporter.forecast import FORECAST_FAMILIES, Forecaster
from exporter.metrics.exposition import Exposition
from exporter.metrics.telemetry import Telemetry
from exporter.model import ChangeEvent, Channel, Unit
from exporter.store import SqliteStore
from tests.baseline_past import AT, office
from tests.store_events import ACCOUNT, REGION, ingest, make_event

HISTORY = timedelta(days=90)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
STOPPED = AT - 12 * HOUR
"""When the exporter last counted anything."""

UPPER, EXPECTED = "awschange_expected_changes_upper", "awschange_expected_changes"
QUIET = "eu-west-1"


class Rig:
    """A store with 90 days of office hours in one region and silence in another, a page over it twelve hours later, and a clock."""

    def __init__(self, path: Path, budgets: dict[str, int] | None = None) -> None:
        self.path, self.now, self.number = path, STOPPED, 0
        self.store = SqliteStore(path)
        for region in (REGION, QUIET):
            self.store.go_live("cloudtrail", STOPPED, None, ACCOUNT, region)
            self.store.register([Unit(ACCOUNT, region)])
            self.store.append(ingest(source="cloudtrail", at=STOPPED, account_id=ACCOUNT, region=region, watched_since=AT - HISTORY - HOUR))
        past = [
            self.event(datetime.fromtimestamp(hour * 3600, AT.tzinfo) + second * SECOND)
            for hour, count in office(1).items()
            for second in range(count)
        ]
        self.count(*[event for event in past if event.event_time < STOPPED])
        self.now = AT
        self.telemetry = Telemetry()
        self.forecaster, self.exposition = self.page(budgets)
        self.renew()

    def renew(self) -> None:
        """Look at the history now, as the service does."""
        self.forecaster.renew(self.now)
        self.exposition.refresh()

    def page(self, budgets: dict[str, int] | None = None) -> tuple[Forecaster, Exposition]:
        """Return a forecaster and a page of their own over the store, as another process has them."""
        forecaster = Forecaster(self.store, HISTORY)
        shown = Exposition(self.store, budgets or {}, timedelta(0), self.time, self.telemetry, patience=30.0, forecaster=forecaster)
        return forecaster, shown

    def time(self) -> float:
        return self.now.timestamp()

    def event(self, at: datetime, region: str = REGION, channel: Channel = Channel.CONSOLE) -> ChangeEvent:
        self.number += 1
        return make_event(self.number, event_time=at, region=region, channel=channel)

    def count(self, *events: ChangeEvent, region: str = REGION) -> None:
        """Store events as a poll at this time does."""
        self.store.append(ingest(*events, source="cloudtrail", at=self.now, account_id=ACCOUNT, region=region))

    def shown(self, exposition: Exposition | None = None) -> dict[str, float]:
        """Return the gauges of the forecast as a scrape gets them now."""
        lines = (exposition or self.exposition).page().body.decode().splitlines()
        found = [line.rpartition(" ") for line in lines if line.startswith(EXPECTED)]
        return {name: float(value) for name, _, value in found}

    def upper(self, region: str = REGION, channel_class: str = "people") -> float:
        return self.shown()[f'{UPPER}{{account_id="{ACCOUNT}",region="{region}",channel_class="{channel_class}"}}']

    def expected(self, region: str = REGION) -> float:
        return self.shown()[f'{EXPECTED}{{account_id="{ACCOUNT}",region="{region}",channel_class="people"}}']

    def close(self) -> None:
        self.exposition.close()
        self.store.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with closing(Rig(tmp_path / "state.db")) as made:
        yield made


def test_every_unit_and_class_has_both_gauges(rig: Rig) -> None:
    """A rule that compares with a series that is missing never fires."""
    names = {
        f'{family.name}{{account_id="{ACCOUNT}",region="{region}",channel_class="{name}"}}'
        for family in FORECAST_FAMILIES
        for region in (REGION, QUIET)
        for name in ("people", "scripts", "automation")
    }
    assert rig.shown().keys() == names
    assert rig.expected() > 10 * rig.expected(QUIET)
    assert rig.upper() > rig.upper(channel_class="automation")


def test_nothing_is_shown_before_the_history_was_looked_at(rig: Rig) -> None:
    """A zero that nobody worked out is a bound that everything passes."""
    _, other = rig.page()
    with closing(other):
        assert rig.shown(other) == {}


def test_the_bound_follows_the_hour(rig: Rig) -> None:
    """By night the bound of the day would let anything through."""
    day = rig.upper()
    rig.now = AT + 13 * HOUR
    assert rig.forecaster.due(rig.now)
    rig.renew()
    assert rig.upper() < day


def test_the_history_is_looked_at_once_an_hour_and_for_new_units_and_after_a_failure(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading it takes a second for many events, and a bound of the hour before would page at each beginning of work."""
    rig.shown()
    assert not rig.forecaster.due(AT)
    assert not rig.forecaster.due(AT + 29 * MINUTE)
    assert rig.forecaster.due(AT + 30 * MINUTE)
    rig.store.register([Unit(ACCOUNT, "us-west-2")])
    rig.shown()
    assert not rig.forecaster.due(AT + 59 * SECOND)
    assert rig.forecaster.due(AT + 60 * SECOND)
    rig.forecaster.renew(AT + 2 * MINUTE)
    # The new region is young: its past may come any moment.
    assert not rig.forecaster.due(AT + 6 * MINUTE)
    assert rig.forecaster.due(AT + 7 * MINUTE)
    with monkeypatch.context() as broken:
        broken.setattr(rig.store, "hourly_counts", fail)
        with pytest.raises(StoreError):
            rig.forecaster.renew(AT + 31 * MINUTE)
    assert not rig.forecaster.due(AT + 31 * MINUTE + 59 * SECOND)
    assert rig.forecaster.due(AT + 32 * MINUTE)


def test_a_clock_that_was_set_back_does_not_stop_it(rig: Rig) -> None:
    """The bound of one hour would stand for as long as the clock was ahead."""
    assert rig.forecaster.due(AT - 3 * HOUR)


def fail(*_: object) -> None:
    raise StoreError("the disk is gone")


def test_a_store_that_fails_leaves_the_bound_as_it_was(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A series that vanishes is no bound; and a fault that nobody counts is none that anybody mends."""
    before = rig.shown()
    with monkeypatch.context() as broken:
        broken.setattr(rig.store, "late_counts", fail)
        rig.count(rig.event(rig.now))
        assert rig.shown() == before
    assert 'store_errors_total{operation="late_counts"} ' in rig.exposition.page().body.decode()
    assert 'store_errors_total{operation="late_counts"} 0' not in rig.exposition.page().body.decode()


def test_a_unit_that_appears_in_between_is_shown_with_its_counters(rig: Rig) -> None:
    """Its first changes would be compared with nothing until the next hour."""
    rig.shown()
    rig.count(rig.event(rig.now, region="ap-south-1"))
    assert 0 < rig.upper("ap-south-1") < 200


def test_two_replicas_on_one_store_say_the_same(rig: Rig) -> None:
    """Which one Prometheus asks would decide about a page."""
    rig.count(*(rig.event(AT - 9 * HOUR + second * SECOND) for second in range(5)))
    other, page = rig.page()
    with closing(page):
        other.renew(rig.now)
        rig.renew()
        assert rig.shown(page) == rig.shown()


def test_hours_that_are_counted_at_once_are_held_to_what_hours_bring(rig: Rig) -> None:
    """After each outage of the exporter every busy account would page."""
    usual, expected, automation = rig.upper(), rig.expected(), rig.upper(channel_class="automation")
    missed = [rig.event(AT - back * HOUR + number * SECOND) for back in range(1, 6) for number in range(6)]
    rig.count(*missed)
    assert rig.upper() > max(usual, len(missed))  # in force with the very scrape that shows the counts
    assert rig.expected() > 2 * expected
    assert rig.upper(channel_class="automation") == automation


def test_the_longer_stretch_is_in_force_for_as_long_as_the_rule_sees_the_counts_and_no_longer(rig: Rig) -> None:
    """Too short, and the page comes at its end; too long, and a burst of after the outage is taken for usual."""
    usual = rig.upper()
    rig.count(*(rig.event(AT - back * HOUR) for back in range(1, 6)))
    raised = rig.upper()
    assert raised > usual
    rig.now = AT + 61 * MINUTE
    assert rig.upper() == raised
    rig.now = AT + 67 * MINUTE
    assert rig.upper() == usual


def test_a_restart_does_not_forget_that_counts_were_late(rig: Rig) -> None:
    """A rollout right after the outage would page after all."""
    rig.count(*(rig.event(AT - back * HOUR) for back in range(1, 6)))
    rig.renew()
    raised = rig.shown()
    other, page = rig.page()
    with closing(page):
        other.renew(rig.now)
        assert rig.shown(page) == raised


def test_a_straggler_makes_room_for_itself_alone(rig: Rig) -> None:
    """Event history shows some events days late, and each would let a burst through."""
    usual = rig.upper()
    rig.count(rig.event(AT - timedelta(days=2)), rig.event(AT - 3 * HOUR, channel=Channel.TERRAFORM))
    assert rig.upper() == usual
    rig.store.go_live("cloudtrail", AT, AT - timedelta(days=85), ACCOUNT, REGION)
    rig.count(rig.event(AT - timedelta(days=2)))
    assert rig.upper() == usual + 1


def test_a_burst_that_comes_late_is_still_a_burst(rig: Rig) -> None:
    """Whoever can hold up delivery for five hours would have a bound of his own."""
    burst = [rig.event(AT - 5 * HOUR + number * SECOND, region=QUIET) for number in range(50)]
    rig.count(*burst, region=QUIET)
    assert rig.upper(QUIET) < 50
    busy = [rig.event(AT - 5 * HOUR + number * SECOND) for number in range(120)]
    rig.count(*busy)
    assert rig.upper() < 120


def test_counts_of_months_ago_grant_no_more_than_a_week(rig: Rig) -> None:
    """A record of last winter that turns up today would open the bound for anything."""
    rig.store.go_live("cloudtrail", AT, AT - timedelta(days=85), ACCOUNT, REGION)
    rig.count(*(rig.event(AT - timedelta(days=7) + number * SECOND) for number in range(300)))
    a_week = rig.upper()
    rig.count(*(rig.event(AT - timedelta(days=80) + number * SECOND) for number in range(300)))
    assert rig.upper() == a_week < 300


def test_what_does_not_fit_the_budget_is_shown_as_a_sum(tmp_path: Path) -> None:
    """A thousand accounts must not cost more series than the operator allowed."""
    with closing(Rig(tmp_path / "state.db", {UPPER: 3})) as rig:
        shown = {name: value for name, value in rig.shown().items() if name.startswith(UPPER)}
    assert len(shown) == 6
    assert {name for name in shown if FOLDED in name} == {
        f'{UPPER}{{account_id="{FOLDED}",region="{FOLDED}",channel_class="{name}"}}' for name in ("people", "scripts", "automation")
    }


def test_an_expectation_that_did_not_change_costs_no_new_page(rig: Rig) -> None:
    """Every poll would have the whole page compressed anew."""
    samples, _ = rig.forecaster.samples(rig.now)
    rig.shown()
    again, _ = rig.forecaster.samples(rig.now)
    assert all(again[unit] is given for unit, given in samples.items())
    assert samples.keys() <= again.keys()


def test_a_new_setting_shows_what_the_old_one_said_until_it_has_looked_itself(rig: Rig) -> None:
    """At each reload the bound would be missing for some seconds."""
    before = rig.shown()
    after = Forecaster(rig.store, timedelta(days=30), rig.forecaster)
    after.meet(rig.store.series().rows)
    assert after.due(rig.now)
    samples, _ = after.samples(rig.now)
    assert sum(map(len, samples.values())) == len(before)
