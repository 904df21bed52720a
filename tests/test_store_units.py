"""Many units and many roads into one store: lines by unit, events that come alive, counts of sources, cursors of many keys."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.errors import StoreError
from exporter.families import DIGESTS, GAP_SECONDS, GAPS, LATE_EVENTS, QUEUE_MESSAGES, RECORDS, TRAIL_FILES, VERIFICATION_STATES, Labels
from exporter.model import ChangeEvent
from exporter.store import SqliteStore
from exporter.store.base import BEGINNING, Ingest, Query
from tests import store_v1
from tests.store_events import ACCOUNT, GROUP, NOON, REGION, addendum, ingest, make_event, other_body, values

pytestmark = pytest.mark.usefixtures("each_store")

HOUR = timedelta(hours=1)
AUTHORIZED = ("awschange_events_total", (ACCOUNT, REGION, "ec2.amazonaws.com", "AuthorizeSecurityGroupIngress", "success"))
HERE = {"account_id": ACCOUNT, "region": REGION}
THERE = {"account_id": "444455556666", "region": "eu-west-1"}


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    """Return a store in memory."""
    store = SqliteStore(":memory:")
    yield store
    store.close()


def about_aws(store: SqliteStore) -> Mapping[tuple[str, Labels], float]:
    """Return every series that tells of AWS and not of the exporter, but for our own clock."""
    return {
        key: value
        for key, value in values(store.series().rows).items()
        if "_exporter_" not in key[0] and "last_change_observed" not in key[0]
    }


def test_each_unit_of_a_source_has_a_line_of_its_own(store: SqliteStore) -> None:
    """An account added a year later would otherwise page for its 90 days of past at once."""
    assert store.go_live("cloudtrail", NOON, **HERE) == NOON
    assert store.live_since("cloudtrail", **THERE) is None
    assert store.go_live("cloudtrail", NOON + HOUR, **THERE) == NOON + HOUR
    assert store.live_since("cloudtrail", **HERE) == NOON
    assert store.live_since("cloudtrail") is None
    past = make_event(1, event_time=NOON + HOUR / 2, **THERE)
    assert not store.append(ingest(past, source="cloudtrail", **THERE)).stored[0].live
    assert store.append(ingest(make_event(2, event_time=NOON + HOUR / 2), source="cloudtrail", **HERE)).stored[0].live


def test_a_unit_that_never_went_live_goes_live_with_its_first_append(store: SqliteStore) -> None:
    """Nothing may count because the line of another unit of the source is older."""
    store.go_live("cloudtrail", NOON - HOUR, **HERE)
    result = store.append(ingest(make_event(1, event_time=NOON - HOUR / 2, **THERE), source="cloudtrail", at=NOON, **THERE))
    assert not result.stored[0].live
    assert store.live_since("cloudtrail", **THERE) == NOON


def test_a_configured_line_holds_for_the_unit_it_is_given_for(store: SqliteStore) -> None:
    """`live_since` of a source is drawn for each of its units, also for those that come later."""
    for unit in (HERE, THERE):
        assert store.go_live("cloudtrail", NOON, BEGINNING, **unit) == BEGINNING
    assert store.go_live("cloudtrail", NOON, NOON - HOUR, **THERE) == NOON - HOUR
    assert store.live_since("cloudtrail", **HERE) == BEGINNING


@pytest.mark.of_sqlite
def test_the_line_of_an_old_file_stays_that_of_the_source_that_spans_many(tmp_path: Path) -> None:
    """An upgrade that drew it anew would make past what happened while the exporter was stopped for it."""
    store = SqliteStore(store_v1.build(tmp_path / "state.db"))
    line = store.live_since("files")
    assert line is not None
    assert line.year == 1970
    assert store.go_live("files", NOON) == line
    assert store.live_since("files", **HERE) is None
    assert store.append(ingest(make_event(event_time=NOON - HOUR))).stored[0].live
    assert store.append(ingest(make_event(2, event_time=NOON - HOUR), **HERE)).stored[0].live is False
    store.close()


def test_an_event_comes_alive_when_a_road_brings_it_for_which_it_is_live(store: SqliteStore) -> None:
    """The order in which two roads bring an event must not decide whether it pages."""
    store.go_live("s3", NOON + HOUR)
    store.go_live("cloudtrail", NOON - HOUR, **HERE)
    assert not store.append(ingest(make_event(), source="s3")).stored[0].live
    before = values(store.series().rows)
    assert before[AUTHORIZED] == 0
    result = store.append(ingest(make_event(), source="cloudtrail", at=NOON + HOUR, **HERE))
    assert (result.stored, result.duplicates, len(result.promoted)) == ((), 1, 1)
    assert result.promoted[0].event_id == make_event().event_id
    found = values(store.series().rows)
    assert found[AUTHORIZED] == 1
    assert found["awschange_ingress_opened_total", (ACCOUNT, REGION, "admin")] == 1
    assert found["awschange_last_change_observed_timestamp_seconds", (ACCOUNT, REGION)] == (NOON + HOUR).timestamp()
    assert found[RECORDS.name, ("cloudtrail", "duplicate", "")] == 1
    (row,) = store.search(Query())
    assert (row.live, row.sources) == (True, ("s3", "cloudtrail"))
    exemplar = next(row for row in store.series().rows if (row.family, row.labels) == AUTHORIZED)
    assert exemplar.event_id == make_event().event_id
    again = store.append(ingest(make_event(), make_event(), source="cloudtrail", **HERE))
    assert (again.promoted, again.duplicates) == ((), 2)
    assert values(store.series().rows)[AUTHORIZED] == 1


def test_what_counts_the_past_too_is_not_added_twice() -> None:
    """A family that has met the event when it was past must not meet it again."""
    from exporter.families import FAMILIES, Family

    counting = Family("awschange_all_total", "counter", "All.", ("a",), 9, (), lambda *_: [(("x",), 1)], live_only=False)
    store = SqliteStore(":memory:", (*FAMILIES, counting))
    store.go_live("s3", NOON + HOUR)
    store.go_live("cloudtrail", NOON, BEGINNING, **HERE)
    store.append(ingest(make_event(), source="s3"))
    store.append(ingest(make_event(), source="cloudtrail", **HERE))
    assert values(store.series().rows)["awschange_all_total", ("x",)] == 1
    assert values(store.series().rows)[AUTHORIZED] == 1
    store.close()


def test_a_conflict_brings_nothing_to_life(store: SqliteStore) -> None:
    """Another body under a known id proves nothing about the event that is stored."""
    store.go_live("s3", NOON + HOUR)
    store.go_live("cloudtrail", NOON, BEGINNING, **HERE)
    store.append(ingest(make_event(), source="s3"))
    result = store.append(ingest(other_body(make_event()), source="cloudtrail", **HERE))
    assert (result.promoted, len(result.conflicts)) == ((), 1)
    assert sum(value for (family, _), value in about_aws(store).items() if family == "awschange_events_total") == 0
    assert not store.search(Query())[0].live


def test_a_forgotten_event_stays_what_it_was(store: SqliteStore) -> None:
    """Only its id is remembered: whether it counted is not known any more, and twice would be wrong."""
    store.go_live("s3", NOON + HOUR)
    store.go_live("cloudtrail", NOON, BEGINNING, **HERE)
    store.append(ingest(make_event(), source="s3"))
    store.prune(NOON + HOUR)
    result = store.append(ingest(make_event(), addendum(make_event()), source="cloudtrail", **HERE))
    assert (result.promoted, result.duplicates) == ((), 2)
    assert values(store.series().rows)[AUTHORIZED] == 0


BARE = make_event(content_known=False, rule_changes=(), security_groups=(), resources=(), opened_port_classes=())
FULLER = addendum(make_event())
SECOND = replace(FULLER, security_groups=(GROUP, "sg-0000000000000000f"), opened_port_classes=("admin", "web"))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("cut", range(8))
def test_an_event_that_comes_alive_counts_what_it_would_have_counted_live_with_its_addenda(order: tuple[int, ...], cut: int) -> None:
    """Original and addenda come past or live, together or apart, in any order: the counts are those of one live event."""
    versions = [(BARE, FULLER, SECOND)[at] for at in order]
    truth = SqliteStore(":memory:")
    truth.go_live("cloudtrail", NOON, BEGINNING, **HERE)
    truth.append(ingest(*versions, source="cloudtrail", **HERE))
    # The bits of `cut` say after which of the three a transaction ends; the past road brings the first `known` of them.
    for known in range(1, 4):
        store = SqliteStore(":memory:")
        store.go_live("s3", NOON + HOUR)
        store.go_live("cloudtrail", NOON, BEGINNING, **HERE)
        batch: list[ChangeEvent] = []
        for at, version in enumerate(versions[:known]):
            batch.append(version)
            if cut >> at & 1 or at == known - 1:
                store.append(ingest(*batch, source="s3"))
                batch.clear()
        assert values(store.series().rows).get(AUTHORIZED, 0) == 0
        promoted = [store.append(ingest(version, source="cloudtrail", **HERE)).promoted for version in versions]
        assert [len(found) for found in promoted] == [1, 0, 0]
        assert about_aws(store) == about_aws(truth), f"{known} of them came by the past road"
        store.close()
    truth.close()


@pytest.mark.of_sqlite
def test_what_is_kept_to_count_a_past_event_goes_with_it(tmp_path: Path) -> None:
    """Details that no event needs any more would fill the disk for ever."""
    import sqlite3

    store = SqliteStore(tmp_path / "state.db")
    store.go_live("s3", NOON + HOUR)
    store.go_live("cloudtrail", NOON, BEGINNING, **HERE)
    for number in (1, 2):
        store.append(ingest(make_event(number), addendum(make_event(number)), source="s3"))
    reader = sqlite3.connect(tmp_path / "state.db")

    def kept() -> int:
        return int(reader.execute("SELECT count(*) FROM kept_details").fetchone()[0])

    assert kept() == 2
    store.append(ingest(make_event(1), source="cloudtrail", **HERE))
    assert kept() == 2, "it must be known later, too, what has counted"
    store.prune(NOON + HOUR)
    assert kept() == 0
    reader.close()
    store.close()


@pytest.mark.parametrize("live_first", [True, False])
@pytest.mark.parametrize("together", [True, False])
def test_two_roads_with_different_lines_count_each_event_once_if_any_calls_it_live(live_first: bool, together: bool) -> None:
    """EventBridge set up today beside a trail that is read for months, and the other way round."""
    events = [make_event(n, event_time=NOON + timedelta(minutes=n - 30)) for n in range(60)]
    store = SqliteStore(":memory:")
    store.go_live("s3", NOON - timedelta(minutes=10))
    store.go_live("eventbridge", NOON + timedelta(minutes=10), **HERE)
    roads = [{"source": "s3"}, {"source": "eventbridge", **HERE}]
    for road in roads if live_first else reversed(roads):
        for batch in [events] if together else [[event] for event in events]:
            store.append(ingest(*batch, **road))
    assert values(store.series().rows)[AUTHORIZED] == 40
    assert sum(row.live for row in store.search(Query())) == 40
    store.close()


def test_the_road_that_comes_second_is_told_once(store: SqliteStore) -> None:
    """How far behind a road is shows which one to keep; an overlap that is read again says nothing of it."""
    store.append(ingest(make_event(), make_event(2, event_time=NOON - HOUR), source="eventbridge"))
    first = store.append(ingest(make_event(), make_event(2, event_time=NOON - HOUR), source="s3", at=NOON + HOUR))
    assert [(found.event.event_id, found.live) for found in first.seconded] == [
        (make_event().event_id, True),
        (make_event(2).event_id, False),
    ]
    assert store.append(ingest(make_event(), source="s3")).seconded == ()
    assert store.append(ingest(make_event(), source="eventbridge")).seconded == ()
    assert store.append(ingest(other_body(make_event()), source="cloudtrail", **HERE)).seconded == ()


def test_counts_of_a_source_are_added_in_the_transaction_of_its_batch(store: SqliteStore) -> None:
    """A gap that is counted and whose cursor is lost with a kill would be counted at each start."""
    unit = ("cloudtrail", ACCOUNT, REGION)
    counts = ((GAPS.name, unit, 1), (GAP_SECONDS.name, unit, 86400.5))
    for _ in range(2):
        store.append(ingest(source="cloudtrail", counts=counts, cursors={"a": "1"}))
    found = values(store.series().rows)
    assert (found[GAPS.name, unit], found[GAP_SECONDS.name, unit]) == (2, 172801)


def test_a_count_of_nothing_makes_a_series_exist_and_changes_none(store: SqliteStore) -> None:
    """A source that spans many learns of an account late; a quiet poll must cost the next scrape nothing."""
    labels = ("s3", ACCOUNT, REGION, "missing")
    store.append(ingest(source="s3", counts=((TRAIL_FILES.name, labels, 0),)))
    assert values(store.series().rows)[TRAIL_FILES.name, labels] == 0
    revision = store.revision()
    store.append(ingest(source="s3", counts=((TRAIL_FILES.name, labels, 0), (TRAIL_FILES.name, labels, 0))))
    assert store.revision() == revision


@pytest.mark.parametrize(
    ("count", "complaint"),
    [
        (("awschange_events_total", AUTHORIZED[1], 1), "no family that a source counts into"),
        (("no such family", (), 1), "no family that a source counts into"),
        ((GAPS.name, ("s3",), 1), "1 label values for 3 labels"),
        ((GAPS.name, ("s3", ACCOUNT, REGION), -1), "cannot be added to a counter"),
        ((GAPS.name, ("s3", ACCOUNT, REGION), float("nan")), "cannot be added to a counter"),
    ],
)
def test_a_count_that_cannot_be_is_refused_whole(store: SqliteStore, count: tuple[str, Labels, float], complaint: str) -> None:
    """A source must not be able to write into the counters that page."""
    with pytest.raises(StoreError, match=complaint):
        store.append(ingest(make_event(), counts=(count,)))
    assert store.stats().events == 0


def test_the_families_of_a_source_stand_at_zero_from_when_a_unit_goes_live(store: SqliteStore) -> None:
    """An alert on gaps needs the series before the first gap, also for a unit that an older version knew."""
    store.go_live("cloudtrail", NOON, **HERE)
    unit = ("cloudtrail", ACCOUNT, REGION)
    assert (GAPS.name, unit) not in values(store.series().rows)
    names = (GAPS.name, GAP_SECONDS.name, LATE_EVENTS.name)
    store.go_live("cloudtrail", NOON, families=names, **HERE)
    found = values(store.series().rows)
    assert [found[name, unit] for name in names] == [0, 0, 0]
    store.go_live("s3", NOON, families=(TRAIL_FILES.name, QUEUE_MESSAGES.name))
    store.go_live("logs", NOON, families=(DIGESTS.name,), **HERE)
    found = values(store.series().rows)
    assert found[QUEUE_MESSAGES.name, ("s3", "poison")] == 0
    assert not [labels for family, labels in found if family == TRAIL_FILES.name], "of no account nothing can be told yet"
    assert [found[DIGESTS.name, ("logs", ACCOUNT, REGION, state)] for state in VERIFICATION_STATES] == [0, 0, 0, 0]
    revision = store.revision()
    store.go_live("cloudtrail", NOON, families=names, **HERE)
    assert store.revision() == revision
    with pytest.raises(StoreError, match="no family that a source counts into"):
        store.go_live("cloudtrail", NOON, families=("awschange_events_total",), **HERE)


def test_a_cursor_of_nothing_is_forgotten(store: SqliteStore) -> None:
    """A source keeps a key for each open slice; what is done must not stay for ever."""
    store.append(ingest(cursors={"a": "1", "b": "2"}))
    store.append(ingest(cursors={"a": None, "c": None}))
    assert (store.cursor("files", "a"), store.cursor("files", "b")) == (None, "2")
    store.append(ingest(cursors={"a": "3"}))
    assert store.cursor("files", "a") == "3"


def test_cursors_are_found_by_the_beginning_of_their_key(store: SqliteStore) -> None:
    """A unit asks for its own slices only, whatever stands in the keys of the others."""
    keys = ("a", "a/", "a/1", "a/\0", "a/\ue000", "a/\U0010ffff", "a/\U0010ffffz", "a\ud7ff", "a\ud7ff1", "a\ue000", "b", "A/1")
    store.append(ingest(cursors={key: key.upper() for key in keys}))
    store.append(ingest(source="s3", cursors={"a/9": "other"}))
    for prefix in ("", "a", "a/", "a/\U0010ffff", "a\ud7ff", "b", "c", "%", "\U0010ffff"):
        wanted = {key: key.upper() for key in keys if key.startswith(prefix)}
        assert dict(store.cursors("files", prefix)) == wanted, prefix
        assert list(store.cursors("files", prefix)) == sorted(wanted, key=lambda key: key.encode())


def test_a_batch_of_a_unit_without_a_line_and_without_events_is_taken(store: SqliteStore) -> None:
    """A source may save a cursor before it has met anything."""
    store.append(Ingest("s3", NOON, cursors={"a": "1"}, **HERE))
    assert store.live_since("s3", **HERE) == NOON


def test_what_a_rescan_brings_for_the_first_time_counts_as_late(store: SqliteStore) -> None:
    """The count that tells whether the overlap is long enough; what was read before, or is past, must not raise it."""
    late = (LATE_EVENTS.name, ("cloudtrail", ACCOUNT, REGION))
    store.go_live("cloudtrail", NOON, **HERE)
    store.append(ingest(make_event(1), source="cloudtrail", at=NOON, **HERE))
    assert late not in values(store.series().rows)
    again = replace(
        ingest(make_event(1), make_event(2), make_event(3, event_time=NOON - HOUR), source="cloudtrail", at=NOON + HOUR, **HERE), late=True
    )
    store.append(again)
    store.append(again)
    assert values(store.series().rows)[late] == 1


def test_an_event_is_late_on_its_road_though_a_faster_one_brought_it(store: SqliteStore) -> None:
    """EventBridge would otherwise hide how late LookupEvents is."""
    store.go_live("cloudtrail", NOON, **HERE)
    store.append(ingest(make_event(1), source="eventbridge", at=NOON))
    again = replace(ingest(make_event(1), source="cloudtrail", at=NOON + HOUR, **HERE), late=True)
    store.append(again)
    store.append(again)
    assert values(store.series().rows)[LATE_EVENTS.name, ("cloudtrail", ACCOUNT, REGION)] == 1
