"""`open`: which rules let the internet in, by what the exporter last read or by a saved answer."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from exporter.cli.open_live import judge_store
from exporter.cli.open_offline import Verdict, judge_file
from exporter.cli.open_table import WRITERS
from exporter.cli.options import config_option, reports_errors, resolve_config
from exporter.text import visible


@click.command("open", short_help="Show which rules let the internet in, since when and by whom.")
@click.argument("groups", metavar="[GROUP]...", nargs=-1)
@config_option
@click.option("--account", "accounts", multiple=True, help="Only this account. May be repeated.")
@click.option("--region", "regions", multiple=True, help="Only this region. May be repeated.")
@click.option("--excepted/--no-excepted", default=True, show_default=True, help="Whether rules that an exception covers are shown, too.")
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Judge a saved answer of EC2 or AWS Config instead: JSON, also as gzip; `-` is standard input.",
)
@click.option(
    "--prefix-lists",
    "prefix_lists",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help='With --file, entries of prefix lists: {"pl-…": ["192.0.2.0/24", …]}, or an answer of EC2 or AWS Config. May be repeated.',
)
@click.option("--format", "form", type=click.Choice(list(WRITERS)), default="table", show_default=True, help="Form of the answer.")
@reports_errors
def open_command(
    groups: tuple[str, ...], config_file: Path | None, accounts: tuple[str, ...], regions: tuple[str, ...], excepted: bool,
    file: Path | None, prefix_lists: tuple[Path, ...], form: str,
) -> None:  # fmt: skip
    """Show which rules of the security groups GROUP (all, if none is named) let the internet in, since when and by whom.

    What stands is what `serve` or `poll` last read; AWS is not asked. Of a rule that was open when it was first
    read nobody saw who opened it. Judged by port classes, internet and exceptions of the configuration, or
    their defaults.

    With --file, neither AWS nor a store is needed: FILE holds what describe-security-groups, describe-security-group-rules or AWS Config
    (select-resource-config, select-aggregate-resource-config, get-resource-config-history, batch-get-resource-config, a notification, a
    rule event, a snapshot or history file of its bucket) said; one such answer, an array or a line for each. Of several states of a group
    that AWS Config recorded the newest counts.

    The exit status is 0 whatever is open; 1 where something could not be read or judged, beside the rows of what could, or a group that
    is named is not in what was read; 2 for a wrong option or configuration. With --file, rules whose prefix list no file tells are left
    out, and a note names the list.
    """
    if prefix_lists and file is None:
        raise click.UsageError("--prefix-lists goes with --file; what the exporter reads has its lists")
    config, _ = resolve_config(config_file)
    now = datetime.now(UTC)
    verdict = judge_store(config, groups, accounts, regions, now) if file is None else judge_file(config, file, prefix_lists, now)
    verdict.rows = [
        row
        for row in verdict.rows
        if (not groups or row.security_group_id in groups)
        and (not accounts or row.account_id in accounts)
        and (not regions or row.region in regions)
        and (excepted or row.exception is None)
    ]
    _write(verdict, form)


def _write(verdict: Verdict, form: str) -> None:
    WRITERS[form](verdict.rows)
    for note in verdict.notes:
        click.echo(f"Note: {visible(note, 1000)}", err=True)
    for problem in verdict.problems:
        click.echo(f"Error: {visible(problem, 1000)}", err=True)
    if form == "table" and not verdict.rows:
        click.echo("No rule lets the internet in.", err=True)
    if verdict.problems:
        click.echo("The answer is not complete: it lacks what could not be judged.", err=True)
        sys.exit(1)
