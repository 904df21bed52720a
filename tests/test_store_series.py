"""Series are read whole or by what changed, and remember when they were first shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.families import Family
from exporter.model import Outcome, Unit
from exporter.store import SqliteStore
from exporter.store.base import SeriesRow
from tests.store_events import ACCOUNT, NOON, REGION, ingest, made_up, make_event, values

pytestmark = pytest.mark.usefixtures("each_store")


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    """Return a store in memory that has gone live."""
    store = SqliteStore(":memory:")
    store.go_live("files", NOON)
    yield store
    store.close()


def row_of(store: SqliteStore, family: str, *labels: str) -> SeriesRow:
    """Return one series."""
    return next(row for row in store.series().rows if row.family == family and row.labels == labels)


def test_what_changed_after_a_revision_is_all_that_changed(tmp_path: Path) -> None:
    """One series left out stays wrong on /metrics until the next restart; the whole each time costs a scrape everything."""
    store = SqliteStore(tmp_path / "state.db")
    shown: dict[int, SeriesRow] = {}
    revision = 0
    for number in range(40):
        store.append(ingest(*made_up(number, 12), ignored={"insight": number % 2}))
        changes = store.series(revision)
        assert changes.revision == store.revision() > revision
        assert [row.id for row in changes.rows] == sorted(row.id for row in changes.rows)
        if number:
            assert len(changes.rows) < len(store.series().rows)
        shown |= {row.id: row for row in changes.rows}
        revision = changes.revision
        assert shown == {row.id: row for row in store.series().rows}
    assert store.series(revision).rows == []
    assert store.series(-5).rows == store.series(0).rows
    store.close()


def test_ids_are_given_in_order_of_birth_and_never_again(store: SqliteStore) -> None:
    """The budget shows the first series: their order must not change under it."""
    ids: list[int] = []
    for number in range(10):
        store.append(ingest(make_event(number, security_groups=(f"sg-{number}", f"sg-{number}-b"))))
        rows = store.series().rows
        assert [row.id for row in rows][: len(ids)] == ids
        ids = [row.id for row in rows]
    detail = [row.labels[2] for row in rows if row.family == "awschange_security_group_changes_total"]
    assert detail == [f"sg-{number}{suffix}" for number in range(10) for suffix in ("", "-b")]


def test_a_series_points_to_the_event_stored_last(store: SqliteStore) -> None:
    """The exemplar leads from a jump on a graph to the change behind it; records have none."""
    store.append(ingest(make_event(1), make_event(2, event_time=NOON + timedelta(seconds=1.5))))
    row = row_of(store, "awschange_channel_events_total", ACCOUNT, REGION, "cli")
    assert (row.value, row.event_id, row.event_time) == (2, make_event(2).event_id, NOON.timestamp() + 1.5)
    store.append(ingest(make_event(3)))
    assert row_of(store, "awschange_channel_events_total", ACCOUNT, REGION, "cli").event_id == make_event(3).event_id
    assert row_of(store, "awschange_channel_events_total", ACCOUNT, REGION, "sdk").event_id is None
    read = row_of(store, "awschange_exporter_records_read_total", "files")
    assert (read.value, read.event_id, read.event_time) == (3, None, None)


def test_first_seen_keeps_the_least_and_last_observed_the_greatest(store: SqliteStore) -> None:
    """Events come in any order."""
    seen = ("awschange_principal_first_seen_timestamp_seconds", ACCOUNT, "role", "role/Deploy")
    last = ("awschange_last_change_observed_timestamp_seconds", ACCOUNT, REGION)
    for number, (day, recorded) in enumerate(((0, 5), (-30, 9), (2, 7))):
        store.append(ingest(make_event(number, event_time=NOON + timedelta(days=day)), at=NOON + timedelta(minutes=recorded)))
    assert row_of(store, *seen).value == (NOON - timedelta(days=30)).timestamp()
    assert row_of(store, *seen).event_id == make_event(1).event_id
    # The second was past (before the line), so that it is no live change at all.
    assert row_of(store, *last).value == (NOON + timedelta(minutes=7)).timestamp()


def test_a_gauge_that_does_not_move_is_no_change(store: SqliteStore) -> None:
    """first_seen of a busy principal would otherwise be rendered anew with every event."""
    store.append(ingest(make_event(1)))
    revision = store.revision()
    store.append(ingest(make_event(2, event_time=NOON + timedelta(days=1))))
    changed = {row.family for row in store.series(revision).rows}
    assert "awschange_channel_events_total" in changed
    assert "awschange_principal_first_seen_timestamp_seconds" not in changed


def test_a_gauge_born_at_zero_takes_its_first_value_whatever_it_is() -> None:
    """Zero is no time at which anybody was first seen: as a minimum it would stay for ever."""
    family = Family(
        "awschange_test_seconds",
        "gauge",
        "Test.",
        ("a",),
        5,
        (),
        lambda event, _: [(("x",), event.event_time.timestamp())],
        "min",
        lambda _: [("x",)],
    )
    store = SqliteStore(":memory:", (family,))
    store.register([Unit(ACCOUNT, REGION)])
    assert row_of(store, family.name, "x").value == 0
    store.append(ingest(make_event(1)))
    assert row_of(store, family.name, "x").value == NOON.timestamp()
    store.close()


def test_first_exposure_is_kept_and_is_no_change(tmp_path: Path) -> None:
    """A time that moved would hold a series at zero for ever; a revision would render it for nothing."""
    store = SqliteStore(tmp_path / "state.db")
    store.append(ingest(make_event(1)))
    revision, ids = store.revision(), [row.id for row in store.series().rows]
    store.mark_exposed(ids[:3], NOON)
    store.mark_exposed(ids[:5], NOON + timedelta(minutes=1))
    store.mark_exposed([], NOON)
    store.mark_exposed([10**9], NOON)
    assert store.revision() == revision
    store.append(ingest(make_event(2)))
    store.close()
    store = SqliteStore(tmp_path / "state.db")
    exposed = [row.exposed_at for row in store.series().rows]
    assert exposed[:5] == [NOON.timestamp()] * 3 + [NOON.timestamp() + 60] * 2
    assert set(exposed[5:]) == {None}
    store.close()


def test_counts_are_there_again_after_a_restart(tmp_path: Path) -> None:
    """Counters come from the store, not from memory."""
    store = SqliteStore(tmp_path / "state.db")
    store.append(ingest(*made_up(5, 100)))
    before = store.series()
    store.close()
    store = SqliteStore(tmp_path / "state.db")
    assert store.series() == before
    store.close()


def test_a_denied_change_opens_nothing(store: SqliteStore) -> None:
    """Families decide by outcome; the store must ask them for each event."""
    store.append(ingest(make_event(1, outcome=Outcome.DENIED)))
    found = values(store.series().rows)
    assert found["awschange_ingress_opened_total", (ACCOUNT, REGION, "admin")] == 0
    assert found["awschange_events_total", (ACCOUNT, REGION, "ec2.amazonaws.com", "AuthorizeSecurityGroupIngress", "denied")] == 1


@pytest.mark.of_sqlite
def test_asking_for_the_revision_costs_next_to_nothing(tmp_path: Path) -> None:
    """Every scrape asks; a connection or a transaction opened for it would take a hundred times as long."""
    store = SqliteStore(tmp_path / "state.db")
    store.append(ingest(make_event(1)))
    start = time.perf_counter()
    for _ in range(2000):
        store.revision()
    assert (time.perf_counter() - start) / 2000 < 100e-6
    store.close()


def test_memory_is_bounded_however_many_series_there_are(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgetting what is remembered, at any moment, must change nothing but speed."""
    monkeypatch.setattr("exporter.store.series._REMEMBERED", 3)
    monkeypatch.setattr("exporter.store.dimensions._REMEMBERED", 3)
    plain = SqliteStore(":memory:")
    plain.go_live("files", NOON)
    events = made_up(6, 150)
    for at in range(0, 150, 10):
        store.append(ingest(*events[at : at + 10]))
    monkeypatch.undo()
    plain.append(ingest(*events))
    assert values(store.series().rows) == values(plain.series().rows)
    assert len(store._book._ids) <= 3
    assert len(store._dimensions.strings._ids) <= 3
    plain.close()


def test_the_series_of_some_families_are_read_alone(store: SqliteStore) -> None:
    """A look at one principal must not read the series of a million groups."""
    store.append(ingest(*made_up(1, 60)))
    names = ("awschange_principal_changes_total", "awschange_principal_first_seen_timestamp_seconds", "no_such_family")
    revision = store.revision()
    assert store.series(only=names).rows == [row for row in store.series().rows if row.family in names] != []
    store.append(ingest(*made_up(2, 60)))
    assert store.series(revision, names).rows == [row for row in store.series(revision).rows if row.family in names] != []
    assert store.series(only=()).rows == []
