"""One unit of the source `cloudtrail`: the Event history of one account and region."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime

from exporter.aws import Caller
from exporter.model import Unit
from exporter.sources.base import Batch, FetchContext
from exporter.sources.cloudtrail.ask import Asker, Sleep
from exporter.sources.cloudtrail.clock import AwsClock, moment
from exporter.sources.cloudtrail.live import Live, keep_up
from exporter.sources.cloudtrail.past import fill, look_again
from exporter.sources.cloudtrail.plan import Plan
from exporter.sources.cloudtrail.round import Round
from exporter.sources.cloudtrail.settings import CloudTrailSettings

_LEAST_PATIENCE, _MOST_PATIENCE = 5.0, 60.0
_PATIENCE_ONCE = 120.0


class CloudTrailSource:
    """Polls LookupEvents as one caller. Cursor keys are `live/…`, `rescan/…` and `fill/…` with account and region."""

    def __init__(
        self, settings: CloudTrailSettings, caller: Caller, sleep: Sleep = time.sleep, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = settings.name
        self.account_id, self.region = caller.account_id, caller.region
        self._settings, self.caller = settings, caller
        self._sleep, self._monotonic = sleep, monotonic
        self._clock: AwsClock | None = None
        self._said = False

    def fetch(self, context: FetchContext) -> Iterator[Batch]:
        """Yield what is new, then what came late, then some of the past; raises SourceError where the new could not all be read."""
        round_ = self._round(context)
        live = yield from keep_up(round_)
        if context.stopping():
            return
        if context.budget is not None:
            round_.deadline = self._monotonic() + context.budget.total_seconds()
            round_.ask.patience = 0.0
        yield from look_again(round_, live)
        yield from fill(round_, live)

    def fetch_past(self, context: FetchContext, since: datetime) -> Iterator[Batch]:
        """Yield what is missing of the past since a time. Of a unit that was polled before, nothing live is read; raises SourceError."""
        round_ = self._round(context)
        live = round_.load(round_.key("live"), Live)
        if live is None:
            # The past ends where the live line begins, which the first poll draws.
            live = yield from keep_up(round_)
        else:
            round_.clock.assume(live.skew)
        if not context.stopping():
            yield from fill(round_, live, max(live.began - int(since.timestamp()), 0))

    def _round(self, context: FetchContext) -> Round:
        settings = self._settings
        clock, ask = self._asking(context)
        plan = Plan(settings.strategy, context.names, context.wanted, rescans=bool(settings.rescans))
        if plan.blind and not self._said:
            self._said = True
            context.log.warning("patterns in watch.events match calls that only read, which this source does not see; set `strategy: all`")
        return Round(self.name, Unit(self.account_id, self.region), settings, context, clock, ask, plan, self._monotonic)

    def time(self, context: FetchContext) -> datetime:
        """Return AWS's time; raise SourceError where it cannot be asked."""
        clock, ask = self._asking(context)
        if not clock.known:
            ask.learn_time()
        return moment(clock.now())

    def _asking(self, context: FetchContext) -> tuple[AwsClock, Asker]:
        clock = self._clock = self._clock or AwsClock(context.now)
        return clock, Asker(self.caller, clock, self._patience(context), context.log, context.stopping, self._sleep)

    def _patience(self, context: FetchContext) -> float:
        """Return for how many seconds on end AWS may throttle before a poll ends: half of the time until the next one."""
        if context.budget is None:
            return _PATIENCE_ONCE
        return min(max(self._settings.poll_interval.total_seconds() / 2, _LEAST_PATIENCE), _MOST_PATIENCE)
