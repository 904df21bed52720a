"""The clock: no overlap, missed runs counted, a clean stop."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

from exporter.scheduler import Scheduler


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
