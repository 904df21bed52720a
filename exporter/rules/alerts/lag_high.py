"""Changes are counted long after they were made."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold

ALERT = Alert(
    name="AwsChangeLagHigh",
    group="exporter",
    severity="warning",
    expr="""
        histogram_quantile(0.95, sum without (instance, pod) (increase(awschange_exporter_event_lag_seconds_bucket[${window}]))) > ${seconds}
        and sum without (instance, pod) (increase(awschange_exporter_event_lag_seconds_count[${window}])) > ${events}
        """,
    hold="${hold}",
    why=(
        "One event in twenty may be later than the limit. With fewer events than that, one late event would be more than that. Of replicas "
        "that share a store each counts what it brought first, so that only their sum is all of it."
    ),
    thresholds=(
        Threshold("seconds", 1800, "Seconds within which 95% of the changes must be counted; best one of 600, 900, 1800, 3600, 7200."),
        Threshold("events", 20, "Changes within the window without which nothing is told."),
        Threshold("window", "1h", "How far back changes are counted together.", duration=True),
        Threshold("hold", "10m", "How long that must last.", duration=True),
    ),
    summary="Changes are counted long after they were made.",
    description=(
        "Source {{ $labels.source }} of job {{ $labels.job }}: of the changes of the last ${window}, one in twenty was counted "
        "{{ $value | humanizeDuration }} or more after it was made. Pages about changes are as late."
    ),
    runbook=Runbook(
        means="""
            More than one in twenty of the changes that a source was the first to bring within ${window} was counted more than ${seconds} seconds after AWS says
            that it was made. CloudTrail itself takes about 5 minutes on average, without a promise. Every alert on changes comes as late as this.

            Either AWS is late, or we are: compare the lag with the time that polls take and the interval between them. Sources of type `eventbridge` are the fast
            road ([operations](../operations.md)).
            """,
        queries=(
            Query(
                "Lag by source, in seconds: half of the changes of an hour came within",
                "histogram_quantile(0.5, max without (instance, pod) (increase(awschange_exporter_event_lag_seconds_bucket[1h])))",
            ),
            Query(
                "Where polls take longest, in seconds, and how that compares with the interval",
                "topk(10, max without (instance, pod) (awschange_exporter_poll_duration_seconds / awschange_exporter_poll_interval_seconds))",
            ),
            Query(
                "Whether AWS throttles the exporter",
                "sum by (account_id, region, aws_service, operation) (increase(awschange_exporter_aws_throttles_total[1h])) > 0",
            ),
        ),
        silence="While a long outage is caught up with:",
        silence_matchers="source=cloudtrail --duration=4h --comment='catching up after the outage'",
        false_positives=(
            "The hour after an outage of the exporter or of its access: what was made meanwhile is counted late, and rightly told late.",
            "An account and region in which AWS delivers late: nothing on this side helps but another road.",
            "A clock of the exporter that goes wrong.",
        ),
    ),
)
