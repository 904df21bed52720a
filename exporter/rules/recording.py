"""The recording rules of the dashboards (alerts bring their own): what would be slow to work out anew at each look."""

from __future__ import annotations

from exporter.rules.record import Record

RECORDING: tuple[Record, ...] = (
    Record(
        "account_region:awschange_changes:rate5m",
        'sum by (account_id, region) (max by (account_id, region, event_source, event_name) (rate(awschange_events_total{outcome="success"}[5m])))',
    ),
)
"""In the order in which they are worked out; a later one may read an earlier one."""
