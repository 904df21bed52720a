"""The JSON API under /api/v1."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from exporter.history.config_ask import ConfigAsk
from exporter.history.opened import Opened
from exporter.history.overview import Overviews
from exporter.history.principals import Principals
from exporter.posture.judge import Judge
from exporter.store import Store
from exporter.web.api.answers import Answer, to_json
from exporter.web.api.config_items import CONFIG_ITEMS
from exporter.web.api.endpoint import Asked, Endpoint, Reports, Rooms, route_of
from exporter.web.api.events import EVENTS
from exporter.web.api.openapi import description
from exporter.web.api.standing import STANDING
from exporter.web.http import Route


def _described(_rooms: Rooms, _asked: Asked) -> Answer:
    return Answer(to_json(description(ENDPOINTS)))


ENDPOINTS: tuple[Endpoint, ...] = (
    *EVENTS,
    *STANDING,
    CONFIG_ITEMS,
    Endpoint(
        "/api/v1/openapi.json",
        "getOpenApi",
        "This description",
        "OpenAPI 3.1, made from the code that serves it.",
        "OpenApi",
        _described,
        searches=False,
        examples=("/api/v1/openapi.json",),
    ),
)
"""The API, one record each."""


def api_routes(
    store: Store,
    reports: Reports,
    judge: Callable[[], Judge],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    config_ask: ConfigAsk | None = None,
) -> tuple[Route, ...]:
    """Return the routes of the API over the store, the last reports, the judge in force and what asks AWS Config."""
    overviews = Overviews(store)
    opened = Opened(store, overviews, judge, now)
    rooms = Rooms(store, reports, judge, now, Principals(store), overviews, opened, secrets.token_hex(8), config_ask)
    return tuple(route_of(endpoint, rooms) for endpoint in ENDPOINTS)


__all__ = ["ENDPOINTS", "api_routes"]
