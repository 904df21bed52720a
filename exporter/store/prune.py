"""Forgetting events of the past, a few at a time; what was counted stays known by id and stays counted."""

from __future__ import annotations

import json

from exporter.store import runs, touched
from exporter.store.blocks import Blocks
from exporter.store.codec import decode_details
from exporter.store.database import Connection
from exporter.store.dimensions import Strings

CHUNK = 500
"""Events forgotten in one transaction, some 10 ms: no writer waits longer for its turn."""

_OLDEST = "SELECT id, event_time FROM events WHERE recorded_at < ? AND event_time < ? ORDER BY id LIMIT ?"
_DELETE = "DELETE FROM events WHERE id IN (SELECT value FROM json_each(?))"
_DELETE_KEPT = "DELETE FROM kept_details WHERE event IN (SELECT value FROM json_each(?))"


def prune_chunk(connection: Connection, strings: Strings, blocks: Blocks, before: int, stored_before: int) -> int:
    """Forget up to CHUNK of the events that happened and were stored before these times in microseconds; return how many."""
    rows = dict(connection.execute(_OLDEST, (stored_before, before, CHUNK)).fetchall())
    if not rows:
        return 0
    bodies = blocks.read(connection, rows, raw=False)
    touched.forget(connection, strings, [(number, event_time, decode_details(bodies[number][0])) for number, event_time in rows.items()])
    for statement in (_DELETE, _DELETE_KEPT):
        connection.execute(statement, (json.dumps(list(rows)),))
    blocks.drop_empty(connection, rows)
    runs.drop_empty(connection, rows)
    connection.execute("UPDATE meta SET value = value - ? WHERE key = 'events'", (len(rows),))
    return len(rows)
