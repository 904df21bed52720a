"""How the exporter itself is doing: counted in memory, spelled by the same lines as the rest; histograms are prometheus_client's."""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram, PlatformCollector, ProcessCollector, Summary
from prometheus_client.metrics_core import Metric

from exporter import __version__
from exporter.aws.codes import ERROR_CODES, REASONS, UNANSWERED
from exporter.aws.operations import Operation
from exporter.errors import SOURCE_REASONS, StoreError
from exporter.families import OTHER
from exporter.metrics import table
from exporter.metrics.cells import Cells
from exporter.metrics.costs import LastHour
from exporter.metrics.lines import header, number, prefix
from exporter.metrics.table import REFUSALS, STORE_OPERATIONS, TELEMETRY, SelfMetric
from exporter.store.base import StoreStats

_OF_POLLS = (table.POLLS, table.POLL_SUCCESS, table.POLL_DURATION, table.LAST_POLL)
"""What a unit has of the polls of this process."""
_MOST_CALL_UNITS = 4_000
"""How many services, operations, accounts and regions are told apart in the counters of requests."""
_MOST_CALL_ERRORS = 2_000
_LEAST_AGE = 10.0


@dataclass(slots=True)
class _Unit:
    """What is known of a unit of a source: its interval in seconds, whether its last poll was complete, when one last was (epoch).

    `here` tells that this process polls it, and no other replica.
    """

    interval: float | None = None
    complete: bool = False
    last_success: float = 0.0
    here: bool = True

    def is_healthy(self, now: float) -> bool:
        return self.complete and now - self.last_success <= max(2 * (self.interval or 0.0), _LEAST_AGE)


class Telemetry:
    """The exporter's own metrics; safe to record from any thread. `version` grows when a scrape would show something else.

    A family is on the page from the first time that something is recorded in it. `now` is a clock in seconds that never goes back.
    """

    def __init__(self, version: str = __version__, python_version: str = "", now: Callable[[], float] = time.monotonic) -> None:
        self.version = 0
        self._lock = threading.Lock()
        self._cells = {row.name: Cells(row) for row in TELEMETRY if row.type in ("counter", "gauge")}
        self._observed = {row.name: _observer(row) for row in TELEMETRY if row.name not in self._cells}
        self._versions = {row.name: 0 for row in TELEMETRY}
        self._hidden = set(self._versions)
        self._rendered: dict[tuple[str, bool], tuple[int, bytes]] = {}
        self._units: dict[tuple[str, str, str], _Unit] = {}
        self._counted_units: dict[tuple[str, str], int] = {}
        self._stats: StoreStats | None = None
        self._share: tuple[int, Mapping[str, int]] | None = None
        self._now = now
        self._costs = LastHour()
        self._call_units: set[tuple[str, ...]] = set()
        self._call_errors: set[tuple[str, ...]] = set()
        self._process_registry = CollectorRegistry()
        ProcessCollector(registry=self._process_registry)
        PlatformCollector(registry=self._process_registry)
        self._set(table.BUILD_INFO, 1, version, python_version or platform.python_version())
        for operation in STORE_OPERATIONS:
            self._count(table.STORE_ERRORS, 0, operation)
        for reason in REFUSALS:
            self._count(table.HTTP_REFUSED, 0, reason)
        self._count(table.RELOADS, 0)
        self._count(table.RELOAD_FAILURES, 0)
        self._touch(table.REFRESH_DURATION)

    def register_source(self, source: str, account_id: str, region: str, poll_interval: float | None = None) -> None:
        """Make what is counted for a unit of a source exist at 0; `poll_interval` is in seconds, None where nothing polls."""
        unit = (source, account_id, region)
        with self._lock:
            known = self._units.setdefault(unit, _Unit())
            known.interval = poll_interval
        if known.here:
            self._count(table.POLLS, 0, *unit)
        for reason in SOURCE_REASONS:
            self._count(table.POLL_FAILURES, 0, source, reason)
        if poll_interval is not None:
            self._set(table.POLL_INTERVAL, poll_interval, *unit)

    def forget_source(self, source: str, account_id: str, region: str) -> None:
        """Take a unit that is no longer configured off the page; otherwise its age would alert for ever."""
        unit = (source, account_id, region)
        with self._lock:
            self._units.pop(unit, None)
            last = not any(name == source for name, _, _ in self._units)
        for row in (*_OF_POLLS, table.POLL_INTERVAL, table.LAST_SUCCESS):
            self._remove(row, *unit)
        if last:
            for row in (table.UNITS, table.UNITS_HEALTHY):
                self._counted_units.pop((row.name, source), None)
            for row in (table.UNITS, table.UNITS_HEALTHY, table.EVENT_LAG, table.EVENT_REPEAT_LAG):
                self._remove(row, source)
            for reason in SOURCE_REASONS:
                self._remove(table.POLL_FAILURES, source, reason)

    def poll_finished(self, source: str, account_id: str, region: str, seconds: float, at: float, reason: str | None) -> None:
        """Record a poll that took `seconds` and ended at `at` (epoch); `reason` is one of SOURCE_REASONS where it failed."""
        unit = (source, account_id, region)
        with self._lock:
            known = self._units.setdefault(unit, _Unit())
            known.here = True
            known.complete = reason is None
            if reason is None:
                known.last_success = at
        if reason is not None:
            self._count(table.POLL_FAILURES, 1, source, reason if reason in SOURCE_REASONS else "internal")
        self._count(table.POLLS, 1, *unit)
        self._set(table.POLL_SUCCESS, float(reason is None), *unit)
        self._set(table.POLL_DURATION, seconds, *unit)
        self._set(table.LAST_POLL, at, *unit)
        self._set(table.LAST_SUCCESS, known.last_success, *unit)

    def unit_failed(self, source: str, account_id: str, region: str, at: float, reason: str, last_success: float) -> None:
        """Record that a unit cannot even be told, as a poll that failed; `last_success` (epoch) is when nothing was known to be wrong."""
        with self._lock:
            known = self._units.setdefault((source, account_id, region), _Unit())
            known.last_success = max(known.last_success, last_success)
        self.poll_finished(source, account_id, region, 0.0, at, reason)

    def polled_here(self, source: str, account_id: str, region: str, last_success: float) -> None:
        """Record that this replica polls a unit, which one read last at `last_success` (epoch), 0 for never."""
        unit = (source, account_id, region)
        with self._lock:
            known = self._units.get(unit)
            if known is None:  # forgotten meanwhile
                return
            known.here, came = True, not known.here
            known.last_success, later = max(known.last_success, last_success), last_success > known.last_success
        if came:
            self._count(table.POLLS, 0, *unit)
        if later:
            self._set(table.LAST_SUCCESS, last_success, *unit)

    def polled_elsewhere(self, source: str, account_id: str, region: str, last_success: float) -> None:
        """Record that another replica polls a unit, or none, and when it was last read (epoch), 0 for never.

        Its age stays on every replica's page, so that a unit that nobody polls alerts; what only who polls it knows leaves the page.
        """
        unit = (source, account_id, region)
        with self._lock:
            known = self._units.get(unit)
            if known is None:
                return
            known.here, went = False, known.here
            # Who polls it knows better; here its age alone tells whether it is well.
            known.complete = True
            known.last_success, changed = last_success, last_success != known.last_success
        if went:
            for row in _OF_POLLS:
                self._remove(row, *unit)
        if changed:
            self._set(table.LAST_SUCCESS, last_success, *unit)

    def shared(self, replicas: int, held: Mapping[str, int]) -> None:
        """Record how many replicas share the store, and how many units of each source this one holds."""
        if (replicas, held) != self._share:
            self._share = replicas, dict(held)
            self._set(table.REPLICAS, replicas)
            self._cells[table.UNITS_HELD.name].clear()
            self._touch(table.UNITS_HELD, hide=not held)
            for source, units in held.items():
                self._set(table.UNITS_HELD, units, source)

    def count_units(self, now: float) -> None:
        """Bring the numbers of units, and of those that are healthy at `now` (epoch), up to date."""
        totals: dict[str, tuple[int, int]] = {}
        with self._lock:
            for (source, _, _), unit in self._units.items():
                total, healthy = totals.get(source, (0, 0))
                totals[source] = total + 1, healthy + unit.is_healthy(now)
        for source, (total, healthy) in totals.items():
            for row, value in ((table.UNITS, total), (table.UNITS_HEALTHY, healthy)):
                if self._counted_units.get((row.name, source)) != value:
                    self._counted_units[row.name, source] = value
                    self._set(row, value, source)

    def event_stored(self, source: str, lag_seconds: float) -> None:
        """Record how long a live event took from AWS to the store; clocks that disagree make it no less than 0."""
        self._observe(table.EVENT_LAG, max(0.0, lag_seconds), source)

    def event_repeated(self, source: str, lag_seconds: float) -> None:
        """Record how long a live event took to come by this source too, after another had brought it."""
        self._observe(table.EVENT_REPEAT_LAG, max(0.0, lag_seconds), source)

    def aws_request(self, operation: Operation, account_id: str, region: str, seconds: float, error_code: str | None) -> None:
        """Record one attempt of a call; `error_code` is AWS's own, or one of UNANSWERED; None where it succeeded."""
        call = operation.service, operation.name
        unit = self._folded(self._call_units, (*call, account_id, region), _MOST_CALL_UNITS)
        self._count(table.AWS_REQUESTS, 1, *unit)
        self._count(table.AWS_THROTTLES, float(error_code is not None and REASONS.get(error_code) == "throttled"), *unit)
        self._observe(table.AWS_DURATION, seconds, *call)
        if error_code is not None:
            code = error_code if error_code in ERROR_CODES else "other"
            self._count(table.AWS_REQUEST_ERRORS, 1, *self._folded(self._call_errors, (*unit, code), _MOST_CALL_ERRORS))
        if operation.cost and error_code not in UNANSWERED:
            self._spend(operation.cost, unit[2], operation.service)

    def aws_spent(self, operation: Operation, account_id: str, dollars: float) -> None:
        """Record what a call cost beside its requests, by the account that pays for those."""
        with self._lock:
            # As many accounts as requests are told apart by.
            known = any(labels[2] == account_id for labels in self._call_units)
        self._spend(dollars, account_id if known else OTHER, operation.service)

    def _spend(self, dollars: float, account_id: str, service: str) -> None:
        self._count(table.AWS_COST, dollars, account_id, service)
        with self._lock:
            self._costs.add((account_id, service), dollars, self._now())

    def _folded(self, known: set[tuple[str, ...]], labels: tuple[str, ...], most: int) -> tuple[str, ...]:
        """Return labels of a call as they are, or without account and region where too many are known."""
        with self._lock:
            if labels in known or len(known) < most:
                known.add(labels)
                return labels
        return *labels[:2], OTHER, OTHER, *labels[4:]

    def register_job(self, job: str) -> None:
        """Make what is counted for a job of the scheduler exist at 0."""
        self._count(table.MISSED_RUNS, 0, job)
        self._count(table.FAILED_RUNS, 0, job)

    def forget_job(self, job: str) -> None:
        """Take a job that runs no more off the page."""
        self._remove(table.MISSED_RUNS, job)
        self._remove(table.FAILED_RUNS, job)

    def run_missed(self, job: str) -> None:
        """Record a run that the scheduler left out."""
        self._count(table.MISSED_RUNS, 1, job)

    def run_failed(self, job: str) -> None:
        """Record a run that raised."""
        self._count(table.FAILED_RUNS, 1, job)

    def config_loaded(self, at: float) -> None:
        """Record a configuration that came into force at a time (epoch)."""
        self._count(table.RELOADS, 1)
        self._set(table.RELOAD_SUCCESSFUL, 1)
        self._set(table.RELOAD_SUCCESS_TIME, at)

    def config_failed(self) -> None:
        """Record a configuration that could not be loaded."""
        self._count(table.RELOADS, 1)
        self._count(table.RELOAD_FAILURES, 1)
        self._set(table.RELOAD_SUCCESSFUL, 0)

    def web_info(self, external_url: str) -> None:
        """Record the URL under which people reach the exporter, instead of the one before; empty if none is configured."""
        self._cells[table.WEB_INFO.name].clear()
        self._set(table.WEB_INFO, 1, external_url)

    def web_config_read(self, succeeded: bool) -> None:
        """Record an attempt to read the web configuration file."""
        self._set(table.WEB_CONFIG_SUCCESSFUL, float(succeeded))

    def http_request(self, handler: str, code: int) -> None:
        """Record a request that was answered; `handler` is a path's pattern. The next refresh shows it: a scrape is no reason for one."""
        self._count(table.HTTP_REQUESTS, 1, handler, str(code), wake=handler != "/metrics")

    def http_refused(self, reason: str) -> None:
        """Record a request or a connection that was turned away; `reason` is one of REFUSALS."""
        self._count(table.HTTP_REFUSED, 1, reason)

    def exceptions(self, expiries: Mapping[str, float]) -> None:
        """Record when each exception of the configuration in force ends (epoch), by its name, instead of those before."""
        self._cells[table.EXCEPTION_EXPIRY.name].clear()
        self._touch(table.EXCEPTION_EXPIRY, hide=True)
        for name, at in expiries.items():
            self._set(table.EXCEPTION_EXPIRY, at, name)

    def expectation(self, at: float) -> None:
        """Record when it was last worked out what is usual (epoch), 0 for never."""
        self._set(table.EXPECTATION, at)

    def store_stats(self, stats: StoreStats) -> None:
        """Record size and extent of the store."""
        if stats == self._stats:
            return
        self._stats = stats
        self._set(table.STORE_SIZE, stats.size_bytes)
        self._set(table.STORE_EVENTS, stats.events)
        for row, moment in ((table.STORE_OLDEST, stats.oldest_event_time), (table.STORE_NEWEST, stats.newest_event_time)):
            if moment is None:
                self._touch(row, hide=True)
            else:
                self._set(row, moment.timestamp())

    def store_error(self, operation: str) -> None:
        """Record that the store failed; `operation` is one of STORE_OPERATIONS."""
        self._count(table.STORE_ERRORS, 1, operation)

    @contextmanager
    def watching(self, operation: str) -> Iterator[None]:
        """Record a StoreError that passes through; `operation` is one of STORE_OPERATIONS."""
        try:
            yield
        except StoreError:
            self.store_error(operation)
            raise

    def page_refreshed(self, seconds: float) -> None:
        """Record how long a refresh of the page took; the next refresh shows it, because it is no reason for one."""
        self._observe(table.REFRESH_DURATION, seconds, wake=False)

    def text(self, openmetrics: bool) -> bytes:
        """Return the lines of every family in which something is recorded; only what changed is spelled again."""
        self._age_costs()
        parts = []
        for row in TELEMETRY:
            with self._lock:
                shown, version = row.name not in self._hidden, self._versions[row.name]
            if not shown:
                continue
            known = self._rendered.get((row.name, openmetrics))
            if known is None or known[0] != version:
                known = self._rendered[row.name, openmetrics] = version, self._family(row, openmetrics)
            parts.append(known[1])
        return b"".join(parts)

    def process_text(self, openmetrics: bool) -> bytes:
        """Return the lines about process and interpreter (process_*, python_info), as they are now."""
        return _spell(self._process_registry.collect(), openmetrics)

    def _age_costs(self) -> None:
        with self._lock:
            per_day = list(self._costs.passed(self._now()))
        for (account_id, service), dollars in per_day:
            self._set(table.AWS_COST_PER_DAY, dollars, account_id, service, wake=False)

    def _family(self, row: SelfMetric, openmetrics: bool) -> bytes:
        cells = self._cells.get(row.name)
        return _spell(self._observed[row.name].collect(), openmetrics) if cells is None else cells.text(openmetrics)

    def _count(self, row: SelfMetric, amount: float, *labels: str, wake: bool = True) -> None:
        self._cells[row.name].add(labels, amount)
        self._touch(row, wake=wake)

    def _set(self, row: SelfMetric, value: float, *labels: str, wake: bool = True) -> None:
        self._cells[row.name].set(labels, value)
        self._touch(row, wake=wake)

    def _observe(self, row: SelfMetric, value: float, *labels: str, wake: bool = True) -> None:
        metric = self._observed[row.name]
        (metric.labels(*labels) if labels else metric).observe(value)
        self._touch(row, wake=wake)

    def _remove(self, row: SelfMetric, *labels: str) -> None:
        cells = self._cells.get(row.name)
        if cells is None:
            self._observed[row.name].remove(*labels)
        else:
            cells.remove(labels)
        self._touch(row, hide=row.name in self._hidden)

    def _touch(self, row: SelfMetric, *, wake: bool = True, hide: bool = False) -> None:
        """Note that a family changed, after it has: a page that reads the number first can only be too careful."""
        with self._lock:
            self._versions[row.name] += 1
            (self._hidden.add if hide else self._hidden.discard)(row.name)
            self.version += wake


def _observer(row: SelfMetric) -> Histogram | Summary:
    if row.type == "histogram":
        return Histogram(row.name, row.help, row.labels, registry=None, buckets=row.buckets)
    return Summary(row.name, row.help, row.labels, registry=None)


def _spell(metrics: Iterable[Metric], openmetrics: bool) -> bytes:
    """Return families of prometheus_client as text, without the `_created` samples, which would double them."""
    parts = []
    for metric in metrics:
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        parts.append(header(name, metric.type, metric.documentation, openmetrics))
        parts += [
            prefix(sample.name, tuple(sample.labels), tuple(sample.labels.values())) + f"{number(float(sample.value))}\n".encode()
            for sample in metric.samples
            if not sample.name.endswith("_created")
        ]
    return b"".join(parts)
