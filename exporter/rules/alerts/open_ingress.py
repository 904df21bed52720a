"""A group that the internet reaches lets it in to ports that are not meant for it."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.standing import GROUP, OPEN_RULES, REPLICA_BEHIND, open_rules

_OPEN = open_rules('exposure="public", port_class!="all", port_class!~"${ignored}"')

ALERT = Alert(
    name="AwsChangeOpenIngress",
    group="exposure",
    severity="critical",
    records=(OPEN_RULES,),
    expr=f"{_OPEN} > 0",
    hold="${hold}",
    thresholds=(
        Threshold("ignored", "web", "Port classes that may be open to the internet, as an anchored regular expression."),
        Threshold("hold", "5m", "How long it must stand open.", duration=True),
    ),
    summary="A security group is open to the internet, and the internet reaches it.",
    description=(
        f"Account {{{{ $labels.account_id }}}}, region {{{{ $labels.region }}}}: {GROUP} lets in the internet to ports of class "
        '{{ $labels.port_class }} by {{ $value | printf "%.0f" }} rule(s), and something with a public address, or behind an '
        "internet-facing load balancer, has it."
    ),
    history=True,
    runbook=Runbook(
        means="""
            A rule of the group in `security_group_id` lets in the internet, no exception covers it, and an interface with a public address of that IP version,
            or a target of an internet-facing load balancer, has the group: anybody can try the port now. The value is the number of rules; a rule for IPv4 and
            one for IPv6 are two. Classes of ports: [metrics](../metrics.md#port_class); what counts as the internet: [what stands open](../open-ingress.md).
            Every port and every protocol at once is [AwsChangeOpenIngressAllTraffic](AwsChangeOpenIngressAllTraffic.md).

            Open `history_url`: who opened it, and when. Where the history has nobody, it was open when the exporter first looked. `aws-change-exporter open`
            names each rule. Close it (revoke the rule), or write down why it may stand (`posture.exceptions`). It resolves with the next reading after that.
            """,
        queries=(
            Query(
                "Which classes, protocols and IP versions of that group are open, and how far each reaches",
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
                "How many groups of how many accounts stand open to the internet by class",
                "count by (account_id, port_class) (\n"
                '  max by (account_id, region, security_group_id, port_class) (awschange_open_ingress_rules{exposure="public"})\n'
                ")",
            ),
        ),
        silence="One group, until it is closed or excepted; better write an exception, which ends by itself and has a reason:",
        silence_matchers="account_id=111122223333 region=us-east-1 security_group_id=sg-0123456789abcdef0 --duration=4h --comment='closing it'",
        false_positives=(
            "Meant to be open: a mail server, a VPN, a game server. Write an exception (`posture.exceptions`) with a reason and a date.",
            "An exception that has just ended: [AwsChangeExceptionExpiring](AwsChangeExceptionExpiring.md) told of it before.",
            "The first start: everything that stood open before is told at once, group by group.",
            "A wide range of your own (`posture.internet.not_internet`), or a network ACL, route or host firewall in between, which is not looked at.",
            "`__other__` for a group: the family is past its budget; raise it in `metrics.budgets`.",
            "What is read from AWS Config is as old as its recording: a daily recorder shows a closed rule for up to a day.",
            REPLICA_BEHIND,
        ),
    ),
)
