"""Forgetting history lowers no count and frees what it held."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.store import SqliteStore
from exporter.store.base import Query
from exporter.store.prune import CHUNK
from exporter.store.schema import MIGRATIONS
from tests.store_events import GROUP, NOON, ingest, made_up, make_event, values

pytestmark = pytest.mark.usefixtures("each_store")


def count_rows(path: Path) -> dict[str, int]:
    """Return the rows of each table that belongs to events."""
    connection = sqlite3.connect(path)
    tables = ("seen", "events", "touched", "touched_rules", "blocks", "kept_details")
    rows = {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
    connection.close()
    return rows


def test_what_is_older_is_forgotten_and_nothing_else(tmp_path: Path) -> None:
    """The time itself is kept: `before` is exclusive, as retention says."""
    store = SqliteStore(tmp_path / "state.db")
    times = [NOON - timedelta(days=2), NOON - timedelta(microseconds=1), NOON, NOON + timedelta(days=2)]
    store.append(ingest(*(make_event(n, event_time=moment) for n, moment in enumerate(times)), cursors={"a": "1"}))
    counts, revision = values(store.series().rows), store.revision()
    assert store.prune(NOON) == 2
    assert [row.event.event_time for row in store.search(Query())] == [NOON + timedelta(days=2), NOON]
    assert len(store.search(Query(security_groups=(GROUP,)))) == 2
    assert (values(store.series().rows), store.cursor("files", "a")) == (counts, "1")
    assert store.revision() > revision, "an answer of the API that was kept shows what is gone"
    assert store.prune(NOON) == 0
    store.close()


def test_a_forgotten_event_that_comes_again_does_not_count_again(tmp_path: Path) -> None:
    """A trail bucket that is read anew would otherwise count its old files a second time."""
    store = SqliteStore(tmp_path / "state.db")
    events = made_up(3, 400)
    store.append(ingest(*events))
    counts = {key: value for key, value in values(store.series().rows).items() if not key[0].startswith("awschange_exporter_")}
    assert store.prune(NOON + timedelta(days=1)) == len({event.event_id for event in events})
    assert store.append(ingest(*events)).stored == ()
    assert {key: value for key, value in values(store.series().rows).items() if not key[0].startswith("awschange_exporter_")} == counts
    assert store.search(Query()) == []
    store.close()


@pytest.mark.of_sqlite
def test_nothing_is_left_behind_but_the_ids(tmp_path: Path) -> None:
    """Rows that no event points to would fill the disk for ever."""
    store = SqliteStore(tmp_path / "state.db")
    for at in range(0, 60, 20):
        store.append(ingest(*(make_event(n, event_time=NOON + timedelta(seconds=n)) for n in range(at, at + 20))))
    assert count_rows(tmp_path / "state.db") == {
        "seen": 60,
        "events": 60,
        "touched": 60,
        "touched_rules": 60,
        "blocks": 6,
        "kept_details": 0,
    }
    assert store.prune(NOON + timedelta(seconds=30)) == 30
    # Events 30 to 35 share a block with forgotten ones, so that it stays.
    assert count_rows(tmp_path / "state.db") == {
        "seen": 60,
        "events": 30,
        "touched": 30,
        "touched_rules": 30,
        "blocks": 4,
        "kept_details": 0,
    }
    assert [row.event.raw for row in store.search(Query(raw=True))] == [make_event(n).raw for n in reversed(range(30, 60))]
    assert store.prune(NOON + timedelta(days=1)) == 30
    assert count_rows(tmp_path / "state.db") == {"seen": 60, "events": 0, "touched": 0, "touched_rules": 0, "blocks": 0, "kept_details": 0}
    stats = store.stats()
    assert (stats.events, stats.oldest_event_time, stats.newest_event_time) == (0, None, None)
    store.close()


@pytest.mark.of_sqlite
def test_space_is_used_again(tmp_path: Path) -> None:
    """A store of constant retention must not grow for ever by its history."""
    store = SqliteStore(tmp_path / "state.db")
    sizes = []
    for round_ in range(6):
        store.append(ingest(*(make_event(round_ * 400 + n, raw=bytes(1000) + str(n).encode() * 200) for n in range(400))))
        store.prune(NOON + timedelta(days=1))
        sizes.append(store._database.value("size", "SELECT page_count FROM pragma_page_count()"))
    growth = [int(str(sizes[at + 1])) - int(str(sizes[at])) for at in range(5)]
    assert max(growth[1:]) * 4096 < 400 * 100, "only the ids, some 70 bytes each, remain"
    store.close()


def test_writers_get_their_turn_while_much_is_forgotten(tmp_path: Path) -> None:
    """One transaction for all would keep a poll waiting for as long as it takes."""
    store = SqliteStore(tmp_path / "state.db")
    total = CHUNK * 6
    for at in range(0, total, 1000):
        store.append(ingest(*(make_event(n, event_time=NOON - timedelta(days=1)) for n in range(at, min(at + 1000, total)))))
    order: list[str] = []
    thread = threading.Thread(target=lambda: order.append(f"pruned {store.prune(NOON)}"))
    thread.start()
    while store.stats().events == total:
        time.sleep(0.0005)
    store.append(ingest(make_event(total + 1)))
    order.append("appended")
    thread.join(20)
    assert order == ["appended", f"pruned {total}"]
    assert store.stats().events == 1
    store.close()


@pytest.mark.of_sqlite
def test_stats_tell_size_count_and_extent(tmp_path: Path) -> None:
    """The count is kept, not counted: count(*) over a million rows at every scrape would be seen."""
    store = SqliteStore(tmp_path / "state.db")
    for seed in range(4):
        store.append(ingest(*made_up(seed, 150)))
    store.prune(NOON)
    rows = store.search(Query(limit=10_000))
    stats = store.stats()
    assert (stats.events, stats.newest_event_time, stats.oldest_event_time) == (
        len(rows),
        rows[0].event.event_time,
        rows[-1].event.event_time,
    )
    assert stats.schema_version == len(MIGRATIONS)
    assert stats.size_bytes == sum((tmp_path / name).stat().st_size for name in ("state.db", "state.db-wal")) - _unwritten(tmp_path)
    store.close()


def _unwritten(directory: Path) -> int:
    """Return how far the file lags behind the pages that are still in the log only (negative: the file is shorter)."""
    connection = sqlite3.connect(directory / "state.db")
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    return (directory / "state.db").stat().st_size - pages * 4096


@pytest.mark.parametrize("path", [":memory:", "state.db"])
def test_forgetting_some_keeps_a_search_right(tmp_path: Path, path: str) -> None:
    """Blocks, indexes and rows are forgotten together."""
    store = SqliteStore(path if path == ":memory:" else tmp_path / path)
    events = {event.event_id: event for event in made_up(8, 300) if not event.supersedes}
    store.append(ingest(*events.values()))
    for minutes in (-40, -10, 20):
        before = NOON + timedelta(minutes=minutes)
        store.prune(before)
        left = [row.event for row in store.search(Query())]
        assert {event.event_id for event in left} == {event.event_id for event in events.values() if event.event_time >= before}
        for group, count in Counter(group for event in left for group in event.security_groups).items():
            assert len(store.search(Query(security_groups=(group,)))) == count
    store.close()


def test_what_was_stored_lately_is_kept_however_old_it_is(tmp_path: Path) -> None:
    """An investigation over files of years ago would lose its history in the very hour in which it began."""
    store = SqliteStore(tmp_path / "state.db")
    old = NOON - timedelta(days=3000)
    store.append(ingest(make_event(1, event_time=old), at=NOON - timedelta(days=500)))
    store.append(ingest(make_event(2, event_time=old), at=NOON))
    before = NOON - timedelta(days=400)
    assert store.prune(before, stored_before=before) == 1
    assert [row.event.event_id for row in store.search(Query())] == [make_event(2).event_id]
    store.close()
