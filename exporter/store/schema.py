"""The tables, as an ordered list of migrations; PRAGMA user_version counts those that a file has had.

Sizes and speeds behind the shape were measured: rows by number beside a unique id, repeated text as numbers, an
index of (group, time), records packed in blocks.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Callable, Sequence

from exporter.errors import StoreError
from exporter.logs import Logger
from exporter.store.dictionary import TRAIL
from exporter.store.reindex import index_all

APPLICATION_ID = 0x41574345
"""Marks a file as ours ("AWCE"); PRAGMA application_id, bytes 68-71 of the SQLite header."""

Migration = Callable[[sqlite3.Connection], None]

_TABLES_1 = (
    # revision: grows with each transaction that touches a series; events: rows of `events`, because count(*) reads them all;
    # families: digest of what zero series a unit gets, so that a new version completes old units.
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    # By hash, not by text: an index of the text would hold every string twice. Two texts may share a hash.
    "CREATE TABLE strings (id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, text TEXT NOT NULL)",
    "CREATE INDEX strings_by_hash ON strings (hash)",
    # In these and in `events` a column of text holds the number of a string, 0 for none.
    "CREATE TABLE units (id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, region INTEGER NOT NULL, UNIQUE (account_id, region))",
    """CREATE TABLE calls (id INTEGER PRIMARY KEY, event_source INTEGER NOT NULL, event_name INTEGER NOT NULL, watch_set INTEGER NOT NULL,
        UNIQUE (event_source, event_name, watch_set))""",
    """CREATE TABLE principals (id INTEGER PRIMARY KEY, type INTEGER NOT NULL, name INTEGER NOT NULL, arn INTEGER NOT NULL,
        session INTEGER NOT NULL, account_id INTEGER NOT NULL, invoked_by INTEGER NOT NULL,
        UNIQUE (type, name, arn, session, account_id, invoked_by))""",
    # Times are microseconds since 1970 UTC, everywhere.
    "CREATE TABLE sources (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, live_since INTEGER NOT NULL)",
    "CREATE TABLE cursors (source TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (source, key)) WITHOUT ROWID",
    # Never pruned: what was counted once is known for ever. addendum: only a superseding record of this event has come so far.
    "CREATE TABLE seen (id INTEGER PRIMARY KEY, event_id BLOB NOT NULL UNIQUE, fingerprint BLOB NOT NULL, addendum INTEGER NOT NULL)",
    # flags: 1 live, 2 content known, 4 details are from a superseding record; sources: a string, JSON list of names.
    """CREATE TABLE events (id INTEGER PRIMARY KEY, event_time INTEGER NOT NULL, recorded_at INTEGER NOT NULL, unit INTEGER NOT NULL,
        call INTEGER NOT NULL, principal INTEGER NOT NULL, outcome INTEGER NOT NULL, channel INTEGER NOT NULL, error_code INTEGER NOT NULL,
        source_ip INTEGER NOT NULL, user_agent INTEGER NOT NULL, sources INTEGER NOT NULL, flags INTEGER NOT NULL)""",
    "CREATE INDEX events_by_time ON events (event_time)",
    # The groups and resources of an event, for the search by group: (group, time) in one range.
    """CREATE TABLE touched (string INTEGER NOT NULL, event_time INTEGER NOT NULL, event INTEGER NOT NULL,
        PRIMARY KEY (string, event_time, event)) WITHOUT ROWID""",
    # Rule ids are nearly all different, so that their hash stands for them.
    "CREATE TABLE touched_rules (hash INTEGER NOT NULL, event INTEGER NOT NULL, PRIMARY KEY (hash, event)) WITHOUT ROWID",
    # Rule changes and raw records of the events first..last, compressed together (codec.py).
    "CREATE TABLE blocks (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, dictionary INTEGER NOT NULL, body BLOB NOT NULL)",
    "CREATE TABLE dictionaries (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    # labels: the numbers of their strings, with commas. The bound keeps out infinities and what a double cannot count;
    # NaN is stored as NULL, which NOT NULL keeps out.
    """CREATE TABLE series (id INTEGER PRIMARY KEY, family INTEGER NOT NULL, labels TEXT NOT NULL,
        value REAL NOT NULL CHECK (value BETWEEN -9007199254740992 AND 9007199254740992),
        event_id BLOB, event_time INTEGER, exposed_at INTEGER, revision INTEGER NOT NULL, UNIQUE (family, labels))""",
    "CREATE INDEX series_by_revision ON series (revision)",
    "INSERT INTO meta (key, value) VALUES ('revision', 0), ('events', 0), ('families', '')",
)


def _first(connection: sqlite3.Connection) -> None:
    for statement in _TABLES_1:
        connection.execute(statement)
    connection.execute("INSERT INTO dictionaries (id, body) VALUES (1, ?)", (TRAIL,))


_TABLES_2 = (
    # The line between past and live is drawn for each unit of a source; what stood there spans many and keeps its line.
    """CREATE TABLE sources_2 (id INTEGER PRIMARY KEY, name TEXT NOT NULL, account_id TEXT NOT NULL, region TEXT NOT NULL,
        live_since INTEGER NOT NULL, UNIQUE (name, account_id, region))""",
    "INSERT INTO sources_2 (id, name, account_id, region, live_since) SELECT id, name, '', '', live_since FROM sources",
    "DROP TABLE sources",
    "ALTER TABLE sources_2 RENAME TO sources",
    # Of past events whose details a superseding record replaced: the details (codec.py) with which they count if they come
    # alive, as they came first, and of the first addendum to an original.
    "CREATE TABLE past_details (event INTEGER PRIMARY KEY, first BLOB NOT NULL, addendum BLOB)",
)


def _second(connection: sqlite3.Connection) -> None:
    for statement in _TABLES_2:
        connection.execute(statement)


_TABLES_3 = (
    # What stands in a unit. sequence: grows by one with each change; forgotten: the unit is watched no more, and only the sequence is
    # kept, so that no change worked out before passes for one of after; revision: that of `meta` at which the samples last changed,
    # 0 while there were none; samples: compressed JSON (posture.py).
    """CREATE TABLE posture (unit INTEGER PRIMARY KEY, account_id TEXT NOT NULL, region TEXT NOT NULL, sequence INTEGER NOT NULL,
        joined INTEGER NOT NULL, forgotten INTEGER NOT NULL, revision INTEGER NOT NULL, samples BLOB NOT NULL,
        UNIQUE (account_id, region))""",
    # Apart from their bodies, so that reading all digests reads little.
    """CREATE TABLE documents (unit INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, digest BLOB NOT NULL, body INTEGER NOT NULL,
        PRIMARY KEY (unit, kind, id)) WITHOUT ROWID""",
    "CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    # Compressed details (kept.py) of events whose details as stored tell less. recorded: what the last record said, and added: the
    # groups and opened classes of all amendments, of an amended event; counted: what it counts with, where an addendum replaced that.
    "CREATE TABLE kept_details (event INTEGER PRIMARY KEY, recorded BLOB, added BLOB, counted BLOB)",
    # Never pruned, as `seen`: its numbers go on from those of events, and none is given twice. Stored events that an addendum changed.
    "CREATE TABLE revised (number INTEGER PRIMARY KEY, event INTEGER NOT NULL)",
)


def _third(connection: sqlite3.Connection) -> None:
    for statement in _TABLES_3:
        connection.execute(statement)
    # What a past event counts with if it comes alive: groups and opened classes (places 0 and 4) of the original and of its first
    # addendum. Of events that were live when an addendum came, the details that they counted with are lost; the addendum's stand.
    for event, first, addendum in connection.execute("SELECT event, first, addendum FROM past_details").fetchall():
        details = json.loads(first)
        more = details if addendum is None else json.loads(addendum)
        for place in (0, 4):
            details[place] += [text for text in more[place] if text not in details[place]]
        counted = zlib.compress(json.dumps(details, separators=(",", ":")).encode("ascii"))
        connection.execute("INSERT INTO kept_details (event, counted) VALUES (?, ?)", (event, counted))
    connection.execute("DROP TABLE past_details")


_TABLES_4 = (
    # Live events that were counted late: how many of each unit, channel and minute of our clock, of the last day, and the earliest of them.
    """CREATE TABLE late (unit INTEGER NOT NULL, channel INTEGER NOT NULL, minute INTEGER NOT NULL, events INTEGER NOT NULL,
        event_time INTEGER NOT NULL, PRIMARY KEY (unit, channel, minute)) WITHOUT ROWID""",
    # From when on the source has read all of the unit, the past that it filled in included; NULL while only from live_since on.
    "ALTER TABLE sources ADD COLUMN watched_since INTEGER",
    # With all that counting by hour asks for: some 10 bytes more for each event, and a tenth of the time of looking each event up.
    # The id comes second, so that the newest events are still read from the end of it in their order.
    "DROP INDEX events_by_time",
    "CREATE INDEX events_by_time ON events (event_time, id, unit, channel, call)",
)


def _fourth(connection: sqlite3.Connection) -> None:
    for statement in _TABLES_4:
        connection.execute(statement)


_TABLES_5 = (
    # Which events have what, for every search that no other table answers (runs.py). id: the number of the run times 65,536, and the row;
    # oldest, newest: no event of the row is before or after.
    """CREATE TABLE runs (id INTEGER PRIMARY KEY, tier INTEGER NOT NULL, oldest INTEGER NOT NULL, newest INTEGER NOT NULL,
        heads BLOB NOT NULL, rules BLOB NOT NULL, tails BLOB NOT NULL)""",
    # The strings first..last in lower case, a line each (lexicon.py).
    "CREATE TABLE lexicon (last INTEGER PRIMARY KEY, first INTEGER NOT NULL, body BLOB NOT NULL)",
)


def _fifth(connection: sqlite3.Connection) -> None:
    for statement in _TABLES_5:
        connection.execute(statement)
    index_all(connection)


LEASE_TABLES = (
    # Replicas that were alive, and when they last said so. Times are of the database's clock here and in leases.
    "CREATE TABLE replicas (name TEXT PRIMARY KEY, seen INTEGER NOT NULL)",
    # replica: who polls the unit until then, empty for nobody; wanted: to whom it belongs, where that is another who has asked for it.
    "CREATE TABLE leases (unit TEXT PRIMARY KEY, replica TEXT NOT NULL, until INTEGER NOT NULL, wanted TEXT NOT NULL)",
    # When the last poll of a unit that read and stored everything began and ended, by the clock of who polled it.
    "CREATE TABLE reads (unit TEXT PRIMARY KEY, began INTEGER NOT NULL, ended INTEGER NOT NULL)",
)


def _sixth(connection: sqlite3.Connection) -> None:
    for statement in LEASE_TABLES:
        connection.execute(statement)


MIGRATIONS: tuple[Migration, ...] = (_first, _second, _third, _fourth, _fifth, _sixth)
"""Append only: position n brings a file from version n to n + 1, and files in the field have run the earlier ones."""


LARGE = 20_000
"""Events of which the log tells that they are brought to another schema."""

_EVENTS = "SELECT value FROM meta WHERE key = 'events'"
_IDENTITY = """SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version),
    (SELECT count(*) FROM sqlite_master)"""


def identify(connection: sqlite3.Connection, path: str, latest: int = len(MIGRATIONS)) -> int:
    """Return the schema version of the file, 0 for a new one; raise StoreError where it is not ours or newer."""
    # One statement is one reading: another process may be creating the file between two.
    application, version, tables = connection.execute(_IDENTITY).fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise StoreError(f"{path}: this is the database of another program and was left as it is; set store.path to another file")
    if version > latest:
        raise StoreError(
            f"{path}: the store was written by a newer version (schema {version}, this one knows {latest}); "
            "upgrade aws-change-exporter, or set store.path to another file"
        )
    return int(version)


def migrate(connection: sqlite3.Connection, path: str, migrations: Sequence[Migration] = MIGRATIONS, log: Logger | None = None) -> None:
    """Bring the file to the latest schema, each step in a transaction of its own; raise StoreError where it is newer.

    Of a file of LARGE or more events the log tells before and after, for it takes a while, in which nobody else can write.
    """
    version = identify(connection, path, len(migrations))
    if version == len(migrations):
        return
    events = connection.execute(_EVENTS).fetchone()[0] if version else 0
    said = log if log is not None and events >= LARGE else None
    if said is not None:
        said.info(
            "the store is being brought to the schema of this version; a million events take about half a minute",
            path=path, events=events, schema_version=version, latest=len(migrations),
        )  # fmt: skip
    begin = time.monotonic()
    _run(connection, path, migrations)
    if said is not None:
        said.info("the store has the schema of this version now", path=path, events=events, seconds=round(time.monotonic() - begin, 1))


def _run(connection: sqlite3.Connection, path: str, migrations: Sequence[Migration]) -> None:
    while identify(connection, path, len(migrations)) < len(migrations):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Again, now that nobody else can write: another process may have taken this step meanwhile.
            version = identify(connection, path, len(migrations))
            if version < len(migrations):
                migrations[version](connection)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
