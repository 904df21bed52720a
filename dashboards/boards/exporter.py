"""How the exporter does: whether it reads, how late, what became of every record, and what AWS asks for it."""

from __future__ import annotations

from dashboards import marks, variables
from dashboards.links import cell, history
from dashboards.parts import (
    ANY_SOURCE,
    BAD,
    DOUBTFUL,
    EXPORTERS_DOWN,
    READINGS_STALE,
    SOURCE_UNIT,
    SOURCES_STALE,
    UNIT,
    YES,
    age_of_success,
    oldest,
)
from dashboards.promql import CHOSEN, CHOSEN_ACCOUNT, CHOSEN_EXPORTERS, CHOSEN_UNITS, grown, happened, known, most, total
from dashboards.record import Color, Column, Dashboard, Panel, Query, Row, Step, Texts

_OLDEST, _of_oldest = oldest(100)
_READ_RECORDS = f"awschange_exporter_records_read_total{{{CHOSEN_EXPORTERS}}}"
_RECORDS = f"awschange_exporter_records_total{{{CHOSEN_EXPORTERS}}}"
_RECORD = ("source", "fate", "reason")
_UNACCOUNTED = f"abs(sum by (job, instance, source) ({_READ_RECORDS}) - sum by (job, instance, source) ({_RECORDS}))"
_FAILURES = f"awschange_exporter_poll_failures_total{{{CHOSEN_EXPORTERS}}}"
_REQUESTS = f"awschange_exporter_aws_requests_total{{{CHOSEN_UNITS}}}"
_THROTTLES = f"awschange_exporter_aws_throttles_total{{{CHOSEN_UNITS}}}"
_ERRORS = f"awschange_exporter_aws_request_errors_total{{{CHOSEN_UNITS}}}"
_LAG = f"awschange_exporter_event_lag_seconds_bucket{{{CHOSEN_EXPORTERS}}}"
_REPEAT_LAG = f"awschange_exporter_event_repeat_lag_seconds_bucket{{{CHOSEN_EXPORTERS}}}"
_SNAPSHOT = f"awschange_exporter_snapshot_timestamp_seconds{{{CHOSEN}}}"
_COST = f"awschange_exporter_aws_estimated_cost_dollars_per_day{{{CHOSEN_ACCOUNT}}}"
_FILES = f"awschange_exporter_trail_files_total{{{CHOSEN_UNITS}}}"
_DIGESTS = f"awschange_exporter_digests_total{{{CHOSEN_UNITS}}}"
_MESSAGES = f"awschange_exporter_queue_messages_total{{{CHOSEN_EXPORTERS}}}"
_GAPS = f"awschange_exporter_gaps_total{{{CHOSEN_UNITS}}}"
_GAP_SECONDS = f"awschange_exporter_gap_seconds_total{{{CHOSEN_UNITS}}}"
_LATE = f"awschange_exporter_late_events_total{{{CHOSEN_UNITS}}}"
_STATES: Texts = (
    ("verified", "verified", "green"),
    ("missing", "missing", "red"),
    ("modified", "modified", "red"),
    ("unsigned", "unsigned", "red"),
)
_FATES: tuple[tuple[str, Color], ...] = (("stored", "green"), ("duplicate", "blue"), ("ignored", "text"), ("malformed", "red"))


def _of_exporters(metric: str) -> str:
    return f"awschange_exporter_{metric}{{{CHOSEN_EXPORTERS}}}"


def _quantile(share: float, buckets: str) -> str:
    return f"histogram_quantile({share:g}, sum by (source, le) (increase({buckets}[1h])))"


NOW = Row(
    "Now",
    (
        EXPORTERS_DOWN,
        SOURCES_STALE,
        READINGS_STALE,
        Panel(
            "Records unaccounted",
            "Records read that are neither stored, duplicate, ignored nor malformed. Every record must be one of these: "
            "anything but 0 is a fault of the exporter. Unknown: no exporter tells.",
            "stat",
            (Query(f"max({_UNACCOUNTED})"),),
            steps=BAD,
            otherwise="unknown",
            width=4,
            height=3,
        ),
        Panel(
            "Config not loaded",
            "Exporters whose last attempt to load their configuration failed; the old one stays in force. Unknown: no exporter tells.",
            "stat",
            (
                Query(
                    known(f"count({_of_exporters('config_last_reload_successful')} == 0)", _of_exporters("config_last_reload_successful"))
                ),
            ),
            steps=BAD,
            otherwise="unknown",
            width=4,
            height=3,
        ),
        Panel(
            "Store errors",
            "Times within the range that the store failed. The page keeps the last counts that could be read. Unknown: no exporter tells.",
            "stat",
            (Query(happened(_of_exporters("store_errors_total"), (), "$__range")),),
            steps=BAD,
            otherwise="unknown",
            width=4,
            height=3,
        ),
        Panel(
            "Units healthy",
            "Share of accounts and regions, over all sources, whose last poll read and stored everything no longer ago than two intervals. "
            "Unknown: no exporter tells.",
            "stat",
            (Query(f"sum({most(_of_exporters('units_healthy'), ('source',))})\n/ sum({most(_of_exporters('units'), ('source',))})"),),
            unit="percentunit",
            decimals=0,
            steps=(Step(0, "red"), Step(0.9, "orange"), Step(1, "green")),
            otherwise="unknown",
            width=4,
            height=3,
        ),
        Panel(
            "Gaps",
            "Stretches of time within the range whose changes are lost for good, as the exporter was down for longer than AWS keeps them. "
            "Unknown: no source counts them.",
            "stat",
            (Query(total(grown(_GAPS, SOURCE_UNIT, "$__range"))),),
            steps=BAD,
            otherwise="unknown",
            width=4,
            height=3,
        ),
        Panel(
            "Requests throttled",
            "Requests to AWS within the range that it refused because there were too many. Unknown: no request was sent.",
            "stat",
            (Query(happened(_THROTTLES, (), "$__range")),),
            steps=DOUBTFUL,
            otherwise="unknown",
            width=4,
            height=3,
        ),
        Panel(
            "Cost a day",
            "What a day of requests costs in US dollars if it goes on as in the last hour; list prices of us-east-1, no free tiers. "
            "Nothing: no request that costs was sent.",
            "stat",
            (Query(f"sum({_COST})"),),
            unit="currencyUSD",
            decimals=2,
            otherwise="nothing",
            width=4,
            height=3,
        ),
        Panel(
            "Series folded",
            "Series past their family's budget, which are counted but only in a sum under __other__. Unknown: no exporter tells.",
            "stat",
            (Query(f"sum({most(_of_exporters('series_folded'), ('family',))})"),),
            steps=DOUBTFUL,
            otherwise="unknown",
            width=4,
            height=3,
        ),
        Panel(
            "What is usual, age",
            "When the oldest exporter last worked out what this hour usually brings; it does so each hour, and AwsChangeRateAnomalous compares with it. "
            "An age of decades: never since it started. Unknown: no exporter tells.",
            "stat",
            (Query(f"time() - min({_of_exporters('expectation_timestamp_seconds')})"),),
            unit="s",
            decimals=0,
            steps=(Step(0, "green"), Step(7200, "orange")),
            otherwise="unknown",
            width=4,
            height=3,
        ),
    ),
)
READING = Row(
    "Whether it reads",
    (
        Panel(
            "Source units, 100 oldest",
            "Each source by account and region: for how long it was not read whole, how often it is, whether the last poll succeeded and how "
            "long it took; the 100 oldest. An age of decades: never since the exporter started.",
            "table",
            (
                Query(_OLDEST),
                Query(_of_oldest("awschange_exporter_poll_interval_seconds")),
                Query(_of_oldest("awschange_exporter_poll_success")),
                Query(_of_oldest("awschange_exporter_poll_duration_seconds")),
                Query(f"1000 * {_of_oldest('awschange_exporter_last_poll_timestamp_seconds')}"),
            ),
            columns=(
                Column("source", "Source", width=150),
                Column("account_id", "Account", width=150, links=(history(account_id=cell("Account"), region=cell("Region")),)),
                Column("region", "Region"),
                Column("A", "Age", unit="s", decimals=0, width=110, steps=(Step(0, "green"), Step(900, "orange"), Step(3600, "red"))),
                Column("B", "Interval", unit="s", width=100),
                Column("C", "Whole", width=90, texts=YES),
                Column("D", "Took", unit="s", decimals=1, width=100),
                Column("E", "Polled", unit="dateTimeFromNow", width=150),
            ),
            sort="Age",
            width=24,
        ),
        Panel(
            "Polls a minute",
            "Polls that ended, by source, of all replicas.",
            "lines",
            (Query(f"60 * sum by (source) (rate(awschange_exporter_polls_total{{{CHOSEN_UNITS}}}[$__rate_interval]))", "{{source}}"),),
            unit="short",
            interval="1m",
        ),
        Panel(
            "Units by replica",
            "Units that each replica polls, where replicas share a store; together they should be all units. "
            "Empty: no replicas share a store.",
            "lines",
            (
                Query(f"sum by (instance) ({_of_exporters('units_held')})", "{{instance}}"),
                Query(f"sum({most(_of_exporters('units'), ('source',))}) and sum({_of_exporters('units_held')})", "all units"),
            ),
            unit="short",
            filled=False,
        ),
        Panel(
            "Failed polls",
            "Polls that could not read or store everything, by source and first reason. What was read is kept. Empty: none failed.",
            "bars",
            (Query(f"{happened(_FAILURES, ('source', 'reason'), '$__interval')} > 0", "{{source}}: {{reason}}"),),
            interval="2m",
            filled=False,
        ),
        Panel(
            "Age of the oldest unit",
            "For how long the unit that was not read for longest was not read whole, by source. "
            "Since an exporter's start only: until its first success a unit is left out here, and is in the table above.",
            "lines",
            (Query(f"max by (source) ({age_of_success(ANY_SOURCE)} < 1e9)", "{{source}}"),),
            unit="s",
        ),
        Panel(
            "Readings of what stands",
            "When each part of the picture was last read whole; the 100 oldest by account and region. What the gauges say is as old as that. "
            "Empty: what stands is not read.",
            "table",
            (Query(f"topk(100, time() - {most(_SNAPSHOT, (*UNIT, 'part'))})"),),
            columns=(
                Column("account_id", "Account", width=150),
                Column("region", "Region"),
                Column("part", "Part"),
                Column("A", "Age", unit="s", decimals=0, width=110, steps=(Step(0, "green"), Step(1800, "orange"), Step(7200, "red"))),
            ),
            sort="Age",
        ),
    ),
)
LATE = Row(
    "How late",
    (
        Panel(
            "Lag of events",
            "From a change in AWS to its count, of live events that a source was the first to bring, over the last hour at each point. "
            "CloudTrail itself delivers in about 5 minutes, without a promise. Empty: nothing changed.",
            "lines",
            (Query(_quantile(0.5, _LAG), "{{source}} half"), Query(_quantile(0.95, _LAG), "{{source}} 95 %")),
            unit="s",
            steps=(Step(900, "orange"),),
        ),
        Panel(
            "Lag of events, all",
            "How many live events came with which lag. Empty: nothing changed.",
            "heatmap",
            (Query(f"sum by (le) (increase({_LAG}[$__rate_interval]))", "{{le}}"),),
            unit="s",
            interval="5m",
        ),
        Panel(
            "Lag of second sources",
            "From a change in AWS to when this source brought it too, 95 of 100, over the last hour at each point. "
            "Empty: no event came by two sources.",
            "lines",
            (Query(_quantile(0.95, _REPEAT_LAG), "{{source}} 95 %"),),
            unit="s",
        ),
        Panel(
            "Late events and gaps",
            "Within the range, by source, account and region: events that only a deep re-scan brought, stretches of time lost for good and how "
            "long they are; of each the 100 with the most. Empty: none.",
            "table",
            (
                Query(f"topk(100, {grown(_LATE, SOURCE_UNIT, '$__range')} > 0)"),
                Query(f"topk(100, {grown(_GAPS, SOURCE_UNIT, '$__range')} > 0)"),
                Query(f"topk(100, {grown(_GAP_SECONDS, SOURCE_UNIT, '$__range')} > 0)"),
            ),
            columns=(
                Column("source", "Source"),
                Column("account_id", "Account"),
                Column("region", "Region"),
                Column("A", "Late", width=80),
                Column("B", "Gaps", width=80),
                Column("C", "Lost", unit="s", width=100),
            ),
            sort="Late",
            filled=False,
        ),
    ),
)
RECORDS = Row(
    "What became of every record",
    (
        Panel(
            "Records by fate",
            "Records read, by what became of them: stored, duplicate (the same event again), ignored or malformed. Empty: nothing was read.",
            "bars",
            (Query(f"{total(grown(_RECORDS, _RECORD, '$__interval'), ('fate',))} > 0", "{{fate}}"),),
            interval="1m",
            colors=_FATES,
        ),
        Panel(
            "Reasons",
            "The same within the range, by source and reason. Malformed records cannot be understood; the log has more on each.",
            "table",
            (Query(f"{grown(_RECORDS, _RECORD, '$__range')} > 0"),),
            columns=(
                Column("source", "Source"),
                Column("fate", "Fate", texts=(("malformed", "malformed", "red"),)),
                Column("reason", "Reason"),
                Column("A", "Records", width=100),
            ),
            sort="Records",
        ),
        Panel(
            "Read against accounted",
            "Records read, and the sum of what became of them, since the store was made: both must be the same for each source.",
            "table",
            (
                Query(f"sum by (job, instance, source) ({_READ_RECORDS})"),
                Query(f"sum by (job, instance, source) ({_RECORDS})"),
                Query(_UNACCOUNTED),
            ),
            columns=(
                Column("source", "Source", width=110),
                Column("job", "Job"),
                Column("instance", "Instance"),
                Column("A", "Read", width=100),
                Column("B", "Accounted", width=110),
                Column("C", "Difference", width=110, steps=BAD),
            ),
            sort="Difference",
        ),
        Panel(
            "Trail files and digests",
            "Files of the trail within the range by what the signed digests say of them; anything but verified means that evidence was tampered "
            "with or lost. Empty: no source verifies, or no file came.",
            "table",
            (
                Query(f"{total(grown(_FILES, (*SOURCE_UNIT, 'state'), '$__range'), ('source', 'state'))} > 0"),
                Query(f"{total(grown(_DIGESTS, (*SOURCE_UNIT, 'state'), '$__range'), ('source', 'state'))} > 0"),
            ),
            columns=(
                Column("source", "Source"),
                Column("state", "State", texts=_STATES),
                Column("A", "Files", width=100),
                Column("B", "Digests", width=100),
            ),
            sort="Files",
            filled=False,
        ),
        Panel(
            "Proven complete",
            "Until when the log files are proven complete by signed digests: how long ago, the 100 oldest. Two hours are usual. "
            "Empty: no source verifies.",
            "table",
            (
                Query(
                    f"topk(100, time() - {most(f'awschange_exporter_trail_verified_until_timestamp_seconds{{{CHOSEN_UNITS}}}', SOURCE_UNIT)})"
                ),
            ),
            columns=(
                Column("source", "Source"),
                Column("account_id", "Account"),
                Column("region", "Region"),
                Column("A", "Age", unit="s", decimals=0, width=110, steps=(Step(0, "green"), Step(14400, "orange"), Step(86400, "red"))),
            ),
            sort="Age",
            filled=False,
        ),
        Panel(
            "Queue messages",
            "Messages of queues, by what became of them: poison is not understood and left to the dead-letter queue, failed comes again. "
            "Empty: no source reads a queue, or none came.",
            "bars",
            (Query(f"{grown(_MESSAGES, ('source', 'fate'), '$__interval')} > 0", "{{source}}: {{fate}}"),),
            interval="1m",
        ),
    ),
)
AWS = Row(
    "Requests to AWS",
    (
        Panel(
            "Requests a minute by operation",
            "Requests, every attempt counted, of all replicas; the ten most frequent operations of the range.",
            "lines",
            (
                Query(
                    "60 * sum by (aws_service, operation) (rate("
                    f"{_REQUESTS}[$__rate_interval]))\nand on (aws_service, operation) topk(10, sum by (aws_service, operation) "
                    f"(increase({_REQUESTS}[$__range] @ end())))",
                    "{{aws_service}} {{operation}}",
                ),
            ),
            interval="1m",
        ),
        Panel(
            "Throttles",
            "Requests that AWS refused because there were too many, by operation. The exporter keeps below AWS's limit but shares it. "
            "Empty: none.",
            "bars",
            (Query(f"{happened(_THROTTLES, ('aws_service', 'operation'), '$__interval')} > 0", "{{aws_service}} {{operation}}"),),
            interval="2m",
            filled=False,
        ),
        Panel(
            "Errors by code",
            "Requests within the range that failed, by AWS's own code, operation, account and region; the 50 with the most. Empty: none.",
            "table",
            (Query(f"topk(50, {happened(_ERRORS, ('aws_service', 'operation', 'account_id', 'region', 'error_code'), '$__range')} > 0)"),),
            columns=(
                Column("error_code", "Code"),
                Column("aws_service", "Service", width=120),
                Column("operation", "Operation"),
                Column("account_id", "Account", width=140),
                Column("region", "Region", width=120),
                Column("A", "Errors", width=80),
            ),
            sort="Errors",
            filled=False,
        ),
        Panel(
            "Duration of requests",
            "From a request to the end of its answer, 95 of 100, over the last 15 minutes at each point, by operation; "
            "the ten most frequent operations of the range.",
            "lines",
            (
                Query(
                    "histogram_quantile(0.95, sum by (aws_service, operation, le) "
                    f"(rate(awschange_exporter_aws_request_duration_seconds_bucket{{{CHOSEN_EXPORTERS}}}[15m])))\n"
                    "and on (aws_service, operation) topk(10, sum by (aws_service, operation) "
                    f"(increase(awschange_exporter_aws_request_duration_seconds_count{{{CHOSEN_EXPORTERS}}}[$__range] @ end())))",
                    "{{aws_service}} {{operation}}",
                ),
            ),
            unit="s",
        ),
        Panel(
            "Cost a day by account and service",
            "What a day costs in US dollars if it goes on as in the last hour, by the account that pays; the 50 dearest. "
            "LookupEvents is free. Empty: no request that costs was sent.",
            "table",
            (
                Query(f"topk(50, sum by (account_id, aws_service) ({_COST}))"),
                Query(
                    f"sum by (account_id, aws_service) (increase(awschange_exporter_aws_estimated_cost_dollars_total{{{CHOSEN_ACCOUNT}}}[$__range]))"
                ),
            ),
            columns=(
                Column("account_id", "Account"),
                Column("aws_service", "Service"),
                Column("A", "Daily", unit="currencyUSD", decimals=2, width=110),
                Column("B", "Range", unit="currencyUSD", decimals=2, width=110),
            ),
            sort="Daily",
        ),
        Panel(
            "Cost a day over time",
            "The sum over the chosen accounts. Empty: no request that costs was sent.",
            "lines",
            (Query(f"sum by (aws_service) ({_COST})", "{{aws_service}}"),),
            unit="currencyUSD",
        ),
    ),
)
INSIDE = Row(
    "Inside",
    (
        Panel(
            "Exporters",
            "Each exporter: version, Python, the event stored last, the oldest event in the history, and when its configuration was loaded.",
            "table",
            (
                Query(
                    f"max by (job, instance, version, python_version) (awschange_exporter_build_info{{{CHOSEN_EXPORTERS}}})\n"
                    f"* on (job, instance) group_left () max by (job, instance) (1000 * {_of_exporters('config_last_reload_success_timestamp_seconds')})"
                ),
                Query(f"1000 * max by (job, instance) ({_of_exporters('store_newest_event_timestamp_seconds')})"),
                Query(f"1000 * max by (job, instance) ({_of_exporters('store_oldest_event_timestamp_seconds')})"),
            ),
            columns=(
                Column("instance", "Instance"),
                Column("job", "Job"),
                Column("version", "Version", width=90),
                Column("python_version", "Python", width=90),
                Column("B", "Newest", unit="dateTimeFromNow", width=150),
                Column("C", "Oldest", unit="dateTimeFromNow", width=150),
                Column("A", "Loaded", unit="dateTimeFromNow", width=150),
            ),
            width=24,
            height=5,
        ),
        Panel(
            "Size of the store",
            "Size on disk; retention bounds it (store.retention).",
            "lines",
            (Query(f"max by (job, instance) ({_of_exporters('store_size_bytes')})", "{{instance}}"),),
            unit="bytes",
            width=8,
        ),
        Panel(
            "Events in the history",
            "How many events the store holds; retention bounds it (store.retention).",
            "lines",
            (Query(f"max by (job, instance) ({_of_exporters('store_events')})", "{{instance}}"),),
            decimals=0,
            width=8,
        ),
        Panel(
            "Refresh of the page",
            "Time spent bringing the metrics page up to date after something changed, on average. Empty: nothing changed.",
            "lines",
            (
                Query(
                    f"sum by (job, instance) (rate({_of_exporters('refresh_duration_seconds_sum')}[$__rate_interval]))"
                    f"\n/ sum by (job, instance) (rate({_of_exporters('refresh_duration_seconds_count')}[$__rate_interval]))",
                    "{{instance}}",
                ),
            ),
            unit="s",
            width=8,
            interval="5m",
        ),
        Panel(
            "Series by family",
            "How many series each family shows one by one, its budget, and how many are folded into __other__. Raise metrics.budgets, or live "
            "with less detail.",
            "table",
            (
                Query(most(_of_exporters("series"), ("family",))),
                Query(most(_of_exporters("series_limit"), ("family",))),
                Query(most(_of_exporters("series_folded"), ("family",))),
            ),
            columns=(
                Column("family", "Family"),
                Column("A", "Series", width=100),
                Column("B", "Budget", width=100),
                Column("C", "Folded", width=100, steps=DOUBTFUL),
            ),
            sort="Series",
        ),
        Panel(
            "Store errors by operation",
            "Times within the range that the store failed, by operation. Empty: never.",
            "table",
            (Query(f"{happened(_of_exporters('store_errors_total'), ('operation',), '$__range')} > 0"),),
            columns=(Column("operation", "Operation"), Column("A", "Errors", width=100)),
            width=6,
            filled=False,
        ),
        Panel(
            "Runs missed and failed",
            "Runs of the scheduler's jobs within the range that were left out, as the one before was still under way, and that ended by a fault "
            "of the exporter; of all exporters. Empty: none.",
            "bars",
            (
                # Their own label `job` stands where that of the scrape would be, so that no job can be chosen.
                Query(f"{happened('awschange_exporter_scheduler_missed_runs_total', (), '$__interval')} > 0", "missed"),
                Query(f"{happened('awschange_exporter_scheduler_failed_runs_total', (), '$__interval')} > 0", "failed"),
            ),
            interval="2m",
            colors=(("missed", "orange"), ("failed", "red")),
            width=6,
            filled=False,
        ),
    ),
)

DASHBOARD = Dashboard(
    "exporter",
    "AWS changes / Exporter health and cost",
    "Whether the exporter reads, how late, what became of every record, and what it asks of AWS.",
    (NOW, READING, LATE, RECORDS, AWS, INSIDE),
    (*variables.EVERYWHERE, variables.EXPORTER_URL),
    (marks.ALERTS,),
)
