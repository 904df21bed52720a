"""A group that the internet reaches lets it in to every port."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.standing import GROUP, OPEN_RULES, REPLICA_BEHIND, open_rules

_OPEN = open_rules('exposure="public", port_class="all"')

ALERT = Alert(
    name="AwsChangeOpenIngressAllTraffic",
    group="exposure",
    severity="critical",
    records=(OPEN_RULES,),
    expr=f"{_OPEN} > 0",
    hold="${hold}",
    thresholds=(Threshold("hold", "5m", "How long it must stand open.", duration=True),),
    summary="A security group is open to the internet for all traffic, and the internet reaches it.",
    description=(
        f"Account {{{{ $labels.account_id }}}}, region {{{{ $labels.region }}}}: {GROUP} lets in the internet to every port by "
        '{{ $value | printf "%.0f" }} rule(s), and something with a public address, or behind an internet-facing load balancer, has it.'
    ),
    history=True,
    runbook=Runbook(
        means="""
            A rule of the group in `security_group_id` lets in the internet to every port of a protocol, or to every protocol, no exception covers it, and an
            interface with a public address, or a target of an internet-facing load balancer, has the group. Whatever listens there is reachable by anybody:
            databases, agents, consoles. It is found within minutes by those who scan.

            Close it first, ask afterwards. Open `history_url`: who opened it, and what else that principal did. Then look at what ran behind it, and
            whether anything came in while it stood open (flow logs).
            """,
        queries=(
            Query(
                "Which protocols and IP versions of that group are open, and how far each reaches",
                "max by (port_class, protocol, ip_version, exposure) (\n"
                '  awschange_open_ingress_rules{account_id="111122223333", region="us-east-1", security_group_id="sg-0123456789abcdef0"}\n'
                ")",
            ),
            Query(
                "Who changed the group within a day (one series can be `__other__`, when there are very many)",
                "sum by (event_name, principal) (max by (event_name, principal, job) (increase(\n"
                '  awschange_security_group_changes_total{account_id="111122223333", region="us-east-1", security_group_id="sg-0123456789abcdef0"}[1d]\n'
                "))) > 0",
            ),
            Query(
                "Where else everything is open, reached or not",
                "count by (account_id, region, exposure) (\n"
                '  max by (account_id, region, security_group_id, exposure) (awschange_open_ingress_rules{port_class="all"})\n'
                ")",
            ),
        ),
        silence="One group, until it is closed:",
        silence_matchers="account_id=111122223333 region=us-east-1 security_group_id=sg-0123456789abcdef0 --duration=1h --comment='closing it'",
        false_positives=(
            "Meant to be open, as a honeypot or a public proxy is: write an exception (`posture.exceptions`) with a reason and a date.",
            "An exception that has just ended: [AwsChangeExceptionExpiring](AwsChangeExceptionExpiring.md) told of it before.",
            "The first start: everything that stood open before is told at once, group by group.",
            "A network ACL, route or host firewall in between, which is not looked at.",
            "What is read from AWS Config is as old as its recording: a daily recorder shows a closed rule for up to a day.",
            REPLICA_BEHIND,
        ),
    ),
)
