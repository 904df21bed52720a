"""Counts by hour of event time, since when units were watched, and what was counted late."""

from __future__ import annotations

import sqlite3
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.families import CHANNELS
from exporter.model import ChangeEvent, Channel, Outcome, Unit
from exporter.posture.chronicle import EVENT_SOURCE
from exporter.store import SqliteStore
from exporter.store.base import BEGINNING, LateCount, PostureChange
from tests.store_events import ACCOUNT, NOON, REGION, ingest, made_up, make_event

pytestmark = pytest.mark.usefixtures("each_store")

HOUR = timedelta(hours=1)
OTHER = "444455556666"
NOON_HOUR = int(NOON.timestamp()) // 3600
KEY = (ACCOUNT, REGION, "cli")


@pytest.fixture(params=[":memory:", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "state.db" if request.param == "file" else ":memory:")


def late(store: SqliteStore, since: timedelta = HOUR) -> list[LateCount]:
    return list(store.late_counts(NOON - since))


def test_events_are_counted_by_the_hour_in_which_they_happened(store: SqliteStore) -> None:
    """Counts by the hour of the poll would teach that nights are busy, wherever a trail delivers late."""
    store.go_live("files", NOON)
    events = [make_event(number, event_time=NOON - number * timedelta(minutes=20)) for number in range(6)]
    denied = make_event(10, outcome=Outcome.DENIED, channel=Channel.CONSOLE)
    elsewhere = make_event(11, account_id=OTHER, region="eu-west-1")
    store.append(ingest(*events, denied, elsewhere, at=NOON + 5 * HOUR))
    got = store.hourly_counts(NOON - 90 * 24 * HOUR)
    assert got.counts == {
        KEY: {NOON_HOUR: 1, NOON_HOUR - 1: 3, NOON_HOUR - 2: 2},
        (ACCOUNT, REGION, "console"): {NOON_HOUR: 1},
        (OTHER, "eu-west-1", "cli"): {NOON_HOUR: 1},
    }


def test_the_hours_are_those_of_the_channel_counter(store: SqliteStore) -> None:
    """An event that counts in the one and not in the other would be a surprise each time, or make room for one."""
    store.go_live("files", NOON, BEGINNING)
    for at in range(0, 300, 60):
        store.append(ingest(*made_up(3, 300)[at : at + 60]))
    hours = Counter[tuple[str, ...]]()
    for key, by_hour in store.hourly_counts(NOON - 24 * HOUR).counts.items():
        hours[key] += sum(by_hour.values())
    counted = {row.labels: row.value for row in store.series().rows if row.family == CHANNELS.name and row.value}
    assert dict(hours) == counted


def test_only_whole_hours_since_the_time_are_counted(store: SqliteStore) -> None:
    """Half an hour counted as a whole one would look quiet."""
    store.append(ingest(*(make_event(number, event_time=NOON - number * timedelta(minutes=30)) for number in range(5))))
    assert store.hourly_counts(NOON - timedelta(minutes=90)).counts == {KEY: {NOON_HOUR: 1, NOON_HOUR - 1: 2}}
    assert store.hourly_counts(NOON - HOUR).counts == {KEY: {NOON_HOUR: 1, NOON_HOUR - 1: 2}}


def test_entries_of_the_history_that_no_record_brought_are_not_counted(store: SqliteStore) -> None:
    """They are in no counter either."""
    entry = make_event(3, event_source=EVENT_SOURCE, event_name="UnexplainedRuleChange")
    assert store.replace_posture(PostureChange(ACCOUNT, REGION, 0, NOON, "posture", events=[entry]))
    assert store.hourly_counts(NOON - HOUR).counts == {}
    store.append(ingest(make_event(1)))
    assert store.hourly_counts(NOON - HOUR).counts == {KEY: {NOON_HOUR: 1}}


def test_a_unit_was_watched_from_where_it_went_live(store: SqliteStore) -> None:
    """A unit of which nothing is known would be told from one that is silent only by its first event."""
    store.go_live("cloudtrail", NOON, None, ACCOUNT, REGION)
    store.register([Unit(ACCOUNT, REGION)])
    assert store.hourly_counts(NOON - 90 * 24 * HOUR).watched == {(ACCOUNT, REGION): NOON_HOUR}


def test_a_unit_whose_past_was_filled_in_was_watched_from_its_beginning(store: SqliteStore) -> None:
    """A unit in which nothing happened for 90 days would pass for a new one, and be granted what busy ones do."""
    store.go_live("cloudtrail", NOON, None, ACCOUNT, REGION)
    store.go_live("cloudtrail", NOON, None, OTHER, REGION)
    store.append(
        ingest(
            source="cloudtrail", account_id=ACCOUNT, region=REGION, units=frozenset([Unit(ACCOUNT, REGION)]), watched_since=NOON - 80 * HOUR
        )
    )
    since = NOON - 90 * 24 * HOUR
    assert store.hourly_counts(since).watched == {(ACCOUNT, REGION): NOON_HOUR - 80, (OTHER, REGION): NOON_HOUR}
    assert store.hourly_counts(NOON - 50 * HOUR).watched[ACCOUNT, REGION] == NOON_HOUR - 50
    # While the past is being filled in, newest first, it reaches back to its first event.
    store.append(ingest(make_event(1, account_id=OTHER, event_time=NOON - 7 * HOUR)))
    assert store.hourly_counts(since).watched[OTHER, REGION] == NOON_HOUR - 7


def test_units_of_a_source_that_spans_many_were_watched_from_the_same_hour_on(store: SqliteStore) -> None:
    """A bucket of an organization is read whole: an account that appears in it today was silent before, not new."""
    store.go_live("s3", NOON, BEGINNING)
    store.append(ingest(make_event(1, event_time=NOON - 30 * HOUR), make_event(2, account_id=OTHER), source="s3"))
    watched = store.hourly_counts(NOON - 90 * 24 * HOUR).watched
    assert watched == {(ACCOUNT, REGION): NOON_HOUR - 30, (OTHER, REGION): NOON_HOUR - 30}


@pytest.mark.of_sqlite
def test_counting_by_hour_reads_one_index_and_no_event(tmp_path: Path) -> None:
    """Looking each event up took ten times as long."""
    SqliteStore(tmp_path / "state.db").close()
    from exporter.store.hourly import _HOURLY

    connection = sqlite3.connect(tmp_path / "state.db")
    plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {_HOURLY}", (1, 0, 0)))
    connection.close()
    assert "USING COVERING INDEX events_by_time (event_time>?)" in plan


def test_live_events_that_come_late_are_remembered_by_channel(store: SqliteStore) -> None:
    """Five hours that are counted in one minute would be judged as one hour."""
    store.go_live("files", NOON, NOON - 24 * HOUR)
    on_time = make_event(1, event_time=NOON - timedelta(minutes=25))
    events = [make_event(2, event_time=NOON - 3 * HOUR), make_event(3, event_time=NOON - 5 * HOUR), on_time]
    by_console = make_event(4, event_time=NOON - HOUR, channel=Channel.CONSOLE)
    past = make_event(5, event_time=NOON - 48 * HOUR, channel=Channel.SDK)
    store.append(ingest(*events, by_console, past))
    end = NOON + timedelta(minutes=1)
    assert late(store) == [
        LateCount(ACCOUNT, REGION, "cli", end, 2, NOON - 5 * HOUR),
        LateCount(ACCOUNT, REGION, "console", end, 1, NOON - HOUR),
    ]
    assert late(store, -timedelta(minutes=2)) == []
    store.append(ingest(make_event(6, event_time=NOON - 2 * HOUR), at=NOON + timedelta(seconds=59)))
    assert late(store)[0] == LateCount(ACCOUNT, REGION, "cli", end, 3, NOON - 5 * HOUR)


def test_an_event_that_comes_alive_late_is_remembered_too(store: SqliteStore) -> None:
    """A second source with an older line counts what the first had stored as past: many hours at once."""
    event = make_event(1, event_time=NOON - 5 * HOUR)
    store.go_live("files", NOON)
    store.append(ingest(event))
    assert late(store) == []
    store.go_live("s3", NOON, NOON - 24 * HOUR)
    assert store.append(ingest(event, source="s3", at=NOON + HOUR)).promoted
    assert [count.counted_at for count in late(store)] == [NOON + HOUR + timedelta(minutes=1)]


def test_what_is_known_already_is_not_late(store: SqliteStore) -> None:
    """Each re-scan would raise the bound for an hour."""
    store.go_live("files", NOON, BEGINNING)
    store.append(ingest(make_event(1)))
    store.append(ingest(make_event(1), at=NOON + 9 * HOUR))
    assert late(store) == []


def test_late_counts_are_forgotten_after_a_day(store: SqliteStore) -> None:
    """A source that counts everything as live would fill the table."""
    store.go_live("files", NOON, BEGINNING)

    def happened(number: int, at: timedelta) -> ChangeEvent:
        return make_event(number, event_time=NOON + at - 2 * HOUR)

    for number in range(40):
        at = number * HOUR
        store.append(ingest(happened(number, at), at=NOON + at))
    assert len(late(store, 100 * HOUR)) == 25


def test_counts_that_are_rolled_back_are_not_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound that is raised without a count lets a burst through for an hour."""
    store = SqliteStore(tmp_path / "state.db")
    store.go_live("files", NOON, BEGINNING)
    with monkeypatch.context() as broken:
        broken.setattr(store._appender._book, "apply", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.append(ingest(make_event(1, event_time=NOON - 5 * HOUR)))
    assert late(store) == []
