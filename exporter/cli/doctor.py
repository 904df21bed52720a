"""`doctor`: every permission and setting tried once, each with what to do about it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.cli.options import config_option, reports_errors, resolve_config
from exporter.doctor import Finding, folded, run, summary, to_json, worst
from exporter.service import require_sources

_PIPED_WIDTH = 160
_COLOURS = {"ok": "green", "warning": "yellow", "failure": "bold red", "skipped": "dim"}


@click.command(short_help="Try every permission and setting, and say what to do.")
@config_option
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Form of the answer.")
@reports_errors
def doctor(config_file: Path | None, form: str) -> None:
    """Try every permission and setting once, and say what to do about each that fails. Changes nothing.

    Exits with 0 if there is no failure (warnings do not count), 1 if there is any, 2 if the configuration is wrong.
    """
    config, path = resolve_config(config_file)
    where = str(path or "the default configuration")
    require_sources(config, where)
    findings = run(config, where)
    if form == "json":
        sys.stdout.write(to_json(findings))
    else:
        _write_table(findings)
    sys.exit(1 if worst(findings) == "failure" else 0)


def _write_table(findings: list[Finding]) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPED_WIDTH)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("check", overflow="fold", ratio=2)
    table.add_column("status", no_wrap=True)
    table.add_column("of", overflow="fold", ratio=3)
    table.add_column("finding, and what to do", overflow="fold", ratio=6)
    for finding in folded(findings):
        what = Text(finding.detail)
        if finding.remedy:
            what.append(f"\n→ {finding.remedy}", style="bold")
        table.add_row(Text(finding.check), Text(finding.status, style=_COLOURS[finding.status]), Text(finding.subject), what)
    with console.capture() as printed:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in printed.get().splitlines())
    click.echo(summary(findings))
