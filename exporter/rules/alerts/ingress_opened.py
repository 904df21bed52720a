"""Security-group ingress was opened to the internet."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted

_OPENED = counted(
    "account_region_port_class:awschange_ingress_opened",
    "awschange_ingress_opened_total",
    each=("account_id", "region", "port_class"),
    window="${window}",
)
_PORTS = 'port_class!="web"'

ALERT = Alert(
    name="AwsChangeIngressOpened",
    group="exposure",
    severity="critical",
    records=_OPENED.records,
    expr=f"{_OPENED.highest('account_id', 'region', 'port_class', such=_PORTS)} > 0.5",
    why=("One change reads at least 1 (increase() extrapolates upwards only), none reads 0."),
    thresholds=(
        Threshold(
            "window", "15m", "How far back openings are counted together, and how long the alert lasts after the last one.", duration=True
        ),
    ),
    summary="Security-group ingress was opened to the internet.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}: a security group was opened to the internet for "
        'ports of class {{ $labels.port_class }} ({{ $value | printf "%.0f" }} time(s) in ${window}).'
    ),
    history=True,
    runbook=Runbook(
        means="""
            A successful call opened a security group to the internet, for ports of the class in the label `port_class` (`all` is every port
            or protocol), within ${window}. It fires when the exporter learns of the change, however long ago the change was made. CloudTrail
            delivers minutes late, so the hole may have stood open for that long. The first changes of an account and region never seen before
            come later by `metrics.birth_hold` (2 minutes). The alert resolves ${window} after the last such
            change; that does not mean that the hole is closed.

            First open `history_url`: it shows who made the change, when, from which address, and the exact rule. If nobody can explain it, remove the rule
            (`aws ec2 revoke-security-group-ingress --group-id … --security-group-rule-ids …`) and look at what else that principal did.

            One page stands for all openings of that class in the account and region while it fires: look through the whole list.
            """,
        queries=(
            Query(
                "What was opened, by class of ports, in the last hour",
                'max by (port_class) (increase(awschange_ingress_opened_total{account_id="111122223333", region="us-east-1"}[1h])) > 0',
            ),
            Query(
                "Which groups changed, by which call and principal",
                'max by (security_group_id, event_name, principal) (increase(awschange_security_group_changes_total{account_id="111122223333", region="us-east-1"}[1h])) > 0',
            ),
            Query(
                "With which tools changes are made there (a console change where Terraform rules is the one to ask about)",
                'max by (channel) (increase(awschange_channel_events_total{account_id="111122223333", region="us-east-1"}[1h])) > 0',
            ),
        ),
        then="From a shell beside the exporter: `aws-change-exporter history sg-0123456789abcdef0 --since 1d`.",
        silence="For one account and region while announced work goes on:",
        silence_matchers="account_id=111122223333 region=us-east-1 port_class=admin --duration=2h --comment='change 4711'",
        caution="Never without `port_class`: other openings must still page.",
        false_positives=(
            "The opening is wanted (a bastion, a public mail server). Ports that are wanted open everywhere belong in another class: `port_classes` in the exporter's configuration.",
            "The opened group is attached to nothing, or only to private addresses. The counter cannot tell.",
            "A second exporter that has counted more than the first (another `live_since`, an older store) joins or comes back after over six hours: its whole lead reads as new, once. Nothing in the history is younger than an hour then.",
            "The store was put back from an older copy: `increase()` takes a count that fell for one that began anew at 0, and reads the whole of it as an increase, once.",
            '`metrics.budgets` was changed where accounts fold (`account_id="__other__"`): the sum changes by what moved into it or out of it, once.',
        ),
    ),
)
