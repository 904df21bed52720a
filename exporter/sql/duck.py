"""The embedded engine: DuckDB, locked in, over whatever feeds it with trail logs.

It reads no file and no setting itself. Rows reach it as columns of text, a few thousand at a time; where a statement goes through the table
several times they are kept in a file of a directory that ends with the engine. What does not fit its memory spills there too.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from exporter.errors import SqlError, SqlRefused
from exporter.sql.arrow import Batch, TextStream
from exporter.sql.base import Limits, Progress, Result, Row, Statement
from exporter.sql.columns import COLUMNS, PARTITIONS
from exporter.sql.feed import Feed, Tally
from exporter.sql.macros import MACROS
from exporter.sql.narrow import Need, need
from exporter.sql.reads_only import checked, missing
from exporter.text import visible

if TYPE_CHECKING:
    import duckdb

_FETCHED = 1024
_LONGEST_ERROR = 600
_ROWS = "rows_of_trail_logs"


class DuckEngine:
    """Runs statements over a feed, one at a time. `memory` is DuckDB's own in MB; `disk` what it may spill, in GB.

    The table is known as `table` and, where a `database` is given, with that before it, as statements for Athena may write it.
    """

    def __init__(
        self, feed: Feed, table: str = "cloudtrail_logs", database: str = "", *, memory: int = 300, disk: int = 50, threads: int = 1
    ) -> None:
        self.table, self._database = table, database
        self._feed, self._memory, self._disk, self._threads = feed, memory, disk, threads
        self._stop = threading.Event()
        self._why = ""
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    def run(self, statement: Statement, limits: Limits, progress: Progress) -> Result:
        """Run one statement that only reads the table; anything else is refused before anything is read."""
        tables = {self.table.lower()} | ({f"{self._database}.{self.table}".lower()} if self._database else set())
        checked(statement, tables)
        needed = need(statement, tables)
        self._stop.clear()
        result = Result(columns=(), rows=iter(()))
        rows = self._run(statement, needed, limits, progress, result)
        # The columns are known once the first row is there, or that there is none.
        first = next(rows)
        assert first is None
        result.rows = _real(rows)
        return result

    def cancel(self) -> None:
        """Stop what runs, from any thread."""
        self._end("the statement was cancelled")

    def close(self) -> None:
        """Release the feed; what runs is stopped."""
        self.cancel()
        self._feed.close()

    def _end(self, why: str) -> None:
        with self._lock:
            if not self._stop.is_set():
                self._why = why
                self._stop.set()
            if self._connection is not None:
                self._connection.interrupt()

    def _run(self, statement: Statement, needed: Need, limits: Limits, progress: Progress, result: Result) -> Iterator[Row | None]:
        """Yield None once the columns are known, then the rows."""
        tallies: list[Tally] = []

        def batches() -> Iterator[Batch]:
            tallies.append(Tally(progress, self._stop.is_set))
            for batch in self._feed.batches(needed, tallies[-1]):
                if self._stop.is_set():
                    raise SqlError(self._why)
                yield batch

        stream = TextStream(needed.columns, batches)
        timer = threading.Timer(
            limits.seconds, self._end, (f"the statement ran longer than {limits.seconds:,.0f} s; narrow it, or allow more",)
        )
        timer.daemon = True
        with tempfile.TemporaryDirectory(prefix="aws-change-exporter-sql-") as scratch:
            timer.start()
            connection = None
            try:
                connection = self._open(Path(scratch), needed)
                self._fill(connection, stream, needed, statement)
                cursor = connection.execute(statement.sql, list(statement.parameters))
                result.columns = tuple(visible(str(column[0]), 200) for column in cursor.description or ())
                yield None
                yield from self._fetch(cursor, limits, result)
            except Exception as error:
                raise self._failure(error, stream) from error
            finally:
                timer.cancel()
                with self._lock:
                    self._connection = None
                if connection is not None:
                    connection.close()
        # A table that is gone through again is told of once.
        if tallies:
            told = max(tallies, key=lambda tally: tally.files)
            result.notes += told.notes()
            result.problems += told.failures()

    def _open(self, scratch: Path, needed: Need) -> duckdb.DuckDBPyConnection:
        try:
            import duckdb  # noqa: PLC0415 - of the extra `sql`, which not everybody installs
        except ImportError:
            raise missing("duckdb") from None
        settings: dict[str, str | bool | int | float | list[str]] = {
            "threads": self._threads,
            "memory_limit": f"{self._memory}MB",
            "temp_directory": str(scratch / "spilt"),
            "max_temp_directory_size": f"{self._disk}GB",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
        }
        connection = duckdb.connect(":memory:" if needed.once else str(scratch / "logs.duckdb"), config=settings)
        with self._lock:
            self._connection = connection
        # It would be written to standard output, into the answer.
        connection.execute("SET enable_progress_bar = false")
        for macro in MACROS:
            connection.execute(f"CREATE MACRO {macro}")
        return connection

    def _fill(self, connection: duckdb.DuckDBPyConnection, stream: TextStream, needed: Need, statement: Statement) -> None:
        """Put the table there, and lock everything else."""
        connection.execute("SET enable_external_access = false")
        connection.register(_ROWS, stream)
        if needed.once:
            connection.execute(f'CREATE VIEW "{self.table}" AS SELECT * FROM {_ROWS}')  # noqa: S608 - names of ours
        else:
            connection.execute(f'CREATE TABLE "{self.table}" AS SELECT * FROM {_ROWS}')  # noqa: S608
        if self._database:
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{self._database}"')
            connection.execute(f'CREATE VIEW IF NOT EXISTS "{self._database}"."{self.table}" AS SELECT * FROM "{self.table}"')  # noqa: S608
        connection.execute("SET lock_configuration = true")
        import duckdb  # noqa: PLC0415

        # Its own parser has the last word on what the text is.
        parts = connection.extract_statements(statement.sql)
        if len(parts) != 1 or parts[0].type != duckdb.StatementType.SELECT:
            raise SqlRefused("the statement is refused: DuckDB does not read it as one SELECT")

    def _fetch(self, cursor: duckdb.DuckDBPyConnection, limits: Limits, result: Result) -> Iterator[Row]:
        left = limits.rows
        while rows := cursor.fetchmany(min(_FETCHED, left + 1)):
            for row in rows[:left]:
                yield tuple(map(_plain, row))
            left -= len(rows)
            if left < 0:
                result.truncated = True
                return
            if self._stop.is_set():
                raise SqlError(self._why)

    def _failure(self, error: Exception, stream: TextStream) -> BaseException:
        """Return what to raise: what ended the reading, else why we stopped it, else what DuckDB says."""
        if stream.error is not None:
            return stream.error
        if self._stop.is_set():
            return SqlError(self._why)
        if isinstance(error, SqlError):
            return error
        text = visible(" ".join(str(error).split()), _LONGEST_ERROR)
        if type(error).__name__ == "OutOfMemoryException":
            text += " (name fewer columns, narrow the time, or ask Athena)"
        elif type(error).__name__ == "BinderException" and "not found in FROM" in text:
            # The engine was given the columns that are named, so its own proposals may be the wrong ones.
            text += f" (the table has the columns {', '.join((*(column.name for column in COLUMNS), *PARTITIONS))})"
        return SqlError(f"DuckDB: {text}")


def _real(rows: Iterator[Row | None]) -> Iterator[Row]:
    for row in rows:
        if row is not None:
            yield row


def _plain(value: Any) -> object:
    """Return a value as text, number, truth value or None, whatever DuckDB makes of a column."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date | clock):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, UUID | timedelta):
        return str(value)
    with suppress(orjson.JSONEncodeError):
        return orjson.dumps(value, default=str).decode()
    return str(value)
