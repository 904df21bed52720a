"""Ingest of trail files: the whole path from gzip on disk to durable counts, beside inflating alone and the plain way.

Two floors inflate the same files with igzip and do nothing else, checksums included. `igzip streamed` passes the text piece by
piece through one piece of memory: the strictest floor there is. `igzip.decompress` makes the whole text of each file, as a reader
does that wants it all; the fresh memory for it costs as much again. `gzip + json` is the exporter's own path behind a reader that
does what most tools do: gzip, json.loads of the whole file, a loop over the records.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from isal import igzip

from bench.rounds import Figures, in_child, interleaved, median, peak_rss_mb, ratio, show, timed
from exporter.catalog import Watch
from exporter.config import validate
from exporter.demo.trail import TrailGenerator, trail_path, write_trail_file
from exporter.logs import make_logger
from exporter.metrics.telemetry import Telemetry
from exporter.pipeline import build_pipeline
from exporter.sources import Source, roster
from exporter.sources.base import Batch, FetchContext, RawRecord, key_of
from exporter.store import open_store

RECORDS = 100_000
FILES = 55
ROUNDS = 7
START = datetime(2026, 1, 31, 0, 0, tzinfo=UTC)


class PlainSource:
    """Reads trail files with the standard library, each whole."""

    name = "plain"
    account_id = region = ""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def fetch(self, context: FetchContext) -> Iterator[Batch]:
        """Yield a batch a file."""
        for path in sorted(self._directory.rglob("*.json.gz")):
            records = json.loads(gzip.decompress(path.read_bytes()))["Records"]
            wanted = [record for record in records if context.wanted(record["eventSource"], record["eventName"])]
            raw = [RawRecord(json.dumps(record, separators=(",", ":")).encode(), record) for record in wanted]
            yield Batch(str(path), raw, len(records), {"not_watched": len(records) - len(raw)}, cursors={str(path): "done"})


def generate(directory: Path, records: int = RECORDS, files: int = FILES) -> Figures:
    """Write the trail, one per cent changes, files of one account and region each; return what is in it."""
    generator = TrailGenerator(7)
    step = timedelta(days=1) / records
    figures = {"files": files, "records": 0, "changes": 0, "compressed": 0, "size": 0}
    for number in range(files):
        unit = generator.units[number % len(generator.units)]
        count = records * (number + 1) // files - records * number // files
        made = []
        for _ in range(count):
            at = START + figures["records"] * step
            change = generator.chance.random() < 0.01
            made.append(generator.change(at, unit) if change else generator.ordinary(at, unit))
            figures["records"] += 1
            figures["changes"] += made[-1].truth.change
        suffix = generator.ids.letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
        path = write_trail_file(trail_path(directory, unit, made[-1].truth.event_time, suffix), (item.record for item in made))
        figures["compressed"] += path.stat().st_size
    return {key: float(value) for key, value in figures.items()}


def _inflate_at_once(directory: Path) -> Figures:
    paths = sorted(directory.rglob("*.json.gz"))

    def work() -> None:
        for path in paths:
            igzip.decompress(path.read_bytes())  # type: ignore[no-untyped-call]

    return _floor(work)


def _inflate(directory: Path) -> Figures:
    paths = sorted(directory.rglob("*.json.gz"))
    piece = bytearray(1 << 18)
    size = 0

    def work() -> None:
        nonlocal size
        size = 0
        for path in paths:
            with igzip.open(path) as stream:  # type: ignore[no-untyped-call]
                while count := stream.readinto(piece):
                    size += count

    return _floor(work) | {"size": size}


def _floor(work: Callable[[], None]) -> Figures:
    """Return the medians of some passes: one alone is short, and would be mostly chance."""
    passes = [timed(work) for _ in range(5)]
    return {key: median(passes, key) for key in ("cpu", "wall")}


def _read(directory: Path) -> Figures:
    config = validate({"sources": [{"type": "files", "path": str(directory)}]}, "the benchmark's configuration")
    source = roster(config.sources[0]).sources[0]
    context = FetchContext(lambda _key: None, Watch(config.watch.sets, config.watch.events).wanted, lambda: START)
    return timed(lambda: sum(batch.read for batch in source.fetch(context)))


def _ingest(directory: Path, plain: bool) -> Figures:
    # The lines that the service would log, one a change, are made and thrown away.
    with (
        tempfile.TemporaryDirectory(prefix="aws-change-exporter-bench-") as scratch,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
    ):
        store = open_store(Path(scratch) / "state.db")
        config = validate(
            {"sources": [{"type": "files", "path": str(directory), "live_since": "beginning"}]}, "the benchmark's configuration"
        )
        pipeline = build_pipeline(config, store, Telemetry(), make_logger("info", "json", nowhere))
        source: Source
        source, settings = pipeline.polled[0]
        if plain:
            source = PlainSource(directory)
        figures = timed(lambda: pipeline.poller.poll(source, settings))
        report = pipeline.poller.reports[key_of(source)]
        store.close()
    if not report.complete:
        raise RuntimeError(f"the poll was not complete: {report.error}")
    return figures | {"read": report.read, "stored": report.stored, "malformed": report.malformed}


def ingested(directory: Path) -> Figures:
    """Return what the exporter's own ingest of a trail takes."""
    return _ingest(directory, plain=False)


CASES: dict[str, Callable[[Path], Figures]] = {
    "igzip streamed": _inflate,
    "igzip.decompress": _inflate_at_once,
    "exporter, reading alone": _read,
    "exporter": ingested,
    "gzip + json": lambda directory: _ingest(directory, plain=True),
}


def run() -> None:
    """Generate the trail, measure every case in children of their own, and print the table."""
    with tempfile.TemporaryDirectory(prefix="aws-change-exporter-bench-") as scratch:
        directory = Path(scratch)
        made = generate(directory)
        measured = interleaved({name: partial(in_child, "bench.ingest", name, scratch) for name in CASES}, ROUNDS)
    for name in ("exporter", "gzip + json"):
        for figures in measured[name]:
            if (figures["read"], figures["stored"], figures["malformed"]) != (made["records"], made["changes"], 0):
                raise RuntimeError(f"{name}: read and stored {figures}, but the trail has {made}")
    streamed, at_once, plain = measured["igzip streamed"], measured["igzip.decompress"], measured["gzip + json"]
    size = streamed[0]["size"]
    rows = [
        [
            name,
            f"{median(figures, 'cpu'):.3f} s",
            f"{median(figures, 'wall'):.3f} s",
            f"{made['records'] / median(figures, 'cpu') / 1000:,.0f} k",
            f"{ratio(figures, streamed, 'cpu'):.2f} x",
            f"{ratio(figures, at_once, 'cpu'):.2f} x",
            f"{ratio(plain, figures, 'cpu'):.1f} x",
            f"{median(figures, 'rss'):.0f} MB",
        ]
        for name, figures in measured.items()
    ]
    show(
        f"Ingest of trail files: {made['records']:,.0f} records, {made['changes']:,.0f} changes, {made['files']:.0f} files, "
        f"{size / 1e6:.0f} MB of JSON, {made['compressed'] / 1e6:.1f} MB gzip",
        ["", "cpu", "wall", "records/cpu s", "of igzip streamed", "of igzip.decompress", "faster than gzip+json", "peak RSS"],
        rows,
        [
            "igzip streamed: through 256 KiB used again and again, nothing kept. igzip.decompress: each file at once, as whole text.",
            f"Medians of {ROUNDS} interleaved rounds, each case a process of its own; cpu and wall without its start, RSS with it.",
            "exporter: files source, parser, log lines, SQLite (synchronous=FULL, a transaction a file). Goals: <= 2.5 x, >= 5 x, < 80 MB.",
            "Every change that the generator made was stored, and nothing else; checked in every round.",
        ],
    )


def main() -> None:
    """Measure one case over a directory and print its figures as JSON; what `run` starts."""
    name, directory = sys.argv[1:]
    # Files in the page cache and a core that is awake: each case starts from the same.
    _inflate(Path(directory))
    figures = CASES[name](Path(directory))
    print(json.dumps(figures | {"rss": peak_rss_mb()}))


if __name__ == "__main__":
    main()
