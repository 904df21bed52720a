"""The table of `history`: a call and its rules in whole words, as wide as the terminal is, and nothing in it that could move a cursor."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.history import describe_event, format_time
from exporter.history.config_rows import is_item
from exporter.model import Outcome
from exporter.posture.entries import is_entry
from exporter.store.base import HistoryEvent
from exporter.text import visible

_PIPED_WIDTH = 160
_WIDE = 105  # from here on the four columns hold a call and a rule without breaking them
_NARROW = 72  # below it two columns stand beside each other in vain: each event becomes lines
_MAX_RULES = 1000


def table_lines(found: Sequence[HistoryEvent]) -> Iterator[str]:
    """Yield the lines of the table, without spaces at their ends; none where nothing was found."""
    if not found:
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPED_WIDTH)
    if console.width < _NARROW:
        yield from _printed(console, _stacked(found))
        return
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
    yield from _printed(console, [table])


def _printed(console: Console, parts: Sequence[Table | Text]) -> Iterator[str]:
    for part in parts:
        with console.capture() as printed:
            console.print(part, overflow="fold")
        yield from (f"{line.rstrip()}\n" for line in printed.get().splitlines())


def _stacked(found: Sequence[HistoryEvent]) -> list[Text]:
    """Return each event as lines below each other, with an empty one between two."""
    parts: list[Text] = []
    for item in found:
        *targets, unit = _where(item).split("\n")
        head = Text(" ").join((_when(item), *targets))
        parts += [Text("\n").join((head, unit, Text(" ").join(_who(item).split("\n")), _what(item))), Text()]
    return parts[:-1]


def _when(item: HistoryEvent) -> Text:
    return Text(format_time(item.event.event_time).replace("T", " ").removesuffix("Z"))


def _who(item: HistoryEvent) -> Text:
    event, principal = item.event, item.event.principal
    text = Text(visible(principal.name, 128), style="bold")
    detail = [f"session {principal.session}"] if principal.session else []
    # Nobody knows how an entry came about, nor an item of AWS Config that names no event.
    if not is_entry(event) and not (is_item(event) and principal.arn is None and principal.source_ip is None):
        detail.append(f"by {event.channel.value}")
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
