"""The index of what events have, by runs of RUN event numbers: written with the events, merged bit by bit, dropped with the last of a run.

A transaction enters its events as a row of its own. WIDTH rows of one tier become one of the next, and all of a run become one when the
next run begins: an event is rewritten a few times however small the transactions are, and a search reads one row of most runs. A row may
tell of an event more than is true (an amendment took a rule away, or the event is forgotten), never less: what is found is looked at
before it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.store import lexicon
from exporter.store.at_once import all_rows
from exporter.store.codec import Details
from exporter.store.database import Connection
from exporter.store.dimensions import Strings
from exporter.store.rule_digits import digits_of
from exporter.store.sections import CALL, OUTCOME, RUN, TEXT, TOUCHED, UNIT, WHO, Gathered, Packed

ROWS = 65_536
"""Numbers of rows that a run has to itself."""
WIDTH = 16
"""So many rows of a tier become one of the next."""
WHOLE = 9
"""The tier of what is merged no more, but when a run that was amended since is followed by a new one."""

_TIERS = "SELECT id, tier FROM runs WHERE id BETWEEN ? AND ? ORDER BY id"
_BEFORE = "SELECT id, tier FROM runs WHERE id < ? ORDER BY id DESC LIMIT 1"
_INSERT = "INSERT INTO runs (id, tier, oldest, newest, heads, rules, tails) VALUES (?, ?, ?, ?, ?, ?, ?)"
_ROW = "SELECT oldest, newest, heads, rules, tails FROM runs WHERE id = ?"
_DELETE = "DELETE FROM runs WHERE id = ?"
_DROP = "DELETE FROM runs WHERE id BETWEEN ? AND ? AND NOT EXISTS (SELECT 1 FROM events WHERE id BETWEEN ? AND ?)"
_EXTENTS = "SELECT id, oldest, newest FROM runs"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index tells of an event: the numbers of each section of sections.py but those of the details."""

    number: int
    event_time: int
    details: Details
    unit: int = 0
    call: int = 0
    outcome: int = 0
    who: tuple[int, ...] = ()
    texts: tuple[int, ...] = ()


@dataclass(slots=True)
class Extent:
    """A run that is indexed, and between which times its events are."""

    run: int
    oldest: int
    newest: int


def enter(connection: Connection, strings: Strings, entries: Iterable[Entry], tier: int = 0) -> None:
    """Index events, or what an event has beside what was indexed of it; they must come in order of their numbers."""
    part: list[Entry] = []
    for entry in entries:
        if part and entry.number // RUN != part[0].number // RUN:
            _enter(connection, strings, part, tier)
            part = []
        part.append(entry)
    if part:
        _enter(connection, strings, part, tier)


def amend(connection: Connection, strings: Strings, number: int, event_time: int, before: Details, after: Details) -> None:
    """Index what an event has beside what it had."""
    if (before.rule_changes, before.touched()) != (after.rule_changes, after.touched()):
        enter(connection, strings, (Entry(number, event_time, after),))
        lexicon.pack(connection)


def drop_empty(connection: Connection, ids: Iterable[int]) -> None:
    """Forget the runs of deleted events that hold no other event."""
    for run in {number // RUN for number in ids}:
        connection.execute(_DROP, (*rows_of(run), run * RUN, run * RUN + RUN - 1))


def extents(connection: Connection) -> list[Extent]:
    """Return all runs that are indexed, that with the newest event first."""
    found: dict[int, Extent] = {}
    for row, oldest, newest in all_rows(connection, _EXTENTS, 3):
        known = found.get(row // ROWS)
        if known is None:
            found[row // ROWS] = Extent(row // ROWS, oldest, newest)
        else:
            known.oldest, known.newest = min(known.oldest, oldest), max(known.newest, newest)
    return sorted(found.values(), key=lambda extent: extent.newest, reverse=True)


def gather(strings: Strings, connection: Connection, entries: Sequence[Entry], gathered: Gathered) -> None:
    """Enter events of one run in what is to be packed."""
    number_of = strings.number
    for entry in entries:
        place = entry.number % RUN
        texts, digits = set(entry.texts), set()
        for change in entry.details.rule_changes:
            for rule in (change.rule, change.before):
                if rule is None:
                    continue
                usual = digits_of(rule.rule_id) if rule.rule_id else None
                if usual is not None:
                    digits.add(usual)
                elif rule.rule_id is not None:
                    texts.add(number_of(connection, rule.rule_id))
                if rule.peer:
                    texts.add(number_of(connection, rule.peer))
                if rule.description:
                    texts.add(number_of(connection, rule.description))
        gathered.add(place, UNIT, (entry.unit,))
        gathered.add(place, CALL, (entry.call,))
        gathered.add(place, OUTCOME, (entry.outcome,))
        gathered.add(place, WHO, set(entry.who))
        gathered.add(place, TOUCHED, {number_of(connection, text) for text in entry.details.touched()})
        gathered.add(place, TEXT, texts)
        gathered.rules.extend((place, found) for found in digits)


def _enter(connection: Connection, strings: Strings, entries: Sequence[Entry], tier: int) -> None:
    gathered = Gathered()
    gather(strings, connection, entries, gathered)
    first, last = rows_of(entries[0].number // RUN)
    rows = connection.execute(_TIERS, (first, last)).fetchall()
    if not rows:
        _merge_before(connection, first)
    times = [entry.event_time for entry in entries]
    row = rows[-1][0] + 1 if rows else first
    _insert(connection, row, tier, min(times), max(times), gathered.pack())
    rows.append((row, tier))
    while tier < WHOLE and len(of_tier := [number for number, its in rows if its == tier]) >= WIDTH:
        tier += 1
        _merge(connection, of_tier, tier)
        rows = [found for found in rows if found[0] not in of_tier] + [(of_tier[0], tier)]


def _merge_before(connection: Connection, first: int) -> None:
    """Make one row of the run before one that is begun now."""
    before = connection.execute(_BEFORE, (first,)).fetchone()
    if before is not None and before[1] != WHOLE:
        rows = connection.execute(_TIERS, rows_of(before[0] // ROWS)).fetchall()
        _merge(connection, [number for number, _ in rows], WHOLE)


def _merge(connection: Connection, numbers: Sequence[int], tier: int) -> None:
    """Make one row of some of a run, which takes the number of the first."""
    gathered, oldest, newest = Gathered(), [], []
    for number in numbers:
        row = connection.execute(_ROW, (number,)).fetchone()
        oldest.append(row[0])
        newest.append(row[1])
        gathered.merge(Packed(*row[2:]))
        connection.execute(_DELETE, (number,))
    _insert(connection, numbers[0], tier, min(oldest), max(newest), gathered.pack())


def _insert(connection: Connection, row: int, tier: int, oldest: int, newest: int, packed: Packed) -> None:
    connection.execute(_INSERT, (row, tier, oldest, newest, packed.heads, packed.rules, packed.tails))


def rows_of(run: int) -> tuple[int, int]:
    """Return the first and the last number that a row of a run may have."""
    return run * ROWS, run * ROWS + ROWS - 1
