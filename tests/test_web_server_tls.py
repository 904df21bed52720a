"""The server's connections: TLS, client certificates, and clients that say nothing, too little, too slowly or in the wrong words."""

from __future__ import annotations

import io
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from exporter.logs import make_logger
from exporter.web.access import Access
from exporter.web.server import WebServer
from tests.certificates import Authority, Pair

PAIR = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
CLIENTS = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: authority.crt\n"


class Site:
    """A server in this process, with what it refused and logged."""

    def __init__(self, directory: Path, web_file: str, app: Callable[..., Iterable[bytes]] | None = None) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        self.authority.server()
        self.file = directory / "web.yml"
        self.file.write_text(web_file)
        self.access = Access(self.file, make_logger("error", "json", io.StringIO()))
        self.refused: Counter[str] = Counter()
        self.failed: list[str] = []
        self._server = WebServer(
            "127.0.0.1:0", app or hello, self.failed.append, lambda reason: self.refused.update([reason]), self.access.tls
        )
        self._server.start()
        host, port = self._server.address.split(":")
        self.place = host, int(port)

    def stop(self) -> None:
        """End the server."""
        self._server.stop()

    def connect(self) -> socket.socket:
        """Return a connection without TLS."""
        return socket.create_connection(self.place, timeout=10)

    def secure(self, pair: Pair | None = None, version: ssl.TLSVersion | None = None) -> ssl.SSLSocket:
        """Return a connection with TLS."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context.wrap_socket(self.connect(), server_hostname="localhost")

    def get(self, pair: Pair | None = None, version: ssl.TLSVersion | None = None) -> str:
        """Return the answer over TLS."""
        with self.secure(pair, version) as connection:
            return asked(connection)


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the scheme."""
    body = f"hello {environ['wsgi.url_scheme']}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def asked(connection: socket.socket, request: bytes = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") -> str:
    """Send a request and return all that comes."""
    connection.sendall(request)
    return read(connection)


def read(connection: socket.socket) -> str:
    """Return all that comes until the end."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts).decode()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Return a starter of servers; all are stopped at the end."""
    with ExitStack() as stack:

        def start(web_file: str, app: Callable[..., Iterable[bytes]] | None = None) -> Site:
            site = Site(tmp_path, web_file, app)
            stack.callback(site.stop)
            return site

        yield start


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_it_answers_over_tls(serving, version):
    """The application must know that it is https, or its links lead to nowhere."""
    assert serving(PAIR).get(version=version).endswith("hello https")


def test_many_requests_go_over_one_connection(serving):
    """A handshake for each scrape would cost more than the scrape."""
    with serving(PAIR).secure() as connection:
        for _ in range(3):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = b""
            while not answer.endswith(b"hello https"):
                answer += connection.recv(1)
        # Three at once, the last of them cut in two.
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2 + b"GET / HTTP/1.1\r\nHo")
        connection.sendall(b"st: a\r\nConnection: close\r\n\r\n")
        assert read(connection).count("hello https") == 3


def test_a_certificate_opens_the_door_where_one_is_asked_for(serving, tmp_path):
    """And no other, whatever its name, and none at all neither."""
    site = serving(
        PAIR + CLIENTS + "  client_allowed_sans: [prometheus.example.com, '2001:db8::1', 'spiffe://example.com/p', p@example.com]\n"
    )
    other = Authority(tmp_path, "other")
    names = [
        x509.DNSName("prometheus.example.com"),
        x509.UniformResourceIdentifier("spiffe://example.com/p"),
        x509.RFC822Name("p@example.com"),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
    ]
    for number, name in enumerate(names):
        assert site.get(site.authority.client(f"good{number}", name)).endswith("hello https")
    assert site.refused == {}
    for pair in (site.authority.client("stranger", x509.DNSName("x.prometheus.example.com")), site.authority.client("nameless")):
        assert answered_nothing(site, pair)
    assert site.refused == {"certificate": 2}
    for pair in (None, other.client("forged", x509.DNSName("prometheus.example.com")), site.authority.server("other-server")):
        assert answered_nothing(site, pair)
    wait_for(lambda: site.refused["tls"] == 3)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait for what the server does after the client has heard of it."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def answered_nothing(site: Site, pair: Pair | None) -> bool:
    """Whether a client with this certificate is turned away: TLS 1.3 tells it so only when it reads."""
    try:
        return site.get(pair) == ""
    except (ssl.SSLError, ConnectionError):
        return True


def test_a_certificate_that_is_given_is_verified_and_none_is_fine_where_the_file_says_so(serving, tmp_path):
    """VerifyClientCertIfGiven, for a time of change."""
    site = serving(PAIR + CLIENTS.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"))
    assert site.get().endswith("hello https")
    assert site.get(site.authority.client("good")).endswith("hello https")
    assert answered_nothing(site, Authority(tmp_path, "other").client("forged"))


def test_new_certificates_serve_new_connections_without_a_restart(serving, tmp_path):
    """cert-manager renews them every few weeks, and nobody is there."""
    site = serving(PAIR)
    assert site.get().endswith("hello https")
    site.authority.certificate.rename(tmp_path / "old.crt")
    site.authority = Authority(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        site.get()
    site.authority.server()
    site.access.look()
    assert site.get().endswith("hello https")
    (tmp_path / "server.key").write_text("half a key")
    site.access.look()
    assert site.get().endswith("hello https"), "the pair that worked goes on"
    site.file.write_text("")
    site.access.look()
    assert site.get().endswith("hello https"), "TLS does not end because a file was emptied"


def test_plain_http_is_told_to_use_https_and_noise_is_not_answered(serving):
    """A forgotten s is the commonest mistake, and a scanner the commonest guest."""
    site = serving(PAIR)
    with site.connect() as connection:
        answer = asked(connection, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith("HTTP/1.1 400 Bad Request")
    assert "write https://" in answer
    assert "X-Content-Type-Options: nosniff" in answer
    for noise in (b"\x03\x00\x00\x2c", b"\x16\x03\x01\x00\x05hello", b"\0"):
        with site.connect() as connection:
            connection.sendall(noise)
            with suppress(OSError):  # ended already
                connection.shutdown(socket.SHUT_WR)
            assert b"HTTP" not in received(connection)
    assert site.get().endswith("hello https")
    for _ in range(50):
        with site.connect() as connection:
            asked(connection, b"GET / HTTP/1.0\r\n\r\n")
    wait_for(lambda: site.refused["tls"] >= 52)
    assert len(site.failed) == 1, "fifty of a kind are one line"


def received(connection: socket.socket) -> bytes:
    """Return what comes, be it a reset."""
    try:
        return connection.recv(65536)
    except ConnectionError:
        return b""


@pytest.mark.parametrize("web_file", ["", PAIR], ids=["plain", "tls"])
def test_clients_that_say_nothing_or_too_little_hold_up_nobody(serving, web_file):
    """Two hundred of them would stop a server that gives each a thread, or shakes hands where it accepts."""
    site = serving(web_file)
    request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with ExitStack() as stack:
        for number in range(100):
            connection = stack.enter_context(site.connect())
            if number % 2:
                connection.sendall(b"\x16\x03\x01" if web_file else b"GET /met")
        for _ in range(20):
            connection = stack.enter_context(site.secure() if web_file else site.connect())
            connection.sendall(request[:-2])
        for _ in range(5):
            with site.secure() if web_file else site.connect() as connection:
                assert "hello" in asked(connection, request)


@pytest.mark.parametrize("web_file", ["", PAIR], ids=["plain", "tls"])
def test_clients_that_do_not_read_hold_up_nobody(serving, web_file):
    """An answer that is not taken waits in a table, not in a thread; and one that is taken slowly comes whole."""
    page = bytes(range(256)) * 40_000

    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", str(len(page)))])
        return [page]

    site = serving(web_file, app)
    request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(40):
            connection = stack.enter_context(site.secure() if web_file else site.connect())
            connection.sendall(request)
        with site.secure() if web_file else site.connect() as connection:
            connection.sendall(request)
            answer = b""
            while part := connection.recv(100_000):
                answer += part
    assert answer.endswith(b"\r\n\r\n" + page)
    assert site.refused == {}


def test_an_answer_that_is_never_taken_is_given_up(serving, monkeypatch):
    """Or whoever opens enough connections fills the memory with answers."""
    monkeypatch.setattr("exporter.web.connection._ANSWER_SECONDS", 0.2)

    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "20000000")])
        return [b"x" * 20_000_000]

    site = serving("", app)
    with site.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_for(lambda: site.refused == {"timeout": 1})
        with pytest.raises((ConnectionError, AssertionError)):
            assert len(read(connection)) >= 20_000_000


def test_connections_are_bounded_and_the_newest_is_served(serving):
    """Descriptors are few, and the store and AWS need some."""
    site = serving("")
    with ExitStack() as stack:
        idle = [stack.enter_context(site.connect()) for _ in range(200)]
        with site.connect() as connection:
            assert "hello" in asked(connection)
        closed = [connection for connection in idle if is_closed(connection)]
        assert 60 <= len(closed) < 100
        assert closed == idle[: len(closed)], "those that have waited longest"
    assert site.refused["connections"] == len(closed)


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed a connection on which it has nothing to say."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_a_request_that_does_not_end_is_told_so(serving, monkeypatch):
    """408, and the place in the table is free again."""
    monkeypatch.setattr("exporter.web.connection._ARRIVAL_SECONDS", 0.2)
    site = serving("")
    with site.connect() as connection:
        connection.sendall(b"GET / HTT")
        answer = read(connection)
    assert answer.startswith("HTTP/1.1 408 Request Timeout")
    assert "Content-Security-Policy: default-src 'none'" in answer
    assert site.refused == {"timeout": 1}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000, 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 411),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.0\n\n", 400),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://other.example.com/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /../../etc/passwd HTTP/9.9\r\nHost: a\r\n\r\n", 505),
        (b"CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"\x00\x01\x02 / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /%zz%00%ff HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431),
    ],
)
def test_what_the_server_answers_itself_has_the_headers_of_all_answers(serving, request_, status):
    """Scanners look at error pages first; these say neither a path nor a version."""
    site = serving("")
    with site.connect() as connection:
        answer = asked(connection, request_)
    head, _, body = answer.partition("\r\n\r\n")
    assert re.match(rf"HTTP/1.1 {status} ", head)
    if status != 200:
        assert "X-Frame-Options: DENY" in head
        assert "Connection: close" in head
        assert bool(body) != request_.startswith(b"HEAD")
        assert not {"cheroot", "python", "passwd", "Traceback"} & set(re.findall(r"\w+", answer))


def test_a_fault_is_answered_and_logged_and_the_next_request_too(serving):
    """Not a connection that ends without a word."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/":
            raise ZeroDivisionError("secret")
        return hello(environ, start_response)

    site = serving("", app)
    with site.connect() as connection:
        answer = asked(connection)
    assert answer.startswith("HTTP/1.1 500 Internal Server Error")
    assert "secret" not in answer
    assert "ZeroDivisionError" in site.failed[0]
    with site.connect() as connection:
        assert "hello" in asked(connection, b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert site.refused == {}


def test_a_header_with_an_underscore_cannot_pass_for_another(serving):
    """To the application both would be HTTP_SEC_FETCH_SITE, and a proxy looks at one of them only."""
    seen: list[Any] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(environ.get("HTTP_SEC_FETCH_SITE"))
        return hello(environ, start_response)

    site = serving("", app)
    with site.connect() as connection:
        asked(connection, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nSec-Fetch-Site: cross-site\r\nSec_Fetch_Site: none\r\n\r\n")
    assert seen == ["cross-site"]


def test_it_stops_while_clients_are_there(serving):
    """SIGTERM comes with connections open, always."""
    site = serving(PAIR)
    with site.secure() as quiet, site.connect() as silent:
        stopper = threading.Thread(target=site.stop)
        stopper.start()
        stopper.join(10)
        assert not stopper.is_alive()
        for connection in (quiet, silent):
            assert received(connection) == b""
