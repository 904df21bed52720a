"""The store fails, so that changes are not counted or not shown."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold

_ERRORS = 'increase(awschange_exporter_store_errors_total{operation=~"${operations}"}[${window}])'

ALERT = Alert(
    name="AwsChangeStoreFailing",
    group="exporter",
    severity="critical",
    expr=f"sum by (job) (\n  max by (job, operation) ({_ERRORS})\n) > ${{errors}}",
    why=(
        "One error may be a locked file, and the next poll does it again. The operations that are not here lose no count: search, prune and "
        "stats; and posture, whose gauges stand still (AwsChangePostureStale)."
    ),
    thresholds=(
        Threshold("errors", 2.5, "Errors within the window that are borne."),
        Threshold("window", "10m", "How far back errors are counted.", duration=True),
        Threshold(
            "operations",
            "go_live|register|append|cursor|cursors|series|samples|mark_exposed|claim",
            "Operations whose failure loses or delays counts, as an anchored regular expression.",
        ),
    ),
    summary="The exporter's store fails: changes are not counted, or not shown.",
    description=(
        'The store of an exporter of job {{ $labels.job }} failed {{ $value | printf "%.0f" }} times in ${window}. Changes are not counted, or '
        "the page shows old counts, until it works again."
    ),
    runbook=Runbook(
        means="""
            The store failed more than twice within ${window} at something that counts depend on. While it cannot be written, no poll succeeds: nothing is lost as
            long as AWS keeps the events, because the next good poll goes on from where the last one ended, but no change pages. While it cannot be read, the page
            keeps the counts of before.

            Most often the disk is full or read-only, the volume is gone, or two exporters share one file. The log names the error. If the file is damaged
            (`database disk image is malformed`), stop the exporter, set the file aside and restore a copy; without one it starts anew and fills the past again.

            With `store.url`: the server is down or takes no writes, a password or privilege is gone, or a newer replica has brought the tables to its schema, and
            this one must be upgraded too. `aws-change-exporter doctor` tries it.
            """,
        queries=(
            Query(
                "Which operations fail, and where", "sum by (instance, operation) (increase(awschange_exporter_store_errors_total[1h])) > 0"
            ),
            Query(
                "Since when no poll succeeds, in seconds",
                "time() - max without (instance, pod) (awschange_exporter_last_success_timestamp_seconds)",
            ),
            Query(
                "How large the store is, in bytes, now and a day ago",
                "awschange_exporter_store_size_bytes or awschange_exporter_store_size_bytes offset 1d",
            ),
        ),
        silence="While the volume is repaired; nobody is paged for changes meanwhile:",
        silence_matchers="--duration=1h --comment='volume is repaired'",
        false_positives=(
            "A backup or another program that locks the file for minutes.",
            "One replica of two whose disk is full, while the other counts on.",
        ),
    ),
)
