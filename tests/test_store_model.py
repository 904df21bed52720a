"""Properties: however a trail is cut, repeated, shuffled and interrupted, the store holds what the model says."""

from __future__ import annotations

import random
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.families import GAPS, QUEUE_MESSAGES
from exporter.model import Unit
from exporter.store import SqliteStore
from exporter.store.base import BEGINNING, Query
from tests.store_events import ACCOUNT, ADDITIVE, NOON, REGION, Model, ingest, made_up, values

pytestmark = pytest.mark.usefixtures("each_store")

SOURCES = ("files", "s3", "cloudtrail")
UNITS = (("", ""), (ACCOUNT, REGION), ("444455556666", "eu-west-1"))


@given(
    seed=st.integers(0, 10_000),
    count=st.integers(0, 80),
    shuffle=st.randoms(use_true_random=False),
    cuts=st.lists(
        st.tuples(
            st.integers(1, 30),
            st.sampled_from(SOURCES),
            st.sampled_from(UNITS),
            st.sampled_from(["go on", "reopen", "prune", "move the line", "draw a line", "other store"]),
        ),
        max_size=12,
    ),
)
@settings(max_examples=60)
def test_any_interleaving_gives_what_the_model_gives(
    seed: int, count: int, shuffle: random.Random, cuts: list[tuple[int, str, tuple[str, str], str]]
) -> None:
    """Each path through duplicates, conflicts, addenda, restarts and two writers is one that an operator meets some day."""
    events = made_up(seed, count)
    shuffle.shuffle(events)
    model = Model()
    pruned = False
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "state.db"
        store, other = SqliteStore(path), SqliteStore(path)
        at = 0
        for size, source, unit, then in [*cuts, (count + 1, "files", UNITS[0], "go on")]:
            # A pruned event has no details, so that an addendum of it is told otherwise than by the model.
            batch = [event for event in events[at : at + size] if not (pruned and event.supersedes)]
            at += size
            units = frozenset([Unit("444455556666", "eu-west-1")]) if size % 2 else frozenset[Unit]()
            given_batch = ingest(
                *batch,
                source=source,
                units=units,
                ignored={"insight": size},
                malformed={"json": at},
                cursors={"at": str(at), "now and then": None if size % 3 else source},
                at=NOON + timedelta(seconds=at - 60),
                account_id=unit[0],
                region=unit[1],
                counts=((GAPS.name, (source, *unit), float(size % 2)), (QUEUE_MESSAGES.name, (source, "done"), size / 4)),
            )
            result = store.append(given_batch)
            assert [event.event_id for event in result.promoted] == model.append(given_batch)
            assert len(result.stored) + result.duplicates + result.superseded + len(result.conflicts) == len(batch)
            if then == "reopen":
                store.close()
                store = SqliteStore(path)
            elif then == "prune":
                pruned = True
                store.prune(NOON)
                model.prune(NOON)
            elif then == "move the line":
                model.lines[source, *unit] = store.go_live(source, NOON, BEGINNING, *unit)
            elif then == "draw a line":
                line = NOON - timedelta(minutes=size)
                other_unit = UNITS[size % len(UNITS)]
                model.lines[source, *other_unit] = store.go_live(source, NOON, line, *other_unit)
            elif then == "other store":
                store, other = other, store
        assert values(store.series().rows) == values(other.series().rows) == model.values
        rows = {row.event.event_id: row for row in store.search(Query(limit=1000, raw=True))}
        late = {(*key, len(times), min(times)) for key, times in model.late.items()}
        found = store.late_counts(NOON - timedelta(days=1))
        assert {(row.account_id, row.region, row.channel, row.counted_at, row.events, row.event_time) for row in found} == late
        if not pruned:
            assert rows.keys() == model.events.keys()
            assert store.hourly_counts(NOON - timedelta(days=1)).counts == model.hours()
        for identity, row in rows.items():
            details = model.details[identity]
            assert (row.event.rule_changes, row.event.raw, row.event.supersedes) == (details.rule_changes, details.raw, details.supersedes)
            assert row.event.event_name == model.events[identity].event_name
            assert (row.live, list(row.sources)) == (model.live[identity], model.sources[identity])
        assert {(source, key): value for source in SOURCES for key, value in store.cursors(source, "").items()} == model.cursors
        store.close()
        other.close()


@given(seed=st.integers(0, 10_000), count=st.integers(1, 60), shuffle=st.randoms(use_true_random=False), data=st.data())
@settings(max_examples=40)
def test_without_conflicts_the_order_and_the_repetitions_do_not_matter(
    seed: int, count: int, shuffle: random.Random, data: st.DataObject
) -> None:
    """The same records twice, in two files, shuffled, cut over restarts: the same counts."""
    unique = list({event.event_id: event for event in made_up(seed, count) if not event.supersedes}.values())
    # A drawing that is broken off ends the example here, too.
    with closing(SqliteStore(":memory:")) as once, closing(SqliteStore(":memory:")) as cut:
        once.go_live("files", NOON)
        once.append(ingest(*unique))
        events = unique * 2
        shuffle.shuffle(events)
        for source in SOURCES:
            cut.go_live(source, NOON)
        at = 0
        while at < len(events):
            size = data.draw(st.integers(1, 40))
            cut.append(ingest(*events[at : at + size], source=data.draw(st.sampled_from(SOURCES))))
            at += size

        def counts(store: SqliteStore) -> dict[tuple[str, tuple[str, ...]], float]:
            return {key: value for key, value in values(store.series().rows).items() if key[0] in ADDITIVE}

        assert counts(cut) == counts(once)
        assert {row.event.event_id for row in cut.search(Query())} == {event.event_id for event in unique}
