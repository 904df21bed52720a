"""The store: all that ingestion and reading share."""

from __future__ import annotations

from pathlib import Path

from exporter.logs import Logger
from exporter.store.base import Store
from exporter.store.probe import StoreProbe, probe_store
from exporter.store.sqlite import SqliteStore


def open_store(path: Path | str, log: Logger | None = None) -> Store:
    """Open the store at a path, created if it is missing; raise StoreError with a remedy where that cannot be.

    `log` is told where an upgrade of the file takes long.
    """
    return SqliteStore(path, log=log)


__all__ = ["SqliteStore", "Store", "StoreProbe", "open_store", "probe_store"]
