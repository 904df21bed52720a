"""AWS Config cannot deliver what it records."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.standing import REPLICA_BEHIND, standing, such

_FAILING = standing("awschange_aws_config_recorder_failing", each=("account_id", "region"))

ALERT = Alert(
    name="AwsChangeRecorderFailing",
    group="audit",
    severity="warning",
    expr=such(_FAILING, "== 1"),
    hold="${hold}",
    thresholds=(Threshold("hold", "30m", "How long it must fail.", duration=True),),
    summary="AWS Config cannot deliver what it records.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}: the recorder of AWS Config could not deliver what it last recorded."
    ),
    history=True,
    runbook=Runbook(
        means="""
            The recorder of AWS Config is on and says that its last recording failed: its role lost a permission, or the bucket of its delivery channel, that
            bucket's policy or its KMS key refuses. What is read from AWS Config is as old as the last success. `aws configservice
            describe-configuration-recorder-status` has AWS's own words in `lastErrorMessage`.
            """,
        queries=(
            Query("Where it fails", "max by (account_id, region) (awschange_aws_config_recorder_failing) == 1"),
            Query("Where it records at all", "min by (account_id, region) (awschange_aws_config_recording)"),
            Query(
                "Which calls to AWS Config came within a day (needs the watch set `logging`)",
                "max by (account_id, region, event_name, outcome) (increase(\n"
                '  awschange_events_total{event_source="config.amazonaws.com"}[1d]\n'
                ")) > 0",
            ),
        ),
        silence="One account, while its delivery channel is repaired:",
        silence_matchers="account_id=111122223333 --duration=4h --comment='bucket policy is repaired'",
        false_positives=("A quiet region: the failure stays until the next delivery, which needs a change.", REPLICA_BEHIND),
    ),
)
