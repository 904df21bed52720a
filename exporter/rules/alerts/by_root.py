"""The root user of an account changed something."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted

_CHANGES = counted(
    "account_region:awschange_root_changes",
    'awschange_principal_type_changes_total{principal_type="root"}',
    each=("account_id", "region"),
    window="${window}",
)

ALERT = Alert(
    name="AwsChangeByRoot",
    group="actors",
    severity="critical",
    records=_CHANGES.records,
    expr=f"{_CHANGES.highest('account_id', 'region')} > 0.5",
    why="The type of the principal has a counter of its own, which is there at 0 before root ever acts, and folds no root away.",
    thresholds=(
        Threshold(
            "window", "15m", "How far back changes are counted together, and how long the alert lasts after the last one.", duration=True
        ),
    ),
    summary="The root user changed security groups.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}: the root user of the account made "
        '{{ $value | printf "%.0f" }} successful change(s) in ${window}.'
    ),
    history=True,
    runbook=Runbook(
        means="""
            The root user of an account made a successful change within ${window}. Nobody needs root to change a security group: it has no
            limits that a policy could set, and its credentials are the first that an intruder looks for.

            Open `history_url`: from which address, with which tool, and what was changed? Call the person who holds the credentials. If it
            was not they: change the password, delete the access keys of root, end its sessions, and call AWS Support.
            """,
        queries=(
            Query(
                "Where root made changes within a day",
                'max by (account_id, region) (increase(\n  awschange_principal_type_changes_total{principal_type="root"}[1d]\n)) > 0',
            ),
            Query(
                "What was changed there",
                'max by (event_name) (increase(awschange_events_total{account_id="111122223333", region="us-east-1", outcome="success"}[1h])) > 0',
            ),
            Query(
                "Whether something was opened to the internet",
                'max by (port_class) (increase(awschange_ingress_opened_total{account_id="111122223333"}[1h])) > 0',
            ),
        ),
        then="What else root did is in CloudTrail: `aws cloudtrail lookup-events --lookup-attributes AttributeKey=Username,AttributeValue=root`.",
        silence="One account, for as long as somebody really must work as root:",
        silence_matchers="account_id=111122223333 --duration=1h --comment='recovery of the account, see the ticket'",
        false_positives=(
            "A person who opened the account and has no other user yet.",
            "A second exporter with higher counts joins: see [AwsChangeIngressOpened](AwsChangeIngressOpened.md).",
        ),
    ),
)
