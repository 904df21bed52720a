"""Somebody whom the exporter never saw before changed something."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook
from exporter.rules.newcomers import HOURS, LABELS, LEARNING, NEW, WHY

_LABELS = ", ".join(LABELS)

ALERT = Alert(
    name="AwsChangeByNewPrincipal",
    group="actors",
    severity="warning",
    expr=f"{NEW}\nand on ({_LABELS}) (max by ({_LABELS}) (awschange_principal_changes_total) > 0)",
    why=WHY,
    thresholds=(HOURS, LEARNING),
    summary="Somebody new changes security groups.",
    description=(
        "Account {{ $labels.account_id }}: {{ $labels.principal }} ({{ $labels.principal_type }}) made changes and was never seen "
        "before {{ $value | humanizeTimestamp }}."
    ),
    history=True,
    runbook=Runbook(
        means="""
            A principal that the exporter first saw within the last ${hours} hours made a successful change. New people and new pipelines
            do; so does an intruder with a user or role made for the purpose. It ends when the principal is not new any more.

            Open `history_url`, which shows all that this principal did. Who made the principal, and when (`CreateUser`, `CreateRole` in
            CloudTrail)? If nobody knows it, disable it. [AwsChangeNewPrincipalBusy](AwsChangeNewPrincipalBusy.md) pages if it makes many
            changes.
            """,
        queries=(
            Query(
                "Who is new, and since how many seconds",
                f"sort(time() - min by ({_LABELS}) (awschange_principal_first_seen_timestamp_seconds) < 86400)",
            ),
            Query(
                "How many changes each made within a day",
                f'sort_desc(max by ({_LABELS}) (awschange_principal_changes_total{{account_id="111122223333"}}))',
            ),
            Query(
                "Which groups, and with which calls",
                "max by (region, security_group_id, event_name) (\n"
                '  awschange_security_group_changes_total{account_id="111122223333", principal="role/Deploy"}\n'
                ")",
            ),
        ),
        silence="One principal, once it is known:",
        silence_matchers="account_id=111122223333 principal=role/Deploy --duration=24h --comment='new pipeline'",
        false_positives=(
            "New employees, new pipelines, roles that were renamed.",
            "Someone who last changed a security group before the exporter's past begins (90 days, unless it has read a trail).",
        ),
        caution="Silence no whole account: the next newcomer may be another.",
    ),
)
