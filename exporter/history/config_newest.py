"""The newest items that AWS Config has of one group, read as the exporter's credentials, or why there are none."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from exporter.aws import Account, Accounts, Aws
from exporter.aws.operations import GET_CONFIG_HISTORY
from exporter.errors import AwsError, SourceError
from exporter.history.config_actors import Actors, Beside
from exporter.history.config_refusals import NOTHING_KNOWN, code_of, said
from exporter.history.config_walk import Walk
from exporter.parse.record import Opened
from exporter.snapshots.asking import Asker, Stopping, wait
from exporter.snapshots.base import ReadContext
from exporter.snapshots.config_shapes import SECURITY_GROUP
from exporter.store.base import HistoryEvent, Query, Store
from exporter.timespan import utc_now

MOST = 100
"""Items that are shown, the newest; a page of AWS's answers has as many."""
_ACCOUNTS_KEPT = 300.0
"""Seconds for which the accounts are known: an organization has them listed page by page."""

Key = tuple[str, str, str]
"""Account, region and group."""
Failed = Callable[[SourceError, str, str], None]


class Why(StrEnum):
    """Why there is no answer."""

    NO_AWS = "no_aws"
    NOT_WATCHED = "not_watched"
    BUSY = "busy"
    TOOK_TOO_LONG = "took_too_long"
    FAILED = "failed"


class Refused(Exception):
    """There is no answer; the text says to a person why and what to do, and repeats nothing that AWS said."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why


@dataclass(frozen=True, slots=True)
class ConfigItems:
    """What AWS Config has of a group: items as rows, newest first, and whether there are `more`.

    `known` is False where AWS Config records and has nothing; `daily` says that it looks once a day; `problems` are what the answer lacks.
    """

    items: tuple[HistoryEvent, ...]
    asked_at: datetime
    more: bool = False
    known: bool = True
    daily: bool = False
    problems: tuple[str, ...] = ()


def unheard(_error: SourceError, _account_id: str, _region: str) -> None:
    """Do nothing."""


class Newest:
    """Reads the newest items. Safe to use from several threads.

    `opened` gives what tells which classes of ports a change opened; `failed` hears of each failure, with all that AWS said. `patience`
    are the seconds that somebody waits, twice as many the seconds after which no further page is read.
    """

    def __init__(
        self,
        store: Store,
        opened: Callable[[], Opened],
        now: Callable[[], datetime] = utc_now,
        failed: Failed = unheard,
        *,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._opened, self._now, self._failed = store, opened, now, failed
        self._patience, self._clock = patience, clock
        self._accounts: tuple[Aws, float, Accounts] | None = None

    def read(self, aws: Aws, key: Key) -> ConfigItems:
        """Return the items of a group. Raises Refused."""
        account_id, region, group_id = key
        now, begun = self._now(), self._clock()

        def waiting(seconds: float, stopping: Callable[[], bool]) -> None:
            # While somebody waits there is time to say that it is throttled, which says more than that it takes too long.
            if self._clock() + seconds > begun + self._patience / 2:
                raise AwsError("throttled", "there is no time left to ask again", GET_CONFIG_HISTORY.action)
            wait(seconds, stopping)

        context = ReadContext(lambda: now, lambda: self._clock() > begun + 2 * self._patience)
        # Event history is not asked who it was: two calls a second are all that AWS allows, and the sources need them.
        actors = Actors(Beside(), self._store.search)
        walk: Walk | None = None
        problems: list[str] = []
        try:
            caller = aws.caller(region, self._account(aws, account_id))
            query = Query(security_groups=(group_id,), limit=MOST + 1)
            walk = Walk(Asker(caller, context, waiting), SECURITY_GROUP, group_id, query, now, actors, self._opened())
            walk.run()
        except Stopping:
            raise too_long(self._patience) from None
        except SourceError as error:
            if code_of(error) == NOTHING_KNOWN:
                return ConfigItems((), now, known=False)
            self._failed(error, account_id, region)
            if walk is None or not walk.found:
                raise Refused(Why.FAILED, said(error, account_id, region)) from None
            problems.append(said(error, account_id, region))
        if walk.broken:
            problems.append(f"{len(walk.broken)} items could not be understood and are left out; the command says what is wrong with them.")
        if actors.problems:
            problems.append("Who it was could not be looked up, because the store cannot be read now.")
        newest = sorted(walk.found.values(), key=lambda item: (item.event.event_time, item.event.event_id), reverse=True)
        return ConfigItems(tuple(newest[:MOST]), now, len(newest) > MOST, daily=walk.daily, problems=tuple(problems))

    def _account(self, aws: Aws, account_id: str) -> Account:
        known = self._accounts
        if known is None or known[0] is not aws or self._clock() >= known[1]:
            known = aws, self._clock() + _ACCOUNTS_KEPT, aws.accounts()
            if not known[2].failures:
                self._accounts = known
        accounts = known[2]
        found = next((account for account in accounts.accounts if account.account_id == account_id), None)
        if found is not None:
            return found
        if accounts.failures:
            raise accounts.failures[0][1]
        raise Refused(
            Why.NOT_WATCHED,
            f"The account {account_id} is none of those that this exporter asks: add it to aws.accounts, and it can be asked.",
        )


def too_long(seconds: float) -> Refused:
    """Return that nobody waits any longer."""
    return Refused(Why.TOOK_TOO_LONG, f"AWS Config did not answer within {seconds:g} seconds. Ask again in a moment.")
