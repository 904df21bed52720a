"""docs/cli.md, from what the commands themselves say with --help."""

from __future__ import annotations

from collections.abc import Iterator

import click

from exporter.cli import main
from tools.markdown import notice, page

WIDTH = 100


def cli_page() -> str:
    """Return the page with the help of every command."""
    blocks = [notice("the commands in exporter/cli"), "# Commands"]
    for path, text in helps(main, "aws-change-exporter", None):
        blocks += [f"## {path}", f"```text\n{text}\n```"]
    return page(*blocks)


def helps(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    """Yield the full name and the help text of a command and of all below it."""
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, parent, name, **settings)
    yield context.command_path, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            child = command.get_command(context, below)
            if child is not None and not child.hidden:
                yield from helps(child, below, context)
