"""The pages for people: overview, history, one group, one principal, one event. Rendered here, they need no JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus

from exporter.config import Config
from exporter.errors import TookTooLong
from exporter.history.config_ask import ConfigAsk
from exporter.history.overview import Overviews
from exporter.history.principals import Principals
from exporter.posture.judge import Judge
from exporter.report import Report
from exporter.sources.base import UnitKey
from exporter.store.base import Store
from exporter.web.http import Request, Response, Route
from exporter.web.pages.asked import Parameters
from exporter.web.pages.base import Context, Page
from exporter.web.pages.entries import Entries
from exporter.web.pages.event import event_page
from exporter.web.pages.facts import Facts
from exporter.web.pages.group import group_page
from exporter.web.pages.history import history_page
from exporter.web.pages.overview import overview_page
from exporter.web.pages.principal import principal_page
from exporter.web.pages.render import Renderer
from exporter.web.pages.search import found_by
from exporter.web.pages.static import Static
from exporter.web.pages.today import Today

Headers = tuple[tuple[str, str], ...]


class Pages:
    """Renders the pages from the store and from what the poller last reported. Safe to use from several threads."""

    def __init__(
        self,
        store: Store,
        reports: Callable[[], Mapping[UnitKey, Report]],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        judge: Callable[[], Judge] | None = None,
        config_ask: ConfigAsk | None = None,
    ) -> None:
        """`judge` gives that of the configuration in force; without it, what is open is judged by the defaults.

        `config_ask` asks AWS Config about a group; without it no page offers that.
        """
        self.static = Static()
        default = Config().judge()
        self._context = Context(
            store,
            reports,
            now,
            Renderer(self.static, now),
            Entries(store),
            Facts(store, judge or (lambda: default), now),
            Today(store, now),
            Overviews(store),
            Principals(store),
            config_ask,
        )

    def overview(self) -> Page:
        """Return the page at `/`."""
        return overview_page(self._context)

    def history(self, parameters: Parameters) -> Page:
        """Return the changes that the query string asks for, newest first; alerts link here."""
        return history_page(self._context, parameters)

    def group(self, parameters: Parameters) -> Page:
        """Return the page of one security group."""
        return group_page(self._context, parameters)

    def principal(self, parameters: Parameters) -> Page:
        """Return the page of one principal."""
        return principal_page(self._context, parameters)

    def event(self, parameters: Parameters) -> Page:
        """Return the page of one event."""
        return event_page(self._context, parameters)

    def sorry(self, status: HTTPStatus, message: str) -> Page:
        """Return the page that says that a request could not be answered; it asks nothing of the store."""
        return self._context.sorry(status.phrase, message, status)


def page_routes(pages: Pages) -> tuple[Route, ...]:
    """Return the routes of the pages and of their static files."""

    def html(page: Page, headers: Headers = ()) -> Response:
        status, body = page
        # An old answer to "what stands open now" is worse than a slow one.
        return Response(status, body, "text/html; charset=utf-8", (("Cache-Control", "no-cache"), *headers))

    def refuse(status: HTTPStatus, message: str, headers: Headers) -> Response:
        return html(pages.sorry(status, message), headers)

    def page(path: str, answer: Callable[[Parameters], Page]) -> Route:
        def handler(request: Request) -> Response:
            try:
                return html(answer(request.parameters()))
            except TookTooLong:
                message = (
                    "The search was cut off because it took too long. Ask for less: a shorter time, a whole name in place of a part of one."
                )
                return refuse(HTTPStatus.SERVICE_UNAVAILABLE, message, ())

        return Route(path, handler, searches=True, refuse=refuse)

    def search(request: Request) -> Response:
        return Response(HTTPStatus.SEE_OTHER, b"", headers=(("Location", found_by(request.parameters())),))

    return (
        page("/", lambda _parameters: pages.overview()),
        page("/history", pages.history),
        page("/group", pages.group),
        page("/principal", pages.principal),
        page("/event", pages.event),
        Route("/search", search, refuse=refuse),
        *pages.static.routes(),
    )
