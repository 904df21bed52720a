"""DuckDB as the engine behind the sandbox's Athena: it gets rows and the text of a statement as it came, and may touch nothing else."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.athena_dialect import SYSTEM, Parsed, StatementError
from sandbox.athena_scan import Values
from sandbox.athena_tables import CATALOG, Table

_MACROS = (
    # Trino answers NULL for objects and lists, and for what is no JSON at all.
    """CREATE MACRO json_extract_scalar(j, p) AS
    CASE WHEN json_valid(j) AND json_type(j, p) NOT IN ('OBJECT', 'ARRAY') THEN json_extract_string(j, p) END""",
    "CREATE MACRO regexp_like(s, p) AS regexp_matches(s, p)",
    "CREATE MACRO approx_distinct(x) AS approx_count_distinct(x)",
    "CREATE MACRO json_format(j) AS CAST(j AS VARCHAR)",
    "CREATE MACRO json_parse(t) AS CAST(t AS JSON)",
    "CREATE MACRO from_iso8601_timestamp(t) AS CAST(t AS TIMESTAMP WITH TIME ZONE)",
    "CREATE MACRO element_at(l, i) AS l[i]",
    "CREATE MACRO strpos(s, t) AS instr(s, t)",
)
_TYPES: Mapping[str, str] = {
    "VARCHAR": "varchar", "BIGINT": "bigint", "HUGEINT": "bigint", "UBIGINT": "bigint", "INTEGER": "integer", "UINTEGER": "bigint",
    "SMALLINT": "smallint", "TINYINT": "tinyint", "DOUBLE": "double", "FLOAT": "float", "BOOLEAN": "boolean", "JSON": "json",
    "DATE": "date",
}  # fmt: skip
"""What Athena calls the types of columns; lists and structures come as text."""
_LONGEST_ROW = 64 * 2**20


class Duck:
    """One statement's database, closed in the end."""

    def __init__(self) -> None:
        try:
            import duckdb  # noqa: PLC0415 - a sandbox that is asked for no SQL does without
        except ImportError:
            raise StatementError("the sandbox has no duckdb; install the extra `sql`", SYSTEM) from None
        self._duckdb = duckdb
        self._connection = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "1GB"})
        self._run("SET integer_division = true")
        self._run(f"ATTACH ':memory:' AS {CATALOG.lower()}")

    def interrupt(self) -> None:
        """End what runs, from any thread."""
        self._connection.interrupt()

    def close(self) -> None:
        """Forget all."""
        self._connection.close()

    def partitions(self, condition: str, rows: Sequence[Values], names: Sequence[str]) -> list[Values]:
        """Return those partitions for which a condition holds."""
        if not rows:
            return []
        columns = ", ".join(_quoted(name) for name in names)
        marks = ", ".join(f"({', '.join('?' for _ in names)})" for _ in rows)
        sql = f"SELECT {columns} FROM (VALUES {marks}) AS p({columns}) WHERE {condition}"  # noqa: S608 - the sandbox's own table
        try:
            return [tuple(row) for row in self._connection.execute(sql, [value for row in rows for value in row]).fetchall()]
        except self._duckdb.Error as error:
            raise failure(error) from None

    def prepare(self, database: str, tables: Iterable[tuple[str, Table]]) -> None:
        """Make tables without rows, by database, and be in a database."""
        for of, table in tables:
            self._run(f"CREATE SCHEMA IF NOT EXISTS {_schema(of)}")
            columns = ", ".join(f"{_quoted(name)} VARCHAR" for name in (*table.columns, *table.partitions))
            self._run(f"CREATE TABLE {_schema(of)}.{_quoted(table.name)} ({columns})")
        self._run(f"CREATE SCHEMA IF NOT EXISTS {_schema(database)}")
        self._run(f"USE {_schema(database)}")
        for macro in _MACROS:
            self._run(macro)

    def load(self, database: str, table: Table, rows: Iterable[str]) -> None:
        """Fill a table with rows in JSON."""
        columns = (*table.columns, *table.partitions)
        with tempfile.TemporaryDirectory(prefix="sandbox-athena-") as folder:
            path = Path(folder, "rows.ndjson")
            with path.open("w", encoding="utf-8") as file:
                written = sum(bool(file.write(f"{row}\n")) for row in rows)
            if written:
                typed = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in columns) + "}"
                self._run(
                    f"INSERT INTO {_schema(database)}.{_quoted(table.name)} SELECT {', '.join(map(_quoted, columns))} "  # noqa: S608
                    f"FROM read_json('{path}', format = 'newline_delimited', columns = {typed}, maximum_object_size = {_LONGEST_ROW})"
                )

    def check(self, parsed: Parsed) -> None:
        """Find what is wrong with a statement before anything is read, as a planner does. Raises StatementError."""
        self._execute("EXPLAIN ", parsed)

    def answer(self, parsed: Parsed) -> tuple[list[dict[str, Any]], list[list[str | None]]]:
        """Return columns as GetQueryResults describes them, and rows of text. Raises StatementError."""
        self._run("SET enable_external_access = false")
        self._run("SET lock_configuration = true")
        cursor = self._execute("", parsed)
        found = [(name, str(kind)) for name, kind, *_ in cursor.description or ()]
        names = _names(parsed.tree, [name for name, _ in found])
        try:
            rows = [[_text(value) for value in row] for row in cursor.fetchall()]
        except self._duckdb.Error as error:
            raise failure(error) from None
        return [_described(name, kind) for name, (_, kind) in zip(names, found, strict=True)], rows

    def _execute(self, before: str, parsed: Parsed) -> Any:
        # `default` is a word of DuckDB's grammar and the name of everybody's database.
        text = re.sub(r"(?i)(?<![\w.'\"])default(?=\s*\.)", '"default"', parsed.sql.rstrip().rstrip(";"))
        try:
            return self._connection.execute(before + text, list(parsed.values))
        except self._duckdb.Error as error:
            raise failure(error) from None

    def _run(self, sql: str) -> None:
        self._connection.execute(sql)


def failure(error: Exception) -> StatementError:
    """Return what DuckDB refuses as Athena words it."""
    text = str(error)
    column = re.search(r'Referenced (?:column|table) "([^"]+)" (?:not found|was not found)', text)
    if column:
        return StatementError(f"COLUMN_NOT_FOUND: line 1:8: Column '{column[1]}' cannot be resolved or requester is not authorized to "
                              "access requested resources")  # fmt: skip
    name = re.search(r"(?:Scalar|Aggregate|Table) Function with name (\S+) does not exist", text, re.IGNORECASE)
    if name:
        return StatementError(f"the sandbox's engine has no function {name[1]}, which Athena has", SYSTEM)
    kind = type(error).__name__
    if kind in {"BinderException", "ParserException", "CatalogException"}:
        return StatementError(f"SYNTAX_ERROR: line 1:1: {' '.join(text.split())[:400]}")
    return StatementError(
        f"{'INVALID_CAST_ARGUMENT' if kind == 'ConversionException' else 'GENERIC_USER_ERROR'}: {' '.join(text.split())[:400]}"
    )


def _names(tree: Any, given: list[str]) -> list[str]:
    """Return the names of columns: `_col0` and so on for those that have none, which DuckDB calls by their text."""
    from sqlglot import exp  # noqa: PLC0415 - whoever parsed the tree has it

    items = tree.selects
    if len(items) != len(given) or any(item.is_star for item in items):
        return given
    return [
        name if isinstance(item, exp.Alias | exp.Column) else f"_col{place}"
        for place, (item, name) in enumerate(zip(items, given, strict=True))
    ]


def _described(name: str, kind: str) -> dict[str, Any]:
    base = _TYPES.get(kind) or ("decimal" if kind.startswith("DECIMAL") else "timestamp" if kind.startswith("TIMESTAMP") else "varchar")
    return {
        "CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name, "Type": base,
        "Precision": 2147483647 if base == "varchar" else 0, "Scale": 0, "Nullable": "UNKNOWN", "CaseSensitive": base == "varchar",
    }  # fmt: skip


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join('null' if item is None else str(_text(item)) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={'null' if item is None else _text(item)}" for key, item in value.items()) + "}"
    return str(value)


def _schema(database: str) -> str:
    return f"{CATALOG.lower()}.{_quoted(database)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
