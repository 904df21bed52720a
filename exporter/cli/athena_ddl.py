"""`athena-ddl`: the table that Athena needs for this configuration's trail logs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import click

from exporter.cli.options import config_option, reports_errors, resolve_config
from exporter.config import Config
from exporter.errors import ConfigError
from exporter.sources.s3 import S3Settings
from exporter.sql.ddl import TrailTable


@click.command("athena-ddl", short_help="Print the table that Athena needs for these trail logs.")
@config_option
@click.option("--source", "name", default="", metavar="NAME", help="The source of type `s3` whose bucket it is, where there are several.")
@click.option("--organization-id", default="", metavar="o-…", help="Of an organization's trail, where the source does not name it alone.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="First day that there are logs of; a late one makes queries quicker.")
@reports_errors
def athena_ddl(config_file: Path | None, name: str, organization_id: str, since: datetime | None) -> None:
    """Print CREATE EXTERNAL TABLE for the trail bucket of a source of type `s3`, named as in the section `athena`. Contacts nobody.

    Partitions are worked out from the configured accounts and regions (partition projection), so none is ever added.
    """
    config, _ = resolve_config(config_file)
    source = _source(config, name)
    organizations = (organization_id,) if organization_id else source.organization_ids
    if len(organizations) > 1:
        raise ConfigError(
            f"athena-ddl: a table has the logs of one organization; choose with --organization-id from {', '.join(organizations)}"
        )
    table = TrailTable(
        config.athena.database,
        config.athena.table,
        source.bucket,
        source.prefix,
        next(iter(organizations), ""),
        _accounts(config, source),
        _regions(config, source),
        date(2020, 1, 1) if since is None else since.replace(tzinfo=UTC).date(),
    )
    click.echo(table.ddl(), nl=False)


def _source(config: Config, name: str) -> S3Settings:
    sources = [source for source in config.sources if isinstance(source, S3Settings) and source.bucket and name in ("", source.name)]
    if not sources:
        which = f"is named {name!r} and " if name else ""
        raise ConfigError(f"sources: none {which}is of type `s3` with a `bucket`, which says where the logs lie; add it")
    if len(sources) > 1:
        raise ConfigError(f"sources: several are of type `s3`; choose with --source from {', '.join(source.name for source in sources)}")
    return sources[0]


def _accounts(config: Config, source: S3Settings) -> tuple[str, ...]:
    """Return the accounts if all are known: those of an organization come and go, and that of the default credentials has no name here."""
    if source.accounts or config.aws.organization is not None or config.aws.watches_own_account:
        return tuple(source.accounts)
    return tuple(account.account_id for account in config.aws.accounts)


def _regions(config: Config, source: S3Settings) -> tuple[str, ...]:
    for regions in (source.regions, config.aws.regions):
        if regions and "all" not in regions:
            return _known(regions)
    return ()


def _known(regions: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(regions))
