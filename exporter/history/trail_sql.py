"""History from trail logs by SQL: one statement for every engine, and the exporter's own parser for each row that it gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from exporter.catalog import Watch
from exporter.errors import MalformedRecord, SqlError
from exporter.history.counted import everything, is_named
from exporter.history.matching import Matcher
from exporter.history.newest import Newest
from exporter.history.places import Answer, Progress
from exporter.model import ChangeEvent, Ignored
from exporter.parse import RecordParser
from exporter.parse.record import Opened
from exporter.sql.base import Engine, Limits, Result
from exporter.sql.records import record_reader
from exporter.sql.text import history_statement
from exporter.store.base import HistoryEvent, Query


class TrailSql:
    """A place of history over any engine. `partitioned` says that its table has account, region and day as bounds of what is read."""

    def __init__(self, name: str, engine: Engine, watch: Watch, opened: Opened, *, partitioned: bool, limits: Limits | None = None) -> None:
        self.name = name
        self._engine, self._watch, self._partitioned, self._limits = engine, watch, partitioned, limits or Limits()
        # What a query names is found whether it is watched or not; else the answer is that of a store which had read the logs.
        self._any, self._watched = RecordParser(everything(), opened), RecordParser(watch, opened)

    def search(self, query: Query, now: datetime, progress: Progress) -> Answer:
        """Return what matches; what the engine refuses, or could not read to its end, is a problem of the answer."""
        answer = Answer()
        watched = None if is_named(query) else self._watch.names()
        statement = history_statement(query, self._engine.table, now, partitioned=self._partitioned, watched=watched)
        newest = Newest(query)
        malformed = 0
        try:
            result = self._engine.run(statement, self._limits, progress)
            for event in self._events(result, query):
                if event is None:
                    malformed += 1
                else:
                    newest.add(event)
            answer.problems += [f"{self.name}: {problem}" for problem in result.problems]
            if result.truncated:
                answer.problems.append(
                    f"{self.name}: more than {self._limits.rows:,} records may match, and the rest is left out; narrow it"
                )
            answer.notes += [f"{self.name}: {note}" for note in result.notes]
        except SqlError as error:
            answer.problems.append(f"{self.name}: {error}")
        if malformed:
            answer.notes.append(f"{self.name}: {malformed} records could not be understood.")
        answer.events = [HistoryEvent(event, now, live=False, sources=(self.name,)) for event in newest.page()]
        return answer

    def _events(self, result: Result, query: Query) -> Iterator[ChangeEvent | None]:
        """Yield the events that match, and None for each row that cannot be understood."""
        read, matcher = record_reader(result.columns), Matcher(query)
        parser = self._any if is_named(query) else self._watched
        for row in result.rows:
            try:
                raw, record = read(row)
                event = parser.parse(record, raw)
            except MalformedRecord:
                yield None
                continue
            if not isinstance(event, Ignored) and matcher.matches(event):
                yield event if query.raw else replace(event, raw=b"")

    def close(self) -> None:
        """Release the engine."""
        self._engine.close()
