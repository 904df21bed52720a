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
_WIDE = 110  # from here on ids of a group and of its VPC stand beside a rule without breaking it
_LONGEST_ID = 24
_COLOURS = {"public": "bold red", "attached": "yellow"}


def _write_json(rows: Sequence[OpenRow]) -> None:
    for line in open_to_json(rows):
        sys.stdout.write(line)


def _write_csv(rows: Sequence[OpenRow]) -> None:
    for line in open_to_csv(rows):
        sys.stdout.write(line)


def _write_table(rows: Sequence[OpenRow]) -> None:
    """Print each row; columns of which nothing is known are left out, and on narrow terminals the place stands below the group."""
    if not rows:
        return
    rows = _folded(rows)
    console = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPED_WIDTH)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=False)
    shown: list[list[Text]] = []
    for title, make in _WIDE_COLUMNS if console.width >= _WIDE else _NARROW_COLUMNS:
        cells = [make(row) for row in rows]
        if any(cell.plain for cell in cells):
            # No id is broken: it must be found by eye, by mouse and by grep.
            widest = max(len(word) for cell in cells for word in cell.plain.split())
            table.add_column(title, overflow="fold", width=min(widest, _LONGEST_ID) if title in ("group", "where") else None)
            shown.append(cells)
    for row in zip(*shown, strict=True):
        table.add_row(*row)
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
    for line in (row.rule_id, row.security_group_name):
        if line:
            text.append(f"\n{visible(line, 128)}", style="not bold dim")
    return text


def _group_and_place(row: OpenRow) -> Text:
    place = _place(row).plain
    return _group(row).append(f"\n{place}", style="not bold") if place else _group(row)


def _rule(row: OpenRow) -> Text:
    # Of a range its spelling tells the version; a prefix list may hold ranges of both.
    version = f" over IPv{row.ip_version}" if row.peer and row.peer.startswith("pl-") else ""
    return Text(f"{_traffic(row)} from {visible(row.peer or '?', 64)}{version}")


def _traffic(row: OpenRow) -> str:
    ports = (row.from_port, row.to_port)
    if row.protocol == "all":
        return "all traffic"
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


def _by(row: OpenRow) -> Text:
    return Text(visible(row.by or "", 128))


def _since_and_by(row: OpenRow) -> Text:
    return Text("\n".join(filter(None, (_since(row).plain, _by(row).plain))))


def _place(row: OpenRow) -> Text:
    return Text("\n".join(visible(word, 128) for word in (row.account_id, row.region, row.vpc_id) if word))


_Columns = tuple[tuple[str, Callable[[OpenRow], Text]], ...]
_COLUMNS: _Columns = (("open", _rule), ("class", lambda row: Text(row.port_class)), ("exposure", _exposure))
_WIDE_COLUMNS: _Columns = (("group", _group), *_COLUMNS, ("since (UTC)", _since), ("by", _by), ("where", _place))
_NARROW_COLUMNS: _Columns = (("group", _group_and_place), *_COLUMNS, ("since (UTC), by", _since_and_by))

WRITERS: dict[str, Callable[[Sequence[OpenRow]], None]] = {"table": _write_table, "json": _write_json, "csv": _write_csv}
"""What prints rows to standard output, by the value of --format."""
