"""Searches of history: how long a page takes, by what is asked for, alone and while a thread stores new events as fast as it can.

`python -m bench.searches [EVENTS] [PATH]` takes a store of another size, or keeps it at a path for the next time.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from pathlib import Path

from bench.history_store import (
    ACCOUNTS,
    DAYS,
    EVENTS,
    RARE_ADDRESS,
    RARE_DESCRIPTION,
    RARE_PEER,
    RARE_SESSION,
    REGIONS,
    build,
    events_of_years,
    fill,
)
from bench.rounds import show
from bench.store import NOW
from exporter.model import ChangeEvent, Outcome
from exporter.store import Store, open_store
from exporter.store.base import Position, Query

ASKED = 20
"""Queries of each kind."""
NEW = 5_000
"""Events that are stored meanwhile, again and again with other ids."""

Kinds = Mapping[str, Sequence[Query]]
Taken = dict[str, list[float]]


def kinds(store: Store, dice: random.Random) -> Kinds:
    """Return queries by what they ask for, about events that a store of history_store.py has."""
    pool = _sample(store, dice)
    some = [dice.choice(pool) for _ in range(ASKED)]
    groups = [event.security_groups[0] for event in pool if event.security_groups]
    rules = [change.rule.rule_id for event in pool for change in event.rule_changes if change.rule.rule_id]
    pages = (50, 100)

    def each(*queries: Query) -> list[Query]:
        return [replace(queries[at % len(queries)], limit=pages[at % 2]) for at in range(max(ASKED, len(queries)))]

    def texts(*words: str) -> list[Query]:
        return each(*(Query(text=word) for word in words))

    def at(event: ChangeEvent) -> Position:
        return Position(event.event_time, event.event_id)

    return {
        "the newest": each(Query()),
        "a group": each(*(Query(security_groups=(dice.choice(groups),)) for _ in range(ASKED))),
        "three groups": each(*(Query(security_groups=tuple(dice.sample(groups, 3))) for _ in range(ASKED))),
        "a rule id": each(*(Query(rule_ids=(dice.choice(rules),)) for _ in range(ASKED))),
        "an event name": each(*(Query(event_names=(event.event_name,)) for event in some)),
        "event names by pattern": each(*(Query(event_names=(name,)) for name in ("*Egress", "Create*", "*Vpc*", "*RuleDescriptions*"))),
        "a principal, common": each(*(Query(principals=(event.principal.name,)) for event in some)),
        "a principal, rare": each(*(Query(principals=(name,)) for name in (RARE_SESSION, "person1600@example.com", "nobody"))),
        "principals by pattern": each(
            *(
                Query(principals=(name,))
                for name in ("role/*", "*:assumed-role/Deploy/*", "person00*", "*1600@example.com", "mallory*", "no*", "Role/*")
            )
        ),
        "an account": each(*(Query(accounts=(account,)) for account in ACCOUNTS)),
        "a region": each(*(Query(regions=(region,)) for region in REGIONS)),
        "an outcome": each(*(Query(outcomes=(outcome,)) for outcome in Outcome)),
        "a day of the past": each(*(Query(since=event.event_time, until=event.event_time + timedelta(days=1)) for event in some)),
        "who and how it ended": each(
            *(Query(principals=(event.principal.name,), outcomes=(dice.choice(tuple(Outcome)),)) for event in some)
        ),
        "account, region, name, outcome, since": each(
            *(
                Query(
                    accounts=(dice.choice(ACCOUNTS),), regions=(event.region,), event_names=(event.event_name,), outcomes=(event.outcome,),
                    since=event.event_time,
                )
                for event in some
            )
        ),
        "what never meets": each(
            Query(principals=("role/Terraform",), event_names=("CreateVpcResourceCreation",)),
            Query(principals=("root",), regions=("mars-1",)),
            Query(text="terraform console.ec2.amazonaws.com"),
            Query(text="203.0.113.18 role/terraform"),
        ),
        "text, common": texts("terraform", "0.0.0.0/0", "AuthorizeSecurityGroup", "sg-0", "arn:aws", "example.com", "office", "überwacht"),
        "text, in a tenth": texts("2001:db8", "eks", "carol", "198.51.100.7", "loadbalancer", "dave", "vpn"),
        "text, rare": texts(RARE_PEER, RARE_ADDRESS, RARE_SESSION.upper(), RARE_DESCRIPTION, "CHG-0012345", "Deploy/mallory", "break"),
        "text, short": texts("a", "22", "vp", "é", "ü", "~", "sg", "/0"),
        "text, part of an ARN": texts("assumed-role/Deploy", "user/carol", f"{ACCOUNTS[3]}:user", f"{ACCOUNTS[5]}:assumed-role/Terraform"),
        "text, hexadecimal": texts(ACCOUNTS[7], "beef", "cafe1", *(rule[6:14] for rule in rules[:4]), *(rule for rule in rules[:3])),
        "text, nothing found": texts("nosuchthing", "198.18.0.1", "mallory@example.org", "zzzz"),
        "text, two words": texts("mallory terraform", "terraform denied", f"office {ACCOUNTS[2]}", "eu-west-1 root", "chg- 443 temporary"),
        "text and all else": each(
            *(
                Query(
                    text="terraform", accounts=(event.account_id,), event_names=("Authorize*",), outcomes=(Outcome.SUCCESS,),
                    until=event.event_time,
                )
                for event in some
            )
        ),
        "group and text": each(*(Query(security_groups=(dice.choice(groups),), text="0.0.0.0/0") for _ in range(ASKED))),
        "deep page": each(*(Query(after=at(event)) for event in some)),
        "deep page of an account": each(*(Query(accounts=(event.account_id,), after=at(event)) for event in some)),
        "deep page of a principal": each(*(Query(principals=(event.principal.name,), after=at(event)) for event in some)),
        "deep page of a text": each(*(Query(text=dice.choice(("office", "chg-", "2001:db8", "carol")), after=at(event)) for event in some)),
    }  # fmt: skip


def _sample(store: Store, dice: random.Random) -> list[ChangeEvent]:
    """Return events of all the time that the store has."""
    pool = []
    for _ in range(40):
        until = NOW - timedelta(days=dice.random() * DAYS * 0.98)
        pool += [found.event for found in store.search(Query(until=until, limit=20))]
    return pool


def _ask(store: Store, asked: Kinds) -> tuple[Taken, Taken]:
    """Return the milliseconds of wall and of processor that each query took, by kind, in order of size; the kinds take turns."""
    wall: Taken = {kind: [] for kind in asked}
    processor: Taken = {kind: [] for kind in asked}
    for at in range(max(map(len, asked.values()))):
        for kind, queries in asked.items():
            if at < len(queries):
                begin, used = time.perf_counter(), time.thread_time()
                store.search(queries[at])
                processor[kind].append((time.thread_time() - used) * 1000)
                wall[kind].append((time.perf_counter() - begin) * 1000)
    for taken in (wall, processor):
        for times in taken.values():
            times.sort()
    return wall, processor


class _Ingest(threading.Thread):
    """Stores new events until stopped."""

    def __init__(self, store: Store) -> None:
        super().__init__(daemon=True)
        self._store, self._stopping = store, threading.Event()
        self.stored, self.seconds = 0, 0.0

    def run(self) -> None:
        """Store batches of 50, as a poll brings them."""
        begin, dice = time.perf_counter(), random.Random(41)
        events = list(events_of_years(NEW, 101, NOW + timedelta(days=1), 1))
        while not self._stopping.is_set():
            for at in range(0, NEW, 50):
                part = [replace(event, event_id=str(uuid.UUID(int=dice.getrandbits(128), version=4))) for event in events[at : at + 50]]
                self.stored += fill(self._store, iter(part))
                if self._stopping.is_set():
                    break
        self.seconds = time.perf_counter() - begin

    def stop(self) -> None:
        """Stop, once the batch at hand is stored."""
        self._stopping.set()
        self.join()


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("no VmRSS in /proc/self/status; the benchmarks need Linux")


def _at(times: Sequence[float], share: int) -> float:
    return times[min(len(times) - 1, len(times) * share // 100)]


def measure(path: Path, count: int) -> None:
    """Build the store unless it is there, ask, and print the table."""
    begin = time.perf_counter()
    build(path, count)
    built = time.perf_counter() - begin
    with closing(open_store(path)) as store:
        asked = kinds(store, random.Random(31))
        before = _resident_mb()
        alone, processor = _ask(store, asked)
        after = _resident_mb()
        ingest = _Ingest(store)
        ingest.start()
        while not ingest.stored:
            time.sleep(0.1)
        held = _resident_mb()
        busy, _ = _ask(store, asked)
        ingest.stop()
        columns = (processor, alone, busy)
        rows = [[kind, *(f"{_at(taken[kind], share):,.1f}" for taken in columns for share in (50, 95))] for kind in asked]
        everything = [sorted(chain.from_iterable(taken.values())) for taken in columns]
        rows.append(["all of them", *(f"{_at(times, share):,.1f}" for times in everything for share in (50, 95))])
        rows.append(["the slowest", *(text for times in everything for text in ("", f"{times[-1]:,.1f}"))])
    show(
        f"Searches of {count:,} events, pages of 50 and 100, milliseconds",
        ["", "processor p50", "p95", "wall p50", "p95", "storing p50", "p95"],
        rows,
        [
            "processor: milliseconds of the searching thread; storing: wall, while a thread stores batches of 50 as fast as it can.",
            (
                f"Built in {built:.0f} s (0: it was there). Resident: {before:.0f} MB, {after:.0f} MB after the searches; "
                f"{held:.0f} MB with the thread and its events, {_resident_mb():.0f} MB after it stored {ingest.stored:,}, "
                f"{ingest.stored / ingest.seconds:,.0f} a second."
            ),
        ],
    )


def run() -> None:
    """Measure a store of EVENTS events."""
    with tempfile.TemporaryDirectory(prefix="aws-change-exporter-bench-") as scratch:
        measure(Path(scratch) / "history.db", EVENTS)


if __name__ == "__main__":
    given = sys.argv[1:]
    if len(given) < 2:
        with tempfile.TemporaryDirectory(prefix="aws-change-exporter-bench-") as scratch:
            measure(Path(scratch) / "history.db", int(given[0]) if given else EVENTS)
    else:
        measure(Path(given[1]), int(given[0]))
