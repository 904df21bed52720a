"""What goes wrong with the file is said with file, what and remedy, and nothing of it stays."""

from __future__ import annotations

import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.errors import StoreError, TookTooLong
from exporter.store import SqliteStore, Store, open_store
from exporter.store.base import Query
from exporter.store.connection import Database
from tests.store_events import ingest, make_event, values


@pytest.mark.parametrize("content", [b"x", b"not a database at all " * 100, b"SQLite format 3\0" + b"\xff" * 2000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    """A wrong path must not cost a log file its content."""
    path = tmp_path / "state.db"
    path.write_bytes(content)
    with pytest.raises(
        StoreError, match=r"state\.db: cannot open the store: (.*; )?the file is (not a store|damaged) and was left as it is"
    ):
        SqliteStore(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("path", ["missing/state.db", "."])
def test_a_path_that_cannot_be_a_file_names_the_remedy(tmp_path: Path, path: str) -> None:
    """ "unable to open database file" alone sends people to the wrong place."""
    with pytest.raises(StoreError, match=r"cannot open the store: .*; its directory must exist and be writable"):
        SqliteStore(tmp_path / path)


@pytest.mark.parametrize("path", ["", "state\0.db"])
def test_a_path_that_names_nothing_is_refused(path: str) -> None:
    """SQLite takes the empty path for a file that is deleted at the end, with all counts in it."""
    with pytest.raises(StoreError, match=r"set store\.path"):
        SqliteStore(path)


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    """`touch` and a mounted empty file are fine."""
    (tmp_path / "state.db").touch()
    store: Store = open_store(tmp_path / "state.db")
    assert store.stats().events == 0
    store.close()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_was_taken_away_is_said_at_once(tmp_path: Path, replaced: bool) -> None:
    """What is written to a deleted file is gone with the process, and all counts with it; until then all would look well."""
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    store.append(ingest(make_event(1)))
    path.rename(tmp_path / "away.db")
    if replaced:
        path.write_bytes((tmp_path / "away.db").read_bytes())
    said = r"state\.db: cannot .*: the file was deleted, moved or replaced while it was open; put it back, or restart"
    for use in (lambda: store.append(ingest(make_event(2))), store.revision, store.series, lambda: store.cursor("files", "a")):
        with pytest.raises(StoreError, match=said):
            use()
    assert path.exists() == replaced, "no empty file takes its place"
    (tmp_path / "away.db").rename(path)
    assert store.append(ingest(make_event(2))).stored
    store.close()


def test_a_full_disk_is_said_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """Half a batch without its cursor would count again after the disk is cleared."""
    store = SqliteStore(tmp_path / "state.db")
    store.append(ingest(make_event(1)))
    before, revision = values(store.series().rows), store.revision()
    pages = store._database._writer.execute("PRAGMA page_count").fetchone()[0]
    store._database._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match=r"state\.db: cannot store events: .*full; the disk is full: free space"):
        store.append(ingest(*(make_event(n, raw=bytes(range(256)) * 500) for n in range(2, 60)), cursors={"a": "60"}))
    assert (values(store.series().rows), store.revision(), store.cursor("files", "a")) == (before, revision, None)
    store._database._writer.execute("PRAGMA max_page_count = 1000000")
    assert len(store.append(ingest(*map(make_event, range(60)))).stored) == 59
    store.close()


def test_a_store_that_cannot_be_written_says_so_and_still_reads(tmp_path: Path) -> None:
    """History and metrics stay useful on a file system that turned read-only."""
    store = SqliteStore(tmp_path / "state.db")
    store.append(ingest(make_event(1)))
    store._database._writer.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match=r"cannot store events: .*readonly.*; make the file and its directory writable"):
        store.append(ingest(make_event(2)))
    assert len(store.search(Query())) == 1
    store.close()


def test_a_lock_that_another_process_keeps_is_waited_for_and_then_said(tmp_path: Path) -> None:
    """Waiting for ever would look like a hang; giving up at once would fail `poll` beside `serve`."""
    path = tmp_path / "state.db"
    store = SqliteStore(path, busy_timeout=timedelta(milliseconds=50))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="cannot store events: database is locked; another process keeps the file locked"):
        store.append(ingest(make_event()))
    assert store.search(Query()) == [], "readers never wait"
    other.execute("ROLLBACK")
    other.close()
    assert len(store.append(ingest(make_event())).stored) == 1
    store.close()


def test_a_damaged_file_is_an_error_of_the_store_and_keeps_its_bytes(tmp_path: Path) -> None:
    """What cannot be read must not be served as if it were all there."""
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    store.append(ingest(*map(make_event, range(300))))
    store.close()
    content = bytearray(path.read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 64] = b"\xa5" * 64
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"state\.db: .*damaged"):
        SqliteStore(path).series()
    assert path.read_bytes() == content


def test_a_damaged_block_is_an_error_of_the_store(tmp_path: Path) -> None:
    """SQLite does not check what is inside a blob; zlib's checksum does."""
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    store.append(ingest(make_event()))
    connection = sqlite3.connect(path)
    for body in (b"", b"garbage"):
        connection.execute("UPDATE blocks SET body = ?", (body,))
        connection.commit()
        with pytest.raises(StoreError, match="damaged"):
            store.search(Query())
    connection.execute("DELETE FROM blocks")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="missing"):
        store.search(Query())
    store.close()


def test_a_search_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    """A question over years must not hold a thread for minutes."""
    store = SqliteStore(tmp_path / "state.db", search_timeout=timedelta(0))
    store.append(ingest(*map(make_event, range(2000))))
    with pytest.raises(TookTooLong, match="cannot search events: interrupted; it took too long: ask for less"):
        store.search(Query(limit=2000))
    assert store.stats().events == 2000, "the limit must not stay with the connection"
    store.close()


@pytest.mark.parametrize("where", ["file", "memory"])
def test_a_closed_store_says_so(tmp_path: Path, where: str) -> None:
    """sqlite3 would raise its own ProgrammingError, which nobody above the store knows."""
    store = SqliteStore(tmp_path / "state.db" if where == "file" else ":memory:")
    store.close()
    store.close()
    for use in (store.revision, store.series, store.stats, lambda: store.search(Query()), lambda: store.append(ingest(make_event()))):
        with pytest.raises(StoreError, match="the store is closed"):
            use()


def test_closing_while_threads_read_leaves_no_connection_open(tmp_path: Path) -> None:
    """A reader that outlives close() would keep the file and its log open."""
    database = Database(tmp_path / "state.db", 1.0)
    inside, go = threading.Event(), threading.Event()
    held: list[sqlite3.Connection] = []

    def read() -> None:
        with database.reading("read") as reader:
            held.append(reader)
            inside.set()
            go.wait(5)

    thread = threading.Thread(target=read)
    thread.start()
    inside.wait(5)
    database.close()
    go.set()
    thread.join(5)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        held[0].execute("SELECT 1")
    assert not (tmp_path / "state.db-wal").exists(), "the last connection to close folds the log into the file"


def test_many_readers_at_once_keep_only_a_few_connections(tmp_path: Path) -> None:
    """A burst of scrapes must not leave a connection, with its cache, for each of them."""
    database = Database(tmp_path / "state.db", 1.0)
    barrier = threading.Barrier(20)

    def read() -> None:
        with database.reading("read") as reader:
            barrier.wait(5)
            reader.execute("SELECT 1")

    threads = [threading.Thread(target=read) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(database._readers) <= 8
    database.close()


def test_commits_are_synced_and_readers_do_not_wait(tmp_path: Path) -> None:
    """WAL with NORMAL could lose the last acknowledged commits in a power cut; a rollback journal would block scrapes."""
    database = Database(tmp_path / "state.db", 1.0)
    with database.writing("look") as writer:
        assert writer.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert writer.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        writer.execute("INSERT INTO cursors VALUES ('a', 'b', 'c')")
        with database.reading("read meanwhile") as reader:
            assert reader.execute("SELECT count(*) FROM cursors").fetchone()[0] == 0
    database.close()


def test_one_reading_shows_one_state_of_the_file(tmp_path: Path) -> None:
    """A search that read numbers before a pruning and rows after it would fail; a revision would not fit its rows."""
    database = Database(tmp_path / "state.db", 1.0)
    count = "SELECT count(*) FROM cursors"
    with database.reading("read twice") as reader:
        assert reader.execute(count).fetchone()[0] == 0
        with database.writing("write between") as writer:
            writer.execute("INSERT INTO cursors VALUES ('a', 'b', 'c')")
        assert reader.execute(count).fetchone()[0] == 0
    assert database.value("read after", count) == 1
    database.close()


def test_an_exception_inside_a_transaction_undoes_it(tmp_path: Path) -> None:
    """Whatever fails half way, the file is as it was."""
    rollbacks: list[int] = []
    database = Database(tmp_path / "state.db", 1.0, lambda: rollbacks.append(1))

    def fail() -> None:
        with database.writing("fail") as writer:
            writer.execute("INSERT INTO cursors VALUES ('a', 'b', 'c')")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert rollbacks == [1], "what was remembered of the transaction must be forgotten"
    assert database.value("look", "SELECT count(*) FROM cursors") == 0
    database.close()


def test_two_that_create_the_file_together_both_open_it(tmp_path: Path) -> None:
    """`serve` and `poll` started at once: one migrates, the other waits."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(4)

    def start() -> None:
        try:
            barrier.wait(5)
            SqliteStore(tmp_path / "state.db").close()
        except BaseException as error:  # noqa: BLE001 - the test's own thread ends here, and says why
            errors.append(error)

    for _ in range(5):
        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert errors == []
        for suffix in ("", "-wal", "-shm"):
            (tmp_path / f"state.db{suffix}").unlink(missing_ok=True)
