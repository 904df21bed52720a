"""Routes for machines: metrics, health and reload."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from exporter.metrics.exposition import negotiate
from exporter.web.http import Request, Response, Route, text


def core_routes(service: Any) -> tuple[Route, ...]:
    """Return the routes over a running service (`pipeline`, `reload`, `stopping`)."""

    def metrics(request: Request) -> Response:
        openmetrics, gzip = negotiate(request.header("Accept"), request.header("Accept-Encoding"))
        page = service.pipeline.exposition.page(openmetrics, gzip, scrape=request.method != "HEAD")
        encoding = (("Content-Encoding", page.encoding),) if page.encoding else ()
        return Response(HTTPStatus.OK, page.body, page.content_type, (*encoding, ("Vary", "Accept, Accept-Encoding")))

    def healthy(_request: Request) -> Response:
        return text(HTTPStatus.OK, "AWS Change Exporter is Healthy.")

    def ready(_request: Request) -> Response:
        if service.stopping:
            return text(HTTPStatus.SERVICE_UNAVAILABLE, "AWS Change Exporter is stopping.")
        return text(HTTPStatus.OK, "AWS Change Exporter is Ready.")

    def reload(_request: Request) -> Response:
        if service.reload():
            return text(HTTPStatus.OK, "Configuration reloaded.")
        return text(HTTPStatus.INTERNAL_SERVER_ERROR, "Configuration not reloaded; the old one stays in force. The log says what is wrong.")

    return (
        Route("/metrics", metrics),
        Route("/-/healthy", healthy),
        Route("/-/ready", ready),
        Route("/-/reload", reload, ("POST", "PUT")),
    )
