"""What a request and an answer are to the handlers, and how a path finds its handler."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes

MAX_QUERY = 4096
"""Longest query string that is read, in bytes."""
MAX_FIELDS = 64

Environ = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its method, the values of the path's variables and the WSGI environment."""

    method: str
    path: str
    variables: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, Any] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """Return a header by its name, None where it was not sent."""
        key = name.upper().replace("-", "_")
        found = self.environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}")
        return None if found is None else str(found)

    def parameters(self) -> dict[str, list[str]]:
        """Return the values of the query string by name, empty ones left out. Raises ValueError where it cannot be read."""
        text = str(self.environ.get("QUERY_STRING", ""))
        if len(text) > MAX_QUERY:
            raise ValueError(f"it is longer than {MAX_QUERY} bytes")
        return parse_qs(text, max_num_fields=MAX_FIELDS)


@dataclass(frozen=True, slots=True)
class Response:
    """What a handler answers."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request], Response]
Refusal = Callable[[HTTPStatus, str, tuple[tuple[str, str], ...]], Response]


def text(status: HTTPStatus, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Return a plain-text answer."""
    return Response(status, f"{message}\n".encode(), headers=headers)


@dataclass(frozen=True, slots=True)
class Route:
    """One path: `{name}` in it stands for one segment, percent-decoded. A handler of GET answers HEAD too."""

    pattern: str
    handler: Handler
    methods: tuple[str, ...] = ("GET", "HEAD")
    # What reads the store is watched by the telemetry of searches, and is bounded in rate.
    searches: bool = False
    # How a request is refused, or a failure of the handler told: for people unless the route is for programs.
    refuse: Refusal = text


class Router:
    """Finds the route of a path. Variables match one segment that is not empty, and never a slash, encoded or not."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._plain = {route.pattern: route for route in routes if "{" not in route.pattern}
        self._patterns = [(_compiled(route.pattern), route) for route in routes if "{" in route.pattern]

    def find(self, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the route and the values of its variables. `path` is the raw path, as it was sent."""
        plain = self._plain.get(path)
        if plain is not None:
            return plain, {}
        for pattern, route in self._patterns:
            match = pattern.fullmatch(path)
            if match is not None:
                return route, {name: _decoded(value) for name, value in match.groupdict().items()}
        return None


def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", pattern)
    return re.compile("".join(f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts)))


def _decoded(segment: str) -> str:
    return unquote_to_bytes(segment).decode("utf-8", "replace")
