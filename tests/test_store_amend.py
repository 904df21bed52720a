"""Events that are stored already get fuller by what the rules say, count what that reveals once, and are told of as news."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.errors import StoreError
from exporter.families import UNEXPLAINED
from exporter.model import Outcome, Resource
from exporter.posture.chronicle import EVENT_SOURCE
from exporter.store import SqliteStore
from exporter.store.base import News, PostureState, Query
from exporter.store.blocks import Blocks
from exporter.store.news import news
from tests.store_events import ACCOUNT, GROUP, NOON, REGION, addendum, ingest, make_event
from tests.test_store_posture import FULLER, HERE, MODIFIED, OTHER_GROUP, THIRD_GROUP, apply, change, counted, entry, found, store

pytestmark = pytest.mark.usefixtures("each_store")

__all__ = ["store"]


def test_an_amendment_fills_in_what_the_record_leaves_out(store: SqliteStore) -> None:
    """History must show what a rule was before, and find the change under every group that it opened."""
    event = make_event()
    store.append(ingest(event))
    apply(store, amendments=(FULLER,))
    shown = found(store, event)
    assert shown == replace(
        event,
        rule_changes=(MODIFIED,),
        security_groups=(GROUP, OTHER_GROUP),
        resources=(*event.resources, Resource("AWS::EC2::SecurityGroup", OTHER_GROUP)),
        opened_port_classes=("admin", "web"),
    )
    assert shown.raw == event.raw
    for query in (
        Query(security_groups=(OTHER_GROUP,)),
        Query(security_groups=(GROUP, OTHER_GROUP)),
        Query(rule_ids=("sgr-0123456789abcdef0",)),
    ):
        assert [row.event.event_id for row in store.search(query)] == [event.event_id]


def test_an_amendment_counts_what_it_reveals_once(store: SqliteStore) -> None:
    """A prefix list that opens a group pages as a rule that opens it; an equal reading of later pages nobody."""
    event = make_event()
    store.append(ingest(event))
    once = counted(store)
    apply(store, amendments=(FULLER, FULLER))
    revealed = {key: value for key, value in counted(store).items() if once.get(key) != value}
    assert revealed == {
        ("awschange_ingress_opened_total", (*HERE, "web")): 1,
        ("awschange_security_group_changes_total", (*HERE, OTHER_GROUP, event.event_name, event.principal.name)): 1,
    }
    before = store.revision()
    apply(store, amendments=(FULLER,))
    assert store.revision() == before


def test_the_fault_of_an_amendment_that_names_no_event_is_told(store: SqliteStore) -> None:
    """Nothing of the reading may be stored then: its counts would be without what they count."""
    with pytest.raises(StoreError, match="never had it"):
        store.replace_posture(change(store, amendments=(FULLER,), documents={("a", "1"): b""}))
    assert store.posture(*HERE) == PostureState()


@pytest.mark.parametrize("addendum_first", [True, False])
@pytest.mark.parametrize("alive", ["at once", "later"])
def test_an_amendment_and_an_addendum_count_the_same_in_either_order(addendum_first: bool, alive: str) -> None:
    """Files and readings come as they please; what pages must not depend on it, nor on when a past event comes alive."""
    event = make_event(opened_port_classes=(), security_groups=(), resources=())
    fuller = replace(addendum(event), security_groups=(GROUP,), opened_port_classes=("admin",))
    roads = {"source": "files"}, {"source": "late", "account_id": ACCOUNT, "region": REGION}
    with closing(SqliteStore(":memory:")) as store:
        store.go_live("files", NOON, NOON if alive == "at once" else NOON + timedelta(hours=1))
        store.go_live("late", NOON, NOON, ACCOUNT, REGION)
        store.append(ingest(event, **roads[0]))
        for step in ("addendum", "amendment") if addendum_first else ("amendment", "addendum"):
            if step == "addendum":
                store.append(ingest(fuller, **roads[0]))
            else:
                apply(store, amendments=(FULLER,))
        if alive == "later":
            assert not [key for key in counted(store) if key[0] == "awschange_ingress_opened_total"]
            store.append(ingest(event, **roads[1]))
        for _ in range(2):
            store.append(ingest(event, fuller, **roads[1]))
            apply(store, amendments=(FULLER,))
        of_groups = {key: value for key, value in counted(store).items() if "ingress" in key[0] or "group" in key[0]}
        who = (event.event_name, event.principal.name)
        assert of_groups == {
            ("awschange_ingress_opened_total", (*HERE, "admin")): 1,
            ("awschange_ingress_opened_total", (*HERE, "web")): 1,
            ("awschange_security_group_changes_total", (*HERE, GROUP, *who)): 1,
            ("awschange_security_group_changes_total", (*HERE, OTHER_GROUP, *who)): 1,
        }
        assert {*found(store, event).security_groups} == {GROUP, OTHER_GROUP}


def test_an_addendum_after_an_amendment_keeps_the_groups_and_is_news(store: SqliteStore) -> None:
    """Its rules are the newer word of AWS; what they were before must be worked out again."""
    event = make_event()
    store.append(ingest(event))
    apply(store, amendments=(FULLER,), joined=store.news(*HERE, 0).last)
    assert store.news(*HERE, store.posture(*HERE).joined).touched == frozenset()
    fuller = addendum(event)
    store.append(ingest(fuller))
    shown = found(store, event)
    assert (shown.rule_changes, shown.raw) == (fuller.rule_changes, fuller.raw)
    assert shown.security_groups == (GROUP, OTHER_GROUP)
    assert shown.opened_port_classes == ("admin", "web")
    news = store.news(*HERE, store.posture(*HERE).joined)
    assert news.touched == {GROUP, OTHER_GROUP}
    apply(store, amendments=(FULLER,), joined=news.last)
    assert found(store, event).rule_changes == (MODIFIED,)
    again = store.append(ingest(fuller, event))
    assert (again.duplicates, again.superseded) == (2, 0), "what is read again is no other record, and takes nothing away"
    assert found(store, event).rule_changes == (MODIFIED,)
    assert store.news(*HERE, news.last).touched == frozenset()


def test_an_addendum_that_tells_the_same_rules_leaves_what_they_were_before(store: SqliteStore) -> None:
    """Nothing would be gained by forgetting it, and an old one is not worked out again."""
    event = make_event()
    store.append(ingest(event))
    apply(store, amendments=(FULLER,))
    store.append(ingest(replace(addendum(event), rule_changes=event.rule_changes)))
    assert found(store, event).rule_changes == (MODIFIED,)


def test_an_event_that_was_pruned_is_amended_no_more(store: SqliteStore) -> None:
    """It is history no longer; what it counted stands."""
    store.append(ingest(make_event()))
    apply(store, events=(entry(),))
    store.prune(NOON + timedelta(hours=1))
    before = counted(store)
    apply(store, amendments=(FULLER,), explained=((entry().event_id, make_event().event_id),), documents={("a", "1"): b"kept"})
    assert (counted(store), store.search(Query())) == (before, [])
    store.prune(NOON + timedelta(days=1000))
    assert store.documents(*HERE, "a") == {"1": b"kept"}


def test_an_entry_is_found_like_any_event_and_counts_as_none(store: SqliteStore) -> None:
    """Nobody made an API call that anyone knows of, so no counter of calls may say so."""
    made = entry(event_time=NOON - timedelta(days=3))
    apply(store, events=(made, made), counts=((UNEXPLAINED.name, HERE, 2),))
    apply(store, events=(made,), amendments=(replace(FULLER, event_id=made.event_id),))
    assert counted(store) == {(UNEXPLAINED.name, HERE): 2}
    for query in (
        Query(security_groups=(GROUP,)),
        Query(rule_ids=("sgr-0123456789abcdef0",)),
        Query(event_names=("Unexplained*",), accounts=(ACCOUNT,), regions=(REGION,)),
        Query(since=made.event_time, until=made.event_time + timedelta(seconds=1)),
    ):
        (row,) = store.search(query)
        assert (row.event.event_id, row.event.event_source, row.live, row.sources) == (made.event_id, EVENT_SOURCE, True, ("posture",))
    assert store.news(*HERE, 0).touched == frozenset(), "an entry explains nothing"
    assert store.stats().events == 1
    assert store.live_since("posture") is None


def test_a_late_event_explains_an_entry(store: SqliteStore) -> None:
    """History then leads from the entry to who did it."""
    apply(store, events=(entry(), entry(2)))
    store.append(ingest(make_event()))
    apply(store, explained=((entry().event_id, make_event().event_id),))
    assert found(store, entry()) == replace(entry(), shared_event_id=make_event().event_id)
    assert found(store, entry(2)).shared_event_id is None


def test_news_are_of_successful_events_of_the_unit_since_a_number(store: SqliteStore) -> None:
    """A denied call changes no rule, and another account's does not change this one's."""
    assert store.news(*HERE, 0).touched == frozenset()
    past = make_event(1, event_time=NOON - timedelta(days=30), security_groups=("name:web",))
    store.append(ingest(past, make_event(2, outcome=Outcome.DENIED, security_groups=(THIRD_GROUP,), resources=())))
    first = store.news(*HERE, 0)
    assert first.touched == {"name:web", GROUP}
    store.append(ingest(make_event(3, region="eu-west-1")))
    store.append(
        ingest(make_event(4, security_groups=(OTHER_GROUP,), resources=(Resource("AWS::EC2::PrefixList", "pl-0123456789abcdef0"),)))
    )
    second = store.news(*HERE, first.last)
    assert second.touched == {OTHER_GROUP, "pl-0123456789abcdef0"}
    assert second.last > first.last
    assert store.news(*HERE, second.last) == News(second.last, frozenset())
    store.prune(NOON - timedelta(days=1))
    assert store.news(*HERE, 0).touched == second.touched
    assert store.news(ACCOUNT, "eu-west-1", first.last).touched == {GROUP}


@pytest.mark.of_sqlite
@pytest.mark.parametrize("few", [0, 1, 1000])
def test_news_of_many_events_are_those_of_few(tmp_path: Path, few: int) -> None:
    """Past a number of events the index of all that was touched is read; it must say the same."""
    with closing(SqliteStore(tmp_path / "state.db")) as store:
        store.append(ingest(*(make_event(n, security_groups=(f"sg-{n}",), region=REGION if n % 3 else "eu-west-1") for n in range(300))))
        after = store.news(*HERE, 0).last
        store.append(ingest(*(make_event(n, security_groups=(f"sg-{n}",), resources=()) for n in range(300, 700))))
        store.append(ingest(replace(addendum(make_event(7)), security_groups=("sg-7", "sg-new")), make_event(701, outcome=Outcome.FAILED)))
        apply(store, events=(entry(security_groups=("sg-unexplained",)),))
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        found_news = news(connection, Blocks(), *HERE, after, few)
    assert found_news.touched == {GROUP, "sg-new", *(f"sg-{n}" for n in (7, *range(300, 700)))}
