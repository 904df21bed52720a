"""Details kept beside those that an event shows: what its last record told, and what it counts with, where these differ."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from exporter.errors import StoreError
from exporter.model import Resource
from exporter.posture.ports import PORT_CLASSES
from exporter.store.codec import Details, decode_details, encode_details

_FIND = "SELECT recorded, counted FROM kept_details WHERE event = ?"
_KEEP = """INSERT INTO kept_details (event, recorded, counted) VALUES (?, ?, ?)
    ON CONFLICT (event) DO UPDATE SET recorded = excluded.recorded, counted = excluded.counted"""
_NEXT_NUMBER = "SELECT max(coalesce((SELECT max(id) FROM seen), 0), coalesce((SELECT max(number) FROM revised), 0)) + 1"
_REVISE = "INSERT INTO revised (number, event) VALUES (?, ?)"


@dataclass(frozen=True, slots=True)
class Kept:
    """What an event shows; what its last record told; and the groups and opened classes that it has counted with.

    A past event counts with them if it comes alive. `apart` says that they were kept beside the shown details.
    """

    shown: Details
    recorded: Details
    counted: Details
    amended: bool
    apart: bool


def load_kept(connection: sqlite3.Connection, number: int, shown: Details) -> Kept:
    """Return what is kept of an event that shows these details. Raises StoreError for damage."""
    row = connection.execute(_FIND, (number,)).fetchone()
    recorded, counted = (None, None) if row is None else row
    return Kept(
        shown,
        shown if recorded is None else _inflate(recorded),
        shown if counted is None else _inflate(counted),
        recorded is not None,
        counted is not None,
    )


def keep(connection: sqlite3.Connection, number: int, recorded: Details | None, counted: Details | None) -> None:
    """Keep details of an event beside those that it shows; None where they are the shown ones."""
    if recorded is not None or counted is not None:
        connection.execute(_KEEP, (number, _deflate(recorded), _deflate(counted)))


def next_number(connection: sqlite3.Connection) -> int:
    """Return the number that the next event or revision gets: greater than any that was ever given."""
    return int(connection.execute(_NEXT_NUMBER).fetchone()[0])


def revise(connection: sqlite3.Connection, event: int) -> None:
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


def amended_anew(kept: Kept, details: Details) -> Details:
    """Return the details of a new record with what amendments had added to the record before it.

    Groups and opened classes stay. The rule changes do where the new record tells the same as the old one; else they are the
    record's, until the next amendment.
    """
    if not kept.amended:
        return details
    groups = [group for group in kept.shown.security_groups if group not in kept.recorded.security_groups]
    opened = [name for name in kept.shown.opened_port_classes if name not in kept.recorded.opened_port_classes]
    fuller = with_groups(details, groups, opened)
    same = details.rule_changes == kept.recorded.rule_changes
    return replace(fuller, rule_changes=kept.shown.rule_changes) if same else fuller


def in_order(opened: Iterable[str]) -> tuple[str, ...]:
    """Return port classes in the order of PORT_CLASSES, others after them as they came."""
    place = {name: at for at, name in enumerate(PORT_CLASSES)}
    return tuple(sorted(opened, key=lambda name: place.get(name, len(place))))


def _deflate(details: Details | None) -> bytes | None:
    return None if details is None else zlib.compress(encode_details(details))


def _inflate(body: bytes) -> Details:
    try:
        return decode_details(zlib.decompress(body))
    except zlib.error as error:
        raise StoreError(f"the details of an event cannot be read ({error}): the file is damaged; restore a copy") from error
