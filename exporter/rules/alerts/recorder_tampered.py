"""Somebody switched off or narrowed the recorder of AWS Config."""

from __future__ import annotations

from exporter.catalog import WATCH_SETS
from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.said import CALLS
from exporter.rules.watched import FOLDED, NEW_UNIT, WINDOW, call_names, calls, chosen, watched_before

_CALLS = chosen(
    WATCH_SETS["logging"],
    "config.amazonaws.com",
    "StopConfigurationRecorder DeleteConfigurationRecorder PutConfigurationRecorder DeleteDeliveryChannel PutDeliveryChannel",
)
_CHANGES = calls("account_region_event_name:awschange_recorder_tampering", _CALLS, by=("account_id", "region", "event_name"))

ALERT = Alert(
    name="AwsChangeRecorderTampered",
    group="audit",
    severity="critical",
    records=_CHANGES.records,
    expr=f"{_CHANGES.highest('account_id', 'region', 'event_name')} > 0.5\n{watched_before()}",
    thresholds=(WINDOW, Threshold("calls", call_names(_CALLS), "Calls that count, as an anchored regular expression.")),
    needs=("logging",),
    summary="The recorder of AWS Config, or where it delivers, was switched off or changed.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}: {{ $labels.event_name }} succeeded "
        '{{ $value | printf "%.0f" }} time(s) in ${window}. AWS Config may have stopped looking.'
    ),
    history=True,
    said=CALLS,
    runbook=Runbook(
        means="""
            A call of CIS AWS Foundations 4.9 succeeded: `StopConfigurationRecorder` and `DeleteConfigurationRecorder` end what AWS Config records;
            `PutConfigurationRecorder` may leave resource types out or make it daily; `DeleteDeliveryChannel` and `PutDeliveryChannel` take away or move where it
            delivers. Rules of Config, Security Hub and, where it reads from AWS Config, this exporter see only what is recorded. It needs the watch set `logging`.

            Open `history_url`: who it was, and what else. If nobody knows of it, treat the credentials as stolen, then start the recorder again
            (`aws configservice start-configuration-recorder`).
            """,
        queries=(
            Query(
                "Where AWS Config does not record security groups now",
                "min by (account_id, region) (awschange_aws_config_recording) == 0",
            ),
            Query(
                "Which calls to AWS Config came within six hours, refused ones too",
                "sum by (account_id, region, event_name, outcome) (max by (account_id, region, event_name, outcome) (increase(\n"
                '  awschange_events_total{event_source="config.amazonaws.com"}[6h]\n'
                "))) > 0",
            ),
            Query(
                "Which principals of the account are busy",
                'sort_desc(max by (principal) (increase(awschange_principal_changes_total{account_id="111122223333"}[6h])) > 0)',
            ),
        ),
        silence="While AWS Config is rolled out, one account:",
        silence_matchers="account_id=111122223333 --duration=1h --comment='Config by StackSet, OPS-1234'",
        caution="Never silence it for all accounts.",
        false_positives=(
            "A new account or region in which a StackSet or Control Tower sets AWS Config up: `PutConfigurationRecorder` and `PutDeliveryChannel`.",
            "A roll-out that puts the same recorder again.",
            FOLDED,
            NEW_UNIT,
        ),
    ),
)
