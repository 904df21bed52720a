"""The running sandbox: builds all parts, serves them on one address, and ends them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Self

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from sandbox.backend import Backend
from sandbox.gateway import Gateway
from sandbox.identities import Identities, Identity
from sandbox.journal import Journal
from sandbox.lookup import Lookup
from sandbox.models import Models
from sandbox.moments import Clock, utc_now
from sandbox.records import Recorder


@dataclass(frozen=True, slots=True)
class Settings:
    """What a sandbox is told. Port 0 is any free one; `delay` is from a call to its visibility in Event history."""

    host: str = "127.0.0.1"
    port: int = 0
    account_id: str = "111122223333"
    delay: timedelta = timedelta(seconds=2)
    default_identity: Identity | None = None
    identities: Mapping[str, Identity] = field(default_factory=dict)
    source_ip: str | None = None


_POLL_SECONDS = 0.05
"""How long `stop` may wait for the server to notice."""


class _QuietHandler(MotoRequestHandler):
    """Serves without a line for each request."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """Send the status alone: the standard library's own would add a Date of this machine beside that of the sandbox."""
        self.send_response_only(code, message)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


class Sandbox:
    """A running sandbox, from `start` to `stop`; also a context manager."""

    def __init__(self, settings: Settings, clock: Clock = utc_now) -> None:
        self.settings = settings
        self.backend = Backend()
        self.journal = Journal()
        default = settings.default_identity or Identity(settings.account_id, "user", "alice")
        self.identities = Identities(default, settings.identities)
        recorder = Recorder(Models(), settings.source_ip)
        own = {("cloudtrail", "LookupEvents"): Lookup(self.journal, clock)}
        self.application = Gateway(self.backend, recorder, self.identities, self.journal, settings.delay, clock, own)
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it serves, as an endpoint for clients."""
        assert self._server is not None, "start it first"
        return f"http://{self.settings.host}:{self._server.server_port}"

    def start(self) -> None:
        """Begin to serve; returns when requests are answered. Raises OSError where the address is taken."""
        self.backend.reset()
        self._server = make_server(self.settings.host, self.settings.port, self.application, threaded=True, request_handler=_QuietHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), name="sandbox", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the address; nothing if it does not run."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it."""
        self.stop()
