"""`check-config`: read a configuration file and say what is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from exporter.cli.options import reports_errors
from exporter.config import load
from exporter.service import require_sources
from exporter.snapshots.permissions import reads_from


@click.command("check-config", short_help="Check a configuration file.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@reports_errors
def check_config(file: Path) -> None:
    """Check a configuration FILE; exit with 0 if it is right, 2 if not. Nothing is contacted or written."""
    config = load(file)
    require_sources(config, str(file))
    names = ", ".join(source.name if source.name == source.type else f"{source.name} ({source.type})" for source in config.sources)
    standing = f"read ({config.posture.source})" if config.reads_posture else "not read"
    click.echo(
        f"{file}: valid; sources: {names or 'none'}; watching: {', '.join(config.watch.sets) or 'patterns only'}; what stands: {standing}"
    )
    if config.posture.aggregator is not None and not reads_from(config.posture, "aws_config"):
        click.echo(
            "Note: the aggregator is never asked, because `posture.source` is ec2; remove it, or choose auto or aws_config", err=True
        )
    for exception in config.posture.ended(datetime.now(UTC)):
        click.echo(f"Note: {exception.told_as_ended()}", err=True)
