"""The HTML pages; every value passes Jinja2's autoescape, and control characters are made visible first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from exporter import __version__
from exporter.history import describe_event, row
from exporter.posture.entries import is_entry
from exporter.report import Report
from exporter.sources.base import UnitKey
from exporter.store.base import Query, Store
from exporter.text import visible
from exporter.timespan import parse_moment
from exporter.web.http import Request, Response, Route

_PAGE = 100
_LAST_PAGE = 10_000
_LINES = 20  # of rules shown at once; the rest unfolds
_MAX_LINES = 1000


class Pages:
    """Renders the pages from the store and from what the poller last reported."""

    def __init__(
        self, store: Store, reports: Callable[[], Mapping[UnitKey, Report]], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store, self._reports, self._now = store, reports, now
        self._templates = Environment(
            loader=PackageLoader("exporter.web", "templates"),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
        )
        self._templates.filters["visible"] = lambda value: visible(str(value), 512)

    def stylesheet(self) -> bytes:
        """Return the style sheet of all pages."""
        return files("exporter.web").joinpath("templates/style.css").read_bytes()

    def landing(self) -> bytes:
        """Return the page at `/`: what this is, how the sources are, where the rest is."""
        reports = [
            {
                "source": report.source,
                "unit": " ".join(filter(None, (report.account_id, report.region))),
                "complete": report.complete,
                "age": f"{max(0, int((self._now() - report.started_at).total_seconds()))} s ago",
                "brought": visible(report.counts(), 300),
                "reason": report.reason or "",
            }
            for _, report in sorted(dict(self._reports()).items())  # a poller may add one meanwhile
        ]
        return self._render("landing.html", reports=reports)

    def history(self, parameters: Mapping[str, str]) -> tuple[HTTPStatus, bytes]:
        """Return the changes that the query string asks for, newest first; alerts link here."""
        names = ("account_id", "region", "security_group_id", "event_name", "principal", "since", "until", "event_id")
        filters = {name: parameters.get(name, "").strip() for name in names}
        try:
            page = _page_number(parameters.get("page", "0"))
            since, until = (parse_moment(filters[name], self._now()) if filters[name] else None for name in ("since", "until"))
            if since and until and until <= since:
                raise ValueError("until must be later than since")
            query = Query(
                security_groups=_one(filters["security_group_id"]),
                event_names=_one(filters["event_name"]),
                principals=_one(filters["principal"]),
                accounts=_one(filters["account_id"]),
                regions=_one(filters["region"]),
                since=since,
                until=until,
                event_ids=_one(filters["event_id"]),
                limit=_PAGE + 1,
                offset=page * _PAGE,
                raw=True,
            )
        except ValueError as error:
            return HTTPStatus.BAD_REQUEST, self._listing(filters, error=str(error))
        found = self._store.search(query)
        events = [{**row(item), **_folded(describe_event(item.event, _MAX_LINES)), "entry": is_entry(item.event)} for item in found[:_PAGE]]
        asked = {name: value for name, value in filters.items() if value}
        newer = {**asked, "page": page - 1} if page else None
        older = {**asked, "page": page + 1} if len(found) > _PAGE else None
        return HTTPStatus.OK, self._listing(filters, events, newer=newer, older=older)

    def _listing(
        self,
        filters: Mapping[str, str],
        events: Sequence[Mapping[str, Any]] = (),
        error: str = "",
        newer: Mapping[str, Any] | None = None,
        older: Mapping[str, Any] | None = None,
    ) -> bytes:
        return self._render("history.html", filters=filters, events=events, error=error, newer=newer, older=older)

    def _render(self, template: str, **values: Any) -> bytes:
        return self._templates.get_template(template).render(version=__version__, **values).encode()


def page_routes(pages: Pages) -> tuple[Route, ...]:
    """Return the routes of the pages."""

    def html(body: bytes, status: HTTPStatus = HTTPStatus.OK) -> Response:
        return Response(status, body, "text/html; charset=utf-8")

    def history(request: Request) -> Response:
        status, body = pages.history({name: values[-1] for name, values in request.parameters().items()})
        return html(body, status)

    def stylesheet(_request: Request) -> Response:
        return Response(HTTPStatus.OK, pages.stylesheet(), "text/css; charset=utf-8", (("Cache-Control", "max-age=3600"),))

    return (
        Route("/", lambda _request: html(pages.landing())),
        Route("/history", history, searches=True),
        Route("/style.css", stylesheet),
    )


def _page_number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{text!r:.60} is no number of a page; 0 is the first")
    return min(int(text[:9]), _LAST_PAGE)


def _folded(lines: list[str]) -> dict[str, list[str]]:
    """Return the lines to show at once and those that unfold; one line alone is not worth folding."""
    shown = _LINES if len(lines) > _LINES + 1 else len(lines)
    return {"lines": lines[:shown], "more_lines": lines[shown:]}


def _one(value: str) -> tuple[str, ...]:
    return (value,) if value else ()
