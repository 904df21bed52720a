"""Services on one store share the units between them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import exporter.replicas
import exporter.units
from exporter.logs import make_logger
from exporter.service import Service
from exporter.sources import SOURCES
from exporter.store import SqliteStore
from exporter.store.leased import LastRead
from tests.test_service import wait_until
from tests.test_service_units import DENIED, EAST, A, World, unit

UNITS = tuple(f"{number:012}" for number in range(12))
_POLLED = re.compile(r'^polls_total{source="cloudtrail",account_id="(\d+)"')
_READ = re.compile(r'^last_success_timestamp_seconds{source="cloudtrail",account_id="(\d+)"')


class Replica:
    """One service of several."""

    def __init__(self, world: World, name: str, **more: Any) -> None:
        self.world, self.log = world, io.StringIO()
        config = world.config(store={"path": str(world.directory / "state.db"), "replicas": True}, **more)
        self.service = Service(config, world.directory / "config.yml", make_logger("debug", "json", self.log), world.open, replica=name)
        self.service.start()

    def page(self) -> dict[str, float]:
        """Return the values of the page by series."""
        self.service.pipeline.exposition.refresh()
        lines = self.service.pipeline.exposition.page().body.decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name.removeprefix("awschange_exporter_"): float(value) for name, value in pairs}

    def accounts(self, pattern: re.Pattern[str]) -> set[str]:
        """Return the accounts of the series that a pattern finds."""
        return {found[1] for name in self.page() if (found := pattern.match(name))}

    def die(self) -> None:
        """End as by kill -9: nothing is given up."""
        self.service._scheduler.stop()


class Fleet:
    """Replicas on one store."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.replicas: list[Replica] = []

    def begin(self, name: str, **more: Any) -> Replica:
        """Start one more."""
        self.replicas.append(Replica(self.world, name, **more))
        return self.replicas[-1]

    def shared(self, *replicas: Replica) -> bool:
        """Return whether each unit is polled by one of these, and each of them polls some."""
        polled = [replica.accounts(_POLLED) for replica in replicas]
        return all(polled) and sorted(account for accounts in polled for account in accounts) == sorted(UNITS)


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """Return replicas that watch twelve accounts; they are stopped at the end."""
    monkeypatch.setattr(exporter.units, "_FIRST_RETRY", timedelta(milliseconds=200))
    world = World(monkeypatch, tmp_path)
    world.units["cloudtrail"] = [(account, EAST) for account in UNITS]
    made = Fleet(world)
    yield made
    for event in world.hangs.values():
        event.set()
    for replica in made.replicas:
        replica.service.stop()


def test_each_unit_is_polled_by_one_and_its_age_is_on_every_page(fleet: Fleet) -> None:
    """Its alert must neither fire because one replica does not poll it, nor stay silent when none does."""
    one, two = fleet.begin("one"), fleet.begin("two")
    wait_until(lambda: fleet.shared(one, two))
    wait_until(lambda: one.accounts(_READ) == two.accounts(_READ) == set(UNITS))
    pages = [one.page(), two.page()]
    assert sum(page['units_held{source="cloudtrail"}'] for page in pages) == len(UNITS)
    assert [(page["replicas"], page['units{source="cloudtrail"}']) for page in pages] == [(2, 12), (2, 12)]
    wait_until(lambda: all(replica.page()['units_healthy{source="cloudtrail"}'] == len(UNITS) for replica in (one, two)))
    (account,) = sorted(one.accounts(_POLLED))[:1]
    assert not [name for name in two.page() if account in name and "cloudtrail" in name and name.startswith(("poll_s", "poll_d", "last_p"))]
    assert two.page()[unit("poll_interval_seconds", account, EAST)] == 0.5


def test_the_units_of_one_that_dies_are_polled_by_the_other(fleet: Fleet) -> None:
    """Changes in a third of all accounts would go unseen until somebody restarts it."""
    one, two = fleet.begin("one"), fleet.begin("two")
    wait_until(lambda: fleet.shared(one, two))
    wait_until(lambda: one.accounts(_READ) == set(UNITS))
    gone = sorted(two.accounts(_POLLED))
    two.die()
    before = one.page()[unit("last_success_timestamp_seconds", gone[0], EAST)]
    wait_until(lambda: fleet.shared(one))
    assert one.page()[unit("last_success_timestamp_seconds", gone[0], EAST)] >= before > 0, "it looks as if it was never read"
    wait_until(lambda: one.page()[unit("last_success_timestamp_seconds", gone[0], EAST)] > before)
    assert one.page()["replicas"] == 1


def test_what_one_that_stops_had_is_polled_at_once(fleet: Fleet) -> None:
    """Each step of a rolling update would leave units alone for as long as a lease."""
    one, two = fleet.begin("one"), fleet.begin("two")
    wait_until(lambda: fleet.shared(one, two))
    fleet.replicas.remove(two)
    two.service.stop()
    with SqliteStore(fleet.world.directory / "state.db")._database.reading("look") as reader:
        assert reader.execute("SELECT count(*) FROM leases WHERE replica = 'two'").fetchone() == (0,)
    wait_until(lambda: fleet.shared(one))


def test_a_unit_that_nobody_can_read_ages_on_every_page(fleet: Fleet) -> None:
    """A replica that showed it as read would silence the page of the one that fails."""
    one, two = fleet.begin("one"), fleet.begin("two")
    wait_until(lambda: fleet.shared(one, two))
    wait_until(lambda: one.accounts(_READ) == two.accounts(_READ) == set(UNITS))
    fleet.world.errors["cloudtrail", UNITS[0], EAST] = DENIED
    polls = [replica for replica in (one, two) if UNITS[0] in replica.accounts(_POLLED)]
    wait_until(lambda: polls[0].page()[unit("poll_success", UNITS[0], EAST)] == 0)
    other = two if polls[0] is one else one
    name = unit("last_success_timestamp_seconds", UNITS[0], EAST)
    wait_until(lambda: other.page()[name] == polls[0].page()[name])
    wait_until(lambda: [replica.page()['units_healthy{source="cloudtrail"}'] for replica in (one, two)] == [11, 11], 20)


def test_without_the_store_nothing_is_polled_and_the_log_says_so_once(fleet: Fleet) -> None:
    """Who cannot renew its leases must take them for lost, and the person on call needs the reason, not a thousand of it."""
    one = fleet.begin("one")
    wait_until(lambda: one.accounts(_READ) == set(UNITS))
    file = fleet.world.directory / "state.db"
    file.rename(file.with_suffix(".away"))
    wait_until(lambda: one.page()['store_errors_total{operation="claim"}'] + one.page()['store_errors_total{operation="mark_read"}'] > 4)
    wait_until(lambda: not one.service._share.holds(("cloudtrail", UNITS[0], EAST)))  # type: ignore[union-attr]
    assert one.log.getvalue().count("leases cannot be renewed") == 1
    assert set(UNITS) == one.accounts(_READ), "it must age on the page"
    file.with_suffix(".away").rename(file)
    wait_until(lambda: one.service._share.holds(("cloudtrail", UNITS[0], EAST)))  # type: ignore[union-attr]


def test_what_another_replica_has_read_counts_when_a_difference_is_explained(fleet: Fleet) -> None:
    """A change of rules is unexplained only where the events were read, by whomever: else no second replica would ever tell one."""
    at = datetime(2026, 5, 4, 12, tzinfo=UTC)
    store = SqliteStore(fleet.world.directory / "state.db")
    store.claim("elsewhere", [f"cloudtrail {A} {EAST}"], timedelta(seconds=30))
    store.mark_read({f"cloudtrail {A} {EAST}": LastRead(at, at + timedelta(seconds=3))})
    store.close()
    fleet.world.units["cloudtrail"] = [(A, EAST)]
    one = fleet.begin("one")
    wait_until(lambda: one.service.pipeline.poller.read_until(A, EAST) == at)
    assert fleet.world.polls == [], "it is another's"


def test_a_configuration_that_shares_the_store_cannot_come_by_a_reload(fleet: Fleet) -> None:
    """Half of the process would poll everything, the other half what it holds."""
    one = fleet.begin("one")
    (fleet.world.directory / "config.yml").write_text(str(fleet.world.data()).replace("True", "true").replace("False", "false"))
    assert not one.service.reload()
    assert "store.replicas: cannot change while the exporter runs; restart it" in one.log.getvalue()


def test_a_unit_that_comes_or_goes_is_claimed_or_given_up_at_once(fleet: Fleet) -> None:
    """A new account would wait for the next renewal, and one that is watched no more would stay on the page."""
    one = fleet.begin("one")
    wait_until(lambda: fleet.shared(one))
    fleet.world.units["cloudtrail"] = [(UNITS[0], EAST), (A, EAST)]
    wait_until(lambda: one.accounts(_POLLED) == one.accounts(_READ) == {UNITS[0], A})
    wait_until(lambda: one.page()['units_held{source="cloudtrail"}'] == 2)


def test_a_queue_is_read_by_all_and_its_bucket_by_one(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """More replicas would read one queue no faster; and digests that two verify at once would count twice."""
    monkeypatch.setattr(SOURCES["cloudtrail"].settings, "by_all", True)
    monkeypatch.setattr(exporter.replicas, "_LONGEST", timedelta(seconds=2))
    one, two = fleet.begin("one"), fleet.begin("two")
    wait_until(lambda: one.accounts(_POLLED) == two.accounts(_POLLED) == one.accounts(_READ) == two.accounts(_READ) == set(UNITS))
    wait_until(lambda: [replica.page()["replicas"] for replica in (one, two)] == [2, 2])
    wait_until(lambda: min(replica.page()['units_held{source="cloudtrail"}'] for replica in (one, two)) > 0)
    wait_until(lambda: sum(replica.page()['units_held{source="cloudtrail"}'] for replica in (one, two)) == len(UNITS))
    seen: set[bool] = set()

    def polled() -> bool:
        seen.add(fleet.world.contexts["cloudtrail", UNITS[0], EAST].alone)
        return seen == {True, False}

    wait_until(polled)
