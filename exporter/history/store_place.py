"""The store as a place of history."""

from __future__ import annotations

from datetime import datetime

from exporter.errors import StoreError
from exporter.history.places import Answer, Progress
from exporter.store.base import Query, Store


class StorePlace:
    """A Place over an open store, which it closes."""

    name = "store"

    def __init__(self, store: Store) -> None:
        self._store = store

    def search(self, query: Query, now: datetime, progress: Progress) -> Answer:  # noqa: ARG002 - as every Place has it
        """Return what matches; a store that cannot be read is a problem."""
        try:
            found = self._store.search(query)
        except StoreError as error:
            return Answer(problems=[str(error)])
        progress(1, 1, len(found))
        return Answer(found)

    def close(self) -> None:
        """Close the store."""
        self._store.close()
