"""`doctor`: every permission and setting tried once, each with what to do about it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from textwrap import wrap
from typing import Any

import click

from exporter.cli.options import config_option, reports_errors, resolve_config
from exporter.doctor import Finding, folded, run, summary, to_json, worst
from exporter.service import require_sources

_PIPED_WIDTH = 160
_STATUS_WIDTH = 9
_STYLES: dict[str, dict[str, Any]] = {
    "ok": {"fg": "green"}, "warning": {"fg": "yellow"}, "failure": {"fg": "red", "bold": True}, "skipped": {"dim": True},
}  # fmt: skip


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
    shown = folded(findings)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPED_WIDTH
    check_width = max((len(finding.check) for finding in shown), default=0)
    indent = " " * (_STATUS_WIDTH + check_width + 2)
    room = max(40, width - len(indent))
    for finding in shown:
        status = click.style(finding.status.ljust(_STATUS_WIDTH), **_STYLES[finding.status])
        lines = [f"{finding.subject}: {finding.detail}", *([f"→ {finding.remedy}"] if finding.remedy else [])]
        # Long words stay whole: they are ARNs and commands to be copied.
        wrapped = [part for line in lines for part in wrap(line, room, break_long_words=False, break_on_hyphens=False)]
        click.echo(f"{status}{finding.check.ljust(check_width)}  " + f"\n{indent}".join(wrapped))
    click.echo(f"\n{summary(findings)}")
