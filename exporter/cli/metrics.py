"""`metrics`: what /metrics would show, from the store, without serving."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from exporter.cli.options import config_option, existing_store, reports_errors, resolve_config
from exporter.forecast import Forecaster
from exporter.metrics.exposition import Exposition
from exporter.metrics.telemetry import Telemetry


@click.command(short_help="Print what /metrics would show, without serving.")
@config_option
@click.option("--openmetrics", is_flag=True, help="OpenMetrics with exemplars instead of the Prometheus text format.")
@click.option("--as-scraped", is_flag=True, help="Hold new counters at 0 as a scrape would show them now (metrics.birth_hold).")
@reports_errors
def metrics(config_file: Path | None, openmetrics: bool, as_scraped: bool) -> None:
    """Print what /metrics would show now, from the store, without serving.

    Every counter has its value: nobody scrapes this output, so no new series is held at 0 first. What only a running process
    knows (polls, lag, memory) is not there.
    """
    config, _ = resolve_config(config_file)
    store = existing_store(config)
    try:
        telemetry = Telemetry()
        for settings in config.sources:
            telemetry.register_source(settings.name, "", "")
        telemetry.store_stats(store.stats())
        telemetry.web_info(config.web.external_url)
        telemetry.exceptions(config.posture.expiries)
        forecaster = Forecaster(store, config.baseline.history)
        forecaster.meet(store.series().rows)
        now = datetime.now(UTC)
        forecaster.renew(now)
        telemetry.expectation(now.timestamp())
        exposition = Exposition(
            store,
            config.metrics.budgets,
            config.metrics.birth_hold,
            time.time,
            telemetry,
            states=config.reads_posture,
            forecaster=forecaster,
        )
        click.echo(exposition.text(openmetrics=openmetrics, settled=not as_scraped), nl=False)
        exposition.close()
    finally:
        store.close()
