"""What the rooms of the store ask of a database, so that the same statements run on SQLite and on PostgreSQL.

Statements are written as SQLite takes them; what PostgreSQL spells differently is translated in exporter/store/postgres/dialect.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable


class Rows(Protocol):
    """The answer to one statement."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        ...

    def fetchone(self) -> Any:
        """Return the next row, None after the last."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection inside a transaction, or inside one consistent reading."""

    def execute(self, sql: str, values: Any = ..., /) -> Rows:
        """Run a statement whose values are marked with `?`, or with `?1`, `?2`, …"""
        ...

    def executemany(self, sql: str, rows: Iterable[Any], /) -> Rows:
        """Run a statement for each of some rows of values."""
        ...


@runtime_checkable
class Remote(Protocol):
    """A connection over which each statement is a round trip, so that asking for many things in turn takes long."""

    def first_rows(self, sql: str, rows: Sequence[Any], /) -> list[Any]:
        """Run a query for each of some rows of values, all in one round trip; return the first row of each answer, None for none."""
        ...


class Database(Protocol):
    """One store's database: one writer at a time, whichever process it is in, and readers that see the last commit."""

    def writing(self, what: str) -> AbstractContextManager[Connection]:
        """Give the writer's connection inside a transaction that commits at the end and leaves nothing if it fails.

        `what` completes "cannot …" in errors. Raises StoreError for every failure of the database.
        """
        ...

    def reading(self, what: str, seconds: float | None = None) -> AbstractContextManager[Connection]:
        """Give a connection inside one consistent reading; past `seconds` it fails. Raises StoreError."""
        ...

    def value(self, what: str, sql: str) -> object:
        """Return the first column of the first row of a query that is its own transaction."""
        ...

    def now(self, connection: Connection) -> int:
        """Return the time of the clock that all writers of this database share, in microseconds since 1970 UTC."""
        ...

    def size(self, connection: Connection) -> int:
        """Return how many bytes the store takes on the disk."""
        ...

    def version(self, connection: Connection) -> int:
        """Return the schema version of the store."""
        ...

    def close(self) -> None:
        """Close every connection; those in use close when they are given back."""
        ...
