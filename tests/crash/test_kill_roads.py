"""Several roads into one store, killed at any instant: each event counts once, and it counts if any road calls it live."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from exporter.families import GAPS, RECORDS, RECORDS_READ
from exporter.store import SqliteStore
from exporter.store.base import Query
from tests.crash.lives import live
from tests.crash.roads import CURSOR, NARROW_LINE, ROADS, WIDE, WIDE_LINE, brought, events
from tests.store_events import ADDITIVE, Model, ingest, values

KILLS, KILLS_OF_ONE = 12, 6
EVENTS = 1200
LONGEST_LIFE = 0.15
"""Seconds after the process has said that it started."""


def check(path: Path, seed: int) -> None:
    """Compare counts, marks, cursors and what the roads counted with a model that takes one road after the other, uninterrupted."""
    made = events(seed, EVENTS)
    model = Model(lines={road: WIDE_LINE if road[0] == WIDE else NARROW_LINE for road in ROADS})
    for road in ROADS:
        model.append(ingest(*brought(road, made, seed), source=road[0], account_id=road[1], region=road[2]))
    store = SqliteStore(path)
    found = values(store.series().rows)
    assert {key: value for key, value in found.items() if key[0] in ADDITIVE} == {
        key: value for key, value in model.values.items() if key[0] in ADDITIVE
    }
    rows = {row.event.event_id: row for row in store.search(Query(limit=2 * EVENTS))}
    assert {identity: row.live for identity, row in rows.items()} == model.live
    assert {identity: row.live for identity, row in rows.items()} == {
        identity: event.event_time >= NARROW_LINE for identity, event in model.events.items()
    }, "the narrow roads together bring everything, and their line is the earlier one"
    read: Counter[str] = Counter()
    for road in ROADS:
        count = len(brought(road, made, seed))
        read[road[0]] += count
        assert dict(store.cursors(road[0], f"{road[1]}/{road[2]}/")) == {f"{road[1]}/{road[2]}/{CURSOR}": str(count)}
        assert found[GAPS.name, road] == count
    for source, count in read.items():
        assert found[RECORDS_READ.name, (source,)] == count
        assert sum(value for (family, labels), value in found.items() if family == RECORDS.name and labels[0] == source) == count
    stored = sum(value for (family, labels), value in found.items() if family == RECORDS.name and labels[1] == "stored")
    assert stored == len(model.events)
    store.close()


@pytest.mark.timeout(600)
def test_roads_that_are_killed_at_any_instant_count_each_event_once_if_any_calls_it_live(tmp_path: Path, repository: Path) -> None:
    """A mark and a count saved apart would, after a kill between them, count an event that comes alive again or never."""
    rng = random.Random(time.time_ns())
    kills, seed = 0, 0
    while kills < KILLS:
        seed += 1
        path = tmp_path / f"{seed}.db"
        arguments = [str(path), str(seed), str(EVENTS)]
        done = False
        for _ in range(KILLS_OF_ONE):
            done = live("roads", arguments, rng.uniform(0, LONGEST_LIFE), repository)
            if done:
                break
            kills += 1
        assert done or live("roads", arguments, None, repository)
        check(path, seed)
