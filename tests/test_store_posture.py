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
from exporter.model import ChangeEvent, Channel, Principal, PrincipalType, RuleAction, RuleChange, Unit
from exporter.posture.chronicle import EVENT_SOURCE, Amendment
from exporter.store import SqliteStore
from exporter.store.base import PostureChange, PostureState, Query, digest_of
from tests.store_events import ACCOUNT, NOON, REGION, ingest, make_event, rule_change, values

pytestmark = pytest.mark.usefixtures("each_store")

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


@pytest.mark.of_sqlite
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
            with pytest.raises(StoreError, match=rf"the document a {id_} is .*restore a copy"):
                store.documents(*HERE, "a", [id_])
        assert store.documents(*HERE, "b") == {"1": b"whole"}
        with pytest.raises(StoreError, match=r"gauges .* cannot be read .*restore a copy"):
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
