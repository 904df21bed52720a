"""Marks on the graphs of all dashboards."""

from __future__ import annotations

from dashboards.parts import FIRING
from dashboards.promql import CHOSEN, most
from dashboards.record import Annotation

OPENED = Annotation(
    "Opened to the internet",
    most(
        f"sum_over_time(account_region_port:awschange_ingress_opened:grown{{{CHOSEN}}}[$__rate_interval])",
        ("account_id", "region", "port_class"),
    )
    + " > 0",
    "Opened to the internet: {{port_class}} ports",
    "Account {{account_id}}, {{region}}",
    "red",
)
UNEXPLAINED = Annotation(
    "Changed in the dark",
    most(f"changes(awschange_unexplained_rule_changes_total{{{CHOSEN}}}[$__rate_interval])", ("account_id", "region")) + " > 0",
    "Rules changed, and no event says who did it",
    "Account {{account_id}}, {{region}}",
    "purple",
)
ALERTS = Annotation(
    "Alerts",
    f"max by (alertname, severity, account_id, region) ({FIRING}) > 0",
    "{{alertname}}",
    "{{severity}}: {{account_id}} {{region}}",
    "orange",
)
EVERYWHERE = (OPENED, UNEXPLAINED, ALERTS)
"""What every dashboard marks; each can be switched off at its head."""


def changes(expr: str) -> Annotation:
    """Return marks for changes of one group or principal, by `event_name` where the query has it."""
    return Annotation("Changes", expr, "{{event_name}}", "{{principal}} {{account_id}} {{region}}", "blue", shown=False)
