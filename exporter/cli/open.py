"""`open`: which rules let the internet in."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from exporter.cli.open_offline import judge_file
from exporter.cli.open_table import WRITERS
from exporter.cli.options import config_option, reports_errors, resolve_config
from exporter.text import visible


@click.command("open", short_help="Show which rules let the internet in.")
@config_option
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, allow_dash=True),
    required=True,
    metavar="FILE",
    help="A saved answer of EC2 or AWS Config as JSON, also as gzip; `-` is standard input.",
)
@click.option(
    "--prefix-lists",
    "prefix_lists",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help='Entries of prefix lists: {"pl-…": ["192.0.2.0/24", …]}, or an answer of EC2 or AWS Config. May be repeated.',
)
@click.option("--format", "form", type=click.Choice(list(WRITERS)), default="table", show_default=True, help="Form of the answer.")
@reports_errors
def open_command(config_file: Path | None, file: Path, prefix_lists: tuple[Path, ...], form: str) -> None:
    """Show which rules let the internet in, judged by port classes, internet and exceptions of the configuration, or their defaults.

    FILE holds what describe-security-groups, describe-security-group-rules or AWS Config (select-resource-config,
    select-aggregate-resource-config, get-resource-config-history, batch-get-resource-config, a notification, a rule event, a snapshot
    or history file of its bucket) said; one such answer, an array or a line for each. Of several states of a group that AWS Config recorded
    the newest counts.

    The exit status is 0 whatever is open, and 1 where a part of FILE could not be judged.
    """
    config, _ = resolve_config(config_file)
    verdict = judge_file(config, file, prefix_lists, datetime.now(UTC))
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
