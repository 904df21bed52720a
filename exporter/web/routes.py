"""All routes that the exporter serves."""

from __future__ import annotations

from typing import Any

from exporter.web.api import api_routes
from exporter.web.core import core_routes
from exporter.web.http import Route
from exporter.web.pages import Pages, page_routes


def all_routes(service: Any) -> tuple[Route, ...]:
    """Return the routes over a running service: its metrics and health, the pages for people and the API for programs."""
    pages = Pages(service.store, service.reports)
    api = api_routes(service.store, service.reports, lambda: service.pipeline.judge)
    return (*core_routes(service), *page_routes(pages), *api)
