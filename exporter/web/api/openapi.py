"""The description of the API in OpenAPI 3.1, out of the very records that serve it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from exporter import __version__
from exporter.web.api.answers import JSON_TYPE
from exporter.web.api.endpoint import Endpoint
from exporter.web.api.problems import PROBLEM_TYPE
from exporter.web.api.schemas import SCHEMAS
from exporter.web.http import MAX_QUERY

_HEADERS = {
    "ETag": "Stands for the answer; sent back as If-None-Match it gets 304 while nothing changed.",
    "Cache-Control": "no-cache: to be kept, and asked for again before it is used.",
    "Vary": "Accept-Encoding: gzip is sent to whoever takes it.",
}
PROBLEMS = {
    "400": "A parameter is unknown or wrong; `errors` says which, and what is allowed.",
    "401": "A login is asked for (basic_auth_users of --web.config.file), and none was sent, or a wrong one.",
    "405": "Only GET and HEAD.",
    "414": f"The query string is longer than {MAX_QUERY} bytes.",
    "429": "Too many requests, searches or attempts to log in; `Retry-After` says when to come again.",
    "500": "A fault of the exporter; its log says more.",
    "503": "The store cannot be read now, which the log of the exporter says more of; or, with `Retry-After`, too many searches run.",
}
"""What may be answered to any request, beside what was asked for."""


def description(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Return the document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AWS Change Exporter",
            "version": __version__,
            "summary": "Who changed which AWS security group, when, from where, and what stands open.",
            "description": "docs/api.md tells of pages, entity tags and errors.",
        },
        "paths": {endpoint.path: {"get": _operation(endpoint)} for endpoint in endpoints},
        "components": {"schemas": dict(SCHEMAS)},
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    ref = {"$ref": f"#/components/schemas/{endpoint.answers}"}
    problems = {**PROBLEMS, **({"404": endpoint.missing} if endpoint.missing else {}), **endpoint.problems}
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": endpoint.description,
        "parameters": [parameter.openapi() for parameter in endpoint.parameters],
        "responses": {
            "200": {
                "description": endpoint.summary,
                "headers": {name: _header(text) for name, text in {**_HEADERS, **endpoint.headers}.items()},
                "content": {JSON_TYPE: {"schema": ref}},
            },
            "304": {"description": "Nothing changed since the answer whose entity tag If-None-Match holds."},
            **{status: _problem(text) for status, text in sorted(problems.items())},
        },
    }


def _header(text: str) -> dict[str, Any]:
    return {"description": text, "schema": {"type": "string"}}


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
