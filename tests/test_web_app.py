"""The application: whatever goes wrong in one request is answered, logged, and ends there."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest

from exporter.errors import StoreError
from exporter.logs import make_logger
from exporter.metrics.telemetry import Telemetry
from exporter.web.app import make_app
from exporter.web.http import Request, Response, Route


def broken(error: Exception) -> Route:
    """Return a route that fails."""

    def fail(_request: Request) -> Response:
        raise error

    return Route("/", fail)


@pytest.mark.parametrize(
    ("error", "status", "logged"),
    [
        (StoreError("/var/lib/x/state.db: cannot search events: disk I/O error"), "503 Service Unavailable", "a request failed"),
        (ZeroDivisionError("secret"), "500 Internal Server Error", "a request failed by a fault of the exporter"),
    ],
)
def test_a_request_that_fails_is_answered_without_details_and_logged_with_them(error: Exception, status: str, logged: str) -> None:
    """The person on call needs the traceback; whoever asks over the network must not get it."""
    stream = io.StringIO()
    service: Any = SimpleNamespace(log=make_logger("info", "json", stream), telemetry=Telemetry(), stopping=False)
    answered: list[str] = []
    body = b"".join(
        make_app(service, [broken(error)])({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda line, headers: answered.append(line))  # type: ignore[func-returns-value]
    )
    assert answered == [status]
    assert b"secret" not in body
    assert b"/var/lib" not in body
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert line["event"] == logged
    assert str(error) in line.get("exception", "") + line.get("error", "")
