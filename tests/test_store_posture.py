"""What stands in a unit is kept whole or not at all: documents, gauges, counts, amended events and entries of the history."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.errors import StoreError
from exporter.families import UNEXPLAINED
from exporter.model import ChangeEvent, Channel, Principal, PrincipalType, Resource, RuleAction, RuleChange, Unit
from exporter.posture.chronicle import EVENT_SOURCE, Amendment
from exporter.store import SqliteStore
from exporter.store.base import PostureChange, PostureState, Query, digest_of
from tests.store_events import ACCOUNT, GROUP, NOON, REGION, ingest, make_event, rule_change, values

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
