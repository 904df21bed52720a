"""Something was changed, and AWS does not say what."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted
from exporter.rules.said import CHANGES

_FOUND = counted(
    "account_region:awschange_content_unknown",
    "awschange_exporter_content_unknown_events_total",
    each=("account_id", "region"),
    window="${window}",
)

ALERT = Alert(
    name="AwsChangeContentUnknown",
    group="exporter",
    severity="warning",
    records=_FOUND.records,
    expr=f"{_FOUND.highest('account_id', 'region')} > 0.5",
    thresholds=(Threshold("window", "30m", "How far back is counted, and how long the alert lasts after the last one.", duration=True),),
    summary="Changes were made of which AWS left out what they changed.",
    description=(
        'Account {{ $labels.account_id }}, region {{ $labels.region }}: {{ $value | printf "%.0f" }} successful change(s) in ${window} came '
        "without their content. Whether they opened anything is in no count."
    ),
    history=True,
    said=CHANGES,
    runbook=Runbook(
        means="""
            A change succeeded whose record does not say what was changed: CloudTrail leaves the request out where it is over 100 KB (a call with hundreds of
            rules), and some records come without. It counts as a change, but whether it opened ingress is unknown, so
            [AwsChangeIngressOpened](AwsChangeIngressOpened.md) stays silent. Large calls are one way to go unseen.

            The next reading of what stands shows what it came to: [AwsChangeOpenIngress](AwsChangeOpenIngress.md) pages, and the history tells the rules that
            changed. Where what stands is not read, look at the groups yourself. `history_url` shows who it was (`content_known` is false).
            """,
        queries=(
            Query(
                "Where, within a day",
                "max by (account_id, region) (increase(awschange_exporter_content_unknown_events_total[1d])) > 0",
            ),
            Query(
                "Which calls the account made meanwhile",
                "max by (event_name) (increase(\n"
                '  awschange_events_total{account_id="111122223333", region="us-east-1", outcome="success"}[1h]\n'
                ")) > 0",
            ),
            Query(
                "When the rules there were last read, in seconds ago, after which nothing hides any more",
                'time() - max by (account_id, region) (awschange_exporter_snapshot_timestamp_seconds{part="groups"})',
            ),
        ),
        silence="While a roll-out makes such calls, one account and region:",
        silence_matchers="account_id=111122223333 region=us-east-1 --duration=2h --comment='roll-out with very large groups'",
        false_positives=(
            "Roll-outs that put hundreds of rules by one call.",
            "Calls whose content CloudTrail tells later by an addendum: the history has it then.",
        ),
    ),
)
