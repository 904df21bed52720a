"""A killed process leaves a store that is right."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path

import pytest

from exporter.model import Unit
from exporter.store import SqliteStore
from exporter.store.base import BEGINNING, Query
from tests.crash.ingest import CURSOR, FORGET, IGNORED_EACH
from tests.crash.lives import live
from tests.store_events import NOON, Model, ingest, made_up, values

KILLS = 50
EVENTS = 1500
LONGEST_LIFE = 0.15
"""Seconds after the process has said that it started."""


def truth(seed: int) -> Model:
    """Return what one uninterrupted run must leave."""
    model = Model(lines={("files", "", ""): BEGINNING if seed % 2 else NOON})
    events = made_up(seed, EVENTS)
    units = frozenset([Unit("111122223333", "us-west-2")])
    ignored = {"not_watched": IGNORED_EACH * EVENTS}
    model.append(ingest(*events, units=units, ignored=ignored, cursors={CURSOR: str(EVENTS)}))
    return model


def exemplars(store: SqliteStore) -> dict[tuple[str, tuple[str, ...]], tuple[str | None, float | None]]:
    """Return the event that each series points to."""
    return {(row.family, row.labels): (row.event_id, row.event_time) for row in store.series().rows}


def check(path: Path, seed: int) -> None:
    """Compare every series, event and cursor of a finished file with the truth."""
    model = truth(seed)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert {row[0] for row in connection.execute("SELECT hex(event_id) FROM seen")} == {
        ("68" if identity.startswith("hash:") else "") + identity.removeprefix("hash:").replace("-", "").upper()
        for identity in model.events
    }
    connection.close()
    store = SqliteStore(path)
    assert values(store.series().rows) == model.values
    kept = {identity: event for identity, event in model.details.items() if event.event_time >= FORGET}
    found = {row.event.event_id: row for row in store.search(Query(limit=2 * EVENTS, raw=True))}
    assert found.keys() == kept.keys()
    assert store.stats().events == len(kept)
    for identity, row in found.items():
        assert row.event.raw == kept[identity].raw
        assert row.event.rule_changes == kept[identity].rule_changes
        assert row.live == model.live[identity]
    assert store.cursor("files", CURSOR) == str(EVENTS)
    uncut = SqliteStore(":memory:")
    uncut.go_live("files", NOON, BEGINNING if seed % 2 else None)
    uncut.append(ingest(*made_up(seed, EVENTS), units=frozenset([Unit("111122223333", "us-west-2")])))
    assert exemplars(store) == exemplars(uncut)
    uncut.close()
    store.close()


@pytest.mark.timeout(600)
def test_a_process_killed_at_any_instant_loses_nothing_and_counts_nothing_twice(tmp_path: Path, repository: Path) -> None:
    """Counts, ids and cursor saved apart would, after a kill between them, count again or never."""
    rng = random.Random(time.time_ns())
    kills, seed = 0, 0
    while kills < KILLS:
        seed += 1
        path = tmp_path / f"{seed}.db"
        while not live("ingest", [str(path), str(seed), str(EVENTS), "files"], rng.uniform(0, LONGEST_LIFE), repository):
            kills += 1
        check(path, seed)
    assert seed > 1, "no store was ever finished between the kills, so that little was compared"
