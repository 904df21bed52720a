"""A group lets in the internet, and what has it is not known to be reached from there."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.standing import GROUP, OPEN_LABELS, OPEN_RULES, REPLICA_BEHIND, open_rules

_OPEN = open_rules('exposure=~"attached|unknown", port_class!~"${ignored}"')
_REACHED = f'{OPEN_RULES.name}{{exposure="public"}} > 0'

ALERT = Alert(
    name="AwsChangeOpenIngressInternal",
    group="exposure",
    severity="warning",
    records=(OPEN_RULES,),
    expr=f"{_OPEN} > 0\nunless on ({', '.join(OPEN_LABELS)}) {_REACHED}",
    hold="${hold}",
    why="One IP version of a group may be reached while the other is not: then the alert about the one that is says it all.",
    thresholds=(
        Threshold("ignored", "web", "Port classes that may be open to the internet, as an anchored regular expression."),
        Threshold("hold", "15m", "How long it must stand open.", duration=True),
    ),
    summary="A security group in use is open to the internet, though nothing of it is known to be reached.",
    description=(
        f"Account {{{{ $labels.account_id }}}}, region {{{{ $labels.region }}}}: {GROUP} lets in the internet to ports of class "
        '{{ $labels.port_class }} by {{ $value | printf "%.0f" }} rule(s). It is in use; nothing that has it is known to have a public address.'
    ),
    history=True,
    runbook=Runbook(
        means="""
            A rule of the group in `security_group_id` lets in the internet, no exception covers it, and interfaces have the group, but none with a public
            address of that IP version and none behind an internet-facing load balancer (exposure `attached`); or not all could be read, so that nobody knows
            (`unknown`). One public address, one load balancer or a peered network is what it takes.

            With `unknown`, see to the permission first: the group may well be reached. `aws-change-exporter doctor` names it.
            """,
        queries=(
            Query(
                "How far each open class of that group reaches",
                "max by (port_class, protocol, ip_version, exposure) (\n"
                '  awschange_open_ingress_rules{account_id="111122223333", region="us-east-1", security_group_id="sg-0123456789abcdef0"}\n'
                ")",
            ),
            Query(
                "Which parts of the picture of that account and region are how old, in seconds: interfaces and load balancers decide",
                'time() - awschange_exporter_snapshot_timestamp_seconds{account_id="111122223333", region="us-east-1"}',
            ),
            Query(
                "Where groups are of which exposure",
                "count by (account_id, region, exposure) (\n"
                "  max by (account_id, region, security_group_id, exposure) (awschange_open_ingress_rules)\n"
                ")",
            ),
        ),
        silence="One group, until it is closed:",
        silence_matchers="account_id=111122223333 region=us-east-1 security_group_id=sg-0123456789abcdef0 --duration=7d --comment='OPS-1234 closes it'",
        false_positives=(
            "Groups of internal services that are open by habit: narrow the rule to the ranges of your networks, or write an exception.",
            "Many groups at once with exposure `unknown`: interfaces or load balancers of the account cannot be read.",
            "The first start: everything that stood open before is told at once, group by group.",
            REPLICA_BEHIND,
        ),
    ),
)
