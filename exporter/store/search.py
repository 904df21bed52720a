"""Search: a Query to the numbers of the events that match, and those to HistoryEvents."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from exporter.errors import StoreError
from exporter.model import ChangeEvent, Channel, Outcome, Principal, PrincipalType
from exporter.store.base import HistoryEvent, Query
from exporter.store.blocks import Blocks
from exporter.store.codec import (
    ADDENDUM,
    CONTENT_KNOWN,
    LIVE,
    decode_details,
    event_id_text,
    event_key,
    from_microseconds,
    hash_of,
    to_microseconds,
)
from exporter.store.dimensions import NONE, find

_GREATEST = 2**63 - 1

# The one-group form walks the index (string, event_time, event) backwards and stops at the limit.
_FROM_GROUP = "SELECT e.id FROM touched t CROSS JOIN events e ON e.id = t.event WHERE t.string = ?"
_NEWEST_OF_GROUP = "ORDER BY t.event_time DESC, t.event DESC LIMIT ? OFFSET ?"
_FROM_EVENTS = "SELECT e.id FROM events e WHERE 1"
_NEWEST = "ORDER BY e.event_time DESC, e.id DESC LIMIT ? OFFSET ?"
_IN_GROUPS = "e.id IN (SELECT event FROM touched WHERE string IN (SELECT value FROM json_each(?)))"
_IN_RULES = "e.id IN (SELECT event FROM touched_rules WHERE hash IN (SELECT value FROM json_each(?)))"
_IN = {
    "event": "e.id IN (SELECT value FROM json_each(?))",
    "unit": "e.unit IN (SELECT value FROM json_each(?))",
    "call": "e.call IN (SELECT value FROM json_each(?))",
    "principal": "e.principal IN (SELECT value FROM json_each(?))",
    "outcome": "e.outcome IN (SELECT value FROM json_each(?))",
}
_TIMES = {
    ("e", "since"): "e.event_time >= ?",
    ("e", "until"): "e.event_time < ?",
    ("t", "since"): "t.event_time >= ?",
    ("t", "until"): "t.event_time < ?",
}

_SEEN = "SELECT id FROM seen WHERE event_id = ?"
_UNITS = "SELECT u.id, a.text, r.text FROM units u JOIN strings a ON a.id = u.account_id JOIN strings r ON r.id = u.region"
_CALLS = "SELECT c.id, n.text FROM calls c JOIN strings n ON n.id = c.event_name"
_PRINCIPAL_TEXTS = """SELECT id, text FROM strings
    WHERE id IN (SELECT name FROM principals UNION SELECT session FROM principals UNION SELECT arn FROM principals)"""
_PRINCIPALS = """SELECT id FROM principals WHERE name IN (SELECT value FROM json_each(?)) OR session IN (SELECT value FROM json_each(?))
    OR arn IN (SELECT value FROM json_each(?))"""
_ROWS = """SELECT e.id, e.event_time, e.recorded_at, e.flags, s.event_id, s.fingerprint,
        u.account_id, u.region, c.event_source, c.event_name, c.watch_set, e.outcome, e.channel, e.error_code,
        p.type, p.name, p.arn, p.session, p.account_id, e.source_ip, e.user_agent, p.invoked_by, e.sources
    FROM json_each(?) wanted CROSS JOIN events e ON e.id = wanted.value CROSS JOIN seen s ON s.id = e.id
        CROSS JOIN units u ON u.id = e.unit CROSS JOIN calls c ON c.id = e.call CROSS JOIN principals p ON p.id = e.principal"""
_STRINGS = "SELECT id, text FROM strings WHERE id IN (SELECT value FROM json_each(?))"
_FIRST_STRING = 6
"""Column of `_ROWS` from which on all are numbers of strings."""


def glob(pattern: str) -> Callable[[str], bool]:
    """Return a test of whole texts against a pattern in which `*` stands for any run of characters.

    Takes time in proportion to the text however many stars there are, unlike GLOB and regular expressions;
    and unlike GLOB it does not stop at a NUL. Nothing but `*` is special.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return lambda text: text == pattern
    *middle, last = rest

    def matches(text: str) -> bool:
        if not text.startswith(first):
            return False
        at = len(first)
        for part in middle:
            found = text.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return len(text) - at >= len(last) and text.endswith(last)

    return matches


def search(connection: sqlite3.Connection, blocks: Blocks, query: Query) -> list[HistoryEvent]:
    """Return the events that match, newest first, those of one time in the order of storing backwards. Raises StoreError."""
    selection = _selection(connection, query)
    if selection is None:
        return []
    ids = [row[0] for row in connection.execute(*selection)]
    return load(connection, blocks, ids, query.raw)


def _selection(connection: sqlite3.Connection, query: Query) -> tuple[str, list[object]] | None:
    """Return statement and parameters, put together from fixed parts; None where some filter can match nothing."""
    groups = [number for text in query.security_groups if (number := find(connection, text)) is not None]
    one_group = len(set(groups)) == 1
    parts = [_FROM_GROUP if one_group else _FROM_EVENTS]
    values: list[object] = [groups[0]] if one_group else []
    filters: list[tuple[str, bool, Sequence[int]]] = [
        (_IN["event"], bool(query.event_ids), _events(connection, query.event_ids)),
        (_IN_RULES, bool(query.rule_ids), [hash_of(rule) for rule in query.rule_ids]),
        (_IN["unit"], bool(query.accounts or query.regions), _units(connection, query)),
        (_IN["call"], bool(query.event_names), _calls(connection, query.event_names)),
        (_IN["principal"], bool(query.principals), _principals(connection, query.principals)),
        (_IN["outcome"], bool(query.outcomes), [number for text in query.outcomes if (number := find(connection, text)) is not None]),
    ]
    if not one_group:
        filters.insert(0, (_IN_GROUPS, bool(query.security_groups), groups))
    for name, bound in (("since", query.since), ("until", query.until)):
        if bound is not None:
            parts.append(_TIMES["t" if one_group else "e", name])
            values.append(to_microseconds(bound))
    for condition, given, numbers in filters:
        if given and not numbers:
            return None
        if given:
            parts.append(condition)
            values.append(json.dumps(numbers))
    values += [min(max(query.limit, 0), _GREATEST), min(max(query.offset, 0), _GREATEST)]
    return " AND ".join(parts) + " " + (_NEWEST_OF_GROUP if one_group else _NEWEST), values


def _events(connection: sqlite3.Connection, event_ids: Iterable[str]) -> list[int]:
    numbers = []
    for event_id in event_ids:
        try:
            numbers += [row[0] for row in connection.execute(_SEEN, (event_key(event_id),))]
        except StoreError:  # not the form of an id, so no event has it
            continue
    return numbers


def _units(connection: sqlite3.Connection, query: Query) -> list[int]:
    if not (query.accounts or query.regions):
        return []
    return [
        number
        for number, account, region in connection.execute(_UNITS)
        if (not query.accounts or account in query.accounts) and (not query.regions or region in query.regions)
    ]


def _calls(connection: sqlite3.Connection, patterns: Iterable[str]) -> list[int]:
    tests = [glob(pattern) for pattern in patterns]
    return [number for number, name in connection.execute(_CALLS) if any(test(name) for test in tests)] if tests else []


def _principals(connection: sqlite3.Connection, patterns: Sequence[str]) -> list[int]:
    texts = [number for pattern in patterns if "*" not in pattern and (number := find(connection, pattern)) is not None]
    tests = [glob(pattern) for pattern in patterns if "*" in pattern]
    if tests:
        texts += [number for number, text in connection.execute(_PRINCIPAL_TEXTS) if any(test(text) for test in tests)]
    return [row[0] for row in connection.execute(_PRINCIPALS, (json.dumps(texts),) * 3)] if texts else []


def load(connection: sqlite3.Connection, blocks: Blocks, ids: Sequence[int], raw: bool) -> list[HistoryEvent]:
    """Return the events of these numbers, in that order. Raises StoreError."""
    rows = {row[0]: row for row in connection.execute(_ROWS, (json.dumps(list(ids)),))}
    numbers = {number for row in rows.values() for number in row[_FIRST_STRING:]}
    texts: dict[int, Any] = dict(connection.execute(_STRINGS, (json.dumps(sorted(numbers)),)).fetchall())
    texts[NONE] = None
    bodies = blocks.read(connection, ids, raw)
    try:
        return [_history_event(rows[number], texts, *bodies[number]) for number in ids]
    except (KeyError, ValueError, TypeError) as error:
        raise StoreError(f"a stored event cannot be read ({error!r}): the file is damaged, or a newer version wrote it") from error


def _history_event(row: Sequence[Any], texts: dict[int, Any], body: bytes, raw: bytes) -> HistoryEvent:
    _, event_time, recorded_at, flags, key, fingerprint = row[:_FIRST_STRING]
    (
        account_id, region, event_source, event_name, watch_set, outcome, channel, error_code,
        type_, name, arn, session, principal_account, source_ip, user_agent, invoked_by, sources,
    ) = [texts[number] for number in row[_FIRST_STRING:]]  # fmt: skip
    details = decode_details(body)
    event = ChangeEvent(
        event_id=event_id_text(key), event_time=from_microseconds(event_time), account_id=account_id, region=region,
        event_source=event_source, event_name=event_name, outcome=Outcome(outcome), channel=Channel(channel),
        principal=Principal(PrincipalType(type_), name, arn, session, principal_account, source_ip, user_agent, invoked_by),
        error_code=error_code, error_message=details.error_message, security_groups=details.security_groups,
        resources=details.resources, rule_changes=details.rule_changes, content_known=bool(flags & CONTENT_KNOWN), watch_set=watch_set,
        opened_port_classes=details.opened_port_classes, shared_event_id=details.shared_event_id,
        supersedes=bool(flags & ADDENDUM), fingerprint=bytes(fingerprint), raw=raw,
    )  # fmt: skip
    return HistoryEvent(event, from_microseconds(recorded_at), bool(flags & LIVE), tuple(json.loads(sources)))
