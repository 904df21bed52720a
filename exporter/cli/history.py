"""`history`: who changed a security group, when, from where, and which rules exactly."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import click

from exporter.cli.history_progress import watching
from exporter.cli.history_table import table_lines
from exporter.cli.options import config_option, reports_errors, resolve_config
from exporter.cli.places import PLACES, open_places
from exporter.config import Config
from exporter.history import format_time, to_csv, to_json, to_ndjson
from exporter.history.config_items import KINDS
from exporter.history.places import Answer
from exporter.history.several import search_all
from exporter.model import Outcome
from exporter.store.base import HistoryEvent, Query
from exporter.text import visible
from exporter.timespan import parse_moment

_TITLES = {
    "store": "the store",
    "cloudtrail": "Event history",
    "files": "the trail files",
    "s3": "the trail's bucket",
    "athena": "Athena's table",
    "aws-config": "AWS Config",
}
_INTERRUPTED = 130


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


_WRITERS: dict[str, Callable[[Sequence[HistoryEvent]], Iterable[str]]] = {
    "table": table_lines,
    "json": to_json,
    "csv": to_csv,
    "ndjson": to_ndjson,
}


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
    "--text", default="", help="Only events that hold each of these words, whatever their case: in call, who, from where, groups or rules."
)
@click.option("--event-id", "event_ids", multiple=True, help="Only this event. May be repeated.")
@click.option(
    "--from",
    "origins",
    multiple=True,
    type=click.Choice(list(PLACES)),
    default=["store"],
    show_default=True,
    help="Where to look; repeated, one timeline of several places. `cloudtrail` asks AWS itself (LookupEvents, 90 days) and `aws-config` "
    "what AWS Config recorded of the groups that are named, both in every configured account and region, without a store; `files`, `s3` "
    "and `athena` read a trail's logs with SQL.",
)
@click.option("--format", "form", type=click.Choice(list(_WRITERS)), default="table", show_default=True, help="Form of the answer.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="At most so many events, the newest.")
@reports_errors
def history(
    groups: tuple[str, ...], config_file: Path | None, since: datetime | None, until: datetime | None, event_names: tuple[str, ...],
    principals: tuple[str, ...], rule_ids: tuple[str, ...], accounts: tuple[str, ...], regions: tuple[str, ...], outcomes: tuple[str, ...],
    text: str, event_ids: tuple[str, ...], origins: tuple[str, ...], form: str, limit: int,
) -> None:  # fmt: skip
    """Show who changed the security groups GROUP (all, if none is named), newest first: who, when, from where, and the exact rules.

    GROUP may be the id of another resource, too. With --from cloudtrail, files, s3 or athena a call that is named, or that touched what
    is named, is shown whether it is watched or not. From several places an event comes once, and an item of AWS Config only where it tells
    what no event does.

    The exit status is 0 if the answer is complete, also if it is empty; 1 if something could not be read, which is said beside all that
    could; 2 for a wrong option or configuration; 130 if it was interrupted.
    """
    if since and until and until <= since:
        raise click.UsageError(f"--until ({format_time(until)}) must be later than --since ({format_time(since)})")
    if "aws-config" in origins and not any(group[:3] in KINDS for group in groups):
        raise click.UsageError("--from aws-config: name the group (sg-…) or prefix list (pl-…) whose timeline is to be shown")
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
        event_ids=tuple(event_id if event_id.startswith("hash:") else event_id.lower() for event_id in event_ids),
        text=text,
    )
    running = threading.enumerate()
    try:
        answer = _answer(config, origins, query)
        for line in _said(answer, origins, limit):
            click.echo(line, err=True)
        for line in _WRITERS[form](answer.events[:limit]):
            sys.stdout.write(line)
    except KeyboardInterrupt:
        _interrupted(running)
    sys.exit(1 if answer.problems else 0)


def _interrupted(before: Sequence[threading.Thread]) -> NoReturn:
    """End with the status of an interrupt, at once: Python would wait for requests under way, which may take a minute to fail."""
    click.echo("Interrupted.", err=True)
    if set(threading.enumerate()) - set(before):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_INTERRUPTED)
    sys.exit(_INTERRUPTED)


def _answer(config: Config, origins: Sequence[str], query: Query) -> Answer:
    names = [name for name in PLACES if name in origins]
    with watching(names) as told, open_places(config, names, query) as opened:
        answer = search_all(opened.places, query, datetime.now(UTC), told, opened.beside) if opened.places else Answer()
    answer.problems[:0] = opened.problems
    return answer


def _said(answer: Answer, origins: Sequence[str], limit: int) -> Iterator[str]:
    """Yield what a person should know besides, for the other stream."""
    yield from (f"Note: {visible(note, 500)}" for note in answer.notes)
    yield from (f"Error: {visible(problem, 2000)}" for problem in answer.problems)
    if answer.problems:
        yield "The answer is not complete: it lacks what could not be read."
    if len(answer.events) > limit:
        oldest = answer.events[limit - 1].event.event_time
        # `--until` is exclusive: the whole second of the oldest is shown again, and nothing of it is lost.
        on = format_time(oldest.replace(microsecond=0) + timedelta(seconds=1))
        yield f"Only the newest {limit} events are shown; --limit, --since and --until choose others, and --until {on} goes on from here."
    if not answer.events:
        places = " and ".join(_TITLES[name] for name in PLACES if name in origins)
        yield f"No event in {'what could be read of ' if answer.problems else ''}{places} matches."
