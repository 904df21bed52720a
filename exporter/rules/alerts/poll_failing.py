"""Most polls of a source fail."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold

ALERT = Alert(
    name="AwsChangePollFailing",
    group="exporter",
    severity="warning",
    expr="""
        max without (instance, pod) (avg_over_time(awschange_exporter_poll_success[${window}])) < ${share}
        or (
          max without (instance, pod) (max_over_time(awschange_exporter_polls_total[${window}])) == 0
          and max without (instance, pod) (awschange_exporter_polls_total offset ${window})
        )
        """,
    hold="${hold}",
    why=(
        "Each account and region of a source counts by itself: one that fails among two hundred that do not is one alert. The second "
        "part is a first poll that does not end: the unit has no poll_success until then."
    ),
    thresholds=(
        Threshold("share", 0.5, "Share of the time that must have followed a good poll."),
        Threshold("window", "15m", "The time that is looked at.", duration=True),
        Threshold("hold", "5m", "How long that must last.", duration=True),
    ),
    summary="Most polls of a source fail.",
    description=(
        "Source {{ $labels.source }} of job {{ $labels.job }}{{ with $labels.account_id }}, account {{ . }}{{ end }}{{ "
        "with $labels.region }}, region {{ . }}{{ end }}: {{ $value | humanizePercentage }} of the time of "
        "the last ${window} followed a good poll. The label reason of awschange_exporter_poll_failures_total says what is wrong."
    ),
    runbook=Runbook(
        means="""
            For most of the last ${window} the latest poll of a source was one that failed in whole or in part; or the first poll since the start has not
            ended for ${window}. A source that is read by account and region alerts for each by itself, so the labels `account_id` and `region` say where; one
            that spans many has none. A label `account_id` without `region` is an account whose regions cannot be told, neither of them in a source by account
            that the accounts cannot be told: what was known before is still polled. Some changes come late. If no poll succeeds at all,
            [AwsChangeSourceStale](AwsChangeSourceStale.md) pages. With the source `posture` it is what stands open that cannot be read whole: no change comes
            late, and [AwsChangePostureStale](AwsChangePostureStale.md) says how old the gauges are.
            """,
        queries=(
            Query(
                "Why polls fail",
                "sum by (source, reason) (increase(awschange_exporter_poll_failures_total[15m])) > 0",
            ),
            Query(
                "What share of polls fails, by replica",
                "sum by (source, instance) (increase(awschange_exporter_poll_failures_total[15m])) / sum by (source, instance) (increase(awschange_exporter_polls_total[15m]))",
            ),
            Query(
                "How long a poll takes",
                "topk(10, max by (source, account_id, region) (awschange_exporter_poll_duration_seconds))",
            ),
        ),
        then="""
            `aws-change-exporter doctor` tries every permission and setting and says what to do about what fails; each health metric and what to do about
            it stands in [operations](../operations.md#is-it-well).

            How many units of a source are well: `awschange_exporter_units_healthy` of `awschange_exporter_units`.

            The log line `part of the source could not be read` names the file or call, `units unknown` the account or region that cannot be told, each with
            what to do. One unreadable file is enough: fix its permissions or move it away.
            """,
        silence_matchers="source=cloudtrail account_id=444455556666 --duration=4h --comment='waiting for access'",
        false_positives=(
            "A first start over a very large archive.",
            "Throttling in an account that others poll as well: polls fail in part, and nothing is lost.",
        ),
    ),
)
