"""The source `athena`: the table of trail logs, asked by SQL for the watched calls, day by day of delivery.

A day's partition grows until the day is over, so every poll reads today's files again, and yesterday's for some hours; what comes twice
is a duplicate in the store. Bytes that a query scanned are counted whatever became of it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from exporter.aws import Aws, Permission
from exporter.errors import MalformedRecord, SourceError, SqlError
from exporter.families import SCANNED_BYTES
from exporter.sources.athena_checks import diagnose
from exporter.sources.athena_settings import AthenaSourceSettings
from exporter.sources.base import Batch, Diagnosis, FetchContext, RawRecord, Roster, SourceType
from exporter.sources.findings import Findings
from exporter.sources.ledger import Deadline
from exporter.sources.scan import load
from exporter.sql.athena import AthenaEngine
from exporter.sql.athena_access import caller_of, permissions
from exporter.sql.athena_cost import cost, told
from exporter.sql.athena_errors import AthenaError
from exporter.sql.base import Limits, Row, Statement
from exporter.sql.records import Record, record_reader
from exporter.sql.text import history_statement

_DAY = timedelta(days=1)


class _Live(msgspec.Struct):
    """Cursor of what is new: all that was delivered before `until` is read; the first poll was at `began`. Times as ISO 8601."""

    began: datetime
    until: datetime


class _Fill(msgspec.Struct):
    """Cursor of the past: the days from `low` up to that of the first poll are read."""

    low: date


_Saved = TypeVar("_Saved", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the statement is asked for, as `history_statement` takes it: all calls that are watched, of some accounts and regions."""

    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    security_groups: tuple[str, ...] = ()
    rule_ids: tuple[str, ...] = ()
    event_names: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    event_ids: tuple[str, ...] = ()


@dataclass(slots=True)
class _Fetch:
    """One fetch: who is asked, and where the bytes are counted."""

    context: FetchContext
    engine: AthenaEngine
    labels: tuple[str, str, str]
    counted: int = field(default=0)


class AthenaSource:
    """One table; its records tell account and region. Cursor keys are `live` and `fill`."""

    account_id = ""
    region = ""

    def __init__(self, settings: AthenaSourceSettings, aws: Aws, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name = settings.name
        self._settings, self._aws, self._sleep = settings, aws, sleep

    def fetch(self, context: FetchContext) -> Iterator[Batch]:
        """Yield what was delivered since the last poll, then some of the past; raises SourceError."""
        fetch = self._begin(context)
        live = yield from self._keep_up(fetch)
        yield from self._fill(fetch, live, live.began - self._settings.backfill)

    def fetch_past(self, context: FetchContext, since: datetime) -> Iterator[Batch]:
        """Yield what is missing of the past since a time; raises SourceError."""
        fetch = self._begin(context)
        live = _load(context, "live", _Live)
        if live is None:
            live = yield from self._keep_up(fetch)
        yield from self._fill(fetch, live, since)

    def _begin(self, context: FetchContext) -> _Fetch:
        settings = self._settings
        caller = caller_of(settings, self._aws)
        account_id = settings.role.account_id if settings.role is not None else self._aws.identity().account_id

        def rest(seconds: float) -> None:
            if context.stopping():
                engine.cancel()
            self._sleep(seconds)

        # The statement is ours, so that nobody need look at what it does.
        engine = AthenaEngine(caller, settings, context.log, rest, check=False)
        return _Fetch(context, engine, (self.name, account_id, caller.region))

    def _keep_up(self, fetch: _Fetch) -> Generator[Batch, None, _Live]:
        context = fetch.context
        now = context.now()
        live = _load(context, "live", _Live) or _Live(now, now)
        low = min(live.until - self._settings.overlap, now).date()
        while not context.stopping():
            high = min(low + (self._settings.days_at_once - 1) * _DAY, now.date())
            # A day that is over is read to its end as soon as one after it is asked for; what still comes is behind the overlap.
            until = now if high == now.date() else datetime.combine(high + _DAY, datetime.min.time(), UTC)
            after = _Live(live.began, max(live.until, until))
            if not (yield from self._days(fetch, low, high, {"live": msgspec.json.encode(after).decode()})):
                break
            live, low = after, high + _DAY
            if high == now.date():
                break
        return live

    def _fill(self, fetch: _Fetch, live: _Live, since: datetime) -> Iterator[Batch]:
        """Yield the days of the past back to that of `since`, newest first; what was read before is not read again."""
        context, deadline = fetch.context, Deadline(fetch.context.budget, time.monotonic)
        fill = _load(context, "fill", _Fill) or _Fill((live.began - self._settings.overlap).date())
        while fill.low > since.date() and not context.stopping() and not deadline.over:
            high = fill.low - _DAY
            low = max(high - (self._settings.days_at_once - 1) * _DAY, since.date())
            fill = _Fill(low)
            if not (yield from self._days(fetch, low, high, {"fill": msgspec.json.encode(fill).decode()})):
                return

    def _days(self, fetch: _Fetch, low: date, high: date, cursors: dict[str, str]) -> Generator[Batch, None, bool]:
        """Yield the watched records that were delivered in some days, the last batch with the cursors; return whether all was read."""
        settings, context = self._settings, fetch.context
        statement = self._statement(context, low, high)
        findings = Findings(f"{settings.database}.{settings.table}, {low:%Y/%m/%d} to {high:%Y/%m/%d}")
        limits = Limits(settings.query_timeout.total_seconds(), sys.maxsize)
        try:
            result = fetch.engine.run(statement, limits, lambda _done, _all, _bytes: None)
            yield self._scanned(fetch, findings.origin)
            read = record_reader(result.columns)
            for row in result.rows:
                _take(findings, read, row, context.wanted)
                if findings.full:
                    yield findings.batch({})
                if context.stopping():
                    return False
        except SqlError as error:
            yield self._scanned(fetch, findings.origin)
            if context.stopping():
                return False
            reason = error.reason if isinstance(error, AthenaError) else "unreadable"
            raise SourceError(reason, f"{findings.origin}: {error}") from error
        if result.problems:
            # Not all rows came in time: what did is kept, and the cursor stays.
            yield findings.batch({}, SourceError("unavailable", f"{findings.origin}: {'; '.join(result.problems)}"))
            return False
        yield findings.batch(cursors)
        return True

    def _scanned(self, fetch: _Fetch, origin: str) -> Batch:
        """Return the bytes that were scanned since this was last asked, to be counted."""
        scanned, fetch.counted = fetch.engine.scanned_bytes - fetch.counted, fetch.engine.scanned_bytes
        dollars = cost(scanned, self._settings.price_per_terabyte)
        fetch.context.log.debug("asked Athena", days=origin, scanned=told(scanned), about_dollars=round(dollars, 6))
        return Batch(origin, counts=((SCANNED_BYTES.name, fetch.labels, float(scanned)),))

    def _statement(self, context: FetchContext, low: date, high: date) -> Statement:
        settings = self._settings
        asked = _Asked(settings.accounts, settings.regions)
        made = history_statement(asked, settings.table, context.now(), partitioned=True, watched=context.names)
        joined = "AND" if " WHERE " in made.sql else "WHERE"
        days = (f"{low:%Y/%m/%d}", f"{high:%Y/%m/%d}")
        return Statement(f"{made.sql} {joined} day >= ? AND day <= ?", (*made.parameters, *days))


def _take(findings: Findings, read: Callable[[Row], Record], row: Row, wanted: Callable[[str, str], bool]) -> None:
    try:
        # Decoded again as what comes from files is: whatever walks a record must not meet one that nests without end.
        raw, record = load(read(row)[0])
    except MalformedRecord as error:
        findings.malformed(error.reason, str(error))
        return
    if _is_unwanted(record, wanted):
        findings.ignored("not_watched")
    else:
        findings.record(RawRecord(raw, record))


def _is_unwanted(record: dict[str, Any], wanted: Callable[[str, str], bool]) -> bool:
    """Tell whether a record is one of those that the statement gives besides, to be sure of all; one without names is malformed."""
    name, source = record.get("eventName"), record.get("eventSource")
    return bool(isinstance(name, str) and isinstance(source, str) and name and source and not wanted(source, name))


def _load(context: FetchContext, key: str, kind: type[_Saved]) -> _Saved | None:
    saved = context.cursor(key)
    if saved is None:
        return None
    try:
        return msgspec.json.decode(saved, type=kind)
    except (msgspec.MsgspecError, ValueError) as error:
        raise SourceError("internal", f"the cursor {key} cannot be read; a newer version wrote it ({error})") from error


def _units(settings: AthenaSourceSettings, aws: Aws | None) -> Roster:
    assert aws is not None, "the registry says that this type needs AWS"
    return Roster((AthenaSource(settings, aws),))


def _permissions(settings: AthenaSourceSettings) -> Iterator[Permission]:
    yield from permissions(settings)


def _diagnose(settings: AthenaSourceSettings, aws: Aws | None) -> Iterator[Diagnosis]:
    assert aws is not None, "the registry says that this type needs AWS"
    yield from diagnose(settings, caller_of(settings, aws), settings.name)


ATHENA = SourceType(AthenaSourceSettings, _units, _permissions, _diagnose, families=(SCANNED_BYTES.name,))

__all__ = ["ATHENA", "AthenaSource", "AthenaSourceSettings"]
