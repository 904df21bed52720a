"""What every page is made of: the store, the facts, the clock and the templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from exporter.history.config_ask import ConfigAsk
from exporter.history.overview import Overviews
from exporter.history.principals import Principals
from exporter.report import Report
from exporter.sources.base import UnitKey
from exporter.store.base import Store
from exporter.web.pages.entries import Entries
from exporter.web.pages.facts import Facts
from exporter.web.pages.render import Renderer
from exporter.web.pages.today import Today

Page = tuple[HTTPStatus, bytes]


@dataclass(frozen=True, slots=True)
class Context:
    """All that a page may ask. Safe to use from several threads."""

    store: Store
    reports: Callable[[], Mapping[UnitKey, Report]]
    now: Callable[[], datetime]
    renderer: Renderer
    entries: Entries
    facts: Facts
    today: Today
    overviews: Overviews
    principals: Principals
    config_ask: ConfigAsk | None

    def render(self, template: str, **values: object) -> bytes:
        """Return a rendered page."""
        return self.renderer.render(template, **values)

    def sorry(self, title: str, message: str, status: HTTPStatus = HTTPStatus.NOT_FOUND) -> Page:
        """Return a page that says what is missing and what to do."""
        return status, self.render("sorry.html", here="", title=title, message=message)
