"""One poll: a source's batches are parsed and stored; what failed and what is incomplete is decided here, once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from exporter.catalog import Watch
from exporter.errors import MalformedRecord, SourceError, StoreError
from exporter.history import describe_event
from exporter.logs import Logger
from exporter.metrics.telemetry import Telemetry
from exporter.model import ChangeEvent, Ignored, Unit
from exporter.parse import RecordParser
from exporter.report import PollReport
from exporter.sources import SOURCES, Source
from exporter.sources.base import Batch, Clocked, FetchContext, Rewindable, SourceSettings, UnitKey, fields_of, key_of
from exporter.store.base import BEGINNING, Ingest, IngestResult, Store
from exporter.timespan import utc_now


class Poller:
    """Polls units of sources; any number at once, but one poll of a unit at a time. `reports` holds the last of each."""

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
        self._names = watch.names()
        self.reports: dict[UnitKey, PollReport] = {}
        self._read_until: dict[UnitKey, datetime] = {}

    def poll(
        self,
        source: Source,
        settings: SourceSettings,
        budget: timedelta | None = None,
        since: datetime | None = None,
        *,
        alone: bool = True,
    ) -> PollReport:
        """Fetch, parse and store what is new; never raises what a source or the store may fail with.

        `budget` is how long it may spend on the past, None for as long as it takes. With `since`, only what is missing of the past
        since then is fetched, of a source that is Rewindable. `alone`: see FetchContext.
        """
        report, begun = PollReport(*key_of(source), self._now()), time.monotonic()
        log = self._log.bind(**fields_of(key_of(source)))
        try:
            context = FetchContext(
                lambda key: self._cursor(source, key),
                self._watch.wanted,
                self._now,
                self._stopping,
                lambda prefix: self._cursors(source, prefix),
                self._names,
                budget,
                log,
                alone,
            )
            self._go_live(source, settings, self._beginning(source, settings, context, report.started_at))
            for batch in source.fetch_past(context, since) if since and isinstance(source, Rewindable) else source.fetch(context):
                self._take(source, batch, report, log)
        except SourceError as error:
            report.fail(error.reason, str(error))
        except StoreError as error:
            report.fail("internal", str(error))
        except Exception as error:
            # The boundary of one unit: its fault is recorded and must not end the others.
            log.exception("poll failed by a fault of the exporter")
            report.fail("internal", f"{type(error).__name__}: {error}")
        if report.complete and self._stopping():
            report.stopped = True
            report.fail("unavailable", "stopped before the poll was complete; it goes on at the next start")
        report.seconds = time.monotonic() - begun
        self._telemetry.poll_finished(*key_of(source), report.seconds, self._now().timestamp(), report.reason)
        self._say(report, log)
        self.reports[key_of(source)] = report
        kind = SOURCES.get(settings.type)
        if report.complete and since is None and kind is not None and kind.needs_aws:
            self._read_until[key_of(source)] = report.started_at
        return report

    def learn(self, key: UnitKey, settings: SourceSettings, began: datetime) -> None:
        """Hear from another replica when it began to read a unit, and then read all of it."""
        kind = SOURCES.get(settings.type)
        if kind is not None and kind.needs_aws:
            self._read_until[key] = max(began, self._read_until.get(key, began))

    def read_until(self, account_id: str, region: str) -> datetime | None:
        """Return when a source that brings the events of an account and region last began to read, and then read all; None if never.

        Where events are not read, no difference may be blamed on their absence. Files of a directory say nothing of today.
        """
        moments = [
            moment
            for (_, account, place), moment in self._read_until.copy().items()
            if account in ("", account_id) and place in ("", region)
        ]
        return max(moments, default=None)

    def _beginning(self, source: Source, settings: SourceSettings, context: FetchContext, now: datetime) -> datetime:
        """Return when a unit begins to live: where our clock is ahead of that of its events, what happens next would pass for the past."""
        if settings.live_since != "start" or not isinstance(source, Clocked):
            return now
        with self._telemetry.watching("go_live"):
            known = self._store.live_since(source.name, source.account_id, source.region)
        return source.time(context) if known is None else now

    def _go_live(self, source: Source, settings: SourceSettings, now: datetime) -> None:
        kind = SOURCES.get(settings.type)
        if source.account_id and source.region:
            # A quiet unit brings no batch, and its first change must find its counters at 0.
            with self._telemetry.watching("register"):
                self._store.register([Unit(source.account_id, source.region)])
        with self._telemetry.watching("go_live"):
            self._store.go_live(
                source.name, now, _configured_line(settings), source.account_id, source.region, kind.families if kind else ()
            )

    def _cursor(self, source: Source, key: str) -> str | None:
        with self._telemetry.watching("cursor"):
            return self._store.cursor(source.name, key)

    def _cursors(self, source: Source, prefix: str) -> Mapping[str, str]:
        with self._telemetry.watching("cursors"):
            return self._store.cursors(source.name, prefix)

    def _take(self, source: Source, batch: Batch, report: PollReport, log: Logger) -> None:
        """Parse and store one batch."""
        events: list[ChangeEvent] = []
        ignored: Counter[str] = Counter(batch.ignored)
        malformed: Counter[str] = Counter()
        units: set[Unit] = set(batch.units)
        for entry in batch.malformed:
            malformed[entry.reason] += entry.count
            log.warning("malformed", where=entry.where, reason=entry.reason, detail=entry.detail, records=entry.count)
        for raw in batch.records:
            try:
                parsed = self._parser.parse(raw.record, raw.raw)
            except MalformedRecord as error:
                malformed[error.reason] += 1
                log.warning("malformed", where=raw.origin or batch.origin, reason=error.reason, detail=str(error), records=1)
            except Exception as error:
                # One record must never stop its batch; it is counted and named.
                malformed["internal"] += 1
                log.exception("malformed", where=raw.origin or batch.origin, reason="internal", detail=repr(error), records=1)
            else:
                if isinstance(parsed, Ignored):
                    ignored[parsed.reason] += 1
                else:
                    events.append(parsed)
        with self._telemetry.watching("append"):
            result = self._store.append(
                Ingest(
                    source.name,
                    self._now(),
                    events,
                    batch.read,
                    ignored,
                    malformed,
                    batch.cursors,
                    frozenset(units),
                    source.account_id,
                    source.region,
                    batch.counts,
                    batch.late,
                    batch.watched_since,
                )
            )
        report.read += batch.read
        report.ignored += sum(ignored.values())
        report.malformed += sum(malformed.values())
        self._account(source, batch, result, report, log)
        if batch.error is not None:
            report.fail(batch.error.reason, str(batch.error))
            report.problems.append(str(batch.error))
            log.error("part of the source could not be read", where=batch.origin, reason=batch.error.reason, error=str(batch.error))

    def _account(self, source: Source, batch: Batch, result: IngestResult, report: PollReport, log: Logger) -> None:
        report.stored += len(result.stored)
        report.promoted += len(result.promoted)
        report.duplicates += result.duplicates + result.superseded
        report.conflicts += len(result.conflicts)
        recorded_at = self._now()
        for stored in result.stored:
            event = stored.event
            if stored.live:
                report.live += 1
                self._telemetry.event_stored(source.name, (recorded_at - event.event_time).total_seconds())
            self._log.info("change", **change_fields(event), live=stored.live, source=source.name)
        for event in result.promoted:
            self._telemetry.event_stored(source.name, (recorded_at - event.event_time).total_seconds())
            self._log.info("change", **change_fields(event), live=True, came_alive=True, source=source.name)
        promoted = {event.event_id for event in result.promoted}
        for stored in result.seconded:
            if stored.live and stored.event.event_id not in promoted:
                self._telemetry.event_repeated(source.name, (recorded_at - stored.event.event_time).total_seconds())
        for event in result.conflicts:
            log.warning(
                "conflict: another record with the same event id was stored before; the first stands",
                where=batch.origin, event_id=event.event_id, event_name=event.event_name,
            )  # fmt: skip

    def _say(self, report: PollReport, log: Logger) -> None:
        fields = {
            "read": report.read, "stored": report.stored, "live": report.live, "came_alive": report.promoted,
            "duplicate": report.duplicates, "conflict": report.conflicts, "ignored": report.ignored, "malformed": report.malformed,
            "seconds": round(report.seconds, 3),
        }  # fmt: skip
        if report.stopped:
            log.info("poll stopped before it was complete; it goes on at the next start", **fields)
        elif not report.complete:
            log.error("poll incomplete", **fields, reason=report.reason, error=report.error)
        elif report.stored or report.promoted or report.malformed or report.conflicts:
            log.info("poll", **fields)
        else:
            log.debug("poll", **fields)


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
