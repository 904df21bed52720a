"""Indexing events that were stored before there was an index of runs."""

from __future__ import annotations

from exporter.store import lexicon, runs
from exporter.store.blocks import Blocks
from exporter.store.codec import decode_details
from exporter.store.database import Connection
from exporter.store.dimensions import Strings
from exporter.store.sections import RUN

_LAST = "SELECT coalesce(max(id), -1) FROM events"
_EVENTS = """SELECT e.id, e.event_time, e.unit, e.call, e.outcome, p.name, p.session, p.arn, e.error_code, e.source_ip, e.user_agent
    FROM events e CROSS JOIN principals p ON p.id = e.principal WHERE e.id BETWEEN ? AND ? ORDER BY e.id"""


def index_all(connection: Connection) -> None:
    """Index all events that there are, a run at a time: in memory there is never more than one. Raises StoreError for damage."""
    strings, blocks = Strings(), Blocks()
    last = connection.execute(_LAST).fetchone()[0]
    first = 0
    while first <= last:
        rows = connection.execute(_EVENTS, (first, first + RUN - 1)).fetchall()
        bodies = blocks.read(connection, [row[0] for row in rows], raw=False)
        entries = (
            runs.Entry(row[0], row[1], decode_details(bodies[row[0]][0]), row[2], row[3], row[4], row[5:8], row[8:11]) for row in rows
        )
        runs.enter(connection, strings, entries, runs.WHOLE)
        first += RUN
    lexicon.pack(connection)
