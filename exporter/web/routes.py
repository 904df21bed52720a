"""All routes that the exporter serves."""

from __future__ import annotations

from typing import Any

from exporter.posture.judge import Judge
from exporter.web.api import api_routes
from exporter.web.core import core_routes
from exporter.web.http import Route
from exporter.web.pages import Pages, page_routes


def all_routes(service: Any) -> tuple[Route, ...]:
    """Return the routes over a running service: its metrics and health, the pages for people and the API for programs."""

    def judge() -> Judge:
        current: Judge = service.pipeline.judge
        return current

    pages = Pages(service.store, service.reports, judge=judge)
    return (*core_routes(service), *page_routes(pages), *api_routes(service.store, service.reports, judge))
