"""Replicas that share one store and one queue, killed one after the other while changes come: what is counted, polled and shown."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from exporter.demo.calls import Made
from exporter.demo.trail import TrailGenerator
from exporter.errors import StoreError
from exporter.store.base import Query
from tests.fleet.outcome import Outcome
from tests.fleet.pages import LAST_POLL, Polls, UnitKey, counters, differing, polled
from tests.fleet.plan import FAULTS, Plan
from tests.fleet.shared import SharedDatabase
from tests.soak.process import Replica, clock_of, inject, sandbox
from tests.soak.roads import HUB, ROLE, Builder
from tests.trail_truth import counted, truth

REGIONS = ("us-east-1", "eu-west-1")
_TICK, _LOOK = 0.25, 1.0
_READY, _AGREE = 60.0, 30.0
_AWAY = 10.0
"""For how long after a restart of the store a replica may turn out to have found it away when it started."""
_CALM = 3.0
"""Seconds for which counts must stay right, so that what comes a second time has come by then."""


class Fleet:
    """One run, with its configuration and logs in a directory of its own."""

    def __init__(self, plan: Plan, directory: Path, shared: SharedDatabase, say: Callable[[str], None] = lambda _line: None) -> None:
        self.plan, self._directory, self._shared, self._say = plan, directory, shared, say
        self._accounts = (HUB, *(12 * str(number) for number in range(1, plan.accounts)))
        self._units = [(account, region) for account in self._accounts for region in REGIONS]
        self._chance = random.Random(plan.seed)
        self._replicas: list[Replica] = []
        self._polls = Polls()
        self._outcome = Outcome()
        self._looks_at = self._dies_at = self._away_until = 0.0
        self._dying = False

    @property
    def units(self) -> frozenset[UnitKey]:
        """All that must be polled: each account and region on Event history and of what stands, and the queue."""
        return frozenset((source, *unit) for source in ("cloudtrail", "posture") for unit in self._units) | {("s3", "", "")}

    def run(self) -> Outcome:
        """Make the changes under fire, wait until the counts are right or the bound has passed, and tell what came of it."""
        begun = time.monotonic()
        switches = ["--delay", "1s", "--trail-interval", "2s", "--seed", str(self.plan.seed), *(word for pair in FAULTS for word in pair)]
        with sandbox(self._directory, switches) as (url, aws):
            config = self._configure(url, Builder(url).build_one())
            with self._running(config):
                self._wait_for_units()
                self._say(f"every unit was polled after {time.monotonic() - begun:.0f} s")
                made = self._make(url)
                self._say(f"{len(made)} records made, {self._outcome.kills} kills")
                self._settle(made)
                self._look_who_polls()
                # With AWS away nothing changes any more, and what the replicas still differ in they differ in for good.
                aws.kill()
                self._compare_pages(made)
                self._outcome.codes = [replica.stop() for replica in self._replicas]
            self._read_history(made)
        self._outcome.seconds = time.monotonic() - begun
        self._outcome.longest_gaps = self._polls.longest_gaps()
        return self._outcome

    def _make(self, url: str) -> list[Made]:
        generator = TrailGenerator(self.plan.seed, self._accounts, REGIONS)
        made: list[Made] = []
        begun, changes, restart_at = time.monotonic(), 0, self.plan.seconds / 2
        self._dying = True
        while (over := time.monotonic() - begun) < self.plan.seconds or changes < self.plan.changes:
            self._tick()
            if over >= restart_at and not self._outcome.restarts:
                self._shared.restart()
                self._away_until = time.monotonic() + _AWAY
                self._outcome.restarts += 1
                self._say("the store was restarted")
            due = min(self.plan.changes, int(self.plan.changes * (over + _TICK) / self.plan.seconds))
            batch = []
            now = clock_of(url)
            while changes < due:
                # One in ten is none of ours, and must not count.
                change = self._chance.random() < 0.9
                batch.append((generator.change if change else generator.ordinary)(now))
                changes += batch[-1].truth.change
            if batch:
                inject(url, [item.record for item in batch])
                made += batch
            time.sleep(_TICK)
        self._dying = False
        self._outcome.made = changes
        return made

    def _tick(self) -> None:
        """Kill a replica if it is time, start again whichever ended, and look at the pages."""
        now = time.monotonic()
        for number, replica in enumerate(self._replicas):
            if (code := replica.ended()) is not None:
                # Its supervisor would start it again.
                last = replica.tail().rstrip().rpartition("\n")[2]
                if "cannot open the store" in last and now < self._away_until:
                    self._outcome.refused += 1
                else:
                    self._outcome.ended.append(f"replica {number} ended with {code}: {last[-600:]}")
                replica.start()
        if self._dying and now >= self._dies_at:
            if self._dies_at:
                victim = self._chance.choice(self._replicas)
                victim.kill()
                self._outcome.kills += 1
                victim.start()
            self._dies_at = now + self.plan.kill_every * self._chance.uniform(0.6, 1.4)
        if now >= self._looks_at:
            self._looks_at = now + _LOOK
            for page in self._pages():
                self._polls.look(page)

    def _pages(self) -> list[str]:
        """Return the pages of the replicas that serve."""
        pages = []
        for replica in self._replicas:
            with suppress(OSError):
                pages.append(replica.page())
        return pages

    def _until(self, seconds: float, done: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._tick()
            if done():
                return True
            time.sleep(0.5)
        return False

    def _wait_for_units(self) -> None:
        """Wait until every unit was polled well once, so that all that happens from now on is live on every road."""
        self._until(_READY, lambda: self.units <= self._polls.units() or bool(self._outcome.ended))
        if missing := sorted(self.units - self._polls.units()):
            raise AssertionError(
                f"not polled well within {_READY} s: {missing}\n" + "\n".join(replica.tail() for replica in self._replicas)
            )

    def _settle(self, made: list[Made]) -> None:
        """Wait until all is there, and look again later, for what comes too often."""
        wanted = truth(made)
        store = self._shared.open()
        try:

            def right() -> bool:
                try:
                    return counted(store)[0] == wanted
                except StoreError:
                    return False

            begun = time.monotonic()
            self._until(self.plan.bound, right)
            self._say(f"counted {time.monotonic() - begun:.1f} s after the last change")
            self._until(_CALM, lambda: False)
            counts = counted(store)[0]
        finally:
            store.close()
        self._outcome.wrong = {key: (counts[key], wanted[key]) for key in counts.keys() | wanted.keys() if counts[key] != wanted[key]}

    def _look_who_polls(self) -> None:
        """See that every unit is polled again now that nobody dies any more, and by one replica where one is enough."""
        calm, units, outcome = time.time(), self.units, self._outcome

        def settled() -> bool:
            pages = self._pages()
            fresh = {unit for page in pages for unit, at in polled(page).items() if at > calm}
            outcome.polled_by = dict(Counter(unit for page in pages for unit in polled(page, LAST_POLL)))
            outcome.unpolled = units - (fresh & outcome.polled_by.keys())
            return not outcome.unpolled and not outcome.crowded()

        self._until(_READY, settled)

    def _compare_pages(self, made: list[Made]) -> None:
        """Compare the pages with each other, and with the truth."""
        pages: list[str] = []

        def agree() -> bool:
            nonlocal pages
            pages = self._pages()
            return len(pages) == self.plan.replicas and not differing(pages)

        if not self._until(_AGREE, agree):
            self._outcome.differing = differing(pages) if len(pages) == self.plan.replicas else ["a replica does not serve"]
        wanted = truth(made)
        shown = counters(pages[0], {family for family, _labels in wanted}) if pages else Counter()
        self._outcome.shown_wrong = {key: (shown[key], wanted[key]) for key in shown.keys() | wanted.keys() if shown[key] != wanted[key]}

    def _read_history(self, made: list[Made]) -> None:
        store = self._shared.open()
        try:
            found = store.search(Query(limit=10 * len(made) + 1000))
        finally:
            store.close()
        self._outcome.missing = frozenset(item.truth.event_id for item in made if item.truth.change) - {row.event.event_id for row in found}
        self._outcome.brought_by = Counter(source for row in found for source in row.sources)
        self._outcome.longest = max((row.recorded_at - row.event.event_time).total_seconds() for row in found)

    def _configure(self, url: str, queue: str) -> Path:
        config = {
            "store": self._shared.section(),
            "aws": {
                "endpoint_url": url,
                "regions": list(REGIONS),
                "own_account": True,
                "accounts": [{"role_arn": f"arn:aws:iam::{account}:role/{ROLE}"} for account in self._accounts if account != HUB],
                "read_timeout": "5s",
            },
            # Short, so that a run need not wait two scrapes of Prometheus for a new series to take its value.
            "metrics": {"birth_hold": "3s"},
            "posture": {"poll_interval": "10s"},
            "sources": [
                # What comes late here comes within the overlap; re-scans have a soak of their own.
                {"type": "cloudtrail", "poll_interval": "5s", "backfill": "0s", "overlap": "1m", "rescans": []},
                {"type": "s3", "queue_url": queue, "poll_interval": "1s", "wait_time": "2s", "visibility_timeout": "10s"},
            ],
        }
        path = self._directory / "config.yml"
        path.write_text(json.dumps(config))
        return path

    @contextmanager
    def _running(self, config: Path) -> Iterator[None]:
        self._replicas = [Replica(config, self._directory / f"replica-{number}.log") for number in range(self.plan.replicas)]
        started: list[Replica] = []
        try:
            for replica in self._replicas:
                replica.start()
                started.append(replica)
            yield
        finally:
            for replica in started:
                if replica.ended() is None:
                    try:
                        replica.stop()
                    except subprocess.TimeoutExpired:
                        replica.kill()
