"""A reading meets what is kept: incomplete is not empty, the picture never goes back in time, and only what differs is stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from exporter.model import Direction, PeerType, Rule
from exporter.posture.chronicle import GROUP, PREFIX_LIST
from exporter.posture.codec import decode, encode
from exporter.posture.standing import Attachment, Exposure, Group, Origin, Part, PrefixList, Reading, RecorderLight, Standing, TrailLight
from exporter.snapshots.documents import PICTURE, Kept, Picture
from exporter.store import SqliteStore
from exporter.store.base import PostureChange
from exporter.surveyor.merging import Merged, merge
from tests.store_events import ACCOUNT, NOON, REGION

WEB, DB = "sg-0123456789abcdef0", "sg-0fedcba9876543210"
LIST = "pl-0123456789abcdef0"
STEP = timedelta(minutes=5)


def rule(port: int = 22, peer: str = "192.0.2.0/24", rule_id: str | None = "sgr-0123456789abcdef0", **more: Any) -> Rule:
    return Rule(Direction.INGRESS, rule_id, "tcp", port, port, PeerType.IPV4, peer, **more)


def group(name: str = WEB, *rules: Rule, **more: Any) -> Group:
    return Group(name, f"name of {name}", "vpc-0123456789abcdef0", rules, **more)


def reading(at: datetime = NOON, *groups: Group, **more: Any) -> Reading:
    whole = {"groups": groups, "prefix_lists": (), "attachments": {}, "balanced": frozenset(), "trails": (), "recorder": ()}
    return Reading(ACCOUNT, REGION, **({"origin": Origin.EC2, "started_at": at, "ended_at": at + timedelta(seconds=9)} | whole | more))


class Book:
    """A store to which one reading after the other is given."""

    def __init__(self) -> None:
        self.store = SqliteStore(":memory:")

    def kept(self) -> Kept:
        return Kept(self.store, ACCOUNT, REGION)

    def take(self, given: Reading) -> Merged:
        kept = self.kept()
        merged = merge(given, kept)
        documents = {**merged.documents, PICTURE: encode(merged.picture)}
        assert self.store.replace_posture(
            PostureChange(ACCOUNT, REGION, kept.state.sequence, given.ended_at, "posture", documents=documents)
        )
        assert comparable(self.kept().standing()) == comparable(merged.standing), "what is stored is what is seen"
        return merged


def comparable(standing: Standing) -> Standing:
    return replace(standing, groups=standing.groups and tuple(sorted(standing.groups, key=lambda item: item.group_id)))


@pytest.fixture
def book() -> Iterable[Book]:
    made = Book()
    yield made
    made.store.close()


def test_the_first_reading_is_a_beginning_and_no_change(book: Book) -> None:
    """What stood before anybody looked has nobody to blame."""
    merged = book.take(reading(NOON, group(WEB, rule())))
    assert merged.first
    assert merged.changes == []
    assert merged.standing.groups == (group(WEB, rule()),)
    assert merged.picture.first_read_at[Part.GROUPS] == NOON + timedelta(seconds=9)


def test_a_change_lies_between_the_readings(book: Book) -> None:
    """It was made after the last reading without it had begun, and before the first with it had ended."""
    book.take(reading(NOON, group(WEB, rule())))
    (change,) = book.take(reading(NOON + STEP, group(WEB, rule(), rule(443, rule_id="sgr-2")))).changes
    assert (change.kind, change.id, change.after, change.until) == (GROUP, WEB, NOON, NOON + STEP + timedelta(seconds=9))
    assert change.before == (rule(),)
    assert len(change.rules or ()) == 2


def test_the_window_begins_at_the_last_complete_reading(book: Book) -> None:
    """A reading that failed between has seen nothing."""
    book.take(reading(NOON, group(WEB, rule())))
    book.take(reading(NOON + STEP, groups=None))
    (change,) = book.take(reading(NOON + 2 * STEP, group(WEB))).changes
    assert (change.after, change.rules) == (NOON, ())


def test_groups_that_come_and_go_are_changes(book: Book) -> None:
    """None stands for a group that is not."""
    book.take(reading(NOON, group(WEB, rule())))
    changes = book.take(reading(NOON + STEP, group(DB, rule(5432)))).changes
    assert {(change.id, change.before, change.rules) for change in changes} == {(WEB, (rule(),), None), (DB, None, (rule(5432),))}
    assert book.kept().ids(GROUP) == {DB}


@pytest.mark.parametrize("part", list(Part))
def test_a_part_that_was_not_read_whole_stays_as_it_was(book: Book, part: Part) -> None:
    """Partial answers never shrink the picture, and its age tells."""
    fields = {
        Part.GROUPS: "groups", Part.PREFIX_LISTS: "prefix_lists", Part.INTERFACES: "attachments",
        Part.LOAD_BALANCERS: "balanced", Part.TRAILS: "trails", Part.RECORDER: "recorder",
    }  # fmt: skip
    full = reading(
        NOON, group(WEB, rule()), attachments={WEB: Attachment(2, public_ipv4=True)}, balanced=frozenset({WEB}),
        prefix_lists=(PrefixList(LIST, "offices", 1, (("192.0.2.0/24", ""),), ACCOUNT),),
        trails=(TrailLight("main", last_delivery=NOON),), recorder=(RecorderLight("default", frequency="continuous"),),
    )  # fmt: skip
    before = book.take(full).standing
    merged = book.take(replace(full, started_at=NOON + STEP, ended_at=NOON + STEP, **{fields[part]: None}))
    assert merged.changes == []
    assert comparable(replace(merged.standing, read_at={})) == comparable(replace(before, read_at={}))
    assert {found for found, at in merged.standing.read_at.items() if at == NOON} == {part}


def test_what_was_never_read_is_unknown(book: Book) -> None:
    """Not empty."""
    standing = book.take(reading(NOON, groups=None, attachments=None, prefix_lists=None, trails=None)).standing
    assert (standing.groups, standing.attachments, standing.prefix_lists, standing.trails) == (None, None, None, None)
    assert standing.exposure(WEB, 4) is Exposure.UNKNOWN


def test_the_order_of_an_answer_is_no_change_and_nothing_is_written_twice(book: Book) -> None:
    """AWS answers in any order; an unchanged account costs one small document a round."""
    many = [rule(port, rule_id=f"sgr-{port}") for port in (1, 2, 3)]
    book.take(reading(NOON, group(WEB, *many, tags=(("a", "1"), ("b", "2")))))
    merged = book.take(reading(NOON + STEP, group(WEB, *reversed(many), tags=(("b", "2"), ("a", "1")))))
    assert (merged.changes, merged.documents) == ([], {})


def test_new_tags_are_stored_and_no_change_of_rules(book: Book) -> None:
    """An exception may hang on them."""
    book.take(reading(NOON, group(WEB, rule())))
    merged = book.take(reading(NOON + STEP, group(WEB, rule(), tags=(("team", "core"),))))
    assert merged.changes == []
    assert list(merged.documents) == [(GROUP, WEB)]


def config(at: datetime, *groups: Group) -> Reading:
    return reading(at, *groups, origin=Origin.AWS_CONFIG)


def test_the_window_of_aws_config_lies_between_its_captures(book: Book) -> None:
    """It may have looked long before it was asked."""
    book.take(config(NOON, group(WEB, rule(), captured_at=NOON - timedelta(hours=3))))
    captured = NOON + timedelta(minutes=1)
    (change,) = book.take(config(NOON + STEP, group(WEB, captured_at=captured))).changes
    assert (change.after, change.until) == (NOON - timedelta(hours=3), captured)


def test_a_new_group_of_aws_config_may_be_a_day_old(book: Book) -> None:
    """Where it records daily."""
    book.take(config(NOON, group(WEB, captured_at=NOON)))
    (change,) = book.take(config(NOON + STEP, group(WEB, captured_at=NOON), group(DB, rule(), captured_at=NOON + STEP))).changes
    assert change.before is None
    assert change.after < NOON - timedelta(hours=24)


def test_the_picture_does_not_go_back_in_time(book: Book) -> None:
    """EC2 may no longer be asked, and AWS Config still shows what was before: that is no change."""
    book.take(reading(NOON, group(WEB, rule()), group(DB, rule(5432))))
    merged = book.take(config(NOON + STEP, group(WEB, captured_at=NOON - STEP)))
    assert merged.changes == []
    assert {found.group_id: found.rules for found in merged.standing.groups or ()}[WEB] == (rule(),)
    (change,) = book.take(config(NOON + 2 * STEP, group(WEB, captured_at=NOON + STEP))).changes
    assert (change.before, change.rules) == ((rule(),), ())


def test_ids_that_come_or_go_with_the_source_are_no_change(book: Book) -> None:
    """AWS Config knows no rule ids."""
    book.take(config(NOON, group(WEB, rule(rule_id=None), captured_at=NOON)))
    assert book.take(reading(NOON + STEP, group(WEB, rule()))).changes == []


def listed(*cidrs: str, version: int = 1, owner: str = ACCOUNT) -> PrefixList:
    return PrefixList(LIST, "offices", version, tuple((cidr, "") for cidr in cidrs), owner)


def test_a_list_that_is_named_for_the_first_time_is_no_change(book: Book) -> None:
    """Only lists that rules name are read."""
    book.take(reading(NOON))
    merged = book.take(reading(NOON + STEP, prefix_lists=(listed("192.0.2.0/24"),)))
    assert (merged.changes, merged.new_lists) == ([], [listed("192.0.2.0/24")])


@pytest.mark.parametrize(("owner", "owned"), [(ACCOUNT, True), ("AWS", False), ("444455556666", False)])
def test_a_list_that_is_edited_changes_like_a_group(book: Book, owner: str, owned: bool) -> None:
    """Its entries are rules that have a peer alone; who shares it edits it elsewhere."""
    book.take(reading(NOON, prefix_lists=(listed("192.0.2.0/24", owner=owner),)))
    (change,) = book.take(reading(NOON + STEP, prefix_lists=(listed("192.0.2.0/24", "2001:db8::/32", version=2, owner=owner),))).changes
    assert (change.kind, change.owned) == (PREFIX_LIST, owned)
    assert {(found.peer_type, found.peer) for found in change.rules or ()} == {
        (PeerType.IPV4, "192.0.2.0/24"),
        (PeerType.IPV6, "2001:db8::/32"),
    }
    assert book.take(reading(NOON + 2 * STEP)).changes == [], "a list that no rule names any more is not read, which is no change"


def test_a_picture_is_read_back_as_it_was_written() -> None:
    """Times, enums and all."""
    picture = Picture(Origin.AWS_CONFIG, {Part.GROUPS: NOON}, {Part.GROUPS: NOON}, ((GROUP, WEB),), 3)
    assert decode(encode(picture), Picture) == picture
