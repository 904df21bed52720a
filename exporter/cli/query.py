"""`query`: SQL over trail logs, free or by the name of a usual question."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from exporter.cli.options import config_option, reports_errors, resolve_config
from exporter.cli.query_engines import ENGINES, opened, usual
from exporter.cli.query_output import WRITERS
from exporter.errors import SqlRefused
from exporter.history import format_time
from exporter.sql.base import Limits, Progress, Result, Statement
from exporter.sql.named import NAMED, named
from exporter.text import visible
from exporter.timespan import parse_moment


@click.command(short_help="Ask trail logs with SQL.")
@click.argument("sql", required=False)
@config_option
@click.option(
    "--from",
    "origin",
    type=click.Choice(list(ENGINES)),
    default=None,
    help="What runs it: DuckDB over the files of the sources of type `files` or the buckets of those of type `s3`, or Amazon Athena. "
    "Default: whichever of the first two is configured.",
)
@click.option("--name", "question", default="", metavar="NAME", help="Ask a usual question instead of giving SQL; --list shows them.")
@click.option("--param", "parameters", multiple=True, metavar="KEY=VALUE", help="A value of that question. May be repeated.")
@click.option("--list", "listing", is_flag=True, help="List the usual questions, with their values and their SQL, and exit.")
@click.option(
    "--path",
    "paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Read these files or directories of trail logs, whatever is configured. May be repeated.",
)
@click.option("--format", "form", type=click.Choice(list(WRITERS)), default="table", show_default=True, help="Form of the answer.")
@click.option("--max-rows", type=click.IntRange(1, 100_000_000), default=10_000, show_default=True, help="At most so many rows.")
@click.option("--timeout", type=click.FloatRange(1, 86_400), default=600, show_default=True, help="Seconds that the statement may run.")
@reports_errors
def query(
    sql: str | None, config_file: Path | None, origin: str | None, question: str, parameters: tuple[str, ...], listing: bool,
    paths: tuple[Path, ...], form: str, max_rows: int, timeout: float,
) -> None:  # fmt: skip
    """Run one SELECT over the table of trail logs, in the SQL that Athena and DuckDB share. Nothing but reading that table is run.

    The table is named as in the section `athena`, cloudtrail_logs by default. Its columns are the keys of a record in lower case, all text,
    objects as JSON; and account, region and day (yyyy/MM/dd) of the file. Notes and costs go to standard error. The exit status is 1 if
    something could not be read, or there were more rows.
    """
    if listing:
        _list()
        return
    if bool(sql) == bool(question):
        raise click.UsageError("give a SELECT, or the name of a question with --name; --list shows those")
    if parameters and not question:
        raise click.UsageError("--param is for a question with a --name; write values into the SQL itself")
    if paths and origin not in (None, "files"):
        raise click.UsageError(f"--path is for --from files, not {origin}")
    config, _ = resolve_config(config_file)
    with opened(origin or usual(config, paths), config, paths) as engine:
        try:
            statement = named(question).statement(engine.table, _values(question, parameters)) if question else Statement(str(sql))
            with _progress() as progress:
                result = engine.run(statement, Limits(timeout, max_rows), progress)
                # A table is printed when all of it is there, the rest as it comes: both below what shows the progress.
                WRITERS[form](result)
        except SqlRefused as error:
            raise click.UsageError(visible(str(error), 2000)) from error
    sys.exit(_tell(result, max_rows))


def _values(question: str, parameters: Iterable[str]) -> dict[str, str]:
    moments = {parameter.name for parameter in named(question).parameters if parameter.moment}
    values: dict[str, str] = {}
    for text in parameters:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"--param {text!r}: write it as key=value")
        if key in values:
            raise click.UsageError(f"--param {key} stands twice; keep one")
        if key in moments:
            try:
                value = format_time(parse_moment(value, datetime.now(UTC)))
            except ValueError as error:
                raise click.UsageError(f"--param {key}: {error}") from error
        values[key] = value
    return values


def _tell(result: Result, max_rows: int) -> int:
    """Say what there is to know of an answer; return the exit status."""
    for note in result.notes:
        click.echo(f"Note: {visible(note, 1000)}", err=True)
    if result.scanned_bytes is not None:
        cost = "" if result.cost is None else f", about ${result.cost:,.4f}"
        click.echo(f"Note: {result.scanned_bytes / 1e6:,.1f} MB were scanned{cost}", err=True)
    for problem in result.problems:
        click.echo(f"Error: {visible(problem, 2000)}", err=True)
    if result.truncated:
        click.echo(f"Only the first {max_rows:,} rows are shown; --max-rows shows more.", err=True)
    if result.problems:
        click.echo("The answer is not complete: it lacks what could not be read.", err=True)
    return 1 if result.problems or result.truncated else 0


def _list() -> None:
    for question in NAMED:
        click.echo(f"{question.name}\n  {question.help}")
        for parameter in question.parameters:
            default = "must be given" if parameter.default is None else f"default {parameter.default}"
            click.echo(f"  --param {parameter.name}=…  {parameter.help} ({default})")
        text = question.statement("cloudtrail_logs", {parameter.name: "" for parameter in question.parameters}).sql
        click.echo("".join(f"    {line}\n" for line in text.splitlines()))


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show on a terminal how far it is."""
    if not sys.stderr.isatty():
        yield lambda _done, _all, _read: None
        return
    with Console(stderr=True).status("reading trail logs …") as status:

        def show(done: int, all_: int, read: int) -> None:
            of = f" of {all_:,}" if all_ >= done else ""
            status.update(f"reading trail logs: {done:,}{of} files, {read:,} records …")

        yield show
