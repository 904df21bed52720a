"""The JSON API under /api/v1."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from exporter.report import Report
from exporter.sources.base import UnitKey
from exporter.store import Store
from exporter.web.http import Route


def api_routes(store: Store, reports: Callable[[], Mapping[UnitKey, Report]]) -> tuple[Route, ...]:
    """Return the routes of the API over the store and the last reports."""
    del store, reports
    return ()
