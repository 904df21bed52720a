"""Details kept beside those that an event shows: what its last record told, and what it counts with, where these differ."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from exporter.errors import StoreError
from exporter.model import Resource
from exporter.posture.ports import PORT_CLASSES
from exporter.store.codec import Details, decode_details, encode_details
from exporter.store.database import Connection

_FIND = "SELECT recorded, added, counted FROM kept_details WHERE event = ?"
_KEEP = """INSERT INTO kept_details (event, recorded, added, counted) VALUES (?, ?, ?, ?) ON CONFLICT (event)
    DO UPDATE SET recorded = excluded.recorded, added = excluded.added, counted = excluded.counted"""
_NEXT_NUMBER = """SELECT coalesce(max(number), 0) + 1
    FROM (SELECT (SELECT max(id) FROM seen) AS number UNION ALL SELECT (SELECT max(number) FROM revised)) numbers"""
_REVISE = "INSERT INTO revised (number, event) VALUES (?, ?)"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of an event beside the details that it shows; None where it is nothing else.

    `recorded` is what the last record of an amended event told, `added` has the groups and opened classes of all its amendments.
    `counted` has the groups and opened classes that it has counted with (a past event: counts with if it comes alive), where an
    addendum has replaced them since.
    """

    recorded: Details | None = None
    added: Details | None = None
    counted: Details | None = None


def load_kept(connection: Connection, number: int) -> Kept:
    """Return what is kept of an event. Raises StoreError for damage."""
    row = connection.execute(_FIND, (number,)).fetchone()
    return Kept() if row is None else Kept(*(None if body is None else _inflate(body) for body in row))


def keep(connection: Connection, number: int, kept: Kept) -> None:
    """Keep this of an event."""
    connection.execute(_KEEP, (number, *(_deflate(details) for details in (kept.recorded, kept.added, kept.counted))))


def next_number(connection: Connection) -> int:
    """Return the number that the next event or revision gets: greater than any that was ever given."""
    return int(connection.execute(_NEXT_NUMBER).fetchone()[0])


def revise(connection: Connection, event: int) -> None:
    """Note that a stored event is another than it was, for those who looked at it already."""
    connection.execute(_REVISE, (next_number(connection), event))


def together(first: Details, groups: Iterable[str], opened: Iterable[str]) -> Details:
    """Return details with those groups and opened classes that they do not have yet."""
    more_groups = [group for group in groups if group not in first.security_groups]
    more_opened = [name for name in opened if name not in first.opened_port_classes]
    if not more_groups and not more_opened:
        return first
    return replace(
        first,
        security_groups=(*first.security_groups, *more_groups),
        opened_port_classes=in_order((*first.opened_port_classes, *more_opened)),
    )


def with_groups(details: Details, groups: Iterable[str], opened: Iterable[str]) -> Details:
    """Return details with further groups, as resources too, and opened classes."""
    groups = tuple(dict.fromkeys(groups))
    resources = [Resource("AWS::EC2::SecurityGroup", group) for group in groups]
    fuller = together(details, groups, dict.fromkeys(opened))
    return replace(fuller, resources=(*details.resources, *(found for found in resources if found not in details.resources)))


def amended_anew(shown: Details, kept: Kept, details: Details) -> Details:
    """Return the details of a new record of an event with what amendments had added to those before it.

    Groups and opened classes stay. The rule changes do where the new record tells the same as the old one; else they are the
    record's, until the next amendment.
    """
    if kept.recorded is None or kept.added is None:
        return details
    fuller = with_groups(details, kept.added.security_groups, kept.added.opened_port_classes)
    same = details.rule_changes == kept.recorded.rule_changes
    return replace(fuller, rule_changes=shown.rule_changes) if same else fuller


def in_order(opened: Iterable[str]) -> tuple[str, ...]:
    """Return port classes in the order of PORT_CLASSES, others after them as they came."""
    place = {name: at for at, name in enumerate(PORT_CLASSES)}
    return tuple(sorted(opened, key=lambda name: place.get(name, len(place))))


NOTHING = Details((), (), (), None, (), None)
"""No details at all."""


def _deflate(details: Details | None) -> bytes | None:
    return None if details is None else zlib.compress(encode_details(details))


def _inflate(body: bytes) -> Details:
    try:
        return decode_details(zlib.decompress(body))
    except zlib.error as error:
        raise StoreError(f"the details of an event cannot be read ({error}): the file is damaged; restore a copy") from error
