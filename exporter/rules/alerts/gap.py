"""Changes of a stretch of time are lost to a source for good."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted

_FOUND = counted(
    "source_account_region:awschange_exporter_gaps",
    "awschange_exporter_gaps_total",
    window="${window}",
    born=True,
    why="Changes that AWS no longer has when the exporter comes back to read them: nothing brings them again.",
)

ALERT = Alert(
    name="AwsChangeGap",
    group="exporter",
    severity="warning",
    records=_FOUND.records,
    expr=f"{_FOUND.highest()} > 0.5",
    thresholds=(Threshold("window", "1h", "How far back is counted, and how long the alert lasts after the last one.", duration=True),),
    summary="Changes of a stretch of time are lost to a source for good.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}, source {{ $labels.source }} of job {{ "
        '$labels.job }}: {{ $value | printf "%.0f" }} stretch(es) of time lie further back than AWS keeps Event '
        "history, and were never read. The log says from when to when."
    ),
    runbook=Runbook(
        means="""
            An account and region was not read for longer than AWS keeps its Event history (LookupEvents: 90 days): the exporter, or its access to that account,
            was away for that long. What changed in the lost stretch is in no count and not in the history, and this source cannot bring it any more.
            Everything after it is read. Only the loss is told here; that nobody read meanwhile was paged by [AwsChangeSourceStale](AwsChangeSourceStale.md)
            and [AwsChangeExporterDown](AwsChangeExporterDown.md), if they could.
            """,
        queries=(
            Query(
                "Where, and how long the lost stretches are in all, in days",
                "sum by (source, account_id, region) (awschange_exporter_gap_seconds_total) / 86400 > 0",
            ),
            Query(
                "Whether the account and region is read now",
                "awschange_exporter_poll_success",
            ),
            Query(
                "Whether another source reads the same account and region, and may have the changes",
                "sum by (source, account_id, region) (awschange_exporter_poll_success)",
            ),
        ),
        then="""
            The log line says from when to when. A trail's bucket keeps its files for as long as its lifecycle says: read them with a source of type `s3` or
            `files` and `live_since: beginning` for that stretch, and the events that are missing are stored and counted, each once.
            """,
        silence="One account and region, once the stretch is filled or accepted:",
        silence_matchers="account_id=111122223333 region=us-east-1 --duration=2h --comment='filled from the trail'",
        false_positives=("A Prometheus that is new or was down for over six hours: old gaps count as new, once.",),
    ),
)
