"""Alert and recording rules as code: one record an alert, rendered for Prometheus and for the Prometheus Operator."""

from exporter.rules.alert import GROUPS, Alert, Runbook, Threshold
from exporter.rules.alerts import ALERTS
from exporter.rules.record import Record
from exporter.rules.render import prometheus_rule, render_alerts, render_recording, render_variant
from exporter.rules.settings import AlertSettings
from exporter.rules.variant import VARIANT

__all__ = [
    "ALERTS",
    "GROUPS",
    "VARIANT",
    "Alert",
    "AlertSettings",
    "Record",
    "Runbook",
    "Threshold",
    "prometheus_rule",
    "render_alerts",
    "render_recording",
    "render_variant",
]
