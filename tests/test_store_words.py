"""Searches by words, cursors and every other filter find what the plain reading of the events finds, on every way through the store."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import StoreError
from exporter.history.matching import Matcher
from exporter.model import ChangeEvent, Direction, Outcome, PeerType, Principal, PrincipalType, Resource, Rule, RuleAction, RuleChange
from exporter.posture.chronicle import Amendment
from exporter.store import SqliteStore, filters, indexed, lexicon, numbers, reindex, runs, search, sections
from exporter.store.base import HistoryEvent, Position, PostureChange, Query
from exporter.store.rule_digits import digits_of, needle_of
from exporter.store.words import words
from tests.store_events import ACCOUNT, NOON, REGION, addendum, ingest, make_event

pytestmark = pytest.mark.usefixtures("each_store")

ACCOUNTS = (ACCOUNT, "444455556666")
REGIONS = (REGION, "eu-west-1")
NAMES = ("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupEgress", "CreateSecurityGroup", "Straße", "ΑΣ")
SESSIONS = ("alice@example.com", "ΑΣ", "İstanbul", "a\0b", "Bob", "sgr-0", "new\nline", "\N{KELVIN SIGN}elvin", None)
ADDRESSES = ("192.0.2.1", "2001:DB8::1", "198.51.100.7", "ec2.amazonaws.com", None)
PEERS = ("0.0.0.0/0", "::/0", "192.0.2.0/24", "2001:db8::/32", "sg-00000000000000001", "pl-0123456789abcdef0", None)
DESCRIPTIONS = ("Office ΣΊΣΥΦΟΣ", "break glass", "überwacht ÜBER", "tab\there", "\ud800 lone", "", None)
RULE_IDS = ("sgr-0123456789abcdef0", "sgr-00123456789abcdef", "sgr-0ffffffffffffffff", "sgr-0FFFF", "sgr-1", "name of a rule", None)
GROUPS = tuple(f"sg-{number:017x}" for number in range(6))
ERRORS = ("Client.UnauthorizedOperation", None)
TEXTS = tuple(
    text for text in (*ACCOUNTS, *REGIONS, *NAMES, *SESSIONS, *ADDRESSES, *PEERS, *DESCRIPTIONS, *RULE_IDS, *GROUPS, *ERRORS) if text
)

RUN = 32


@contextmanager
def small() -> Iterator[None]:
    """Make every bound of the store so small that a few dozen events go all its ways."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (sections, runs, indexed, reindex):
            patch.setattr(module, "RUN", RUN)
        patch.setattr(sections, "_ZEROS", b"0" * RUN)
        patch.setattr(sections, "_BITMAP", RUN // 8 + 1)
        patch.setattr(indexed, "_ALL", (1 << RUN) - 1)
        patch.setattr(runs, "WIDTH", 3)
        patch.setattr(numbers, "FEW", 3)
        patch.setattr(filters, "FEW", 4)
        patch.setattr(search, "READ", 3)
        patch.setattr(search, "LOOKED_AT", 5)
        patch.setattr(search, "_MOST", 4)
        patch.setattr(lexicon, "PACK", 8)
        patch.setattr(lexicon, "WIDTH", 3)
        yield


def made(dice: random.Random, number: int) -> ChangeEvent:
    """Return an event of texts that are alike, odd, or neither."""
    group = dice.choice(GROUPS)
    account = dice.choice(ACCOUNTS)
    session = dice.choice(SESSIONS)
    principal = Principal(
        PrincipalType.ROLE,
        dice.choice(("role/Deploy", "user/alice", "root")),
        None if session is None else f"arn:aws:sts::{account}:assumed-role/Deploy/{session}",
        session,
        source_ip=dice.choice(ADDRESSES),
        user_agent=dice.choice(("aws-cli/2.17", "Terraform/1.9", None)),
    )
    return make_event(
        number,
        event_time=NOON + timedelta(seconds=dice.randrange(-20, 20)),
        account_id=account,
        region=dice.choice(REGIONS),
        event_name=dice.choice(NAMES),
        outcome=dice.choice((Outcome.SUCCESS, Outcome.SUCCESS, Outcome.DENIED)),
        error_code=dice.choice(ERRORS),
        principal=principal,
        security_groups=(group,),
        resources=dice.choice(((), (Resource("AWS::EC2::SecurityGroup", group), Resource("AWS::EC2::Instance", "i-ΑΣ")))),
        rule_changes=tuple(made_change(dice) for _ in range(dice.randrange(3))),
    )


def made_change(dice: random.Random) -> RuleChange:
    """Return a change of one rule, with what was before where it is told."""

    def rule() -> Rule:
        return Rule(Direction.INGRESS, dice.choice(RULE_IDS), "tcp", 22, 22, PeerType.IPV4, dice.choice(PEERS), dice.choice(DESCRIPTIONS))

    return RuleChange(RuleAction.MODIFIED, rule(), dice.choice((None, rule())))


def lived(store: SqliteStore, dice: random.Random, count: int) -> None:
    """Let a store live: batches of every size, addenda, amendments, forgetting."""
    at, stored, sequence = 0, list[ChangeEvent](), 0
    while at < count:
        size = dice.choice((1, 1, 2, 5, 40))
        batch = [made(dice, number) for number in range(at, min(at + size, count))]
        if stored and dice.random() < 0.3:
            batch.append(replace(addendum(dice.choice(stored)), rule_changes=(made_change(dice),), security_groups=(dice.choice(GROUPS),)))
        store.append(ingest(*batch))
        at += size
        stored += [event for event in batch if not event.supersedes]
        if dice.random() < 0.3:
            told = Amendment(dice.choice(stored).event_id, (made_change(dice),), (dice.choice(GROUPS),))
            assert store.replace_posture(PostureChange(ACCOUNT, REGION, sequence, NOON, "posture", amendments=(told,)))
            sequence += 1
        if dice.random() < 0.05:
            store.prune(NOON - timedelta(seconds=dice.randrange(10, 30)))


def piece(dice: random.Random, text: str) -> str:
    """Return a part of a text, perhaps in another case."""
    start = dice.randrange(len(text))
    part = text[start : start + dice.choice((1, 2, 3, 8, 40))]
    return dice.choice((part, part, part.upper(), part.lower(), part.swapcase()))


def asked(dice: random.Random, everything: Sequence[HistoryEvent]) -> Query:
    """Return a query of some filters, each of something that there is or nearly is."""
    about = dice.choice(everything).event if everything else make_event()
    who = (about.principal.name, about.principal.session or "nobody", about.principal.arn or "*")
    rule_ids = [change.rule.rule_id or "sgr-9" for change in about.rule_changes] or ["sgr-0123456789abcdef0"]
    filters = {
        "text": " ".join(piece(dice, dice.choice(TEXTS)) for _ in range(dice.choice((1, 1, 2, 3)))),
        "security_groups": tuple(dice.sample((*GROUPS, "sg-9"), dice.choice((1, 1, 3)))),
        "rule_ids": (dice.choice((*rule_ids, "sgr-0123456789abcdef0")),),
        "event_names": (dice.choice((about.event_name, "*Egress", "*Σ", "Create*", "*")),),
        "principals": tuple(
            dice.choice((text, f"{text[:3]}*", f"*{text[2:]}", f"{text[:5].swapcase()}*", "*", "*Σ", "role/*"))
            for text in who[: dice.choice((1, 3))]
        ),
        "accounts": (about.account_id,),
        "regions": (dice.choice((about.region, "mars-1")),),
        "outcomes": (dice.choice(tuple(Outcome)),),
        "since": NOON + timedelta(seconds=dice.randrange(-25, 10)),
        "until": NOON + timedelta(seconds=dice.randrange(-10, 25)),
        "event_ids": tuple(found.event.event_id for found in dice.choices(everything, k=3)) if everything else ("none",),
    }
    weights = {"text": 6, "event_ids": 1, "rule_ids": 1}
    names = dice.choices(list(filters), [weights.get(name, 2) for name in filters], k=dice.choice((1, 1, 2, 3, 5)))
    return Query(**{name: filters[name] for name in names})  # type: ignore[arg-type]


@given(seed=st.integers(0, 2**32), count=st.integers(0, 130))
@settings(max_examples=60)
def test_a_search_finds_what_reading_every_event_finds(seed: int, count: int) -> None:
    """An intruder's change that the history page leaves out was never made, as far as anybody on call can tell."""
    dice = random.Random(seed)
    with small(), closing(SqliteStore(":memory:")) as store:
        lived(store, dice, count)
        everything = store.search(Query(limit=10_000))
        for _ in range(25):
            query = asked(dice, everything)
            matcher = Matcher(query)
            expected = [found for found in everything if matcher.matches(found.event)]
            assert store.search(query) == expected, query
            limit, offset = dice.randrange(1, 8), dice.randrange(4)
            assert store.search(replace(query, limit=limit, offset=offset)) == expected[offset : offset + limit], query
            pages, after = list[HistoryEvent](), None
            while page := store.search(replace(query, limit=limit, after=after)):
                pages += page
                after = Position(page[-1].event.event_time, page[-1].event.event_id)
            assert pages == expected, query


@given(st.text(max_size=20), st.text(max_size=6))
@settings(max_examples=200)
def test_any_word_is_found_in_any_text(text: str, word: str) -> None:
    """Descriptions are written in every script, and what Python takes for lower case decides everywhere alike."""
    event = make_event(1, rule_changes=(RuleChange(RuleAction.ADDED, Rule(description=text)),))
    with small(), closing(SqliteStore(":memory:")) as store:
        store.append(ingest(event, *(make_event(number, event_time=NOON + timedelta(days=1), rule_changes=()) for number in range(2, 9))))
        for asked_for in (word, text[:3], text[1:4].upper()):
            query = Query(text=asked_for)
            found = [row.event.event_id for row in store.search(query)]
            assert (event.event_id in found) == Matcher(query).matches(event)


@pytest.mark.of_sqlite
@given(st.text("0123456789abcdefsgr-", min_size=1, max_size=22), st.lists(st.integers(0, 2**64 - 1), max_size=5))
@settings(max_examples=300)
def test_the_digits_of_rule_ids_hold_what_the_ids_hold(word: str, values: list[int]) -> None:
    """Rule ids are packed as numbers; a part of one is still what somebody copies out of an alert."""
    ids = [f"sgr-0{value:016x}" for value in values]
    for part in (word, *(rule_id[at : at + len(word)] for rule_id in ids for at in (0, 3, 4, 5, 8))):
        gathered = sections.Gathered(rules=[(place, digits_of(rule_id) or b"") for place, rule_id in enumerate(ids)])
        needle = needle_of(part)
        found = 0 if needle is None else needle.mask(gathered.pack().rules)
        assert sections.places_of(found) == [place for place, rule_id in enumerate(ids) if part in rule_id]


def test_new_events_move_no_page(tmp_path: Path) -> None:
    """Who reads page by page while changes come must see each event once."""
    with closing(SqliteStore(tmp_path / "state.db")) as store:
        store.append(ingest(*(make_event(number, event_time=NOON + timedelta(seconds=number // 3)) for number in range(30))))
        expected = store.search(Query())
        pages, after = list[HistoryEvent](), None
        while page := store.search(Query(limit=4, after=after)):
            pages += page
            after = Position(page[-1].event.event_time, page[-1].event.event_id)
            store.append(ingest(make_event(100 + len(pages), event_time=page[-1].event.event_time)))
            store.append(ingest(make_event(200 + len(pages), event_time=NOON + timedelta(days=1))))
        assert pages == expected


def test_a_cursor_outlives_its_event(tmp_path: Path) -> None:
    """A page that was left open over the night, while the store forgot its last event, still has a next one."""
    with closing(SqliteStore(tmp_path / "state.db")) as store:
        store.append(ingest(*(make_event(number, event_time=NOON + timedelta(seconds=number // 2)) for number in range(8))))
        position = Position(NOON + timedelta(seconds=3), make_event(7).event_id)
        assert [row.event.event_id for row in store.search(Query(after=position, limit=2))] == [make_event(n).event_id for n in (6, 5)]
        store.prune(NOON + timedelta(seconds=3, microseconds=1))
        store.append(ingest(make_event(20, event_time=NOON), make_event(21, event_time=NOON + timedelta(seconds=3))))
        # What was stored after it at the same time stands before it.
        assert [row.event.event_id for row in store.search(Query(after=position))] == [make_event(20).event_id]


@pytest.mark.parametrize("event_id", [make_event(99).event_id, "no id at all", ""])
def test_behind_an_event_that_never_was_is_what_happened_before_its_time(tmp_path: Path, event_id: str) -> None:
    """Cursors come in links that anybody may write; an unknown event is no error and shows nothing twice."""
    with closing(SqliteStore(tmp_path / "state.db")) as store:
        store.append(ingest(*(make_event(number, event_time=NOON + timedelta(seconds=number)) for number in range(4))))
        found = store.search(Query(after=Position(NOON + timedelta(seconds=2), event_id)))
        assert [row.event.event_id for row in found] == [make_event(n).event_id for n in (1, 0)]


@pytest.mark.of_sqlite
def test_words_are_found_after_an_upgrade(tmp_path: Path) -> None:
    """Whoever upgrades has years of history, and searches for what happened in them."""
    path, dice = tmp_path / "state.db", random.Random(5)
    with small():
        with closing(SqliteStore(path)) as store:
            lived(store, dice, 120)
            everything = store.search(Query())
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(
                "DROP TABLE runs; DROP TABLE lexicon; DROP TABLE replicas; DROP TABLE leases; DROP TABLE reads; PRAGMA user_version = 4"
            )
        with closing(SqliteStore(path)) as store:
            for _ in range(60):
                query = asked(dice, everything)
                assert store.search(query) == [found for found in everything if Matcher(query).matches(found.event)], query


@pytest.mark.of_sqlite
def test_a_run_whose_events_are_all_forgotten_is_dropped(tmp_path: Path) -> None:
    """An index of what is gone would fill the disk for ever."""
    path = tmp_path / "state.db"
    with small(), closing(SqliteStore(path)) as store:
        for at in range(0, 4 * RUN, 8):
            store.append(ingest(*(make_event(number, event_time=NOON + timedelta(seconds=number)) for number in range(at, at + 8))))
        with closing(sqlite3.connect(path)) as connection:
            before = {row[0] // runs.ROWS for row in connection.execute("SELECT id FROM runs")}
            store.prune(NOON + timedelta(seconds=2 * RUN + 1))
            after = {row[0] // runs.ROWS for row in connection.execute("SELECT id FROM runs")}
        assert (len(before), len(after)) == (5, 3)  # the first number is 1, so that four runs of events lie in five
        assert len(store.search(Query(text="sgr"))) == 2 * RUN - 1


@pytest.mark.of_sqlite
def test_rows_of_the_index_stay_few_however_small_the_transactions_are(tmp_path: Path) -> None:
    """A search reads every row of a run: one for each poll of years would take seconds."""
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as store, closing(sqlite3.connect(path)) as connection:
        for number in range(600):
            store.append(ingest(make_event(number)))
        assert connection.execute("SELECT count(*) FROM runs").fetchone()[0] <= 3 * runs.WIDTH
        assert len(store.search(Query(text="sgr-0"))) == 600


@pytest.mark.parametrize("packed", [True, False])
def test_a_new_line_in_a_name_hides_nobody(packed: bool) -> None:
    """Whoever can choose a name could choose one that no pattern finds."""
    with small(), pytest.MonkeyPatch.context() as patch, closing(SqliteStore(":memory:")) as store:
        patch.setattr(lexicon, "PACK", 8 if packed else 10_000)
        odd = make_event(1, principal=Principal(PrincipalType.ROLE, "role/x", session="new\nline"))
        store.append(ingest(odd, *(make_event(number, event_time=NOON + timedelta(days=1)) for number in range(2, 40))))
        for pattern in ("new\nli*", "*w\nli*"):
            assert [found.event.event_id for found in store.search(Query(principals=(pattern,)))] == [odd.event_id]


def test_an_empty_rule_id_is_indexed_as_any_other() -> None:
    """What is asked for exactly as it was told is found, however many newer events there are."""
    with small(), closing(SqliteStore(":memory:")) as store:
        odd = [make_event(number, rule_changes=(RuleChange(RuleAction.ADDED, Rule(rule_id="")),)) for number in range(1, 9)]
        store.append(ingest(*odd, *(make_event(number, event_time=NOON + timedelta(days=1)) for number in range(9, 40))))
        assert len(store.search(Query(rule_ids=("",)))) == len(odd)


def test_only_some_words_are_looked_for() -> None:
    """A text of a megabyte must not search a million times."""
    assert words("B a b " + " ".join(f"w{number}" for number in range(50)))[:3] == ("b", "a", "w0")
    assert len(words(" ".join(f"w{number}" for number in range(50)))) == 8


@pytest.mark.of_sqlite
def test_a_damaged_row_of_the_index_is_said(tmp_path: Path) -> None:
    """A search over a damaged file must not pass for one that found nothing."""
    path = tmp_path / "state.db"
    with small(), closing(SqliteStore(path)) as store:
        store.append(ingest(make_event(1, event_name="DeleteSecurityGroup"), *map(make_event, range(2, 20))))
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE runs SET heads = x'010203'")
            connection.commit()
        with pytest.raises(StoreError, match="index of events"):
            store.search(Query(event_names=("DeleteSecurityGroup",)))
