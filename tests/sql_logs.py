"""Trail logs for tests of SQL, and an engine over them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from exporter.history.trail_feeds import FilesFeed
from exporter.sql.base import Limits, Result, Row, Statement
from exporter.sql.duck import DuckEngine

TABLE = "cloudtrail_logs"
LIMIT = 64 * 2**20


def engine(*paths: Path, **options: Any) -> DuckEngine:
    """Return DuckDB over files or directories."""
    return DuckEngine(FilesFeed(dict.fromkeys(paths, LIMIT)), TABLE, **options)


def ask(directory: Path, sql: str, *parameters: str, limits: Limits | None = None, **options: Any) -> tuple[list[Row], Result]:
    """Return the rows of a statement, read to their end, and what was said of them."""
    running = engine(directory, **options)
    result = running.run(Statement(sql, parameters), limits or Limits(), lambda _done, _all, _read: None)
    rows = list(result.rows)
    running.close()
    return rows, result


def write_lines(path: Path, *records: dict[str, Any] | str) -> Path:
    """Write records as JSON lines; a text stands there as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{item if isinstance(item, str) else json.dumps(item)}\n" for item in records), encoding="utf-8")
    return path
