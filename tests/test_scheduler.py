"""The clock: no overlap, missed runs counted, a clean stop."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

from exporter.scheduler import Pool, Scheduler


def wait_until(condition: object, seconds: float = 5.0) -> None:
    """Wait for a condition, failing after some seconds."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "condition not met in time"
        time.sleep(0.01)


def test_a_slow_run_is_not_overlapped_and_the_missed_runs_are_told() -> None:
    """Two polls of one source at once would read the same pages twice and pay twice."""
    missed: list[str] = []
    running, most = 0, 0
    release = threading.Event()

    def slow() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        release.wait(5)
        running -= 1

    scheduler = Scheduler(missed.append, lambda name, error: None)
    scheduler.every(timedelta(milliseconds=50), "poll slow", slow)
    scheduler.start()
    wait_until(lambda: len(missed) >= 3)
    release.set()
    scheduler.stop()
    assert most == 1
    assert set(missed) == {"poll slow"}


def test_a_job_that_raises_is_told_and_runs_again() -> None:
    """One fault must not end the polling for good."""
    failed: list[str] = []

    def broken() -> None:
        raise RuntimeError("boom")

    scheduler = Scheduler(lambda name: None, lambda name, error: failed.append(f"{name}: {error}"))
    scheduler.every(timedelta(milliseconds=50), "poll broken", broken)
    scheduler.start()
    wait_until(lambda: len(failed) >= 2)
    scheduler.stop()
    assert failed[0] == "poll broken: boom"


def test_a_clock_that_was_set_back_delays_no_job() -> None:
    """Jobs are due by the clock: set back by an hour it would leave AWS unwatched for that hour, and no metric would tell."""
    ahead = [3600.0]
    runs: list[float] = []
    scheduler = Scheduler(lambda name: None, lambda name, error: None, clock=lambda: time.time() + ahead[0])
    scheduler.every(timedelta(hours=1), "poll a", lambda: runs.append(time.monotonic()), first=timedelta(hours=1))
    scheduler.start()
    time.sleep(0.2)
    assert runs == []
    ahead[0] = 0.0
    wait_until(lambda: runs)
    scheduler.stop()


def test_polls_that_hang_keep_neither_the_house_nor_other_polls_waiting() -> None:
    """New series stay at 0 until the house tells the store that they were shown; a dead network drive must not stop that."""
    release = threading.Event()
    ran: set[str] = set()
    scheduler = Scheduler(lambda name: None, lambda name, error: None)
    for number in range(12):
        scheduler.every(timedelta(hours=1), f"poll {number}", lambda: release.wait(10))
    scheduler.start()
    scheduler.every(timedelta(hours=1), "expose", lambda: ran.add("expose"), pool=Pool.HOUSE)
    scheduler.every(timedelta(hours=1), "poll quick", lambda: ran.add("poll quick"))
    try:
        wait_until(lambda: ran == {"expose", "poll quick"})
    finally:
        release.set()
        scheduler.stop()


def test_all_of_the_pool_hanging_leaves_the_house_running() -> None:
    """However many sources hang."""
    release = threading.Event()
    ran: list[str] = []
    scheduler = Scheduler(lambda name: None, lambda name, error: None, workers=1)
    scheduler.every(timedelta(hours=1), "poll a", lambda: release.wait(10))
    scheduler.start()
    scheduler.every(timedelta(hours=1), "expose", lambda: ran.append("expose"), pool=Pool.HOUSE)
    try:
        wait_until(lambda: ran)
    finally:
        release.set()
        scheduler.stop()


def test_a_forgotten_job_does_not_run_again() -> None:
    """A source that a reload removed must fall silent."""
    runs: list[float] = []
    scheduler = Scheduler(lambda name: None, lambda name, error: None)
    scheduler.every(timedelta(milliseconds=30), "poll a", lambda: runs.append(time.monotonic()))
    scheduler.start()
    wait_until(lambda: len(runs) >= 2)
    scheduler.forget("poll a")
    scheduler.forget("never there")
    time.sleep(0.1)
    count = len(runs)
    time.sleep(0.15)
    scheduler.stop()
    assert len(runs) == count


def test_a_job_may_begin_later_and_be_brought_forward() -> None:
    """Two hundred units that began in one instant would ask AWS in step for ever; a failed question is asked again sooner."""
    runs: list[float] = []
    scheduler = Scheduler(lambda name: None, lambda name, error: None)
    begun = time.monotonic()
    scheduler.every(timedelta(hours=1), "units a", lambda: runs.append(time.monotonic() - begun), first=timedelta(milliseconds=300))
    scheduler.start()
    wait_until(lambda: runs)
    assert 0.2 < runs[0] < 2
    scheduler.hasten("units a", timedelta(milliseconds=100))
    scheduler.hasten("never there", timedelta(milliseconds=100))
    wait_until(lambda: len(runs) == 2)
    scheduler.stop()


def test_polls_that_hang_do_not_keep_the_questions_for_units_waiting() -> None:
    """New accounts must be found though every poll of the old ones hangs, and the other way round."""
    release = threading.Event()
    ran: list[str] = []
    scheduler = Scheduler(lambda name: None, lambda name, error: None, workers=2)
    for number in range(4):
        scheduler.every(timedelta(hours=1), f"poll {number}", lambda: release.wait(10))
    scheduler.start()
    scheduler.every(timedelta(hours=1), "units a", lambda: ran.append("units a"), pool=Pool.UNITS)
    try:
        wait_until(lambda: ran)
    finally:
        release.set()
        scheduler.stop()


def test_a_job_that_waits_by_itself_misses_nothing_when_it_takes_longer_than_its_interval():
    """Long polls of a queue outlast their interval by design; a warning each second would hide the runs that are really missed."""
    missed: list[str] = []
    scheduler = Scheduler(missed.append, lambda _job, _error: None)
    ran, done = threading.Event(), threading.Event()

    def run():
        ran.set()
        done.wait(5)

    scheduler.every(timedelta(seconds=0.05), "queue", run, waits=True)
    scheduler.every(timedelta(seconds=0.05), "late", lambda: done.wait(5))
    scheduler.start()
    try:
        assert ran.wait(5)
        deadline = time.monotonic() + 5
        while "late" not in missed and time.monotonic() < deadline:
            time.sleep(0.02)
        assert set(missed) == {"late"}
    finally:
        done.set()
        scheduler.stop()
