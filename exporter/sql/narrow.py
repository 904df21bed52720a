"""What a statement needs of the logs: which columns, and which records at all. In doubt it needs everything.

Only what stands in the WHERE right over the table is taken: comparisons of a column with a text, joined by AND and OR. Whatever else
stands there lets everything through, and the engine decides over it as over the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exporter.sql.base import Statement
from exporter.sql.columns import COLUMNS, PARTITIONS
from exporter.sql.conditions import EVERYTHING, Condition, Is, Test, both, either, holding, like
from exporter.sql.reads_only import parsed

if TYPE_CHECKING:
    from sqlglot import exp

NAMES = ("eventname", "eventsource")
"""Columns that are known of every record before anything else of it is read."""

_ALL = (*(column.name for column in COLUMNS), *PARTITIONS)
_TEXTS = frozenset(_ALL) - {*NAMES, *PARTITIONS}
_COMPARED_BY_VALUE = frozenset({*NAMES, *PARTITIONS})


@dataclass(frozen=True, slots=True)
class Need:
    """Columns to fill, in the order of the table, the condition of the records that matter, and whether they are gone through once."""

    columns: tuple[str, ...]
    condition: Condition
    once: bool


def need(statement: Statement, tables: Collection[str]) -> Need:
    """Return what a checked statement needs; `tables` are the names of the table in lower case."""
    from sqlglot import exp  # noqa: PLC0415 - of the extra `sql`; reads_only says so where it is missing

    tree = parsed(_filled(statement))
    places = [table for table in tree.find_all(exp.Table) if ".".join(part.name.lower() for part in table.parts) in tables]
    conditions = [_Reader(exp).over(table) for table in places]
    # What WITH names is gone through as often as the name is used.
    once = len(places) == 1 and tree.find(exp.With) is None
    return Need(_columns(tree, places, exp), either(list(conditions)) if conditions else EVERYTHING, once)


def _filled(statement: Statement) -> str:
    """Return the text with each value in the place of its `?`."""
    import sqlglot  # noqa: PLC0415

    pieces, at = [], 0
    values = iter(statement.parameters)
    for token in sqlglot.tokenize(statement.sql, read="athena"):
        if token.token_type is sqlglot.TokenType.PLACEHOLDER:
            pieces += [statement.sql[at : token.start], "'" + next(values).replace("'", "''") + "'"]
            at = token.end + 1
    return "".join(pieces) + statement.sql[at:]


def _columns(tree: exp.Expr, places: list[exp.Table], exp: Any) -> tuple[str, ...]:
    """Return the columns that stand in a statement by name; all where a star, a place or the table itself stands for them."""
    rows = {name.lower() for table in places for name in (table.name, table.alias) if name}
    if tree.find(exp.Columns) is not None or any(not isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star)):
        return _ALL
    if any(alias.columns and isinstance(alias.parent, exp.Table | exp.Subquery) for alias in tree.find_all(exp.TableAlias)):
        # Columns are named anew by their place, which is that among all of them.
        return _ALL
    if any(join.args.get("method") for join in tree.find_all(exp.Join)) or any(
        not column.table and column.name.lower() in rows for column in tree.find_all(exp.Column)
    ):
        return _ALL
    named = {identifier.name.lower() for identifier in tree.find_all(exp.Identifier)}
    # A row needs some column to be one.
    return tuple(name for name in _ALL if name in named) or NAMES[:1]


class _Reader:
    """Reads conditions out of the syntax; `exp` is sqlglot's module of it."""

    def __init__(self, exp: Any) -> None:
        self._exp = exp
        self._table = ""

    def over(self, table: Any) -> Condition:
        """Return what the SELECT right over a table demands of its rows before it does anything else with them."""
        exp = self._exp
        select = table.parent.parent if isinstance(table.parent, exp.From) else None
        if not isinstance(select, exp.Select) or any(select.args.get(key) for key in ("joins", "laterals", "pivots", "sample")):
            return EVERYTHING
        if (
            table.args.get("pivots")
            or table.args.get("joins")
            or table.alias_column_names  # what stands in WHERE may then be another column
            or any(isinstance(node, exp.TableSample) for node in table.find_all(exp.Expr))
        ):
            return EVERYTHING
        for projection in select.expressions:
            # What is given the name of a column, but is another thing, may be meant in WHERE.
            if isinstance(projection, exp.Alias) and projection.alias.lower() in _ALL:
                return EVERYTHING
        self._table = (table.alias or table.name).lower()
        where = select.args.get("where")
        return EVERYTHING if where is None else self._condition(where.this)

    def _condition(self, node: Any) -> Condition:
        exp = self._exp
        if isinstance(node, exp.Paren):
            return self._condition(node.this)
        if isinstance(node, exp.And):
            return both([self._condition(part) for part in _flat(node, exp.And)])
        if isinstance(node, exp.Or):
            return either([self._condition(part) for part in _flat(node, exp.Or)])
        if node.args.get("negate") or node.args.get("symmetric"):
            return EVERYTHING
        if isinstance(node, exp.Escape):
            escape = self._text(node.expression)
            if isinstance(node.this, exp.Like) and not node.this.args.get("negate") and escape is not None and len(escape) == 1:
                return self._like(node.this, escape)
            return EVERYTHING
        if isinstance(node, exp.Like):
            return self._like(node, "")
        if isinstance(node, exp.In):
            return self._in(node)
        if isinstance(node, exp.Between):
            low, high = self._text(node.args["low"]), self._text(node.args["high"])
            return EVERYTHING if low is None or high is None else self._is(node.this, lambda value: low <= value <= high)
        if isinstance(node, exp.EQ | exp.GT | exp.GTE | exp.LT | exp.LTE):
            return self._comparison(node)
        return EVERYTHING

    def _comparison(self, node: Any) -> Condition:
        exp, left, right, kind = self._exp, node.this, node.expression, type(node)
        if isinstance(left, exp.StrPosition):
            return self._position(left) if kind is exp.GT and not right.is_string and right.name == "0" else EVERYTHING
        if self._text(left) is not None:
            left, right = right, left
            kind = {exp.GT: exp.LT, exp.LT: exp.GT, exp.GTE: exp.LTE, exp.LTE: exp.GTE}.get(kind, kind)
        text = self._text(right)
        if text is None:
            return EVERYTHING
        tests: dict[Any, Test] = {
            exp.EQ: lambda value: value == text,
            exp.GT: lambda value: value > text,
            exp.GTE: lambda value: value >= text,
            exp.LT: lambda value: value < text,
            exp.LTE: lambda value: value <= text,
        }
        return self._is(left, tests[kind], holding(text) if kind is exp.EQ else EVERYTHING)

    def _in(self, node: Any) -> Condition:
        texts = [self._text(value) for value in node.expressions]
        if not texts or None in texts or any(node.args.get(key) for key in ("query", "unnest", "field")):
            return EVERYTHING
        among = frozenset(text for text in texts if text is not None)
        return self._is(node.this, among.__contains__, either([holding(text) for text in among]))

    def _like(self, node: Any, escape: str) -> Condition:
        pattern = self._text(node.expression)
        read = None if pattern is None else like(pattern, escape)
        return EVERYTHING if read is None else self._is(node.this, *read)

    def _position(self, node: Any) -> Condition:
        substring = self._text(node.args.get("substr"))
        if substring is None or any(node.args.get(key) for key in ("position", "occurrence")):
            return EVERYTHING
        return self._is(node.this, lambda value: substring in value, holding(substring))

    def _is(self, column: Any, test: Test, held: Condition = EVERYTHING) -> Condition:
        """Return the condition of a column: by its value where that is known beforehand, else by what the record's text must hold."""
        if not isinstance(column, self._exp.Column) or not isinstance(column.this, self._exp.Identifier):
            return EVERYTHING
        if column.table and column.table.lower() != self._table:
            # Of the query around this one, or a member of a structure: it tells nothing of the rows of the table.
            return EVERYTHING
        name = column.name.lower()
        if name in _COMPARED_BY_VALUE:
            return Is(name, test)
        return held if name in _TEXTS else EVERYTHING

    def _text(self, node: Any) -> str | None:
        return str(node.this) if isinstance(node, self._exp.Literal) and node.is_string else None


def _flat(node: Any, kind: Any) -> Iterator[Any]:
    """Yield the parts of a chain of AND or OR, however long, without recursion."""
    stack = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, kind):
            stack += [part.expression, part.this]
        else:
            yield part
