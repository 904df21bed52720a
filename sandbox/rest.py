"""Requests of the REST protocol with JSON: method and path tell the operation, by botocore's service models.

Sources: Smithy, AWS REST JSON 1 protocol; CloudTrail user guide and Lambda developer guide, "Logging Lambda API calls" (event names with
the version of the API).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.model import ServiceModel
from botocore.session import Session

MODELS: Mapping[str, str] = {"elasticfilesystem": "efs", "lambda": "lambda", "eks": "eks"}
"""Services by the name that signatures carry, with the name of their model."""

_LABEL = re.compile(r"\{([^}+]+)(\+?)\}")
_SECOND = frozenset({"UpdateFunctionCode", "UpdateFunctionConfiguration"})
"""Calls of Lambda whose event name says that it is their second form."""


@dataclass(frozen=True, slots=True)
class _Route:
    name: str
    method: str
    path: re.Pattern[str]
    labels: Mapping[str, str]
    queries: Mapping[str, str]


def read(service: str, method: str, path: str, query: str, document: Any) -> tuple[str, dict[str, Any]] | None:
    """Return the name and the parameters of an operation, as CloudTrail has them; None where there is none."""
    for route in _routes(service):
        match = route.path.fullmatch(path) if route.method == method else None
        if match is not None:
            labels = {member: unquote(match[group]) for group, member in route.labels.items()}
            asked = dict(parse_qsl(query, keep_blank_values=True))
            queries = {member: asked[name] for name, member in route.queries.items() if name in asked}
            return route.name, {**labels, **queries, **(document if isinstance(document, dict) else {})}
    return None


@cache
def _routes(service: str) -> tuple[_Route, ...]:
    """Return the routes of a service, those with the most fixed text first, so that a label swallows no word of another route."""
    model = Session().get_service_model(MODELS[service])
    routes = [_route(model, service, name) for name in model.operation_names]
    return tuple(sorted(routes, key=lambda route: (-len(re.sub(r"\(\?P<[^)]*\)", "", route.path.pattern)), route.name)))


def _route(model: ServiceModel, service: str, name: str) -> _Route:
    operation = model.operation_model(name)
    uri = operation.http["requestUri"].partition("?")[0]
    members = operation.input_shape.members if operation.input_shape is not None else {}
    by_place: dict[str, dict[str, str]] = {"uri": {}, "querystring": {}}
    for member, shape in members.items():
        place = shape.serialization.get("location")
        if place in by_place:
            by_place[place][shape.serialization.get("name", member)] = member
    labels, pattern, end = {}, "", 0
    for number, match in enumerate(_LABEL.finditer(uri)):
        labels[f"l{number}"] = by_place["uri"].get(match[1], match[1])
        pattern += re.escape(uri[end : match.start()]) + f"(?P<l{number}>{'.+' if match[2] else '[^/]+'})"
        end = match.end()
    path = re.compile(pattern + re.escape(uri[end:]).rstrip("/") + "/?")
    return _Route(_event_name(service, name, uri), operation.http["method"], path, labels, by_place["querystring"])


def _event_name(service: str, name: str, uri: str) -> str:
    version = re.match(r"/(\d{4})-(\d{2})-(\d{2})/", uri)
    if service != "lambda" or version is None:
        return name
    return name + "".join(version.groups()) + ("v2" if name in _SECOND else "")
