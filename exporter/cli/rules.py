"""`rules`: the alert and recording rules of a configuration."""

from __future__ import annotations

from pathlib import Path

import click

from exporter.cli.options import config_option, reports_errors, resolve_config
from exporter.rules import prometheus_rule, render_alerts, render_recording, render_variant


@click.command(short_help="Print alert and recording rules.")
@config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["alerts", "recording", "prometheusrule", "anomaly-promql"]),
    default="alerts",
    show_default=True,
    help="Alerts or the recording rules of the dashboards, for `rule_files` of Prometheus; or both, for the Prometheus Operator; or the "
    "alert on unusual rates that learns by PromQL alone.",
)
@reports_errors
def rules(config_file: Path | None, form: str) -> None:
    """Print the alert rules, with the thresholds, severities and links of the section `alerts` of the configuration."""
    config, _ = resolve_config(config_file)
    if form == "alerts":
        text = render_alerts(config.alerts)
    elif form == "recording":
        text = render_recording()
    elif form == "anomaly-promql":
        text = render_variant(config.alerts)
    else:
        text = prometheus_rule(config.alerts)
    click.echo(text, nl=False)
