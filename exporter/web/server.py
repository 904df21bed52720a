"""The HTTP server: threaded, HTTP/1.1, bounded; an event loop would stall beside the ingest thread (docs/decisions).

Threads answer whole requests; connections that wait, shake hands or dawdle are kept by one thread that never waits for any of them.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cheroot import wsgi
from cheroot.connections import ConnectionManager

from exporter.errors import ConfigError
from exporter.web.access.buckets import client_of
from exporter.web.access.tls import Tls
from exporter.web.connection import KEPT_SECONDS, Connection
from exporter.web.headers import SECURITY_HEADERS, Headers
from exporter.web.inbox import MAX_BODY, MAX_HEAD
from exporter.web.quiet import Quiet

_THREADS = 24
_BACKLOG = 128
_MOST_CONNECTIONS, _MOST_OF_ONE = 512, 128
"""Past these the one whose time is up first is closed: of all, or of the address that has too many."""
_ACCEPT_PAUSE = 0.1


def parse_listen_address(text: str) -> tuple[str, int]:
    """Return host and port of `:10893`, `127.0.0.1:10893` or `[::1]:10893`; raise ConfigError on anything else."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.%]+)\]|([^:\[\]]*)):(\d{1,5})", text)
    if match is None or int(match.group(3)) > 65535:
        raise ConfigError(f"--web.listen-address: {text!r} is no listen address; write it as :10893, 127.0.0.1:10893 or [::1]:10893")
    host = match.group(1) or match.group(2) or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")  # noqa: S104 - the documented default
    return host, int(match.group(3))


class _Connections(ConnectionManager):
    """Keeps the connections that wait for their clients."""

    _selector: Any

    def put(self, conn: Connection) -> None:
        """Keep a connection, or have it go on at once where something has come already."""
        if conn.has_more and conn.deadline > time.monotonic():
            self.server.process_conn(conn)
        else:
            self._register(conn)

    def _register(self, conn: Connection) -> None:
        with suppress(KeyError, ValueError, OSError):  # closed meanwhile
            self._selector.register(conn.socket.fileno(), conn.waits_for, data=conn)

    def _from_server_socket(self, server_socket: socket.socket) -> None:
        """Accept a connection and keep it until its client says something."""
        try:
            sock, address = server_socket.accept()
        except OSError as error:
            if isinstance(error, TimeoutError | BlockingIOError | ConnectionAbortedError):
                return
            # Too many open files, most likely: the socket stays ready, and trying again at once would turn a core.
            self.server.turned_away("connections", None, f"a connection could not be accepted: {error}")
            time.sleep(_ACCEPT_PAUSE)
            return
        self._make_room(client_of(address[0]))
        if self.server.is_full:
            self.server.turned_away("connections", None, "a connection was refused, because there were too many, all of them in use")
            sock.close()
        else:
            self._register(self.server.connected(sock, address))

    def _make_room(self, client: str) -> None:
        """Close the one whose time is up first, where there are too many: one that dawdles before one that is kept."""
        waiting = [(fd, conn) for fd, conn in self._selector.connections if conn is not self.server]
        of_one = [item for item in waiting if client_of(item[1].remote_addr) == client]
        many = of_one if len(of_one) >= _MOST_OF_ONE else waiting if self.server.is_full else []
        if many:
            fd, oldest = min(many, key=lambda item: item[1].deadline)
            self._selector.unregister(fd)
            oldest.close()
            self.server.turned_away("connections", oldest, "there were too many connections")

    def _expire(self, threshold: float) -> None:
        """Close what took too long."""
        del threshold
        at = time.monotonic()
        for fd, conn in [item for item in self._selector.connections if item[1] is not self.server and item[1].deadline < at]:
            self._selector.unregister(fd)
            conn.expire()


class Server(wsgi.Server):
    """The library's server with connections of ours, whose faults reach our log."""

    _connections: Any

    def __init__(
        self,
        failed: Callable[[str], None],
        refused: Callable[[str], None],
        tls: Callable[[], Tls | None],
        headers: Callable[[], Headers],
        *arguments: Any,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._failed, self._refused, self._tls = failed, refused, tls
        self.answer_headers = headers
        self._quiet = Quiet()
        self._lock = threading.Lock()
        self._open = 0

    def prepare(self) -> None:
        """Listen, and keep connections in our way."""
        super().prepare()
        self._connections._selector.close()  # noqa: SLF001 - the library makes its own, which has only heard of the listening socket
        self._connections = _Connections(self)

    def connected(self, sock: socket.socket, address: tuple[Any, ...]) -> Connection:
        """Return the connection of a socket that was accepted."""
        with self._lock:
            self._open += 1
        return Connection(self, sock, address, self._tls())

    @property
    def is_full(self) -> bool:
        """Whether there are as many connections as may be, those included that threads have."""
        return self._open >= _MOST_CONNECTIONS

    def closed(self) -> None:
        """Hear that a connection is no more."""
        with self._lock:
            self._open -= 1

    def turned_away(self, reason: str, connection: Connection | None = None, message: str = "") -> None:
        """Count what was refused, and log it where there is a message and none of the kind was logged lately."""
        if reason:
            self._refused(reason)
        held = self._quiet.passes(reason) if message else None
        if held is not None:
            of = f"; last from {connection.remote_addr}" if connection else ""
            self._failed(f"{message}{of}" + (f"; {held} more since the last such line" if held else ""))

    def lost(self, connection: Connection, error: Exception) -> None:
        """Hear of a connection that broke. Clients go away all the time; only what TLS could not agree on is worth a line."""
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            self.turned_away("tls", connection, f"TLS could not be agreed on with a client: {error.reason or type(error).__name__}")

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Pass on a message; a traceback of a broken connection is of no use to anyone."""
        del level, traceback
        self._failed(msg)


class WebServer:
    """Serves a WSGI application in threads of its own."""

    def __init__(
        self,
        listen_address: str,
        app: Callable[..., Any],
        failed: Callable[[str], None],
        refused: Callable[[str], None] = lambda _reason: None,
        tls: Callable[[], Tls | None] = lambda: None,
        headers: Callable[[], Headers] = lambda: SECURITY_HEADERS,
    ) -> None:
        """Bind at once, so that a taken port is an error before anything starts.

        `failed` hears of faults of the server itself, `refused` of the reason why a request was; `tls` is asked at each new connection,
        `headers` at each answer that the server makes itself.
        """
        host, port = parse_listen_address(listen_address)
        self._server = Server(
            failed, refused, tls, headers,
            (host, port), app, numthreads=_THREADS, max=_THREADS, request_queue_size=_BACKLOG, timeout=KEPT_SECONDS,
            shutdown_timeout=1, server_name="aws-change-exporter",
        )  # fmt: skip
        self._server.keep_alive_conn_limit = _MOST_CONNECTIONS
        self._server.max_request_header_size = MAX_HEAD
        self._server.max_request_body_size = MAX_BODY
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
