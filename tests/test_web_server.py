"""The HTTP server: threads, not an event loop; bounds; and errors that name what to do."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from exporter.errors import ConfigError
from exporter.web.server import WebServer, parse_listen_address

App = Callable[..., Iterable[bytes]]


@pytest.fixture
def serving() -> Iterator[Callable[[App], str]]:
    """Return a starter of servers on free ports; all are stopped at the end."""
    servers: list[WebServer] = []

    def start(app: App) -> str:
        server = WebServer("127.0.0.1:0", app, lambda message: None)
        servers.append(server)
        server.start()
        return server.address

    yield start
    for server in servers:
        server.stop()


def get(
    address: str, path: str = "/", method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Return status and body of one request."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_a_request_that_takes_long_does_not_hold_up_the_others(serving: Callable[[App], str]) -> None:
    """Beside a busy thread an event loop answers all or none; a scrape must not wait for a history page."""
    release = threading.Event()
    entered = threading.Event()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/slow":
            entered.set()
            release.wait(10)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    address = serving(app)
    slow = threading.Thread(target=get, args=(address, "/slow"))
    slow.start()
    try:
        assert entered.wait(5)
        assert get(address, "/quick") == (200, b"ok")
        assert slow.is_alive()
    finally:
        release.set()
        slow.join(10)


def test_connections_that_say_nothing_or_half_a_request_do_not_hold_up_the_others(serving: Callable[[App], str]) -> None:
    """A browser that connects ahead of need, or a port scanner, must not make a scrape time out."""

    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    address = serving(app)
    host, _, port = address.rpartition(":")
    idle = [socket.create_connection((host, int(port)), timeout=10) for _ in range(16)]
    try:
        for connection in idle[::2]:
            connection.sendall(b"GET /met")
        begin = time.monotonic()
        assert get(address) == (200, b"ok")
        assert time.monotonic() - begin < 5
    finally:
        for connection in idle:
            connection.close()


def test_a_busy_thread_of_ours_does_not_starve_requests(serving: Callable[[App], str]) -> None:
    """Ingest is a CPU-bound thread in this very process."""

    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    address = serving(app)
    stop = threading.Event()
    turns = [0]

    def spin() -> None:
        while not stop.is_set():
            turns[0] += 1

    busy = threading.Thread(target=spin)
    busy.start()
    try:
        before = turns[0]
        assert [get(address)[0] for _ in range(50)] == [200] * 50
        assert turns[0] > before, "the busy thread must have run meanwhile"
    finally:
        stop.set()
        busy.join(10)


def test_requests_are_bounded(serving: Callable[[App], str]) -> None:
    """A header or body without end must not fill the memory."""

    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    address = serving(app)
    assert get(address, headers={"X-Long": "x" * 100_000})[0] == 431
    assert get(address, method="POST", body=b"x" * 100_000)[0] == 413
    assert get(address)[0] == 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:9", ("127.0.0.1", 9)), ("[::1]:10893", ("::1", 10893)), ("localhost:0", ("localhost", 0)), ("0.0.0.0:1", ("0.0.0.0", 1))],
)
def test_listen_addresses_read_as_prometheus_spells_them(text: str, expected: tuple[str, int]) -> None:
    """The same flag, the same forms."""
    assert parse_listen_address(text) == expected


def test_without_a_host_every_address_is_listened_on() -> None:
    """`:10893` is the default, as every exporter has it."""
    host, port = parse_listen_address(":10893")
    assert host in ("::", "0.0.0.0")
    assert port == 10893


@pytest.mark.parametrize("text", ["", "10893", "host", "host:", "host:99999", "a:b:1", "[::1]", "::1:80", ":-1", "http://x:1"])
def test_what_is_no_listen_address_is_refused_with_a_remedy(text: str) -> None:
    """The message shows the forms."""
    with pytest.raises(ConfigError, match=r"write it as :10893, 127\.0\.0\.1:10893 or \[::1\]:10893"):
        parse_listen_address(text)


# The library forgets to close the socket that it could not bind; the process ends there anyway.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_host_that_does_not_exist_is_a_clear_error() -> None:
    """Not a traceback of getaddrinfo."""
    with pytest.raises(ConfigError, match=r"cannot listen on 203\.0\.113\.1:1"):
        WebServer("203.0.113.1:1", lambda *_: [], lambda message: None)
