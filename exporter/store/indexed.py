"""Searching the index of runs: every filter becomes the bits of the events of a run that match it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from exporter.errors import StoreError
from exporter.store import lexicon, runs
from exporter.store.at_once import all_rows
from exporter.store.database import Connection
from exporter.store.dimensions import find
from exporter.store.filters import Bounds, Filters, Place
from exporter.store.numbers import Numbers
from exporter.store.rule_digits import Needle, needle_of
from exporter.store.sections import CALL, OUTCOME, RUN, TEXT, TOUCHED, UNIT, WHO, Head, Tails, places_of

# Of small rows all is read at once: most of them are of the newest run, where much is found.
_HEADS = """SELECT id, heads, CASE WHEN length(tails) < 16384 THEN tails END, CASE WHEN length(tails) < 16384 THEN rules END
    FROM runs WHERE id BETWEEN ? AND ?"""
_TAILS = "SELECT tails FROM runs WHERE id = ?"
_RULES = "SELECT rules FROM runs WHERE id = ?"
_UNITS = "SELECT id, account_id, region FROM units"
_CALLS = "SELECT id, event_source, event_name FROM calls"


_ALL = (1 << RUN) - 1


@dataclass(slots=True)
class _Condition:
    """An event matches if it has one of the numbers in the section that they are of, or a rule id that one of the needles is in."""

    numbers: dict[int, Numbers] = field(default_factory=dict)
    needles: tuple[Needle, ...] = ()

    @property
    def impossible(self) -> bool:
        return not self.needles and not any(self.numbers.values())


@dataclass(slots=True)
class _Row:
    """A row of a run, of which only what is needed is read."""

    number: int
    head: Head
    tails: Tails | None = None
    rules: bytes | None = None


class Indexed:
    """Finds by the index what may match; what does, the events tell where words are looked for. Raises StoreError."""

    def __init__(self, connection: Connection, filters: Filters) -> None:
        self._connection, self._filters = connection, filters
        self._conditions = [
            _Condition({section: Numbers(numbers)})
            for section, numbers in (
                (UNIT, filters.units), (CALL, filters.calls), (OUTCOME, filters.outcomes), (WHO, filters.principals),
                (TOUCHED, filters.groups),
            )
            if numbers is not None
        ]  # fmt: skip
        if filters.rules is not None:
            self._conditions.append(_rules(connection, filters.rule_ids))
        if filters.patterns:
            self._conditions.append(_Condition({WHO: lexicon.matching(connection, filters.patterns)}))
        if filters.words:
            self._conditions += _words(connection, filters.words)
        self._conditions.sort(key=_cost)
        self._extents: list[runs.Extent] | None = None

    def newest(self, bounds: Bounds, count: int) -> list[Place]:
        """Return where the newest events stand within bounds that may match, up to a count."""
        if any(condition.impossible for condition in self._conditions):
            return []
        if self._extents is None:
            self._extents = runs.extents(self._connection)
        oldest, newest = bounds.oldest(), bounds.newest()
        found: list[Place] = []
        for extent in self._extents:
            if extent.newest < oldest or (len(found) == count and found[-1][0] > extent.newest):
                break
            if extent.oldest > newest:
                continue
            try:
                numbers = self._numbers(extent.run)
            except (ValueError, TypeError, IndexError) as error:
                raise StoreError(f"the index of events, run {extent.run}, is damaged ({error}); restore a copy of the file") from error
            if numbers:
                found += self._filters.among(numbers, bounds, count)
                found.sort(reverse=True)
                del found[count:]
        return found

    def _numbers(self, run: int) -> list[int]:
        """Return the numbers of the events of a run that may match."""
        rows = [
            _Row(number, Head(heads), None if tails is None else Tails(tails), rules)
            for number, heads, tails, rules in self._connection.execute(_HEADS, runs.rows_of(run))
        ]
        # All heads are looked at before any list is read: most often some condition matches nothing.
        hits: list[list[list[int]]] = []
        for condition in self._conditions:
            of_rows = [self._hits(row, condition) for row in rows]
            if not condition.needles and not any(of_rows):
                return []
            hits.append(of_rows)
        mask = _ALL
        for condition, of_rows in zip(self._conditions, hits, strict=True):
            bits = 0
            for row, positions in zip(rows, of_rows, strict=True):
                if positions:
                    bits |= self._tails(row).mask(positions)
                for needle in condition.needles:
                    bits |= needle.mask(self._rules(row))
            mask &= bits
            if not mask:
                return []
        return [run * RUN + place for place in places_of(mask)]

    @staticmethod
    def _hits(row: _Row, condition: _Condition) -> list[int]:
        return [at for section, numbers in condition.numbers.items() if numbers for at in row.head.find(section, numbers)]

    def _tails(self, row: _Row) -> Tails:
        if row.tails is None:
            row.tails = Tails(self._connection.execute(_TAILS, (row.number,)).fetchone()[0])
        return row.tails

    def _rules(self, row: _Row) -> bytes:
        if row.rules is None:
            row.rules = self._connection.execute(_RULES, (row.number,)).fetchone()[0]
        return row.rules


def _rules(connection: Connection, rule_ids: Iterable[str]) -> _Condition:
    numbers, needles = [], []
    for rule_id in dict.fromkeys(rule_ids):
        number, needle = find(connection, rule_id), needle_of(rule_id)
        numbers += [number] if number is not None else []
        needles += [needle] if needle is not None else []
    return _Condition({TEXT: Numbers(numbers)}, tuple(needles))


def _cost(condition: _Condition) -> tuple[bool, int]:
    """Return what is small for a condition that takes little time and leaves little."""
    many = [numbers for numbers in condition.numbers.values() if numbers.few is None]
    return bool(condition.needles), len(many)


def _words(connection: Connection, words: Sequence[str]) -> Iterable[_Condition]:
    """Return for each word what holds it."""
    units, calls = all_rows(connection, _UNITS, 3), all_rows(connection, _CALLS, 3)
    for word, strings in zip(words, lexicon.find(connection, words), strict=True):
        numbers = {UNIT: _of_rows(units, strings), CALL: _of_rows(calls, strings), WHO: strings, TOUCHED: strings, TEXT: strings}
        needle = needle_of(word)
        yield _Condition(numbers, () if needle is None else (needle,))


def _of_rows(rows: Iterable[Sequence[int]], strings: Numbers) -> Numbers:
    """Return the numbers of the rows, whose first column this is, that have one of these strings."""
    return Numbers(number for number, *texts in rows if any(text in strings for text in texts))
