"""A group that nothing has lets in the internet."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.standing import GROUP, OPEN_LABELS, OPEN_RULES, REPLICA_BEHIND, open_rules

_OPEN = open_rules('exposure="unattached", port_class!~"${ignored}"')
_USED = f'{OPEN_RULES.name}{{exposure!="unattached"}} > 0'

ALERT = Alert(
    name="AwsChangeOpenIngressUnattached",
    group="exposure",
    severity="info",
    records=(OPEN_RULES,),
    expr=f"{_OPEN} > 0\nunless on ({', '.join(OPEN_LABELS)}) {_USED}",
    hold="${hold}",
    thresholds=(
        Threshold("ignored", "web", "Port classes that may be open to the internet, as an anchored regular expression."),
        Threshold("hold", "1h", "How long it must stand open.", duration=True),
    ),
    summary="A security group that nothing has is open to the internet.",
    description=(
        f"Account {{{{ $labels.account_id }}}}, region {{{{ $labels.region }}}}: {GROUP} lets in the internet to ports of class "
        '{{ $labels.port_class }} by {{ $value | printf "%.0f" }} rule(s). Nothing has it; attaching it takes one call.'
    ),
    history=True,
    runbook=Runbook(
        means="""
            A rule of the group in `security_group_id` lets in the internet, and no network interface has the group. Nothing is reached by it now. It is a trap
            for whoever attaches it next, and one call away from being reached: delete it, or narrow it.
            """,
        queries=(
            Query(
                "Where groups that nothing has stand open, and how many",
                "count by (account_id, region) (\n"
                '  max by (account_id, region, security_group_id) (awschange_open_ingress_rules{exposure="unattached"})\n'
                ")",
            ),
            Query(
                "What the group is called, and in which VPC it is",
                'awschange_security_group_info{account_id="111122223333", region="us-east-1", security_group_id="sg-0123456789abcdef0"}',
            ),
            Query(
                "How many groups nothing uses at all",
                "max by (account_id, region) (awschange_unused_security_groups)",
            ),
        ),
        silence="All of one account, such as a sandbox:",
        silence_matchers="account_id=444455556666 --duration=30d --comment='sandbox account'",
        false_positives=(
            "Groups of launch templates and autoscaling that have no instance at the moment.",
            "Groups that are used only in another account (shared VPCs), whose interfaces this account cannot see.",
            REPLICA_BEHIND,
        ),
    ),
)
