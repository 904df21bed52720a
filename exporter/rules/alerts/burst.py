"""Many changes at once, whoever makes them."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted

_CHANGES = counted(
    "account_region:awschange_security_group_changes",
    'awschange_events_total{event_source="ec2.amazonaws.com", event_name=~"${calls}", outcome="success"}',
    each=("account_id", "region", "event_name"),
    by=("account_id", "region"),
    window="${window}",
)

ALERT = Alert(
    name="AwsChangeBurst",
    group="rate",
    severity="critical",
    records=_CHANGES.records,
    expr=f"{_CHANGES.highest('account_id', 'region')} > ${{limit}}",
    why=(
        "The limit is absolute on purpose: on counts as sparse as these a deviation from the mean fires on the first change ever. "
        "increase() may read up to one scrape interval's share high."
    ),
    thresholds=(
        Threshold("limit", 100, "Successful security-group changes of one account and region within the window."),
        Threshold("window", "10m", "How far back changes are counted together.", duration=True),
        Threshold("calls", ".*SecurityGroup.*", "EC2 calls that count, as an anchored regular expression."),
    ),
    summary="Unusually many security-group changes.",
    description=(
        'Account {{ $labels.account_id }}, region {{ $labels.region }}: {{ $value | printf "%.0f" }} successful security-group '
        "changes in ${window}."
    ),
    history=True,
    runbook=Runbook(
        means=(
            "More than ${limit} successful security-group changes (any EC2 call with `SecurityGroup` in its name) in one account and region "
            "within ${window}: a roll-out, a script that ran wild, or someone clearing the way. Denied, failed and dry-run calls do not "
            "count. "
            "The limit is one number; set it above what your largest roll-out makes.\n\n"
            "Open `history_url`. One principal with one kind of call is most often automation; many `Revoke…` or `Delete…` calls cut "
            "connections, so ask whether something is down."
        ),
        queries=(
            Query(
                "Which calls",
                'max by (event_name) (increase(awschange_events_total{account_id="111122223333", region="us-east-1", outcome="success"}[10m])) > 0',
            ),
            Query(
                "Which principals (one series can be `__other__`, when there are very many)",
                "sort_desc(sum by (principal) (max by (security_group_id, event_name, principal) (increase(\n"
                '  awschange_security_group_changes_total{account_id="111122223333", region="us-east-1"}[10m]\n))) > 0)',
            ),
            Query(
                "Whether it is refused elsewhere at the same time, as an intruder who tries doors would be",
                'sum by (account_id, region) (max by (account_id, region, event_name) (increase(awschange_events_total{outcome="denied"}[1h]))) > 0',
            ),
        ),
        silence="For the length of the roll-out, one account and region:",
        silence_matchers="account_id=111122223333 region=us-east-1 --duration=1h --comment='network roll-out'",
        false_positives=(
            "Planned roll-outs by Terraform or CloudFormation.",
            "Changes that arrive late in one go after a source could not be read: compare event times in the history.",
            "`increase()` reads up to one scrape interval's share high: at 60 s scrapes, 19 changes can read as 21.",
            "A second exporter with higher counts joins: see [AwsChangeIngressOpened](AwsChangeIngressOpened.md).",
        ),
    ),
)
