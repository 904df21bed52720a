"""Scrapes: what one costs, beside prometheus_client's generate_latest and gzip on the same series, and how long one waits.

The series come from a store in memory, so that the figures are those of the page alone. prometheus_client renders everything at every
scrape, whether anything changed or not; its `_created` series are off, or it would take twice as long.
"""

from __future__ import annotations

import gc
import gzip
import random
import statistics
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import orjson
import prometheus_client
from isal import igzip

from bench.rounds import Figures, interleaved, median, ratio, show, timed
from exporter.families import Labels
from exporter.metrics.exposition import Exposition
from exporter.metrics.telemetry import Telemetry
from tests.series_store import SeriesStore

SIZES = (1_000, 10_000, 100_000)
ROUNDS = 3
CHANGED = 100
LISTEN_SECONDS = 4.0
SCRAPE_EVERY = 0.01
FAMILY = "awschange_security_group_changes_total"
NAMES = ("account_id", "region", "security_group_id", "event_name", "principal")
HELP = "Successful changes of a security group."


def labels(number: int) -> Labels:
    """Return the labels of one series."""
    region = ("us-east-1", "eu-west-1", "ap-southeast-2")[number % 3]
    return "111122223333", region, f"sg-{number * 0x9E3779B1:017x}", "AuthorizeSecurityGroupIngress", f"role/Deploy{number % 40}"


class Subject:
    """The same series twice: in a store with its page, and in prometheus_client."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.now = 1_700_000_000.0
        self.random = random.Random(size)
        self.store = SeriesStore()
        self.store.add_all([(FAMILY, labels(number), 1.0, None, None) for number in range(size)])
        self.exposition = self.exposition_of_store()
        self.exposition.page(gzip=True)
        self.registry = prometheus_client.CollectorRegistry()
        self._counter = prometheus_client.Counter(FAMILY, HELP, NAMES, registry=self.registry)
        for number in range(size):
            self._counter.labels(*labels(number)).inc()

    def exposition_of_store(self) -> Exposition:
        """Return a page of the store that has not been rendered yet."""
        return Exposition(self.store, {FAMILY: self.size}, timedelta(0), lambda: self.now, Telemetry())

    def change(self, count: int) -> None:
        """Let so many series grow, in one transaction."""
        self.store.add_all([(FAMILY, labels(number), 1.0, None, None) for number in self.random.sample(range(self.size), count)])


def run() -> list[list[str]]:
    """Measure every size, print the tables and return their rows."""
    prometheus_client.disable_created_metrics()
    try:
        rows: list[list[str]] = []
        waits: list[list[str]] = []
        for size in SIZES:
            subject = Subject(size)
            gc.collect()
            gc.freeze()
            rows += _costs(subject)
            waits += _waits(subject)
            subject.exposition.close()
            gc.unfreeze()
    finally:
        prometheus_client.enable_created_metrics()
    show(
        "CPU of one scrape, text and gzip",
        ["", "exporter", "prometheus_client", "less CPU"],
        rows,
        [
            f"Medians of {ROUNDS} interleaved rounds. `nothing changed`: within a second of the scrape before;",
            "`... but the process`: later, so that process_cpu_seconds_total and its like are read and spelled again.",
        ],
    )
    show(
        f"How long a scrape waits for its page (gzip), one every {SCRAPE_EVERY * 1000:.0f} ms for {LISTEN_SECONDS:.0f} s",
        ["", "scrapes", "p50", "p99", "worst"],
        waits,
        [
            "Ingest: another thread inflates and searches trail files and commits 50 changes at a time.",
            "Busy: another thread runs pure Python and commits 50 changes at a time; it never gives up the interpreter by itself.",
        ],
    )
    return rows + waits


def _costs(subject: Subject) -> list[list[str]]:
    def repeated(work: Callable[[], object], times: int) -> Figures:
        def loop() -> None:
            for _ in range(times):
                work()

        return {"cpu": timed(loop)["cpu"] / times}

    def later() -> None:
        subject.now += 2.0
        subject.exposition.page(gzip=True)

    def changed() -> Figures:
        subject.change(CHANGED)

        def scrape() -> None:
            subject.exposition.refresh()
            subject.exposition.page(gzip=True)

        return timed(scrape)

    def first() -> Figures:
        exposition = subject.exposition_of_store()
        figures = timed(lambda: exposition.page(gzip=True))
        exposition.close()
        return figures

    figures = interleaved(
        {
            "nothing changed": lambda: repeated(lambda: subject.exposition.page(gzip=True), 20_000),
            "... but the process": lambda: repeated(later, 50),
            f"{CHANGED} series changed": changed,
            "first scrape after a start": first,
            "baseline": lambda: timed(lambda: gzip.compress(prometheus_client.generate_latest(subject.registry))),
        },
        ROUNDS,
    )
    baseline = figures.pop("baseline")
    return [
        [
            f"{subject.size:,} series, {name}",
            _duration(median(ours, "cpu")),
            _duration(median(baseline, "cpu")),
            f"{ratio(baseline, ours, 'cpu'):,.0f} x",
        ]
        for name, ours in figures.items()
    ]


def _waits(subject: Subject) -> list[list[str]]:
    record = orjson.dumps({"eventVersion": "1.11", "eventName": "DescribeInstances", "requestParameters": {"filter": "x" * 1000}})
    trail = igzip.compress(b'{"Records":[' + b",".join([record] * 1500) + b"]}")

    def ingest() -> None:
        text = igzip.decompress(trail)
        if text.find(b"SecurityGroup") < 0:
            for _ in range(15):
                orjson.loads(record)
        subject.change(50)

    def busy() -> None:
        sum(number * number for number in range(20_000))
        subject.change(50)

    return [_listen(subject, "ingest", ingest), _listen(subject, "busy", busy)]


def _listen(subject: Subject, name: str, work: Callable[[], None]) -> list[str]:
    """Scrape while another thread works; every tenth piece of work ends as a poll does, with a refresh."""
    stop = threading.Event()

    def loop() -> None:
        done = 0
        while not stop.is_set():
            work()
            done += 1
            if done % 10 == 0:
                subject.exposition.refresh()

    thread = threading.Thread(target=loop)
    waits: list[float] = []
    thread.start()
    end = time.perf_counter() + LISTEN_SECONDS
    while (begin := time.perf_counter()) < end:
        subject.exposition.page(gzip=True)
        waits.append(time.perf_counter() - begin)
        time.sleep(SCRAPE_EVERY)
    stop.set()
    thread.join()
    cuts = statistics.quantiles(waits, n=100)
    return [f"{subject.size:,} series, {name}", f"{len(waits):,}", *(f"{wait * 1000:.2f} ms" for wait in (cuts[49], cuts[98], max(waits)))]


def _duration(seconds: float) -> str:
    return f"{seconds * 1e6:.2f} us" if seconds < 1e-4 else f"{seconds * 1e3:.2f} ms"
