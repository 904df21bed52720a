"""SqliteStore: the Store that keeps everything in one SQLite file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from exporter.families import FAMILIES, Family
from exporter.logs import Logger
from exporter.store.connection import Database
from exporter.store.sql_store import SqlStore


class SqliteStore(SqlStore):
    """Keeps events, counts and cursors in one SQLite file, or for as long as it is open in `:memory:`.

    Any number of threads may use one store, and any number of processes one file on a local disk: readers see
    the last commit, writers wait for each other up to `busy_timeout`. `search_timeout` bounds one search. `log` is told where bringing
    a file to the schema of this version takes long.
    Every method, and opening, raises StoreError that says file, what failed and what to do; a file that is
    not ours, is damaged or is newer than this version is left as it is.
    """

    def __init__(
        self,
        path: Path | str,
        families: Sequence[Family] = FAMILIES,
        busy_timeout: timedelta = timedelta(seconds=10),
        search_timeout: timedelta = timedelta(seconds=30),
        log: Logger | None = None,
    ) -> None:
        super().__init__(lambda forget: Database(path, busy_timeout.total_seconds(), forget, log), families, search_timeout)
