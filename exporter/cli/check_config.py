"""`check-config`: read a configuration file and say what is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from exporter.cli.options import reports_errors, web_config_option
from exporter.config import load
from exporter.service import require_sources
from exporter.snapshots.permissions import reads_from
from exporter.web.access import load_rules


@click.command("check-config", short_help="Check a configuration file.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@web_config_option
@reports_errors
def check_config(file: Path | None, web_config_file: Path | None) -> None:
    """Check a configuration FILE, that of --web.config.file, or both; exit with 0 if all is right, 2 if not.

    Nothing is contacted or written. Certificates and keys are read, as `serve` would read them.
    """
    if file is None and web_config_file is None:
        raise click.UsageError("name a configuration FILE, or one with --web.config.file")
    if file is not None:
        _check(file)
    if web_config_file is not None:
        _check_web(web_config_file)


def _check_web(file: Path) -> None:
    rules = load_rules(file)
    users = rules.settings.basic_auth_users
    encryption = "none" if rules.tls is None else f"client certificates: {rules.settings.tls_server_config.client_auth_type}"
    click.echo(f"{file}: valid; TLS: {encryption}; logins: {len(users) or 'none, everybody may ask'}")
    for text in rules.cautions:
        click.echo(f"Note: {text}", err=True)


def _check(file: Path) -> None:
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
