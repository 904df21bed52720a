"""An endpoint as a record: it serves requests and describes itself in OpenAPI and in docs/api.md, so that these cannot differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from exporter.history.config_ask import ConfigAsk
from exporter.history.opened import Opened
from exporter.history.overview import Overviews
from exporter.history.principals import Principals
from exporter.posture.judge import Judge
from exporter.report import Report
from exporter.sources.base import UnitKey
from exporter.store.base import Store
from exporter.web.api.answers import Answer, respond
from exporter.web.api.parameters import Parameter, read_query
from exporter.web.api.problems import Problem, refuse, tell
from exporter.web.http import Request, Response, Route

Reports = Callable[[], Mapping[UnitKey, Report]]


@dataclass(frozen=True, slots=True)
class Rooms:
    """What endpoints read: the store, the last reports, the judge in force, a clock; and what is remembered between requests."""

    store: Store
    reports: Reports
    judge: Callable[[], Judge]
    now: Callable[[], datetime]
    principals: Principals
    overviews: Overviews
    opened: Opened
    process: str
    """Different for each process: no entity tag outlives a restart, before which the exporter may have been another version."""
    config_ask: ConfigAsk | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, understood: the values of its parameters by name."""

    request: Request
    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path of the API. `answers` names its schema in exporter.web.api.schemas; `missing` says what 404 means, None where it cannot be.

    `handle` may answer with a whole Response, where it knows before it looks that the asker holds the answer already.
    """

    path: str
    name: str
    summary: str
    description: str
    answers: str
    handle: Callable[[Rooms, Asked], Answer | Response]
    parameters: Sequence[Parameter] = ()
    missing: str | None = None
    problems: Mapping[str, str] = field(default_factory=dict)
    """What other failures mean here, by status, beside or in place of those of any request."""
    searches: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    examples: Sequence[str] = ()
    """Paths with query strings, for the documentation."""


def route_of(endpoint: Endpoint, rooms: Rooms) -> Route:
    """Return the route that serves an endpoint."""

    def answer(request: Request) -> Response:
        try:
            asked = Asked(request, {**read_query(request, endpoint.parameters), **request.variables})
            found = endpoint.handle(rooms, asked)
        except Problem as problem:
            return tell(problem)
        except ValueError as error:
            # What is wrong with a request is a Problem, so this is none of whoever asked.
            raise RuntimeError(f"{endpoint.name} failed: {error}") from error
        return found if isinstance(found, Response) else respond(request, found)

    return Route(endpoint.path, answer, searches=endpoint.searches, refuse=refuse)
