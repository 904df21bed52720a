"""A file is migrated in order, or left as it is."""

from __future__ import annotations

import io
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.errors import StoreError
from exporter.logs import make_logger
from exporter.model import Channel, Unit
from exporter.posture.chronicle import Amendment
from exporter.store import SqliteStore, schema
from exporter.store.base import BEGINNING, PostureChange, Query
from exporter.store.codec import details_of, encode_details
from exporter.store.sections import RUN
from tests import store_v1
from tests.store_events import NOON, ingest, make_event, values

_BACK_TO_4 = "".join(f"DROP TABLE {name};" for name in ("runs", "lexicon", "replicas", "leases", "reads")) + "PRAGMA user_version = 4"


def version(path: Path) -> int:
    """Return the schema version of a file."""
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_a_new_file_has_the_latest_schema_and_our_mark(tmp_path: Path) -> None:
    """Without the mark the next start would take the file for another program's."""
    SqliteStore(tmp_path / "state.db").close()
    assert version(tmp_path / "state.db") == len(schema.MIGRATIONS)
    assert (tmp_path / "state.db").read_bytes()[68:72] == b"AWCE"


def test_a_file_of_schema_1_reads_as_it_was_written(tmp_path: Path) -> None:
    """Whoever upgrades keeps history, counts, lines and cursors."""
    store = SqliteStore(store_v1.build(tmp_path / "state.db"))
    (found,) = store.search(Query(security_groups=("sg-0123456789abcdef0",), principals=("role/B*",), raw=True))
    assert found.event.event_id == store_v1.EVENT_ID
    assert found.event.raw == store_v1.RAW
    assert found.event.event_time.isoformat() == "2019-08-05T07:16:31+00:00"
    assert (found.event.principal.session, found.event.principal.source_ip) == ("Bob", "198.51.100.7")
    assert (found.event.channel, found.live, found.sources) == (Channel.CONSOLE, True, ("files",))
    (change,) = found.event.rule_changes
    assert (change.rule.from_port, change.rule.peer) == (998, "192.168.0.0/32")
    row = next(row for row in store.series().rows if row.id == 1)
    assert (row.labels, row.value, row.event_id) == (("111122223333", "us-east-1", "console"), 1.0, store_v1.EVENT_ID)
    assert row.exposed_at == 1564989400.0
    assert store.cursor("files", "trail.json") == "42"
    store.close()


def test_a_file_of_schema_1_knows_what_it_counted(tmp_path: Path) -> None:
    """An event of before the upgrade that is read again must not count twice, and new ones go on from the old numbers."""
    store = SqliteStore(store_v1.build(tmp_path / "state.db"))
    again = make_event(1, event_id=store_v1.EVENT_ID, fingerprint=bytes.fromhex("00112233445566778899aabbccddeeff"))
    result = store.append(ingest(again, make_event(2, channel=Channel.CONSOLE)))
    assert (len(result.stored), result.duplicates, result.conflicts) == (1, 1, ())
    assert values(store.series().rows)["awschange_channel_events_total", ("111122223333", "us-east-1", "console")] == 2.0
    assert len(store.search(Query())) == 2
    store.close()


def test_old_units_and_sources_get_the_zeros_of_a_new_version(tmp_path: Path) -> None:
    """A counter that a new version brings would otherwise be missing for every unit met before, and its first change with it."""
    store = SqliteStore(store_v1.build(tmp_path / "state.db"))
    found = values(store.series().rows)
    assert found["awschange_ingress_opened_total", ("111122223333", "us-east-1", "admin")] == 0.0
    assert found["awschange_exporter_records_total", ("files", "malformed", "json")] == 0.0
    assert found["awschange_channel_events_total", ("111122223333", "us-east-1", "console")] == 1.0
    revision = store.revision()
    assert revision > 7
    store.close()
    store = SqliteStore(tmp_path / "state.db")
    assert store.revision() == revision, "every start would show all series as changed"
    store.close()


def test_series_of_a_family_that_is_gone_are_not_shown(tmp_path: Path) -> None:
    """The exposition has neither help nor type for them."""
    store = SqliteStore(store_v1.build(tmp_path / "state.db"))
    assert "awschange_retired_total" not in {row.family for row in store.series().rows}
    store.close()


def test_migrations_run_in_order_once_each_and_keep_what_is_there(tmp_path: Path) -> None:
    """A step left out or run twice leaves a file that no version can read."""
    path = store_v1.build(tmp_path / "state.db")
    ran: list[int] = []

    def second(connection: sqlite3.Connection) -> None:
        ran.append(2)
        connection.execute("ALTER TABLE sources ADD COLUMN note TEXT")

    def third(connection: sqlite3.Connection) -> None:
        ran.append(3)
        connection.execute("UPDATE sources SET note = name")

    connection = sqlite3.connect(path, isolation_level=None)
    for _ in range(2):
        schema.migrate(connection, str(path), (schema.MIGRATIONS[0], second, third))
    assert ran == [2, 3]
    assert connection.execute("SELECT name, note FROM sources").fetchall() == [("files", "files")]
    connection.close()
    assert version(path) == 3


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """Half a migration would be beyond repair."""
    path = store_v1.build(tmp_path / "state.db")

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE sources")
        connection.execute("SELECT nonsense")

    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection, str(path), (schema.MIGRATIONS[0], broken))
    connection.close()
    assert version(path) == 1
    store = SqliteStore(path)
    assert store.live_since("files") is not None
    store.close()


def test_a_newer_schema_is_refused_with_a_remedy_and_left_alone(tmp_path: Path) -> None:
    """A downgrade that wrote into it would spoil it for the newer version."""
    path = store_v1.build(tmp_path / "state.db")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"state\.db: .*newer version \(schema 99, this one knows \d+\); upgrade"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_file_that_a_newer_version_takes_over_is_written_no_more(tmp_path: Path) -> None:
    """Two versions on one file, an upgrade beside a running one: the old one must stop before it writes its own shape."""
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    store.register([Unit("111122223333", "us-east-1")])
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer version"):
        store.append(ingest(make_event(), at=NOON))
    store.close()


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A wrong path in the configuration must not cost somebody else's data, nor even turn it to WAL."""
    path = tmp_path / "theirs.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE precious (thing TEXT)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"theirs\.db: .*another program.*set store\.path"):
        SqliteStore(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["theirs.db"]


@pytest.mark.parametrize("with_addendum", [True, False])
def test_a_past_event_of_schema_2_comes_alive_with_what_it_would_have_counted(tmp_path: Path, with_addendum: bool) -> None:
    """What was kept for that day is kept in another table now; lost, an opening would never page."""
    path = store_v1.build(tmp_path / "state.db")
    connection = sqlite3.connect(path, isolation_level=None)
    schema.migrate(connection, str(path), schema.MIGRATIONS[:2])
    first = details_of(make_event(security_groups=("sg-a",), opened_port_classes=("admin",)))
    fuller = replace(first, security_groups=("sg-a", "sg-b"), opened_port_classes=("web",))
    kept = (1, encode_details(first), encode_details(fuller) if with_addendum else None)
    connection.execute("INSERT INTO past_details (event, first, addendum) VALUES (?, ?, ?)", kept)
    connection.execute("UPDATE events SET flags = 2")
    connection.close()
    store = SqliteStore(path)
    assert version(path) == len(schema.MIGRATIONS)
    again = make_event(1, event_id=store_v1.EVENT_ID, fingerprint=bytes.fromhex("00112233445566778899aabbccddeeff"))
    store.go_live("late", NOON, BEGINNING)
    assert len(store.append(ingest(again, source="late")).promoted) == 1
    found = values(store.series().rows)
    groups = {labels[2] for (family, labels) in found if family == "awschange_security_group_changes_total"}
    assert groups == ({"sg-a", "sg-b"} if with_addendum else {"sg-a"})
    opened = {labels[2] for (family, labels), value in found.items() if family == "awschange_ingress_opened_total" and value}
    assert opened == ({"admin", "web"} if with_addendum else {"admin"})
    store.close()


def test_a_file_of_an_older_schema_takes_what_stands(tmp_path: Path) -> None:
    """Its events can be amended and told of as those of a new file."""
    store = SqliteStore(store_v1.build(tmp_path / "state.db"))
    unit = ("111122223333", "us-east-1")
    told = store.news(*unit, 0)
    assert told.touched == {"sg-0123456789abcdef0"}
    amendment = Amendment(store_v1.EVENT_ID, (), ("sg-0fedcba9876543210",), ("admin",))
    assert store.replace_posture(PostureChange(*unit, 0, NOON, "posture", amendments=(amendment,), documents={("a", "1"): b"x"}))
    (found,) = store.search(Query(security_groups=("sg-0fedcba9876543210",)))
    assert found.event.opened_port_classes == ("admin",)
    assert values(store.series().rows)["awschange_ingress_opened_total", (*unit, "admin")] == 1
    store.append(ingest(make_event()))
    assert store.news(*unit, told.last).touched == {"sg-0123456789abcdef0"}
    store.close()


def test_the_log_tells_of_an_upgrade_that_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exporter that serves nothing for half a minute after an upgrade looks dead, and is restarted in the middle of it."""
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    store.append(ingest(*map(make_event, range(30))))
    store.close()
    said = io.StringIO()
    log = make_logger("info", "json", said)
    for large, lines in ((31, 0), (30, 2)):
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(_BACK_TO_4)
        monkeypatch.setattr(schema, "LARGE", large)
        SqliteStore(path, log=log).close()
        assert len(said.getvalue().splitlines()) == lines
    assert '"events":30' in said.getvalue()
    assert str(path) in said.getvalue()


_KILLED = """
import os, signal, sys
from exporter.store import SqliteStore, runs

enter, calls = runs.enter, []

def killed(*arguments):
    calls.append(1)
    enter(*arguments)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

runs.enter = killed
SqliteStore(sys.argv[1])
"""


def test_an_upgrade_that_is_killed_is_done_anew(tmp_path: Path) -> None:
    """Kubernetes kills what does not answer in time: the file must be the old one still, whole, and the next start finish the work."""
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    for at in range(0, RUN + 2000, 2000):
        store.append(ingest(*(make_event(number, raw=b"{}") for number in range(at, at + 2000))))
    everything = store.stats().events
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_BACK_TO_4)
    done = subprocess.run([sys.executable, "-c", _KILLED, str(path)], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert version(path) == 4
    store = SqliteStore(path)
    assert (version(path), store.stats().events) == (len(schema.MIGRATIONS), everything)
    assert len(store.search(Query(text="sgr-0", limit=everything + 1))) == everything
    assert store.search(Query(text="nothing-like-it")) == []
    store.close()
