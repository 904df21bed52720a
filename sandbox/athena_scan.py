"""The files that a statement reads: partitions that its WHERE leaves, objects below them, records in those.

A condition on partition columns prunes where it stands in the WHERE of the SELECT that reads the table, joined by AND; what Trino would
push down from further out is not seen, so that such a statement reads more here than there.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sandbox.athena_dialect import StatementError
from sandbox.athena_tables import Table

Values = tuple[str, ...]
_BAD_FILE = "HIVE_CURSOR_ERROR: Failed to read file s3://{}/{}: {}"


def tables_of(tree: Any, catalog: str, database: str) -> list[tuple[Any, str, str]]:
    """Return each place where a statement reads a table, with database and name. Raises StatementError for another catalog."""
    from sqlglot import exp  # noqa: PLC0415 - whoever parsed the tree has it

    named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    found = []
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or (not table.db and table.name.lower() in named):
            continue
        if table.catalog and table.catalog.lower() != catalog.lower():
            raise StatementError(f"CATALOG_NOT_FOUND: line 1:15: Catalog '{table.catalog}' does not exist")
        found.append((table, (table.db or database).lower(), table.name.lower()))
    return found


class Pruning:
    """What the WHERE of one reading of a table says of its partitions. Raises StatementError where it says too little."""

    def __init__(self, place: Any, table: Table) -> None:
        from sqlglot import exp  # noqa: PLC0415 - as above

        select = place.find_ancestor(exp.Select)
        where = None if select is None or select.args.get("joins") else select.args.get("where")
        names = {name.lower() for name in (place.alias, table.name) if name}
        conjuncts = list(where.this.flatten(unnest=False)) if where is not None and isinstance(where.this, exp.And) else []
        if where is not None and not conjuncts:
            conjuncts = [where.this]
        self._table = table
        self._conditions = [
            conjunct
            for conjunct in (_unwrapped(part) for part in conjuncts)
            if not conjunct.find(exp.Query)
            and (columns := list(conjunct.find_all(exp.Column)))
            and all(column.name.lower() in table.partitions and column.table.lower() in {"", *names} for column in columns)
        ]
        for column, projection in table.projections.items():
            if projection.kind == "injected" and not any(_fixes(condition, column) for condition in self._conditions):
                raise StatementError(
                    f"CONSTRAINT_VIOLATION: For the injected projected partition column {column}, the WHERE clause must contain only "
                    "static equality conditions, and at least one such condition must be present."
                )

    def left(self, partitions: Iterable[Values], evaluate: Callable[[str, Sequence[Values], Sequence[str]], list[Values]]) -> set[Values]:
        """Return the partitions that are read; `evaluate` returns those of some for which a condition holds."""
        found = sorted(set(partitions))
        for condition in self._conditions:
            bare = condition.copy()
            for column in bare.find_all(type(_column())):
                column.set("table", None)
            found = evaluate(bare.sql(dialect="duckdb"), found, self._table.partitions)
        return set(found)


def _column() -> Any:
    from sqlglot import exp  # noqa: PLC0415 - as above

    return exp.Column()


def _unwrapped(condition: Any) -> Any:
    from sqlglot import exp  # noqa: PLC0415 - as above

    while isinstance(condition, exp.Paren):
        condition = condition.this
    return condition


def _fixes(condition: Any, column: str) -> bool:
    """Tell whether a condition names the values of a column: `=` or IN, with literals."""
    from sqlglot import exp  # noqa: PLC0415 - as above

    if isinstance(condition, exp.EQ):
        sides = (condition.left, condition.right)
        return any(isinstance(one, exp.Column) and one.name.lower() == column for one in sides) and any(
            isinstance(one, exp.Literal) for one in sides
        )
    return (
        isinstance(condition, exp.In)
        and isinstance(condition.this, exp.Column)
        and condition.this.name.lower() == column
        and bool(condition.expressions)
        and all(isinstance(one, exp.Literal) for one in condition.expressions)
    )


def lines(body: bytes, table: Table, key: str, values: Values) -> Iterator[str]:
    """Yield the records of a log file as rows in JSON, every value a text or null. Raises StatementError."""
    try:
        text = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        document = json.loads(text) if text.strip() else {}
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise StatementError(_BAD_FILE.format(table.bucket, key, error)) from None
    records = document.get("Records") if isinstance(document, dict) else None
    for record in records if isinstance(records, list) else ():
        if isinstance(record, dict):
            told = {name.lower(): value for name, value in record.items()}
            row = {column: _text(told.get(column)) for column in table.columns} | dict(zip(table.partitions, values, strict=True))
            yield json.dumps(row, separators=(",", ":"))


def _text(value: Any) -> str | None:
    """Return a value as a SerDe gives it for a column of type string: JSON for what is no text."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def within(table: Table, keys: Iterable[tuple[str, int]], now: datetime) -> list[tuple[str, int, Values]]:
    """Return the files of a table among objects (key, size), with their partitions."""
    return [(key, size, values) for key, size in keys if (values := table.values_of(key, now)) is not None]
