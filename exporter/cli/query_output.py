"""Rows of a statement as a table, JSON, JSON lines or CSV; nothing in them can move a cursor or start a formula."""

from __future__ import annotations

import json
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.history.rows import csv_cell, csv_line, json_lines
from exporter.sql.base import Result, Row
from exporter.text import visible

_PIPED_WIDTH = 160
_LEAST_COLUMN = 14
_CELL = 2000


def write_json(result: Result) -> None:
    """Write an array of objects, a row each."""
    sys.stdout.writelines(json_lines(_objects(result)))


def write_ndjson(result: Result) -> None:
    """Write an object a line."""
    for item in _objects(result):
        sys.stdout.write(json.dumps(item, ensure_ascii=True) + "\n")


def write_csv(result: Result) -> None:
    """Write a table of RFC 4180 with a header."""
    sys.stdout.write(csv_line(map(csv_cell, result.columns)))
    for row in result.rows:
        sys.stdout.write(csv_line(map(csv_cell, row)))


def write_table(result: Result) -> None:
    """Write a table that fits the terminal; where there are too many columns for that, each row as a list of what it has."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPED_WIDTH)
    if console.width < _LEAST_COLUMN * len(result.columns):
        for number, row in enumerate(result.rows, 1):
            sys.stdout.writelines(_listed(number, result.columns, row))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in result.columns:
        table.add_column(Text(name), overflow="fold")
    for row in result.rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    if table.row_count:
        _print(console, table)


def _listed(number: int, columns: Sequence[str], row: Row) -> Iterator[str]:
    """Yield the lines of one row; the terminal breaks long ones, so that what is copied is whole."""
    yield f"row {number}\n"
    width = max(map(len, columns))
    for name, value in zip(columns, row, strict=True):
        if value is not None:
            yield f"  {name:<{width}}  {_cell(value)}\n"
    yield "\n"


def _print(console: Console, what: Table) -> None:
    with console.capture() as printed:
        console.print(what)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in printed.get().splitlines())


def _cell(value: object) -> str:
    if value is None:
        return ""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else visible(str(value), _CELL)


def _objects(result: Result) -> Iterator[dict[str, object]]:
    names = _unique(result.columns)
    for row in result.rows:
        # JSON knows no infinite number.
        yield {
            name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in zip(names, row, strict=True)
        }


def _unique(columns: Sequence[str]) -> list[str]:
    """Return names of which none hides another: the second `eventid` of a join becomes `eventid_2`."""
    seen: Counter[str] = Counter()
    names: list[str] = []
    for column in columns:
        seen[column] += 1
        name = column if seen[column] == 1 else f"{column}_{seen[column]}"
        while name in names:
            name += "_"
        names.append(name)
    return names


WRITERS: dict[str, Callable[[Result], None]] = {"table": write_table, "json": write_json, "csv": write_csv, "ndjson": write_ndjson}
