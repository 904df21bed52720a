"""Connections to one SQLite file: one writer behind a lock, a pool of readers, and errors said for people."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from exporter.errors import StoreError, TookTooLong
from exporter.logs import Logger
from exporter.store import schema
from exporter.store.database import Connection

MEMORY = ":memory:"

_KEPT_READERS = 8
_PROGRESS_STEPS = 10_000
_SIZE = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
_SMALLEST = 512  # bytes of the smallest page; of larger files SQLite itself tells those of others
_BLANK_PATH = "the path of the store is empty or holds a NUL; set store.path"

_REMEDIES = {
    sqlite3.SQLITE_FULL: "the disk is full: free space or move the store",
    sqlite3.SQLITE_READONLY: "make the file and its directory writable for this user",
    sqlite3.SQLITE_CANTOPEN: "its directory must exist and be writable, and the path must not be a directory",
    sqlite3.SQLITE_PERM: "make the file and its directory writable for this user",
    sqlite3.SQLITE_AUTH: "make the file and its directory writable for this user",
    sqlite3.SQLITE_NOTADB: "the file is not a store and was left as it is: move it away or set store.path to another file",
    sqlite3.SQLITE_CORRUPT: "the file is damaged and was left as it is: restore a copy, or move it away to start anew",
    sqlite3.SQLITE_BUSY: "another process keeps the file locked: stop it or wait for it",
    sqlite3.SQLITE_LOCKED: "another process keeps the file locked: stop it or wait for it",
    sqlite3.SQLITE_IOERR: "the disk or file system failed: check it and its free space",
    sqlite3.SQLITE_TOOBIG: "a value is larger than SQLite takes",
    sqlite3.SQLITE_INTERRUPT: "it took too long: ask for less, for example a shorter time",
    sqlite3.SQLITE_NOLFS: "the file system takes no larger file: move the store",
}


def translate(path: str, what: str, error: sqlite3.Error) -> StoreError:
    """Return the StoreError that says file, what failed and what to do about it."""
    code = getattr(error, "sqlite_errorcode", None)
    remedy = _REMEDIES.get(code & 0xFF) if isinstance(code, int) else None
    kind = TookTooLong if remedy is _REMEDIES[sqlite3.SQLITE_INTERRUPT] else StoreError
    return kind(f"{path}: cannot {what}: {error}" + (f"; {remedy}" if remedy else ""))


def refuse_foreign_file(path: str) -> None:
    """Raise StoreError for a file that is too small for a store: SQLite itself takes one of a byte for an empty one, and writes over it.

    The file is not opened: closing it again would end all locks that this process has on it (POSIX), and with a connection open here
    another process would take itself for the last, and delete the write-ahead log.
    """
    try:
        if not Path(path).is_file():
            return
        size = Path(path).stat().st_size
    except OSError as error:
        raise StoreError(f"{path}: cannot open the store: {error}; make the file readable for this user") from error
    if not os.access(path, os.R_OK):
        raise StoreError(f"{path}: cannot open the store: permission denied; make the file readable for this user")
    if 0 < size < _SMALLEST:
        raise StoreError(f"{path}: cannot open the store: {_REMEDIES[sqlite3.SQLITE_NOTADB]}")


class Database:
    """One SQLite file in WAL with synchronous=FULL, or one connection shared under a lock for `:memory:`.

    WAL lets readers see the last commit while the one writer goes on; FULL syncs at each commit, so what was
    acknowledged survives a power cut. `on_rollback` is called inside the writer's lock, because what the caller
    remembers of the file may then be wrong.
    """

    def __init__(
        self, path: Path | str, busy_timeout: float, on_rollback: Callable[[], None] = lambda: None, log: Logger | None = None
    ) -> None:
        self.path = str(path)
        self._memory = self.path == MEMORY
        self._busy_timeout = busy_timeout
        self._on_rollback = on_rollback
        self._lock = threading.Lock()
        self._readers: list[sqlite3.Connection] = []
        self._closed = False
        self._data_version = -1
        self._file: tuple[int, int] | None = None
        if not self.path or "\0" in self.path:
            raise StoreError(_BLANK_PATH)
        if not self._memory:
            refuse_foreign_file(self.path)
        try:
            self._writer = self._connect()
        except sqlite3.Error as error:
            raise translate(self.path, "open the store", error) from error
        try:
            self._prepare(log)
        except sqlite3.Error as error:
            self._writer.close()
            raise translate(self.path, "open the store", error) from error
        except BaseException:
            self._writer.close()
            raise
        self._file = self._identity()

    @contextmanager
    def writing(self, what: str) -> Iterator[sqlite3.Connection]:
        """Give the writer's connection inside a transaction that commits at the end and leaves nothing if it fails.

        `what` completes "cannot …" in errors. Raises StoreError for every failure of SQLite.
        """
        with self._lock:
            writer = self._open_writer()
            self._refuse_lost_file(what)
            try:
                # IMMEDIATE: a transaction that upgraded from reading could fail with "locked" without waiting its turn.
                writer.execute("BEGIN IMMEDIATE")
                self._notice_others(writer)
                yield writer
                writer.execute("COMMIT")
            except BaseException as error:
                self._on_rollback()
                with suppress(sqlite3.Error):  # SQLite rolls back by itself after some failures, such as a full disk
                    writer.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise translate(self.path, what, error) from error
                raise

    @contextmanager
    def reading(self, what: str, seconds: float | None = None) -> Iterator[sqlite3.Connection]:
        """Give a connection inside one consistent reading; past `seconds` it fails. Raises StoreError."""
        reader = self._take(what)
        try:
            if seconds is not None:
                deadline = time.monotonic() + seconds
                reader.set_progress_handler(lambda: time.monotonic() > deadline, _PROGRESS_STEPS)
            reader.execute("BEGIN")
            yield reader
        except sqlite3.Error as error:
            raise translate(self.path, what, error) from error
        finally:
            if seconds is not None:
                reader.set_progress_handler(None, 0)
            with suppress(sqlite3.Error):  # without BEGIN there is nothing to end; a reading has nothing to lose
                reader.execute("ROLLBACK")
            self._give(reader)

    def value(self, what: str, sql: str) -> object:
        """Return the first column of the first row of a query that is its own transaction."""
        reader = self._take(what)
        try:
            row = reader.execute(sql).fetchone()
        except sqlite3.Error as error:
            raise translate(self.path, what, error) from error
        finally:
            self._give(reader)
        return row[0]

    def now(self, connection: Connection) -> int:  # noqa: ARG002 - the machine's clock is the only one there is
        """Return the time of this machine, on which every process that has the file must run, in microseconds since 1970 UTC."""
        return time.time_ns() // 1000

    def size(self, connection: Connection) -> int:
        """Return how many bytes the file takes, the write-ahead log included."""
        size = int(connection.execute(_SIZE).fetchone()[0])
        if not self._memory:
            with suppress(OSError):
                size += Path(self.path + "-wal").stat().st_size
        return size

    def version(self, connection: Connection) -> int:
        """Return the schema version of the file."""
        return int(connection.execute("PRAGMA user_version").fetchone()[0])

    def close(self) -> None:
        """Close every connection; those in use close when they are given back."""
        with self._lock:
            self._closed = True
            while self._readers:
                self._readers.pop().close()
            self._writer.close()

    def _connect(self) -> sqlite3.Connection:
        # Connections are handed from thread to thread, never used by two at once.
        return sqlite3.connect(self.path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False, cached_statements=256)

    def _identity(self) -> tuple[int, int] | None:
        """Return what the system knows the file by, None where there is none at the path."""
        try:
            status = os.stat(self.path)  # noqa: PTH116 - it is asked before every transaction, and a Path costs more than the call
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _refuse_lost_file(self, what: str) -> None:
        """Raise StoreError where the file was deleted or replaced: it would take all that is written with it when we end."""
        if self._memory or self._identity() == self._file:
            return
        raise StoreError(
            f"{self.path}: cannot {what}: the file was deleted, moved or replaced while it was open; "
            "put it back, or restart to use what is there now"
        )

    def _prepare(self, log: Logger | None) -> None:
        writer = self._writer
        # Before anything is written, even the journal mode: a file of somebody else's stays untouched.
        schema.identify(writer, self.path)
        if not self._memory:
            self._switch_to_wal()
        writer.execute("PRAGMA synchronous = FULL")
        writer.execute("PRAGMA journal_size_limit = 67108864")
        schema.migrate(writer, self.path, log=log)

    def _switch_to_wal(self) -> None:
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                mode = self._writer.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            except sqlite3.OperationalError as error:
                # Two processes that create the file together meet here, where SQLite does not wait by itself.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
                continue
            if mode != "wal":
                raise StoreError(f"{self.path}: cannot open the store: no WAL on this file system; use a local disk, not a network share")
            return

    def _open_writer(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreError(f"{self.path}: the store is closed")
        return self._writer

    def _notice_others(self, writer: sqlite3.Connection) -> None:
        """Where another process has committed since our last transaction, see that it was not a newer version.

        Numbers remembered here stay right: what has a number keeps it, whoever wrote it.
        """
        version = writer.execute("PRAGMA data_version").fetchone()[0]
        if version != self._data_version:
            self._data_version = version
            schema.identify(writer, self.path)

    def _take(self, what: str) -> sqlite3.Connection:
        if self._memory:
            self._lock.acquire()
            try:
                return self._open_writer()
            except StoreError:
                self._lock.release()
                raise
        if self._closed:
            raise StoreError(f"{self.path}: the store is closed")
        self._refuse_lost_file(what)
        try:
            return self._readers.pop()
        except IndexError:
            pass
        try:
            reader = self._connect()
            reader.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            raise translate(self.path, what, error) from error
        return reader

    def _give(self, reader: sqlite3.Connection) -> None:
        if self._memory:
            self._lock.release()
            return
        self._readers.append(reader)
        # Appended first and looked at after: whichever of this and close() comes second closes it.
        if self._closed or len(self._readers) > _KEPT_READERS:
            with suppress(IndexError):
                self._readers.pop().close()
