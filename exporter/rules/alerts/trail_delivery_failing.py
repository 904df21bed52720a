"""A trail cannot deliver to its bucket."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.standing import REPLICA_BEHIND, standing, such

_FAILING = standing("awschange_trail_delivery_failing", each=("account_id", "region", "trail"))

ALERT = Alert(
    name="AwsChangeTrailDeliveryFailing",
    group="audit",
    severity="warning",
    expr=such(_FAILING, "== 1"),
    hold="${hold}",
    thresholds=(Threshold("hold", "30m", "How long its last delivery must have failed.", duration=True),),
    summary="A trail cannot deliver log files to its bucket.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}: the last delivery of trail {{ $labels.trail }} to its bucket failed. "
        "What it records does not arrive."
    ),
    history=True,
    runbook=Runbook(
        means="""
            CloudTrail says that its last delivery of this trail to its bucket failed: the bucket is gone, its policy or its KMS key refuses, or its owner changed.
            The trail is on and nobody gets its files. CloudTrail tries again for 30 days, then they are lost; a source of type `s3` on that bucket sees nothing.

            `aws cloudtrail get-trail-status --name …` has AWS's own words in `LatestDeliveryError`. A bucket policy is an inconspicuous place to switch the
            lights off, so ask who changed it (watch sets `s3` and `kms`).
            """,
        queries=(
            Query("Which trails fail to deliver, and where", "max by (account_id, region, trail) (awschange_trail_delivery_failing) == 1"),
            Query(
                "Since when nothing arrived, in hours, by trail and region",
                '(time() - max by (trail, region) (awschange_trail_last_delivery_timestamp_seconds{account_id="111122223333"})) / 3600',
            ),
            Query(
                "Whether a source of the exporter lives on such files, and how late its events are (median seconds of a day)",
                "histogram_quantile(0.5, sum by (source, le) (increase(awschange_exporter_event_lag_seconds_bucket[1d])))",
            ),
        ),
        silence="One trail, while its bucket is repaired:",
        silence_matchers="account_id=111122223333 trail=audit --duration=4h --comment='bucket policy is repaired'",
        false_positives=(
            "A trail whose bucket was deleted on purpose, and which nobody deleted.",
            "A quiet region: the error stays until the next delivery, which needs an event.",
            REPLICA_BEHIND,
        ),
    ),
)
