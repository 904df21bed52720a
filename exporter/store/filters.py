"""What a Query asks for, as numbers and times of the store, and the statements that find it without the index of runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from exporter.errors import StoreError
from exporter.model import Principal
from exporter.store.at_once import all_rows
from exporter.store.base import Position, Query
from exporter.store.codec import event_key, hash_of, to_microseconds
from exporter.store.database import Connection
from exporter.store.dimensions import find
from exporter.store.glob import glob
from exporter.store.words import words

FEW = 2000
"""Up to so many events of groups or rules are looked at one by one."""

Place = tuple[int, int]
"""Time and number of an event: where it stands in the order of the store."""

_GREATEST = 2**63 - 1

_SEEN = "SELECT s.id, e.event_time FROM seen s LEFT JOIN events e ON e.id = s.id WHERE s.event_id = ?"
_UNITS = "SELECT id FROM units WHERE"
_CALLS = "SELECT c.id, n.text FROM calls c JOIN strings n ON n.id = c.event_name"
_GIVEN = "IN (SELECT value FROM json_each(?))"
_COUNT_GROUPS = "SELECT count(*) FROM (SELECT 1 FROM touched WHERE string IN (SELECT value FROM json_each(?)) LIMIT ?) few"
_COUNT_RULES = "SELECT count(*) FROM (SELECT 1 FROM touched_rules WHERE hash IN (SELECT value FROM json_each(?)) LIMIT ?) few"

# The order of a CROSS JOIN is that in which SQLite reads: what leads to few comes first.
_BY_TIME = "SELECT e.event_time, e.id FROM events e INDEXED BY events_by_time WHERE TRUE"
_BY_EVENTS = "SELECT e.event_time, e.id FROM json_each(?) w CROSS JOIN events e ON e.id = w.value WHERE TRUE"
_BY_RULES = """SELECT e.event_time, e.id FROM (SELECT DISTINCT event FROM touched_rules WHERE hash IN (SELECT value FROM json_each(?))) w
    CROSS JOIN events e ON e.id = w.event WHERE TRUE"""
_BY_GROUPS = """SELECT e.event_time, e.id FROM (SELECT DISTINCT event FROM touched WHERE string IN (SELECT value FROM json_each(?))) w
    CROSS JOIN events e ON e.id = w.event WHERE TRUE"""
# One group: the index (string, event_time, event) is walked backwards, up to the limit.
_BY_GROUP = "SELECT t.event_time, t.event FROM touched t CROSS JOIN events e ON e.id = t.event WHERE t.string = ?"

_IN = {
    "rules": "EXISTS (SELECT 1 FROM touched_rules r WHERE r.hash IN (SELECT value FROM json_each(?)) AND r.event = e.id)",
    "groups": """EXISTS (SELECT 1 FROM touched g
        WHERE g.string IN (SELECT value FROM json_each(?)) AND g.event_time = e.event_time AND g.event = e.id)""",
    "units": f"e.unit {_GIVEN}",
    "calls": f"e.call {_GIVEN}",
    "outcomes": f"e.outcome {_GIVEN}",
}
_BY = """EXISTS (SELECT 1 FROM principals p WHERE p.id = e.principal AND (p.name IN (SELECT value FROM json_each(?))
    OR p.session IN (SELECT value FROM json_each(?)) OR p.arn IN (SELECT value FROM json_each(?))))"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which times and places of the order events are asked for.

    `since` and `until` are times, inclusive and exclusive; `after` is the place behind which they must be, `last` the last that may be.
    """

    since: int | None = None
    until: int | None = None
    after: Place | None = None
    last: Place | None = None

    def behind(self, place: Place) -> Bounds:
        """Return the same, but only behind a place."""
        return replace(self, after=place)

    def down_to(self, place: Place | None) -> Bounds:
        """Return the same, but no further than to a place."""
        return replace(self, last=place)

    def oldest(self) -> int:
        """Return the earliest time that may be."""
        return max(-_GREATEST if self.since is None else self.since, -_GREATEST if self.last is None else self.last[0])

    def newest(self) -> int:
        """Return the latest time that may be."""
        return min(_GREATEST if self.until is None else self.until - 1, _GREATEST if self.after is None else self.after[0])

    def conditions(self, table: str = "e") -> tuple[list[str], list[object]]:
        """Return conditions of SQL and their values; the columns are those of `events`, or of `touched` for "t"."""
        time, number = f"{table}.event_time", "e.id" if table == "e" else "t.event"
        parts, values = [f"{time} BETWEEN ? AND ?"], [self.oldest(), self.newest()]
        for place, sign in ((self.after, "<"), (self.last, ">=")):
            if place is not None:
                parts.append(f"({time}, {number}) {sign} (?, ?)")
                values += place
        return parts, list[object](values)


class Filters:
    """A Query whose texts were looked up. `impossible`: some filter can match nothing.

    `must_read` tells that `words` and patterns of principals (`by`) must be looked for in the events themselves.
    """

    def __init__(self, connection: Connection, query: Query) -> None:
        self._connection = connection
        self.words = words(query.text)
        self.patterns = tuple(query.principals) if any("*" in pattern for pattern in query.principals) else ()
        self._tests = [glob(pattern) for pattern in self.patterns]
        self.must_read = bool(self.words or self.patterns)
        self.events = _events(connection, query.event_ids) if query.event_ids else None
        self.rule_ids = query.rule_ids
        self.rules = [hash_of(rule) for rule in query.rule_ids] if query.rule_ids else None
        self.groups = _strings(connection, query.security_groups)
        self.units = _units(connection, query)
        self.calls = _calls(connection, query.event_names) if query.event_names else None
        self.outcomes = _strings(connection, query.outcomes)
        self.principals = None if self.patterns else _strings(connection, query.principals)
        self.bounds = _bounds(connection, query)
        given = (self.events, self.rules, self.groups, self.units, self.calls, self.outcomes, self.principals)
        self.impossible = any(numbers is not None and not numbers for numbers in given)

    def by(self, principal: Principal) -> bool:
        """Tell whether patterns of principals, if there are any, match."""
        who = (principal.name, principal.session, principal.arn)
        return not self._tests or any(test(text) for test in self._tests for text in who if text is not None)

    def leads_to_few(self) -> bool:
        """Tell whether ids, rules or groups, or one group and nothing else, lead to few events: `direct` finds these soonest."""
        if self.events is not None:
            return True
        if self._few_rules():
            return True
        if self.groups is None:
            return False
        others = (self.rules, self.units, self.calls, self.outcomes, self.principals, self.words or None, self.patterns or None)
        alone = len(self.groups) == 1 and all(other is None for other in others)
        return alone or self._count(_COUNT_GROUPS, self.groups) <= FEW

    def direct(self, bounds: Bounds, count: int) -> list[Place]:
        """Return where the newest stand that match within bounds, but for what must be read; by the tables of ids, rules and groups."""
        if self.events is not None:
            return self._select(_BY_EVENTS, json.dumps(self.events), "", bounds, count)
        if self.rules is not None and self._few_rules():
            return self._select(_BY_RULES, json.dumps(self.rules), "rules", bounds, count)
        assert self.groups is not None
        if len(self.groups) == 1:
            return self._select(_BY_GROUP, self.groups[0], "groups", bounds, count)
        return self._select(_BY_GROUPS, json.dumps(self.groups), "groups", bounds, count)

    def walk(self, bounds: Bounds, count: int) -> list[Place]:
        """Return the same, by looking at all events within bounds."""
        return self._select(_BY_TIME, None, "", bounds, count)

    def floor(self, bounds: Bounds, count: int) -> Place | None:
        """Return where the last of so many events within bounds stands, whatever they are; None where there are no more than these."""
        limits, values = bounds.conditions()
        statement = f"{' AND '.join((_BY_TIME, *limits))} ORDER BY e.event_time DESC, e.id DESC LIMIT 1 OFFSET ?"
        row = self._connection.execute(statement, (*values, count - 1)).fetchone()
        return None if row is None else (row[0], row[1])

    def among(self, numbers: Sequence[int], bounds: Bounds, count: int) -> list[Place]:
        """Return where the newest of these events stand that are within bounds and touch the groups and rules that are asked for."""
        parts, values = [_BY_EVENTS], [json.dumps(numbers)]
        for name, given in (("rules", self.rules), ("groups", self.groups)):
            if given is not None:
                parts.append(_IN[name])
                values.append(json.dumps(given))
        return self._newest("e", parts, values, bounds, count)

    def _select(self, start: str, first: object, told: str, bounds: Bounds, count: int) -> list[Place]:
        """Return what a statement finds by its first value, which is all that the filter `told` asks for, and the other filters leave."""
        parts, values = [start], [] if first is None else [first]
        for name, condition in _IN.items():
            numbers = getattr(self, name)
            if numbers is not None and name != told:
                parts.append(condition)
                values.append(json.dumps(numbers))
        if self.principals is not None:
            parts.append(_BY)
            values += [json.dumps(self.principals)] * 3
        return self._newest("t" if start is _BY_GROUP else "e", parts, values, bounds, count)

    def _newest(self, table: str, parts: Iterable[str], values: Iterable[object], bounds: Bounds, count: int) -> list[Place]:
        limits, limit_values = bounds.conditions(table)
        order = "t.event_time DESC, t.event DESC" if table == "t" else "e.event_time DESC, e.id DESC"
        statement = f"{' AND '.join((*parts, *limits))} ORDER BY {order} LIMIT ?"
        rows = all_rows(self._connection, statement, 2, (*values, *limit_values, min(count, _GREATEST)))
        return sorted(((time, number) for time, number in rows), reverse=True)

    def _few_rules(self) -> bool:
        return self.rules is not None and self._count(_COUNT_RULES, self.rules) <= FEW

    def _count(self, statement: str, numbers: Sequence[int]) -> int:
        return int(self._connection.execute(statement, (json.dumps(numbers), FEW + 1)).fetchone()[0])


def _strings(connection: Connection, texts: Iterable[str]) -> list[int] | None:
    """Return the numbers of those texts that were ever stored; None where none is given."""
    given = list(dict.fromkeys(texts))
    return [number for text in given if (number := find(connection, text)) is not None] if given else None


def _events(connection: Connection, event_ids: Iterable[str]) -> list[int]:
    seen = (_seen(connection, event_id) for event_id in dict.fromkeys(event_ids))
    return [found[0] for found in seen if found is not None]


def _seen(connection: Connection, event_id: str) -> tuple[int, int | None] | None:
    """Return the number of an event and its time, None where it is forgotten; None where no event had the id."""
    try:
        row = connection.execute(_SEEN, (event_key(event_id),)).fetchone()
    except StoreError:  # not the form of an id, so no event has it
        return None
    return None if row is None else (row[0], row[1])


def _units(connection: Connection, query: Query) -> list[int] | None:
    conditions, values = [], []
    for column, texts in (("account_id", query.accounts), ("region", query.regions)):
        numbers = _strings(connection, texts)
        if numbers is not None:
            conditions.append(f"{column} {_GIVEN}")
            values.append(json.dumps(numbers))
    if not conditions:
        return None
    return [row[0] for row in all_rows(connection, f"{_UNITS} {' AND '.join(conditions)}", 1, values)]


def _calls(connection: Connection, patterns: Iterable[str]) -> list[int]:
    tests = [glob(pattern) for pattern in patterns]
    return [number for number, name in connection.execute(_CALLS) if any(test(name) for test in tests)]


def _bounds(connection: Connection, query: Query) -> Bounds:
    since = None if query.since is None else to_microseconds(query.since)
    until = None if query.until is None else to_microseconds(query.until)
    return Bounds(since, until, None if query.after is None else _place(connection, query.after))


def _place(connection: Connection, position: Position) -> Place:
    """Return where an event stands or stood; behind an event that was never stored is what happened before its time."""
    seen = _seen(connection, position.event_id)
    number, event_time = seen or (0, None)
    return to_microseconds(position.event_time) if event_time is None else event_time, number
