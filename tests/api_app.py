"""The API as an application over a store that a test fills, and what asks it."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from exporter.logs import make_logger
from exporter.metrics.telemetry import Telemetry
from exporter.model import ChangeEvent
from exporter.report import Report
from exporter.sources.base import UnitKey
from exporter.web.api import api_routes
from exporter.web.app import make_app
from tests.config_history import Recorded, RecordedAws, config_ask
from tests.store_events import ingest
from tests.test_surveyor import World

HOSTILE = '<script>alert(1)</script>"\\\x00\x1b[31m\u202e\u2028&lt; \U0001f600 {{7*7}} %s \r\nSet-Cookie: a=b'
"""What no consumer may take for anything but text."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Status, headers and body as they came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, unpacked and read."""
        body = gzip.decompress(self.body) if self.headers.get("Content-Encoding") == "gzip" else self.body
        return json.loads(body)


@dataclass(slots=True)
class Api:
    """A world of what stands and happened, with the API over it; `recorded` is what AWS Config has of it."""

    world: World = field(default_factory=World)
    polls: dict[UnitKey, Report] = field(default_factory=dict)
    log: io.StringIO = field(default_factory=io.StringIO)
    recorded: Recorded | None = None
    app: Any = None

    def __post_init__(self) -> None:
        service: Any = SimpleNamespace(log=make_logger("info", "json", self.log), telemetry=Telemetry())
        asks = config_ask(RecordedAws(self.recorded) if self.recorded else None, self.world.store)
        routes = api_routes(self.world.store, self._reports, lambda: self.world.judge, lambda: self.world.now, asks)
        self.app = make_app(service, routes)

    def _reports(self) -> Mapping[UnitKey, Report]:
        return {**self.polls, **self.world.surveyor.reports}

    def ask(self, url: str, method: str = "GET", **headers: str) -> Answered:
        """Return what a request is answered; headers are named as in WSGI, without HTTP_."""
        path, _, query = url.partition("?")
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "REQUEST_URI": url, "QUERY_STRING": query}
        started: list[tuple[str, list[tuple[str, str]]]] = []
        environ |= {f"HTTP_{name}": value for name, value in headers.items()}
        body = b"".join(self.app(environ, lambda status, sent: started.append((status, sent))))
        ((status, sent),) = started
        return Answered(int(status[:3]), dict(sent), body)

    def store(self, *events: ChangeEvent) -> None:
        """Store events as live ones of the source cloudtrail."""
        self.world.store.append(ingest(*events, source="cloudtrail", at=self.world.now))
