"""A look at a store before it is used, which changes nothing: neither makes a file nor brings one to a newer schema."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from exporter.errors import StoreError
from exporter.store import schema
from exporter.store.connection import refuse_foreign_file, translate

_BUSY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class StoreProbe:
    """What is at the path of a store: nothing yet (`version` 0), or a file of ours in a schema `version` up to `latest`.

    `in_use` tells that somebody was writing to it for longer than a look takes; `free` is what the disk has left, in bytes.
    """

    version: int
    latest: int
    in_use: bool
    free: int


def probe_store(path: Path | str) -> StoreProbe:
    """Return what is at a path; raise StoreError, with a remedy, where a store there could not be opened or written."""
    name, latest = str(path), len(schema.MIGRATIONS)
    directory = Path(path).parent
    if Path(path).exists() and not Path(path).is_file():
        raise StoreError(f"{name}: cannot open the store: this is no file; set store.path to a file")
    try:
        # Beside the file SQLite keeps two more, so that a writable file in a directory that is not is no store.
        with tempfile.TemporaryFile(dir=directory):
            pass
        status = os.statvfs(directory)
    except OSError as error:
        raise StoreError(
            f"{name}: cannot write to the directory of the store: {error.strerror}; {directory} must exist and be writable for this user"
        ) from error
    free = status.f_bavail * status.f_frsize
    if not Path(path).exists():
        return StoreProbe(0, latest, in_use=False, free=free)
    refuse_foreign_file(name)
    try:
        with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS)) as connection:
            version = schema.identify(connection, name)
            return StoreProbe(version, latest, in_use=_is_written(connection), free=free)
    except sqlite3.Error as error:
        raise translate(name, "open the store", error) from error


def _is_written(connection: sqlite3.Connection) -> bool:
    """Take the writer's lock and give it back; tell whether another process kept it. Raises sqlite3.Error where none can have it."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return True
        raise
    connection.execute("ROLLBACK")
    return False
