"""Series: what events add to them, the zeros that units and sources are born with, and reading what changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from hashlib import blake2b

from exporter.errors import MALFORMED_REASONS, StoreError
from exporter.families import POSTURE_FAMILIES, RECORD_FAMILIES, RECORDS, RECORDS_READ, SOURCE_FAMILIES, Contribution, Family, Labels
from exporter.model import IGNORED_REASONS, ChangeEvent, Unit
from exporter.store.base import SeriesChanges, SeriesRow
from exporter.store.codec import Details, event_id_text
from exporter.store.database import Connection
from exporter.store.dimensions import Dimensions, find

GREATEST = float(2**53)
"""Beyond it a double no longer counts by ones."""

STORED, DUPLICATE, IGNORED, MALFORMED = "stored", "duplicate", "ignored", "malformed"
CONFLICT, SUPERSEDED = "conflict", "superseded"
FATES: tuple[tuple[str, str], ...] = (
    (STORED, ""),
    *((DUPLICATE, reason) for reason in ("", CONFLICT, SUPERSEDED)),
    *((IGNORED, reason) for reason in IGNORED_REASONS),
    *((MALFORMED, reason) for reason in MALFORMED_REASONS),
)
"""Every (fate, reason) of a record, all of which exist at 0 from a source's first sight."""

_SOURCE_NAMES = frozenset(family.name for family in SOURCE_FAMILIES)
_POSTURE_NAMES = frozenset(family.name for family in POSTURE_FAMILIES)
_NOT_OF_EVENTS = _SOURCE_NAMES | _POSTURE_NAMES | {family.name for family in RECORD_FAMILIES}
LIVE_EVENT, PAST_EVENT, PROMOTED_EVENT = "live", "past", "promoted"
"""How an event meets the families: counted at once, stored only, or counted after all."""

_REMEMBERED = 100_000
_PROBE = Unit("account", "region")

_FIND = "SELECT id FROM series WHERE family = ? AND labels = ?"
_INSERT = "INSERT INTO series (id, family, labels, value, event_id, event_time, revision) VALUES (?, ?, ?, ?, ?, ?, ?)"
# A series that events set stands at its first zero until one does, which is no value to compare with.
_UPDATE = {
    "add": """UPDATE series SET value = value + ?, event_id = coalesce(?, event_id), event_time = coalesce(?, event_time), revision = ?
        WHERE id = ?""",
    "min": "UPDATE series SET value = ?, event_id = ?, event_time = ?, revision = ? WHERE id = ? AND (event_id IS NULL OR value > ?)",
    "max": """UPDATE series SET value = ?1, event_id = ?2, event_time = ?3, revision = ?4
        WHERE id = ?5 AND ((event_id IS NULL AND ?2 IS NOT NULL) OR value < ?6)""",
}
_COLUMNS = "SELECT s.id, f.text, s.labels, s.value, s.event_id, s.event_time, s.exposed_at FROM series s JOIN strings f ON f.id = s.family"
_ALL = f"{_COLUMNS} ORDER BY s.id"
_OF_FAMILIES = """SELECT s.id, f.text, s.labels, s.value, s.event_id, s.event_time, s.exposed_at
    FROM json_each(?) wanted CROSS JOIN series s ON s.family = wanted.value JOIN strings f ON f.id = s.family
    WHERE s.revision > ? ORDER BY s.id"""
_STRINGS = "SELECT id, text FROM strings WHERE id IN (SELECT value FROM json_each(?))"
_CHANGED = f"{_COLUMNS} WHERE s.revision > ? ORDER BY s.id"


@dataclass(slots=True)
class _Sum:
    """What the events of one transaction come to for one series, and the last of them."""

    amount: float
    event_id: bytes | None
    event_time: int | None


class Tally:
    """What one transaction adds to series, gathered in memory so that each series is written once."""

    def __init__(self, families: Sequence[Family]) -> None:
        of_events = [(index, family) for index, family in enumerate(families) if family.name not in _NOT_OF_EVENTS]
        past = [(index, family) for index, family in of_events if not family.live_only]
        promoted = [(index, family) for index, family in of_events if family.live_only]
        self._families = {LIVE_EVENT: of_events, PAST_EVENT: past, PROMOTED_EVENT: promoted}
        self._all = families
        self._index = {family.name: index for index, family in enumerate(families)}
        self.sums: dict[tuple[int, Labels], _Sum] = {}
        self.zeros: list[tuple[int, Labels]] = []

    def event(self, event: ChangeEvent, key: bytes, event_time: int, recorded_at: datetime, state: str) -> None:
        """Add what every family makes of an event that is LIVE_EVENT, PAST_EVENT or PROMOTED_EVENT.

        Past events meet only families that are not `live_only`, promoted ones, which have met those before, only the others.
        """
        for index, family in self._families[state]:
            for contribution in family.contribute(event, recorded_at):
                self._add(index, family, contribution, key, event_time)

    def supplement(self, event: ChangeEvent, before: Details, key: bytes, event_time: int, recorded_at: datetime, state: str) -> None:
        """Add what a fuller version of an event makes of it and its first version did not; nothing is taken back."""
        first = with_details(event, before)
        for index, family in self._families[state]:
            if family.update == "add":
                counted = {labels for labels, _ in family.contribute(first, recorded_at)}
                for contribution in family.contribute(event, recorded_at):
                    if contribution[0] not in counted:
                        self._add(index, family, contribution, key, event_time)

    def records(self, family: Family, labels: Labels, count: int) -> None:
        """Add a count of records, which has no event to point to."""
        if count:
            self._add(self._index[family.name], family, (labels, count), None, None)

    def source_count(self, name: str, labels: Labels, amount: float) -> None:
        """Add what a source counted beside records; 0 makes the series exist. Raises StoreError for a family that is not of sources."""
        self._count(_SOURCE_NAMES, "a source counts", name, labels, amount)

    def posture_count(self, name: str, labels: Labels, amount: float) -> None:
        """Add what a reading of what stands counted, as `source_count` does. Raises StoreError for any but POSTURE_FAMILIES."""
        self._count(_POSTURE_NAMES, "readings of rules count", name, labels, amount)

    def _count(self, names: frozenset[str], who: str, name: str, labels: Labels, amount: float) -> None:
        if name not in names or name not in self._index:
            raise StoreError(f"{name!r:.100} is no family that {who} into; this is a fault of the exporter")
        index = self._index[name]
        if amount:
            self._add(index, self._all[index], (labels, amount), None, None)
        else:
            self.zeros.append((index, labels))

    def _add(self, index: int, family: Family, contribution: Contribution, key: bytes | None, event_time: int | None) -> None:
        labels, amount = contribution
        # A chained comparison, because it is false for NaN as well.
        if not (0 if family.type == "counter" else -GREATEST) <= amount <= GREATEST:
            raise StoreError(f"{family.name}: {amount!r} cannot be added to a {family.type}; this is a fault of the exporter")
        known = self.sums.get((index, labels))
        if known is None:
            self.sums[index, labels] = _Sum(amount, key, event_time)
        elif family.update == "add":
            known.amount += amount
            known.event_id, known.event_time = key, event_time
        elif (amount < known.amount) if family.update == "min" else (amount > known.amount):
            known.amount, known.event_id, known.event_time = amount, key, event_time


class Book:
    """Writes series. `clear` forgets what may have been rolled back; what another process writes changes no number."""

    def __init__(self, families: Sequence[Family], dimensions: Dimensions) -> None:
        given = [family.name for family in families]
        self.families = (*families, *(family for family in RECORD_FAMILIES if family.name not in given))
        self._index = {family.name: index for index, family in enumerate(self.families)}
        self._dimensions = dimensions
        self._ids: dict[tuple[int, Labels], int] = {}
        self._units: set[Unit] = set()
        self._counting: set[tuple[str, Unit, tuple[str, ...]]] = set()

    def clear(self) -> None:
        """Forget the numbers of series and which units are registered."""
        self._ids.clear()
        self._units.clear()
        self._counting.clear()

    def tally(self) -> Tally:
        """Return an empty tally for one transaction."""
        return Tally(self.families)

    def knows(self, units: Iterable[Unit]) -> bool:
        """Return whether all these units are known to be registered."""
        return self._units.issuperset(units)

    def register_units(self, connection: Connection, units: Iterable[Unit], again: bool = False) -> None:
        """Give every unit not met before the zeros of all families; with `again` also those that were."""
        for unit in sorted(set(units) - self._units, key=lambda unit: (unit.account_id, unit.region)):
            _, new = self._dimensions.units.meet(connection, unit.account_id, unit.region)
            if new or again:
                self._zeros(connection, [(index, labels) for index, family in enumerate(self.families) for labels in family.zeros(unit)])
            self._units.add(unit)

    def register_source(self, connection: Connection, source: str) -> None:
        """Give a source every fate of records at zero."""
        read, records = self._index[RECORDS_READ.name], self._index[RECORDS.name]
        self._zeros(connection, [(read, (source,)), *((records, (source, fate, reason)) for fate, reason in FATES)])

    def knows_source(self, source: str, unit: Unit, families: Sequence[str]) -> bool:
        """Return whether `register_source_families` is known to have nothing to do."""
        return not families or (source, unit, tuple(families)) in self._counting

    def register_source_families(self, connection: Connection, source: str, unit: Unit, families: Sequence[str]) -> None:
        """Give a unit of a source the zeros of the families that the source counts into. Raises StoreError for an unknown one."""
        zeros: list[tuple[int, Labels]] = []
        for name in families:
            if name not in _SOURCE_NAMES or name not in self._index:
                raise StoreError(f"{name!r:.100} is no family that a source counts into; this is a fault of the exporter")
            index = self._index[name]
            zeros += [(index, labels) for labels in self.families[index].source_zeros(source, unit)]
        self._zeros(connection, zeros)
        self._counting.add((source, unit, tuple(families)))

    def complete(self, connection: Connection) -> None:
        """Give known units and sources the zeros that another version of the exporter did not know of."""
        digest = self._digest()
        if connection.execute("SELECT value FROM meta WHERE key = 'families'").fetchone()[0] == digest:
            return
        units = connection.execute(
            "SELECT a.text, r.text FROM units u JOIN strings a ON a.id = u.account_id JOIN strings r ON r.id = u.region ORDER BY u.id"
        ).fetchall()
        self.register_units(connection, [Unit(*row) for row in units], again=True)
        for (source,) in connection.execute("SELECT name FROM sources GROUP BY name ORDER BY min(id)").fetchall():
            self.register_source(connection, source)
        connection.execute("UPDATE meta SET value = ? WHERE key = 'families'", (digest,))

    def is_complete(self, connection: Connection) -> bool:
        """Return whether `complete` has nothing to do."""
        return bool(connection.execute("SELECT value FROM meta WHERE key = 'families'").fetchone()[0] == self._digest())

    def apply(self, connection: Connection, tally: Tally) -> None:
        """Write what a tally gathered: new series in the order of their first event, others updated."""
        self._zeros(connection, tally.zeros)
        revision = self._next_revision(connection)
        born = 0
        updates: dict[str, list[tuple[object, ...]]] = {update: [] for update in _UPDATE}
        next_id: int = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM series").fetchone()[0]
        for (index, labels), total in tally.sums.items():
            number = self._find(connection, index, labels)
            if number is None:
                # Stored at once: two spellings that the store writes alike are then found to be one series.
                identity = self._identity(connection, index, labels)
                connection.execute(_INSERT, (next_id + born, *identity, total.amount, total.event_id, total.event_time, revision))
                self._remember(index, labels, next_id + born)
                born += 1
            else:
                update = self.families[index].update
                again = () if update == "add" else (total.amount,)
                updates[update].append((total.amount, total.event_id, total.event_time, revision, number, *again))
        changed = born + sum(max(0, connection.executemany(_UPDATE[update], rows).rowcount) for update, rows in updates.items() if rows)
        if changed:
            self._save_revision(connection, revision)

    def raise_revision(self, connection: Connection) -> int:
        """Raise the revision for a change that is none of a series; return it."""
        revision = self._next_revision(connection)
        self._save_revision(connection, revision)
        return revision

    def _zeros(self, connection: Connection, series: Iterable[tuple[int, Labels]]) -> None:
        missing = [(index, labels) for index, labels in dict.fromkeys(series) if self._find(connection, index, labels) is None]
        if not missing:
            return
        revision = self._next_revision(connection)
        next_id: int = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM series").fetchone()[0]
        rows = [
            (next_id + at, *self._identity(connection, index, labels), 0.0, None, None, revision)
            for at, (index, labels) in enumerate(missing)
        ]
        connection.executemany(_INSERT, rows)
        for at, (index, labels) in enumerate(missing):
            self._remember(index, labels, next_id + at)
        self._save_revision(connection, revision)

    def _find(self, connection: Connection, index: int, labels: Labels) -> int | None:
        known = self._ids.get((index, labels))
        if known is not None:
            return known
        row = connection.execute(_FIND, self._identity(connection, index, labels)).fetchone()
        if row is None:
            return None
        self._remember(index, labels, row[0])
        return int(row[0])

    def _identity(self, connection: Connection, index: int, labels: Labels) -> tuple[int, str]:
        family = self.families[index]
        if len(labels) != len(family.labels):
            raise StoreError(f"{family.name}: {len(labels)} label values for {len(family.labels)} labels; this is a fault of the exporter")
        number = self._dimensions.strings.number
        return number(connection, family.name), ",".join([str(number(connection, value)) for value in labels])

    def _remember(self, index: int, labels: Labels, number: int) -> None:
        if len(self._ids) >= _REMEMBERED:
            self._ids.clear()
        self._ids[index, labels] = number

    def _next_revision(self, connection: Connection) -> int:
        return int(connection.execute("SELECT value FROM meta WHERE key = 'revision'").fetchone()[0]) + 1

    def _save_revision(self, connection: Connection, revision: int) -> None:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'revision'", (revision,))

    def _digest(self) -> int:
        born = [(family.name, family.labels, [tuple(labels) for labels in family.zeros(_PROBE)]) for family in self.families]
        return int.from_bytes(blake2b(repr((born, FATES)).encode(), digest_size=8).digest(), "big", signed=True)


def with_details(event: ChangeEvent, details: Details) -> ChangeEvent:
    """Return an event with other details."""
    return replace(event, **{field.name: getattr(details, field.name) for field in fields(details)})


def read(
    connection: Connection, after: int, families: Iterable[Family], only: Collection[str] | None = None
) -> SeriesChanges:  # fmt: skip
    """Return the series of these families, or `only` of some of them, that changed after a revision, inside the reading at hand."""
    known = {family.name for family in families if only is None or family.name in only}
    revision = int(connection.execute("SELECT value FROM meta WHERE key = 'revision'").fetchone()[0])
    if only is not None and after <= 0:
        # There may be a million series of groups, and a hundred of what is asked for.
        numbers_of = [number for name in known if (number := find(connection, name)) is not None]
        found = connection.execute(_OF_FAMILIES, (json.dumps(numbers_of), after)).fetchall()
    else:
        found = (connection.execute(_CHANGED, (after,)) if after > 0 else connection.execute(_ALL)).fetchall()
    labels_of = {row[0]: row[2].split(",") for row in found if row[1] in known}
    numbers = {int(number) for labels in labels_of.values() for number in labels}
    texts = {str(number): text for number, text in connection.execute(_STRINGS, (json.dumps(list(numbers)),))}
    if len(texts) < len(numbers):
        raise StoreError(f"{len(numbers) - len(texts)} label values are missing: the file is damaged; restore a copy")
    rows = [
        SeriesRow(
            id=number,
            family=family,
            labels=tuple([texts[label] for label in labels_of[number]]),
            value=value,
            event_id=None if event_id is None else event_id_text(event_id),
            event_time=None if event_time is None else event_time / 1e6,
            exposed_at=None if exposed_at is None else exposed_at / 1e6,
        )
        for number, family, _, value, event_id, event_time, exposed_at in found
        if family in known
    ]
    return SeriesChanges(revision, rows)
