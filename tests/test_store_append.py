"""What becomes of a record is decided and counted in one transaction."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporter.errors import MALFORMED_REASONS, StoreError
from exporter.families import EVENT_FAMILIES, FAMILIES, Family
from exporter.model import IGNORED_REASONS, Outcome, Unit
from exporter.store import SqliteStore
from exporter.store.base import BEGINNING, Ingest, Query
from tests.store_events import (
    ACCOUNT,
    GROUP,
    NOON,
    REGION,
    Model,
    addendum,
    batches,
    event_id,
    ingest,
    made_up,
    make_event,
    other_body,
    rule_change,
    values,
)

pytestmark = pytest.mark.usefixtures("each_store")

RECORDS = "awschange_exporter_records_total"
READ = "awschange_exporter_records_read_total"
PAGING = "awschange_events_total"
UNTOLD = ("awschange_exporter_content_unknown_events_total", (ACCOUNT, REGION))
AUTHORIZED = (PAGING, (ACCOUNT, REGION, "ec2.amazonaws.com", "AuthorizeSecurityGroupIngress", "success"))


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    """Return a store in memory in which the source `files` counts everything."""
    store = SqliteStore(":memory:")
    store.go_live("files", NOON, BEGINNING)
    yield store
    store.close()


def fates(store: SqliteStore, source: str = "files") -> dict[tuple[str, str], float]:
    """Return the records of a source by fate and reason, those at zero left out."""
    return {
        (labels[1], labels[2]): value
        for (family, labels), value in values(store.series().rows).items()
        if family == RECORDS and labels[0] == source and value
    }


def test_a_new_event_is_stored_and_counted_in_every_family(store: SqliteStore) -> None:
    """A family left out would show no change where there was one."""
    result = store.append(ingest(make_event()))
    assert [(stored.event, stored.live) for stored in result.stored] == [(make_event(), True)]
    found = values(store.series().rows)
    assert found[AUTHORIZED] == 1
    assert found["awschange_channel_events_total", (ACCOUNT, REGION, "cli")] == 1
    assert found[UNTOLD] == 0
    assert found["awschange_ingress_opened_total", (ACCOUNT, REGION, "admin")] == 1
    assert found["awschange_security_group_changes_total", (ACCOUNT, REGION, GROUP, "AuthorizeSecurityGroupIngress", "role/Deploy")] == 1
    assert found["awschange_principal_changes_total", (ACCOUNT, "role", "role/Deploy")] == 1
    assert found["awschange_principal_first_seen_timestamp_seconds", (ACCOUNT, "role", "role/Deploy")] == NOON.timestamp()
    assert found["awschange_last_change_observed_timestamp_seconds", (ACCOUNT, REGION)] == NOON.timestamp()


def test_the_same_event_again_is_a_duplicate_however_often_and_from_wherever(store: SqliteStore) -> None:
    """Overlapping polls, two files, two sources: the count is of events, not of copies."""
    store.append(ingest(make_event(), make_event()))
    for source in ("files", "s3", "s3"):
        result = store.append(ingest(make_event(), source=source))
        assert (result.stored, result.duplicates, result.superseded, result.conflicts) == ((), 1, 0, ())
    assert values(store.series().rows)[AUTHORIZED] == 1
    assert fates(store) == {("stored", ""): 1, ("duplicate", ""): 2}
    assert fates(store, "s3") == {("duplicate", ""): 2}
    (found,) = store.search(Query())
    assert found.sources == ("files", "s3")


@pytest.mark.parametrize("together", [True, False])
def test_another_body_under_a_known_id_is_a_conflict_and_the_first_stands(store: SqliteStore, together: bool) -> None:
    """Whoever can write one trail file must not be able to replace history, nor to hide by it."""
    first, second = make_event(), other_body(make_event())
    result = [store.append(batch) for batch in ([ingest(first, second)] if together else [ingest(first), ingest(second)])][-1]
    assert result.conflicts == (second,)
    assert fates(store) == {("stored", ""): 1, ("duplicate", "conflict"): 1}
    (found,) = store.search(Query(raw=True))
    assert found.event == first
    assert sum(value for (family, _), value in values(store.series().rows).items() if family == PAGING) == 1


def test_a_conflicting_record_does_not_vouch_for_the_event(store: SqliteStore) -> None:
    """`sources` says who brought this event; a record with another body is not this event."""
    store.append(ingest(make_event()))
    store.append(ingest(other_body(make_event()), source="s3"))
    assert store.search(Query())[0].sources == ("files",)


def test_an_event_without_its_content_is_counted_as_such_once(store: SqliteStore) -> None:
    """Whether it opened anything is in no other count, so somebody must be told to look; what an addendum tells later was unknown until then."""
    untold = make_event(content_known=False, rule_changes=(), security_groups=(), resources=(), opened_port_classes=())
    store.append(ingest(untold, make_event(2)))
    store.append(ingest(untold, source="s3"))
    assert values(store.series().rows)[UNTOLD] == 1
    store.append(ingest(addendum(make_event())))
    assert values(store.series().rows)[UNTOLD] == 1


@pytest.mark.parametrize("together", [True, False])
def test_a_superseding_record_replaces_details_and_counts_what_it_reveals(store: SqliteStore, together: bool) -> None:
    """CloudTrail's UPDATED_DATA tells more of the same event: one change, now with its content, and an opening must page."""
    first = make_event(content_known=False, rule_changes=(), security_groups=(), resources=(), opened_port_classes=())
    fuller = addendum(make_event())
    neighbours = [make_event(n) for n in (2, 3)]
    for batch in [ingest(first, *neighbours, fuller)] if together else [ingest(first, *neighbours), ingest(fuller)]:
        before = values(store.series().rows)
        result = store.append(batch)
    assert (result.duplicates, result.superseded, result.conflicts) == (0, 1, ())
    if not together:
        changed = {
            key
            for key, value in values(store.series().rows).items()
            if value != before.get(key) and not key[0].startswith("awschange_exporter_")
        }
        assert {family for family, _ in changed} == {"awschange_ingress_opened_total", "awschange_security_group_changes_total"}
    other = SqliteStore(":memory:")
    other.append(ingest(fuller, *neighbours, first))
    about_aws = [
        {key: value for key, value in values(each.series().rows).items() if not key[0].startswith("awschange_exporter_")}
        for each in (store, other)
    ]
    other.close()
    assert about_aws[0] == about_aws[1], "whichever comes first, the counts are the same"
    again = values(store.series().rows)
    store.append(ingest(fuller, first, fuller))
    assert {key for key, value in values(store.series().rows).items() if value != again[key] and "_exporter_" not in key[0]} == set()
    found = {row.event.event_id: row for row in store.search(Query(raw=True))}
    row = found[first.event_id]
    assert (row.event.rule_changes, row.event.raw, row.event.content_known) == (fuller.rule_changes, fuller.raw, True)
    assert (row.event.security_groups, row.event.supersedes) == ((GROUP,), True)
    assert [found[event.event_id].event for event in neighbours] == neighbours
    assert found[neighbours[0].event_id].event.raw == neighbours[0].raw
    assert first.event_id in {hit.event.event_id for hit in store.search(Query(security_groups=(GROUP,)))}
    assert [hit.event.event_id for hit in store.search(Query(rule_ids=("sgr-0fedcba9876543210",)))] == [first.event_id]


def test_what_a_superseding_record_corrects_is_found_no_more_under_what_it_said_before(store: SqliteStore) -> None:
    """A search by rule must not lead to an event whose rules say otherwise."""
    store.append(ingest(make_event()))
    store.append(ingest(replace(addendum(make_event()), security_groups=("sg-0fedcba9876543210",), resources=())))
    assert store.search(Query(security_groups=(GROUP,))) == []
    assert store.search(Query(rule_ids=("sgr-0123456789abcdef0",))) == []
    assert len(store.search(Query(security_groups=("sg-0fedcba9876543210",)))) == 1


def test_the_same_superseding_record_again_is_a_plain_duplicate(store: SqliteStore) -> None:
    """Each re-read of a file would otherwise look like news."""
    store.append(ingest(make_event()))
    assert [store.append(ingest(addendum(make_event()))).superseded for _ in range(3)] == [1, 0, 0]
    assert store.append(ingest(make_event(2), addendum(make_event(2)), addendum(make_event(2)))).superseded == 1
    assert fates(store) == {("stored", ""): 2, ("duplicate", ""): 3, ("duplicate", "superseded"): 2}


@pytest.mark.parametrize("together", [True, False])
def test_a_superseding_record_that_comes_first_is_not_overwritten_by_the_original(store: SqliteStore, together: bool) -> None:
    """Trail files are in no order: the fuller version wins whichever comes first, and only a third body is a conflict."""
    fuller, original = addendum(make_event()), make_event()
    for batch in [ingest(fuller, original)] if together else [ingest(fuller), ingest(original)]:
        result = store.append(batch)
    assert (result.duplicates, result.superseded, result.conflicts) == (1, 0, ())
    assert store.search(Query())[0].event.rule_changes == fuller.rule_changes
    assert store.append(ingest(original)).duplicates == 1
    assert store.append(ingest(other_body(original))).conflicts == (other_body(original),)
    assert values(store.series().rows)[AUTHORIZED] == 1


def test_an_addendum_of_a_forgotten_event_is_a_duplicate(store: SqliteStore) -> None:
    """Its details are gone; what remains is that it counted."""
    store.append(ingest(make_event()))
    store.prune(NOON + timedelta(days=1))
    result = store.append(ingest(addendum(make_event()), make_event(), other_body(make_event())))
    assert (result.stored, result.duplicates, len(result.conflicts)) == ((), 2, 1)
    assert store.search(Query()) == []


def test_events_from_before_the_line_fill_the_history_only(store: SqliteStore) -> None:
    """A first start over 90 days of history must page nobody."""
    store.go_live("cloudtrail", NOON)
    past, live = make_event(1, event_time=NOON - timedelta(seconds=1)), make_event(2)
    result = store.append(ingest(past, live, source="cloudtrail"))
    assert [stored.live for stored in result.stored] == [False, True]
    found = values(store.series().rows)
    assert found[AUTHORIZED] == 1
    assert found["awschange_principal_first_seen_timestamp_seconds", (ACCOUNT, "role", "role/Deploy")] == NOON.timestamp() - 1
    assert {row.event.event_id: row.live for row in store.search(Query())} == {past.event_id: False, live.event_id: True}


def test_an_event_of_the_very_second_of_the_line_is_live(store: SqliteStore) -> None:
    """Event times are whole seconds: a change 0.9 s after the first poll bears a time before it."""
    store.go_live("cloudtrail", NOON + timedelta(microseconds=900_000))
    assert store.append(ingest(make_event(), source="cloudtrail")).stored[0].live


def test_the_line_is_drawn_once_unless_the_configuration_names_another() -> None:
    """A restart that drew it anew would make what happened meanwhile past, and page nobody."""
    store = SqliteStore(":memory:")
    assert store.live_since("files") is None
    assert store.go_live("files", NOON) == NOON
    assert store.go_live("files", NOON + timedelta(hours=1)) == NOON == store.live_since("files")
    assert store.go_live("files", NOON, NOON - timedelta(days=1)) == NOON - timedelta(days=1)
    assert store.go_live("files", NOON) == NOON - timedelta(days=1)
    assert store.go_live("files", NOON, BEGINNING) == BEGINNING == store.live_since("files")
    assert store.go_live("other", NOON, BEGINNING) == BEGINNING
    store.close()


def test_a_line_in_the_future_is_drawn_again() -> None:
    """It was drawn while the clock was ahead; until that time every change would pass for one of the past and page nobody."""
    store = SqliteStore(":memory:")
    assert store.go_live("files", NOON + timedelta(days=4000)) == NOON + timedelta(days=4000)
    assert store.go_live("files", NOON) == NOON == store.live_since("files")
    assert store.append(ingest(make_event(1, event_time=NOON + timedelta(minutes=1)))).stored[0].live
    assert store.go_live("files", NOON, NOON + timedelta(days=7)) == NOON + timedelta(days=7), "asked for is asked for"
    assert store.go_live("files", NOON, NOON + timedelta(days=7)) == NOON + timedelta(days=7)
    store.close()


def test_moving_the_line_changes_nothing_that_is_stored() -> None:
    """Counters never jump because of a change of the configuration; what is brought again is judged by the new line."""
    store = SqliteStore(":memory:")
    store.go_live("files", NOON)
    old = [make_event(n, event_time=NOON - timedelta(days=n)) for n in (1, 2)]
    store.append(ingest(old[0]))
    store.go_live("files", NOON, BEGINNING)
    assert values(store.series().rows)[AUTHORIZED] == 0
    assert store.append(ingest(old[1])).stored[0].live
    assert values(store.series().rows)[AUTHORIZED] == 1
    assert store.append(ingest(*old)).promoted == (replace(old[0], raw=b""),)
    assert values(store.series().rows)[AUTHORIZED] == 2
    store.close()


def test_a_source_that_never_went_live_goes_live_with_its_first_append() -> None:
    """Nothing may count because a line is missing."""
    store = SqliteStore(":memory:")
    result = store.append(ingest(make_event(1, event_time=NOON - timedelta(days=1)), make_event(2), at=NOON))
    assert [stored.live for stored in result.stored] == [False, True]
    assert store.live_since("files") == NOON
    store.close()


def test_every_zero_of_a_unit_exists_from_its_first_sight_before_any_event_of_it(store: SqliteStore) -> None:
    """increase() does not see a series' first sample: the first change of a unit would be missed by every alert."""
    unit, other = Unit("444455556666", "eu-west-1"), Unit(ACCOUNT, REGION)
    store.append(ingest(make_event(), units=frozenset([unit])))
    rows = store.series().rows
    for family, met in itertools.product(EVENT_FAMILIES, (unit, other)):
        for labels in family.zeros(met):
            assert (family.name, labels) in values(rows)
    details = [row.id for row in rows if row.family == "awschange_security_group_changes_total"]
    assert min(details) > max(row.id for row in rows if row.family == PAGING)


def test_registering_is_enough_for_the_zeros_and_changes_nothing_the_second_time() -> None:
    """A unit that is polled and quiet is known; every poll registers it again, at no cost to a scrape."""
    store = SqliteStore(":memory:")
    store.register([Unit(ACCOUNT, REGION)])
    assert values(store.series().rows)[AUTHORIZED] == 0
    revision = store.revision()
    store.register([Unit(ACCOUNT, REGION)])
    store.register([])
    assert store.revision() == revision
    store.close()


def test_every_fate_of_a_source_exists_at_zero_from_the_start(store: SqliteStore) -> None:
    """An alert on malformed records needs the series before the first of them."""
    store.append(ingest(source="s3"))
    found = values(store.series().rows)
    for source in ("files", "s3"):
        assert found[READ, (source,)] == 0
        for fate, reasons in (
            ("stored", [""]),
            ("duplicate", ["", "conflict", "superseded"]),
            ("ignored", IGNORED_REASONS),
            ("malformed", MALFORMED_REASONS),
        ):
            for reason in reasons:
                assert found[RECORDS, (source, fate, reason)] == 0


def test_read_equals_the_sum_of_the_fates(store: SqliteStore) -> None:
    """Nothing that cannot be understood is dropped in silence."""
    for number, batch in enumerate(batches(made_up(4, 200), 30)):
        store.append(ingest(*batch, ignored={"not_watched": number, "insight": 1}, malformed={"json": 2, "gzip": number}))
    found = values(store.series().rows)
    parts = {labels: value for (family, labels), value in found.items() if family == RECORDS}
    assert sum(parts.values()) == found[READ, ("files",)] == 200 + sum(range(7)) * 2 + 7 * 3
    assert (parts["files", "ignored", "insight"], parts["files", "malformed", "json"]) == (7, 14)


@pytest.mark.parametrize(
    "batch",
    [
        ingest(make_event(), read=2),
        ingest(make_event(), read=0),
        ingest(ignored={"insight": 3}, malformed={"json": -3}),
        ingest(ignored={"insight": 1}, read=0),
    ],
)
def test_records_that_do_not_add_up_are_refused(store: SqliteStore, batch: Ingest) -> None:
    """A caller that loses records must fail in its tests, not lie on /metrics."""
    revision = store.revision()
    with pytest.raises(StoreError, match="fault of the exporter"):
        store.append(batch)
    assert store.revision() == revision


def test_cursors_are_saved_with_the_events_and_by_source(store: SqliteStore) -> None:
    """A cursor apart from its events loses or repeats them."""
    assert store.cursor("files", "a") is None
    store.append(ingest(make_event(), cursors={"a": "1", "b\0": "x"}))
    store.append(ingest(cursors={"a": "2"}))
    store.append(ingest(source="s3", cursors={"a": "9"}))
    assert [store.cursor("files", "a"), store.cursor("files", "b\0"), store.cursor("s3", "a"), store.cursor("s3", "b\0")] == [
        "2",
        "x",
        "9",
        None,
    ]


def exploding(after: int) -> tuple[Family, ...]:
    """Return the families, of which one fails at the event of this number in a transaction."""
    calls = itertools.count()

    def contribute(*_: object) -> Iterator[tuple[tuple[str, ...], float]]:
        if next(calls) >= after:
            raise ZeroDivisionError
        yield ("x",), 1

    return (*FAMILIES, Family("awschange_exploding_total", "counter", "Fails.", ("a",), 1, (), contribute))


def test_an_append_that_fails_leaves_nothing_and_the_next_one_is_right(tmp_path: Path) -> None:
    """Numbers remembered from a transaction that was undone would point at nothing, or at something else."""
    healthy = SqliteStore(tmp_path / "state.db")
    healthy.append(ingest(make_event(100)))
    state, revision = healthy.series(), healthy.revision()
    store = SqliteStore(tmp_path / "state.db", exploding(2))
    revision = store.revision()
    events = made_up(9, 60)
    with pytest.raises(ZeroDivisionError):
        store.append(ingest(*events, source="new", units=frozenset([Unit("444455556666", "eu-west-2")]), cursors={"a": "1"}))
    assert store.revision() == revision
    assert healthy.series().rows == state.rows
    assert (store.cursor("new", "a"), store.live_since("new"), store.stats().events) == (None, None, 1)
    store.close()
    model = Model()
    for source, batch in (("files", ingest(make_event(100))), ("new", ingest(*events, source="new"))):
        model.lines[source, "", ""] = NOON
        model.append(batch)
    healthy.append(ingest(*events, source="new"))
    assert values(healthy.series().rows) == model.values
    healthy.close()


def test_the_store_that_failed_goes_on_rightly_itself() -> None:
    """As above, with the very caches that were filled by what was undone."""
    store, model = SqliteStore(":memory:"), Model()
    events = made_up(9, 60)
    poisoned = replace(events[40], event_id="no id", account_id="444455556666", region="eu-west-2")
    with pytest.raises(StoreError, match="no event id"):
        store.append(ingest(*events[:40], poisoned))
    for batch in batches(events, 25):
        store.append(ingest(*batch))
        model.append(ingest(*batch))
    assert values(store.series().rows) == model.values
    assert len(store.search(Query())) == len(model.events)
    store.close()


@pytest.mark.parametrize("amount", [math.nan, math.inf, -math.inf, -1.0, 2.0**53 + 2, 1e300])
def test_an_absurd_amount_cannot_get_in(amount: float) -> None:
    """One NaN in a counter is there for ever, and every sum over it."""
    family = Family("awschange_absurd_total", "counter", "Absurd.", ("a",), 1, (), lambda *_: [(("x",), amount)])
    store = SqliteStore(":memory:", (family,))
    with pytest.raises(StoreError, match=r"awschange_absurd_total: .* cannot be added to a counter"):
        store.append(ingest(make_event()))
    assert store.stats().events == 0
    store.close()


def test_a_sum_past_what_a_double_counts_is_refused() -> None:
    """Beyond 2**53 a counter would stand still and never say so."""
    family = Family("awschange_absurd_total", "counter", "Absurd.", ("a",), 1, (), lambda *_: [(("x",), 2.0**52)])
    store = SqliteStore(":memory:", (family,))
    store.append(ingest(make_event(1)))
    with pytest.raises(StoreError, match=r"(?i)check constraint"):
        store.append(ingest(make_event(2), make_event(3)))
    store.close()


def test_labels_that_do_not_fit_the_family_are_refused() -> None:
    """They would be shown under the wrong names."""
    family = Family("awschange_absurd_total", "counter", "Absurd.", ("a", "b"), 1, (), lambda *_: [(("x",), 1)])
    store = SqliteStore(":memory:", (family,))
    with pytest.raises(StoreError, match="1 label values for 2 labels"):
        store.append(ingest(make_event()))
    store.close()


def test_everything_of_an_event_comes_back(store: SqliteStore) -> None:
    """History answers who, when, from where and which rules exactly, to the letter."""
    odd = "a\0b'\"%_[*]\\ é 日本 \U0001f600 " + "\x7f"
    principal = replace(
        make_event().principal, name=odd, arn=odd, session="", account_id=None, source_ip=odd, user_agent="", invoked_by=odd
    )
    event = make_event(
        1,
        event_time=datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        outcome=Outcome.DRY_RUN,
        event_name=odd,
        principal=principal,
        error_code=odd,
        error_message=odd,
        security_groups=(GROUP, f"name:{odd}", ""),
        rule_changes=(rule_change(from_port=2**80, description=odd), replace(rule_change(None), before=rule_change(peer=None).rule)),
        content_known=False,
        watch_set="custom",
        opened_port_classes=("web", "admin"),
        shared_event_id=odd,
        raw=bytes(range(256)),
    )
    absent = make_event(
        3, event_time=BEGINNING, error_code=None, security_groups=(), resources=(), rule_changes=(), raw=b"", fingerprint=b""
    )
    store.append(ingest(event, absent, at=NOON + timedelta(microseconds=1)))
    first, last = store.search(Query(raw=True))
    assert (first.event, first.event.raw, first.recorded_at) == (event, event.raw, NOON + timedelta(microseconds=1))
    assert last.event == absent
    assert event_id(3).startswith("hash:")


def test_a_lone_surrogate_does_not_stop_its_batch(store: SqliteStore) -> None:
    """SQLite takes only what UTF-8 can write; one bad user agent must not block a source for ever."""
    principal = replace(make_event().principal, name="role/\ud800", user_agent="\udfff")
    result = store.append(
        ingest(make_event(1, principal=principal), make_event(2, principal=replace(principal, name="role/?")), make_event(3))
    )
    assert len(result.stored) == 3
    assert values(store.series().rows)["awschange_principal_changes_total", (ACCOUNT, "role", "role/?")] == 2
    assert store.search(Query(principals=("role/\ud800",))) == []


def test_an_empty_ingest_of_a_known_source_touches_no_series(store: SqliteStore) -> None:
    """A quiet poll must cost the next scrape nothing."""
    store.append(ingest(make_event()))
    revision = store.revision()
    store.append(ingest(cursors={"a": "1"}))
    assert store.revision() == revision
    assert store.cursor("files", "a") == "1"
