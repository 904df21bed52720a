"""Values to bytes and back: ids, times, what an event changed, and blocks of events compressed together."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from exporter.errors import StoreError
from exporter.model import ChangeEvent, Direction, PeerType, Resource, Rule, RuleAction, RuleChange

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BLOCK = 16
"""Events compressed together: more of them pack a little better, and cost a search that needs one of them more."""

LEVEL = 6

LIVE, CONTENT_KNOWN, ADDENDUM = 1, 2, 4
"""The bits of `events.flags`; ADDENDUM: the details are those of a superseding record."""

_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000
_HASHED = "hash:"
_LENGTHS = struct.Struct("<II")


def to_microseconds(time: datetime) -> int:
    """Return microseconds since 1970 UTC; raise StoreError for a time without a zone."""
    if time.tzinfo is None:
        raise StoreError(f"a time without a zone cannot be stored: {time!r}")
    return (time - EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """Return the aware UTC time that `to_microseconds` stored."""
    return EPOCH + timedelta(microseconds=value)


def floor_to_second(microseconds: int) -> int:
    """Return the beginning of the second; CloudTrail tells event times in whole seconds."""
    return microseconds // _SECOND * _SECOND


def event_key(event_id: str) -> bytes:
    """Return the 16 bytes of a UUID, or `h` and the 16 bytes of a `hash:` id; raise StoreError for any other form."""
    hashed = event_id.startswith(_HASHED)
    digits = event_id[len(_HASHED) :] if hashed else event_id
    try:
        key = bytes.fromhex(digits) if hashed else bytes.fromhex(digits.replace("-", ""))
    except ValueError:
        key = b""
    if hashed:
        key = b"h" + key
    if not key or event_id_text(key) != event_id:
        raise StoreError(f"no event id: {event_id[:80]!r}; it must be a lower-case UUID, or hash: and 32 hexadecimal digits")
    return key


def event_id_text(key: bytes) -> str:
    """Return the event id that `event_key` turned into bytes; the empty text for bytes of any other length."""
    digits = key.hex()
    if len(key) == 16:
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return _HASHED + digits[2:] if len(key) == 17 else ""


def hash_of(text: str) -> int:
    """Return 64 bits that stand for a text in an index, as SQLite's signed integer."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)


@dataclass(frozen=True, slots=True)
class Details:
    """What a superseding record may replace, and what is too unlike from event to event to be a column."""

    security_groups: tuple[str, ...]
    resources: tuple[Resource, ...]
    rule_changes: tuple[RuleChange, ...]
    error_message: str | None
    opened_port_classes: tuple[str, ...]
    shared_event_id: str | None

    def touched(self) -> set[str]:
        """Return what a search by group finds the event under."""
        return {*self.security_groups, *(resource.id for resource in self.resources)}

    def rule_ids(self) -> set[str]:
        """Return the ids of the rules that changed."""
        return {
            rule.rule_id
            for change in self.rule_changes
            for rule in (change.rule, change.before)
            if rule is not None and rule.rule_id is not None
        }


def details_of(event: ChangeEvent) -> Details:
    """Return the details of an event."""
    return Details(
        event.security_groups, event.resources, event.rule_changes, event.error_message, event.opened_port_classes, event.shared_event_id
    )


def encode_details(details: Details) -> bytes:
    """Return details as JSON in ASCII: large numbers, NUL and lone surrogates come back as they were."""
    rules = [[change.action, _rule_row(change.rule), change.before and _rule_row(change.before)] for change in details.rule_changes]
    parts = [
        details.security_groups, [(resource.type, resource.id) for resource in details.resources], rules,
        details.error_message, details.opened_port_classes, details.shared_event_id,
    ]  # fmt: skip
    try:
        return json.dumps(parts, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError) as error:
        raise StoreError(f"the details of an event cannot be stored: {error}") from error


def decode_details(body: bytes) -> Details:
    """Return the details that `encode_details` wrote; raise StoreError where they are anything else."""
    try:
        groups, resources, rules, error_message, opened, shared_event_id = json.loads(body)
        return Details(
            tuple(groups),
            tuple(Resource(*resource) for resource in resources),
            tuple(RuleChange(RuleAction(action), _rule(rule), before and _rule(before)) for action, rule, before in rules),
            error_message,
            tuple(opened),
            shared_event_id,
        )
    except (TypeError, ValueError) as error:
        raise StoreError(f"the details of an event cannot be read ({error}): the file is damaged, or a newer version wrote it") from error


def _rule_row(rule: Rule) -> tuple[Any, ...]:
    return (
        rule.direction, rule.rule_id, rule.protocol, rule.from_port, rule.to_port, rule.peer_type, rule.peer, rule.description,
    )  # fmt: skip


def _rule(row: Sequence[Any]) -> Rule:
    direction, rule_id, protocol, from_port, to_port, peer_type, peer, description = row
    return Rule(
        direction and Direction(direction), rule_id, protocol, from_port, to_port, peer_type and PeerType(peer_type), peer, description
    )


def pack(items: Sequence[tuple[bytes, bytes]], dictionary: bytes) -> bytes:
    """Return pairs of details and raw record, compressed: all lengths, all details, all records.

    The details come first, so that reading them alone stops early; the records then repeat much of them.
    """
    compressor = zlib.compressobj(LEVEL, zdict=dictionary)
    head = b"".join(_LENGTHS.pack(len(body), len(raw)) for body, raw in items)
    parts = b"".join((head, *(body for body, _ in items), *(raw for _, raw in items)))
    return compressor.compress(parts) + compressor.flush()


def unpack(block: bytes, count: int, dictionary: bytes, raw: bool) -> list[tuple[bytes, bytes]]:
    """Return the `count` pairs that `pack` compressed; without `raw` the records are empty.

    Raises zlib.error or StoreError where the block is damaged.
    """
    stream = zlib.decompressobj(zdict=dictionary)
    head = stream.decompress(block, _LENGTHS.size * count)
    lengths = list(_LENGTHS.iter_unpack(head)) if len(head) == _LENGTHS.size * count else []
    bodies_end = sum(body for body, _ in lengths)
    data = stream.decompress(stream.unconsumed_tail, bodies_end) if bodies_end and not raw else stream.decompress(stream.unconsumed_tail)
    if not bodies_end or len(data) < bodies_end or (raw and not stream.eof):
        raise StoreError("a block of records is cut short")
    items, body_at, raw_at = [], 0, bodies_end
    for body_length, raw_length in lengths:
        items.append((data[body_at : body_at + body_length], data[raw_at : raw_at + raw_length] if raw else b""))
        body_at += body_length
        raw_at += raw_length
    return items
