"""LookupEvents keeps to its limit, whoever asks, and waits can be ended."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from exporter.aws import Account
from exporter.aws.pacing import Pacer, Stopped
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.aws_session import Heard, failed, opened
from tests.sandbox_client import ACCOUNT, REGION, Clock

UNIT = (ACCOUNT, REGION)


class Time:
    """A clock that waiting moves."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.seconds, self.clock = 0.0, clock
        self.lock = threading.Lock()

    def now(self) -> float:
        """Return the seconds that have passed."""
        return self.seconds

    def wait(self, seconds: float) -> bool:
        """Let time pass."""
        self.seconds += seconds
        if self.clock is not None:
            self.clock.now += timedelta(seconds=seconds)
        return False


def turns(pacer: Pacer, times: Time, count: int) -> list[float]:
    """Take turns and return when they came."""
    out = []
    for _ in range(count):
        pacer.turn(UNIT)
        out.append(times.now())
    return out


def test_turns_come_at_the_rate_and_not_in_bursts():
    """Otherwise the first second of each poll is throttled."""
    times = Time()
    assert turns(Pacer(2.0, times.wait, times.now), times, 4) == [0.0, 0.5, 1.0, 1.5]


def test_what_was_not_used_is_not_saved_up():
    """Otherwise a quiet minute is followed by a burst."""
    times = Time()
    pacer = Pacer(2.0, times.wait, times.now)
    pacer.turn(UNIT)
    times.seconds = 60.0
    assert turns(pacer, times, 3) == [60.0, 60.5, 61.0]


def test_units_do_not_wait_for_each_other():
    """Otherwise 200 units share the 2 calls a second of one."""
    times = Time()
    pacer = Pacer(2.0, times.wait, times.now)
    for number in range(200):
        pacer.turn((f"{number:012d}", REGION))
    assert times.now() == 0.0


def test_a_throttle_halves_the_rate_which_recovers_slowly():
    """Otherwise the exporter and a person in the console throttle each other for hours."""
    times = Time()
    pacer = Pacer(2.0, times.wait, times.now)
    pacer.turn(UNIT)
    pacer.throttled(UNIT)
    assert pacer.rate(UNIT) == 1.0
    pacer.turn(UNIT)
    assert times.now() == 1.0
    for _ in range(10):
        pacer.throttled(UNIT)
    assert 0.1 <= pacer.rate(UNIT) < 0.2
    times.seconds += 30
    assert 1.1 <= pacer.rate(UNIT) < 1.2
    times.seconds += 30
    assert pacer.rate(UNIT) == 2.0


def test_many_threads_take_turns():
    """Otherwise two polls of a unit at once are throttled."""
    stop = threading.Event()
    pacer = Pacer(50.0, stop.wait)
    came: list[float] = []
    lock = threading.Lock()

    def work() -> None:
        pacer.turn(UNIT)
        with lock:
            came.append(time.monotonic())

    with ThreadPoolExecutor(8) as pool:
        for _ in range(16):
            pool.submit(work)
    assert max(came) - min(came) >= 15 / 50 - 0.005


def test_waiting_ends_when_all_ends():
    """Otherwise the process hangs at its end."""
    pacer = Pacer(0.01, lambda _seconds: True)
    pacer.turn(UNIT)
    with pytest.raises(Stopped):
        pacer.turn(UNIT)


@pytest.mark.usefixtures("aws_environment")
def test_sixty_calls_at_the_limit_of_aws_are_never_throttled():
    """Otherwise the limit is reached by ourselves, and people in the console are throttled, too."""
    clock = Clock(datetime(2026, 1, 31, 12, 0, tzinfo=UTC))
    times, heard = Time(clock), Heard()
    with Sandbox(Settings(deliver=False), clock=clock) as sandbox, opened(sandbox.url, heard, lookup_rate=2) as aws:
        aws._road.pacer = Pacer(2.0, times.wait, times.now)
        caller = aws.caller(REGION, Account(ACCOUNT))
        for _ in range(60):
            caller.lookup_events({})
    assert heard.codes("cloudtrail:LookupEvents") == [None] * 60
    assert times.now() == pytest.approx(29.5)


@pytest.mark.usefixtures("aws_environment")
def test_callers_of_a_unit_share_its_pace():
    """Otherwise history on the command line and the poller together break the limit."""
    heard = Heard()
    with Sandbox(Settings(deliver=False)) as sandbox, opened(sandbox.url, heard) as aws:
        aws.identity()
        begun = time.monotonic()
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda account: aws.caller(REGION, account).lookup_events({}), (None, Account(ACCOUNT), None)))
        assert time.monotonic() - begun >= 2 / 1.6 - 0.05
    assert heard.codes("cloudtrail:LookupEvents") == [None] * 3


@pytest.mark.usefixtures("aws_environment")
def test_a_throttle_is_told_at_once_and_slows_the_unit_down():
    """Otherwise throttles are hidden in retries, and go on."""
    heard = Heard()
    with Sandbox(Settings(deliver=False, faults=Faults(throttle=1))) as sandbox, opened(sandbox.url, heard) as aws:
        error = failed(lambda: aws.caller(REGION, Account(ACCOUNT)).lookup_events({}))
        assert aws._road.pacer.rate(UNIT) < 1.0
        assert aws._road.pacer.rate((ACCOUNT, "eu-west-1")) == 1.6
    assert (error.reason, error.code) == ("throttled", "ThrottlingException")
    assert heard.codes("cloudtrail:LookupEvents") == ["ThrottlingException"]


@pytest.mark.usefixtures("aws_environment")
def test_closing_ends_the_wait_for_a_turn():
    """Otherwise a reload waits for the slowest unit."""
    with Sandbox(Settings(deliver=False)) as sandbox, opened(sandbox.url, lookup_rate=0.01) as aws, ThreadPoolExecutor(1) as pool:
        caller = aws.caller(REGION, Account(ACCOUNT))
        caller.lookup_events({})
        waiting = pool.submit(failed, lambda: caller.lookup_events({}))
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.2)
        aws.close()
        assert waiting.result(timeout=5).reason == "unavailable"
        assert "stopping" in str(failed(lambda: caller.get_object("example-trail", "a", 1)))
