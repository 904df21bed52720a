"""The recording rules of the dashboards (alerts bring their own): what would be slow to work out anew at each look."""

from __future__ import annotations

from exporter.rules.record import Record

_UNIT = "job, account_id, region"

RECORDING: tuple[Record, ...] = (
    Record(
        "account_region_outcome:awschange_events:sum",
        f"sum by ({_UNIT}, outcome) (max by ({_UNIT}, event_source, event_name, outcome) (awschange_events_total))",
    ),
    Record(
        "account_region_event:awschange_changes:sum",
        f'sum by ({_UNIT}, event_name) (max by ({_UNIT}, event_source, event_name) (awschange_events_total{{outcome="success"}}))',
    ),
    Record(
        "account_region:awschange_open_ingress_rules:sum",
        f"sum by ({_UNIT}, port_class, exposure) (max by ({_UNIT}, vpc_id, security_group_id, protocol, port_class, ip_version, exposure) (awschange_open_ingress_rules))",
    ),
)
"""In the order in which they are worked out; a later one may read an earlier one.

Counters stay counters: what is recorded is how high they stand, and a dashboard asks how far that rose. `job` stays, because it is a choice
at the head of the dashboards; pods do not, so that a new one changes nothing.
"""
