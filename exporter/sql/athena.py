"""SQL over trail logs, run by Amazon Athena: for logs that are large."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from weakref import WeakSet

from exporter.aws import Caller
from exporter.logs import Logger
from exporter.sql.athena_cost import told
from exporter.sql.athena_errors import AthenaError
from exporter.sql.athena_query import Query, Sleep
from exporter.sql.athena_rows import Columns
from exporter.sql.base import Limits, Progress, Result, Row, Statement
from exporter.sql.reads_only import checked
from exporter.sql.settings import AthenaSettings


class AthenaEngine:
    """Runs statements as a caller, who is in the region of table and workgroup; see exporter.sql.base.Engine.

    Statements may run at the same time; `cancel` ends all. `scanned_bytes` and `cost` (US dollars) are of every statement so far,
    those that failed included; the cost is also told to `Requests`. Without `check`, for statements of our own, what a statement does is
    not looked at, which needs no extra.
    """

    def __init__(
        self,
        caller: Caller,
        settings: AthenaSettings,
        log: Logger,
        sleep: Sleep = time.sleep,
        now: Callable[[], float] = time.monotonic,
        *,
        check: bool = True,
    ) -> None:
        self.table = settings.table
        self.scanned_bytes, self.cost = 0, 0.0
        self._caller, self._settings, self._log, self._sleep, self._now = caller, settings, log, sleep, now
        self._tables = (self.table.lower(), f"{settings.database}.{settings.table}".lower()) if check else ()
        self._running: WeakSet[Query] = WeakSet()
        self._lock = threading.Lock()

    def run(self, statement: Statement, limits: Limits, progress: Progress) -> Result:
        """Run one statement and return when Athena has its result; the rows are fetched as they are read. Raises SqlError."""
        if self._tables:
            checked(statement, self._tables)
        end = self._now() + limits.seconds
        query = Query(self._caller, self._settings, self._log, self._sleep, self._now)
        with self._lock:
            self._running.add(query)
        try:
            query.finish(statement, end, progress)
        finally:
            with self._lock:
                self.scanned_bytes, self.cost = self.scanned_bytes + query.scanned, self.cost + query.cost
        pages = _Pages(query, limits, progress, end, self._now)
        most = self._settings.max_scanned_bytes
        if most is not None and query.scanned > most:
            pages.result.notes.append(
                f"the query ended before it could be stopped: it scanned {told(query.scanned)}, more than athena.max_scanned_bytes"
            )
        return pages.result

    def cancel(self) -> None:
        """Stop what runs, at Athena too, from any thread."""
        with self._lock:
            running = list(self._running)
        for query in running:
            query.cancel()

    def close(self) -> None:
        """Stop what still runs."""
        self.cancel()


class _Pages:
    """The result of a query that succeeded, page by page."""

    def __init__(self, query: Query, limits: Limits, progress: Progress, end: float, now: Callable[[], float]) -> None:
        self._query, self._limits, self._progress, self._end, self._now = query, limits, progress, end, now
        first = query.page(None)
        metadata = (first.get("ResultSet") or {}).get("ResultSetMetadata") or {}
        self._columns = Columns(metadata.get("ColumnInfo") or ())
        self._token = first.get("NextToken")
        rows = list((first.get("ResultSet") or {}).get("Rows") or ())
        self._rows = rows[1:] if rows and self._columns.is_header(rows[0]) else rows
        self.result = Result(self._columns.names, self._read(), scanned_bytes=query.scanned, cost=query.cost)

    def _read(self) -> Iterator[Row]:
        given, pages, limits = 0, 1, self._limits
        while True:
            self._progress(pages, 0, self._query.scanned)
            for row in self._rows:
                if self._query.cancelled.is_set():
                    raise AthenaError("the query was cancelled", "unavailable")
                if given >= limits.rows:
                    self.result.truncated = True
                    return
                given += 1
                yield self._columns.read(row)
            if not self._token:
                return
            if self._now() >= self._end:
                self.result.problems.append(
                    f"only the first {given:,} rows were read, because that took longer than {limits.seconds:g} s; narrow the statement"
                )
                return
            page = self._query.page(self._token)
            self._token, self._rows, pages = page.get("NextToken"), list((page.get("ResultSet") or {}).get("Rows") or ()), pages + 1
