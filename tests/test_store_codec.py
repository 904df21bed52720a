"""Ids, times, details and blocks come back as they were."""

from __future__ import annotations

import uuid
import zlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import StoreError
from exporter.model import Direction, PeerType, Resource, Rule, RuleAction, RuleChange
from exporter.store.base import BEGINNING
from exporter.store.codec import (
    BLOCK,
    Details,
    decode_details,
    encode_details,
    event_id_text,
    event_key,
    floor_to_second,
    from_microseconds,
    hash_of,
    pack,
    to_microseconds,
    unpack,
)
from exporter.store.dictionary import TRAIL

texts = st.text(st.characters(), max_size=20)
maybe = st.none() | texts
rules = st.builds(
    Rule,
    direction=st.none() | st.sampled_from(Direction),
    rule_id=maybe,
    protocol=maybe,
    from_port=st.none() | st.integers(-(2**70), 2**70),
    to_port=st.none() | st.integers(),
    peer_type=st.none() | st.sampled_from(PeerType),
    peer=maybe,
    description=maybe,
)
details = st.builds(
    Details,
    security_groups=st.lists(texts, max_size=3).map(tuple),
    resources=st.lists(st.builds(Resource, texts, texts), max_size=3).map(tuple),
    rule_changes=st.lists(st.builds(RuleChange, st.sampled_from(RuleAction), rules, st.none() | rules), max_size=3).map(tuple),
    error_message=maybe,
    opened_port_classes=st.lists(texts, max_size=3).map(tuple),
    shared_event_id=maybe,
)


@given(st.uuids())
def test_a_uuid_is_16_bytes_and_comes_back(identity: uuid.UUID) -> None:
    """An id that came back otherwise would break the link of every alert."""
    assert event_key(str(identity)) == identity.bytes
    assert event_id_text(event_key(str(identity))) == str(identity)


@given(st.binary(min_size=16, max_size=16))
def test_a_hash_never_meets_the_uuid_of_the_same_bytes(digest: bytes) -> None:
    """Without the mark, a record made to collide with another's hash would pass for a duplicate."""
    hashed = f"hash:{digest.hex()}"
    assert event_id_text(event_key(hashed)) == hashed
    assert event_key(hashed) != event_key(str(uuid.UUID(bytes=digest)))


@pytest.mark.parametrize(
    "identity",
    [
        "",
        "hash:",
        "x" * 36,
        "0" * 32,
        "hash:" + "0" * 31,
        "hash:" + "G" * 32,
        str(uuid.UUID(int=10**37)).upper(),
        "00 " + "0" * 33,
        "\0" * 16,
    ],
)
def test_any_other_id_is_refused(identity: str) -> None:
    """Two spellings of one id would count an event twice."""
    with pytest.raises(StoreError, match="no event id"):
        event_key(identity)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))])) | st.just(BEGINNING))
def test_a_time_keeps_its_microseconds(moment: datetime) -> None:
    """A float would round times, and the order of events with them."""
    if moment.tzinfo is not UTC and (moment.year in (1, 9999)):
        return
    assert from_microseconds(to_microseconds(moment)) == moment
    assert from_microseconds(floor_to_second(to_microseconds(moment))) == moment.replace(microsecond=0)


def test_a_time_without_a_zone_is_refused() -> None:
    """It would be taken for UTC or for local time, and one of the two is wrong."""
    with pytest.raises(StoreError, match="without a zone"):
        to_microseconds(datetime(2026, 1, 31))  # noqa: DTZ001 - the fault under test


@given(details)
def test_details_come_back_as_they_were(value: Details) -> None:
    """History shows exactly which rule changed; NUL, huge numbers and odd characters included."""
    assert decode_details(encode_details(value)) == value


def test_details_that_json_cannot_hold_are_an_error_of_the_store() -> None:
    """Any other exception would escape the poll as a fault without a name."""
    with pytest.raises(StoreError, match="cannot be stored"):
        encode_details(Details((b"sg-1",), (), (), None, (), None))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[1,2]", b'[[],[],[["painted",[null,null,null,null,null,null,null,null],null]],null,[],null]']
)
def test_damaged_details_are_an_error_of_the_store(body: bytes) -> None:
    """A half-read event must not be shown as history."""
    with pytest.raises(StoreError, match="cannot be read"):
        decode_details(body)


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=50), st.binary(max_size=200)), min_size=1, max_size=BLOCK))
def test_a_block_gives_back_each_pair_and_the_details_alone(items: list[tuple[bytes, bytes]]) -> None:
    """Lengths off by one would give an event the record of its neighbour."""
    block = pack(items, TRAIL)
    assert unpack(block, len(items), TRAIL, raw=True) == items
    assert unpack(block, len(items), TRAIL, raw=False) == [(body, b"") for body, _ in items]


def test_a_block_cut_short_is_noticed() -> None:
    """Silent truncation would show an event with half its record."""
    block = pack([(b"details", b"record" * 50)], TRAIL)
    for length in range(len(block)):
        with pytest.raises((StoreError, zlib.error)):
            unpack(block[:length], 1, TRAIL, raw=True)


def test_records_repeat_so_much_that_they_shrink_to_a_fifth() -> None:
    """The dictionary and the blocks are there for size: half of it lost would go unseen otherwise."""
    record = (
        b'{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE%04d:alice","arn":"arn:aws:sts::111122223333:'
        b'assumed-role/Deploy/alice","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE%04d"},"eventTime":"2026-01-31T11:00:00Z",'
        b'"eventSource":"ec2.amazonaws.com","eventName":"AuthorizeSecurityGroupIngress","awsRegion":"us-east-1","sourceIPAddress":"198.51.100.%d",'
        b'"userAgent":"aws-cli/2.15.30","requestParameters":{"groupId":"sg-0123456789abc%04d","ipPermissions":{"items":[{"ipProtocol":"tcp",'
        b'"fromPort":%d,"toPort":443,"groups":{},"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]}}]}},"eventID":"%s","readOnly":false}'
    )
    raws = [record % (n, n * 7, n, n * 3, n, str(uuid.uuid5(uuid.NAMESPACE_DNS, str(n))).encode()) for n in range(BLOCK)]
    alone = len(pack([(b"[]", raws[0])], TRAIL))
    together = len(pack([(b"[]", raw) for raw in raws], TRAIL))
    assert alone < len(raws[0]) / 4
    assert together < sum(map(len, raws)) / 8


def test_a_hash_is_a_signed_64_bit_number_even_of_a_lone_surrogate() -> None:
    """SQLite's integers are signed; an overflow would stop the batch."""
    assert all(-(2**63) <= hash_of(text) < 2**63 for text in ("", "sg-1", "\ud800", "\0"))
    assert hash_of("sg-1") != hash_of("sg-2")
