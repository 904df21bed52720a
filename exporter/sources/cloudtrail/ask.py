"""Asking AWS for a page, with patience where it is throttled."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from exporter.aws import Caller
from exporter.errors import AwsError
from exporter.logs import Logger
from exporter.sources.cloudtrail.clock import AwsClock
from exporter.sources.cloudtrail.pages import Page, read_page

Sleep = Callable[[float], None]
FIRST_WAIT, LONGEST_WAIT = 1.0, 16.0
_STEP = 0.25


class Asker:
    """Makes the requests of one account and region. A throttled one is made again, later each time, until `patience` seconds are over."""

    def __init__(
        self,
        caller: Caller,
        clock: AwsClock,
        patience: float,
        log: Logger,
        stopping: Callable[[], bool] = lambda: False,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._caller, self._clock, self._log = caller, clock, log
        self._stopping, self._sleep = stopping, sleep
        self.patience = patience
        self.where = f"account {caller.account_id}, region {caller.region}"

    def __call__(self, request: Mapping[str, Any]) -> Page:
        """Return the page; raises SourceError."""
        waited, wait = 0.0, FIRST_WAIT
        while True:
            try:
                reply = self._caller.lookup_events(request)
            except AwsError as error:
                if error.reason != "throttled" or waited + wait > self.patience or not self._waits(wait):
                    raise
                waited, wait = waited + wait, min(2 * wait, LONGEST_WAIT)
                continue
            self._hear(reply.date)
            return read_page(reply, self.where)

    def learn_time(self) -> None:
        """Ask for as little as possible, only to learn AWS's time."""
        self({"MaxResults": 1})

    def _hear(self, date: Any) -> None:
        skew = self._clock.heard(date)
        if skew is not None:
            self._log.warning(
                "this machine's clock differs from AWS's; windows are drawn by AWS's, but set it right: requests fail from 300 s on",
                ahead_seconds=-skew,
            )

    def _waits(self, seconds: float) -> bool:
        """Wait; return False where the process must end meanwhile."""
        while seconds > 0:
            if self._stopping():
                return False
            self._sleep(min(seconds, _STEP))
            seconds -= _STEP
        return not self._stopping()
