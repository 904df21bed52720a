"""Digests of a trail are missing, modified or not signed by AWS."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted

_FOUND = counted(
    "source_account_region_state:awschange_exporter_digests_unverified",
    'awschange_exporter_digests_total{state!="verified"}',
    window="${window}",
    born=True,
)

ALERT = Alert(
    name="AwsChangeDigestUnverified",
    group="audit",
    severity="critical",
    records=_FOUND.records,
    expr=f"{_FOUND.highest()} > 0.5",
    thresholds=(Threshold("window", "1h", "How far back is counted, and how long the alert lasts after the last one.", duration=True),),
    summary="Digests of a trail are missing, modified or not signed by AWS.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}, source {{ $labels.source }} of job {{ "
        '$labels.job }}: {{ $value | printf "%.0f" }} digest file(s) of the trail were found {{ $labels.state }} within '
        "${window}, so nothing vouches for the log files of that time. The log names each."
    ),
    runbook=Runbook(
        means="""
            Digests of a trail were found that do not fit into its chain. AWS writes a signed digest of each hour,
            each of which names the one before. Such a digest is
            - `missing`: a later digest names it, and it is not in the bucket. The log files of that hour are vouched for by nobody.
            - `modified`: its text is not what AWS signed, or it was moved from another place.
            - `unsigned`: it has no valid signature of AWS.

            What such a digest says is not believed; log files that it alone names become `unsigned`
            ([AwsChangeTrailFileUnverified](AwsChangeTrailFileUnverified.md)). The log lines `digest missing`, `digest modified` and `digest unsigned` name each.
            """,
        queries=(
            Query(
                "Where, and what",
                'sum by (source, account_id, region, state) (awschange_exporter_digests_total{state!="verified"}) > 0',
            ),
            Query(
                "Which log files are affected",
                'sum by (source, account_id, region, state) (awschange_exporter_trail_files_total{state!="verified"}) > 0',
            ),
            Query(
                "Until when the logs are proven complete",
                "max by (account_id, region) (awschange_exporter_trail_verified_until_timestamp_seconds) * 1000",
            ),
        ),
        then="""
            Then ask AWS itself: `aws cloudtrail validate-logs --trail-arn … --start-time …`. Look for `StopLogging`, `UpdateTrail` and `DeleteTrail` in the history, and
            for `DeleteObject` and `PutObject` of the key in the bucket's data events or access logs. Restore the digest from a version, metadata included:
            the signature is in `x-amz-meta-signature`.
            """,
        silence_matchers="account_id=111122223333 region=us-east-1 --duration=2h --comment='restored, see the ticket'",
        false_positives=(
            "Digests that were copied into the bucket by replication or by hand from another one: AWS signs the place too. Read the bucket they were made for.",
            "`unsigned`: a tool rewrote objects of the bucket and dropped their metadata.",
            "A Prometheus that is new or was down for over six hours: old findings count as new, once.",
        ),
    ),
)
