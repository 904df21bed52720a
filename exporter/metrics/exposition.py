"""/metrics: a page that is rendered when something changed, and handed out as it is when nothing did.

A refresh runs in one thread at a time and ends in one assignment, so that every scrape reads a whole page of one state of
the store. A scrape that finds the page out of date has it refreshed by another thread and waits a few milliseconds; under
load it takes the page as it was, and the next scrape has the new one. No scrape writes to the store.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from exporter.checks import STATE_FAMILIES
from exporter.errors import StoreError
from exporter.families import FAMILIES, Family
from exporter.forecast import FORECAST_FAMILIES, Forecaster, Samples
from exporter.metrics.book import Book
from exporter.metrics.lines import OPENMETRICS_END
from exporter.metrics.negotiation import negotiate
from exporter.metrics.sheet import Sheet
from exporter.metrics.telemetry import Telemetry
from exporter.store.base import SeriesRow, Store

_PATIENCE = 0.002
_PROCESS_SECONDS = 1.0
_UNWANTED_SECONDS = 600.0

Variant = tuple[bool, bool]
"""OpenMetrics or not, gzip or not."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to a scrape; `encoding` is the Content-Encoding, None for none."""

    body: bytes
    content_type: str
    encoding: str | None
    unexposed: tuple[int, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The pages of one state, and what that state was."""

    pages: Mapping[Variant, Page]
    revision: int
    telemetry: int
    process_at: float


class Exposition:
    """Renders the store's series and the exporter's own metrics; safe to use from any thread."""

    def __init__(
        self,
        store: Store,
        budgets: Mapping[str, int],
        birth_hold: timedelta,
        clock: Callable[[], float],
        telemetry: Telemetry,
        *,
        families: Sequence[Family] = FAMILIES,
        states: bool = False,
        state_families: Sequence[Family] = STATE_FAMILIES,
        forecaster: Forecaster | None = None,
        patience: float = _PATIENCE,
        previous: Exposition | None = None,
    ) -> None:
        """`budgets` overrides series budgets by family name; `clock` gives epoch seconds; `patience` is how long a scrape waits.

        Gauges of what stands are shown only with `states`: where it is not read, what the store may still have of it is old.
        `forecaster` says what is usual in each account and region whose counters are shown; None for no such gauges.
        `previous` is the exposition that this one takes over from: what it has shown is not held again.
        """
        self._store, self._clock, self._telemetry, self._patience = store, clock, telemetry, patience
        self._families, self._budgets, self._hold = families, dict(budgets), birth_hold.total_seconds()
        self._states, self._state_families = states, state_families if states else ()
        self._forecaster = forecaster
        self._forecast_due = math.inf
        self._forecast_shown: Samples = {}
        self._book = self._new_book(self._hold, previous.released() if previous else frozenset())
        self._lock = threading.Lock()
        self._revision = self._state_revision = 0
        self._read = False
        self._snapshot: _Snapshot | None = None
        self._next_due = math.inf
        self._asked: dict[Variant, float] = {}
        self._sheets: dict[bool, Sheet] = {}
        self._request_lock = threading.Lock()
        self._requested: Future[None] | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="exposition")
        self._scraped_lock = threading.Lock()
        self._scraped: list[tuple[tuple[int, ...], float]] = []
        self._flush_lock = threading.Lock()
        self._to_mark: dict[int, float] = {}

    def page(self, openmetrics: bool = False, gzip: bool = False, *, scrape: bool = True) -> Page:
        """Return what a scrape gets, and remember that it got it; raise StoreError while the store could never be read.

        Without `scrape` nobody sees the samples (a HEAD request), so that no new series counts as shown.
        """
        now = self._clock()
        variant = (openmetrics, gzip)
        self._asked[variant] = now
        snapshot = self._snapshot
        page = None if snapshot is None else snapshot.pages.get(variant)
        if snapshot is None or page is None:
            page = self._first_page(variant)
        elif self._outdated(snapshot, now):
            page = self._refreshed(variant, snapshot, now) or page
        if scrape and page.unexposed:
            self._note_scrape(page.unexposed, now)
        return page

    def refresh(self) -> None:
        """Bring the page up to date before returning; a store that cannot be read is counted, and the page stays as it was."""
        with self._lock:
            self._rebuild(read_store=True)

    def text(self, openmetrics: bool = False, settled: bool = False) -> str:
        """Return the page as text, without what is only true of a running process; raise StoreError where the store fails.

        `settled` shows every series at its value, as the page will once every hold is over. This is no scrape.
        """
        book = self._new_book(0.0 if settled else self._hold, self.released())
        rows, now = self._store.series().rows, self._clock()
        book.series.apply(rows, now)
        if self._forecaster is not None:
            samples, _ = self._expected(self._forecaster, rows, now)
            book.forecast.apply(samples)
        if self._states:
            book.state.apply(self._store.samples().units)
        end = OPENMETRICS_END if openmetrics else b""
        return b"".join((book.text(openmetrics), self._telemetry.text(openmetrics), end)).decode()

    def flush_exposed(self) -> int:
        """Tell the store which new series scrapes have shown, and return how many; raise StoreError, then they wait for the next time."""
        with self._flush_lock:
            with self._scraped_lock:
                scraped, self._scraped = self._scraped, []
            for ids, at in scraped:
                for key in ids:
                    self._to_mark.setdefault(key, at)
            by_time: dict[float, list[int]] = {}
            for key, at in self._to_mark.items():
                if not self._book.series.is_exposed(key):
                    by_time.setdefault(at, []).append(key)
            for at, marked in by_time.items():
                self._store.mark_exposed(marked, datetime.fromtimestamp(at, UTC))
            self._to_mark = {}
            if by_time:
                with self._lock:
                    for at, marked in by_time.items():
                        self._book.series.exposed(marked, at, self._clock())
                    self._rebuild(read_store=False)
            return sum(map(len, by_time.values()))

    def released(self) -> frozenset[int]:
        """Return the ids of the series that have shown their value."""
        with self._lock:
            return self._book.series.released()

    def close(self) -> None:
        """End the refreshing thread. A scrape that comes after all, because a reload overtook it, refreshes the page itself."""
        self._worker.shutdown()

    def _new_book(self, birth_hold: float, released: frozenset[int]) -> Book:
        forecast = FORECAST_FAMILIES if self._forecaster else ()
        return Book(self._families, self._state_families, forecast, self._budgets, birth_hold, released)

    def _outdated(self, snapshot: _Snapshot, now: float) -> bool:
        return (
            now >= self._next_due
            or snapshot.telemetry != self._telemetry.version
            or not 0 <= now - snapshot.process_at < _PROCESS_SECONDS
            or self._store_moved(snapshot)
        )

    def _store_moved(self, snapshot: _Snapshot) -> bool:
        try:
            return self._store.revision() != snapshot.revision
        except StoreError:
            return True  # the refresh meets the same failure, and counts it

    def _first_page(self, variant: Variant) -> Page:
        """Return a page of a kind that nobody has asked for lately; there is no older one to fall back to."""
        with self._lock:
            self._rebuild(read_store=True, must_read=not self._read)
            assert self._snapshot is not None
            return self._snapshot.pages[variant]

    def _refreshed(self, variant: Variant, snapshot: _Snapshot, now: float) -> Page | None:
        """Return the page of a refresh that ended within the patience of a scrape, or the newest that there is."""
        deadline = time.monotonic() + self._patience
        if now < self._next_due and not self._store_moved(snapshot):
            # Only the exporter's own lines are old: cheaper to spell here than to wait for another thread to wake up.
            if self._lock.acquire(timeout=self._patience):
                try:
                    self._rebuild(read_store=False)
                finally:
                    self._lock.release()
        else:
            # The refresh under way may have read the store before the change that this scrape came after: then one more.
            for _ in range(2):
                done = self._request()
                wait((done,), timeout=max(0.0, deadline - time.monotonic()))
                if not done.done():
                    break
                done.result()
                if self._snapshot is not None and not self._outdated(self._snapshot, now):
                    break
        return None if self._snapshot is None else self._snapshot.pages.get(variant)

    def _note_scrape(self, unexposed: tuple[int, ...], at: float) -> None:
        with self._scraped_lock:
            if not self._scraped or self._scraped[-1][0] is not unexposed:
                self._scraped.append((unexposed, at))

    def _request(self) -> Future[None]:
        """Return the refresh that is under way or due in the worker thread."""
        with self._request_lock:
            if self._requested is None or self._requested.done():
                try:
                    self._requested = self._worker.submit(self.refresh)
                except RuntimeError:  # closed
                    self.refresh()
                    self._requested = Future()
                    self._requested.set_result(None)
            return self._requested

    def _rebuild(self, *, read_store: bool, must_read: bool = False) -> None:
        """Make a new snapshot; the caller holds the lock."""
        started = time.perf_counter()
        now = self._clock()
        old = self._snapshot
        if read_store:
            try:
                self._read_store(now)
            except StoreError:
                if must_read:
                    raise
        self._book.series.settle(now)
        self._next_due = min(self._book.series.next_due, self._forecast_due)
        if self._read:
            version = self._telemetry.version
            fresh = old is not None and 0 <= now - old.process_at < _PROCESS_SECONDS
            pages = self._pages(now, process=not fresh)
            # Of the two readings the older one: what it lacks is read again as soon as anybody asks.
            revision = min(self._revision, self._state_revision) if self._states else self._revision
            self._snapshot = _Snapshot(pages, revision, version, old.process_at if old is not None and fresh else now)
            self._telemetry.page_refreshed(time.perf_counter() - started)

    def _read_store(self, now: float) -> None:
        """Take in what has changed since the last reading; raise StoreError after it is counted, with what was read taken in."""
        with self._telemetry.watching("series"):
            changes = self._store.series(self._revision)
        self._book.series.apply(changes.rows, now)
        self._revision = changes.revision
        # After the counts, so that what was counted late is known when they are shown.
        if self._forecaster is not None:
            samples, due = self._expected(self._forecaster, changes.rows, now)
            shown, self._forecast_shown = self._forecast_shown, samples
            self._book.forecast.apply({unit: given for unit, given in samples.items() if shown.get(unit) is not given})
            self._forecast_due = math.inf if due is None else due.timestamp()
        if self._states:
            with self._telemetry.watching("samples"):
                state = self._store.samples(self._state_revision)
            self._book.state.apply(state.units)
            self._state_revision = state.revision
        self._read = True

    def _expected(self, forecaster: Forecaster, rows: Sequence[SeriesRow], now: float) -> tuple[Samples, datetime | None]:
        """Return the forecast's gauges and when they change by themselves; raise StoreError after it is counted."""
        forecaster.meet(rows)
        with self._telemetry.watching("late_counts"):
            return forecaster.samples(datetime.fromtimestamp(now, UTC))

    def _pages(self, now: float, *, process: bool) -> dict[Variant, Page]:
        """Return the pages that scrapes have asked for lately; what nobody wants costs no time and no memory."""
        pages: dict[Variant, Page] = {}
        for openmetrics in (False, True):
            wanted = [gzip for gzip in (False, True) if now - self._asked.get((openmetrics, gzip), -math.inf) < _UNWANTED_SECONDS]
            if not wanted:
                if self._sheets.pop(openmetrics, None):
                    self._book.forget(openmetrics)
                continue
            sheet = self._sheets.get(openmetrics)
            if sheet is None:
                sheet = self._sheets[openmetrics] = Sheet(openmetrics, self._book, self._telemetry)
            sheet.update(process=process)
            for gzip in (False, True):
                if gzip in wanted:
                    body = sheet.body(gzip)
                    pages[openmetrics, gzip] = Page(body, sheet.content_type, "gzip" if gzip else None, self._book.series.unexposed)
                else:
                    sheet.drop(gzip)
        return pages


__all__ = ["Exposition", "Page", "negotiate"]
