"""Connections to one PostgreSQL database: one writer among all replicas, a pool of readers, and new connections for lost ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg

from exporter.errors import StoreError
from exporter.logs import Logger
from exporter.store.database import Connection
from exporter.store.place import shown
from exporter.store.postgres import schema
from exporter.store.postgres.errors import refuse_unreadable, translate
from exporter.store.postgres.session import Session

_KEPT_READERS = 8
_LOCK = 0x41574345  # "AWCE", as SQLite's application_id
_MIGRATION_SECONDS = 120
"""How long an upgrade waits for its turn: a search of another replica may be reading what it changes."""

# Said, because a database may have another default: then all would be read as it was before the turn came.
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
_NAMESPACE = "SELECT coalesce(quote_ident(current_schema())::regnamespace::oid::bigint, 0)"
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_SIZE = """SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
    WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind = 'r'"""


class PostgresDatabase:
    """The tables of one store in the first schema of the search path, shared by any number of replicas.

    Each transaction that writes takes one advisory lock, so that all writers of all replicas follow one another as those of a SQLite file
    do, and sees whether a newer version has changed the schema meanwhile. A reading is one snapshot. A connection that was lost is
    replaced before the next transaction; what was under way in it fails. `on_rollback` is called inside the writer's lock, because what
    the caller remembers of the database may then be wrong: also where the connection was lost, for another server may answer now.
    """

    def __init__(self, url: str, busy_timeout: float, on_rollback: Callable[[], None] = lambda: None, log: Logger | None = None) -> None:
        refuse_unreadable(url)
        self.where = shown(url)
        self._url, self._busy_timeout, self._on_rollback = url, busy_timeout, on_rollback
        self._lock = threading.Lock()
        self._readers: list[Session] = []
        self._writer: Session | None = None
        self._closed = False
        self._latest = len(schema.MIGRATIONS)
        try:
            with self._lock:
                self._store = self._prepare(log)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def writing(self, what: str) -> Iterator[Connection]:
        """Give the writer's connection inside a transaction that commits at the end and leaves nothing if it fails.

        `what` completes "cannot …" in errors. Raises StoreError for every failure of the database. Where the answer to the commit is lost,
        the transaction may stand all the same: what the store is asked for twice, it does once.
        """
        with self._lock:
            writer = self._begin(what)
            try:
                yield writer
                writer.script("COMMIT")
            except BaseException as error:
                self._give_up()
                if isinstance(error, psycopg.Error):
                    raise translate(self._url, what, error) from error
                raise

    @contextmanager
    def reading(self, what: str, seconds: float | None = None) -> Iterator[Connection]:
        """Give a connection inside one consistent reading; past `seconds` it fails. Raises StoreError."""
        limit = 0 if seconds is None else max(1, round(seconds * 1000))
        reader = self._take(what, f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {limit}")[0]
        try:
            reader.limit(seconds)
            yield reader
        except psycopg.Error as error:
            raise translate(self._url, what, error) from error
        finally:
            reader.limit(None)
            with suppress(psycopg.Error):  # a reading has nothing to lose
                reader.script("ROLLBACK")
            self._give(reader)

    def value(self, what: str, sql: str) -> object:
        """Return the first column of the first row of a query that is its own transaction."""
        reader, row = self._take(what, sql)
        self._give(reader)
        return row[0]  # type: ignore[index]

    def now(self, connection: Connection) -> int:
        """Return the time of the server, which all replicas share, in microseconds since 1970 UTC."""
        return int(connection.execute(_NOW).fetchone()[0])

    def size(self, connection: Connection) -> int:
        """Return how many bytes the tables of the schema take with their indexes."""
        return int(connection.execute(_SIZE).fetchone()[0])

    def version(self, connection: Connection) -> int:
        """Return the schema version of the store."""
        return int(connection.execute("SELECT version FROM exporter_store").fetchone()[0])

    def close(self) -> None:
        """Close every connection; those in use close when they are given back."""
        with self._lock:
            self._closed = True
            while self._readers:
                self._readers.pop().close()
            if self._writer is not None:
                self._writer.close()

    def _connect(self, what: str) -> Session:
        try:
            return Session(self._url, self._busy_timeout)
        except psycopg.Error as error:
            raise translate(self._url, what, error) from None  # the cause may repeat the URL

    def _prepare(self, log: Logger | None) -> str:
        """Bring the schema to that of this version; return which store it is."""
        self._writer = writer = self._connect("open the store")
        try:
            self._take_turns = _turn(int(writer.script(_NAMESPACE)[0]))
            while (found := schema.identify(writer, self.where, self._latest)).version < self._latest:
                self._migrate(writer, log)
        except psycopg.Error as error:
            raise translate(self._url, "open the store", error) from error
        return found.store

    def _migrate(self, writer: Session, log: Logger | None) -> None:
        """Take one step of the schema, in the turn of a writer, whose lock keeps out all others."""
        # Taken as a setting of the transaction: the lock of a table waits for a search as well.
        writer.script(f"{_BEGIN}; SET LOCAL lock_timeout = '{_MIGRATION_SECONDS}s'; SET LOCAL statement_timeout = 0; {self._take_turns}")
        try:
            # Again, now that nobody else can write: another replica may have taken this step meanwhile.
            found = schema.identify(writer, self.where, self._latest)
            if found.version < self._latest:
                if found.version and log is not None:
                    log.info("the store is being brought to the schema of this version", store=self.where, schema_version=found.version)
                schema.MIGRATIONS[found.version](writer)
                writer.execute("UPDATE exporter_store SET version = ?", (found.version + 1,))
            writer.script("COMMIT")
        except BaseException:
            with suppress(psycopg.Error):
                writer.script("ROLLBACK")
            raise

    def _begin(self, what: str) -> Session:
        """Begin a transaction of the writer, in its turn among all replicas."""
        self._refuse_closed()
        if self._writer is not None and self._writer.lost:
            self._writer = None
        for again in (self._writer is not None, False):
            if self._writer is None:
                self._on_rollback()
                self._writer = self._connect(what)
            writer = self._writer
            try:
                # In one round trip; each statement sees what was committed before it, so that the version is read after the turn came.
                found = schema.known(writer.script(f"{_BEGIN}; {self._take_turns}; {schema.VERSION}"), self.where, self._latest)
            except psycopg.Error as error:
                lost = writer.lost
                self._give_up()
                if again and lost:
                    continue
                raise translate(self._url, what, error) from error
            except BaseException:
                self._give_up()
                raise
            if found.store != self._store:
                self._give_up()
                raise StoreError(f"{self.where}: cannot {what}: another store stands now where one was opened; restart to use it")
            break
        return writer

    def _give_up(self) -> None:
        """End the transaction of the writer without a trace, and forget what is remembered of it."""
        self._on_rollback()
        assert self._writer is not None
        with suppress(psycopg.Error):
            self._writer.script("ROLLBACK")
        if not self._writer.idle:
            self._writer.close()
            self._writer = None

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreError(f"{self.where}: the store is closed")

    def _take(self, what: str, sql: str) -> tuple[Session, object]:
        """Return a reader in which a statement was run, and its answer; where the connection was lost, a new one."""
        self._refuse_closed()
        while True:
            try:
                reader, kept = self._readers.pop(), True
            except IndexError:
                reader, kept = self._connect(what), False
            try:
                return reader, reader.script(sql)
            except psycopg.Error as error:
                lost = reader.lost
                reader.close()
                # A restart of the server ends all that are kept: each is tried, and then a new one.
                if not (kept and lost):
                    raise translate(self._url, what, error) from error

    def _give(self, reader: Session) -> None:
        if not reader.idle:
            reader.close()
            return
        self._readers.append(reader)
        # Appended first and looked at after: whichever of this and close() comes second closes it.
        if self._closed or len(self._readers) > _KEPT_READERS:
            with suppress(IndexError):
                self._readers.pop().close()


def _turn(namespace: int) -> str:
    """Return the statement that waits for a writer's turn in a schema: two stores in one database do not wait for each other."""
    signed = namespace - (1 << 32) if namespace >= 1 << 31 else namespace
    return f"SELECT pg_advisory_xact_lock({_LOCK}, {signed})"
