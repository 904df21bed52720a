"""One connection of the web server, served in steps none of which waits for the client, but for the one that sends an answer.

The library hands a thread to each connection from its first moment, does the handshake of TLS where it accepts, and reads with
a time limit that begins anew with every byte: a few dozen clients that say nothing, or a byte now and then, would stop it. Here
a thread gets a connection only when something has come, and gives it back when that is not yet a whole request; who waits costs
a place in a table.
"""

from __future__ import annotations

import io
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest

from exporter.web.access.tls import Tls
from exporter.web.headers import joined
from exporter.web.inbox import Inbox, Turned

if TYPE_CHECKING:
    from exporter.web.server import Server

_FIRST_SECONDS = 30.0
"""For the first byte; browsers connect ahead of need."""
_ARRIVAL_SECONDS = 10.0
"""For a whole request from its first byte on, and for a handshake."""
KEPT_SECONDS = 120
"""Between two requests: longer than any usual scrape interval."""
_ANSWER_SECONDS = 30.0
"""For a whole answer to be taken off our hands; only this holds a thread."""
_DRAIN_SECONDS, _DRAIN_BYTES = 2.0, 256 * 1024
_CHUNK = 64 * 1024
_HANDSHAKE_RECORD = 0x16
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class _Answer:
    """The sending side, as the library asks for it: a time limit for the answer as a whole, however slowly it is read."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.bytes_written = 0
        self.until = 0.0

    def write(self, data: bytes) -> int:
        """Send all of it; raises TimeoutError where the time is over."""
        rest = memoryview(data)
        while rest:
            left = self.until - time.monotonic()
            if left <= 0:
                raise TimeoutError("the client reads too slowly")
            self._connection.socket.settimeout(left)
            rest = rest[self._connection.socket.send(rest[:_CHUNK]) :]
        self.bytes_written += len(data)
        return len(data)


class _Headers(HeaderReader):
    """Leaves out headers with underscores: to the application `X_Y` would be `X-Y`. The library's own such reader fails on bytes."""

    def _allow_header(self, key_name: Any) -> bool:
        return b"_" not in key_name


class _Request(HTTPRequest):
    """The library's request, whose own answers have the headers of all others."""

    header_reader = _Headers()

    def __init__(self, server: Any, conn: Any, **options: Any) -> None:
        super().__init__(server, conn, **options)
        self.scheme = b"https" if conn.tls is not None else b"http"

    def simple_response(self, status: str, msg: str = "") -> None:
        """Answer what cannot be passed on to the application."""
        self.close_connection = self.sent_headers = True
        number = int(str(status)[:3])
        self.conn.server.turned_away("malformed")
        self.conn.send(spelled(HTTPStatus(number), msg or HTTPStatus(number).phrase, self.server.answer_headers()))


class Connection(HTTPConnection):
    """One connection; `communicate` takes its next step."""

    RequestHandlerClass = _Request

    def __init__(self, server: Server, sock: socket.socket, address: tuple[Any, ...], tls: Tls | None) -> None:
        sock.setblocking(False)
        super().__init__(server, sock, lambda *_: io.BytesIO())
        self.wfile = _Answer(self)
        self.remote_addr, self.remote_port = address[:2]
        self.tls = tls
        self.deadline = time.monotonic() + (_FIRST_SECONDS if tls is None else _ARRIVAL_SECONDS)
        self._inbox = Inbox()
        self._is_shaken = tls is None
        self._is_over = False
        self._drained: int | None = None

    def communicate(self) -> bool:
        """Go on as far as can be without waiting; return whether the connection stays."""
        try:
            if self._drained is not None:
                return self._drain()
            return (self._is_shaken or self._shake_hands()) and self._go_on()
        except _NOT_NOW:
            return True
        except (OSError, ValueError) as error:  # ValueError: closed meanwhile
            self.server.lost(self, error)
            return False

    @property
    def has_more(self) -> bool:
        """Whether a step can be taken at once: the next request may have come together with the last."""
        if self._drained is not None:
            return False
        pending = self.socket.pending() if isinstance(self.socket, ssl.SSLSocket) and self._is_shaken else 0
        return pending > 0 or self._inbox.whole() is not None

    def expire(self) -> None:
        """Say, where a request has begun, that it is too late, without waiting; then close."""
        if self._drained is None:
            begun = bool(len(self._inbox))
            self.server.turned_away("timeout" if begun or not self._is_shaken else "")
            if begun:
                answer = spelled(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to come.", self.server.answer_headers())
                with suppress(OSError, ValueError):
                    self.socket.send(answer)
        self.close()

    def close(self) -> None:
        """End the connection; TLS is told so, as far as that needs no waiting."""
        if isinstance(self.socket, ssl.SSLSocket) and self._is_shaken:
            with suppress(OSError, ValueError):
                self.socket.setblocking(False)
                self.socket.unwrap()
        with suppress(OSError):
            super().close()

    def send(self, answer: bytes) -> None:
        """Send an answer that the application did not make."""
        self.wfile.until = time.monotonic() + _ANSWER_SECONDS
        self.wfile.write(answer)

    def _shake_hands(self) -> bool:
        """Take the next step of the handshake. Raises one of _NOT_NOW where the client must speak first."""
        assert self.tls is not None
        if not isinstance(self.socket, ssl.SSLSocket):
            first = self.socket.recv(1, socket.MSG_PEEK)
            if not first:
                return False
            if first[0] != _HANDSHAKE_RECORD:
                return self._say_that_it_is_tls(first)
            self.socket = self.tls.context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
            self.deadline = time.monotonic() + _ARRIVAL_SECONDS
        self.socket.do_handshake()
        self._is_shaken = True
        if self.tls.allowed_sans is not None and not self.tls.admits(self.socket.getpeercert()):
            self.server.turned_away("certificate", self, "a client certificate has none of client_allowed_sans")
            return False
        return True

    def _say_that_it_is_tls(self, first: bytes) -> bool:
        """Answer plain HTTP in its own words, and anything else not at all."""
        self.server.turned_away("tls", self, "a client did not speak TLS")
        if not first.isalpha():
            return False
        message = "This port speaks HTTPS: write https:// instead of http://."
        self.send(spelled(HTTPStatus.BAD_REQUEST, message, self.server.answer_headers()))
        return self._begin_to_drain()

    def _go_on(self) -> bool:
        """Read what has come and answer the request that is whole. Raises one of _NOT_NOW where more must come."""
        was_idle = not len(self._inbox)
        while (whole := self._inbox.whole()) is None:
            if self._is_over:
                return False
            chunk = self.socket.recv(_CHUNK)
            if was_idle and chunk:
                was_idle, self.deadline = False, time.monotonic() + _ARRIVAL_SECONDS
            self._is_over = not chunk
            self._inbox.add(chunk)
        if isinstance(whole, Turned):
            self.server.turned_away(whole.reason)
            return self._refuse(whole.status, whole.message)
        with self.server.serving(self.remote_addr) as let_in:
            if not let_in:
                return self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests at once from this address.", (("Retry-After", "1"),))
            keep = self._answer(self._inbox.take(whole))
        self.socket.setblocking(False)
        self.deadline = time.monotonic() + KEPT_SECONDS
        return keep

    def _answer(self, request: bytes) -> bool:
        """Have the library read a request and the application answer it; return whether the connection stays."""
        self.rfile = io.BytesIO(request)
        handled = self.RequestHandlerClass(self.server, self)
        self.wfile.until = time.monotonic() + _ANSWER_SECONDS
        handled.parse_request()
        if not handled.ready:
            return False
        handled.respond()
        return not handled.close_connection

    def _refuse(self, status: HTTPStatus, message: str, more: Sequence[tuple[str, str]] = ()) -> bool:
        headers = joined(self.server.answer_headers(), more)
        self.send(spelled(status, message, headers, without_body=self._inbox.is_head_request()))
        return self._begin_to_drain()

    def _begin_to_drain(self) -> bool:
        """Hear the client out for a moment: a socket that is closed with bytes unread takes the answer back."""
        self._drained = 0
        self.deadline = time.monotonic() + _DRAIN_SECONDS
        self.socket.shutdown(socket.SHUT_WR)
        self.socket.setblocking(False)
        return True

    def _drain(self) -> bool:
        while self._drained is not None and self._drained < _DRAIN_BYTES:
            chunk = self.socket.recv(_CHUNK)
            if not chunk:
                return False
            self._drained += len(chunk)
        return False


def spelled(status: HTTPStatus, message: str, headers: Sequence[tuple[str, str]], *, without_body: bool = False) -> bytes:
    """Return an answer that ends the connection."""
    body = f"{message}\n".encode()
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Date: {formatdate(usegmt=True)}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + (b"" if without_body else body)
