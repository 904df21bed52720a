"""The WSGI application: routes to handlers, and what goes wrong in one request ends there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from typing import Any, Protocol

from exporter.errors import ExporterError
from exporter.web.api.problems import refuse
from exporter.web.headers import SECURITY_HEADERS, Headers, joined
from exporter.web.http import Environ, Request, Response, Route, Router, text

StartResponse = Callable[[str, list[tuple[str, str]]], Any]

_OTHER = "other"
"""The handler of paths that are none of ours: whoever asks for them must not make series."""


class Gate(Protocol):
    """What stands before the handlers; `access.Guard` is one."""

    def headers(self) -> Headers:
        """Return the headers of every answer, which one may bring in another form."""

    def last_headers(self, response: Response) -> Headers:
        """Return headers that this answer may not bring in another form."""

    def refusal(self, request: Request, route: Route | None) -> Response | None:
        """Return the answer to a request that must go no further, None for all others."""

    def turn(self) -> AbstractContextManager[bool]:
        """Return a context that yields whether a search may begin now."""

    def busy(self, route: Route) -> Response:
        """Return the answer to a search for which there was no place."""


class _NoGate:
    """Lets everything pass."""

    def headers(self) -> Headers:
        return SECURITY_HEADERS

    def last_headers(self, _response: Response) -> Headers:
        return ()

    def refusal(self, _request: Request, _route: Route | None) -> Response | None:
        return None

    def turn(self) -> AbstractContextManager[bool]:
        return nullcontext(True)

    def busy(self, _route: Route) -> Response:
        raise AssertionError("there is always a place")


def make_app(service: Any, routes: Sequence[Route], gate: Gate | None = None) -> Callable[[Environ, StartResponse], Iterable[bytes]]:
    """Return the application over a running service (its `log` and `telemetry`) with these routes; without a gate all may ask all."""
    router = Router(routes)
    guard = gate or _NoGate()

    def answer(request: Request, found: tuple[Route, dict[str, str]] | None) -> Response:
        refusal = guard.refusal(request, found[0] if found else None)
        if refusal is not None:
            return refusal
        if found is None:
            tell = refuse if request.path.startswith("/api/") else text
            return tell(HTTPStatus.NOT_FOUND, "Not found. The pages are /, /history and /metrics; /api/v1/openapi.json describes the API.")
        route, _ = found
        if request.method not in route.methods:
            allowed = ", ".join(route.methods)
            return route.refuse(HTTPStatus.METHOD_NOT_ALLOWED, f"Use {allowed} here.", (("Allow", allowed),))
        try:
            if not route.searches:
                return route.handler(request)
            with guard.turn() as let_in:
                if not let_in:
                    return guard.busy(route)
                with service.telemetry.watching("search"):
                    return route.handler(request)
        except ExporterError as error:
            service.log.error("a request failed", path=request.path, error=str(error))
            return route.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "The store cannot be read now. The log says why.", ())
        except ValueError as error:  # of the query string
            return route.refuse(HTTPStatus.BAD_REQUEST, f"The query string cannot be read: {error}", ())
        except Exception:
            # The boundary of one request: its fault is in the log, and the others go on.
            service.log.exception("a request failed by a fault of the exporter", path=request.path)
            return route.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a fault of the exporter. The log says more.", ())

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], _path(environ)
        found = router.find(path)
        response = answer(Request(method, path, found[1] if found else {}, environ), found)
        about: Headers = (("Content-Type", response.content_type), ("Content-Length", str(len(response.body))))
        if response.status is HTTPStatus.NOT_MODIFIED:  # which has no body of its own, and tells nothing of the one that is held
            about = ()
        headers = joined(about, guard.headers(), response.headers, guard.last_headers(response))
        service.telemetry.http_request(found[0].pattern if found else _OTHER, response.status.value)
        start_response(f"{response.status.value} {response.status.phrase}", headers)
        return [b"" if method == "HEAD" else response.body]

    return app


def _path(environ: Environ) -> str:
    """Return the path as it was sent: decoded, a slash within a segment could not be told from one between two."""
    sent = str(environ.get("REQUEST_URI", "")).partition("?")[0]
    return sent if sent.startswith("/") else str(environ.get("PATH_INFO", ""))
