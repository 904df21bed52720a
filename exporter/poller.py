"""One poll: a source's batches are parsed and stored; what failed and what is incomplete is decided here, once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from exporter.catalog import Watch
from exporter.errors import MalformedRecord, SourceError, StoreError
from exporter.history import describe_event
from exporter.logs import Logger
from exporter.metrics.telemetry import Telemetry
from exporter.model import ChangeEvent, Ignored, Unit
from exporter.parse import RecordParser
from exporter.sources import Source
from exporter.sources.base import Batch, FetchContext, SourceSettings
from exporter.store.base import BEGINNING, Ingest, IngestResult, Store


@dataclass(slots=True)
class PollReport:
    """What one poll of one source did; `complete` is False where anything could not be read or stored."""

    source: str
    started_at: datetime
    seconds: float = 0.0
    complete: bool = True
    reason: str | None = None
    error: str | None = None
    read: int = 0
    stored: int = 0
    live: int = 0
    duplicates: int = 0
    conflicts: int = 0
    ignored: int = 0
    malformed: int = 0
    problems: list[str] = field(default_factory=list)

    def fail(self, reason: str, error: str) -> None:
        """Remember the first failure; a poll with any is not complete."""
        self.complete = False
        self.reason, self.error = self.reason or reason, self.error or error


def utc_now() -> datetime:
    """Return the time as an aware UTC value."""
    return datetime.now(UTC)


class Poller:
    """Polls sources, one poll of a source at a time."""

    def __init__(
        self,
        store: Store,
        parser: RecordParser,
        watch: Watch,
        telemetry: Telemetry,
        logger: Logger,
        now: Callable[[], datetime] = utc_now,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store, self._parser, self._watch = store, parser, watch
        self._telemetry, self._log, self._now, self._stopping = telemetry, logger, now, stopping
        self.reports: dict[str, PollReport] = {}

    def poll(self, source: Source, settings: SourceSettings) -> PollReport:
        """Fetch, parse and store what is new; never raises what a source or the store may fail with."""
        report, begun = PollReport(source.name, self._now()), time.monotonic()
        try:
            with self._telemetry.watching("go_live"):
                self._store.go_live(source.name, report.started_at, _configured_line(settings))
            context = FetchContext(lambda key: self._cursor(source, key), self._watch.wanted, self._now, self._stopping)
            for batch in source.fetch(context):
                self._take(source, batch, report)
        except SourceError as error:
            report.fail(error.reason, str(error))
        except StoreError as error:
            report.fail("internal", str(error))
        except Exception as error:  # noqa: BLE001 - the boundary of one source: its fault is recorded and must not end the others
            self._log.error("poll failed by a fault of the exporter", source=source.name, exc_info=True)
            report.fail("internal", f"{type(error).__name__}: {error}")
        if report.complete and self._stopping():
            report.fail("unavailable", "stopped before the poll was complete; it goes on at the next start")
        report.seconds = time.monotonic() - begun
        self._telemetry.poll_finished(source.name, source.account_id, source.region, report.seconds, self._now().timestamp(), report.reason)
        self._say(report)
        self.reports[source.name] = report
        return report

    def _cursor(self, source: Source, key: str) -> str | None:
        with self._telemetry.watching("cursor"):
            return self._store.cursor(source.name, key)

    def _take(self, source: Source, batch: Batch, report: PollReport) -> None:
        """Parse and store one batch."""
        events: list[ChangeEvent] = []
        ignored: Counter[str] = Counter(batch.ignored)
        malformed: Counter[str] = Counter()
        units: set[Unit] = set(batch.units)
        for entry in batch.malformed:
            malformed[entry.reason] += entry.count
            self._log.warning(
                "malformed", source=source.name, where=entry.where, reason=entry.reason, detail=entry.detail, records=entry.count
            )
        for raw in batch.records:
            try:
                parsed = self._parser.parse(raw.record, raw.raw)
            except MalformedRecord as error:
                malformed[error.reason] += 1
                self._log.warning("malformed", source=source.name, where=batch.origin, reason=error.reason, detail=str(error), records=1)
            except Exception as error:  # noqa: BLE001 - one record must never stop its batch; it is counted and named
                malformed["internal"] += 1
                self._log.error(
                    "malformed", source=source.name, where=batch.origin, reason="internal", detail=repr(error), records=1, exc_info=True
                )
            else:
                if isinstance(parsed, Ignored):
                    ignored[parsed.reason] += 1
                else:
                    events.append(parsed)
        with self._telemetry.watching("append"):
            result = self._store.append(
                Ingest(source.name, self._now(), events, batch.read, ignored, malformed, batch.cursors, frozenset(units))
            )
        report.read += batch.read
        report.ignored += sum(ignored.values())
        report.malformed += sum(malformed.values())
        self._account(source, batch, result, report)
        if batch.error is not None:
            report.fail(batch.error.reason, str(batch.error))
            report.problems.append(str(batch.error))
            self._log.error(
                "part of the source could not be read",
                source=source.name,
                where=batch.origin,
                reason=batch.error.reason,
                error=str(batch.error),
            )

    def _account(self, source: Source, batch: Batch, result: IngestResult, report: PollReport) -> None:
        report.stored += len(result.stored)
        report.duplicates += result.duplicates + result.superseded
        report.conflicts += len(result.conflicts)
        recorded_at = self._now()
        for stored in result.stored:
            event = stored.event
            if stored.live:
                report.live += 1
                self._telemetry.event_stored(source.name, (recorded_at - event.event_time).total_seconds())
            self._log.info("change", **change_fields(event), live=stored.live, source=source.name)
        for event in result.conflicts:
            self._log.warning(
                "conflict: another record with the same event id was stored before; the first stands",
                source=source.name, where=batch.origin, event_id=event.event_id, event_name=event.event_name,
            )  # fmt: skip

    def _say(self, report: PollReport) -> None:
        fields = {
            "source": report.source, "read": report.read, "stored": report.stored, "live": report.live, "duplicate": report.duplicates,
            "conflict": report.conflicts, "ignored": report.ignored, "malformed": report.malformed, "seconds": round(report.seconds, 3),
        }  # fmt: skip
        if not report.complete:
            self._log.error("poll incomplete", **fields, reason=report.reason, error=report.error)
        elif report.stored or report.malformed or report.conflicts:
            self._log.info("poll", **fields)
        else:
            self._log.debug("poll", **fields)


def _configured_line(settings: SourceSettings) -> datetime | None:
    if settings.live_since == "beginning":
        return BEGINNING
    return None if settings.live_since == "start" else settings.live_since


def change_fields(event: ChangeEvent) -> dict[str, object]:
    """Return who, what, where and the event id of a change, for its log line."""
    fields: dict[str, object] = {
        "who": event.principal.name,
        "session": event.principal.session,
        "what": event.event_name,
        "outcome": event.outcome.value,
        "error_code": event.error_code,
        "account_id": event.account_id,
        "region": event.region,
        "security_groups": list(event.security_groups),
        "opened": list(event.opened_port_classes),
        "rules": describe_event(event),
        "channel": event.channel.value,
        "source_ip": event.principal.source_ip,
        "event_source": event.event_source,
        "event_time": event.event_time.isoformat(),
        "event_id": event.event_id,
    }
    return {key: value for key, value in fields.items() if value}
