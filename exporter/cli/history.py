"""`history`: who changed a security group, when, from where, and which rules exactly."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.cli.event_history import from_event_history
from exporter.cli.options import config_option, existing_store, reports_errors, resolve_config
from exporter.config import Config
from exporter.history import describe_event, format_time, to_csv, to_json
from exporter.model import Outcome
from exporter.posture.entries import is_entry
from exporter.store.base import HistoryEvent, Query
from exporter.text import visible
from exporter.timespan import parse_moment

_PIPED_WIDTH = 160
_WIDE = 105  # from here on the four columns hold a call and a rule without breaking them
_MAX_RULES = 1000
_PLACES = {"store": "the store", "cloudtrail": "Event history"}


class Moment(click.ParamType[datetime]):
    """A time as a person types it."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment, or fail with a remedy."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_moment(str(value), datetime.now(UTC))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(short_help="Show who changed security groups, and which rules.")
@click.argument("groups", metavar="[GROUP]...", nargs=-1)
@config_option
@click.option("--since", type=Moment(), help="Only events at or after this time: 90d, 2026-01-31 or 2026-01-31T13:00:00Z (UTC).")
@click.option("--until", type=Moment(), help="Only events before this time.")
@click.option("--event-name", "event_names", multiple=True, help="Only this call; `*` matches anything. May be repeated.")
@click.option(
    "--principal", "principals", multiple=True, help="Only this principal, session or ARN; `*` matches anything. May be repeated."
)
@click.option("--rule-id", "rule_ids", multiple=True, help="Only events that touched this rule (sgr-…). May be repeated.")
@click.option("--account", "accounts", multiple=True, help="Only this account. May be repeated.")
@click.option("--region", "regions", multiple=True, help="Only this region. May be repeated.")
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    type=click.Choice([outcome.value for outcome in Outcome]),
    help="Only this outcome. May be repeated.",
)
@click.option(
    "--from",
    "origin",
    type=click.Choice(["store", "cloudtrail"]),
    default="store",
    show_default=True,
    help="Where to look: `cloudtrail` asks AWS itself (LookupEvents, 90 days) in every configured account and region, and needs no store.",
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True, help="Form of the answer."
)
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="At most so many events, the newest.")
@reports_errors
def history(
    groups: tuple[str, ...], config_file: Path | None, since: datetime | None, until: datetime | None, event_names: tuple[str, ...],
    principals: tuple[str, ...], rule_ids: tuple[str, ...], accounts: tuple[str, ...], regions: tuple[str, ...], outcomes: tuple[str, ...],
    origin: str, form: str, limit: int,
) -> None:  # fmt: skip
    """Show who changed the security groups GROUP (all, if none is named), newest first: who, when, from where, and the exact rules.

    GROUP may be the id of another resource, too. With --from cloudtrail a call that is named, or that touched what is named, is shown
    whether it is watched or not; the exit status is 1 if some account or region could not be read.
    """
    if since and until and until <= since:
        raise click.UsageError(f"--until ({format_time(until)}) must be later than --since ({format_time(since)})")
    config, _ = resolve_config(config_file)
    query = Query(
        groups,
        rule_ids,
        event_names,
        principals,
        accounts,
        regions,
        tuple(Outcome(outcome) for outcome in outcomes),
        since,
        until,
        limit + 1,
        # What a failed call had asked for stands in the raw record alone.
        raw=form == "table",
    )
    found, status = (_from_store if origin == "store" else from_event_history)(config, query)
    if len(found) > limit:
        found = found[:limit]
        click.echo(f"Only the newest {limit} events are shown; --limit, --since and --until choose others.", err=True)
    if form == "table" and not found:
        click.echo(f"No event in {_PLACES[origin]} matches.", err=True)
    _WRITERS[form](found)
    sys.exit(status)


def _from_store(config: Config, query: Query) -> tuple[list[HistoryEvent], int]:
    store = existing_store(config)
    try:
        return store.search(query), 0
    finally:
        store.close()


def _write_json(found: Sequence[HistoryEvent]) -> None:
    for line in to_json(found):
        sys.stdout.write(line)


def _write_csv(found: Sequence[HistoryEvent]) -> None:
    for line in to_csv(found):
        sys.stdout.write(line)


def _write_table(found: Sequence[HistoryEvent]) -> None:
    if not found:
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPED_WIDTH)
    wide = console.width >= _WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=False)
    # On 80 columns: an account with its region, a session, and a call, each in a line of its own.
    when_width, who_width = (None, None) if wide else (22, max(8, (console.width - 30) * 2 // 5))
    table.add_column("time (UTC)" if wide else "time (UTC), where", no_wrap=wide, overflow="fold", max_width=when_width)
    table.add_column("who", ratio=3, overflow="fold", max_width=who_width)
    table.add_column("what", ratio=4, overflow="fold")
    if wide:
        table.add_column("where", ratio=3, overflow="fold")
    for item in found:
        when, where = _when(item), _where(item)
        cells = (when, _who(item), _what(item), where) if wide else (Text("\n").join((when, where)), _who(item), _what(item))
        table.add_row(*cells)
    with console.capture() as printed:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in printed.get().splitlines())


def _when(item: HistoryEvent) -> Text:
    return Text(format_time(item.event.event_time).replace("T", " ").removesuffix("Z"))


def _who(item: HistoryEvent) -> Text:
    principal = item.event.principal
    text = Text(visible(principal.name, 128), style="bold")
    detail = [f"session {principal.session}"] if principal.session else []
    if not is_entry(item.event):
        detail.append(f"by {item.event.channel.value}")
    if principal.source_ip:
        detail.append(f"from {principal.source_ip}")
    return text.append("".join(f"\n{visible(line, 128)}" for line in detail), style="not bold dim")


_COLOURS = {"!": "bold red", "+": "green", "-": "red", "~": "yellow", '"': "yellow"}


def _what(item: HistoryEvent) -> Text:
    event = item.event
    text = Text(visible(event.event_name, 128))
    if event.outcome is not Outcome.SUCCESS:
        text.append(f" [{event.outcome.value}{f': {visible(event.error_code, 128)}' if event.error_code else ''}]", style="red")
    for line in describe_event(event, _MAX_RULES):
        text.append(f"\n{visible(line, 400)}", style=_COLOURS.get(line[:1], ""))
    return text


def _where(item: HistoryEvent) -> Text:
    event = item.event
    targets = event.security_groups or tuple(f"{resource.type} {resource.id}" for resource in event.resources[:5])
    return Text("\n".join(visible(line, 256) for line in (*targets, f"{event.account_id} {event.region}")))


_WRITERS: dict[str, Callable[[Sequence[HistoryEvent]], None]] = {"table": _write_table, "json": _write_json, "csv": _write_csv}
