"""Changes through all roads at once, every fault switched on, the exporter killed with -9 again and again: what comes of it."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from exporter.demo.calls import Made
from exporter.demo.trail import TrailGenerator
from exporter.errors import StoreError
from exporter.store import SqliteStore
from exporter.store.base import Query
from tests.soak.plan import FAULTS, SKEW, Plan
from tests.soak.process import Replica, clock_of, inject, sandbox
from tests.soak.roads import HUB, ROLE, Builder, Roads
from tests.trail_truth import Series, stored, truth

REGIONS = ("us-east-1", "eu-west-1")
_TICK = 0.25


@dataclass(slots=True)
class Outcome:
    """What came of a soak. `wrong` are the series that differ from the truth, with (stored, true)."""

    made: int = 0
    kills: int = 0
    seconds: float = 0.0
    wrong: dict[Series, tuple[int, int]] = field(default_factory=dict)
    twice: int = 0
    longest: float = 0.0
    first_by: Counter[str] = field(default_factory=Counter)
    brought_by: Counter[str] = field(default_factory=Counter)
    fates: dict[str, float] = field(default_factory=dict)


class Soak:
    """One soak, in a directory of its own."""

    def __init__(self, plan: Plan, directory: Path, say: Callable[[str], None] = lambda _line: None) -> None:
        self.plan, self.directory, self._say = plan, directory, say
        self.accounts = (HUB, *(12 * str(number) for number in range(1, plan.accounts)))
        self.units = [(account, region) for account in self.accounts for region in REGIONS]
        self._chance = random.Random(plan.seed)
        self.store = directory / "state.db"

    def run(self) -> Outcome:
        """Make the changes, kill and restart, wait until the counts are right or the bound has passed, and tell."""
        begun = time.monotonic()
        with self._sandbox() as url, self._exporter(self._configure(url, Builder(url).build(self.units))) as exporter:
            exporter.wait_for_units()
            made = self._make(url, exporter)
            self._say(f"{len(made)} records made, {exporter.kills} kills so far")
            outcome = self._settle(made, exporter)
        outcome.seconds, outcome.kills, outcome.made = time.monotonic() - begun, exporter.kills, sum(item.truth.change for item in made)
        return outcome

    def _make(self, url: str, exporter: Exporter) -> list[Made]:
        generator = TrailGenerator(self.plan.seed, self.accounts, REGIONS)
        made: list[Made] = []
        changes, begun = 0, time.monotonic()
        while changes < self.plan.changes:
            exporter.tick()
            due = min(self.plan.changes, int(self.plan.changes * (time.monotonic() - begun + _TICK) / self.plan.seconds))
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
        return made

    def _settle(self, made: list[Made], exporter: Exporter) -> Outcome:
        """Let it be killed some more, then leave it alone until all is there; look again later, for what comes too often."""
        wanted, deadline = truth(made), time.monotonic() + self.plan.bound
        alone = time.monotonic() + self.plan.kill_every * 2
        while time.monotonic() < deadline:
            if time.monotonic() < alone:
                exporter.tick()
            with suppress(StoreError):
                if stored(self.store)[0] == wanted:
                    break
            time.sleep(1)
        # What is on its way a second time has come by then.
        time.sleep(min(self.plan.late_by, 20))
        exporter.stop()
        counts, fates = stored(self.store)
        outcome = Outcome(fates=fates)
        outcome.wrong = {key: (counts[key], wanted[key]) for key in counts.keys() | wanted.keys() if counts[key] != wanted[key]}
        self._read_history(outcome, made)
        return outcome

    def _read_history(self, outcome: Outcome, made: list[Made]) -> None:
        store = SqliteStore(self.store)
        try:
            found = store.search(Query(limit=10 * len(made) + 1000))
        finally:
            store.close()
        ids = Counter(item.event.event_id for item in found)
        outcome.twice = sum(count - 1 for count in ids.values())
        outcome.first_by = Counter(item.sources[0] for item in found)
        outcome.brought_by = Counter(source for item in found for source in item.sources)
        # Changes have AWS's time, the store ours.
        outcome.longest = max((item.recorded_at + SKEW - item.event.event_time).total_seconds() for item in found)

    def _configure(self, url: str, roads: Roads) -> Path:
        queues = {
            "s3-direct": roads.s3_direct,
            "s3-by-sns": roads.s3_by_sns,
            "cloudtrail-by-sns": roads.cloudtrail_by_sns,
            "s3-by-eventbridge": roads.s3_by_eventbridge,
        }
        config = {
            "store": {"path": str(self.store)},
            "aws": {
                "endpoint_url": url,
                "regions": list(REGIONS),
                "own_account": True,
                "accounts": [{"role_arn": f"arn:aws:iam::{account}:role/{ROLE}"} for account in self.accounts if account != HUB],
                "read_timeout": "5s",
            },
            # The roads alone: what stands has a soak of its own.
            "posture": {"enabled": False},
            "sources": [
                {
                    "type": "cloudtrail",
                    "poll_interval": "2s",
                    "overlap": "1m",
                    "rescans": [{"every": "10s", "over": "10m"}],
                },
                *({"type": "s3", "name": name, "queue_url": queue, "poll_interval": "1s"} for name, queue in queues.items()),
                {"type": "s3", "name": "s3-listing", "bucket": roads.bucket, "poll_interval": "3s"},
                {"type": "eventbridge", "queue_url": roads.events, "poll_interval": "1s"},
            ],
        }
        path = self.directory / "config.yml"
        path.write_text(json.dumps(config))
        return path

    @contextmanager
    def _sandbox(self) -> Iterator[str]:
        switches = [
            "--delay", "2s", "--bus-delay", "1s", "--trail-interval", "3s", "--digest-interval", "15s", "--seed", str(self.plan.seed),
            "--late-by", f"{self.plan.late_by:g}s", *(word for pair in FAULTS for word in pair),
        ]  # fmt: skip
        with sandbox(self.directory, switches) as (url, _process):
            yield url

    @contextmanager
    def _exporter(self, config: Path) -> Iterator[Exporter]:
        exporter = Exporter(config, self.directory, self.plan.kill_every, self._chance)
        try:
            yield exporter
        finally:
            exporter.stop()


class Exporter:
    """The real `serve`, killed at random times and started again at once."""

    def __init__(self, config: Path, directory: Path, kill_every: float, chance: random.Random) -> None:
        self._every, self._chance = kill_every, chance
        self.kills = 0
        self._replica = Replica(config, directory / "exporter.log")
        self._start()

    def tick(self) -> None:
        """Kill it if its time has come; one that ended by itself is a fault."""
        assert self._replica.ended() is None, f"the exporter ended with {self._replica.ended()}:\n{self._replica.tail()}"
        if time.monotonic() >= self._dies_at:
            self._replica.kill()
            self.kills += 1
            self._start()

    def stop(self) -> None:
        """End it for good."""
        if self._replica.ended() is None:
            self._replica.stop()

    def wait_for_units(self, seconds: float = 60) -> None:
        """Wait until every unit was polled well once, so that all that happens from now on is live on every road."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(OSError):
                lines = [
                    line
                    for line in self._replica.page().splitlines()
                    if line.startswith("awschange_exporter_last_success_timestamp_seconds{")
                ]
                if lines and all(float(line.rsplit(" ", 1)[1]) > 0 for line in lines) and len(lines) >= 6:
                    return
            time.sleep(0.5)
        raise AssertionError(f"not every unit was polled well within {seconds} s:\n{self._replica.tail()}")

    def _start(self) -> None:
        self._replica.start()
        self._dies_at = time.monotonic() + self._every * self._chance.uniform(0.4, 1.6)
