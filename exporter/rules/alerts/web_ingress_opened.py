"""Security-group ingress of web ports was opened to the internet."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted

_OPENED = counted(
    "account_region_port_class:awschange_ingress_opened",
    "awschange_ingress_opened_total",
    each=("account_id", "region", "port_class"),
    window="${window}",
)
_PORTS = 'port_class="web"'

ALERT = Alert(
    name="AwsChangeWebIngressOpened",
    group="exposure",
    severity="info",
    records=_OPENED.records,
    expr=f"{_OPENED.highest('account_id', 'region', 'port_class', such=_PORTS)} > 0.5",
    thresholds=(
        Threshold(
            "window", "15m", "How far back openings are counted together, and how long the alert lasts after the last one.", duration=True
        ),
    ),
    summary="Security-group ingress of web ports was opened to the internet.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}: a security group was opened to the internet for "
        'web ports ({{ $value | printf "%.0f" }} time(s) in ${window}).'
    ),
    history=True,
    runbook=Runbook(
        means="""
            As [AwsChangeIngressOpened](AwsChangeIngressOpened.md), for ports of the class `web` only (80, 443 and the usual development
            ports). Most are wanted; it is there for reading, and for the day when 8888 turns out to be a notebook.
            """,
        queries=(
            Query(
                "How often each account does this",
                'sort_desc(sum by (account_id) (max by (account_id, region) (increase(awschange_ingress_opened_total{port_class="web"}[1d]))))',
            ),
            Query(
                "Whether other ports were opened in the same hour",
                'max by (account_id, region, port_class) (increase(awschange_ingress_opened_total{port_class!="web"}[1h])) > 0',
            ),
            Query(
                "Who changes groups there",
                'sort_desc(sum by (principal) (max by (security_group_id, event_name, principal) (increase(awschange_security_group_changes_total{account_id="111122223333", region="us-east-1"}[1h]))))',
            ),
        ),
        silence_matchers="account_id=111122223333 --duration=7d --comment='public web account'",
        false_positives=(
            "Every public load balancer that is built. Where that is daily business, drop the alert or route it nowhere.",
            "A second exporter with higher counts joins: see [AwsChangeIngressOpened](AwsChangeIngressOpened.md).",
        ),
    ),
)
