"""What counts as usual is not worked out any more."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold

ALERT = Alert(
    name="AwsChangeExpectationStale",
    group="exporter",
    severity="warning",
    expr="time() - max without (instance, pod) (awschange_exporter_expectation_timestamp_seconds) > ${seconds}",
    hold="${hold}",
    why="It is worked out each hour; of replicas the best counts.",
    thresholds=(
        Threshold("seconds", 10800, "Seconds for which it may stand still; it is worked out each hour."),
        Threshold("hold", "15m", "How long that must last.", duration=True),
    ),
    summary="What counts as usual is not worked out any more.",
    description=(
        "Job {{ $labels.job }}: how many changes are to be expected was last worked out {{ if gt $value 1e9 }}before the exporter started"
        "{{ else }}{{ $value | humanizeDuration }} ago{{ end }}. AwsChangeRateAnomalous compares with an hour that is over."
    ),
    runbook=Runbook(
        means="""
            The expectation of how many changes an account, region and class of tools makes in an hour was not worked out for ${seconds} seconds, though that is
            done each hour. It knows the hour of the week, so [AwsChangeRateAnomalous](AwsChangeRateAnomalous.md) may now page for the rush of a Monday morning,
            or stay silent at night. Changes are still counted, and every other alert works. The log says why; most often the store cannot be read.
            """,
        queries=(
            Query("How old it is, in seconds", "time() - awschange_exporter_expectation_timestamp_seconds"),
            Query("Whether the store fails", "sum by (instance, operation) (increase(awschange_exporter_store_errors_total[3h])) > 0"),
            Query(
                "Which jobs of the exporter end by a fault, or are left out",
                '{__name__=~"awschange_exporter_scheduler_(failed|missed)_runs_total"} > 0',
            ),
        ),
        silence="While the store is repaired:",
        silence_matchers="--duration=4h --comment='store is repaired'",
        false_positives=("Clocks of exporter and Prometheus that differ by hours.",),
    ),
)
