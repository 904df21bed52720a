"""The WSGI application: routes to handlers, and what goes wrong in one request ends there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any

from exporter.errors import ExporterError
from exporter.web.http import Environ, Request, Response, Route, Router, text

StartResponse = Callable[[str, list[tuple[str, str]]], Any]

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Scripts and styles come from files of ours; nothing inline ever runs."""

_SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Content-Security-Policy", _POLICY),
)


def make_app(service: Any, routes: Sequence[Route]) -> Callable[[Environ, StartResponse], Iterable[bytes]]:
    """Return the application over a running service (its `log` and `telemetry`) with these routes."""
    router = Router(routes)

    def answer(method: str, path: str, environ: Environ) -> Response:
        found = router.find(path)
        if found is None:
            return text(HTTPStatus.NOT_FOUND, "Not found. The pages are /, /history and /metrics; /api/v1/openapi.json describes the API.")
        route, variables = found
        if method not in route.methods:
            allowed = ", ".join(route.methods)
            return route.refuse(HTTPStatus.METHOD_NOT_ALLOWED, f"Use {allowed} here.", (("Allow", allowed),))
        request = Request(method, path, variables, environ)
        try:
            if not route.searches:
                return route.handler(request)
            with service.telemetry.watching("search"):
                return route.handler(request)
        except ExporterError as error:
            service.log.error("a request failed", path=path, error=str(error))
            return route.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "The store cannot be read now. The log says why.", ())
        except ValueError as error:  # of the query string
            return route.refuse(HTTPStatus.BAD_REQUEST, f"The query string cannot be read: {error}", ())
        except Exception:
            # The boundary of one request: its fault is in the log, and the others go on.
            service.log.exception("a request failed by a fault of the exporter", path=path)
            return route.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a fault of the exporter. The log says more.", ())

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        response = answer(method, _path(environ), environ)
        headers = [*_SECURITY_HEADERS, *response.headers]
        if response.status is not HTTPStatus.NOT_MODIFIED:  # which has no body of its own, and tells nothing of the one that is held
            headers += [("Content-Type", response.content_type), ("Content-Length", str(len(response.body)))]
        start_response(f"{response.status.value} {response.status.phrase}", headers)
        return [b"" if method == "HEAD" else response.body]

    return app


def _path(environ: Environ) -> str:
    """Return the path as it was sent: decoded, a slash within a segment could not be told from one between two."""
    sent = str(environ.get("REQUEST_URI", "")).partition("?")[0]
    return sent if sent.startswith("/") else str(environ.get("PATH_INFO", ""))
