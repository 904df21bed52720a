"""Leases: every unit is one replica's, to each a fair share, and nothing stays with the dead."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.store import SqliteStore
from exporter.store.base import Store
from exporter.store.leased import LastRead
from exporter.store.leases import owner

pytestmark = pytest.mark.usefixtures("each_store")

TTL = timedelta(seconds=30)
UNITS = tuple(f"cloudtrail {number:012} us-east-1" for number in range(60))


@dataclass
class Fleet:
    """Replicas with a store each, over one database, whose clock is `now` (seconds)."""

    path: Path
    now: float = 1_000_000.0
    stores: dict[str, Store] = field(default_factory=dict)

    def store(self, replica: str) -> Store:
        """Return the store of a replica."""
        if replica not in self.stores:
            made: Any = SqliteStore(self.path)
            made._database.now = lambda _connection: int(self.now * 1_000_000)
            self.stores[replica] = made
        return self.stores[replica]

    def claim(self, replica: str, units: tuple[str, ...] = UNITS, busy: tuple[str, ...] = ()) -> frozenset[str]:
        """Let a replica claim."""
        return self.store(replica).claim(replica, units, TTL, busy)

    def settle(self, *replicas: str) -> dict[str, frozenset[str]]:
        """Let replicas claim until nothing changes hands any more, and return what each holds."""
        for _ in range(3):
            held = {replica: self.claim(replica) for replica in replicas}
            self.now += 10
        return held


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Return replicas on one file."""
    made = Fleet(tmp_path / "state.db")
    yield made
    for store in made.stores.values():
        store.close()


def test_each_unit_is_held_by_one_of_three_and_the_shares_are_fair(fleet: Fleet) -> None:
    """A unit of nobody goes unseen; one of two is polled twice; a replica that holds nearly all makes the others useless."""
    held = fleet.settle("a", "b", "c")
    assert sorted(unit for units in held.values() for unit in units) == sorted(UNITS)
    assert all(len(units) >= len(UNITS) // 6 for units in held.values())
    assert fleet.store("b").replicas() == {"a", "b", "c"}
    assert fleet.settle("a", "b", "c") == held, "at rest nothing moves"


def test_only_the_units_of_the_dead_move_and_no_sooner_than_its_leases_are_over(fleet: Fleet) -> None:
    """A lease that others may take while it runs is none, and a death that moves all units makes every poll begin anew."""
    held = fleet.settle("a", "b", "c")
    fleet.now += 9  # c renewed 10 s before that
    assert fleet.claim("a") | fleet.claim("b") == held["a"] | held["b"]
    fleet.now += 11
    after = {replica: fleet.claim(replica) for replica in "ab"}
    assert fleet.store("a").replicas() == {"a", "b"}
    assert after["a"] | after["b"] == set(UNITS)
    assert not after["a"] & after["b"]
    assert after["a"] >= held["a"]
    assert after["b"] >= held["b"]


def test_who_stops_gives_up_at_once(fleet: Fleet) -> None:
    """A rolling update stops each replica in turn: nobody should wait for leases of who said good-bye."""
    fleet.settle("a", "b")
    fleet.store("b").release("b")
    assert fleet.claim("a") == set(UNITS)
    assert fleet.store("a").replicas() == {"a"}


def test_a_unit_that_is_being_polled_is_kept_until_its_poll_has_ended(fleet: Fleet) -> None:
    """Two would read the same pages at once, and share a rate limit that is for one."""
    fleet.claim("a")
    theirs = next(unit for unit in UNITS if owner(unit, ("a", "b")) == "b")
    assert fleet.claim("b") == frozenset(), "nothing is free yet"
    assert theirs in fleet.claim("a", busy=(theirs,))
    assert theirs not in fleet.claim("b")
    assert theirs not in fleet.claim("a")
    assert theirs in fleet.claim("b")


def test_a_unit_that_its_owner_does_not_know_is_polled_by_who_does(fleet: Fleet) -> None:
    """While a new configuration is rolled out, the account that it adds would otherwise be left to a replica that never heard of it."""
    new = next(unit for unit in UNITS if owner(unit, ("a", "b")) == "b")
    for _ in range(3):
        assert fleet.claim("b", ()) == frozenset()
        assert fleet.claim("a", (new,)) == frozenset()
        fleet.now += 9
    fleet.now += 5
    fleet.claim("b", ())
    assert fleet.claim("a", (new,)) == {new}
    for _ in range(9):  # nor is it given up to who does not ask for it
        fleet.now += 9
        fleet.claim("b", ())
        assert fleet.claim("a", (new,)) == {new}
    assert fleet.claim("b", (new,)) == frozenset()
    assert fleet.claim("a", (new,)) == frozenset()
    assert fleet.claim("b", (new,)) == {new}


def test_what_is_configured_no_more_is_given_up(fleet: Fleet) -> None:
    """A replica that still has it must be able to poll it."""
    mine = next(unit for unit in UNITS if owner(unit, ("a", "b")) == "b")
    fleet.claim("a")
    assert fleet.claim("a", ()) == frozenset()
    assert mine in fleet.claim("b")


@pytest.mark.parametrize("step", [-3600, 3600])
def test_a_clock_that_is_set_leaves_no_unit_behind(fleet: Fleet, step: int) -> None:
    """Leases of a dead replica from before the step would last for as long as that, and nobody would poll its units."""
    fleet.settle("a", "b")
    fleet.now += step
    fleet.claim("a")
    fleet.now += 31
    fleet.claim("a")
    assert fleet.claim("a") == set(UNITS)
    assert fleet.store("a").replicas() == {"a"}


def test_whatever_happens_no_two_hold_a_unit_and_soon_somebody_does(fleet: Fleet) -> None:
    """Deaths, returns, busy polls and good-byes come in any order."""
    chance = random.Random(7)
    holds: dict[str, tuple[float, frozenset[str]]] = {}
    for _ in range(400):
        replica = chance.choice("abcd")
        what = chance.random()
        if what < 0.05:
            fleet.store(replica).release(replica)
            holds.pop(replica, None)
        else:
            busy = tuple(chance.sample(UNITS, 5))
            held = fleet.claim(replica, busy=busy)
            before = holds.get(replica, (0.0, frozenset[str]()))
            if fleet.now < before[0]:
                assert before[1] & set(busy) <= held, "a poll under way lost its unit"
            holds[replica] = fleet.now + TTL.total_seconds(), held
        alive = [units for until, units in holds.values() if until > fleet.now]
        assert sum(map(len, alive)) == len(frozenset().union(*alive))
        fleet.now += chance.choice((0, 1, 5, 20))
    held = fleet.settle("a", "b", "c", "d")
    held = fleet.settle("a", "b", "c", "d")
    assert sorted(unit for units in held.values() for unit in units) == sorted(UNITS)


def test_when_a_unit_was_read_is_known_to_all_and_the_last_word_stands(fleet: Fleet) -> None:
    """A replica that takes over would call the unit never read; a time of a wrong clock would hide for ever that nobody reads it."""
    at = datetime(2026, 5, 4, 12, 0, 0, 250, tzinfo=UTC)
    ahead = LastRead(at + timedelta(days=400), at + timedelta(days=400, seconds=2))
    read = LastRead(at, at + timedelta(seconds=2))
    fleet.store("a").mark_read({UNITS[0]: ahead, UNITS[1]: read})
    fleet.store("b").mark_read({UNITS[0]: read})
    fleet.store("b").mark_read({})
    assert fleet.store("a").last_reads() == {UNITS[0]: read, UNITS[1]: read}


_CLAIMS = """
import sys, time
from datetime import timedelta
from exporter.store import SqliteStore

path, replica, count = sys.argv[1:]
store = SqliteStore(path)
for _ in range(30):
    held = store.claim(replica, [f"u{number}" for number in range(int(count))], timedelta(seconds=60))
print(*sorted(held))
"""


@pytest.mark.of_sqlite
def test_processes_that_claim_at_the_same_time_share_without_overlap(tmp_path: Path) -> None:
    """The replicas of a fleet start together, on a store that is not there yet."""
    command = [sys.executable, "-c", _CLAIMS, str(tmp_path / "state.db")]
    running = [subprocess.Popen([*command, name, "40"], stdout=subprocess.PIPE) for name in ("a", "b", "c")]
    held = [set(process.communicate(timeout=60)[0].split()) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert sum(map(len, held)) == len(set().union(*held))
