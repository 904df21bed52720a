"""One connection to PostgreSQL that takes the statements and values of the rooms."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import Int8Dumper

from exporter.errors import TookTooLong
from exporter.store.postgres.dialect import escaped, translated, unescaped

_DEFAULTS: dict[str, Any] = {
    "application_name": "aws-change-exporter",
    "connect_timeout": 10,
    # A server that vanished without a word is noticed within a minute, and not when TCP gives up.
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 40_000,
}
# What was acknowledged survives a crash of the server. A replica that hangs while it has the writers' lock loses it within a minute.
_SETTINGS = """SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SET idle_in_transaction_session_timeout = '60s'; SET jit = off"""


class _TextLoader(Loader):
    def load(self, data: Any) -> str:
        return unescaped(bytes(data).decode("utf-8"))


class Session:
    """A connection in autocommit, in which transactions are begun and ended by statements. `seconds` bounds a wait for a lock."""

    def __init__(self, url: str, seconds: float) -> None:
        given = conninfo_to_dict(url)
        defaults = {name: value for name, value in _DEFAULTS.items() if name not in given}
        self._psycopg = psycopg.connect(
            make_conninfo(url, **defaults, client_encoding="utf8"), autocommit=True, cursor_factory=psycopg.RawCursor
        )
        self._deadline: float | None = None
        # Each value has the type of its column, so that a statement is prepared once.
        self._psycopg.adapters.register_dumper(int, Int8Dumper)
        self._psycopg.adapters.register_loader("text", _TextLoader)
        try:
            self.script(f"{_SETTINGS}; SET lock_timeout = {round(seconds * 1000)}")
        except BaseException:
            self.close()
            raise

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""
        return bool(self._psycopg.closed)

    @property
    def idle(self) -> bool:
        """Whether the connection is there and in no transaction."""
        return self._psycopg.info.transaction_status == pq.TransactionStatus.IDLE

    def limit(self, seconds: float | None) -> None:
        """Let what follows fail after some seconds; None for no limit."""
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def script(self, sql: str) -> Any:
        """Run statements without values in one round trip; return the first row of the last, None where it has none."""
        cursor = self._psycopg.execute(sql.encode("ascii"), prepare=False)
        while cursor.nextset():
            pass
        return cursor.fetchone() if cursor.description is not None else None

    def execute(self, sql: str, values: Any = (), /) -> psycopg.Cursor[Any]:
        """Run a statement of the rooms."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TookTooLong("it took too long: ask for less, for example a shorter time")
        return self._psycopg.execute(translated(sql).encode("ascii"), [_sent(value) for value in values])

    def executemany(self, sql: str, rows: Iterable[Any], /) -> psycopg.Cursor[Any]:
        """Run a statement of the rooms for each of some rows of values."""
        cursor = self._psycopg.cursor()
        cursor.executemany(translated(sql).encode("ascii"), [[_sent(value) for value in row] for row in rows])
        return cursor

    def first_rows(self, sql: str, rows: Sequence[Any], /) -> list[Any]:
        """Run a query for each of some rows of values, all in one round trip; return the first row of each answer, None for none."""
        if not rows:
            return []
        cursor = self._psycopg.cursor()
        cursor.executemany(translated(sql).encode("ascii"), [[_sent(value) for value in row] for row in rows], returning=True)
        found = [cursor.fetchone()]
        while cursor.nextset():
            found.append(cursor.fetchone())
        return found

    def close(self) -> None:
        """Close the connection; a transaction in it ends without a trace."""
        self._psycopg.close()


def _sent(value: Any) -> Any:
    if isinstance(value, str):
        return escaped(str.__str__(value))
    return int(value) if isinstance(value, bool) else value
