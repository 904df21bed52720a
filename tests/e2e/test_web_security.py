"""TLS, client certificates and logins as processes: `serve`, curl, and a Prometheus that scrapes through all of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml
from cryptography import x509

from tests.certificates import Authority, Pair
from tests.e2e.conftest import Process, dies_with_parent, free_port, get, wait_until

NAME = "prometheus.example.com"


class Secured:
    """`serve` behind the shipped web configuration, in one directory with all its certificates."""

    def __init__(self, directory: Path, repository: Path, **web: Any) -> None:
        self.directory, self._repository = directory, repository
        self.address = f"127.0.0.1:{free_port()}"
        self.authority = Authority(directory, "client-ca")
        self.authority.server("tls")
        self.scraper = self.authority.client("prometheus", x509.DNSName(NAME))
        self.file = directory / "web-config.yml"
        self.write(lambda _shipped: None)
        config = {"store": {"path": "state.db"}, "sources": [{"type": "files", "path": "trails"}], "web": web}
        (directory / "trails").mkdir()
        (directory / "exporter.yml").write_text(yaml.safe_dump(config))
        self.log = directory / "exporter.log"
        self._popen: subprocess.Popen[bytes] | None = None

    def write(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Write the shipped example with users whose hashes are quick to check, and changed."""
        shipped = yaml.safe_load((self._repository / "deploy/web-config.yml").read_text())
        shipped["basic_auth_users"] = {
            name: bcrypt.hashpw(name.encode(), bcrypt.gensalt(4)).decode() for name in shipped["basic_auth_users"]
        }
        change(shipped)
        draft = self.file.with_suffix(".draft")
        draft.write_text(yaml.safe_dump(shipped))
        draft.replace(self.file)

    def start(self) -> None:
        """Start it and wait until it serves."""
        flags = (
            "--config.file",
            "exporter.yml",
            "--web.listen-address",
            self.address,
            "--web.config.file",
            str(self.file),
            "--log.format",
            "json",
        )
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                [*dies_with_parent(), sys.executable, "-m", "exporter", "serve", *flags],
                cwd=self.directory, env={**os.environ, "PYTHONPATH": str(self._repository)}, stderr=log,
            )  # fmt: skip
        wait_until(lambda: '"event":"serving"' in self.log.read_text(), "it serves")

    def reload(self) -> None:
        """Send SIGHUP."""
        assert self._popen is not None
        self._popen.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """End it."""
        if self._popen is not None:
            self._popen.terminate()
            self._popen.wait(10)

    def curl(self, path: str, *options: str, pair: Pair | None = None, user: str = "", scheme: str = "https") -> tuple[int, str, str]:
        """Return the status (0 where no answer came), the text and the headers of what curl gets."""
        certificate = ("--cert", str(pair.certificate), "--key", str(pair.key)) if pair else ()
        login = ("--user", user) if user else ()
        head = self.directory / "head.txt"
        done = subprocess.run(
            [
                "curl", "--silent", "--max-time", "10", "--cacert", str(self.authority.certificate), "--dump-header", str(head),
                "--write-out", "\n%{http_code}", *certificate, *login, *options, f"{scheme}://{self.address}{path}",
            ],
            capture_output=True, text=True, check=False, timeout=20,
        )  # fmt: skip
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body, head.read_text() if head.exists() else ""


@pytest.fixture
def secured(tmp_path: Path, repository: Path, program: Callable[[str], Path]) -> Iterator[Callable[..., Secured]]:
    """Return a starter of servers behind TLS; each ends with the test."""
    program("curl")
    servers: list[Secured] = []

    def start(change: Callable[[dict[str, Any]], None] = lambda _: None, **web: Any) -> Secured:
        server = Secured(tmp_path, repository, **web)
        servers.append(server)
        server.write(change)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()
        sys.stdout.write(server.log.read_text())


def without_client_certificates(config: dict[str, Any]) -> None:
    """Leave TLS and logins."""
    for key in ("client_auth_type", "client_ca_file", "client_allowed_sans"):
        del config["tls_server_config"][key]


def test_curl_gets_in_with_all_three_and_without_any_of_them_does_not(secured):
    """TLS, certificate, login: each by itself must hold."""
    server = secured()
    good = {"pair": server.scraper, "user": "alice:alice"}
    status, body, head = server.curl("/metrics", **good)
    assert status == 200
    assert "awschange_exporter_build_info" in body
    assert "awschange_exporter_web_config_last_reload_successful 1" in body
    assert re.search(r"(?im)^strict-transport-security: max-age=31536000", head)
    assert re.search(r"(?im)^cache-control: no-store", head)
    assert server.curl("/metrics", pair=server.scraper)[0] == 401
    assert server.curl("/metrics", pair=server.scraper, user="alice:wrong")[0] == 401
    assert server.curl("/metrics", pair=server.scraper, user="mallory:alice")[0] == 401
    assert server.curl("/metrics", user="alice:alice")[0] == 0
    assert server.curl("/metrics", pair=server.authority.client("stranger"), user="alice:alice")[0] == 0
    assert server.curl("/metrics", "--tls-max", "1.1", **good)[0] == 0
    assert server.curl("/metrics", "--tls-max", "1.2", **good)[0] == 200
    assert server.curl("/metrics", "--tlsv1.3", "--http2", **good)[0] == 200
    status, body, _ = server.curl("/metrics", scheme="http", user="alice:alice")
    assert (status, "https://" in body) == (400, True)
    status, body, head = server.curl("/", "--head", pair=server.scraper)
    assert status == 401
    assert re.search(r"(?im)^www-authenticate: Basic ", head)
    refused = dict(re.findall(r'requests_refused_total\{reason="(\w+)"\} (\d+)', server.curl("/metrics", **good)[1]))
    assert {reason: refused[reason] for reason in ("no_credentials", "wrong_credentials", "certificate")} == {
        "no_credentials": "2",
        "wrong_credentials": "2",
        "certificate": "1",
    }
    assert int(refused["tls"]) >= 3


def test_metrics_and_probes_may_do_without_a_login_and_nothing_else(secured):
    """What the documentation says to those whose Prometheus or kubelet cannot log in."""
    server = secured(without_client_certificates, metrics_without_login=True, health_without_login=True)
    for path, status in (("/metrics", 200), ("/-/healthy", 200), ("/-/ready", 200), ("/", 401), ("/history", 401)):
        assert server.curl(path)[0] == status, path
    assert server.curl("/-/reload", "--request", "POST")[0] == 401
    evil = ("--request", "POST", "--header", "Origin: https://evil.example.net")
    assert server.curl("/-/reload", *evil, user="alice:alice")[0] == 403
    assert server.curl("/-/reload", "--request", "POST", user="alice:alice")[0] == 200


def test_a_new_password_counts_within_a_second_and_a_broken_file_never(secured):
    """No restart, and no moment without a door; POST and SIGHUP say so too."""
    server = secured(without_client_certificates)
    assert server.curl("/", user="alice:alice")[0] == 200

    def give_alice_a_new_one(config: dict[str, Any]) -> None:
        without_client_certificates(config)
        config["basic_auth_users"]["alice"] = bcrypt.hashpw(b"new", bcrypt.gensalt(4)).decode()

    server.write(give_alice_a_new_one)
    wait_until(lambda: server.curl("/", user="alice:new")[0] == 200, "the new password is in force")
    assert server.curl("/", user="alice:alice")[0] == 401
    server.file.write_text("basic_auth_users: [")
    wait_until(
        lambda: "awschange_exporter_web_config_last_reload_successful 0" in server.curl("/metrics", user="alice:new")[1], "it is told"
    )
    assert server.curl("/-/reload", "--request", "POST", user="alice:new")[0] == 500
    server.write(without_client_certificates)
    server.reload()
    wait_until(lambda: server.curl("/", user="alice:alice")[0] == 200, "the old password is back")
    assert "last_reload_successful 1" in server.curl("/metrics", user="alice:alice")[1]


def scraping(server: Secured, repository: Path, program: Callable[[str], Path]) -> tuple[Process, str]:
    """Return a Prometheus with the shipped example, its paths and clocks those of the test, and its URL."""
    config = yaml.safe_load((repository / "deploy/prometheus/prometheus-tls.yml").read_text())
    config["global"] = {"scrape_interval": "1s"}
    (scrape,) = config["scrape_configs"]
    tls, files = scrape["tls_config"], server.directory
    assert (tls["server_name"], tls["ca_file"]) == ("changes.example.com", "/etc/prometheus/exporter-ca.crt")
    tls |= {"server_name": "localhost", "ca_file": str(server.authority.certificate)}
    tls |= {"cert_file": str(server.scraper.certificate), "key_file": str(server.scraper.key)}
    scrape["basic_auth"]["password_file"] = str(files / "password")
    (files / "password").write_text("prometheus\n")
    scrape["static_configs"][0]["targets"] = [server.address]
    (files / "prometheus.yml").write_text(yaml.safe_dump(config))
    url = f"http://127.0.0.1:{free_port()}"
    argv = [
        str(program("prometheus")),
        "--config.file=prometheus.yml",
        f"--storage.tsdb.path={files / 'tsdb'}",
        f"--web.listen-address={url[7:]}",
    ]
    return Process("prometheus", argv, files, f"{url}/-/ready"), url


def value(url: str, expression: str) -> float | None:
    """Return the one value of an instant query, None where there is none."""
    found = json.loads(get(f"{url}/api/v1/query?query={expression}"))["data"]["result"]
    return float(found[0]["value"][1]) if found else None


def test_prometheus_scrapes_through_tls_certificate_and_login_while_passwords_are_guessed(secured, repository, program):
    """The shipped examples fit together, and neither guesses nor idle connections make a scrape fail."""
    server = secured()
    prometheus, url = scraping(server, repository, program)
    try:
        prometheus.start()
        wait_until(lambda: value(url, "up") == 1, "Prometheus has scraped")
        assert value(url, "awschange_exporter_build_info") == 1
        done = threading.Event()

        def guess(number: int) -> None:
            count = 0
            while not done.is_set():
                count += 1
                server.curl("/metrics", pair=server.scraper, user=f"alice:guess{number}-{count}")

        guessers = [threading.Thread(target=guess, args=(number,)) for number in range(4)]
        began = time.time()
        for guesser in guessers:
            guesser.start()
        try:
            refused = 'sum(awschange_exporter_http_requests_refused_total{reason="login_rate"})'.replace("{", "%7B").replace("}", "%7D")
            wait_until(lambda: (value(url, refused.replace('"', "%22")) or 0) > 50, "guesses were refused")
            wait_until(lambda: time.time() - began > 6, "six scrapes went on")
        finally:
            done.set()
            for guesser in guessers:
                guesser.join(20)
        assert value(url, "min_over_time(up[5s])") == 1
    finally:
        prometheus.stop()


def test_check_config_reads_the_file_as_serve_would(secured, repository):
    """Whoever deploys by pipeline finds out there, not on the machine."""
    server = secured()

    def check(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "exporter", "check-config", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=server.directory, env={**os.environ, "PYTHONPATH": str(repository)}
        )

    done = check("--web.config.file", str(server.file))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{server.file}: valid; TLS: client certificates: RequireAndVerifyClientCert; logins: 2\n"
    assert check("exporter.yml", "--web.config.file", str(server.file)).returncode == 0
    (server.directory / "tls.key").write_text("")
    done = check("--web.config.file", str(server.file))
    assert done.returncode == 2
    assert "tls_server_config: the certificate or the private key cannot be used" in done.stderr
    assert check().returncode == 2
