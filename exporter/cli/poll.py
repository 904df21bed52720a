"""`poll`: one round of every source and of what stands, then exit."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from exporter.cli.options import config_option, log_options, reports_errors, resolve_config
from exporter.config import Config
from exporter.errors import ConfigError
from exporter.history.look import pictures
from exporter.logs import make_logger
from exporter.posture.judge import count_rules
from exporter.report import Report
from exporter.service import Service, require_sources
from exporter.store import Store
from exporter.text import visible

OPEN_STATUS = 2


@click.command(short_help="Poll every source and read what stands once, then exit.")
@config_option
@click.option("--check", is_flag=True, help="Exit with 2 where anything stands open to the internet that no exception covers.")
@log_options
@reports_errors
def poll(config_file: Path | None, check: bool, log_level: str, log_format: str) -> None:
    """Poll every source and read what stands once, then exit: 0 if all of it could be read, 1 if not, 2 if the configuration is wrong.

    Every account and region is polled, the past as far back as it goes, and has a line of its own.
    Malformed records do not make a poll incomplete: they are counted by reason and named in the log.

    With --check, for pipelines, the exit status is 2 where anything stands open that is not excepted, also if something else could not
    be read; `aws-change-exporter open` lists it.
    """
    config, path = resolve_config(config_file)
    require_sources(config, str(path or "the default configuration"))
    if check and not config.reads_posture:
        raise ConfigError(
            f"{path or 'the default configuration'}: posture.enabled: what stands is not read, so that --check has nothing to look at"
        )
    service = Service(config, path, make_logger(log_level, log_format))
    try:
        reports = service.poll_once()
        standing_open = _count_open(config, service.store) if check else 0
    finally:
        service.stop()
    for report in reports:
        click.echo(line_of(report))
    if standing_open:
        rules = "1 rule" if standing_open == 1 else f"{standing_open} rules"
        click.echo(f"open to the internet and not excepted: {rules}; `aws-change-exporter open` lists them", err=True)
        sys.exit(OPEN_STATUS)
    sys.exit(0 if all(report.complete for report in reports) else 1)


def line_of(report: Report) -> str:
    """Return what became of a unit, for a person."""
    state = "complete" if report.complete else f"INCOMPLETE ({report.reason}: {visible(report.error or '', 500)})"
    unit = " ".join(filter(None, (report.source, report.account_id, report.region)))
    return f"{unit}: {state}; {report.counts()}"


def _count_open(config: Config, store: Store) -> int:
    """Count the rules that stand open without an exception in what was read now, or last where it could not be."""
    judge, now = config.judge(), datetime.now(UTC)
    return sum(count_rules(judge.open_rules(standing, now))[0] for standing in pictures(store))
