"""What stands in each unit: documents and the number that tells whether another has changed them meanwhile."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.errors import StoreError
from exporter.model import Unit
from exporter.store.base import DocumentKey, PostureChange, PostureState, digest_of
from exporter.store.database import Connection
from exporter.store.gauges import NO_SAMPLES, show

_STATE = "SELECT unit, sequence, joined, forgotten, samples FROM posture WHERE account_id = ? AND region = ?"
_DIGESTS = "SELECT kind, id, digest FROM documents WHERE unit = ?"
_BODIES = "SELECT d.id, d.digest, b.body FROM documents d CROSS JOIN bodies b ON b.id = d.body WHERE d.unit = ? AND d.kind = ?"
_BODY = f"{_BODIES} AND d.id = ?"
_DOCUMENT = "SELECT digest, body FROM documents WHERE unit = ? AND kind = ? AND id = ?"
_INSERT_UNIT = """INSERT INTO posture (account_id, region, sequence, joined, forgotten, revision, samples) VALUES (?, ?, 0, 0, 1, 0, ?)
    RETURNING unit"""
_ADVANCE = "UPDATE posture SET sequence = sequence + 1, joined = ?, forgotten = 0 WHERE unit = ?"
_FORGET = "UPDATE posture SET sequence = sequence + 1, joined = 0, forgotten = 1 WHERE unit = ?"
_INSERT_BODY = "INSERT INTO bodies (body) VALUES (?) RETURNING id"
_INSERT_DOCUMENT = "INSERT INTO documents (unit, kind, id, digest, body) VALUES (?, ?, ?, ?, ?)"
_DELETE_DOCUMENT = "DELETE FROM documents WHERE unit = ? AND kind = ? AND id = ?"
_DELETE_BODIES = "DELETE FROM bodies WHERE id IN (SELECT body FROM documents WHERE unit = ?)"
_UNITS = "SELECT account_id, region FROM posture WHERE forgotten = 0"

_PLAIN, _PACKED = b"-", b"z"
"""First byte of a stored body: as it is, or compressed."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The row of a unit; `sequence` is 0 while nothing is kept of it."""

    unit: int
    sequence: int
    joined: int
    samples: bytes


@dataclass(frozen=True, slots=True)
class PackedDocument:
    """A document as it is stored."""

    digest: bytes
    body: bytes


def check(change: PostureChange) -> None:
    """Raise StoreError for what no file can hold as text."""
    for text in (change.account_id, change.region, change.source, *(text for key in change.documents for text in key)):
        if not _is_text(text):
            where = f"{change.account_id!r:.20} {change.region!r:.40}"
            raise StoreError(f"{text!r:.100}, of what stands in {where}, cannot be stored; this is a fault of the exporter")


def _is_text(text: str) -> bool:
    """Return whether SQLite takes a text: UTF-8 has no lone surrogates."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def find(connection: Connection, account_id: str, region: str) -> Standing | None:
    """Return the row of a unit, None where it was never read."""
    row = connection.execute(_STATE, (account_id, region)).fetchone()
    if row is None:
        return None
    unit, sequence, joined, forgotten, samples = row
    return Standing(unit, 0 if forgotten else sequence, joined, samples)


def sequence_of(known: Standing | None) -> int:
    """Return the sequence of a unit, 0 while nothing is kept of it."""
    return known.sequence if known else 0


def state(connection: Connection, account_id: str, region: str) -> PostureState:
    """Return what is kept of a unit, without the bodies."""
    known = find(connection, account_id, region)
    if known is None:
        return PostureState()
    digests = {(kind, id_): bytes(digest) for kind, id_, digest in connection.execute(_DIGESTS, (known.unit,))}
    return PostureState(known.sequence, known.joined, digests)


def documents(
    connection: Connection, account_id: str, region: str, kind: str, ids: Iterable[str] | None
) -> dict[str, bytes]:  # fmt: skip
    """Return bodies by id. Raises StoreError where one is not what was stored."""
    known = find(connection, account_id, region)
    if known is None:
        return {}
    if ids is None:
        rows = connection.execute(_BODIES, (known.unit, kind)).fetchall()
    else:
        rows = [row for id_ in dict.fromkeys(ids) if _is_text(id_) for row in connection.execute(_BODY, (known.unit, kind, id_))]
    return {id_: _unpack(kind, id_, digest, body) for id_, digest, body in rows}


def enter(connection: Connection, account_id: str, region: str, joined: int) -> int:
    """Give a unit its next sequence; return its number."""
    known = find(connection, account_id, region)
    unit = known.unit if known else int(connection.execute(_INSERT_UNIT, (account_id, region, NO_SAMPLES)).fetchone()[0])
    connection.execute(_ADVANCE, (joined, unit))
    return unit


def pack_changed(
    connection: Connection, unit: int | None, documents: Mapping[DocumentKey, bytes | None]
) -> dict[DocumentKey, PackedDocument | None]:
    """Return those documents that are another than what is stored, ready to be written; None for those that are to be forgotten."""
    changed: dict[DocumentKey, PackedDocument | None] = {}
    for (kind, id_), body in documents.items():
        row = None if unit is None else connection.execute(_DOCUMENT, (unit, kind, id_)).fetchone()
        if body is None:
            if row is not None:
                changed[kind, id_] = None
            continue
        digest = digest_of(body)
        if row is None or row[0] != digest:
            changed[kind, id_] = PackedDocument(digest, _pack(body))
    return changed


def write_documents(connection: Connection, unit: int, changed: Mapping[DocumentKey, PackedDocument | None]) -> None:
    """Store what `pack_changed` found."""
    for (kind, id_), document in changed.items():
        row = connection.execute(_DOCUMENT, (unit, kind, id_)).fetchone()
        if row is not None:
            connection.execute("DELETE FROM bodies WHERE id = ?", (row[1],))
            connection.execute(_DELETE_DOCUMENT, (unit, kind, id_))
        if document is not None:
            number = connection.execute(_INSERT_BODY, (document.body,)).fetchone()[0]
            connection.execute(_INSERT_DOCUMENT, (unit, kind, id_, document.digest, number))


def forget(connection: Connection, units: Iterable[Unit], revision: int) -> None:
    """Forget what is kept of units; their gauges are gone as of a revision."""
    for unit in units:
        known = find(connection, unit.account_id, unit.region)
        if known is None or not known.sequence:
            continue
        connection.execute(_DELETE_BODIES, (known.unit,))
        connection.execute("DELETE FROM documents WHERE unit = ?", (known.unit,))
        connection.execute(_FORGET, (known.unit,))
        if known.samples != NO_SAMPLES:
            show(connection, known.unit, NO_SAMPLES, revision)


def units(connection: Connection) -> frozenset[Unit]:
    """Return the units of which anything is kept."""
    return frozenset(Unit(*row) for row in connection.execute(_UNITS))


def _pack(body: bytes) -> bytes:
    packed = zlib.compress(body, 1)
    return _PACKED + packed if len(packed) < len(body) else _PLAIN + body


def _unpack(kind: str, id_: str, digest: bytes, stored: bytes) -> bytes:
    try:
        body = zlib.decompress(stored[1:]) if stored[:1] == _PACKED else stored[1:]
    except zlib.error as error:
        raise StoreError(f"the document {kind} {id_} is damaged ({error}); restore a copy of the file") from error
    if digest_of(body) != digest:
        raise StoreError(f"the document {kind} {id_} is another than was stored: the file is damaged; restore a copy")
    return body
