"""Until when Prometheus cannot have samples of its own: where the past that is written must end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from exporter.families import EVENT_FAMILIES, RECORDS_READ
from exporter.store.base import BEGINNING, Store

HEAD = timedelta(hours=3)
"""How much of the newest time Prometheus keeps open for writing: a block that reaches into it costs samples at the next start."""


def default_end(store: Store, now: datetime) -> datetime:
    """Return the earliest of: when a unit of a source went live, when a scrape first showed a series, and three hours before now."""
    rows = store.series().rows
    by_unit = {family.name for family in EVENT_FAMILIES if family.labels[:2] == ("account_id", "region")}
    sources = {row.labels[0] for row in rows if row.family == RECORDS_READ.name}
    units = {("", ""), *((row.labels[0], row.labels[1]) for row in rows if row.family in by_unit)}
    lines = (store.live_since(source, *unit) for source in sorted(sources) for unit in sorted(units))
    scraped = (datetime.fromtimestamp(row.exposed_at, UTC) for row in rows if row.exposed_at is not None)
    # A source whose every event counts has no line: what it counts, the first scrape shows at once.
    return min((now - HEAD, *(line for line in lines if line is not None and line != BEGINNING), *scraped))
