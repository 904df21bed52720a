"""The image's health check against the real server in every dress: plain, TLS, client certificates, and no exporter at all."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from exporter.healthcheck import main
from exporter.logs import make_logger
from exporter.web.access import Access
from exporter.web.server import WebServer
from tests.certificates import Authority

PAIR = {"tls_server_config": {"cert_file": "server.crt", "key_file": "server.key"}}
MUTUAL = {
    "tls_server_config": PAIR["tls_server_config"] | {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "authority.crt"}
}
LISTEN, WEB = "AWS_CHANGE_EXPORTER_LISTEN_ADDRESS", "AWS_CHANGE_EXPORTER_WEB_CONFIG"


class Site:
    """Servers of one test that answer /-/healthy with a status."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory, self._stack = directory, stack
        self.refused: list[str] = []
        Authority(directory).server()

    def serve(self, web: dict | None = None, status: str = "200 OK", listen: str = "127.0.0.1:0") -> dict[str, str]:
        """Serve, and return the environment of a container that serves so."""
        path = self.directory / "web.yml"
        path.write_text(json.dumps(web or {}))

        def app(environ, start_response):
            start_response(status if environ["PATH_INFO"] == "/-/healthy" else "404 Not Found", [("Content-Type", "text/plain")])
            return [b"Said."]

        access = Access(path, make_logger("error", "json"))
        server = WebServer(listen, app, lambda _message: None, self.refused.append, access.tls)
        server.start()
        self._stack.callback(server.stop)
        return {LISTEN: server.address.replace("localhost", ""), WEB: str(path)}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Return a place for servers; they end with the test."""
    with ExitStack() as stack:
        yield Site(tmp_path, stack)


@pytest.mark.parametrize("web", [{}, PAIR], ids=["plain", "tls"])
def test_it_speaks_what_the_exporter_speaks(site, web, capsys):
    """Otherwise TLS makes a healthy exporter look dead, or each check is a refused request in the metrics."""
    environment = site.serve(web)
    assert main(environment) == 0
    assert capsys.readouterr().out == "healthy: 200 Said.\n"
    assert site.refused == []


def test_it_finds_tls_that_it_was_not_told_of(site, capsys):
    """Otherwise an option of `serve` in place of the variable makes a healthy exporter look dead."""
    environment = site.serve(PAIR)
    del environment[WEB]
    assert main(environment) == 0
    assert capsys.readouterr().out == "healthy: 200 Said.\n"


def test_it_finds_plain_http_where_the_file_has_changed_since_the_start(site, capsys):
    """Otherwise adding TLS to the file, which counts from the next start on, kills the exporter that runs."""
    environment = site.serve({})
    (site.directory / "web.yml").write_text(json.dumps(PAIR))
    assert main(environment) == 0
    assert capsys.readouterr().out == "healthy: 200 Said.\n"


@pytest.mark.parametrize("more", [{}, {"max_version": "TLS12"}], ids=["tls13", "tls12"])
def test_an_exporter_that_wants_the_certificate_of_a_client_is_alive(site, capsys, more):
    """Otherwise mutual TLS, the safest dress, is the one that no container can wear."""
    assert main(site.serve({"tls_server_config": MUTUAL["tls_server_config"] | more})) == 0
    assert capsys.readouterr().out == "healthy: TLS is spoken, and the certificate of a client is wanted\n"


@pytest.mark.parametrize(
    ("status", "code"), [("401 Unauthorized", 0), ("429 Too Many Requests", 0), ("404 Not Found", 1), ("500 Internal Server Error", 1)]
)
def test_an_answer_that_asks_for_a_login_is_alive_and_a_fault_is_not(site, capsys, status, code):
    """Otherwise logins kill the exporter, or something else on its port passes for it."""
    assert main(site.serve(status=status)) == code
    assert capsys.readouterr().out == f"{'healthy' if code == 0 else 'unhealthy'}: {status[:3]} Said.\n"


@pytest.mark.parametrize("listen", [":0", "[::1]:0", "0.0.0.0:0"])
def test_it_asks_where_the_exporter_listens(site, listen):
    """Otherwise an exporter on another address is dead to its own container."""
    if "[" in listen and not socket.has_dualstack_ipv6():
        pytest.skip("there is no IPv6 here")
    assert main(site.serve(listen=listen)) == 0


def test_nothing_there_silence_and_a_wrong_address_are_unhealthy_with_a_reason(capsys):
    """Otherwise an exporter that hangs is never restarted, or nobody is told why it was."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert main({LISTEN: address}) == 1
    assert capsys.readouterr().out == f"unhealthy: nothing answers at {address}: timed out\n"
    assert main({LISTEN: address}) == 1
    assert capsys.readouterr().out.startswith(f"unhealthy: nothing answers at {address}: [Errno ")
    assert main({LISTEN: "10893"}) == 1
    assert capsys.readouterr().out.startswith("unhealthy: AWS_CHANGE_EXPORTER_LISTEN_ADDRESS is '10893'; write it as ")


def test_silence_where_tls_is_expected_is_unhealthy_too(site, capsys):
    """Otherwise the exporter behind TLS that hangs is never restarted."""
    (site.directory / "web.yml").write_text(json.dumps(PAIR))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert main({LISTEN: address, WEB: str(site.directory / "web.yml")}) == 1
    assert capsys.readouterr().out.startswith("unhealthy: ")


def test_it_loads_no_library(site):
    """Otherwise each check takes the memory that the exporter was given, and its limit kills one of the two."""
    program = "import sys, exporter.healthcheck; print(sorted({name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parent.parent
    )
    assert done.stdout.strip() == "['__main__', 'exporter']"
    done = subprocess.run(
        [sys.executable, "-m", "exporter.healthcheck"], env=site.serve(PAIR), capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "healthy: 200 Said.\n"), done.stderr


def test_the_servers_answer_to_plain_http_is_the_one_that_the_check_knows(site):
    """Otherwise a change of the server's words blinds the check to TLS that it was not told of."""
    environment = site.serve(PAIR)
    host, _, port = environment[LISTEN].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as plain:
        plain.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
        assert b"This port speaks HTTPS" in plain.recv(4096)
