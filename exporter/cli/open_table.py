"""What stands open, as a table for people, and in the forms for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.history import format_time
from exporter.history.open_rows import OpenRow, open_to_csv, open_to_json
from exporter.text import visible

_PIPED_WIDTH = 160
_COLOURS = {"public": "bold red", "attached": "yellow"}


def _write_json(rows: Sequence[OpenRow]) -> None:
    for line in open_to_json(rows):
        sys.stdout.write(line)


def _write_csv(rows: Sequence[OpenRow]) -> None:
    for line in open_to_csv(rows):
        sys.stdout.write(line)


def _write_table(rows: Sequence[OpenRow]) -> None:
    """Print each row; columns of which nothing is known are left out."""
    if not rows:
        return
    rows = _folded(rows)
    every = [(title, ratio, [make(row) for row in rows]) for title, ratio, make in _COLUMNS]
    columns = [column for column in every if any(cell.plain for cell in column[2])]
    console = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPED_WIDTH)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=False)
    for title, ratio, _ in columns:
        table.add_column(title, ratio=ratio, overflow="fold")
    for index in range(len(rows)):
        table.add_row(*(cells[index] for _, _, cells in columns))
    with console.capture() as printed:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in printed.get().splitlines())


def _folded(rows: Sequence[OpenRow]) -> list[OpenRow]:
    """Return rows that differ in their class alone as one, with all the classes."""
    classes: dict[OpenRow, list[str]] = {}
    for row in rows:
        classes.setdefault(replace(row, port_class=""), []).append(row.port_class)
    return [replace(row, port_class=", ".join(names)) for row, names in classes.items()]


def _group(row: OpenRow) -> Text:
    text = Text(visible(row.security_group_id, 64), style="bold")
    return text.append(f"\n{visible(row.security_group_name, 128)}", style="not bold dim") if row.security_group_name else text


def _rule(row: OpenRow) -> Text:
    text = Text(f"{_traffic(row)} from {visible(row.peer or '?', 64)}")
    return text.append(f"\n{visible(row.rule_id, 64)}", style="dim") if row.rule_id else text


def _traffic(row: OpenRow) -> str:
    ports = (row.from_port, row.to_port)
    if row.protocol == "all":
        return f"all traffic (IPv{row.ip_version})"
    if row.protocol in ("icmp", "icmpv6"):
        kind = "" if ports[0] in (None, -1) else f" type {ports[0]}"
        return f"{row.protocol}{kind}{'' if not kind or ports[1] in (None, -1) else f' code {ports[1]}'}"
    if not row.protocol.isalpha():
        return visible(f"protocol {row.protocol}", 64)
    if ports[0] is None:
        return f"{row.protocol}, every port"
    return f"{visible(row.protocol, 64)} {ports[0]}" + ("" if ports[1] in (None, ports[0]) else f"-{ports[1]}")


def _exposure(row: OpenRow) -> Text:
    if row.exception:
        return Text(f"excepted: {visible(row.exception, 64)}", style="green")
    return Text(visible(row.exposure or "", 32), style=_COLOURS.get(row.exposure or "", ""))


def _since(row: OpenRow) -> Text:
    return Text(format_time(row.since).replace("T", " ").removesuffix("Z") if row.since else "")


def _place(row: OpenRow) -> Text:
    words = " ".join(word for word in (row.account_id, row.region) if word)
    return Text("\n".join(visible(word, 128) for word in (words, row.vpc_id) if word))


_COLUMNS: tuple[tuple[str, int, Callable[[OpenRow], Text]], ...] = (
    ("group", 4, _group),
    ("open", 5, _rule),
    ("class", 2, lambda row: Text(row.port_class)),
    ("exposure", 2, _exposure),
    ("since (UTC)", 3, _since),
    ("by", 3, lambda row: Text(visible(row.by or "", 128))),
    ("where", 4, _place),
)
"""The columns: title, share of the width, cell."""

WRITERS: dict[str, Callable[[Sequence[OpenRow]], None]] = {"table": _write_table, "json": _write_json, "csv": _write_csv}
"""What prints rows to standard output, by the value of --format."""
