"""The HTML pages; every value passes Jinja2's autoescape, and control characters are made visible first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from exporter import __version__
from exporter.history import describe_event, row
from exporter.poller import PollReport
from exporter.store.base import Query, Store
from exporter.text import visible
from exporter.timespan import parse_moment

_PAGE = 100


class Pages:
    """Renders the pages from the store and from what the poller last reported."""

    def __init__(
        self, store: Store, reports: Callable[[], Mapping[str, PollReport]], now: Callable[[], datetime] = lambda: datetime.now(UTC)
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
                "complete": report.complete,
                "age": f"{max(0, int((self._now() - report.started_at).total_seconds()))} s ago",
                "stored": report.stored,
                "reason": report.reason or "",
            }
            for report in self._reports().values()
        ]
        return self._render("landing.html", reports=reports)

    def history(self, parameters: Mapping[str, str]) -> tuple[HTTPStatus, bytes]:
        """Return the changes that the query string asks for, newest first; alerts link here."""
        names = ("account_id", "region", "security_group_id", "event_name", "principal", "since", "until")
        filters = {name: parameters.get(name, "").strip() for name in names}
        try:
            page = max(0, int(parameters.get("page", "0")))
            query = Query(
                security_groups=_one(filters["security_group_id"]),
                event_names=_one(filters["event_name"]),
                principals=_one(filters["principal"]),
                accounts=_one(filters["account_id"]),
                regions=_one(filters["region"]),
                since=parse_moment(filters["since"], self._now()) if filters["since"] else None,
                until=parse_moment(filters["until"], self._now()) if filters["until"] else None,
                limit=_PAGE + 1,
                offset=min(page, 10_000) * _PAGE,
                raw=True,
            )
        except ValueError as error:
            return HTTPStatus.BAD_REQUEST, self._render("history.html", filters=filters, events=[], error=str(error), page=0, more=False)
        found = self._store.search(query)
        events = [{**row(item), "lines": describe_event(item.event)} for item in found[:_PAGE]]
        return HTTPStatus.OK, self._render("history.html", filters=filters, events=events, error="", page=page, more=len(found) > _PAGE)

    def _render(self, template: str, **values: Any) -> bytes:
        return self._templates.get_template(template).render(version=__version__, **values).encode()


def _one(value: str) -> tuple[str, ...]:
    return (value,) if value else ()
