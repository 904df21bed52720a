"""AWS Config's items of one group for whoever looks at its page: asked on demand, bounded in time, number and at once, kept a minute."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from exporter.aws import Aws
from exporter.history.config_newest import ConfigItems, Failed, Key, Newest, Refused, Why, too_long, unheard
from exporter.parse.record import Opened
from exporter.settings import account_id as checked_account
from exporter.settings import region_name as checked_region
from exporter.store.base import Store
from exporter.timespan import utc_now

PATIENCE = 8.0
"""Seconds after which whoever asks is told to come again; the answer is awaited as long again, and kept for them."""
AT_ONCE = 2
"""Groups that are asked about at once: as many threads of the server wait for AWS at most."""
KEPT = 60.0
"""Seconds for which an answer is given again."""
_KEPT_REFUSAL, _MOST_KEPT = 10.0, 64
_GROUP = re.compile(r"sg-(?:[0-9a-f]{8}|[0-9a-f]{17})")

Using = Callable[[], AbstractContextManager[Aws | None]]
"""Keeps AWS open while it is used; gives None where the configuration has none."""


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
        now: Callable[[], datetime] = utc_now,
        *,
        failed: Failed = unheard,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._using, self._patience, self._clock = using, patience, clock
        self._newest = Newest(store, opened, now, failed, patience=patience, clock=clock)
        self._lock = threading.Lock()
        self._running: set[Key] = set()
        self._kept: dict[Key, tuple[float, ConfigItems | Refused]] = {}
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
                self._of = aws
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
            return too_long(self._patience)
        if job.fault is not None:
            # Whatever it is, it is nothing that whoever asked did wrong.
            raise RuntimeError("asking AWS Config failed by a fault of ours") from job.fault
        assert job.answer is not None
        return job.answer

    def _work(self, key: Key, job: _Job) -> None:
        asked: Aws | None = None
        try:
            with self._using() as asked:
                job.answer = self._newest.read(asked, key) if asked is not None else _no_aws()
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


def _can_be_asked(account_id: str, region: str, group_id: str) -> bool:
    """Tell whether an address may be made of these: records name accounts and regions, and who writes them is not always AWS."""
    try:
        return bool(checked_account(account_id) and checked_region(region) and _GROUP.fullmatch(group_id))
    except ValueError:
        return False


def _no_aws() -> Refused:
    return Refused(Why.NO_AWS, "This exporter asks nothing of AWS: nothing in its configuration is read from there.")
