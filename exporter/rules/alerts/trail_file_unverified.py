"""Trail files are missing, modified or not signed by AWS."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted

_FOUND = counted(
    "source_account_region_state:awschange_exporter_trail_files_unverified",
    'awschange_exporter_trail_files_total{state!="verified"}',
    window="${window}",
    born=True,
    why="Files of a trail that its chain of signed digests does not vouch for. `state` stays: what to do depends on it.",
)

ALERT = Alert(
    name="AwsChangeTrailFileUnverified",
    group="audit",
    severity="critical",
    records=_FOUND.records,
    expr=f"{_FOUND.highest()} > 0.5",
    thresholds=(Threshold("window", "1h", "How far back is counted, and how long the alert lasts after the last one.", duration=True),),
    summary="Trail files are missing, modified or not signed by AWS.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}, source {{ $labels.source }} of job {{ "
        '$labels.job }}: {{ $value | printf "%.0f" }} log file(s) of the trail were found {{ $labels.state }} within '
        "${window}. Someone may be covering tracks. The log names each."
    ),
    runbook=Runbook(
        means="""
            Log files were found that the signed digests of their trail do not vouch for. The digests name every log
            file that AWS delivered and what it held. A file that does not fit is
            - `modified`: what the file held when the exporter read it is not what AWS signed. Changes that it hides, or makes up, are in the counts.
            - `missing`: a digest names the file, and it is not in the bucket. Changes that it told of are in no count.
            - `unsigned`: three hours after its delivery (`unsigned_after`) no digest names the file. AWS does not vouch for what it says, and it was counted.

            Whoever covers tracks in a trail does just this. The log lines `trail file modified`, `trail file missing` and `trail file unsigned` name bucket, key
            and digest of each.
            """,
        queries=(
            Query(
                "Where, and what",
                'sum by (source, account_id, region, state) (awschange_exporter_trail_files_total{state!="verified"}) > 0',
            ),
            Query(
                "Whether digests are missing or forged too",
                'sum by (source, account_id, region, state) (awschange_exporter_digests_total{state!="verified"}) > 0',
            ),
            Query(
                "Until when the logs are still proven complete",
                "max by (account_id, region) (awschange_exporter_trail_verified_until_timestamp_seconds) * 1000",
            ),
        ),
        then="""
            Then ask AWS itself: `aws cloudtrail validate-logs --trail-arn … --start-time …` (it finds modified and missing files, not unsigned ones). In the
            bucket's data events or access logs look for `DeleteObject` and `PutObject` of the key, restore the file from a version or a replica, and
            compare. LookupEvents (`aws-change-exporter history --from cloudtrail`) has the changes of the last 90 days beside the trail.
            """,
        silence="One account and region, once the files are explained:",
        silence_matchers="account_id=111122223333 region=us-east-1 --duration=2h --comment='restored, see the ticket'",
        false_positives=(
            "`unsigned`: a second trail without log file validation writes to the same prefix. Switch its validation on, or give it another prefix.",
            "`unsigned`: log file validation was off for a while, or for good. Files of a week after the last digest count.",
            "`missing`: somebody deletes files of the bucket by hand or by a rule shorter than a day. The first day of what a lifecycle rule left is not judged.",
            "A Prometheus that is new or was down for over six hours: old findings count as new, once.",
        ),
    ),
)
