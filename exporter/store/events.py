"""Numbers of stored events to HistoryEvents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from exporter.errors import StoreError
from exporter.model import ChangeEvent, Channel, Outcome, Principal, PrincipalType
from exporter.store.at_once import all_rows, text_of
from exporter.store.base import HistoryEvent
from exporter.store.blocks import Blocks
from exporter.store.codec import ADDENDUM, CONTENT_KNOWN, LIVE, decode_details, event_id_text, from_microseconds
from exporter.store.database import Connection
from exporter.store.dimensions import NONE

_ROWS = """SELECT e.id, e.event_time, e.recorded_at, e.flags, hex(s.event_id), hex(s.fingerprint),
        u.account_id, u.region, c.event_source, c.event_name, c.watch_set, e.outcome, e.channel, e.error_code,
        p.type, p.name, p.arn, p.session, p.account_id, e.source_ip, e.user_agent, p.invoked_by, e.sources
    FROM json_each(?) wanted CROSS JOIN events e ON e.id = wanted.value CROSS JOIN seen s ON s.id = e.id
        CROSS JOIN units u ON u.id = e.unit CROSS JOIN calls c ON c.id = e.call CROSS JOIN principals p ON p.id = e.principal"""
_TOGETHER = 1000
_STRINGS = "SELECT id, hex(text) FROM strings WHERE id IN (SELECT value FROM json_each(?))"
_COLUMNS, _FIRST_STRING = 23, 6
"""How many columns `_ROWS` has, and that from which on all are numbers of strings."""


def load(connection: Connection, blocks: Blocks, ids: Sequence[int], raw: bool) -> list[HistoryEvent]:
    """Return the events of these numbers, in that order. Raises StoreError."""
    parts = (ids[at : at + _TOGETHER] for at in range(0, len(ids), _TOGETHER))
    return [found for part in parts for found in _load(connection, blocks, part, raw)]


def _load(connection: Connection, blocks: Blocks, ids: Sequence[int], raw: bool) -> list[HistoryEvent]:
    rows = {row[0]: row for row in all_rows(connection, _ROWS, _COLUMNS, (json.dumps(list(ids)),))}
    numbers = {number for row in rows.values() for number in row[_FIRST_STRING:]}
    texts: dict[int, Any] = {
        number: text_of(digits) for number, digits in all_rows(connection, _STRINGS, 2, (json.dumps(sorted(numbers)),))
    }
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
        event_id=event_id_text(bytes.fromhex(key)), event_time=from_microseconds(event_time), account_id=account_id, region=region,
        event_source=event_source, event_name=event_name, outcome=Outcome(outcome), channel=Channel(channel),
        principal=Principal(PrincipalType(type_), name, arn, session, principal_account, source_ip, user_agent, invoked_by),
        error_code=error_code, error_message=details.error_message, security_groups=details.security_groups,
        resources=details.resources, rule_changes=details.rule_changes, content_known=bool(flags & CONTENT_KNOWN), watch_set=watch_set,
        opened_port_classes=details.opened_port_classes, shared_event_id=details.shared_event_id,
        supersedes=bool(flags & ADDENDUM), fingerprint=bytes.fromhex(fingerprint), raw=raw,
    )  # fmt: skip
    return HistoryEvent(event, from_microseconds(recorded_at), bool(flags & LIVE), tuple(json.loads(sources)))
