"""Someone used the console where changes come from code."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted

_CALLS = counted(
    "account_region:awschange_hand_calls",
    'awschange_channel_events_total{channel=~"${channels}", account_id=~"${accounts}"}',
    each=("account_id", "region", "channel"),
    by=("account_id", "region"),
    window="${window}",
)

ALERT = Alert(
    name="AwsChangeByHand",
    group="actors",
    severity="info",
    records=_CALLS.records,
    expr=f"{_CALLS.highest('account_id', 'region')} > 0.5",
    thresholds=(
        Threshold("accounts", ".+", "Accounts where changes are made by code only, as `111122223333|444455556666`; all by default."),
        Threshold("channels", "console", "Channels that are a hand, as `console|cli`."),
        Threshold(
            "window", "15m", "How far back calls are counted together, and how long the alert lasts after the last one.", duration=True
        ),
    ),
    summary="Security groups are changed by hand.",
    description=(
        'Account {{ $labels.account_id }}, region {{ $labels.region }}: {{ $value | printf "%.0f" }} call(s) by hand '
        "(${channels}) in ${window}."
    ),
    history=True,
    runbook=Runbook(
        means="""
            A call that changes security groups was made by hand (channel ${channels}), successful or not, within ${window}, in an account
            that `accounts` names. Where all changes are meant to come from code, the next run of that code takes such a change back, or
            fails on it.

            Set `accounts` to those where that is so, and give the alert the severity that it deserves there: by default it names all
            accounts and is for reading.
            """,
        queries=(
            Query(
                "With which tools changes are made there",
                'max by (channel) (increase(awschange_channel_events_total{account_id="111122223333", region="us-east-1"}[1h])) > 0',
            ),
            Query(
                "Which groups were changed, and by whom",
                "max by (security_group_id, event_name, principal) (increase(\n"
                '  awschange_security_group_changes_total{account_id="111122223333", region="us-east-1"}[1h]\n'
                ")) > 0",
            ),
            Query(
                "How often that happens, by account and day",
                "sort_desc(sum by (account_id) (max by (account_id, region, channel) (increase(\n"
                '  awschange_channel_events_total{channel=~"${channels}"}[1d]\n'
                "))))",
            ),
        ),
        silence="An account that people work in:",
        silence_matchers="account_id=444455556666 --duration=30d --comment='playground'",
        false_positives=(
            "Emergency work by hand that is followed up in code.",
            "A program that sends the user agent of a console: the channel is what the caller says it is.",
        ),
    ),
)
