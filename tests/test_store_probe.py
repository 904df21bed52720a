"""The look at a store before it is used."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from exporter.errors import StoreError
from exporter.store import open_store, probe_store
from exporter.store.schema import APPLICATION_ID, MIGRATIONS


def test_a_store_that_is_not_there_yet_is_not_made(tmp_path):
    """Otherwise asking what is wrong leaves files behind."""
    probe = probe_store(tmp_path / "state.db")
    assert (probe.version, probe.in_use) == (0, False)
    assert probe.free > 0
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_ours_is_known_and_left_as_it_is(tmp_path):
    """Otherwise the look changes what it looks at, or refuses a good store."""
    open_store(tmp_path / "state.db").close()
    before = (tmp_path / "state.db").read_bytes()
    assert probe_store(tmp_path / "state.db").version == len(MIGRATIONS)
    assert (tmp_path / "state.db").read_bytes() == before


def test_an_older_store_is_not_brought_to_the_latest_schema(tmp_path):
    """Otherwise `doctor` of a new version makes the store unreadable for the old one that still runs."""
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 0")
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
    probe = probe_store(path)
    assert probe.version == 0 < probe.latest
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)


def test_a_store_that_another_process_writes_to_is_in_use_and_not_broken(tmp_path):
    """Otherwise `doctor` beside a busy exporter reports a failure that is none."""
    path = tmp_path / "state.db"
    open_store(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert probe_store(path).in_use
        writer.execute("ROLLBACK")
    assert not probe_store(path).in_use


def foreign_text(path):
    path.write_text("not a database")


def foreign_database(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.commit()


def newer(path):
    open_store(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")


def directory(path):
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (foreign_text, "move it away or set store.path to another file"),
        (foreign_database, "set store.path to another file"),
        (newer, "upgrade aws-change-exporter"),
        (directory, "set store.path to a file"),
    ],
)
def test_what_is_no_store_of_ours_is_refused_with_a_remedy(tmp_path, make, remedy):
    """Otherwise `doctor` calls a store good that `serve` then refuses."""
    make(tmp_path / "state.db")
    with pytest.raises(StoreError, match=remedy):
        probe_store(tmp_path / "state.db")


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    """Otherwise somebody changes the file's mode, which is not what is wrong."""
    with pytest.raises(StoreError, match="absent must exist and be writable for this user"):
        probe_store(tmp_path / "absent" / "state.db")
    with pytest.raises(StoreError, match="/proc must exist and be writable for this user"):
        probe_store("/proc/state.db")
