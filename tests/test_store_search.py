"""A search finds exactly what matches, newest first, whatever the text."""

from __future__ import annotations

import fnmatch
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import ChangeEvent, Outcome, Resource
from exporter.store import SqliteStore
from exporter.store.base import BEGINNING, Query
from exporter.store.glob import glob
from tests.store_events import ACCOUNT, GROUP, NOON, REGION, ingest, made_up, make_event, rule_change

pytestmark = pytest.mark.usefixtures("each_store")


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    """Return an empty store in memory."""
    store = SqliteStore(":memory:")
    yield store
    store.close()


def found(store: SqliteStore, **filters: object) -> list[str]:
    """Return the ids of the events that a query finds, in its order."""
    return [row.event.event_id for row in store.search(Query(**filters))]  # type: ignore[arg-type]


def named(pattern: str, *texts: str | None) -> bool:
    """Return what a `*` pattern must match, by way of a regular expression."""
    expression = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    return any(text is not None and expression.fullmatch(text) for text in texts)


FILTERS: dict[str, tuple[tuple[object, ...], Callable[[ChangeEvent, object], bool]]] = {
    "security_groups": (
        tuple(f"sg-{n:017x}" for n in range(45)),
        lambda event, value: value in event.security_groups or value in {resource.id for resource in event.resources},
    ),
    "rule_ids": (
        ("sgr-0123456789abcdef0", "sgr-0fedcba9876543210", "sgr-0"),
        lambda event, value: value in {c.rule.rule_id for c in event.rule_changes},
    ),
    "event_names": (
        ("AuthorizeSecurityGroupIngress", "*Egress", "Create*", "*", "Nothing", "*Security*In*", "authorize*"),
        lambda event, value: named(str(value), event.event_name),
    ),
    "principals": (
        ("role/Deploy", "role/*", "s1", "s*", "*:assumed-role/Admin/*", "nobody", "*Deploy*"),
        lambda event, value: named(str(value), event.principal.name, event.principal.session, event.principal.arn),
    ),
    "accounts": ((ACCOUNT, "444455556666", "000000000000"), lambda event, value: event.account_id == value),
    "regions": ((REGION, "eu-west-1", "mars-1"), lambda event, value: event.region == value),
    "event_ids": (tuple(make_event(n).event_id for n in range(300)), lambda event, value: event.event_id == value),
    "outcomes": (tuple(Outcome), lambda event, value: event.outcome is value),
}


def test_every_combination_of_filters_finds_what_a_plain_filter_finds(store: SqliteStore) -> None:
    """A condition lost in building the statement shows somebody else's changes, or hides an intruder's."""
    rng = random.Random(11)
    events = {event.event_id: event for event in made_up(12, 300) if not event.supersedes}
    first = {identity: next(e for e in made_up(12, 300) if e.event_id == identity) for identity in events}
    order = {identity: at for at, identity in enumerate(first)}
    store.append(ingest(*first.values()))
    sizes = set()
    for _ in range(300):
        chosen = {name: tuple(rng.sample(FILTERS[name][0], rng.choice((1, 1, 2, 3)))) for name in FILTERS if rng.random() < 0.3}
        since = NOON + timedelta(seconds=rng.randrange(-3600, 3600)) if rng.random() < 0.3 else None
        until = NOON + timedelta(seconds=rng.randrange(-3600, 3600)) if rng.random() < 0.3 else None
        expected = sorted(
            (
                event
                for event in first.values()
                if all(any(FILTERS[name][1](event, value) for value in values) for name, values in chosen.items())
                and (since is None or event.event_time >= since)
                and (until is None or event.event_time < until)
            ),
            key=lambda event: (event.event_time, order[event.event_id]),
            reverse=True,
        )
        assert found(store, **chosen, since=since, until=until) == [event.event_id for event in expected], chosen
        sizes.add(min(len(expected), 3))
    assert sizes == {0, 1, 2, 3}, "the filters were too narrow or too wide to tell anything"


@pytest.mark.parametrize("text", ["", "zz", "%", make_event(1).event_id.upper(), "hash:", "\0"])
def test_what_is_no_event_id_finds_nothing(store: SqliteStore, text: str) -> None:
    """Anybody can write a link: one to no event must show none, neither all nor an error that looks like a broken store."""
    store.append(ingest(make_event(1)))
    assert found(store, event_ids=(text,)) == []
    assert found(store, event_ids=(text, make_event(1).event_id)) == [make_event(1).event_id]


@pytest.mark.of_sqlite
def test_one_event_is_found_without_reading_the_others(store: SqliteStore) -> None:
    """A dot on a graph leads to its event; walking all of the history for it would take longer the older the store is."""
    store.append(ingest(*map(make_event, range(300))))
    said: list[str] = []
    store._database._writer.set_trace_callback(said.append)
    assert found(store, event_ids=(make_event(7).event_id,)) == [make_event(7).event_id]
    store._database._writer.set_trace_callback(None)
    statement = next(text for text in said if "json_each" in text and "JOIN events" in text)
    plans = [row[3] for row in store._database._writer.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert any("SEARCH e USING INTEGER PRIMARY KEY" in plan for plan in plans), plans
    assert not any(plan.startswith("SCAN e") for plan in plans), plans


def test_pages_follow_one_another_without_gap_or_repetition(store: SqliteStore) -> None:
    """Events of one second need an order of their own, or a page shows one twice and another never."""
    store.append(ingest(*(make_event(n, event_time=NOON + timedelta(seconds=n // 10)) for n in range(50))))
    everything = found(store, security_groups=(GROUP,))
    assert everything == found(store) == [make_event(n).event_id for n in reversed(range(50))]
    for filters in ({}, {"security_groups": (GROUP,)}, {"security_groups": (GROUP, "sg-0")}):
        pages = [found(store, **filters, limit=7, offset=at) for at in range(0, 56, 7)]
        assert [identity for page in pages for identity in page] == everything


@pytest.mark.parametrize(("limit", "offset", "count"), [(0, 0, 0), (-1, 0, 0), (10**30, 0, 3), (2, -5, 2), (2, 10**30, 0)])
def test_odd_limits_are_bounded(store: SqliteStore, limit: int, offset: int, count: int) -> None:
    """SQLite takes a negative limit for none, and a number of more than 64 bits for an error."""
    store.append(ingest(*map(make_event, range(3))))
    assert len(found(store, limit=limit, offset=offset)) == count


def test_a_group_is_found_as_target_and_as_resource_but_not_as_peer_of_a_rule(store: SqliteStore) -> None:
    """Who changed sg-1 is another question than which rules speak of sg-1."""
    target = make_event(1, security_groups=("sg-1",), resources=())
    resource = make_event(2, security_groups=(), resources=(Resource("AWS::EC2::SecurityGroup", "sg-1"),))
    peer = make_event(3, security_groups=("sg-2",), resources=(), rule_changes=(rule_change(peer="sg-1"),))
    store.append(ingest(target, resource, peer))
    assert set(found(store, security_groups=("sg-1",))) == {target.event_id, resource.event_id}
    assert found(store, security_groups=("sg-1", "sg-1", "sg-9")) == found(store, security_groups=("sg-1",))


def test_a_rule_is_found_by_its_id_before_and_after_a_change(store: SqliteStore) -> None:
    """The rule that was is as much asked for as the rule that is."""
    change = replace(rule_change("sgr-2"), before=rule_change("sgr-1").rule)
    store.append(ingest(make_event(1, rule_changes=(change,)), make_event(2, rule_changes=(rule_change(None),))))
    assert found(store, rule_ids=("sgr-1",)) == found(store, rule_ids=("sgr-2", "sgr-9")) == [make_event(1).event_id]


@pytest.mark.parametrize("name", ["100%", "a_b", "a[b]c", "a?b", "'; DROP TABLE events; --", 'a"b', "a\0b", "\\", "[", "é"])
def test_text_that_means_something_to_sql_or_globs_matches_only_itself(store: SqliteStore, name: str) -> None:
    """Names come from whoever may call AWS; a pattern in one must not widen a search, nor a NUL shorten it."""
    principal = replace(make_event().principal, name=name, session=None, arn=None)
    lookalike = replace(principal, name="a0b0c 100 [x")
    store.append(ingest(make_event(1, principal=principal, event_name=name), make_event(2, principal=lookalike, event_name="axb")))
    for pattern in (name, f"{name}*"):
        assert found(store, principals=(pattern,)) == found(store, event_names=(pattern,)) == [make_event(1).event_id]
    for field in ("security_groups", "rule_ids", "accounts", "regions"):
        assert found(store, **{field: (name,)}) == []


@given(st.text("ab*\0", max_size=8), st.text("ab\0", max_size=10))
def test_a_star_matches_any_run_and_nothing_else_is_special(pattern: str, text: str) -> None:
    """fnmatch knows the rule for `*`; there are no other special characters in this alphabet."""
    assert glob(pattern)(text) is fnmatch.fnmatchcase(text, pattern)


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    """Regular expressions and GLOB take hours for this; a link to the history page must not stop the exporter."""
    start = time.perf_counter()
    assert not glob("*a" * 50 + "b")("a" * 10_000)
    assert time.perf_counter() - start < 1


@pytest.mark.of_sqlite
def test_no_filter_value_reaches_the_statement(store: SqliteStore) -> None:
    """Statements are put together from fixed parts only; values are parameters."""
    store.append(ingest(make_event(1)))
    said: list[str] = []
    store._database._writer.set_trace_callback(said.append)
    probe = "zz' OR 1=1"
    store.search(
        Query(
            (probe, GROUP),
            (probe,),
            (probe, "Auth*"),
            (probe, "role*"),
            (probe, ACCOUNT),
            (probe, REGION),
            (Outcome.SUCCESS,),
            BEGINNING,
            NOON,
            event_ids=(probe, make_event(1).event_id),
        )
    )
    store._database._writer.set_trace_callback(None)
    assert any("JOIN events" in statement for statement in said)
    # The trace shows parameters expanded and quoted; unquoted, the probe would stand there bare.
    assert not any(re.search(r"(?<!')zz' OR", statement) for statement in said)


@pytest.mark.of_sqlite
def test_the_newest_of_a_group_are_read_from_the_index(store: SqliteStore) -> None:
    """Without (group, time) the page of one group would read the whole history."""
    store.append(ingest(*(make_event(n, security_groups=(f"sg-{n % 3}",), resources=()) for n in range(300))))
    said: list[str] = []
    writer = store._database._writer
    writer.set_trace_callback(said.append)
    store.search(Query(security_groups=("sg-1",), limit=5))
    store.search(Query(limit=5))
    writer.set_trace_callback(None)
    plans = [[row[3] for row in writer.execute(f"EXPLAIN QUERY PLAN {statement}")] for statement in said if "event_time DESC" in statement]
    assert any("PRIMARY KEY (string=?" in step for step in plans[0]), plans
    assert any("events_by_time" in step for step in plans[1]), plans
    assert not any("TEMP B-TREE" in step for plan in plans for step in plan), "everything would be sorted to show five"


def test_the_record_is_unpacked_only_where_it_is_asked_for(store: SqliteStore) -> None:
    """A list of a thousand events shows no records."""
    store.append(ingest(make_event(1)))
    assert [store.search(Query(raw=raw))[0].event.raw for raw in (False, True)] == [b"", make_event(1).raw]
