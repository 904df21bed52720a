"""AWS Config does not record security groups."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.standing import REPLICA_BEHIND, standing, such

_RECORDING = standing("awschange_aws_config_recording", each=("account_id", "region"), least=True)

ALERT = Alert(
    name="AwsChangeRecorderOff",
    group="audit",
    severity="warning",
    expr=such(_RECORDING, "== 0"),
    hold="${hold}",
    thresholds=(Threshold("hold", "30m", "How long it must not record.", duration=True),),
    summary="AWS Config does not record security groups.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}: the recorder of AWS Config is off, leaves security groups out or is "
        "missing."
    ),
    history=True,
    runbook=Runbook(
        means="""
            As last read, AWS Config does not record security groups in this account and region. Its rules, and Security Hub's, judge nothing there, and what the
            exporter reads from AWS Config or an aggregator stands still without looking old: see `awschange_aws_config_recorder_info` and `posture.source`.

            If it recorded before, look who stopped it ([AwsChangeRecorderTampered](AwsChangeRecorderTampered.md), watch set `logging`). Where you do not use AWS
            Config, disable this alert (`alerts.disabled`).
            """,
        queries=(
            Query("Where it does not record", "min by (account_id, region) (awschange_aws_config_recording) == 0"),
            Query(
                "Where there is a recorder at all, and how often it looks",
                "max by (account_id, region, frequency) (awschange_aws_config_recorder_info)",
            ),
            Query(
                "Which calls to AWS Config came within a day (needs the watch set `logging`)",
                "max by (account_id, region, event_name, outcome) (increase(\n"
                '  awschange_events_total{event_source="config.amazonaws.com"}[1d]\n'
                ")) > 0",
            ),
        ),
        silence="A region in which AWS Config is not used:",
        silence_matchers="region=ap-south-2 --duration=365d --comment='nothing runs there'",
        false_positives=(
            "Accounts and regions in which AWS Config is not used, all at once at the first start.",
            REPLICA_BEHIND,
        ),
    ),
)
