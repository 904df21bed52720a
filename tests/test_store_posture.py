"""What stands in a unit is kept whole or not at all: documents, gauges, counts, amended events and entries of the history."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.errors import StoreError
from exporter.families import GAPS, POSTURE_FAMILIES, UNEXPLAINED
from exporter.model import ChangeEvent, Channel, Outcome, Principal, PrincipalType, Resource, RuleAction, RuleChange, Unit
from exporter.posture.chronicle import EVENT_SOURCE, Amendment
from exporter.store import SqliteStore
from exporter.store.base import News, PostureChange, PostureState, Query, digest_of
from exporter.store.blocks import Blocks
from exporter.store.news import news
from tests.store_events import ACCOUNT, GROUP, NOON, REGION, addendum, ingest, make_event, rule_change, values

HERE = (ACCOUNT, REGION)
UNIT = Unit(*HERE)
ELSEWHERE = Unit("444455556666", "eu-west-1")
OTHER_GROUP, THIRD_GROUP = "sg-0fedcba9876543210", "sg-00000000000000003"
GAUGE = "awschange_open_rules"


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteStore]:
    """Return a store whose road `files` went live an hour before noon."""
    made = SqliteStore(":memory:" if request.param == "memory" else tmp_path / "state.db")
    made.go_live("files", NOON - timedelta(hours=1))
    yield made
    made.close()


def change(store: SqliteStore, unit: Unit = UNIT, **parts: Any) -> PostureChange:
    """Return a change worked out from the state of now."""
    base = {"sequence": store.posture(unit.account_id, unit.region).sequence, "recorded_at": NOON, "source": "posture"}
    return PostureChange(unit.account_id, unit.region, **(base | parts))


def apply(store: SqliteStore, unit: Unit = UNIT, **parts: Any) -> None:
    """Make a change of the state of now."""
    assert store.replace_posture(change(store, unit, **parts))


def entry(number: int = 1, **changes: Any) -> ChangeEvent:
    """Return an entry of the history that says a rule changed without an event."""
    base: dict[str, Any] = {
        "event_id": "hash:" + hashlib.blake2b(b"entry %d" % number, digest_size=16).hexdigest(),
        "event_source": EVENT_SOURCE,
        "event_name": "UnexplainedRuleChange",
        "channel": Channel.OTHER,
        "principal": Principal(PrincipalType.UNKNOWN, "unknown"),
        "raw": b"",
    }
    return make_event(number, **(base | changes))


def found(store: SqliteStore, event: ChangeEvent) -> ChangeEvent:
    """Return an event as the history shows it, record included."""
    (only,) = [row.event for row in store.search(Query(raw=True)) if row.event.event_id == event.event_id]
    return only


def counted(store: SqliteStore) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return all series that are not 0."""
    return {key: value for key, value in values(store.series().rows).items() if value}


MODIFIED = rule_change()
MODIFIED = RuleChange(RuleAction.MODIFIED, MODIFIED.rule, replace(MODIFIED.rule, peer="192.0.2.0/24"))
FULLER = Amendment(make_event().event_id, (MODIFIED,), (OTHER_GROUP,), ("web", "admin"))


def test_nothing_is_kept_of_a_unit_never_read(store: SqliteStore) -> None:
    """The first reading tells nothing of changes, and must know that it is the first."""
    assert store.posture(*HERE) == PostureState()
    assert store.documents(*HERE, "picture") == {}
    assert store.documents(*HERE, "picture", ["groups"]) == {}
    assert store.posture_units() == frozenset()
    assert store.samples().units == {}


def test_documents_come_back_as_they_were_by_kind_and_id(store: SqliteStore) -> None:
    """A picture that comes back otherwise would be a difference that nobody made."""
    bodies = {
        ("picture", "groups"): b"{}" * 5000,
        ("picture", "z"): b"",
        ("chronicle", "groups"): bytes(range(256)) * 3,
        ("chronicle", "sg-\N{SNOWMAN}\0'"): b"z-",
    }
    apply(store, documents=bodies, joined=7)
    apply(store, ELSEWHERE, documents={("picture", "groups"): b"theirs"})
    state = store.posture(*HERE)
    assert (state.sequence, state.joined) == (1, 7)
    assert state.digests == {key: digest_of(body) for key, body in bodies.items()}
    assert store.documents(*HERE, "picture") == {"groups": b"{}" * 5000, "z": b""}
    assert store.documents(*HERE, "chronicle", ["sg-\N{SNOWMAN}\0'", "missing", "sg-\N{SNOWMAN}\0'", "\ud800"]) == {
        "sg-\N{SNOWMAN}\0'": b"z-"
    }
    assert store.documents(*HERE, "chronicle", []) == {}
    assert store.documents("444455556666", "eu-west-1", "picture") == {"groups": b"theirs"}


def test_a_document_is_replaced_or_forgotten_and_the_others_stay(store: SqliteStore) -> None:
    """A reading names what changed, and nothing else."""
    apply(store, documents={("a", "1"): b"one", ("a", "2"): b"two", ("b", "1"): b"three"})
    apply(store, documents={("a", "1"): b"new", ("a", "2"): None, ("a", "never"): None})
    assert store.documents(*HERE, "a") == {"1": b"new"}
    assert store.documents(*HERE, "b") == {"1": b"three"}
    assert set(store.posture(*HERE).digests) == {("a", "1"), ("b", "1")}


def test_a_change_of_another_state_is_refused_whole(store: SqliteStore) -> None:
    """Two processes that read the same unit would each count what the other has counted."""
    event = make_event()
    store.append(ingest(event))
    late = change(
        store,
        documents={("a", "1"): b"late"},
        samples=((GAUGE, ("x",), 1),),
        amendments=(FULLER,),
        events=(entry(),),
        counts=((UNEXPLAINED.name, HERE, 1),),
    )
    apply(store, documents={("a", "1"): b"first"})
    before = (store.posture(*HERE), counted(store), store.samples(), store.revision(), store.search(Query()))
    assert not store.replace_posture(late)
    assert (store.posture(*HERE), counted(store), store.samples(), store.revision(), store.search(Query())) == before
    assert store.documents(*HERE, "a") == {"1": b"first"}


@pytest.mark.parametrize("sequence", [1, -1, 99])
def test_a_change_of_a_state_that_never_was_is_refused(store: SqliteStore, sequence: int) -> None:
    """A file put back from a copy is behind what a running process remembers."""
    assert not store.replace_posture(change(store, sequence=sequence))
    assert store.posture_units() == frozenset()


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


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ({"events": (make_event(),)}, "no entry of ours"),
        ({"events": (make_event(event_source=EVENT_SOURCE),)}, "no entry of ours"),
        ({"events": (make_event(3),)}, "no entry of ours"),
        ({"events": (entry(supersedes=True),)}, "no entry of ours"),
        ({"explained": ((entry().event_id, make_event().event_id),)}, "never had it"),
        ({"counts": ((GAPS.name, ("posture", *HERE), 1),)}, "no family that readings of rules count into"),
        ({"counts": (("awschange_events_total", (*HERE, "a", "b", "c"), 1),)}, "no family that readings of rules count into"),
        ({"counts": ((UNEXPLAINED.name, HERE, -1),)}, "cannot be added to a counter"),
        ({"counts": ((UNEXPLAINED.name, HERE, float("nan")),)}, "cannot be added to a counter"),
        ({"samples": ((GAUGE, ("x",), 1), (GAUGE, ("x",), 1))}, "is to be shown twice"),
        ({"samples": ((GAUGE, ("x",), float("nan")),)}, "is to be shown as nan"),
        ({"documents": {("a", "\ud800"): b""}}, "cannot be stored"),
    ],
)
def test_a_change_that_would_falsify_the_store_is_refused_whole(store: SqliteStore, parts: dict[str, Any], complaint: str) -> None:
    """A call that passes for an entry would never count when its record comes."""
    before = counted(store)
    with pytest.raises(StoreError, match=complaint):
        store.replace_posture(change(store, **({"documents": {("a", "1"): b"x"}} | parts)))
    assert (store.posture_units(), counted(store), store.search(Query()), store.samples().units) == (frozenset(), before, [], {})


def test_a_source_counts_into_no_family_of_readings(store: SqliteStore) -> None:
    """Its amount would be saved without the state that it was worked out from."""
    for family in POSTURE_FAMILIES:
        with pytest.raises(StoreError, match="no family that a source counts into"):
            store.append(ingest(counts=((family.name, HERE, 1),)))


def test_a_count_of_nothing_makes_the_series_exist(store: SqliteStore) -> None:
    """The first unexplained change is seen only by a counter that stood at 0 before."""
    apply(store, counts=((UNEXPLAINED.name, HERE, 0),))
    assert values(store.series().rows)[UNEXPLAINED.name, HERE] == 0
    revision = store.revision()
    apply(store, counts=((UNEXPLAINED.name, HERE, 0),))
    assert store.revision() == revision
    apply(store, counts=((UNEXPLAINED.name, HERE, 3),))
    assert values(store.series().rows)[UNEXPLAINED.name, HERE] == 3


def test_gauges_are_replaced_whole_and_raise_the_revision_where_they_differ(store: SqliteStore) -> None:
    """The page asks for the revision alone at most scrapes; a series that closed must vanish from it."""
    rows = [(GAUGE, ("b",), 2.0), (GAUGE, ("a", "\n\N{SNOWMAN}"), 0.1), ("awschange_other", (), 1.0)]
    apply(store, samples=rows)
    first = store.samples()
    assert first.units == {UNIT: (rows[1], rows[0], rows[2])}
    assert first.revision == store.revision()
    apply(store, samples=[*reversed(rows)])
    apply(store, documents={("a", "1"): b""})
    assert store.revision() == first.revision
    assert store.samples(first.revision).units == {}
    apply(store, ELSEWHERE, samples=[(GAUGE, ("\ud800",), 1)])
    second = store.samples(first.revision)
    assert second.revision > first.revision
    assert second.units == {ELSEWHERE: ((GAUGE, ("?",), 1.0),)}
    apply(store, samples=())
    assert store.samples(second.revision).units == {UNIT: ()}
    assert dict(store.samples().units) == {UNIT: (), **second.units}


def test_a_unit_that_is_watched_no_more_leaves_no_gauge_and_no_document(store: SqliteStore) -> None:
    """What stands there is not known any more; what was counted and recorded there stays."""
    store.append(ingest(make_event()))
    for unit in (UNIT, ELSEWHERE):
        counts = ((UNEXPLAINED.name, (unit.account_id, unit.region), 1),)
        apply(store, unit, documents={("a", "1"): b"x"}, samples=[(GAUGE, (), 1)], counts=counts, joined=5)
    stale = change(store, documents={("a", "1"): b"stale"})
    shown, before = store.samples(), counted(store)
    store.forget_posture([UNIT, UNIT, Unit("777788889999", REGION)])
    assert store.posture(*HERE) == PostureState()
    assert store.documents(*HERE, "a") == {}
    assert store.posture_units() == {ELSEWHERE}
    assert store.samples(shown.revision).units == {UNIT: ()}
    assert counted(store) == before
    revision = store.revision()
    store.forget_posture([UNIT])
    assert store.revision() == revision
    apply(store, documents={("a", "1"): b"again"})
    assert not store.replace_posture(stale), "it was worked out from a state of before"
    assert store.documents(*HERE, "a") == {"1": b"again"}
    assert store.posture(*HERE).joined == 0


def test_news_are_of_successful_events_of_the_unit_since_a_number(store: SqliteStore) -> None:
    """A denied call changes no rule, and another account's does not change this one's."""
    assert store.news(*HERE, 0).touched == frozenset()
    past = make_event(1, event_time=NOON - timedelta(days=30), security_groups=("name:web",))
    store.append(ingest(past, make_event(2, outcome=Outcome.DENIED, security_groups=(THIRD_GROUP,), resources=())))
    first = store.news(*HERE, 0)
    assert first.touched == {"name:web", GROUP}
    store.append(ingest(make_event(3, region="eu-west-1")))
    store.append(ingest(make_event(4, security_groups=(OTHER_GROUP,), resources=(Resource("AWS::EC2::PrefixList", "pl-0123456789abcdef0"),))))
    second = store.news(*HERE, first.last)
    assert second.touched == {OTHER_GROUP, "pl-0123456789abcdef0"}
    assert second.last > first.last
    assert store.news(*HERE, second.last) == News(second.last, frozenset())
    store.prune(NOON - timedelta(days=1))
    assert store.news(*HERE, 0).touched == second.touched
    assert store.news(ACCOUNT, "eu-west-1", first.last).touched == {GROUP}


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


def test_a_document_that_is_damaged_is_not_taken_for_what_stands(tmp_path: Path) -> None:
    """It would be compared with what AWS says, and every rule would be an unexplained change."""
    with closing(SqliteStore(tmp_path / "state.db")) as store:
        apply(store, documents={("a", "1"): b"{}" * 100, ("a", "2"): b"short", ("b", "1"): b"whole"}, samples=[(GAUGE, (), 1)])
        with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
            connection.execute("UPDATE bodies SET body = x'7a0102' WHERE id = 1")
            connection.execute("UPDATE bodies SET body = x'2d6f74686572' WHERE id = 2")
            connection.execute("UPDATE posture SET samples = x'00'")
            connection.commit()
        for id_ in ("1", "2"):
            with pytest.raises(StoreError, match=f"the document a {id_} is .*restore a copy"):
                store.documents(*HERE, "a", [id_])
        assert store.documents(*HERE, "b") == {"1": b"whole"}
        with pytest.raises(StoreError, match="gauges .* cannot be read .*restore a copy"):
            store.samples()


def test_two_processes_that_read_the_same_unit_count_once(tmp_path: Path) -> None:
    """`poll` beside `serve`: one of two changes of the same state is refused, and worked out again from the new one."""
    with closing(SqliteStore(tmp_path / "state.db")) as one, closing(SqliteStore(tmp_path / "state.db")) as two:
        for round_ in range(4):
            first, second = (one, two) if round_ % 2 else (two, one)
            counts = ((UNEXPLAINED.name, HERE, 1),)
            body = {("a", str(round_)): b"%d" % round_}
            changes = [change(store, counts=counts, documents=body, samples=[(GAUGE, (), round_)]) for store in (first, second)]
            assert [first.replace_posture(changes[0]), second.replace_posture(changes[1])] == [True, False]
            for store in (one, two):
                assert len(store.documents(*HERE, "a")) == round_ + 1
                assert store.samples().units == {UNIT: ((GAUGE, (), float(round_)),)}
                assert values(store.series().rows)[UNEXPLAINED.name, HERE] == round_ + 1


def test_threads_that_change_units_at_once_lose_nothing(tmp_path: Path) -> None:
    """Units are read side by side, and more than one may read the same."""
    rounds, threads = 12, 4
    with closing(SqliteStore(tmp_path / "state.db")) as store, ThreadPoolExecutor(threads) as pool:

        def read(unit: Unit) -> None:
            done = 0
            while done < rounds:
                state = store.posture(unit.account_id, unit.region)
                number = int(store.documents(unit.account_id, unit.region, "a").get("n", b"0")) + 1
                made = PostureChange(
                    unit.account_id, unit.region, state.sequence, NOON, "posture",
                    documents={("a", "n"): b"%d" % number}, counts=((UNEXPLAINED.name, (unit.account_id, unit.region), 1),),
                )  # fmt: skip
                done += store.replace_posture(made)

        for future in [pool.submit(read, unit) for unit in (UNIT, ELSEWHERE) * (threads // 2)]:
            future.result(timeout=100)
        for unit in (UNIT, ELSEWHERE):
            assert values(store.series().rows)[UNEXPLAINED.name, (unit.account_id, unit.region)] == 2 * rounds
            assert store.documents(unit.account_id, unit.region, "a") == {"n": b"%d" % (2 * rounds)}
