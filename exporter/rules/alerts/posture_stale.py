"""What stands open is not known any more, while changes still are."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold

ALERT = Alert(
    name="AwsChangePostureStale",
    group="exporter",
    severity="warning",
    expr="""
        time() - max without (instance, pod) (awschange_exporter_last_success_timestamp_seconds{source="posture"})
        > clamp_min(${rounds} * max without (instance, pod) (awschange_exporter_poll_interval_seconds{source="posture"}), ${least})
        """,
    hold="${hold}",
    why=("The value starts at 0 with the exporter, and first readings are spread over one interval."),
    thresholds=(
        Threshold("rounds", 3, "Readings that may be missed, at `posture.poll_interval`."),
        Threshold("least", 180, "Seconds that it may be behind in any case."),
        Threshold("hold", "15m", "How long that must last.", duration=True),
    ),
    summary="What stands open is not read whole any more.",
    description=(
        "Posture of job {{ $labels.job }}{{ with $labels.account_id }}, account {{ . }}{{ end }}{{ with $labels.region "
        "}}, region {{ . }}{{ end }}: last read without a failure {{ if gt $value 1e9 }}before the exporter started{{ "
        "else }}{{ $value | humanizeDuration }} ago{{ end }}. The gauges of what could not be read stay as they last "
        "were (awschange_exporter_snapshot_timestamp_seconds says since when). Changes are still counted, and page."
    ),
    runbook=Runbook(
        means="""
            The exporter runs, but for ${rounds} rounds at `posture.poll_interval`, and ${hold} more, it has not read whole what stands open in the account
            and region of the labels (without them: an aggregator of AWS Config, or all of them). The part that cannot be read stays as it last was: the
            gauges neither show a hole that was opened since, nor take one away that was closed. Other parts go on. Changes are a matter of the sources and
            still count and page; what the rules were before and after is told later.
            """,
        queries=(
            Query(
                "Which part of the picture is how old, in seconds (`groups` are the rules)",
                "sort_desc(time() - awschange_exporter_snapshot_timestamp_seconds)",
            ),
            Query(
                "Why readings fail (`not_found`, `access_denied`, `unreadable`, `throttled`, `unavailable`, `internal`)",
                'sum by (reason) (increase(awschange_exporter_poll_failures_total{source="posture"}[1h])) > 0',
            ),
            Query(
                "Which calls AWS refuses",
                "sum by (operation, account_id, region, error_code) (increase(awschange_exporter_aws_request_errors_total[1h])) > 0",
            ),
        ),
        then="""
            Then the log: `part could not be read` names account, region, part and the call with AWS's own words, `survey incomplete` sums up. `aws-change-exporter doctor`
            names the permission that is missing, `aws-change-exporter iam-policy` prints what this configuration needs. Where one part may never be read, leave it out:
            `posture.load_balancers: false`, or another `source` by `posture.overrides`.
            """,
        silence_matchers="account_id=444455556666 --duration=24h --comment='waiting for access'",
        caution="What stands open there may be out of date.",
        false_positives=("Clocks of exporter and Prometheus that differ by minutes, with a short `posture.poll_interval`.",),
    ),
)
