"""The WSGI application: metrics, health, reload, the landing page and a plain history listing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from exporter.errors import ExporterError
from exporter.metrics.exposition import negotiate
from exporter.web.pages import Pages

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Environ = dict[str, Any]

_SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
)


@dataclass(frozen=True, slots=True)
class Response:
    """What a handler answers."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


def text(status: HTTPStatus, message: str) -> Response:
    """Return a plain-text answer."""
    return Response(status, f"{message}\n".encode())


def make_app(service: Any, pages: Pages) -> Callable[[Environ, StartResponse], Iterable[bytes]]:
    """Return the application over a running service (`pipeline`, `reload`, `stopping`) and its pages."""

    def metrics(environ: Environ) -> Response:
        openmetrics, gzip = negotiate(environ.get("HTTP_ACCEPT"), environ.get("HTTP_ACCEPT_ENCODING"))
        page = service.pipeline.exposition.page(openmetrics, gzip, scrape=environ["REQUEST_METHOD"] != "HEAD")
        encoding = (("Content-Encoding", page.encoding),) if page.encoding else ()
        return Response(HTTPStatus.OK, page.body, page.content_type, (*encoding, ("Vary", "Accept, Accept-Encoding")))

    def healthy(_environ: Environ) -> Response:
        return text(HTTPStatus.OK, "AWS Change Exporter is Healthy.")

    def ready(_environ: Environ) -> Response:
        if service.stopping:
            return text(HTTPStatus.SERVICE_UNAVAILABLE, "AWS Change Exporter is stopping.")
        return text(HTTPStatus.OK, "AWS Change Exporter is Ready.")

    def reload(_environ: Environ) -> Response:
        if service.reload():
            return text(HTTPStatus.OK, "Configuration reloaded.")
        return text(HTTPStatus.INTERNAL_SERVER_ERROR, "Configuration not reloaded; the old one stays in force. The log says what is wrong.")

    def landing(_environ: Environ) -> Response:
        return Response(HTTPStatus.OK, pages.landing(), "text/html; charset=utf-8")

    def history(environ: Environ) -> Response:
        parameters = {key: values[-1] for key, values in parse_qs(environ.get("QUERY_STRING", "")[:4096], max_num_fields=32).items()}
        with service.telemetry.watching("search"):
            status, body = pages.history(parameters)
        return Response(status, body, "text/html; charset=utf-8")

    def stylesheet(_environ: Environ) -> Response:
        return Response(HTTPStatus.OK, pages.stylesheet(), "text/css; charset=utf-8", (("Cache-Control", "max-age=3600"),))

    routes: Mapping[str, tuple[tuple[str, ...], Callable[[Environ], Response]]] = {
        "/metrics": (("GET", "HEAD"), metrics),
        "/-/healthy": (("GET", "HEAD"), healthy),
        "/-/ready": (("GET", "HEAD"), ready),
        "/-/reload": (("POST", "PUT"), reload),
        "/": (("GET", "HEAD"), landing),
        "/history": (("GET", "HEAD"), history),
        "/style.css": (("GET", "HEAD"), stylesheet),
    }

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        methods, handler = routes.get(environ.get("PATH_INFO", ""), ((), None))
        if handler is None:
            response = text(HTTPStatus.NOT_FOUND, "Not found. The pages are /, /history and /metrics.")
        elif method not in methods:
            allowed = ", ".join(methods)
            response = text(HTTPStatus.METHOD_NOT_ALLOWED, f"Use {allowed} here.")
            response = Response(response.status, response.body, headers=(("Allow", allowed),))
        else:
            try:
                response = handler(environ)
            except ExporterError as error:
                service.log.error("a request failed", path=environ.get("PATH_INFO", ""), error=str(error))
                response = text(HTTPStatus.SERVICE_UNAVAILABLE, "The store cannot be read now. The log says why.")
            except ValueError as error:  # parse_qs: too many fields
                response = text(HTTPStatus.BAD_REQUEST, f"The query string cannot be read: {error}")
            except Exception:
                # The boundary of one request: its fault is in the log, and the others go on.
                service.log.exception("a request failed by a fault of the exporter", path=environ.get("PATH_INFO", ""))
                response = text(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a fault of the exporter. The log says more.")
        headers = [
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            *_SECURITY_HEADERS,
            *response.headers,
        ]
        start_response(f"{response.status.value} {response.status.phrase}", headers)
        return [b"" if method == "HEAD" else response.body]

    return app
