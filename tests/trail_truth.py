"""What the counters must be after a generated trail, worked out from the generator's own truth, and what a store has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from exporter.demo.calls import Made
from exporter.store import SqliteStore
from exporter.store.base import Store

Series = tuple[str, tuple[str, ...]]


def truth(made: Iterable[Made]) -> Counter[Series]:
    """Return what every counter about AWS must be, worked out from the generator's own truth."""
    out: Counter[Series] = Counter()
    for item in made:
        fact = item.truth
        if not fact.change:
            continue
        unit = (fact.unit.account_id, fact.unit.region)
        out["awschange_events_total", (*unit, fact.event_source, fact.event_name, fact.outcome.value)] += 1
        out["awschange_channel_events_total", (*unit, fact.channel.value)] += 1
        if fact.outcome.value == "success":
            for port_class in fact.opened:
                out["awschange_ingress_opened_total", (*unit, port_class)] += 1
            for group in fact.security_groups:
                out["awschange_security_group_changes_total", (*unit, group, fact.event_name, fact.principal)] += 1
            out["awschange_principal_changes_total", (unit[0], fact.principal_type.value, fact.principal)] += 1
            out["awschange_principal_type_changes_total", (*unit, fact.principal_type.value)] += 1
    return out


def stored(path: Path) -> tuple[Counter[Series], dict[str, float]]:
    """Return every counter about AWS in a file of SQLite, zeros left out, and the records by fate."""
    store = SqliteStore(path)
    try:
        return counted(store)
    finally:
        store.close()


def counted(store: Store) -> tuple[Counter[Series], dict[str, float]]:
    """Return every counter about AWS in a store, zeros left out, and the records by fate."""
    rows = store.series().rows
    counts = Counter(
        {
            (row.family, row.labels): int(row.value)
            for row in rows
            if row.family.endswith("_total") and "_exporter_" not in row.family and row.value
        }
    )
    fates = {".".join((row.family, *row.labels)): row.value for row in rows if "_exporter_" in row.family}
    return counts, fates
