"""Many small rows read in one step.

For each row that is stepped to, sqlite3 gives up Python's lock and waits for it again: beside a thread that stores events, a thousand rows
take seconds of waiting. SQLite can put them into one text instead. PostgreSQL sends all of them at once anyway.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from exporter.store.database import Connection


def all_rows(connection: Connection, select: str, columns: int, values: Sequence[object] = ()) -> list[list[Any]]:
    """Return all rows, in any order, of a statement whose columns are numbers or `hex(…)`; the statement is made of fixed parts.

    Text must come as digits (`text_of`): functions that make text of text may stop at a NUL.
    """
    if not isinstance(connection, sqlite3.Connection):
        return [list(row) for row in connection.execute(select, values)]
    names = ", ".join(f"c{at}" for at in range(columns))
    statement = f"WITH r({names}) AS ({select}) SELECT json_group_array(json_array({names})) FROM r"  # noqa: S608 - of fixed parts
    rows: list[list[Any]] = json.loads(connection.execute(statement, values).fetchone()[0])
    return rows


def text_of(digits: str) -> str:
    """Return the text of which `hex` made digits."""
    return bytes.fromhex(digits).decode("utf-8")
