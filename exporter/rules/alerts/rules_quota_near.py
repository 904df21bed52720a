"""A group has almost as many rules as AWS allows."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.standing import GROUP, REPLICA_BEHIND, standing, such

_RATIO = standing("awschange_security_group_rules_quota_ratio", each=("account_id", "region", "security_group_id"))

ALERT = Alert(
    name="AwsChangeRulesQuotaNear",
    group="exposure",
    severity="warning",
    expr=such(_RATIO, "> ${limit}"),
    hold="${hold}",
    thresholds=(
        Threshold("limit", 0.9, "Share of `posture.rules_quota` from which on a group is told; 0.5 at least, below which none is shown."),
        Threshold("hold", "15m", "How long it must be so full.", duration=True),
    ),
    summary="A security group has almost as many rules as AWS allows.",
    description=(
        f"Account {{{{ $labels.account_id }}}}, region {{{{ $labels.region }}}}: {GROUP} uses {{{{ $value | humanizePercentage }}}} of the "
        "rules that it may have; at 100% AWS refuses the next one."
    ),
    history=True,
    runbook=Runbook(
        means="""
            The group has more than ${limit} of the rules that it may have, in its fullest direction and IP version. When it is full, AWS refuses the next rule
            (`RulesPerSecurityGroupLimitExceeded`), often in the middle of an incident or a deployment. A prefix list counts as the most entries that it may have.

            Take away what is not needed, put ranges into a prefix list or several groups, or ask AWS for a higher quota and set `posture.rules_quota` to it.
            """,
        queries=(
            Query(
                "The fullest groups",
                "topk(10, max by (account_id, region, security_group_id) (awschange_security_group_rules_quota_ratio))",
            ),
            Query(
                "Who adds rules to the group",
                "sum by (event_name, principal) (max by (event_name, principal, job) (increase(\n"
                '  awschange_security_group_changes_total{account_id="111122223333", region="us-east-1", security_group_id="sg-0123456789abcdef0"}[7d]\n'
                "))) > 0",
            ),
            Query(
                "Whether calls already fail",
                "sum by (account_id, region, event_name) (max by (account_id, region, event_name, job) (increase(\n"
                '  awschange_events_total{event_name=~"Authorize.*|ModifySecurityGroupRules", outcome="failed"}[1d]\n'
                "))) > 0",
            ),
        ),
        silence="One group, until the quota is raised:",
        silence_matchers="account_id=111122223333 region=us-east-1 security_group_id=sg-0123456789abcdef0 --duration=7d --comment='quota asked for'",
        false_positives=(
            "A quota that AWS raised for the account: `posture.rules_quota` still says 60.",
            "Prefix lists that may have many entries and have few: AWS counts them so, too.",
            REPLICA_BEHIND,
        ),
    ),
)
