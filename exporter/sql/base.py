"""What an engine of SQL is: it runs one statement over the table of trail logs and gives rows of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Row = tuple[object, ...]
"""The values of one row: text, numbers, truth values or None."""

Progress = Callable[[int, int, int], None]
"""Is told of steps done, of how many (0 while that is not known), and of the records or bytes read so far."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One SELECT in the SQL that Athena (Trino) and DuckDB share; each `?` stands for the next of the parameters, all of them text."""

    sql: str
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a statement may run and how many rows it may give; what is beyond is cut, and said so."""

    seconds: float = 600.0
    rows: int = 1_000_000


@dataclass(slots=True)
class Result:
    """What a statement gave. `rows` is read once; all but the columns holds once that has ended.

    `problems` are what could not be read, so that the answer lacks it; `notes` what a person should know besides. `cost` is in US dollars.
    """

    columns: Sequence[str]
    rows: Iterator[Row]
    truncated: bool = False
    scanned_bytes: int | None = None
    cost: float | None = None
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Engine(Protocol):
    """Runs statements over the table that `table` names. Raises SqlError for what the statement or the place of the logs refuses."""

    table: str

    def run(self, statement: Statement, limits: Limits, progress: Progress) -> Result:
        """Run one statement that only reads; anything else is refused before it is run."""
        ...

    def cancel(self) -> None:
        """Stop what runs, from any thread; its rows end with SqlError."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...
