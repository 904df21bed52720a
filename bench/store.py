"""The store: events a second at two sizes of batch, bytes an event, search, and what stands in a unit; beside a bare table.

`bare sqlite3` is the least that could be called a store, in the same mode (WAL, synchronous=FULL): one narrow row an event with a
unique id, one index, one counter and the cursor in each transaction; no raw record, no rules, no history to show.
"""

from __future__ import annotations

import gc
import random
import sqlite3
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import orjson

from bench.rounds import Figures, interleaved, median, ratio, show, timed
from exporter.catalog import DEFAULT_WATCH_SETS, Watch
from exporter.demo.trail import TrailGenerator
from exporter.model import ChangeEvent, Unit
from exporter.parse import RecordParser
from exporter.posture.open_ingress import OpenedIngress
from exporter.posture.ports import DEFAULT_PORT_CLASSES, parse_ports
from exporter.store import Store, open_store
from exporter.store.base import BEGINNING, DocumentKey, Ingest, PostureChange, Query, digest_of

ROUNDS = 3
SMALL, LARGE = 50, 1000
SIZED = 50_000
DOCUMENTS, DOCUMENT_RULES = 10_000, 60
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def make_events(count: int) -> list[ChangeEvent]:
    """Return parsed changes of the made-up trail."""
    parser = RecordParser(
        Watch(DEFAULT_WATCH_SETS), OpenedIngress({name: parse_ports(entries) for name, entries in DEFAULT_PORT_CLASSES.items()})
    )
    events = []
    for made in TrailGenerator(11).records(count, NOW - timedelta(days=30), NOW, change_share=1):
        raw = orjson.dumps(made.record)
        event = parser.parse(orjson.loads(raw), raw)
        assert isinstance(event, ChangeEvent)
        events.append(event)
    return events


def _fresh(directory: Path, name: str) -> Path:
    """Return a path at which there is no database any more."""
    for suffix in ("", "-wal", "-shm"):
        (directory / f"{name}{suffix}").unlink(missing_ok=True)
    return directory / name


def _fill(store: Store, events: Sequence[ChangeEvent], batch: int) -> None:
    for start in range(0, len(events), batch):
        part = events[start : start + batch]
        units = frozenset(Unit(event.account_id, event.region) for event in part)
        store.append(Ingest("bench", NOW, part, len(part), cursors={"file": str(start)}, units=units))


def _ours(directory: Path, events: Sequence[ChangeEvent], batch: int) -> Figures:
    store = open_store(_fresh(directory, "exporter.db"))
    store.go_live("bench", NOW, BEGINNING)
    figures = timed(lambda: _fill(store, events, batch))
    kept = store.stats().events
    store.close()
    if kept != len(events):
        raise RuntimeError(f"{len(events)} events went in, {kept} are kept")
    return figures


def _bare_store(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE events (id BLOB UNIQUE, at INTEGER, account TEXT, region TEXT, source TEXT, name TEXT, outcome TEXT, principal TEXT, "
        "security_group TEXT, live INTEGER)"
    )
    connection.execute("CREATE INDEX by_group ON events (security_group, at)")
    connection.execute("CREATE TABLE counts (series TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID")
    connection.execute("CREATE TABLE cursors (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
    return connection


def _bare_row(event: ChangeEvent) -> tuple[object, ...]:
    group = event.security_groups[0] if event.security_groups else None
    at = int(event.event_time.timestamp())
    return (
        bytes.fromhex(event.event_id.replace("-", "")),
        at,
        event.account_id,
        event.region,
        event.event_source,
        event.event_name,
        event.outcome.value,
        event.principal.name,
        group,
        1,
    )


def _bare_fill(connection: sqlite3.Connection, events: Sequence[ChangeEvent], batch: int) -> None:
    for start in range(0, len(events), batch):
        part = events[start : start + batch]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_bare_row, part))
        counts = Counter(f"{event.account_id}/{event.region}/{event.event_name}/{event.outcome.value}" for event in part)
        connection.executemany("INSERT INTO counts VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value", counts.items())
        connection.execute("INSERT INTO cursors VALUES ('file', ?) ON CONFLICT DO UPDATE SET value = excluded.value", (str(start),))
        connection.execute("COMMIT")


def _bare(directory: Path, events: Sequence[ChangeEvent], batch: int) -> Figures:
    with closing(_bare_store(_fresh(directory, "bare.db"))) as connection:
        return timed(lambda: _bare_fill(connection, events, batch))


def _milliseconds(ask: Callable[[str], object], groups: Sequence[str]) -> tuple[float, float]:
    """Return median and 99th percentile of asking for one group."""
    taken = []
    for group in groups:
        begin = time.perf_counter()
        ask(group)
        taken.append((time.perf_counter() - begin) * 1000)
    taken.sort()
    return statistics.median(taken), taken[len(taken) * 99 // 100]


def _throughput(scratch: Path, events: Sequence[ChangeEvent]) -> None:
    rows = []
    for batch, count in ((SMALL, 5_000), (LARGE, 20_000)):
        part = events[:count]
        cases: dict[str, Callable[[], Figures]] = {
            "exporter": partial(_ours, scratch, part, batch),
            "bare sqlite3": partial(_bare, scratch, part, batch),
        }
        measured = interleaved(cases, ROUNDS)
        for name, figures in measured.items():
            wall = median(figures, "wall")
            rows.append(
                [
                    f"{name}, batches of {batch}",
                    f"{count / wall:,.0f}",
                    f"{wall / (count / batch) * 1000:.2f} ms",
                    f"{ratio(figures, measured['bare sqlite3'], 'wall'):.2f} x",
                ]
            )
    show(
        "Events into the store (new events, counted, with rules and the raw record; one durable transaction a batch)",
        ["", "events/s", "a transaction", "of bare"],
        rows,
        [f"Medians of {ROUNDS} interleaved rounds, a fresh file each."],
    )


def _size_and_search(scratch: Path, events: Sequence[ChangeEvent]) -> None:
    ours_path, bare_path = scratch / "exporter.db", scratch / "bare.db"
    _ours(scratch, events, LARGE)
    _bare(scratch, events, LARGE)
    raw = sum(len(event.raw) for event in events)
    groups = sorted({event.security_groups[0] for event in events if event.security_groups})
    asked = groups[:: max(1, len(groups) // 400)]
    with closing(open_store(ours_path)) as store, closing(sqlite3.connect(bare_path)) as bare:
        again = timed(lambda: _fill(store, events[:20_000], LARGE))
        by_group = _milliseconds(lambda group: store.search(Query(security_groups=(group,), limit=50)), asked)
        narrow = "SELECT * FROM events WHERE security_group = ? ORDER BY at DESC LIMIT 50"
        bare_by_group = _milliseconds(lambda group: bare.execute(narrow, (group,)).fetchall(), asked)
        names = ("ModifySecurityGroupRules", "DeleteSecurityGroup", "CreateSecurityGroup") * 7
        by_name = _milliseconds(lambda name: store.search(Query(event_names=(name,), limit=50)), names)
        bare_name = "SELECT * FROM events WHERE name = ? ORDER BY at DESC LIMIT 50"
        bare_by_name = _milliseconds(lambda name: bare.execute(bare_name, (name,)).fetchall(), names)
    sizes = [path.stat().st_size / len(events) for path in (ours_path, bare_path)]
    show(
        f"The store with {len(events):,} events, whose raw records have {raw / len(events):,.0f} bytes each",
        ["", "exporter", "bare sqlite3", "of bare"],
        [
            ["MB for a million events (extrapolated)", *(f"{size:.0f}" for size in sizes), f"{sizes[0] / sizes[1]:.2f} x"],
            ["... of the raw records' own size", f"{sizes[0] * len(events) / raw:.3f} x", "", ""],
            ["same events again, events/s", f"{20_000 / again['wall']:,.0f}", "", ""],
            ["last 50 of a group, p50", f"{by_group[0]:.2f} ms", f"{bare_by_group[0]:.2f} ms", f"{by_group[0] / bare_by_group[0]:.1f} x"],
            ["last 50 of a group, p99", f"{by_group[1]:.2f} ms", f"{bare_by_group[1]:.2f} ms", f"{by_group[1] / bare_by_group[1]:.1f} x"],
            ["last 50 of a call, p50", f"{by_name[0]:.2f} ms", f"{bare_by_name[0]:.2f} ms", f"{by_name[0] / bare_by_name[0]:.2f} x"],
        ],
        ["The exporter gives whole events back (principal, rules, resources, sources), bare sqlite3 its narrow row."],
    )


def _standing(scratch: Path) -> None:
    dice = random.Random(17)
    rules = [
        {"rule_id": f"sgr-{dice.getrandbits(68):017x}", "protocol": "tcp", "from_port": port, "peer": f"192.0.2.{port % 256}/32"}
        for port in range(1000)
    ]
    bodies = {("group", f"sg-{number:017x}"): orjson.dumps(dice.choices(rules, k=DOCUMENT_RULES)) for number in range(DOCUMENTS)}
    changed = dict(list(bodies.items())[: DOCUMENTS // 100])
    path = _fresh(scratch, "standing.db")
    with closing(open_store(path)) as store:

        def replace(sequence: int, documents: Mapping[DocumentKey, bytes]) -> None:
            if not store.replace_posture(PostureChange("111122223333", "us-east-1", sequence, NOW, "bench", documents=documents)):
                raise RuntimeError("nobody else writes this file, yet a change was refused")

        first = timed(lambda: replace(0, bodies))
        digests = timed(lambda: store.posture("111122223333", "us-east-1"))
        compare = timed(lambda: [digest_of(body) for body in bodies.values()])
        unchanged = timed(lambda: replace(1, {}))
        all_again = timed(lambda: replace(2, bodies))
        few = timed(lambda: replace(3, {key: body + b" " for key, body in changed.items()}))
        read = timed(lambda: store.documents("111122223333", "us-east-1", "group"))
    size, whole = path.stat().st_size, sum(map(len, bodies.values()))
    rows = (
        ("first reading: all written", first),
        ("digests of all read (`posture`)", digests),
        ("digests of all worked out", compare),
        ("a reading that changes nothing", unchanged),
        ("all given again, unchanged", all_again),
        (f"{len(changed)} changed", few),
        ("bodies of all read", read),
    )
    show(
        f"What stands in a unit: {DOCUMENTS:,} documents of {whole / DOCUMENTS:,.0f} bytes; the file takes {size / whole:.2f} x of that",
        ["", "ms"],
        [[name, f"{figures['wall'] * 1000:,.1f}"] for name, figures in rows],
        [],
    )


def run() -> None:
    """Make the events, fill stores with them and print the tables."""
    events = make_events(SIZED)
    gc.freeze()
    with tempfile.TemporaryDirectory(prefix="aws-change-exporter-bench-") as scratch:
        _throughput(Path(scratch), events)
        _size_and_search(Path(scratch), events)
        _standing(Path(scratch))
    gc.unfreeze()
