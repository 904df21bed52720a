"""Where a store is: a path for SQLite, a URL for PostgreSQL, whose client is loaded only where a URL is given."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from exporter.errors import StoreError
from exporter.logs import Logger
from exporter.store.base import Store

SCHEMES = ("postgresql://", "postgres://")

_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[^:@\[\],]*)(?::\d*)?"
_HOSTS = re.compile(f"{_HOST}(?:,{_HOST})*")


def is_url(where: Path | str) -> bool:
    """Tell whether this names a PostgreSQL database."""
    return isinstance(where, str) and where.startswith(SCHEMES)


def shown(where: Path | str) -> str:
    """Return what logs and errors say of a place: the path, or the URL without password and settings."""
    if not is_url(where):
        return str(where)
    try:
        parts = urlsplit(str(where))
    except ValueError:
        return "store.url"
    user, _, host = parts.netloc.rpartition("@")
    # A password with a `/` or `?` that should be %2F or %3F ends the address early, and then what follows may be part of it.
    if "@" in parts.path + parts.query + parts.fragment or not _HOSTS.fullmatch(host):
        return "store.url"
    name = user.partition(":")[0]
    return f"postgresql://{name}@{host}{parts.path}" if name else f"postgresql://{host}{parts.path}"


def open_postgres(url: str, log: Logger | None) -> Store:
    """Open the store in a PostgreSQL database. Raises StoreError."""
    store: Store = loaded("store").PostgresStore(url, log=log)
    return store


def loaded(name: str) -> ModuleType:
    """Return a module of exporter.store.postgres; raise StoreError with the remedy where its client is not installed."""
    try:
        return importlib.import_module(f"exporter.store.postgres.{name}")
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "psycopg":
            raise
        raise StoreError("store.url: the client of PostgreSQL is not installed; pip install 'aws-change-exporter[postgres]'") from None
