"""The clock: jobs at intervals with jitter, never two runs of one job at once, missed runs counted, a clean stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

_JITTER_SHARE = 0.1
_MAX_JITTER = timedelta(seconds=10)
_MIN_JITTERED = timedelta(seconds=5)
WORKERS = 160
"""Polls at once, at most: with that many hanging until they time out, the others of 200 units still come in time."""

_SURVEY_WORKERS = 32
"""Readings of what stands at once, at most: each holds all rules of its account and region."""

_UNITS_WORKERS, _HOUSE_WORKERS = 8, 4
_LATE = timedelta(seconds=30)
_WATCH_SECONDS = 1.0
_STEP_SECONDS = 2.0


class Pool(StrEnum):
    """Whose threads a job runs in: what hangs in one keeps nothing in another from its work."""

    POLLS = "polls"
    SURVEYS = "surveys"
    UNITS = "units"
    HOUSE = "house"


class Scheduler:
    """Runs jobs at intervals in threads of its own, which begin as they are needed."""

    def __init__(
        self,
        missed: Callable[[str], None],
        failed: Callable[[str, BaseException], None],
        workers: int = WORKERS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`missed` hears of each run that could not start in time, `failed` of each that raised; `clock` gives epoch seconds."""
        self._missed, self._failed, self._clock = missed, failed, clock
        self._stopping = threading.Event()
        self._waiting: set[str] = set()
        self._watcher = threading.Thread(target=self._watch_clock, name="clock", daemon=True)
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={
                Pool.POLLS.value: ThreadPoolExecutor(workers),
                Pool.SURVEYS.value: ThreadPoolExecutor(_SURVEY_WORKERS),
                Pool.UNITS.value: ThreadPoolExecutor(_UNITS_WORKERS),
                Pool.HOUSE.value: ThreadPoolExecutor(_HOUSE_WORKERS),
            },
            # Runs that came due while one was late are one run: a poll reads all that is new anyway.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": int(_LATE.total_seconds())},
        )
        self._scheduler.add_listener(self._hear, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_ERROR)

    def every(
        self,
        interval: timedelta,
        name: str,
        run: Callable[[], object],
        *,
        first: timedelta = timedelta(0),
        pool: Pool = Pool.POLLS,
        waits: bool = False,
    ) -> None:
        """Run a job at an interval, with a jitter of a tenth (at most 10 s) so that many exporters do not ask AWS in step.

        It runs for the first time after `first`. The threads of the house are few: its jobs must be short or rare. One that `waits`
        by itself for something to do may take longer than its interval: nothing is missed then.
        """
        (self._waiting.add if waits else self._waiting.discard)(name)
        jitter = min(interval * _JITTER_SHARE, _MAX_JITTER) if interval >= _MIN_JITTERED else timedelta(0)
        now = datetime.now(UTC)
        self._scheduler.add_job(
            run,
            IntervalTrigger(seconds=max(interval.total_seconds(), 0.05), jitter=jitter.total_seconds() or None),
            id=name,
            name=name,
            next_run_time=now + first,
            executor=pool.value,
            # Surveys may wait for each other: there are fewer threads than units.
            misfire_grace_time=max(1, int((max(_LATE, interval) if pool is Pool.SURVEYS else _LATE).total_seconds())),
            replace_existing=True,
        )

    def forget(self, name: str) -> None:
        """Stop running a job; a run under way ends by itself."""
        if self._scheduler.get_job(name):
            self._scheduler.remove_job(name)

    def hasten(self, name: str, delay: timedelta) -> None:
        """Run a job after this time already, and at its interval from then on."""
        with suppress(JobLookupError):  # forgotten meanwhile
            self._scheduler.modify_job(name, next_run_time=datetime.now(UTC) + delay)

    def start(self) -> None:
        """Begin to run jobs."""
        self._scheduler.start()
        self._watcher.start()

    def stop(self) -> None:
        """Start no further run, without waiting for those under way."""
        self._stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _watch_clock(self) -> None:
        """Run every job anew where the clock was set back: the times at which they are due would not come for as long as that."""
        before = self._clock() - time.monotonic()
        while not self._stopping.wait(_WATCH_SECONDS):
            offset = self._clock() - time.monotonic()
            if offset < before - _STEP_SECONDS:
                for job in self._scheduler.get_jobs():
                    with suppress(JobLookupError):  # forgotten meanwhile
                        job.modify(next_run_time=datetime.fromtimestamp(self._clock(), UTC))
            before = offset

    def _hear(self, event: JobEvent) -> None:
        if event.code == EVENT_JOB_ERROR:
            self._failed(event.job_id, event.exception)
        elif not (event.code == EVENT_JOB_MAX_INSTANCES and event.job_id in self._waiting):
            self._missed(event.job_id)
