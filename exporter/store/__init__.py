"""The store: all that ingestion and reading share."""

from __future__ import annotations

from pathlib import Path

from exporter.logs import Logger
from exporter.store.base import Store
from exporter.store.place import is_url, loaded, open_postgres, shown
from exporter.store.probe import StoreProbe, probe_store
from exporter.store.sqlite import SqliteStore


def open_store(where: Path | str, log: Logger | None = None) -> Store:
    """Open the store at a path or URL, created if it is missing; raise StoreError with a remedy where that cannot be.

    `log` is told where an upgrade of the store takes long.
    """
    return open_postgres(str(where), log) if is_url(where) else SqliteStore(where, log=log)


def store_exists(where: Path | str) -> bool:
    """Tell whether there is a store, without making one. Raises StoreError where a database cannot be asked."""
    if is_url(where):
        return bool(loaded("probe").exists(str(where)))
    return Path(where).is_file()


__all__ = ["SqliteStore", "Store", "StoreProbe", "open_store", "probe_store", "shown", "store_exists"]
