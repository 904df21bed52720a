"""What makes a record itself: its event id, and a fingerprint of the call to tell a duplicate from a conflict."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from exporter.parse.dialect import lowered, text

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_IDENTIFYING = (
    "eventsource",
    "eventname",
    "eventtime",
    "awsregion",
    "recipientaccountid",
    "useridentity",
    "errorcode",
    "requestparameters",
    "responseelements",
)


def event_id(record: Mapping[str, Any], top: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the id of a record, and whether it supersedes what is stored under that id.

    A UUID in lower case, or `hash:` and 32 hex digits of the whole record where it has none. `addendum` with
    reason UPDATED_DATA has an eventID of its own and names the original's (CloudTrail record contents); then
    the original's id is the identity. `top` is the record with lower-case keys.
    """
    addendum = lowered(top.get("addendum"))
    if addendum.get("reason") == "UPDATED_DATA":
        original = _uuid(addendum.get("originaleventid"))
        if original is not None:
            return original, True
    own = _uuid(top.get("eventid"))
    if own is not None:
        return own, False
    return "hash:" + _digest(dict(record)).hex(), False


def fingerprint(top: Mapping[str, Any]) -> bytes:
    """Return 16 bytes that are the same whichever road brought the record, missing and null fields alike."""
    return _digest([top.get(name) for name in _IDENTIFYING])


def shared_event_id(top: Mapping[str, Any]) -> str | None:
    """Return the id that records of one action in several accounts have in common."""
    return text(top.get("sharedeventid"), 64)


def _uuid(value: object) -> str | None:
    if isinstance(value, str) and _UUID.fullmatch(value):
        return value.lower()
    return None


def _digest(value: object) -> bytes:
    try:
        return blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
    except (orjson.JSONEncodeError, RecursionError):
        # orjson writes no integer over 64 bits, no lone surrogate and no nesting over 254 levels.
        digest = blake2b(digest_size=16)
        for part in _canonical(value):
            digest.update(part)
        return digest.digest()


def _canonical(value: object) -> Iterator[bytes]:
    """Yield a canonical spelling of any JSON value, piece by piece, however deep it is nested."""
    stack: list[tuple[bool, object]] = [(False, value)]
    while stack:
        literal, node = stack.pop()
        if literal:
            yield node if isinstance(node, bytes) else b""
        elif isinstance(node, str):
            yield b'"%d:' % len(node)
            yield node.encode("utf-8", "surrogatepass")
        elif isinstance(node, bool) or node is None:
            yield repr(node).encode()
        elif isinstance(node, int):
            # Hexadecimal, since Python refuses decimals of over 4300 digits.
            yield b"i%x;" % node
        elif isinstance(node, Mapping):
            stack.append((True, b"}"))
            for key in sorted(node, reverse=True):
                stack += ((False, node[key]), (False, key))
            yield b"{"
        elif isinstance(node, list | tuple):
            stack.append((True, b"]"))
            stack.extend((False, inner) for inner in reversed(node))
            yield b"["
        else:
            yield repr(node).encode("utf-8", "backslashreplace") + b";"
