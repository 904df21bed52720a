"""PostgresStore: the Store that keeps everything in a PostgreSQL database, for any number of replicas."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from exporter.families import FAMILIES, Family
from exporter.logs import Logger
from exporter.store.postgres.connection import PostgresDatabase
from exporter.store.sql_store import SqlStore


class PostgresStore(SqlStore):
    """Keeps events, counts and cursors in the first schema of the search path of a PostgreSQL database.

    Any number of threads and replicas may use one store: readers see the last commit, writers wait for each other up to `busy_timeout`.
    `search_timeout` bounds one search. `log` is told where the schema is brought to that of this version.
    Every method, and opening, raises StoreError that says database, what failed and what to do, and never shows a password.
    """

    def __init__(
        self,
        url: str,
        families: Sequence[Family] = FAMILIES,
        busy_timeout: timedelta = timedelta(seconds=10),
        search_timeout: timedelta = timedelta(seconds=30),
        log: Logger | None = None,
    ) -> None:
        super().__init__(lambda forget: PostgresDatabase(url, busy_timeout.total_seconds(), forget, log), families, search_timeout)
