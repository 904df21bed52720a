"""Every metric about the exporter itself, one row each: telemetry, the page and the documentation all read it here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PREFIX = "awschange_exporter_"

_LAG_BUCKETS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0)


@dataclass(frozen=True, slots=True)
class SelfMetric:
    """One family of self-metrics; `buckets` are the upper bounds of a histogram."""

    name: str
    type: Literal["counter", "gauge", "histogram", "summary"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    stability: Literal["experimental", "stable", "deprecated"] = "experimental"


_SOURCE = ("source",)
_UNIT = ("source", "account_id", "region")

BUILD_INFO = SelfMetric(PREFIX + "build_info", "gauge", "Always 1; which version runs on which Python.", ("version", "python_version"))
WEB_INFO = SelfMetric(
    PREFIX + "web_info", "gauge", "Always 1; the URL under which people reach this exporter, for the links in alerts.", ("external_url",)
)
POLLS = SelfMetric(PREFIX + "polls_total", "counter", "Polls that have ended, well or not.", _UNIT)
POLL_FAILURES = SelfMetric(
    PREFIX + "poll_failures_total",
    "counter",
    "Polls of all units of the source that could not read or store everything, by the first reason; also attempts to learn its units. "
    "What was read is kept, and the next poll goes on from there; poll_success tells which units.",
    (*_SOURCE, "reason"),
)
POLL_SUCCESS = SelfMetric(
    PREFIX + "poll_success",
    "gauge",
    "Whether the last poll read and stored everything (1) or not (0). Account and region are empty for a source that spans many.",
    _UNIT,
)
POLL_DURATION = SelfMetric(PREFIX + "poll_duration_seconds", "gauge", "How long the last poll took.", _UNIT)
POLL_INTERVAL = SelfMetric(
    PREFIX + "poll_interval_seconds",
    "gauge",
    "How often the source is polled, as configured, waiting for messages included; what is stale depends on it.",
    _UNIT,
)
LAST_POLL = SelfMetric(PREFIX + "last_poll_timestamp_seconds", "gauge", "When the last poll ended, well or not.", _UNIT)
LAST_SUCCESS = SelfMetric(
    PREFIX + "last_success_timestamp_seconds",
    "gauge",
    "When a poll last read and stored everything; 0 if none has since the exporter started. If this stands still, changes go unseen.",
    _UNIT,
)
UNITS = SelfMetric(
    PREFIX + "units",
    "gauge",
    "Units of the source: accounts and regions that are polled each by itself, and those that should be but cannot be told.",
    _SOURCE,
)
UNITS_HEALTHY = SelfMetric(
    PREFIX + "units_healthy",
    "gauge",
    "Of these, units whose last poll read and stored everything, no longer ago than twice the interval (10 seconds at least).",
    _SOURCE,
)
UNITS_HELD = SelfMetric(
    PREFIX + "units_held",
    "gauge",
    "Units of the source that this replica polls, where replicas share the store; over all replicas their sum should be "
    "awschange_exporter_units. A queue is polled by all, and held by the one that also does what is for one alone.",
    _SOURCE,
)
REPLICAS = SelfMetric(
    PREFIX + "replicas", "gauge", "Replicas that share the store and were alive when leases were last renewed, this one included."
)
EVENT_LAG = SelfMetric(
    PREFIX + "event_lag_seconds",
    "histogram",
    "From a change in AWS to its count, of live events that this source was the first to bring as such. CloudTrail itself delivers "
    "in about 5 minutes, without a promise.",
    _SOURCE,
    _LAG_BUCKETS,
)
EVENT_REPEAT_LAG = SelfMetric(
    PREFIX + "event_repeat_lag_seconds",
    "histogram",
    "From a change in AWS to when this source brought it too, of live events that another source had brought before.",
    _SOURCE,
    _LAG_BUCKETS,
)
MISSED_RUNS = SelfMetric(
    PREFIX + "scheduler_missed_runs_total",
    "counter",
    "Runs of a job that were left out because the one before was still under way, or that started too late.",
    ("job",),
)
FAILED_RUNS = SelfMetric(
    PREFIX + "scheduler_failed_runs_total",
    "counter",
    "Runs of a job that ended by a fault of the exporter; the log has the traceback.",
    ("job",),
)
RELOAD_SUCCESSFUL = SelfMetric(
    PREFIX + "config_last_reload_successful",
    "gauge",
    "Whether the last attempt to load the configuration succeeded (1), or failed and left the old one in force (0).",
)
RELOAD_SUCCESS_TIME = SelfMetric(
    PREFIX + "config_last_reload_success_timestamp_seconds", "gauge", "When the configuration in force was loaded."
)
RELOADS = SelfMetric(PREFIX + "config_reloads_total", "counter", "Attempts to load the configuration, the one at the start included.")
RELOAD_FAILURES = SelfMetric(PREFIX + "config_reload_failures_total", "counter", "Attempts to load the configuration that failed.")
EXCEPTION_EXPIRY = SelfMetric(
    PREFIX + "exception_expiry_timestamp_seconds",
    "gauge",
    "When an exception of posture.exceptions ends, or has ended; from then on what it covered counts as open. Renew it, or close the rule.",
    ("exception",),
)
EXPECTATION = SelfMetric(
    PREFIX + "expectation_timestamp_seconds",
    "gauge",
    "When it was last worked out from the history what this hour usually brings (awschange_expected_changes); 0 if it never was since the "
    "exporter started. Each hour; if this stands still, the bound is that of another hour.",
)
STORE_SIZE = SelfMetric(PREFIX + "store_size_bytes", "gauge", "Size of the store on disk.")
STORE_EVENTS = SelfMetric(PREFIX + "store_events", "gauge", "Events in the history; store.retention bounds them.")
STORE_OLDEST = SelfMetric(
    PREFIX + "store_oldest_event_timestamp_seconds", "gauge", "Event time of the oldest event in the history; absent while it is empty."
)
STORE_NEWEST = SelfMetric(
    PREFIX + "store_newest_event_timestamp_seconds", "gauge", "Event time of the newest event in the history; absent while it is empty."
)
STORE_ERRORS = SelfMetric(
    PREFIX + "store_errors_total",
    "counter",
    "Times that the store failed, by operation. The page keeps the last counts that could be read.",
    ("operation",),
)
REFRESH_DURATION = SelfMetric(
    PREFIX + "refresh_duration_seconds", "summary", "Time spent bringing the metrics page up to date after something changed."
)
_CALL = ("aws_service", "operation")
_CALL_UNIT = (*_CALL, "account_id", "region")
_AWS_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)
AWS_REQUESTS = SelfMetric(
    PREFIX + "aws_requests_total",
    "counter",
    "Requests sent to AWS, every attempt counted. The account is the one that is acted in.",
    _CALL_UNIT,
)
AWS_REQUEST_ERRORS = SelfMetric(
    PREFIX + "aws_request_errors_total",
    "counter",
    "Requests to AWS that failed, by AWS's own code (timeout, connection and cut where no whole answer came; other for rare codes).",
    (*_CALL_UNIT, "error_code"),
)
AWS_THROTTLES = SelfMetric(
    PREFIX + "aws_throttles_total",
    "counter",
    "Requests that AWS refused because there were too many. The exporter keeps below AWS's limit, but shares it with all other users.",
    _CALL_UNIT,
)
AWS_DURATION = SelfMetric(
    PREFIX + "aws_request_duration_seconds",
    "histogram",
    "From a request to AWS to the end of its answer, without the wait for its turn.",
    _CALL,
    _AWS_BUCKETS,
)
AWS_COST = SelfMetric(
    PREFIX + "aws_estimated_cost_dollars_total",
    "counter",
    "What the requests cost in US dollars, by list prices of us-east-1 and without free tiers. LookupEvents is free.",
    ("account_id", "aws_service"),
)
AWS_COST_PER_DAY = SelfMetric(
    PREFIX + "aws_estimated_cost_dollars_per_day",
    "gauge",
    "What a day costs in US dollars if it goes on as in the last hour.",
    ("account_id", "aws_service"),
)
HTTP_REQUESTS = SelfMetric(
    PREFIX + "http_requests_total",
    "counter",
    "Requests answered, by the path's pattern (`other` for paths that there are not) and the status. A scrape shows the scrapes before it.",
    ("handler", "code"),
)
HTTP_REFUSED = SelfMetric(
    PREFIX + "http_requests_refused_total",
    "counter",
    "Requests and connections turned away before any work was done for them, by reason: a flood, a wrong password, a scanner.",
    ("reason",),
)
WEB_CONFIG_SUCCESSFUL = SelfMetric(
    PREFIX + "web_config_last_reload_successful",
    "gauge",
    "Whether the last attempt to read the web configuration file and its certificates succeeded (1), or failed and left the old ones in "
    "force (0); absent without such a file.",
)

TELEMETRY: tuple[SelfMetric, ...] = (
    BUILD_INFO,
    WEB_INFO,
    POLLS,
    POLL_FAILURES,
    POLL_SUCCESS,
    POLL_DURATION,
    POLL_INTERVAL,
    LAST_POLL,
    LAST_SUCCESS,
    UNITS,
    UNITS_HEALTHY,
    UNITS_HELD,
    REPLICAS,
    EVENT_LAG,
    EVENT_REPEAT_LAG,
    AWS_REQUESTS,
    AWS_REQUEST_ERRORS,
    AWS_THROTTLES,
    AWS_DURATION,
    AWS_COST,
    AWS_COST_PER_DAY,
    MISSED_RUNS,
    FAILED_RUNS,
    RELOAD_SUCCESSFUL,
    RELOAD_SUCCESS_TIME,
    RELOADS,
    RELOAD_FAILURES,
    WEB_CONFIG_SUCCESSFUL,
    HTTP_REQUESTS,
    HTTP_REFUSED,
    EXCEPTION_EXPIRY,
    EXPECTATION,
    STORE_SIZE,
    STORE_EVENTS,
    STORE_OLDEST,
    STORE_NEWEST,
    STORE_ERRORS,
    REFRESH_DURATION,
)
"""What the process knows of itself, in the order of the page."""

SERIES = SelfMetric(PREFIX + "series", "gauge", "Series of the family that are shown one by one.", ("family",))
SERIES_LIMIT = SelfMetric(
    PREFIX + "series_limit",
    "gauge",
    "How many series of the family are shown one by one at most (its default, or metrics.budgets).",
    ("family",),
)
SERIES_FOLDED = SelfMetric(
    PREFIX + "series_folded",
    "gauge",
    "Series of the family past the limit: counted, but only in a sum under __other__. Raise metrics.budgets, or live with less detail.",
    ("family",),
)
SERIES_GAUGES: tuple[SelfMetric, ...] = (SERIES, SERIES_LIMIT, SERIES_FOLDED)
"""What the page knows of itself; each has one series for every family of the store."""

STORE_OPERATIONS = (
    "go_live",
    "register",
    "append",
    "cursor",
    "cursors",
    "posture",
    "series",
    "samples",
    "mark_exposed",
    "search",
    "prune",
    "stats",
    "claim",
    "release",
    "replicas",
    "mark_read",
    "last_reads",
    "hourly_counts",
    "late_counts",
)
"""The values of the label `operation`, all there from the start: the store's methods, as far as they do I/O.

What is kept of what stands is read and written under the name of the first, `posture`.
"""

REFUSALS = (
    "no_credentials",  # no login, where one is needed; what a browser does first
    "wrong_credentials",
    "login_rate",  # too many wrong logins
    "search_rate",  # too many searches by one address
    "rate_limit",  # rate_limit of the web configuration file
    "busy",  # too many at once
    "cross_site",  # made by the page of another site
    "query",  # a query string that is too long
    "malformed",  # no HTTP/1.1
    "line",  # a request line that is too long
    "header",  # too many headers, or too long ones
    "body",  # a body that is too long, or of unknown length
    "timeout",  # slower than a request may come
    "connections",  # closed because there were too many
    "tls",  # no TLS, or none that could be agreed on
    "certificate",  # a client certificate without an allowed name
)
"""The values of the label `reason` of the requests refused, all there from the start."""
