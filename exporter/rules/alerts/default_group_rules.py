"""A VPC's default group, which should have no rules, has some."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.standing import GROUP, REPLICA_BEHIND, standing, such

_RULES = standing(
    "awschange_default_security_group_rules",
    each=("account_id", "region", "vpc_id", "security_group_id"),
    by=("account_id", "region", "security_group_id"),
)

ALERT = Alert(
    name="AwsChangeDefaultGroupRules",
    group="exposure",
    severity="warning",
    expr=such(_RULES, "> 0"),
    hold="${hold}",
    thresholds=(Threshold("hold", "1h", "How long it must have rules; a new VPC has them until somebody takes them away.", duration=True),),
    summary="The default security group of a VPC has rules.",
    description=(
        f"Account {{{{ $labels.account_id }}}}, region {{{{ $labels.region }}}}: {GROUP} is the default one of its VPC and has "
        '{{ $value | printf "%.0f" }} rule(s); it should have none, because whatever is started without a group gets it.'
    ),
    history=True,
    runbook=Runbook(
        means="""
            The default group of a VPC has rules. Whatever is started without a group gets it, so it should let nothing pass (CIS AWS Foundations, Security Hub EC2.2).
            AWS makes every VPC with two rules in it: members reach each other, and the world. Taking them away cuts off what has the group and relies on
            them, so look at that first. Open `history_url` to see who gave it more.

            Where default groups are as AWS made them on purpose, disable this alert (`alerts.disabled`): it is one alert for each VPC.
            """,
        queries=(
            Query(
                "Which default groups have how many rules, in which VPC",
                "max by (account_id, region, vpc_id, security_group_id) (awschange_default_security_group_rules)",
            ),
            Query(
                "Whether one of them stands open to the internet",
                "max by (account_id, region, security_group_id, port_class, exposure) (awschange_open_ingress_rules)\n"
                "and on (account_id, region, security_group_id) awschange_default_security_group_rules",
            ),
            Query(
                "Who changed the group within a week",
                "sum by (event_name, principal) (max by (event_name, principal, job) (increase(\n"
                '  awschange_security_group_changes_total{account_id="111122223333", region="us-east-1", security_group_id="sg-0123456789abcdef0"}[7d]\n'
                "))) > 0",
            ),
        ),
        silence="An account that still has the VPCs that AWS made:",
        silence_matchers="account_id=444455556666 --duration=30d --comment='default VPCs go with OPS-1234'",
        false_positives=(
            "The default VPCs that every account is born with, in every region, and any VPC that was made a moment ago.",
            "The first start: all of them at once.",
            REPLICA_BEHIND,
        ),
    ),
)
