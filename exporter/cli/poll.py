"""`poll`: one round of every source, then exit."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from exporter.cli.options import config_option, log_options, reports_errors, resolve_config
from exporter.logs import make_logger
from exporter.service import Service, require_sources
from exporter.text import visible


@click.command(short_help="Poll every source once, then exit.")
@config_option
@log_options
@reports_errors
def poll(config_file: Path | None, log_level: str, log_format: str) -> None:
    """Poll every source once, then exit: 0 if all of it could be read, 1 if not, 2 if the configuration is wrong.

    Every account and region is polled, the past as far back as it goes, and has a line of its own.
    Malformed records do not make a poll incomplete: they are counted by reason and named in the log.
    """
    config, path = resolve_config(config_file)
    require_sources(config, str(path or "the default configuration"))
    service = Service(config, path, make_logger(log_level, log_format))
    try:
        reports = service.poll_once()
    finally:
        service.stop()
    for report in reports:
        state = "complete" if report.complete else f"INCOMPLETE ({report.reason}: {visible(report.error or '', 500)})"
        unit = " ".join(filter(None, (report.source, report.account_id, report.region)))
        click.echo(
            f"{unit}: {state}; read {report.read} records: stored {report.stored} ({report.live} live), "
            f"duplicate {report.duplicates + report.conflicts}, ignored {report.ignored}, malformed {report.malformed}"
        )
    sys.exit(0 if all(report.complete for report in reports) else 1)
