"""Readings of what stands that are killed at any instant: nothing is lost, nothing counts twice."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path

import pytest

from exporter.families import UNEXPLAINED
from exporter.store import SqliteStore
from exporter.store.base import PostureState, Query, digest_of
from tests.crash.lives import live
from tests.crash.posture import DOCUMENTS, HERE, KIND, ROUND, change_of, document_of, entry_of, events_of, group_of
from tests.store_events import ADDITIVE, NOON, ingest, values

KILLS = 35
ROUNDS = 40
LONGEST_LIFE = 0.25
"""Seconds after the process has said that it started."""


def check(path: Path, seed: int) -> None:
    """Compare a finished file with what its rounds say, and with a store that was never interrupted."""
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    documents, bodies = (connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("documents", "bodies"))
    assert documents == bodies, "bodies are left that no document has"
    connection.close()
    store, uncut = SqliteStore(path), SqliteStore(":memory:")
    uncut.go_live("files", NOON)
    for number in range(ROUNDS):
        uncut.append(ingest(*events_of(seed, number)))
        assert uncut.replace_posture(change_of(seed, number, number))
    found = values(store.series().rows)
    assert found[UNEXPLAINED.name, HERE] == sum(range(1, ROUNDS + 1))
    opened = {key[1][2]: value for key, value in found.items() if key[0] == "awschange_ingress_opened_total" and value}
    assert opened == dict.fromkeys(("admin", "web"), 2 * ROUNDS), "the two live events of each round, once in each class"
    by_group = {key[1][2]: value for key, value in found.items() if key[0] == "awschange_security_group_changes_total"}
    # The events of a round are amended by it and by the next one.
    revealed = [{group_of(number), group_of(min(number + 1, ROUNDS - 1))} for number in range(ROUNDS)]
    for group in {group_of(number) for number in range(5)}:
        assert by_group[group] == 2 * sum(group in groups for groups in revealed)
    whole = {key: value for key, value in values(uncut.series().rows).items() if key[0] in ADDITIVE}
    assert {key: value for key, value in found.items() if key[0] in ADDITIVE} == whole
    bodies_left = {str(at): body for at in range(DOCUMENTS) if (body := document_of(seed, ROUNDS - 1, at)) is not None}
    bodies_left[ROUND[1]] = str(ROUNDS - 1).encode()
    assert store.documents(*HERE, KIND) == {id_: body for id_, body in bodies_left.items() if id_ != ROUND[1]}
    digests = {(ROUND[0] if id_ == ROUND[1] else KIND, id_): digest_of(body) for id_, body in bodies_left.items()}
    assert store.posture(*HERE) == PostureState(ROUNDS, 0, digests)
    assert store.samples().units == uncut.samples().units
    rows, expected = ({row.event.event_id: row for row in kept.search(Query(limit=10_000))} for kept in (store, uncut))
    assert len(rows) == ROUNDS * (len(events_of(seed, 0)) + 1)
    assert {identity: (row.event, row.live, row.sources) for identity, row in rows.items()} == {
        identity: (row.event, row.live, row.sources) for identity, row in expected.items()
    }
    assert rows[entry_of(seed, 0).event_id].event.shared_event_id == events_of(seed, 0)[0].event_id
    assert rows[entry_of(seed, ROUNDS - 1).event_id].event.shared_event_id is None
    store.close()
    uncut.close()


@pytest.mark.timeout(600)
def test_readings_that_are_killed_at_any_instant_lose_nothing_and_count_nothing_twice(tmp_path: Path, repository: Path) -> None:
    """A count and the state that it was worked out from, saved apart, would after a kill between them count again or never."""
    rng = random.Random(time.time_ns())
    kills, seed = 0, 0
    while kills < KILLS:
        seed += 1
        path = tmp_path / f"{seed}.db"
        while not live("posture", [str(path), str(seed), str(ROUNDS)], rng.uniform(0, LONGEST_LIFE), repository):
            kills += 1
        check(path, seed)
