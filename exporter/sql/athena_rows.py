"""Values on their way to Athena and back: parameters as literals of SQL, rows of text as what their types say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from exporter.sql.athena_errors import AthenaError
from exporter.sql.base import Row, Statement

LONGEST_STATEMENT = 262_144
"""Bytes of a statement (API reference, StartQueryExecution: QueryString)."""
LONGEST_PARAMETER = 1024
"""Characters of a parameter as a literal (API reference, StartQueryExecution: ExecutionParameters)."""


def literal(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def checked(statement: Statement) -> list[str]:
    """Return the parameters of a statement as literals; raise AthenaError where a limit of Athena is passed, which it tells in no words."""
    size = len(statement.sql.encode())
    if size > LONGEST_STATEMENT:
        raise AthenaError(f"the statement has {size:,} bytes, and Athena takes {LONGEST_STATEMENT:,}; ask for less in one statement")
    literals = [literal(text) for text in statement.parameters]
    for place, text in enumerate(literals, 1):
        if len(text) > LONGEST_PARAMETER:
            raise AthenaError(
                f"parameter {place} has {len(text):,} characters as a literal, and Athena takes {LONGEST_PARAMETER:,}; search for a "
                "shorter text, which finds more, not less"
            )
    return literals


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


_READERS: Mapping[str, Callable[[str], object]] = {
    **dict.fromkeys(("tinyint", "smallint", "integer", "int", "bigint"), int),
    **dict.fromkeys(("float", "real", "double"), float),
    "boolean": _truth,
}


class Columns:
    """The columns of a result, and how its rows are read."""

    def __init__(self, described: Sequence[Mapping[str, Any]]) -> None:
        self.names = [str(one.get("Name") or "") for one in described]
        self._readers = [_READERS.get(str(one.get("Type") or "").lower()) for one in described]

    def is_header(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row is the names again, as Athena puts them before the rows of a SELECT."""
        return [datum.get("VarCharValue") for datum in row.get("Data") or ()] == self.names

    def read(self, row: Mapping[str, Any]) -> Row:
        """Return a row; a value that is absent is None, one that is not as its type says stays text."""
        return tuple(_read(datum.get("VarCharValue"), reader) for datum, reader in zip(row.get("Data") or (), self._readers, strict=True))


def _read(text: str | None, reader: Callable[[str], object] | None) -> object:
    if text is None or reader is None:
        return text
    try:
        return reader(text)
    except (ValueError, KeyError):
        return text
