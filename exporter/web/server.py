"""The HTTP server: threaded, HTTP/1.1, bounded; an event loop would stall beside the ingest thread (docs/decisions)."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from typing import Any

from cheroot import wsgi

from exporter.errors import ConfigError

# A thread waits with each connection that has sent nothing, or half a request: browsers open such ahead of need, scanners at random.
_THREADS = 24
_BACKLOG = 128
_IDLE_SECONDS = 30
_MAX_HEADER_BYTES = 32 * 1024
_MAX_BODY_BYTES = 64 * 1024


def parse_listen_address(text: str) -> tuple[str, int]:
    """Return host and port of `:10893`, `127.0.0.1:10893` or `[::1]:10893`; raise ConfigError on anything else."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.%]+)\]|([^:\[\]]*)):(\d{1,5})", text)
    if match is None or int(match.group(3)) > 65535:
        raise ConfigError(f"--web.listen-address: {text!r} is no listen address; write it as :10893, 127.0.0.1:10893 or [::1]:10893")
    host = match.group(1) or match.group(2) or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")  # noqa: S104 - the documented default
    return host, int(match.group(3))


class _Server(wsgi.Server):
    """The library's server, whose own faults reach our log."""

    def __init__(self, failed: Callable[[str], None], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._failed = failed

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Pass on a message; a traceback of a broken connection is of no use to anyone."""
        del level, traceback
        self._failed(msg)


class WebServer:
    """Serves a WSGI application in threads of its own."""

    def __init__(self, listen_address: str, app: Callable[..., Any], failed: Callable[[str], None]) -> None:
        """Bind at once, so that a taken port is an error before anything starts; `failed` hears of faults of the server itself."""
        host, port = parse_listen_address(listen_address)
        self._server = _Server(
            failed,
            (host, port), app, numthreads=_THREADS, max=_THREADS, request_queue_size=_BACKLOG, timeout=_IDLE_SECONDS,
            shutdown_timeout=1, server_name="aws-change-exporter",
        )  # fmt: skip
        self._server.max_request_header_size = _MAX_HEADER_BYTES
        self._server.max_request_body_size = _MAX_BODY_BYTES
        try:
            self._server.prepare()
        except OSError as error:
            raise ConfigError(
                f"--web.listen-address: cannot listen on {listen_address}: {error}; choose another address or stop what uses it"
            ) from error
        self._thread = threading.Thread(target=self._server.serve, name="web", daemon=True)

    @property
    def address(self) -> str:
        """Host and port that are listened on, as in a URL."""
        host, port = self._server.bind_addr[0], self._server.bind_addr[1]
        if host in ("::", "0.0.0.0"):  # noqa: S104 - a comparison
            host = "localhost"
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Close the socket and let running requests end, for a second at most."""
        self._server.stop()
        self._thread.join(timeout=2)
