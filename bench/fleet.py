"""A backlog of one SQS queue drained by one, two and three replicas on PostgreSQL, beside one process on SQLite.

The replicas are the real `serve`. They wait at an empty queue; the clock runs from when it is filled until its last message is deleted,
which is after what it brought was committed. S3 and SQS are another process, which answers each request after as long as AWS would.
Every round gives every case a store of its own, and holds what was counted to what was made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.request import Request, urlopen

from bench.ingest import START
from bench.queue_server import QUEUE
from bench.rounds import Figures, interleaved, median, ratio, show
from exporter.demo.trail import TrailGenerator, trail_path, write_trail_file
from exporter.families import RECORDS_READ
from exporter.store import open_store
from tests.fleet.pages import polled
from tests.fleet.shared import SharedDatabase, cpu_seconds
from tests.postgres_server import Server, directory_of_programs
from tests.soak.process import Replica
from tests.trail_truth import counted

ROUNDS = 2
LATENCY = 0.03
"""Seconds that S3 and SQS take to answer. AWS names 100 to 200 ms for the first byte of an object; this errs to the side of one replica."""
SQLITE, REPLICAS = "one process, SQLite", (1, 2, 3)
TRAILS = {"as trails are, 1 % changes": (400, 100, 0.01), "changes alone": (150, 20, 1.0)}
"""Files, records of each, and the share of changes among them."""


def generate(directory: Path, files: int, records: int, share: float) -> Figures:
    """Write a trail of small files, as accounts with little to do have them; return what is in it."""
    generator, at = TrailGenerator(7), START
    made: Figures = {"files": files, "records": files * records, "changes": 0}
    for number in range(files):
        unit = generator.units[number % len(generator.units)]
        items = []
        for _ in range(records):
            at += timedelta(milliseconds=400)
            items.append((generator.change if generator.chance.random() < share else generator.ordinary)(at, unit))
        made["changes"] += sum(item.truth.change for item in items)
        suffix = generator.ids.letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
        write_trail_file(trail_path(directory, unit, at, suffix), (item.record for item in items))
    return made


@contextmanager
def _aws(directory: Path) -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-m", "bench.queue_server", str(directory), str(LATENCY)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}", server.pid
        finally:
            server.terminate()


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


def _get(url: str, method: str = "GET") -> bytes:
    with urlopen(Request(url, method=method), timeout=30) as answer:
        return bytes(answer.read())


def _waits(replica: Replica) -> bool:
    if replica.ended() is not None:
        raise RuntimeError(f"a replica ended:\n{replica.tail()}")
    with suppress(OSError):
        return bool(polled(replica.page()))
    return False


def _drain(url: str, aws: int, made: Figures, server: Server | None, replicas: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="aws-change-exporter-bench-") as scratch:
        store = {"path": f"{scratch}/state.db"} if server is None else SharedDatabase(server).section()
        source = {"type": "s3", "queue_url": url + QUEUE, "wait_time": "1s", "poll_interval": "1s", "live_since": "beginning"}
        written = {"store": store, "aws": {"endpoint_url": url}, "sources": [source], "posture": {"enabled": False}}
        path = Path(scratch) / "config.yml"
        path.write_text(json.dumps(written), encoding="utf-8")
        running = [Replica(path, Path(scratch) / f"{number}.log") for number in range(replicas)]
        try:
            for replica in running:
                replica.start()
            while not all(_waits(replica) for replica in running):
                time.sleep(0.2)
            before = [_cpu(replica.pid) for replica in running], _cpu(aws), cpu_seconds(server) if server else 0.0
            begun = time.perf_counter()
            _get(f"{url}/-/fill", "POST")
            while int(_get(f"{url}/-/left")):
                time.sleep(0.05)
            wall = time.perf_counter() - begun
            figures = {
                "wall": wall,
                "cpu": sum(_cpu(replica.pid) for replica in running) - sum(before[0]),
                "server": _cpu(aws) - before[1],
                "postgres": cpu_seconds(server) - before[2] if server else 0.0,
                "rss": max(_rss_mb(replica.pid) for replica in running),
            }
        finally:
            for replica in running:
                replica.kill()
        opened = open_store(store.get("url") or store["path"])
        try:
            counts, fates = counted(opened)
        finally:
            opened.close()
    changes = sum(value for (family, _labels), value in counts.items() if family == "awschange_events_total")
    if (changes, fates[f"{RECORDS_READ.name}.s3"]) != (made["changes"], made["records"]):
        raise RuntimeError(f"{replicas} replicas counted {changes} changes, records {fates}, but the trail has {made}")
    return figures


def _measure(title: str, files: int, records: int, share: float) -> None:
    with tempfile.TemporaryDirectory(prefix="aws-change-exporter-bench-") as scratch, closing(Server(fsync=True)) as server:
        made = generate(Path(scratch), files, records, share)
        with _aws(Path(scratch)) as (url, aws):
            cases = {SQLITE: partial(_drain, url, aws, made, None, 1)}
            cases |= {f"{count} on PostgreSQL": partial(_drain, url, aws, made, server, count) for count in REPLICAS}
            measured = interleaved(cases, ROUNDS)
    one = measured["1 on PostgreSQL"]
    rows = [
        [
            name,
            f"{median(rounds, 'wall'):.2f} s",
            f"{files / median(rounds, 'wall'):,.0f}",
            f"{made['records'] / median(rounds, 'wall'):,.0f}",
            f"{made['changes'] / median(rounds, 'wall'):,.0f}",
            f"{ratio(one, rounds, 'wall'):.2f} x",
            f"{median(rounds, 'cpu') / files * 1000:.1f} ms",
            f"{median(rounds, 'postgres') / files * 1000:.1f} ms",
            f"{median(rounds, 'rss'):.0f} MB",
            f"{(median(rounds, 'cpu') + median(rounds, 'server') + median(rounds, 'postgres')) / median(rounds, 'wall'):.2f}",
        ]
        for name, rounds in measured.items()
    ]
    show(
        f"A backlog of one queue, {title}: {files} files, {made['records']:,.0f} records, {made['changes']:,.0f} changes",
        [
            "",
            "drained in",
            "files/s",
            "records/s",
            "changes/s",
            "of one replica",
            "CPU a file",
            "PostgreSQL's",
            "RSS each",
            "cores busy",
        ],
        rows,
        [
            f"Medians of {ROUNDS} interleaved rounds; S3 and SQS answer after {LATENCY * 1000:.0f} ms.",
            "All share the cores of this machine, PostgreSQL and the stand-in for AWS too.",
            "Every change was counted once, every record read once; checked in every round.",
        ],
    )


def run() -> None:
    """Measure both trails and print the tables."""
    if directory_of_programs() is None:
        print("\nfleet: PostgreSQL is not installed; on Debian and Ubuntu: apt-get install postgresql")
        return
    for title, (files, records, share) in TRAILS.items():
        _measure(title, files, records, share)
