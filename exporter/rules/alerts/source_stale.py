"""Changes are not seen, because a source cannot be read."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold

ALERT = Alert(
    name="AwsChangeSourceStale",
    group="exporter",
    severity="critical",
    expr="""
        time() - max without (instance, pod) (awschange_exporter_last_success_timestamp_seconds{source!="posture"})
        > clamp_min(${polls} * max without (instance, pod) (awschange_exporter_poll_interval_seconds), ${least})
        """,
    hold="${hold}",
    why=(
        "Polls at the interval that is configured for the source, but never less than three minutes. `posture` is no source of "
        "changes: while it cannot be read, every change still counts and pages. The value starts at 0 with the exporter: two more "
        "minutes let a restart whose first poll fails try again. Without account and region it is a source that spans many, or one "
        "whose accounts and regions cannot be told. Replicas that share a store all show when each unit was last read by any of them, so that "
        "one that nobody polls is told by whichever is scraped."
    ),
    thresholds=(
        Threshold("polls", 3, "Polls that a source may miss, at the interval that is configured for it."),
        Threshold("least", 180, "Seconds that it may be behind in any case."),
        Threshold("hold", "2m", "How long that must last.", duration=True),
    ),
    summary="A source of changes is not read any more.",
    description=(
        "Source {{ $labels.source }} of job {{ $labels.job }}{{ with $labels.account_id }}, account {{ . }}{{ end }}{{ "
        "with $labels.region }}, region {{ . }}{{ end }}: last read without a failure {{ if gt $value 1e9 }}before the "
        "exporter started{{ else }}{{ $value | humanizeDuration }} ago{{ end }}. Changes made since then are unknown; "
        "they are counted, and page, once it can be read again."
    ),
    runbook=Runbook(
        means="""
            The exporter runs, but no poll of the source in the label `source` (of the account and region in `account_id` and `region`, where it is read by
            account and region; all others are read) has read everything for ${polls} polls at its `poll_interval`, and for ${least} seconds at least. Changes made meanwhile
            are not seen. Readings of what stands open (`source="posture"`) have an alert of their own, [AwsChangePostureStale](AwsChangePostureStale.md). Nothing is lost yet: the next good poll goes on from where the last one ended, and late changes count and page.
            """,
        queries=(
            Query(
                "Which sources are how old, in seconds (0 as last success reads as decades: none since the exporter started)",
                "time() - max without (instance, pod) (awschange_exporter_last_success_timestamp_seconds)",
            ),
            Query(
                "Why polls fail (`not_found`, `access_denied`, `unreadable`, `throttled`, `unavailable`, `internal`)",
                "sum by (source, reason) (increase(awschange_exporter_poll_failures_total[1h])) > 0",
            ),
            Query(
                "Whether polls end at all, or hang",
                "sum by (source, account_id, region) (increase(awschange_exporter_polls_total[15m])) < 1",
            ),
        ),
        then="""
            Then the log: `poll incomplete` names source, account, region and the error; `units unknown` does where an account or its regions cannot
            even be told (the role is missing, Organizations does not answer), for which `poll_interval` here is `aws.discovery_interval`. `aws-change-exporter doctor`
            names the permission or setting that is missing, `aws-change-exporter poll` tries one round by hand; see [operations](../operations.md#is-it-well).
            """,
        silence_matchers="source=files --duration=2h --comment='disk move'",
        caution="While it is silenced nobody watches.",
        false_positives=(
            "One poll that takes long, because it reads a large archive added at once.",
            "Clocks of exporter and Prometheus that differ by minutes.",
        ),
    ),
)
