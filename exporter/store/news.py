"""What events touched since a number: the groups and resources at which a reading of what stands must look again."""

from __future__ import annotations

import json

from exporter.model import Outcome
from exporter.posture.chronicle import EVENT_SOURCE
from exporter.store.base import News
from exporter.store.blocks import Blocks
from exporter.store.codec import decode_details
from exporter.store.database import Connection
from exporter.store.dimensions import find
from exporter.store.kept import next_number

FEW, SHARE = 2_000, 25
"""Up to so many events, and up to one of so many that are kept, are unpacked; of more, the index of all that was ever touched is read
instead. Unpacking an event takes some 25 times as long as an event's rows of the index (13 and 0.5 us)."""

_CHUNK = 256
_UNIT = "SELECT id FROM units WHERE account_id = ? AND region = ?"
_WANTED = "e.unit = ?2 AND e.outcome = ?3 AND e.call NOT IN (SELECT id FROM calls WHERE event_source = ?4)"
_SINCE = "SELECT e.id FROM events e WHERE e.id > ?1 AND"
# By the number of the revision, not of the event.
_REVISED = "SELECT e.id FROM revised r CROSS JOIN events e ON e.id = r.event WHERE r.number > ?1 AND"
_EVENTS = f"{_SINCE} {_WANTED} UNION {_REVISED} {_WANTED} LIMIT ?5"
_ALL_TOUCHED = """SELECT DISTINCT t.string FROM touched t CROSS JOIN events e ON e.id = t.event
    WHERE (t.event > ?1 OR t.event IN (SELECT event FROM revised WHERE number > ?1)) AND"""
_TOUCHED = f"{_ALL_TOUCHED} {_WANTED}"
_TEXTS = "SELECT text FROM strings WHERE id IN (SELECT value FROM json_each(?))"


def news(connection: Connection, blocks: Blocks, account_id: str, region: str, after: int, few: int | None = None) -> News:
    """Return what successful events of a unit touched that were stored or revised after a number. Raises StoreError for damage.

    `few` is how many events are unpacked at most.
    """
    last = max(after, next_number(connection) - 1)
    unit = connection.execute(_UNIT, (find(connection, account_id), find(connection, region))).fetchone()
    outcome = find(connection, Outcome.SUCCESS)
    if unit is None or outcome is None:
        return News(last, frozenset())
    if few is None:
        few = max(FEW, int(connection.execute("SELECT value FROM meta WHERE key = 'events'").fetchone()[0]) // SHARE)
    values = (after, unit[0], outcome, find(connection, EVENT_SOURCE) or 0)
    ids = sorted(row[0] for row in connection.execute(_EVENTS, (*values, few + 1)))
    if len(ids) > few:
        numbers = [row[0] for row in connection.execute(_TOUCHED, values)]
        return News(last, frozenset(row[0] for row in connection.execute(_TEXTS, (json.dumps(numbers),))))
    touched: set[str] = set()
    for at in range(0, len(ids), _CHUNK):
        for body, _ in blocks.read(connection, ids[at : at + _CHUNK], raw=False).values():
            touched |= decode_details(body).touched()
    return News(last, frozenset(touched))
