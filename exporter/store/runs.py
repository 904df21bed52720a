"""The index of what events have, by runs of RUN event numbers: written with the events, merged row by row, dropped with the last of a run.

A transaction enters its events as a row of its own, whatever it enters of a run; rows are merged once they are many or the run is full,
so that storing an event costs no more the more there are, and searching a run reads one row. A row may tell of an event more than is true
(an amendment took a rule away, or the event is forgotten), never less: what is found is looked at before it is shown.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.store import lexicon
from exporter.store.codec import Details
from exporter.store.dimensions import Strings
from exporter.store.rule_digits import digits_of
from exporter.store.sections import CALL, OUTCOME, RUN, TEXT, TOUCHED, UNIT, WHO, Gathered, Packed

ROWS = 4096
"""Numbers of rows that a run has to itself."""
MERGED = 48
"""So many rows of a run become one."""

_NEXT = "SELECT coalesce(max(id) + 1, ?1), count(*) FROM runs WHERE id BETWEEN ?1 AND ?2"
_BEFORE = "SELECT max(id) FROM runs WHERE id < ?"
_INSERT = "INSERT INTO runs (id, oldest, newest, heads, rules, tails) VALUES (?, ?, ?, ?, ?, ?)"
_OF_RUN = "SELECT oldest, newest, heads, rules, tails FROM runs WHERE id BETWEEN ? AND ? ORDER BY id"
_DELETE = "DELETE FROM runs WHERE id BETWEEN ? AND ?"
_DROP = """DELETE FROM runs WHERE id BETWEEN ? AND ? AND NOT EXISTS (SELECT 1 FROM events WHERE id BETWEEN ? AND ?)"""
_EXTENTS = "SELECT json_group_array(json_array(id, oldest, newest)) FROM runs"


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


def enter(connection: sqlite3.Connection, strings: Strings, entries: Iterable[Entry]) -> None:
    """Index events, or what an event has beside what was indexed of it; they must come in order of their numbers."""
    part: list[Entry] = []
    for entry in entries:
        if part and entry.number // RUN != part[0].number // RUN:
            _enter(connection, strings, part)
            part = []
        part.append(entry)
    if part:
        _enter(connection, strings, part)


def amend(connection: sqlite3.Connection, strings: Strings, number: int, event_time: int, before: Details, after: Details) -> None:
    """Index what an event has beside what it had."""
    if (before.rule_changes, before.touched()) != (after.rule_changes, after.touched()):
        enter(connection, strings, (Entry(number, event_time, after),))
        lexicon.pack(connection)


def drop_empty(connection: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Forget the runs of deleted events that hold no other event."""
    for run in {number // RUN for number in ids}:
        connection.execute(_DROP, (*rows_of(run), run * RUN, run * RUN + RUN - 1))


def extents(connection: sqlite3.Connection) -> list[Extent]:
    """Return all runs that are indexed, that with the newest event first."""
    found: dict[int, Extent] = {}
    for row, oldest, newest in json.loads(connection.execute(_EXTENTS).fetchone()[0]):
        known = found.get(row // ROWS)
        if known is None:
            found[row // ROWS] = Extent(row // ROWS, oldest, newest)
        else:
            known.oldest, known.newest = min(known.oldest, oldest), max(known.newest, newest)
    return sorted(found.values(), key=lambda extent: extent.newest, reverse=True)


def gather(strings: Strings, connection: sqlite3.Connection, entries: Sequence[Entry], gathered: Gathered) -> None:
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
                elif rule.rule_id:
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


def _enter(connection: sqlite3.Connection, strings: Strings, entries: Sequence[Entry]) -> None:
    gathered = Gathered()
    gather(strings, connection, entries, gathered)
    run = entries[0].number // RUN
    first, last = rows_of(run)
    row, count = connection.execute(_NEXT, (first, last)).fetchone()
    if count == 0:
        _merge_before(connection, first)
    times = [entry.event_time for entry in entries]
    _insert(connection, row, min(times), max(times), gathered.pack())
    if count + 1 >= MERGED:
        _merge(connection, run)


def _merge_before(connection: sqlite3.Connection, first: int) -> None:
    """Make one row of the run before one that is begun now."""
    last = connection.execute(_BEFORE, (first,)).fetchone()[0]
    if last is not None and last % ROWS:
        _merge(connection, last // ROWS)


def _merge(connection: sqlite3.Connection, run: int) -> None:
    first, last = rows_of(run)
    gathered, oldest, newest = Gathered(), [], []
    for row in connection.execute(_OF_RUN, (first, last)):
        oldest.append(row[0])
        newest.append(row[1])
        gathered.merge(Packed(*row[2:]))
    connection.execute(_DELETE, (first, last))
    _insert(connection, first, min(oldest), max(newest), gathered.pack())


def _insert(connection: sqlite3.Connection, row: int, oldest: int, newest: int, packed: Packed) -> None:
    connection.execute(_INSERT, (row, oldest, newest, packed.heads, packed.rules, packed.tails))


def rows_of(run: int) -> tuple[int, int]:
    """Return the first and the last number that a row of a run may have."""
    return run * ROWS, run * ROWS + ROWS - 1
