"""The running exporter and its surveys of what stands: reloads, faults of the store, and change sources beside them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import exporter.pipeline
from exporter.errors import StoreError
from exporter.model import Unit
from exporter.posture.standing import Group, Origin, Reading
from exporter.snapshots import ReadContext, Readers
from tests.test_service import wait_until
from tests.test_service_units import EAST, WEST, A, Running, World

KEYS = ((A, EAST), (A, WEST))


class FakeReader:
    """Reads an empty group, once it is let."""

    name = "posture"

    def __init__(self, posture: Posture, account_id: str, region: str) -> None:
        self.posture, self.account_id, self.region = posture, account_id, region

    def read(self, context: ReadContext) -> Iterator[Reading]:
        with self.posture.lock:
            self.posture.begun.append((time.monotonic(), self.region))
        hang = self.posture.hangs.get(self.region)
        if hang is not None:
            assert hang.wait(20)
        now = context.now()
        yield Reading(self.account_id, self.region, Origin.EC2, now, now, groups=(Group("sg-0123456789abcdef0"),))


class Posture:
    """Stands for what is read of what stands: a reader for each region of the configuration."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.lock = threading.Lock()
        self.begun: list[tuple[float, str]] = []
        self.hangs: dict[str, threading.Event] = {}
        self.units: list[tuple[str, str]] = list(KEYS)
        patch.setattr(exporter.pipeline, "Choice", self._choice)

    def _choice(self, settings: Any, _aws: Any, _lights: Any) -> Any:
        posture = self

        class Choice:
            def readers(self) -> Readers:
                wanted = settings.regions or [region for _, region in posture.units]
                return Readers(tuple(FakeReader(posture, *unit) for unit in posture.units if unit[1] in wanted))

        return Choice()


@pytest.fixture
def posture(monkeypatch: pytest.MonkeyPatch) -> Posture:
    return Posture(monkeypatch)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch, tmp_path)


@pytest.fixture
def running(world: World, posture: Posture) -> Iterator[Running]:
    made = Running(world, world.config(posture={"poll_interval": "500ms", "regions": [EAST]}))
    yield made
    for event in (*world.hangs.values(), *posture.hangs.values()):
        event.set()
    made.service.stop()


def test_a_survey_of_a_configuration_that_was_replaced_forgets_nothing_of_the_new_one(running: Running, posture: Posture) -> None:
    """It does not know the regions that came with the reload: their pictures, and who opened what there, would be lost."""
    store = running.service.store
    wait_until(lambda: store.posture_units() == {Unit(A, EAST)})
    posture.hangs[EAST] = threading.Event()
    count = len(posture.begun)
    wait_until(lambda: len(posture.begun) > count)
    assert running.reload(posture={"poll_interval": "500ms"})
    wait_until(lambda: store.posture_units() == {Unit(A, EAST), Unit(A, WEST)})
    first = store.posture(A, WEST).sequence
    posture.hangs.pop(EAST).set()
    wait_until(lambda: store.posture(A, WEST).sequence > first + 2)
    assert not [line for line in running.world.log.getvalue().splitlines() if "no longer read" in line]


def test_a_region_that_is_not_read_any_more_leaves_the_store(running: Running) -> None:
    """Its gauges would stand there as they were, for ever."""
    store = running.service.store
    wait_until(lambda: store.posture_units() == {Unit(A, EAST)})
    assert running.reload(posture={"poll_interval": "500ms", "regions": [WEST]})
    wait_until(lambda: store.posture_units() == {Unit(A, WEST)})


def test_a_store_that_fails_to_forget_is_logged_and_no_fault_of_the_exporter(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The survey before it has succeeded, and one round by hand must not end with a traceback."""
    store = running.service.store
    wait_until(lambda: store.posture_units() == {Unit(A, EAST)})

    def failing() -> frozenset[Unit]:
        raise StoreError("the file is locked")

    monkeypatch.setattr(store, "posture_units", failing)
    wait_until(
        lambda: bool(running.world.lines("what stands where nobody looks any more stays on the page until the store can be written"))
    )
    assert not running.world.lines("a job failed by a fault of the exporter")
    assert any(report.complete for key, report in running.service.reports().items() if key[0] == "posture")


def test_surveys_that_hang_delay_no_source_of_changes(world: World, posture: Posture) -> None:
    """Hundreds of accounts whose EC2 does not answer would take every thread, and changes would come late that nobody else tells of."""
    hang = threading.Event()
    regions = [f"{EAST}-{number}" for number in range(200)]
    posture.units = [(A, region) for region in regions]
    posture.hangs = dict.fromkeys(regions, hang)
    running = Running(world, world.config(posture={"poll_interval": "500ms"}))
    try:
        wait_until(lambda: len(posture.begun) >= 30)
        time.sleep(0.5)
        before = len(world.polls)
        wait_until(lambda: len(world.polls) > before + 6)
        assert len(posture.begun) < 100
    finally:
        hang.set()
        running.service.stop()


def test_surveys_do_not_begin_all_at_once(world: World, posture: Posture) -> None:
    """Two hundred pictures in memory at once, and none for the rest of the interval."""
    posture.units = [(A, f"{EAST}-{number}") for number in range(40)]
    running = Running(world, world.config(posture={"poll_interval": "1m"}))
    try:
        wait_until(lambda: len(posture.begun) >= 6)
        moments = [at for at, _ in posture.begun]
        assert moments[5] - moments[0] > 1.0
    finally:
        running.service.stop()
