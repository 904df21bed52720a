"""A stranger who makes many changes, slowly enough for every limit by the minute."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted
from exporter.rules.newcomers import FOLDED, HOURS, LABELS, LEARNING, NEW, WHY

_LABELS = ", ".join(LABELS)
_CHANGES = counted(
    "account_principal:awschange_principal_changes",
    "awschange_principal_changes_total",
    each=LABELS,
    window="${window}",
    born=True,
    why=(
        "By principal, over hours: the drip of one hand does not stand out of an account's changes. Who is new had no series before, so "
        "what had no value stood at 0; otherwise a pod that is renamed would part what one newcomer did into two smaller numbers."
    ),
)

ALERT = Alert(
    name="AwsChangeNewPrincipalBusy",
    group="actors",
    severity="critical",
    records=_CHANGES.records,
    expr=f"{_CHANGES.highest(*LABELS)} > ${{limit}}\nand on ({_LABELS}) {NEW}",
    why=WHY,
    thresholds=(
        Threshold("limit", 5, "Successful changes of one new principal within the window."),
        Threshold("window", "6h", "How far back changes are counted together.", duration=True),
        HOURS,
        LEARNING,
    ),
    summary="Somebody new makes many security-group changes.",
    description=(
        "Account {{ $labels.account_id }}: {{ $labels.principal }} ({{ $labels.principal_type }}), never seen before the last ${hours} "
        'hours, made {{ $value | printf "%.0f" }} successful changes in ${window}.'
    ),
    history=True,
    runbook=Runbook(
        means="""
            A principal that the exporter first saw within the last ${hours} hours made more than ${limit} successful changes within
            ${window}, however slowly. This is what an intruder looks like who takes care not to be noticed: no burst, but a new name.

            Open `history_url`, which shows all that this principal did, from which addresses and with which tools. If nobody answers for it
            at once: disable it (`aws iam update-access-key --status Inactive`, or a policy that denies all), then undo what it opened.
            """,
        queries=(
            Query(
                "How busy each newcomer is",
                f'sort_desc(max by ({_LABELS}) (increase(awschange_principal_changes_total{{account_id="111122223333"}}[${{window}}])) > 0)',
            ),
            Query(
                "Which groups, and with which calls",
                "max by (region, security_group_id, event_name) (\n"
                '  awschange_security_group_changes_total{account_id="111122223333", principal="role/Deploy"}\n'
                ")",
            ),
            Query(
                "What was opened to the internet meanwhile",
                'max by (region, port_class) (\n  increase(awschange_ingress_opened_total{account_id="111122223333"}[${window}])\n) > 0',
            ),
        ),
        silence="One principal, once it is known:",
        silence_matchers="account_id=111122223333 principal=role/Deploy --duration=24h --comment='new pipeline, first run'",
        false_positives=(
            "The first run of a new pipeline.",
            "Someone who last changed a security group before the exporter's past begins (90 days, unless it has read a trail).",
            "The other way round, it is missed: " + FOLDED[0].lower() + FOLDED[1:],
        ),
    ),
)
