"""Someone tries what they may not do, again and again."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted

_DENIED = counted(
    "account:awschange_denied",
    'awschange_events_total{outcome="denied"}',
    each=("account_id", "region", "event_source", "event_name"),
    by=("account_id",),
    window="${window}",
    why="Over all regions, because who tries doors tries many.",
)

ALERT = Alert(
    name="AwsChangeDenied",
    group="actors",
    severity="warning",
    records=_DENIED.records,
    expr=f"{_DENIED.highest('account_id')} > ${{limit}}",
    thresholds=(
        Threshold("limit", 5, "Denied calls of one account within the window."),
        Threshold("window", "15m", "How far back denied calls are counted together.", duration=True),
    ),
    summary="Many changes were denied.",
    description='Account {{ $labels.account_id }}: AWS denied {{ $value | printf "%.0f" }} calls that change security groups in ${window}.',
    history=True,
    runbook=Runbook(
        means="""
            AWS denied more than ${limit} calls that would have changed something, in one account within ${window}, all regions together: a
            pipeline whose permissions are wrong, or someone who tries what a stolen credential is good for.

            Open `history_url` and look for `denied`: one principal with one kind of call, again and again, is most often a pipeline. Many
            kinds of calls, or many regions, are someone who looks around: what did that principal succeed in?
            """,
        queries=(
            Query(
                "Which calls, and where",
                'max by (region, event_name) (increase(awschange_events_total{account_id="111122223333", outcome="denied"}[1h])) > 0',
            ),
            Query(
                "What succeeded in the same account",
                'max by (region, event_name) (increase(awschange_events_total{account_id="111122223333", outcome="success"}[1h])) > 0',
            ),
            Query(
                "Who is new there, and since how many seconds",
                "sort(time() - min by (principal_type, principal) (\n"
                '  awschange_principal_first_seen_timestamp_seconds{account_id="111122223333"}\n'
                ") < 86400)",
            ),
        ),
        silence="One account, while a pipeline waits for its permissions:",
        silence_matchers="account_id=111122223333 --duration=4h --comment='role of the pipeline is being changed'",
        false_positives=(
            "A pipeline or a controller that retries without the permission it needs.",
            "A new service control policy that takes effect on people who are at work.",
        ),
    ),
)
