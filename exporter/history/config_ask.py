"""AWS Config's items of one group for whoever looks at its page: asked on demand, bounded in time, number and at once, kept a minute."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from exporter.aws import Account, Accounts, Aws
from exporter.aws.operations import GET_CONFIG_HISTORY
from exporter.errors import AwsError, SourceError
from exporter.history.config_actors import Actors, Beside
from exporter.history.config_refusals import NOTHING_KNOWN, code_of, said
from exporter.history.config_walk import Walk
from exporter.parse.record import Opened
from exporter.settings import account_id as checked_account
from exporter.settings import region_name as checked_region
from exporter.snapshots.asking import Asker, Stopping, wait
from exporter.snapshots.base import ReadContext
from exporter.snapshots.config_shapes import SECURITY_GROUP
from exporter.store.base import HistoryEvent, Query, Store

MOST = 100
"""Items that are shown, the newest; a page of AWS's answers has as many."""
PATIENCE = 8.0
"""Seconds after which whoever asks is told to come again; the answer is awaited as long again, and kept for them."""
AT_ONCE = 2
"""Groups that are asked about at once: as many threads of the server wait for AWS at most."""
KEPT = 60.0
"""Seconds for which an answer is given again."""
_KEPT_REFUSAL, _MOST_KEPT = 10.0, 64
_ACCOUNTS_KEPT = 300.0
"""Seconds for which the accounts are known: an organization has them listed page by page."""
_GROUP = re.compile(r"sg-(?:[0-9a-f]{8}|[0-9a-f]{17})")

Using = Callable[[], AbstractContextManager[Aws | None]]
"""Keeps AWS open while it is used; gives None where the configuration has none."""
Key = tuple[str, str, str]


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


class _Job:
    """One question under way."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.answer: ConfigItems | Refused | None = None
        self.fault: BaseException | None = None


class ConfigAsk:
    """Asks AWS Config about one group. Safe to use from several threads.

    `opened` gives what tells which classes of ports a change opened; `failed` hears of each failure, with all that AWS said.
    """

    def __init__(
        self,
        using: Using,
        store: Store,
        opened: Callable[[], Opened],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        failed: Callable[[SourceError, str, str], None] = lambda _error, _account_id, _region: None,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._using, self._store, self._opened, self._now = using, store, opened, now
        self._failed, self._patience, self._clock = failed, patience, clock
        self._lock = threading.Lock()
        self._running: set[Key] = set()
        self._kept: dict[Key, tuple[float, ConfigItems | Refused]] = {}
        self._accounts: tuple[float, Accounts] | None = None
        self._of: Aws | None = None

    @property
    def available(self) -> bool:
        """Whether the configuration in force has AWS at all; asks it nothing."""
        with self._using() as aws:
            return aws is not None

    def items(self, account_id: str, region: str, group_id: str) -> ConfigItems:
        """Return what AWS Config has of a group. Raises Refused, after PATIENCE seconds at the latest."""
        if not _can_be_asked(account_id, region, group_id):
            raise Refused(Why.NOT_WATCHED, "AWS Config is asked for groups by their ids (sg-…), in an account and region by their names.")
        key = account_id, region, group_id
        with self._using() as aws:
            found = _no_aws() if aws is None else self._begin(key, aws)
        if isinstance(found, _Job):
            found = self._awaited(found)
        if isinstance(found, Refused):
            raise Refused(found.why, str(found))
        return found

    def _begin(self, key: Key, aws: Aws) -> ConfigItems | Refused | _Job:
        """Return what is kept, or a question that was begun, or why none was."""
        with self._lock:
            if aws is not self._of:
                # Another configuration may ask as somebody else, who may see less.
                self._of, self._accounts = aws, None
                self._kept.clear()
            kept = self._kept.get(key)
            if kept is not None and self._clock() < kept[0]:
                return kept[1]
            if key in self._running:
                return Refused(Why.BUSY, "AWS Config is being asked about this group right now. Ask again in a moment.")
            if len(self._running) >= AT_ONCE:
                return Refused(Why.BUSY, f"AWS Config is being asked about {AT_ONCE} other groups right now. Ask again in a moment.")
            self._running.add(key)
        job = _Job()
        try:
            # A thread of its own, for a call that hangs must not keep one of the server's; a daemon, lest it keep the process.
            threading.Thread(target=self._work, args=(key, job), name="aws-config", daemon=True).start()
        except BaseException:
            with self._lock:
                self._running.discard(key)
            raise
        return job

    def _awaited(self, job: _Job) -> ConfigItems | Refused:
        if not job.done.wait(self._patience):
            return _too_long(self._patience)
        if job.fault is not None:
            raise job.fault
        assert job.answer is not None
        return job.answer

    def _work(self, key: Key, job: _Job) -> None:
        asked: Aws | None = None
        try:
            with self._using() as asked:
                job.answer = self._read(asked, key) if asked is not None else _no_aws()
        except Refused as refused:
            job.answer = refused
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for the answer
            job.fault = error
        with self._lock:
            self._running.discard(key)
            if job.answer is not None and asked is not None and asked is self._of:
                self._keep(key, job.answer)
        job.done.set()

    def _keep(self, key: Key, answer: ConfigItems | Refused) -> None:
        self._kept.pop(key, None)
        if len(self._kept) >= _MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        whole = isinstance(answer, ConfigItems) and not answer.problems
        self._kept[key] = self._clock() + (KEPT if whole else _KEPT_REFUSAL), answer

    def _read(self, aws: Aws, key: Key) -> ConfigItems:
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
            raise _too_long(self._patience) from None
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
        if known is None or self._clock() >= known[0] or aws is not self._of:
            known = self._clock() + _ACCOUNTS_KEPT, aws.accounts()
            with self._lock:
                if aws is self._of and not known[1].failures:
                    self._accounts = known
        found = next((account for account in known[1].accounts if account.account_id == account_id), None)
        if found is not None:
            return found
        if known[1].failures:
            raise known[1].failures[0][1]
        raise Refused(
            Why.NOT_WATCHED,
            f"The account {account_id} is none of those that this exporter asks: add it to aws.accounts, and it can be asked.",
        )


def _can_be_asked(account_id: str, region: str, group_id: str) -> bool:
    """Tell whether an address may be made of these: records name accounts and regions, and who writes them is not always AWS."""
    try:
        return bool(checked_account(account_id) and checked_region(region) and _GROUP.fullmatch(group_id))
    except ValueError:
        return False


def _no_aws() -> Refused:
    return Refused(Why.NO_AWS, "This exporter asks nothing of AWS: nothing in its configuration is read from there.")


def _too_long(seconds: float) -> Refused:
    return Refused(Why.TOOK_TOO_LONG, f"AWS Config did not answer within {seconds:g} seconds. Ask again in a moment.")
