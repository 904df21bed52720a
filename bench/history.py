"""History: what every page and every answer of the API takes at 1,000,000 events, while more come in and Prometheus scrapes.

The server is `serve` itself with its threads; its own poll reads trail files that grow. Clients are another process, as they are in life.
Beside every figure stands that of an empty page of the same server, and of a store with 1,000 events.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from bench.history_asks import EMPTY, SCRAPE, Asked, all_asked, draw
from bench.history_load import Beside, Client, Waits, at_once, one_after_the_other, resident_mb
from bench.history_server import growing, served
from bench.history_store import EVENTS, SOURCE, events_of_years, fill
from bench.rounds import show
from exporter.store import open_store
from exporter.store.base import BEGINNING

SMALL = 1_000
RATE = 50
PEOPLE = 8
LARGE = 100_000
"""From so many events on the figures are taken for good; with fewer it is a matter of a minute."""
GOAL = 100.0
"""Milliseconds that 95 of 100 answers of any kind may take."""
_STORED = re.compile(rb'^awschange_exporter_records_total\{[^}]*fate="stored"[^}]*\} (\d+)', re.MULTILINE)


def run(events: int = EVENTS, store: Path | None = None) -> list[list[str]]:
    """Measure, print the tables, and return the rows of the first. A store that is named is made where it is missing, and kept."""
    each, look = (40, 0.25) if events >= LARGE else (8, 0.02)
    with tempfile.TemporaryDirectory(prefix="bench-history-") as name:
        scratch = Path(name)
        large, small = store or scratch / "large.db", scratch / "small.db"
        build(large, events)
        build(small, SMALL)
        figures = _Figures(scratch, events, each, look)
        figures.measure(large, small)
        return figures.show()


def build(path: Path, events: int) -> None:
    """Make a store with changes of the 400 days up to now, unless there is one."""
    if path.exists():
        return
    now, begin = datetime.now(UTC), time.monotonic()
    with closing(open_store(path)) as store:
        store.go_live(SOURCE, now, BEGINNING)
        fill(store, events_of_years(events, until=now))
    print(f"  made a store of {events:,} events: {path.stat().st_size / 1e6:,.0f} MB, {time.monotonic() - begin:.0f} s", flush=True)


class _Figures:
    """All that one run measures."""

    def __init__(self, scratch: Path, events: int, each: int, look: float) -> None:
        self._scratch, self._events, self._each, self._look = scratch, events, each, look
        self.kinds: list[Asked] = []
        self.memory: list[tuple[str, float]] = []
        self.one, self.many, self.small, self.scrapes = Waits(), Waits(), Waits(), Waits()
        self.a_second = self.stored = self.seconds = 0.0
        self.drift = 0.0

    def measure(self, large: Path, small: Path) -> None:
        """Ask a server over each of the stores."""
        self.kinds = self._ask_large(large)
        with closing(open_store(small)) as store:
            found = draw(store, random.Random(2))
            newest = store.stats().newest_event_time or datetime.now(UTC)
        with served(self._scratch / "small", small) as server, growing(server, RATE), closing(Client(server.port)) as client:
            kinds = [EMPTY, *all_asked(found, newest, client.get)]
            one_after_the_other(server.port, kinds, 1, 1)
            self.small = one_after_the_other(server.port, kinds, max(5, self._each // 4), 2)

    def _ask_large(self, large: Path) -> list[Asked]:
        with closing(open_store(large)) as store:
            found = draw(store, random.Random(1))
            newest = store.stats().newest_event_time or datetime.now(UTC)
        with served(self._scratch / "large", large) as server, closing(Client(server.port)) as client:
            self.memory.append(("at the start", resident_mb(server.pid)))
            kinds = [EMPTY, *all_asked(found, newest, client.get)]
            before, begin = _stored(client), time.monotonic()
            with growing(server, RATE), Beside(server.port, server.pid) as beside:
                one_after_the_other(server.port, kinds, 2, 3)
                self.memory.append(("when every kind was asked twice", resident_mb(server.pid)))
                beside.memory.clear()
                self.one = one_after_the_other(server.port, kinds, self._each, 4)
                self.memory.append(("after one client", resident_mb(server.pid)))
                self.many = at_once(server.port, kinds, PEOPLE, self._each, self._look, 5)
                self.memory.append((f"after {PEOPLE} people at once", resident_mb(server.pid)))
                hurry = time.monotonic()
                at_once(server.port, kinds, PEOPLE, max(2, self._each // 10), 0.0, 6)
                self.a_second = len(kinds) * max(2, self._each // 10) / (time.monotonic() - hurry)
                self.memory.append(("after all that hurried", resident_mb(server.pid)))
                self.memory.append(("most at any time", max(beside.memory)))
                third = max(1, len(beside.memory) // 3)
                self.drift = statistics.median(beside.memory[-third:]) / statistics.median(beside.memory[:third])
            self.stored, self.seconds = _stored(client) - before, time.monotonic() - begin
            self.scrapes = beside.scrapes
            if not self.stored:
                raise RuntimeError(f"nothing was ingested meanwhile:\n{server.log.read_text(encoding='utf-8')}")
        return kinds

    def show(self) -> list[list[str]]:
        """Print the tables; return the rows of the first."""
        names = [kind.name for kind in self.kinds]
        rows = []
        for name in names:
            slow = any(waits.at(name, 95) > GOAL for waits in (self.one, self.many))
            rows.append(
                [
                    f"{name}{' !' if slow else ''}",
                    *(f"{waits.at(name, percent):.1f}" for waits in (self.one, self.many) for percent in (50, 95, 99)),
                    f"{self.one.median(name) / self.one.median(EMPTY.name):.1f} x",
                    f"{self.one.median(name) / self.small.median(name):.1f} x" if name in self.small.taken else "",
                    f"{self.one.size[name] / 1000:,.1f}",
                ]
            )
        over = [row[0].removesuffix(" !") for row in rows if row[0].endswith("!")]
        scrapes = f"{self.scrapes.median(SCRAPE):.1f} ms (p50), {max(self.scrapes.taken[SCRAPE]):.1f} ms at most"
        pace, load = f"{self.stored / self.seconds:.0f} a second", os.getloadavg()[0]
        show(
            f"Answers in ms at {self._events:,} events: one client, then {PEOPLE} people at once",
            ["", "p50", "p95", "p99", f"p50 of {PEOPLE}", f"p95 of {PEOPLE}", f"p99 of {PEOPLE}", "of empty", f"of {SMALL:,}", "kB"],
            rows,
            [
                f"Goal: p95 under {GOAL:.0f} ms. " + (f"Over it, marked !: {'; '.join(over)}." if over else "All are."),
                f"Each kind {self._each} times, in mixed order. Each person looks at an answer for {self._look} s on average.",
                f"`of empty`: median of one client, of that of an empty page; `of {SMALL:,}`: of that with {SMALL:,} events in the store.",
                f"Meanwhile {self.stored:,.0f} events were stored, {pace}; scrapes took {scrapes}.",
                f"Without a pause {PEOPLE} clients got {self.a_second:,.0f} answers a second of all kinds. Load now {load:.1f}.",
            ],
        )
        show(
            "Memory of the server, MB",
            ["", "MB"],
            [[when, f"{held:,.0f}"] for when, held in self.memory],
            [f"The last third of the samples has {self.drift:.2f} x the median of the first, once every kind was asked."],
        )
        slow = sorted(((*self.many.slowest[name], name) for name in names), reverse=True)[:8]
        show("The slowest answers with many people", ["", "ms"], [[path, f"{taken:.0f}"] for taken, path, _ in slow])
        return rows


def _stored(client: Client) -> float:
    return sum(float(value) for value in _STORED.findall(client.get(SCRAPE)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.history", description="Measure pages and API of history.")
    parser.add_argument("--events", type=int, default=EVENTS, help="how many events the store has")
    parser.add_argument("--store", type=Path, help="a store to use, or to make and keep")
    given = parser.parse_args(arguments)
    run(given.events, given.store)
    return 0


if __name__ == "__main__":
    sys.exit(main())
