"""All routes that the exporter serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exporter.config import Config
from exporter.posture.judge import Judge
from exporter.web.api import api_routes
from exporter.web.core import core_routes
from exporter.web.http import Route
from exporter.web.pages import Pages, page_routes


def all_routes(service: Any) -> tuple[Route, ...]:
    """Return the routes over a running service: its metrics and health, the pages for people and the API for programs."""
    pages = Pages(service.store, service.reports, judge=judge_in_force(lambda: service.pipeline.config))
    return (*core_routes(service), *page_routes(pages), *api_routes(service.store, service.reports))


def judge_in_force(config: Callable[[], Config]) -> Callable[[], Judge]:
    """Return a giver of the judge of the configuration in force; a judge remembers networks and ports, so one serves until a reload."""
    known: list[tuple[Config, Judge]] = []

    def judge() -> Judge:
        current = config()
        if not known or known[0][0] is not current:
            known[:] = [(current, current.judge())]
        return known[0][1]

    return judge
