"""One connection of the web server, served in steps none of which waits for the client.

The library hands a thread to each connection from its first moment, does the handshake of TLS where it accepts, and reads with
a time limit that begins anew with every byte: a few dozen clients that say nothing, or a byte now and then, would stop it. Here
a thread gets a connection only when something has come, and gives it back when that is not yet a whole request; who waits costs
a place in a table.
"""

from __future__ import annotations

import io
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from email.utils import formatdate
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest

from exporter.web.access.tls import Tls
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
"""For a whole answer to be taken off our hands."""
_DRAIN_SECONDS, _DRAIN_BYTES = 2.0, 256 * 1024
_CHUNK = 64 * 1024
_HANDSHAKE_RECORD = 0x16
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class _Answer:
    """The sending side, as the library asks for it: keeps what is to be sent, which is in memory anyway, until the socket takes it."""

    def __init__(self) -> None:
        self.parts: deque[memoryview] = deque()
        self.bytes_written = 0

    def write(self, data: bytes) -> int:
        """Keep a part of the answer."""
        if data:
            self.parts.append(memoryview(data))
        return len(data)


class _Next(Enum):
    """What becomes of a connection when its answer has been taken."""

    KEEP = "the next request"
    CLOSE = "the end"
    DRAIN = "what the client still says is read and thrown away"


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
        number = HTTPStatus(int(str(status)[:3]))
        if number is not HTTPStatus.INTERNAL_SERVER_ERROR:
            self.conn.server.turned_away("malformed")
        without_body = getattr(self, "method", b"") == b"HEAD"
        self.conn.wfile.write(spelled(number, msg or number.phrase, self.server.answer_headers(), without_body=without_body))


class Connection(HTTPConnection):
    """One connection; `communicate` takes its next step."""

    RequestHandlerClass = _Request

    def __init__(self, server: Server, sock: socket.socket, address: tuple[Any, ...], tls: Tls | None) -> None:
        sock.setblocking(False)
        super().__init__(server, sock, lambda *_: io.BytesIO())
        self.wfile = _Answer()
        self.remote_addr, self.remote_port = address[:2]
        self.tls = tls
        self.deadline = time.monotonic() + (_FIRST_SECONDS if tls is None else _ARRIVAL_SECONDS)
        self.waits_for = selectors.EVENT_READ
        self._inbox = Inbox()
        self._is_shaken = tls is None
        self._is_over = self._is_closed = False
        self._next = _Next.KEEP
        self._drained = 0

    def communicate(self) -> bool:
        """Go on as far as can be without waiting; return whether the connection stays."""
        self.waits_for = selectors.EVENT_READ
        try:
            if self.wfile.parts:
                return self._send()
            if self._next is _Next.DRAIN:
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
        if self.wfile.parts or self._next is not _Next.KEEP or not self._is_shaken:
            return False
        pending = self.socket.pending() if isinstance(self.socket, ssl.SSLSocket) else 0
        return pending > 0 or self._inbox.whole() is not None

    def expire(self) -> None:
        """Say, where a request has begun, that it is too late, without waiting; then close."""
        begun = bool(len(self._inbox)) and self._next is _Next.KEEP
        if begun or self.wfile.parts or not self._is_shaken:
            self.server.turned_away("timeout")
        if begun and not self.wfile.parts:
            answer = spelled(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to come.", self.server.answer_headers())
            with suppress(OSError, ValueError):
                self.socket.send(answer)
        self.close()

    def close(self) -> None:
        """End the connection; TLS is told so, as far as that needs no waiting."""
        if self._is_closed:
            return
        self._is_closed = True
        if isinstance(self.socket, ssl.SSLSocket) and self._is_shaken:
            with suppress(OSError, ValueError):
                self.socket.unwrap()
        with suppress(OSError):
            super().close()
        self.socket.close()
        self.server.closed()

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
        self.deadline = time.monotonic() + _FIRST_SECONDS
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
        self.wfile.write(spelled(HTTPStatus.BAD_REQUEST, message, self.server.answer_headers()))
        return self._begin_to_send(_Next.DRAIN)

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
        return self._begin_to_send(_Next.KEEP if self._answer(self._inbox.take(whole)) else _Next.CLOSE)

    def _answer(self, request: bytes) -> bool:
        """Have the library read a request and the application answer it; return whether the connection stays."""
        self.rfile = io.BytesIO(request)
        handled = self.RequestHandlerClass(self.server, self)
        try:
            handled.parse_request()
            if handled.ready:
                handled.respond()
        except Exception as error:  # noqa: BLE001 - the boundary of one request
            # The application answers for its own faults; whatever still comes here must not cost the client its answer.
            self.server.error_log(f"a request could not be answered: {error!r}")
            self.wfile.parts.clear()
            handled.simple_response("500 Internal Server Error", "This is a fault of the exporter.")
        return handled.ready and not handled.close_connection

    def _refuse(self, status: HTTPStatus, message: str) -> bool:
        without_body = self._inbox.is_head_request()
        self.wfile.write(spelled(status, message, self.server.answer_headers(), without_body=without_body))
        return self._begin_to_send(_Next.DRAIN)

    def _begin_to_send(self, then: _Next) -> bool:
        self._next = then
        self.deadline = time.monotonic() + _ANSWER_SECONDS
        return self._send()

    def _send(self) -> bool:
        """Send what the socket takes now; a client that reads slowly waits in the table like all others."""
        parts = self.wfile.parts
        while parts:
            try:
                parts[0] = parts[0][self.socket.send(parts[0]) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                self.waits_for = selectors.EVENT_WRITE
                return True
            if not parts[0]:
                parts.popleft()
        if self._next is _Next.DRAIN:
            # A socket that is closed with bytes unread takes its answer back.
            self.deadline = time.monotonic() + _DRAIN_SECONDS
            self.socket.shutdown(socket.SHUT_WR)
        else:
            self.deadline = time.monotonic() + (_ARRIVAL_SECONDS if len(self._inbox) else KEPT_SECONDS)
        return self._next is not _Next.CLOSE

    def _drain(self) -> bool:
        while self._drained < _DRAIN_BYTES and (chunk := self.socket.recv(_CHUNK)):
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
