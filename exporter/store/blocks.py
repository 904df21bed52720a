"""Blocks: the details and raw records of events whose numbers follow one another, compressed together."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from exporter.errors import StoreError
from exporter.store.codec import BLOCK, pack, unpack
from exporter.store.database import Connection, Remote

_BLOCK_OF = "SELECT first, last, dictionary, body FROM blocks WHERE first <= ? ORDER BY first DESC LIMIT 1"
_FIRSTS = "SELECT w.value, (SELECT max(b.first) FROM blocks b WHERE b.first <= w.value) FROM json_each(?) w"
_BLOCKS = "SELECT b.first, b.last, b.dictionary, b.body FROM json_each(?) w CROSS JOIN blocks b ON b.first = w.value"
_DELETE_EMPTY = "DELETE FROM blocks WHERE first = ? AND NOT EXISTS (SELECT 1 FROM events WHERE id BETWEEN ? AND ?)"


class Blocks:
    """Writes, reads and replaces the contents of blocks. Dictionaries are read once: a stored one never changes."""

    def __init__(self) -> None:
        self._dictionaries: dict[int, bytes] = {}

    def write(self, connection: Connection, first: int, items: Sequence[tuple[bytes, bytes]]) -> None:
        """Store (details, raw record) of the events `first`, `first` + 1, …"""
        newest = connection.execute("SELECT max(id) FROM dictionaries").fetchone()[0]
        dictionary = self._dictionary(connection, newest)
        connection.executemany(
            "INSERT INTO blocks (first, last, dictionary, body) VALUES (?, ?, ?, ?)",
            (
                (first + at, first + min(at + BLOCK, len(items)) - 1, newest, pack(items[at : at + BLOCK], dictionary))
                for at in range(0, len(items), BLOCK)
            ),
        )

    def read(self, connection: Connection, ids: Iterable[int], raw: bool) -> dict[int, tuple[bytes, bytes]]:
        """Return (details, raw record) by event number; the record is empty unless `raw`. Raises StoreError for damage."""
        found: dict[int, tuple[bytes, bytes]] = {}
        first, last = 0, -1
        items: list[tuple[bytes, bytes]] = []
        wanted = sorted(ids)
        ahead = _read_ahead(connection, wanted) if isinstance(connection, Remote) else {}
        for event in wanted:
            if event > last:
                first, last, items = self._load(connection, event, raw, ahead.get(event))
            found[event] = items[event - first]
        return found

    def replace(self, connection: Connection, event: int, details: bytes, raw: bytes | None = None) -> None:
        """Put other details in the place of an event's, and another record if one is given."""
        first, _, items = self._load(connection, event, raw=True)
        items[event - first] = (details, items[event - first][1] if raw is None else raw)
        newest = connection.execute("SELECT max(id) FROM dictionaries").fetchone()[0]
        packed = pack(items, self._dictionary(connection, newest))
        connection.execute("UPDATE blocks SET dictionary = ?, body = ? WHERE first = ?", (newest, packed, first))

    def drop_empty(self, connection: Connection, ids: Iterable[int]) -> None:
        """Delete the blocks of deleted events that hold no other event."""
        last = -1
        for event in sorted(ids):
            if event > last:
                row = connection.execute(_BLOCK_OF, (event,)).fetchone()
                if row is not None and row[1] >= event:
                    last = row[1]
                    connection.execute(_DELETE_EMPTY, (row[0], row[0], last))

    def _load(self, connection: Connection, event: int, raw: bool, row: Any = None) -> tuple[int, int, list[tuple[bytes, bytes]]]:
        row = row or connection.execute(_BLOCK_OF, (event,)).fetchone()
        if row is None or row[1] < event:
            raise StoreError(f"the records of event number {event} are missing: the file is damaged; restore a copy")
        first, last, dictionary, body = row
        try:
            return first, last, unpack(body, last - first + 1, self._dictionary(connection, dictionary), raw)
        except (zlib.error, StoreError) as error:
            raise StoreError(f"the records of events number {first} to {last} are damaged ({error}); restore a copy of the file") from error

    def _dictionary(self, connection: Connection, number: int) -> bytes:
        body = self._dictionaries.get(number)
        if body is None:
            row = connection.execute("SELECT body FROM dictionaries WHERE id = ?", (number,)).fetchone()
            if row is None:
                raise StoreError(f"compression dictionary {number} is missing: the file is damaged; restore a copy")
            body = self._dictionaries[number] = bytes(row[0])
        return body


def _read_ahead(connection: Connection, events: Sequence[int]) -> dict[int, Any]:
    """Return the rows of the blocks of events, in two round trips."""
    firsts = dict(connection.execute(_FIRSTS, (json.dumps(events),)).fetchall())
    distinct = sorted({first for first in firsts.values() if first is not None})
    rows = {row[0]: row for row in connection.execute(_BLOCKS, (json.dumps(distinct),))}
    return {event: rows.get(first) for event, first in firsts.items()}
