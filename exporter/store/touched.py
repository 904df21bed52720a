"""The indexes of what events touched: groups and resources by time, and rule ids."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.store.codec import Details, hash_of
from exporter.store.database import Connection
from exporter.store.dimensions import Strings

Entry = tuple[int, int, Details]
"""Number of the event, its time in microseconds, and what it changed."""


def remember(connection: Connection, strings: Strings, entries: Iterable[Entry]) -> None:
    """Enter what events touched."""
    touched, rules = _rows(connection, strings, entries)
    connection.executemany("INSERT INTO touched (string, event_time, event) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", touched)
    connection.executemany("INSERT INTO touched_rules (hash, event) VALUES (?, ?) ON CONFLICT DO NOTHING", rules)


def forget(connection: Connection, strings: Strings, entries: Iterable[Entry]) -> None:
    """Remove what events touched."""
    touched, rules = _rows(connection, strings, entries)
    connection.executemany("DELETE FROM touched WHERE string = ? AND event_time = ? AND event = ?", touched)
    connection.executemany("DELETE FROM touched_rules WHERE hash = ? AND event = ?", rules)


def _rows(connection: Connection, strings: Strings, entries: Iterable[Entry]) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]]]:
    touched: list[tuple[int, int, int]] = []
    rules: list[tuple[int, int]] = []
    for event, event_time, details in entries:
        touched.extend([(strings.number(connection, text), event_time, event) for text in details.touched()])
        rules.extend([(hash_of(rule), event) for rule in details.rule_ids()])
    return touched, rules
